"""Playing schedules: one, or very many on all processors, with the same results whoever plays."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from os import sched_getaffinity

from tests.prove.engine import Line
from tests.prove.invariants import Violation, judge
from tests.prove.kinds import KINDS, every_single_trouble
from tests.prove.schedule import Disturbance, Schedule
from tests.prove.stores import stores_for
from tests.prove.world import World

CHUNK = 20

SHARES = {"dynamodb": 0.01, "power-cut": 0.15, "single": 0.35}
"""What part of all schedules is of these kinds; the rest are storms. Of DynamoDB there are few, for
moto is slow; of the single troubles there are as many as there are places, and no more."""


@dataclass(frozen=True)
class Outcome:
    """What came of one schedule."""

    name: str
    violations: tuple[Violation, ...]
    disturbances: tuple[Disturbance, ...]
    """What really went wrong, in order: listed like this it goes wrong again."""
    trace: tuple[Line, ...]
    commands: int


def play(schedule: Schedule, *, traced: bool = False) -> Outcome:
    """Return what came of a schedule."""
    with stores_for(schedule) as stores:
        world = World(schedule, stores, traced=traced).play()
        violations = tuple(judge(world))
    happened = tuple(world.troubles.happened)
    commands = len(world.machines.commands)
    return Outcome(schedule.name, violations, happened, tuple(world.engine.trace), commands)


def plan(schedules: int) -> dict[str, list[int]]:
    """Return how many schedules of each kind make up so many, as their numbers."""
    places = len(every_single_trouble())
    singles = min(places, round(schedules * SHARES["single"]))
    counts = {kind: round(schedules * SHARES[kind]) for kind in ("power-cut", "dynamodb")}
    counts["storm"] = schedules - singles - sum(counts.values())
    numbers = {kind: list(range(count)) for kind, count in counts.items()}
    # Fewer than all are spread evenly over the reference scenarios.
    numbers["single"] = [index * places // singles for index in range(singles)]
    return {kind: numbers[kind] for kind in KINDS}


def explore(numbers: dict[str, list[int]], seed: int) -> Iterator[tuple[str, Outcome]]:
    """Yield kind and outcome of every schedule, in an order that does not depend on who plays."""
    tasks = [
        (kind, chunk, seed)
        for kind, of_kind in numbers.items()
        for chunk in _chunks(of_kind, 4 if kind == "dynamodb" else CHUNK)
    ]
    with ProcessPoolExecutor(len(sched_getaffinity(0))) as pool:
        for (kind, _, _), outcomes in zip(tasks, pool.map(_play_all, tasks), strict=True):
            yield from ((kind, outcome) for outcome in outcomes)


def _play_all(task: tuple[str, Sequence[int], int]) -> list[Outcome]:
    kind, numbers, seed = task
    return [play(KINDS[kind](number, seed)) for number in numbers]


def _chunks(numbers: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    rest = iter(numbers)
    while chunk := list(islice(rest, size)):
        yield chunk
