"""A thin client for Docker and Podman: GET over a unix socket, many at once, before a deadline.

One thread and a selector instead of a pool: a daemon that hangs in the middle of an answer cannot
hold it longer than the deadline, and there is nothing to join at the end.
"""

import json
import selectors
import socket
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from host_agent.answers import Answer, AnswerError

OURS = (1, 44)
"""The newest API version whose answers this code was written for."""

CONNECTIONS = 64
"""At once. Docker up to 20.10 at least answers a question for statistics at its next round, up to a
second later; so many must wait together, or twenty containers would take as many seconds."""


class EngineError(Exception):
    """The engine did not answer, or not in words that we understand; says why and what helps."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Why one question got no answer."""

    why: str
    late: bool = False


class _Line:
    """One connection and the question that is on it."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.path = ""
        self.answer = Answer()

    def ask(self, path: str) -> None:
        self.path, self.answer = path, Answer()
        self.connection.sendall(f"GET {path} HTTP/1.1\r\nHost: engine\r\n\r\n".encode("ascii"))


class Engine:
    """Asks one engine. The API version is agreed upon at the first question."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._version: str | None = None
        self._lines: list[_Line] = []

    def ask(self, paths: Iterable[str], deadline: float) -> dict[str, Any]:
        """Return what the engine said to each path: JSON, or Failed.

        `deadline` is of the monotonic clock. EngineError where nobody answers at all.
        """
        version = self._version or self._agree(deadline)
        asked = {f"/v{version}{path}": path for path in paths}
        found = self._exchange(deque(asked), deadline)
        return {
            path: found.get(full, Failed("no time was left", True)) for full, path in asked.items()
        }

    def close(self) -> None:
        """Hang up; the next question dials again."""
        for line in self._lines:
            line.connection.close()
        self._lines.clear()
        self._version = None

    def _agree(self, deadline: float) -> str:
        found = self._exchange(deque(["/version"]), deadline).get("/version")
        if not isinstance(found, dict):
            why = found.why if isinstance(found, Failed) else "it does not know its version"
            raise EngineError(f"{self.path}: {why}")
        newest = _numbers(found.get("ApiVersion")) or OURS
        oldest = _numbers(found.get("MinAPIVersion")) or (1, 12)
        self._version = "{}.{}".format(*max(oldest, min(newest, OURS)))
        return self._version

    def _exchange(self, waiting: deque[str], deadline: float) -> dict[str, Any]:
        """Put the questions on a few lines; what comes too late is Failed, and its line is cut."""
        found: dict[str, Any] = {}
        with selectors.DefaultSelector() as selector:
            for line in self._dial(min(len(waiting), CONNECTIONS)):
                self._next(line, waiting, selector, found)
            while selector.get_map():
                left = deadline - time.monotonic()
                ready = selector.select(left) if left > 0 else []
                if not ready:
                    break
                for key, _ in ready:
                    self._hear(key.data, waiting, selector, found)
            for key in list(selector.get_map().values()):
                found[key.data.path] = Failed("it did not answer in time", late=True)
                self._cut(key.data)
        return found

    def _dial(self, wanted: int) -> list[_Line]:
        while len(self._lines) < wanted:
            connection = socket.socket(socket.AF_UNIX)
            connection.setblocking(False)  # a daemon with a full backlog must not hold us either
            try:
                connection.connect(self.path)
            except OSError as error:
                connection.close()
                if self._lines:
                    break  # fewer lines will do
                raise EngineError(_words(self.path, error)) from error
            self._lines.append(_Line(connection))
        return self._lines[:wanted]

    def _next(
        self,
        line: _Line,
        waiting: deque[str],
        selector: selectors.BaseSelector,
        found: dict[str, Any],
    ) -> None:
        if not waiting:
            return
        path = waiting.popleft()
        try:
            line.ask(path)
        except OSError:
            waiting.appendleft(path)  # an idle line that the daemon closed: dial again
            self._cut(line)
            self._replace(waiting, selector, found)
            return
        selector.register(line.connection, selectors.EVENT_READ, line)

    def _replace(
        self, waiting: deque[str], selector: selectors.BaseSelector, found: dict[str, Any]
    ) -> None:
        try:
            lines = self._dial(len(self._lines) + 1)
        except EngineError as error:
            found.update((path, Failed(str(error))) for path in waiting)
            waiting.clear()
            return
        fresh = lines[-1]
        if fresh.connection.fileno() not in {key.fd for key in selector.get_map().values()}:
            self._next(fresh, waiting, selector, found)

    def _hear(
        self,
        line: _Line,
        waiting: deque[str],
        selector: selectors.BaseSelector,
        found: dict[str, Any],
    ) -> None:
        try:
            received = line.connection.recv(1 << 18)
            done = line.answer.take(received)
        except (OSError, AnswerError) as error:
            self._give_up(line, str(error), waiting, selector, found)
            return
        if not done:
            return
        selector.unregister(line.connection)
        found[line.path] = _content(line.answer)
        if line.answer.closes:
            self._cut(line)
            if waiting:
                self._replace(waiting, selector, found)
        else:
            self._next(line, waiting, selector, found)

    def _give_up(
        self,
        line: _Line,
        why: str,
        waiting: deque[str],
        selector: selectors.BaseSelector,
        found: dict[str, Any],
    ) -> None:
        selector.unregister(line.connection)
        found[line.path] = Failed(f"the connection broke: {why}")
        self._cut(line)
        if waiting:
            self._replace(waiting, selector, found)

    def _cut(self, line: _Line) -> None:
        line.connection.close()
        if line in self._lines:
            self._lines.remove(line)


def _content(answer: Answer) -> Any:
    if answer.status != 200:
        return Failed(_reason(answer))
    if not answer.body:
        return Failed("the answer is empty")  # Podman, of a container that does not run
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return Failed("the answer is not JSON")


def _reason(answer: Answer) -> str:
    try:
        told = str(json.loads(answer.body)["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        told = "no reason given"
    return f"HTTP {answer.status}: {told[:200]}"


def _numbers(version: object) -> tuple[int, int] | None:
    major, dot, minor = str(version).partition(".")
    return (int(major), int(minor)) if dot and major.isdigit() and minor.isdigit() else None


def _words(path: str, error: OSError) -> str:
    """Return what happened and what helps."""
    if isinstance(error, PermissionError):
        from host_agent.sockets import how_to_allow

        return f"{path}: permission denied. {how_to_allow(path)}"
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return f"{path}: nobody listens there; is the engine running?"
    if isinstance(error, BlockingIOError):
        return f"{path}: the engine takes no connections: it is overloaded or hangs"
    return f"{path}: {error.strerror or error}"
