"""How often the kernel has killed a process because memory ran out."""

from pathlib import Path

SELDOM = 5.0


class Kills:
    """Counts from the start of the agent on."""

    def __init__(self, file: Path = Path("/proc/vmstat")) -> None:
        self._file = file
        self._last: int | None = None
        self._due = 0.0

    def new(self, monotonic: float) -> int:
        """Return how many there were since the last look; it looks every few seconds."""
        if monotonic < self._due:
            return 0
        self._due = monotonic + SELDOM
        now = self._count()
        before, self._last = self._last, now
        return max(0, now - before) if now is not None and before is not None else 0

    def _count(self) -> int | None:
        try:
            text = self._file.read_text(encoding="ascii")
        except OSError:
            return None
        _, found, rest = text.partition("\noom_kill ")
        return int(rest.split("\n", 1)[0]) if found else None
