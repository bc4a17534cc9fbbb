"""Delivery in order, in a thread of its own: a hub that hangs never holds a sample up."""

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any

from host_agent.batch import moment_text
from host_agent.post import Fate, Outcome, Post
from host_agent.spool import Spool

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 60.0
CATCHING_UP = 0.1
"""Seconds between waiting batches, so that a hub that is back is not buried at once."""

SURELY_FRESH = 60.0

Log = Callable[[str, str], None]
"""Takes a level's name and a sentence."""


class Shipper:
    """Delivers each batch once, as far as it can tell, and none before those older than it."""

    def __init__(
        self, post: Post, spool: Spool, log: Log, clock: Callable[[], float] = time.time
    ) -> None:
        self._post, self._spool, self._log, self._clock = post, spool, log, clock
        self._fresh: deque[dict[str, Any]] = deque()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._not_before, self._failures = 0.0, 0
        self._told = ""
        self.interval: float | None = None
        """Seconds between batches, as the hub wishes; None until it has said so."""
        self.resolution: int | None = None
        self.refused = 0
        self._thread = threading.Thread(target=self._run, name="shipper", daemon=True)

    @property
    def waiting(self) -> int:
        """How many batches are not delivered yet."""
        return len(self._spool) + len(self._fresh)

    @property
    def dropped(self) -> int:
        """How many were given up for want of room."""
        return self._spool.dropped

    @property
    def trouble(self) -> str:
        """Why batches wait, or cannot be written down."""
        return "; ".join(each for each in (self._told, self._spool.trouble) if each)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def offer(self, batch: dict[str, Any]) -> None:
        """Have the batch delivered; this returns at once."""
        self._fresh.append(batch)
        self._wake.set()

    def stop(self, seconds: float) -> None:
        """Try once more for so long; what is not delivered then waits on disk."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(seconds)
        with self._lock:  # the thread may still hang in a request; what it holds is kept as well
            self._keep_fresh()

    def flush(self) -> bool:
        """Deliver what waits, until there is no more or the hub does not take it."""
        while (wait := self.step(time.monotonic())) is not None:
            if wait > CATCHING_UP:
                return False
        return True

    def step(self, monotonic: float) -> float | None:
        """Do what is due; return the seconds until something is, None: until there is a batch."""
        with self._lock:
            batch = self._next(monotonic)
        if batch is None:
            held = self._not_before - monotonic
            return held if held > 0 else None
        done = self._deliver(batch)
        with self._lock:
            return self._end(batch, done=done)

    def _next(self, monotonic: float) -> dict[str, Any] | None:
        """Return the batch whose turn it is; None while there is none, or a pause."""
        if monotonic < self._not_before:
            self._keep_fresh()
            return None
        if self._fresh and not len(self._spool):
            return self._fresh[0]
        self._keep_fresh()
        return self._spool.oldest()

    def _end(self, batch: dict[str, Any], *, done: bool) -> float:
        """Put the batch where it belongs now; return the seconds until the next."""
        if self._fresh and self._fresh[0] is batch:
            self._fresh.popleft()
            if not done:
                self._spool.put(batch)
            return 0.0
        if done and (oldest := self._spool.oldest()) and oldest["key"] == batch["key"]:
            self._spool.remove_oldest()
        return CATCHING_UP

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wait(self.step(time.monotonic()))
        if self._fresh and time.monotonic() >= self._not_before:
            self.step(time.monotonic())

    def _keep_fresh(self) -> None:
        """Write down what came while others waited."""
        while self._fresh:
            self._spool.put(self._fresh[0])
            self._fresh.popleft()

    def _wait(self, seconds: float | None) -> None:
        self._wake.wait(seconds)
        self._wake.clear()

    def _deliver(self, batch: dict[str, Any]) -> bool:
        """Return whether the batch is done with."""
        now = self._clock()
        outcome = self._post({**batch, "sent_at": moment_text(now), "late": _is_late(batch, now)})
        if outcome.fate is Fate.WAITS:
            self._hold(outcome)
            return False
        if outcome.fate is Fate.REFUSED:
            self.refused += 1
            self._log("ERROR", f"the hub will never take a batch, it is given up: {outcome.why}")
            return True
        if self._told:
            self._log("INFO", f"the hub takes batches again; {len(self._spool)} waited")
        self._told, self._failures = "", 0
        self.interval = outcome.again_in or self.interval
        self.resolution = outcome.resolution or self.resolution
        return True

    def _hold(self, outcome: Outcome) -> None:
        """Say it once, not at every try; and wait longer each time."""
        if outcome.why != self._told:
            self._log("WARNING", f"batches wait for the hub: {outcome.why}")
        self._told = outcome.why
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**self._failures)
        self._failures = min(self._failures + 1, 10)
        # Not all hosts at once when the hub is back.
        self._not_before = time.monotonic() + (outcome.again_in or pause * random.uniform(0.5, 1.0))


def _is_late(batch: dict[str, Any], now: float) -> bool:
    """Return whether what it says is of another time than now; a clock that was set counts too."""
    last = datetime.fromisoformat(batch["samples"][-1]["at"]).timestamp()
    return bool(abs(now - last) > max(SURELY_FRESH, 2 * batch["interval_seconds"]))
