"""A steady beat: without drift, without catching up, whatever the wall clock does."""

import threading
from collections.abc import Callable

JUMP_SECONDS = 2.0


class Ticker:
    """Beats every `period` seconds of a monotonic clock until stopped."""

    def __init__(
        self, period: float, stop: threading.Event, clock: Callable[[], tuple[float, float]]
    ) -> None:
        """`clock` returns the wall clock's and the monotonic seconds."""
        self._period = period
        self._stop = stop
        self._clock = clock
        self._offset, self._next = 0.0, 0.0
        self.missed = 0
        """Beats left out so far because a tick took too long."""

    def start(self) -> None:
        """Begin now."""
        wall, monotonic = self._clock()
        self._offset, self._next = wall - monotonic, monotonic

    def wait(self) -> bool:
        """Wait for the next beat; False when stopped. Beats that are over are left out."""
        self._next += self._period
        late = self._clock()[1] - self._next
        if late > self._period:
            skipped = int(late / self._period)
            self.missed += skipped
            self._next += skipped * self._period
        return not self._stop.wait(max(0.0, self._next - self._clock()[1]))

    def jumped(self) -> float:
        """Return by how many seconds the wall clock was set since the last call; 0 for drift."""
        wall, monotonic = self._clock()
        jump = wall - monotonic - self._offset
        if abs(jump) < JUMP_SECONDS:
            return 0.0
        self._offset = wall - monotonic
        return jump
