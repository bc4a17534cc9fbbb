"""When reminders are due: after each of the configured waits, of which the last one repeats."""

from datetime import timedelta
from itertools import accumulate

SHORTEST = timedelta(seconds=5)
"""A wait of nothing repeats no faster."""


def next_reminder(waits: tuple[timedelta, ...], sent: int) -> timedelta:
    """Return after how long a wait the next reminder is due; the last of the waits repeats."""
    repeats = max(0, sent + 1 - len(waits))
    return sum(waits[: sent + 1], timedelta()) + repeats * _repeating(waits)


def reminders_due(waits: tuple[timedelta, ...], waited: timedelta) -> int:
    """Return how many reminders should have been sent after so long a wait."""
    listed = sum(1 for due in accumulate(waits) if due <= waited)
    beyond = waited - sum(waits, timedelta())
    return listed + max(0, beyond // _repeating(waits))


def _repeating(waits: tuple[timedelta, ...]) -> timedelta:
    return max(waits[-1], SHORTEST)
