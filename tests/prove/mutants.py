"""Deliberately broken variants of the product: each must be caught, by the invariant it names.

A mutant is a context in which one name of the product stands for something broken, and a supply of
schedules in which that shows. They prove that the proof can fail.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import Any

from autorecovery.adapters.simulated import workflow
from autorecovery.adapters.sqlite import controls as sqlite_controls
from autorecovery.adapters.sqlite import incident_log as sqlite_incidents
from autorecovery.models.controls import Approval
from autorecovery.models.fleet import Ledger
from autorecovery.models.incident import CommandState, EntryKind, Incident
from autorecovery.models.reason import Reason, Verdict
from autorecovery.models.wire import encode
from autorecovery.ports import Claim
from autorecovery.response import budget, choose, echo, finish, gates, recover, run, verify
from autorecovery.response.stage import Response
from autorecovery.triage import run as triage_run
from tests.prove import kinds
from tests.prove.explore import play
from tests.prove.kinds import HOSTS, LADDER, REFERENCES, every_single_trouble, scenario, sick
from tests.prove.schedule import Disturbance, Happening, Scenario, Schedule
from tests.prove.trouble import MEANWHILE


@contextmanager
def broken(place: Any, name: str, by: Any) -> Iterator[None]:
    """Let a name of the product stand for something else meanwhile."""
    whole = getattr(place, name)
    setattr(place, name, by)
    try:
        yield
    finally:
        setattr(place, name, whole)


@dataclass(frozen=True)
class Mutant:
    """Something broken, who must notice, and where it shows."""

    name: str
    caught_by: str
    place: Any
    attribute: str
    by: Any
    schedules: Callable[[], Iterator[Schedule]]

    def caught_after(self, at_most: int) -> int | None:
        """Return how many schedules it took to catch it; None where so many did not."""
        with broken(self.place, self.attribute, self.by):
            for count, schedule in enumerate(islice(self.schedules(), at_most), start=1):
                if any(each.invariant == self.caught_by for each in play(schedule).violations):
                    return count
        return None


# where they show


def alone(*scenarios: Scenario) -> Iterator[Schedule]:
    """Yield scenarios in which nothing goes wrong."""
    yield from (Schedule("mutant:0", each, "") for each in scenarios)


def singles(name: str, *what: str) -> Iterator[Schedule]:
    """Yield a reference scenario with each single trouble of these sorts."""
    for number, (of, disturbance) in enumerate(every_single_trouble()):
        if of == name and any(word in disturbance.what for word in what):
            yield kinds.single(number, 0)


def _held(**rule: Any) -> Scenario:
    return scenario(*sick(0), rules={"cpu": rule}, cures=())


def _all_at_once(hosts: int, rules: tuple[str, ...] = ("cpu",), **limits: Any) -> Scenario:
    happenings = [each for host in HOSTS[:hosts] for rule in rules for each in sick(0, rule, host)]
    fleet = {"at_once": {"hosts": 1, "percent": 100}, "hosts": limits.pop("hosts", "20 per 1h")}
    return scenario(
        *happenings, hosts=hosts, rules={rule: {} for rule in rules}, cures=(),
        limits={"cooldown": "0s", "fleet": fleet, **limits},
    )  # fmt: skip


# what is broken


def _open_gate(name: str) -> tuple[gates.Gate, ...]:
    return tuple(gate for gate in gates.GATES if gate.__name__ != name)


def _without(gate: str, shows: Callable[[], Scenario]) -> Mutant:
    return Mutant(
        f"the gate {gate} is gone", "gates hold", gates, "GATES", _open_gate(gate),
        lambda: alone(shows()),
    )  # fmt: skip


def _claim_always(self: Any, candidate: Any) -> Claim:
    """Claim without asking who holds it."""
    with self._database.transaction() as rows:
        rows.execute("DROP INDEX IF EXISTS one_open_incident")
        rows.execute(
            "INSERT OR IGNORE INTO incidents (id, rule_name, target_key, content, state, level,"
            " level_rank, opened_at, breached_at) VALUES (?, ?, ?, ?, 'open', ?, 3, ?, ?)",
            (
                candidate.id, *candidate.key, encode(candidate, Incident), candidate.level,
                candidate.opened_at.isoformat(), candidate.breached_at.isoformat(),
            ),
        )  # fmt: skip
    return Claim(candidate, won=True, started=False)


_JOIN = triage_run._join


def _join_without_start(breach: Any, holder: Any, app: Any) -> Any:
    return _JOIN(breach, replace(holder, started=True), app)


def _send_again(attempt: Any, name: str, flow: Any, app: Any) -> Any:
    """Send in a step that is repeated until it succeeds."""
    return flow.step(name, lambda: recover._try_to_send(attempt, app), recover.Sent)


def _uncertain_is_not_sent(attempt: Any, app: Any) -> recover.Sent:
    sent = _TRY(attempt, app)
    return replace(sent, may_have_started=False, worth_retrying=sent.may_have_started)


_TRY = recover._try_to_send


def _send_without_asking(attempt: Any, app: Response) -> recover.Sent:
    """Send without reading the halt flag once more."""

    class Free:
        def halt(self) -> None:
            return None

    return _TRY(attempt, replace(app, controls=Free()))  # type: ignore[arg-type]


def _read_then_write(
    incident: Any, rung: Any, number: int, again: str, decision: Any, flow: Any, app: Any
) -> Any:
    """Take the budget in two calls: look, then write."""
    if not decision.acts:
        return decision

    def take() -> Any:
        lease = budget.lease_for(incident, rung, number, app)
        allowed = budget.allowance(decision.fleet, app)
        ledger = app.budget.ledger(decision.group)
        if refusal := ledger.refusal(lease, allowed, app.clock()):
            return replace(decision, acts=False, reason=refusal)
        app.budget.write(decision.group, ledger.give(lease, allowed, app.clock()))
        return decision

    return flow.step(f"reserve {number} {again}".rstrip(), take, type(decision))


def _write(self: Any, group: str, ledger: Ledger) -> None:
    self._put("fleet", group, ledger, Ledger)


sqlite_controls.SqliteControls.write = _write  # type: ignore[attr-defined]  # for _read_then_write


def _keep(incident: Any, number: int, decision: Any, flow: Any, app: Any) -> None:
    """Give no lease back."""


_REFUSAL = Ledger.refusal


def _unlimited(wanted: Reason) -> Callable[..., Reason | None]:
    def refusal(self: Ledger, lease: Any, allowed: Any, now: Any) -> Reason | None:
        reason = _REFUSAL(self, lease, allowed, now)
        return None if reason is wanted else reason

    return refusal


def _silent(self: Response, notice: Any, key: str, *, alone: bool = False) -> None:
    """Note it as told without telling."""
    self.note(notice.incident_id, f"told {key}", EntryKind.NOTIFIED, "told", delivered=True)


def _tell_no_human(incident: Any, climb: Any, label: str, app: Any) -> Any:
    """Go on as if the incident had been handed over."""
    return app.clock()


def _believe_the_echo(incident_id: str, app: Any) -> Any:
    """Close whatever follows on trouble that ended well, without a look at fresh data."""
    incident = app.present(incident_id)
    if echo._end_of_trouble_before(incident, app) is None:
        return echo.NO_ECHO
    app.incidents.close(incident_id, Reason.ECHO, app.clock())
    return echo.Impression(echo=True, settled=True)


def _approve_every_rung(incident: Any, footing: Any, app: Any) -> Any:
    """Take a person's word for the whole ladder."""
    order = footing.order
    return order and Approval("every rung", approved=True, by=order.by, at=order.at)


def _climb_anyway(attempt: Any) -> Reason | None:
    reason = _NEXT(attempt)
    return None if reason is Reason.UNCLEAR_OUTCOME else reason


_NEXT = run._no_next_rung


def _judge_early(attempt: Any, status: Any, now: Any) -> Any:
    """Judge on what was measured since the script was intended."""
    return attempt.intended_at


def _believe_anything(reading: Any, *rest: Any, **more: Any) -> Verdict:
    return Verdict.VERIFIED


def _intend_later(plan: Any, number: int, app: Any) -> Any:
    """Write nothing down before it is sent."""
    return plan


def _guess(attempt: Any, app: Any) -> Any:
    """Call what nobody has heard of a failure that never ran."""
    status = _POLL(attempt, app)
    unknown = status.state is CommandState.UNKNOWN
    return replace(status, state=CommandState.NOT_RUN) if unknown else status


_POLL = recover._poll


def _done_at_once(self: Any, name: str, act: Any, result: Any) -> Any:
    """Repeat even what must happen at most once."""
    return self.step(name, act, result)


def _release_early(attempt: Any, status: Any, now: Any) -> Any:
    """Call an unknown script over when it can no longer start, though it may still run."""
    reported = status.ended_at
    if status.state is CommandState.UNKNOWN and reported is None:
        return max(now, attempt.not_after)
    return _FROM(attempt, status, now)


_FROM = recover._judged_from
_PLAN = recover._plan


def _plan_anew(incident: Any, rung: Any, number: int, decided_at: Any, app: Any) -> Any:
    """Count the time to start in from the plan, however old the decision is."""
    return _PLAN(incident, rung, number, None, app)


def _never_mind(*anything: Any) -> None:
    """Do nothing."""


def _never_begun(self: Response, incident: Any, number: int) -> None:
    """Know of nothing that an earlier life has begun."""


def _nothing_strange(*anything: Any) -> list[Any]:
    return []


def _halt_during_retry() -> Iterator[Schedule]:
    incident = "inc-20260301-120128-bae6e2c5"
    throttled = Disturbance(f"response {incident}", "ssm answers", 1, "throttled")
    halted = scenario(*sick(0), Happening(61, "halt"))
    yield Schedule("mutant:halt", halted, "", disturbances=(throttled,))


def _race() -> Iterator[Schedule]:
    """Yield two machines of one group, the one overtaking the other at every call in turn."""
    crowded = _all_at_once(2)
    yield from _overtaking(crowded)


def _climbed_by_hand() -> Scenario:
    """Return a rule that observes, whose ladder a person has climbed; its first rung helps not."""
    return scenario(
        *sick(0), Happening(300, "recover", f"{HOSTS[0]} cpu"), cures=(),
        rules={"cpu": {**LADDER["cpu"], "autonomy": "observe"}}, watched_for=timedelta(minutes=30),
    )  # fmt: skip


def _overtaking(crowded: Scenario) -> Iterator[Schedule]:
    for call in ("budget.ledger", "budget.reserve", "budget.write"):
        for nth in (1, 2):
            for actor in _responses(crowded):
                overtaken = Disturbance(actor, call, nth, MEANWHILE)
                yield Schedule("mutant:race", crowded, "", disturbances=(overtaken,))


def _responses(crowded: Scenario) -> list[str]:
    trace = play(Schedule("mutant:look", crowded, ""), traced=True).trace
    return list(dict.fromkeys(line.who for line in trace if line.who.startswith("response")))


def _killed_anywhere() -> Iterator[Schedule]:
    return singles("cured by the first rung", "dies")


def _answers_lost() -> Iterator[Schedule]:
    return singles("cured by the first rung", "after")


def _start_lost() -> Iterator[Schedule]:
    return singles("cured by the first rung", "dies before")


def _silent_after() -> Iterator[Schedule]:
    return alone(
        scenario(
            *sick(0), Happening(63, "fall silent", HOSTS[0]), rules=LADDER,
            cures=("relieve_memory",),
        )
    )  # fmt: skip


def _two_deliveries() -> Iterator[Schedule]:
    """Yield two alarms of one trouble, the second of which overtakes the first."""
    alarm = Happening(60.1, "alarm", f"{HOSTS[0]} cpu", 1.5)
    overtaken = Disturbance("delivery alarm 1", "directory.look_up", 1, MEANWHILE)
    twice = scenario(*sick(0), alarm, cures=())
    yield Schedule("mutant:claim", twice, "", disturbances=(overtaken,))


def _budget_over_time() -> Scenario:
    happenings = [each for i, h in enumerate(HOSTS[:3]) for each in sick(300.0 * i, "cpu", h)]
    fleet = {"at_once": {"hosts": 3, "percent": 100}, "hosts": "2 per 1h"}
    return scenario(*happenings, hosts=3, limits={"cooldown": "0s", "fleet": fleet})


def _cut(name: str) -> Iterator[Schedule]:
    """Yield a reference scenario on one machine, which dies in every place in turn."""
    for each in kinds.places_of(name):
        if "dies" in each.what:
            on_one = replace(REFERENCES[name](), one_machine=True)
            halted = (*on_one.happenings, Happening(65, "halt"))
            yield Schedule(
                "mutant:cut", replace(on_one, happenings=halted), "", disturbances=(each,)
            )


NEVER_CURED = partial(alone, scenario(*sick(0), cures=()))
BOARD_DOWN = partial(alone, REFERENCES["the board is down"]())

MUTANTS = (
    Mutant("sent in a step that is repeated", "one send per attempt", recover, "_send_once",
           _send_again, _killed_anywhere),
    Mutant("at most once became at least once", "one send per attempt",
           workflow.SimulatedWorkflow, "step_at_most_once", _done_at_once, _killed_anywhere),
    Mutant("sent again when the answer was lost", "one send per attempt", recover,
           "_try_to_send", _uncertain_is_not_sent, _answers_lost),
    Mutant("the host lock is gone", "one attempt per host at a time", Ledger, "refusal",
           _unlimited(Reason.HOST_BUSY),
           lambda: alone(replace(REFERENCES["two rules on one host"]()))),
    Mutant("a late script's host is given back", "one attempt per host at a time", recover,
           "_judged_from", _release_early,
           lambda: singles("two rules, one after the other", "takes long")),
    Mutant("the hand-over is skipped", "an end or a human", finish, "_tell", _tell_no_human,
           NEVER_CURED),
    Mutant("every late alarm is called an echo", "somebody was told", echo, "_look",
           _believe_the_echo, lambda: alone(scenario(*sick(0), *sick(2500)))),
    Mutant("an order approves every rung", "gates hold", choose, "_approval",
           _approve_every_rung, lambda: alone(_climbed_by_hand())),
    Mutant("a start is not made up for", "an end or a human", triage_run, "_join",
           _join_without_start, _start_lost),
    Mutant("told is noted, and nobody told", "somebody was told", Response, "tell", _silent,
           NEVER_CURED),
    Mutant("what nobody heard of is not told again", "somebody was told", finish, "_make_known",
           _never_mind, BOARD_DOWN),
    Mutant("what nobody understands is dropped", "nothing is dropped", triage_run, "_strangers",
           _nothing_strange, lambda: alone(scenario(Happening(1, "nonsense")))),
    Mutant("a claim that is taken is claimed again", "one incident per trouble",
           sqlite_incidents.SqliteIncidentLog, "open", _claim_always, _two_deliveries),
    Mutant("the budget is read, then written", "fleet budget kept", run, "reserve",
           _read_then_write, _race),
    Mutant("any number at once", "fleet budget kept", Ledger, "refusal",
           _unlimited(Reason.FLEET_BUSY), lambda: alone(_all_at_once(2))),
    Mutant("any number per hour", "fleet budget kept", Ledger, "refusal",
           _unlimited(Reason.FLEET_SPENT), lambda: alone(_budget_over_time())),
    Mutant("the lease is kept", "fleet budget given back", run, "give_back", _keep, NEVER_CURED),
    Mutant("the halt flag is not read again", "gates hold", recover, "_try_to_send",
           _send_without_asking, _halt_during_retry),
    Mutant("an old decision is acted on", "gates hold", recover, "_plan", _plan_anew,
           lambda: singles("the store is down", MEANWHILE)),
    _without("opted_in", lambda: scenario(Happening(1, "opt out", HOSTS[0]), *sick(300))),
    _without("maintenance", lambda: scenario(Happening(1, "maintain", HOSTS[0]), *sick(300))),
    _without("autonomy", lambda: _held(autonomy="observe")),
    _without("wrong_identity", lambda: scenario(
        Happening(0, "sicken", f"{HOSTS[0]} CPUUtilization"),
        Happening(60, "forged lines", f"{HOSTS[0]} {HOSTS[3]} cpu"))),
    _without("stale_event", lambda: scenario(
        Happening(0, "sicken", f"{HOSTS[0]} CPUUtilization"),
        Happening(4000, "alarm", f"{HOSTS[0]} cpu", 3900))),
    _without("cooldown", lambda: scenario(
        *sick(0), *sick(250, "mem"), rules={"cpu": {}, "mem": {}})),
    _without("still_sick", lambda: scenario(
        Happening(0, "sicken", f"{HOSTS[0]} CPUUtilization"),
        Happening(100, "heal", f"{HOSTS[0]} CPUUtilization"),
        Happening(600, "alarm", f"{HOSTS[0]} cpu", 550))),
    Mutant("the next rung after an unclear outcome", "ladder by evidence", run, "_no_next_rung",
           _climb_anyway, _silent_after),
    Mutant("judged on data of before the end", "recovered is true", recover, "_judged_from",
           _judge_early, lambda: singles("never cured", "takes long")),
    Mutant("exit 0 is success", "recovered is true", verify, "judge", _believe_anything,
           NEVER_CURED),
    Mutant("not written down before it is sent", "timeline is true", recover, "_intend",
           _intend_later, NEVER_CURED),
    Mutant("unknown is called not run", "timeline is true", recover, "_poll", _guess,
           lambda: singles("never cured", "DeliveryTimedOut")),
    Mutant("after a power cut gates hold what is begun", "timeline is true", Response, "begun",
           _never_begun, lambda: _cut("never cured")),
)  # fmt: skip
