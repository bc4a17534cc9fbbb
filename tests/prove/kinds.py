"""The kinds of schedules, and how each is made of a number and a seed."""

import random
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Any

from tests.prove.schedule import Disturbance, Happening, Scenario, Schedule
from tests.prove.stores import stores_for
from tests.prove.world import PARTS, World

HOSTS = tuple(f"i-0000000000000000{n}" for n in range(1, 5))
RULES = {"cpu": "CPUUtilization", "mem": "mem_used_percent", "load": "CPUUtilization"}
VERIFY = {"within": "3m", "healthy_for": "1m"}
RESTART = {"run": "restart_service", "with": {"service": "nginx"}, "verify": VERIFY}
RELIEVE = {"run": "relieve_memory", "with": {"services": "nginx"}, "verify": VERIFY}
CHANCES = (0.004, 0.01, 0.03, 0.08)


def configuration(
    rules: dict[str, dict[str, Any]], limits: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return a configuration with these rules; each gets its metric by its name."""
    content = {
        name: {
            "when": {"metric": RULES[name], "warning": 80, "critical": 95}, "autonomy": "auto",
            "recover": [RESTART], **rule,
        }
        for name, rule in rules.items()
    }  # fmt: skip
    fleet = {"at_once": {"hosts": 3, "percent": 100}, "hosts": "20 per 1h"}
    usual = {"approval_expires": "3m", "fleet": fleet}
    sources = {"logs": [{"group": "/shop/metrics"}]}
    return {
        "rules": content, "limits": {**usual, **(limits or {})}, "sources": sources,
        # Crowds have tests of their own: here each incident is told by itself.
        "notify": {"group": {"by": ["rule", "target"]}, "at_most": "200 per 10m"},
    }  # fmt: skip


def scenario(
    *happenings: Happening,
    rules: dict[str, dict[str, Any]] | None = None,
    limits: dict[str, Any] | None = None,
    hosts: int = 1,
    cures: tuple[str, ...] = ("restart_service",),
    **more: Any,
) -> Scenario:
    """Return a scenario of few words: one rule on the CPU, which a restart cures."""
    names = HOSTS[:hosts]
    content = configuration(rules or {"cpu": {}}, limits)
    values: dict[str, Any] = {
        "configurations": (content,), "hosts": names, "groups": dict.fromkeys(names, ""),
        "cures": dict.fromkeys(RULES.values(), cures), "happenings": happenings,
    }  # fmt: skip
    return Scenario(**{**values, **more})


def sick(after: float, rule: str = "cpu", host: str = HOSTS[0]) -> tuple[Happening, Happening]:
    """Return a machine that falls sick, and the alarm that says so a minute later."""
    return (
        Happening(after, "sicken", f"{host} {RULES[rule]}"),
        Happening(after + 60, "alarm", f"{host} {rule}"),
    )


LADDER = {"cpu": {"recover": [RESTART, RELIEVE]}}

REFERENCES: dict[str, Callable[[], Scenario]] = {
    "cured by the first rung": lambda: scenario(*sick(0)),
    "cured by the second": lambda: scenario(*sick(0), rules=LADDER, cures=("relieve_memory",)),
    "never cured": lambda: scenario(*sick(0), cures=(), watched_for=timedelta(minutes=20)),
    "asked, and approved": lambda: scenario(
        *sick(0), Happening(200, "approve", f"{HOSTS[0]} cpu"), rules={"cpu": {"autonomy": "ask"}}
    ),
    "two rules on one host": lambda: scenario(
        *sick(0), *sick(1, "mem"), rules={"cpu": {}, "mem": {}}, limits={"cooldown": "0s"}
    ),
    "two rules, one after the other": lambda: scenario(
        *sick(0), *sick(250, "mem"), rules={"cpu": {}, "mem": {}}, limits={"cooldown": "0s"}
    ),
    "climbed again by hand": lambda: scenario(
        *sick(0),
        Happening(900, "recover", f"{HOSTS[0]} cpu"),
        cures=(),
        limits={"cooldown": "0s"},
        watched_for=timedelta(minutes=40),
    ),
    "the board is down": lambda: scenario(
        *sick(0), Happening(30, "goes down", "the board"), Happening(400, "comes back", "the board")
    ),
    "the store is down": lambda: scenario(
        *sick(0),
        Happening(60.52, "goes down", "the store"),
        Happening(1000, "comes back", "the store"),
    ),
    "closed by a person": lambda: scenario(
        *sick(0), Happening(70, "close", f"{HOSTS[0]} cpu"), cures=()
    ),
}


@cache
def places_of(name: str, *, one_machine: bool = False) -> tuple[Disturbance, ...]:
    """Return everything that can go wrong in a reference scenario, each on its own."""
    quiet = Schedule(name, REFERENCES[name](), seed="")
    with stores_for(quiet) as stores:
        world = World(quiet, stores)
        world.troubles.is_noted = True
        world.play()
    return tuple(
        Disturbance(actor, call, nth, what)
        for actor, call, nth, choices in world.troubles.places
        for what in dict.fromkeys(choices)
    )


@cache
def every_single_trouble() -> tuple[tuple[str, Disturbance], ...]:
    """Return each reference scenario with each single thing that can go wrong in it."""
    return tuple((name, each) for name in REFERENCES for each in places_of(name))


def single(number: int, seed: int) -> Schedule:
    """Return a reference scenario with one trouble, at the place of that number."""
    name, disturbance = every_single_trouble()[number]
    seeded = f"single:{number}"
    return Schedule(seeded, REFERENCES[name](), seeded, disturbances=(disturbance,))


def storm(number: int, seed: int, kind: str = "storm", **more: Any) -> Schedule:
    """Return a random scenario in which anything may go wrong, and much does."""
    name = f"{kind}:{seed}:{number}"
    dice = random.Random(name)
    return Schedule(name, _random_scenario(dice, more), name, chance=dice.choice(CHANCES))


def power_cut(number: int, seed: int) -> Schedule:
    """Return a storm on one machine, which dies as a whole and forgets all but its store."""
    return storm(number, seed, "power-cut", one_machine=True)


def dynamodb(number: int, seed: int) -> Schedule:
    """Return a storm over DynamoDB, which may fail between the requests of one call."""
    return storm(number, seed, "dynamodb", store="dynamodb")


KINDS: dict[str, Callable[[int, int], Schedule]] = {
    "single": single, "storm": storm, "power-cut": power_cut, "dynamodb": dynamodb,
}  # fmt: skip


def named(name: str) -> Schedule:
    """Return the schedule of this name, such as `storm:7:1204`."""
    kind, *numbers = name.split(":")
    seed, number = (0, int(numbers[0])) if len(numbers) == 1 else map(int, numbers)
    return KINDS[kind](number, seed)


def _random_scenario(dice: random.Random, more: dict[str, Any]) -> Scenario:
    hosts = HOSTS[: dice.choice((1, 1, 2, 2, 3, 4))]
    names = ["cpu", *dice.sample(("mem", "load"), dice.choice((0, 1, 1, 2)))]
    rules = {name: _random_rule(dice) for name in names}
    first = configuration(rules, _random_limits(dice))
    later = configuration({name: _random_rule(dice) for name in names}, _random_limits(dice))
    groups = {host: dice.choice(("", "", "blue")) for host in hosts}
    cures: dict[str, tuple[str, ...]] = {
        metric: dice.choice((("restart_service",), ("restart_service",), ("relieve_memory",), ()))
        for metric in dict.fromkeys(RULES.values())
    }
    happenings = sorted(_random_happenings(dice, hosts, names), key=lambda each: each.after)
    watched = timedelta(minutes=dice.choice((0, 0, 0, 0, 30)))
    return Scenario(
        (first, later), hosts, cures, tuple(happenings), groups, watched_for=watched, **more
    )


def _random_rule(dice: random.Random) -> dict[str, Any]:
    ladders = ([RESTART], [RESTART, RELIEVE], [RELIEVE, RESTART])
    return {
        "autonomy": dice.choice(("auto",) * 6 + ("ask", "ask", "observe")),
        "recover": dice.choice(ladders),
    }


def _random_limits(dice: random.Random) -> dict[str, Any]:
    fleet = {
        "at_once": {"hosts": dice.choice((1, 1, 2, 3)), "percent": 100},
        "hosts": dice.choice(("2 per 1h", "20 per 1h", "20 per 1h")),
    }
    return {
        "cooldown": dice.choice(("0s", "0s", "5m", "15m")),
        "fleet": fleet,
        "max_event_age": dice.choice(("5m", "15m")),
    }


def _random_happenings(
    dice: random.Random, hosts: tuple[str, ...], rules: list[str]
) -> list[Happening]:
    found: list[Happening] = []
    for host in hosts:
        for rule in dice.sample(rules, dice.randint(1, len(rules))):
            found += _trouble(dice, host, rule)
    for _ in range(dice.choice((0, 0, 1, 2, 3))):
        found += _by_people(dice, dice.choice(hosts), dice.choice(rules))
    for _ in range(dice.choice((0, 0, 0, 1, 2))):
        found += _by_itself(dice, dice.choice(hosts), dice.choice(rules))
    return found


def _trouble(dice: random.Random, host: str, rule: str) -> list[Happening]:
    begins = dice.uniform(0, 300)
    what = dice.choice(("alarm", "alarm", "alarm", "lines"))
    if dice.random() < 0.04:
        other = next(each for each in HOSTS[::-1] if each != host)
        return [Happening(begins, "forged lines", f"{host} {other} {rule}")]
    old = dice.choice((0.0,) * 15 + (3600.0,))
    alarm = Happening(begins + 60, what, f"{host} {rule}", old)
    found = [Happening(begins, "sicken", f"{host} {RULES[rule]}"), alarm]
    for _ in range(dice.choice((0, 0, 1, 2))):
        later = begins + 60 + dice.expovariate(1 / 200)
        found.append(Happening(later, what, f"{host} {rule}", old + later - begins - 60))
    return found


def _by_people(dice: random.Random, host: str, rule: str) -> list[Happening]:
    at, later = dice.uniform(55, 900), dice.uniform(60, 1500)
    about = f"{host} {rule}"
    return dice.choice(
        (
            [Happening(at, "halt"), Happening(at + later, "resume all")],
            [Happening(at, "maintain", host), Happening(at + later, "end maintenance", host)],
            [Happening(at, "approve", about), Happening(at + later, "deny", about)],
            [Happening(at, "approve", about)],
            [Happening(at, "deny", about)],
            [Happening(at, "close", about)],
            [Happening(at, "recover", about), Happening(at + later, "recover", about)],
            [Happening(at, "acknowledge", about)],
        )
    )


def _by_itself(dice: random.Random, host: str, rule: str) -> list[Happening]:
    at, later = dice.uniform(30, 700), dice.uniform(60, 900)
    metric, part = f"{host} {RULES[rule]}", dice.choice(tuple(PARTS))
    return dice.choice(
        (
            [Happening(at, "heal", metric)],
            [Happening(at, "heal", metric), Happening(at + later, "sicken", metric)],
            [Happening(at, "fall silent", host)],
            [Happening(at, "opt out", host), Happening(at + later, "opt in", host)],
            [Happening(at, "opt out", host)],
            [Happening(at, "vanish", host), Happening(at + later, "reappear", host)],
            [Happening(at, "clock jumps", value=dice.choice((-300.0, -120.0, 120.0, 300.0)))],
            [Happening(at, "deploy")],
            [Happening(at, "goes down", part), Happening(at + later, "comes back", part)],
            [Happening(at, "nonsense", value=at)],
        )
    )
