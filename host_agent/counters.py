"""Rates from counters that only grow. What cannot be told is a gap, never a spike."""

from collections.abc import Mapping

LONGEST_GAP = 120.0
"""Seconds: a rate over a longer time says nothing of now."""


class Counters:
    """Remembers the last reading of each object, and answers with what happened since."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, Mapping[str, float]]] = {}

    def rates(self, name: str, values: Mapping[str, float], at: float) -> dict[str, float]:
        """Return each counter's growth per second, `at` being seconds of a monotonic clock.

        Nothing for the first reading of an object, nor for a counter that went back: it wrapped or
        started anew, and both look alike.
        """
        before = self._last.get(name)
        self._last[name] = (at, values)
        if before is None:
            return {}
        elapsed = at - before[0]
        if not 0 < elapsed <= LONGEST_GAP:
            return {}
        return {
            key: (value - before[1][key]) / elapsed
            for key, value in values.items()
            if key in before[1] and value >= before[1][key]
        }

    def keep_only(self, names: "set[str]") -> None:
        """Forget the objects that are gone: one of the same name is another one."""
        for name in self._last.keys() - names:
            del self._last[name]


class Shares:
    """Remembers the last times of a processor, and answers how it spent what has passed since."""

    def __init__(self) -> None:
        self._last: dict[str, Mapping[str, float]] = {}

    def percents(self, name: str, times: Mapping[str, float]) -> dict[str, float]:
        """Return the share of each kind of time in percent; nothing at first, or if time ran back.

        A single kind may run back by a tick (iowait does); it counts as no time at all.
        """
        before = self._last.get(name)
        self._last[name] = times
        if before is None or sum(times.values()) <= sum(before.values()):
            return {}
        spent = {kind: max(0.0, times[kind] - before.get(kind, 0.0)) for kind in times}
        total = sum(spent.values())
        return {kind: 100 * seconds / total for kind, seconds in spent.items()}
