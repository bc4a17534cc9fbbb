"""What people read: how many schedules were explored, and a failure as a timeline."""

import json
from collections.abc import Iterator

from tests.prove.explore import Outcome, play
from tests.prove.invariants import INVARIANTS, Violation
from tests.prove.schedule import START, Schedule
from tests.prove.shrink import shrink


def describe_failure(schedule: Schedule, violation: Violation) -> Iterator[str]:
    """Yield the lines of a failure: what is violated, the small schedule, and its timeline."""
    small = shrink(schedule, violation.invariant)
    outcome = play(small, traced=True)
    scenario = small.scenario
    promise = (INVARIANTS[violation.invariant].__doc__ or "").strip().splitlines()[0]
    yield f"VIOLATED: {violation.invariant}. {promise}"
    yield from (f"  {each.what}" for each in outcome.violations)
    kept = "one machine" if scenario.one_machine else scenario.store
    yield f"in schedule {small.name!r} ({kept}), reduced to:"
    for number, content in enumerate(scenario.configurations):
        yield f"  configuration {number}: {json.dumps(content)}"
    yield f"  cures: {scenario.cures}; groups: {scenario.groups}"
    yield from (f"  at {each.after:.1f} s: {each}" for each in scenario.happenings)
    yield from (f"  trouble: {each}" for each in small.disturbances)
    yield "what happened:"
    yield from _timeline(outcome)
    yield f"again: python -m tests.prove --only '{schedule.name}'"


def _timeline(outcome: Outcome) -> Iterator[str]:
    for line in outcome.trace:
        seconds = (line.at - START).total_seconds()
        yield f"  {seconds:9.1f} s  {line.who}: {line.what}"
