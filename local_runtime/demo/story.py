"""The demo's story, a line as it happens: seconds since the start, a word, and what it is about."""

import time
from datetime import UTC, datetime
from typing import TextIO

_COLOURS = {
    "overload": "31", "noticed": "33", "announced": "33", "restarting": "36", "restarted": "36",
    "verified": "32", "healed": "32", "failed": "31",
}  # fmt: skip


class Story:
    """Tells what happens, with the time of each thing."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._began = datetime.now(UTC)
        self.began = time.monotonic()
        self._cpu: float | None = None
        self._response: float | None = None

    def measured(self, cpu: float | None, response_ms: float | None) -> None:
        """Remember the newest measurement."""
        self._cpu, self._response = cpu, response_ms

    @property
    def last_measured(self) -> str:
        """Return the newest measurement in words."""
        cpu = "starting" if self._cpu is None else f"CPU {self._cpu:.0f} %"
        response = "no answer" if self._response is None else f"answers in {self._response:.0f} ms"
        return f"{cpu}, {response}"

    def tell(self, word: str, text: str, at: datetime | None = None) -> None:
        """Write one line; `at` is when it really happened, where that was a moment ago."""
        seconds = (at - self._began).total_seconds() if at else time.monotonic() - self.began
        shown = f"{word:<10}"
        if self._out.isatty() and word in _COLOURS:
            shown = f"\x1b[{_COLOURS[word]}m{shown}\x1b[0m"
        self._out.write(f"{max(0.0, seconds):6.1f} s  {shown}  {text}\n")
        self._out.flush()
