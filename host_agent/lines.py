"""Connections to one engine: those that are idle, and new ones."""

import socket

from host_agent.answers import Answer


class EngineError(Exception):
    """The engine did not answer, or not in words that we understand; says why and what helps."""


class Line:
    """One connection, and the question that is on it."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.path = ""
        self.answer = Answer()
        self.is_used = False
        """Whether it has carried an answer before: then the engine may have closed it since."""

    def ask(self, path: str) -> None:
        """Put a question; OSError where the other end is gone."""
        self.path, self.answer = path, Answer()
        self.connection.sendall(f"GET {path} HTTP/1.1\r\nHost: engine\r\n\r\n".encode("ascii"))


class Lines:
    """Dials when no line is idle."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._idle: list[Line] = []

    def take(self) -> Line:
        """Return a line that is free; EngineError where there is none to be had."""
        if self._idle:
            return self._idle.pop()
        connection = socket.socket(socket.AF_UNIX)
        connection.setblocking(False)  # a daemon with a full backlog must not hold us either
        try:
            connection.connect(self._path)
        except (OSError, ValueError) as error:
            connection.close()
            raise EngineError(_words(self._path, error)) from error
        return Line(connection)

    def give_back(self, line: Line) -> None:
        """Keep the line for the next question, unless it ended with the answer."""
        if line.answer.closes:
            line.connection.close()
        else:
            line.is_used = True
            self._idle.append(line)

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop().connection.close()


def _words(path: str, error: Exception) -> str:
    """Return what happened and what helps."""
    if isinstance(error, PermissionError):
        from host_agent.sockets import how_to_allow

        return f"{path}: permission denied. {how_to_allow(path)}"
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return f"{path}: nobody listens there; is the engine running?"
    if isinstance(error, BlockingIOError):
        return f"{path}: the engine takes no connections: it is overloaded or hangs"
    return f"{path}: {error}"
