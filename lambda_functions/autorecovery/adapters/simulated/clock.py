"""A clock that moves only when somebody waits, and what is to happen on the way."""

import heapq
from collections.abc import Callable
from datetime import datetime
from itertools import count


class VirtualClock:
    """Clock whose time passes by being waited for."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._order = count()
        self._due: list[tuple[datetime, int, Callable[[], object]]] = []

    def __call__(self) -> datetime:
        """Return the present virtual time."""
        return self._now

    def at(self, moment: datetime, happening: Callable[[], object]) -> None:
        """Let something happen when that moment comes; if it has passed, on the next wait."""
        heapq.heappush(self._due, (moment, next(self._order), happening))

    def advance(self, until: datetime, stop: Callable[[], bool] = lambda: False) -> None:
        """Let time pass until then, with all that is due on the way, or until `stop` says so."""
        while self._due and self._due[0][0] <= until and not stop():
            moment, _, happening = heapq.heappop(self._due)
            self._now = max(self._now, moment)
            happening()
        if not stop():
            self._now = max(self._now, until)
