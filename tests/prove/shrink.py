"""From a schedule that fails to a small one that fails in the same way (delta debugging)."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from tests.prove.explore import play
from tests.prove.schedule import Schedule

Part = TypeVar("Part")

MOST_TRIES = 400


def shrink(schedule: Schedule, invariant: str) -> Schedule:
    """Return the schedule without whatever is not needed to violate this invariant.

    Its dice become a list first: what they said is replayed, and can then be left out.
    """
    tries = [0]

    def still_fails(candidate: Schedule) -> bool:
        tries[0] += 1
        if tries[0] > MOST_TRIES:
            return False
        return any(each.invariant == invariant for each in play(candidate).violations)

    listed = replace(schedule, chance=0.0, disturbances=play(schedule).disturbances)
    if not still_fails(listed):
        return schedule
    small = _drop(
        listed, list(listed.disturbances),
        lambda s, kept: replace(s, disturbances=tuple(kept)), still_fails,
    )  # fmt: skip
    small = _drop(
        small, list(small.scenario.happenings),
        lambda s, kept: replace(s, scenario=replace(s.scenario, happenings=tuple(kept))),
        still_fails,
    )  # fmt: skip
    return _drop(
        small, list(small.disturbances),
        lambda s, kept: replace(s, disturbances=tuple(kept)), still_fails,
    )  # fmt: skip


def _drop(
    schedule: Schedule,
    parts: list[Part],
    with_parts: Callable[[Schedule, list[Part]], Schedule],
    still_fails: Callable[[Schedule], bool],
) -> Schedule:
    """Return the schedule with as few of these parts as still fail; halves first, then single."""
    size = max(1, len(parts) // 2)
    while parts:
        start, dropped = 0, False
        while start < len(parts):
            fewer = parts[:start] + parts[start + size :]
            if still_fails(with_parts(schedule, fewer)):
                parts, dropped = fewer, True
            else:
                start += size
        if size == 1 and not dropped:
            break
        size = size if dropped and size == 1 else max(1, size // 2)
    return with_parts(schedule, parts)
