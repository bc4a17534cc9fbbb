"""Many questions to one engine at once, all answered or given up by one deadline."""

import json
import selectors
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from host_agent.answers import Answer, AnswerError
from host_agent.lines import EngineError, Line, Lines

CONNECTIONS = 64
"""At once. Docker up to 20.10 at least answers a question for statistics at its next round, up to a
second later; so many must wait together, or twenty containers would take as many seconds."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Why one question got no answer."""

    why: str
    late: bool = False


class Exchange:
    """Asks each question once, and once more where the engine had closed an idle line."""

    def __init__(self, lines: Lines, paths: Iterable[str], deadline: float) -> None:
        self._lines, self._deadline = lines, deadline
        self._waiting = deque(paths)
        self._found: dict[str, Any] = {}
        self._selector = selectors.DefaultSelector()

    def run(self) -> dict[str, Any]:
        """Return JSON or Failed for every path; EngineError where nobody answers at all."""
        with self._selector as selector:
            self._ask()
            while selector.get_map():
                left = self._deadline - time.monotonic()
                ready = selector.select(left) if left > 0 else []
                if not ready:
                    break
                for key, _ in ready:
                    self._hear(key.data)
                self._ask()
            self._give_up_the_rest()
        return self._found

    def _ask(self) -> None:
        """Put as many questions as there may be at once."""
        while self._waiting and len(self._selector.get_map()) < CONNECTIONS:
            try:
                line = self._lines.take()
            except EngineError as error:
                self._without_a_line(error)
                return
            try:
                line.ask(self._waiting.popleft())
            except OSError as error:
                self._break(line, error)
            else:
                self._selector.register(line.connection, selectors.EVENT_READ, line)

    def _without_a_line(self, error: EngineError) -> None:
        """Let the lines that are there do all the work; without any, it is over."""
        if self._selector.get_map():
            return
        if not self._found:
            raise error
        self._found.update((path, Failed(str(error))) for path in self._waiting)
        self._waiting.clear()

    def _hear(self, line: Line) -> None:
        try:
            done = line.answer.take(line.connection.recv(1 << 18))
        except (OSError, AnswerError) as error:
            self._selector.unregister(line.connection)
            self._break(line, error)
            return
        if done:
            self._selector.unregister(line.connection)
            self._found[line.path] = _content(line.answer)
            self._lines.give_back(line)

    def _break(self, line: Line, error: Exception) -> None:
        """Close the line; its question is put again if it was closed before it was asked."""
        line.connection.close()
        if line.is_used and not line.answer.has_begun:
            self._waiting.appendleft(line.path)
        else:
            self._found[line.path] = Failed(f"the connection broke: {error}")

    def _give_up_the_rest(self) -> None:
        for key in list(self._selector.get_map().values()):
            key.data.connection.close()
            self._found[key.data.path] = Failed("it did not answer in time", late=True)
        for path in self._waiting:
            self._found[path] = Failed("no time was left to ask", late=True)


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
