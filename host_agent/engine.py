"""A thin client for Docker and Podman: GET over a unix socket, many at once, before a deadline.

One thread and a selector instead of a pool: a daemon that hangs in the middle of an answer cannot
hold it longer than the deadline, and there is nothing to join at the end.
"""

from collections.abc import Iterable
from typing import Any

from host_agent.exchange import Exchange, Failed
from host_agent.lines import EngineError, Lines

OURS = (1, 44)
"""The newest API version whose answers this code was written for."""


class Engine:
    """Asks one engine. The API version is agreed upon at the first question."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._lines = Lines(path)
        self._version: str | None = None

    def ask(self, paths: Iterable[str], deadline: float) -> dict[str, Any]:
        """Return what the engine said to each path: JSON, or Failed.

        `deadline` is of the monotonic clock. EngineError where nobody answers at all.
        """
        version = self._version or self._agree(deadline)
        asked = {f"/v{version}{path}": path for path in paths}
        found = Exchange(self._lines, asked, deadline).run()
        return {path: found[full] for full, path in asked.items()}

    def close(self) -> None:
        """Hang up; the next question dials again."""
        self._lines.close()
        self._version = None

    def _agree(self, deadline: float) -> str:
        found = Exchange(self._lines, ["/version"], deadline).run()["/version"]
        if not isinstance(found, dict):
            why = found.why if isinstance(found, Failed) else "it does not know its version"
            raise EngineError(f"{self.path}: {why}")
        newest = _numbers(found.get("ApiVersion")) or OURS
        oldest = _numbers(found.get("MinAPIVersion")) or (1, 12)
        self._version = "{}.{}".format(*max(oldest, min(newest, OURS)))
        return self._version


def _numbers(version: object) -> tuple[int, int] | None:
    major, dot, minor = str(version).partition(".")
    return (int(major), int(minor)) if dot and major.isdigit() and minor.isdigit() else None
