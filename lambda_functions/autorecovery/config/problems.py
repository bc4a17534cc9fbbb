"""What is wrong with a configuration, as a person reads it: place, expectation, suggestion."""

from collections.abc import Iterable
from dataclasses import dataclass

from autorecovery.errors import ConfigurationError

Place = tuple[str | int, ...]
"""The keys and indexes that lead to a value."""

Marks = dict[Place, tuple[int, int]]
"""Line and column of every value of a file, counted from 1."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a configuration: where, and what to do about it."""

    path: str
    message: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        where = f"{self.line}:{self.column}: " if self.line else " "
        return f"{where}{self.path}: {self.message}" if self.path else f"{where}{self.message}"


class InvalidConfigurationError(ConfigurationError):
    """All that is wrong with one configuration; the message has a line per problem."""

    def __init__(self, name: str, problems: Iterable[Problem]) -> None:
        ordered = sorted(problems, key=lambda p: (p.line or 0, p.column or 0, p.path))
        super().__init__("\n".join(f"{name}:{problem}" for problem in ordered))
        self.problems = tuple(ordered)


class ProblemFound(Exception):
    """The one mistake after which reading on makes no sense."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def problem_at(place: Place, message: str, marks: Marks) -> Problem:
    """Return a problem with the line and column of its place, or of the nearest place around it."""
    marked = place
    while marked and marked not in marks:
        marked = marked[:-1]
    return Problem(dotted(place), message, *marks.get(marked, (None, None)))


def dotted(place: Place) -> str:
    """Return a place as people write it: `rules.cpu.recover.0.run`."""
    return ".".join(str(part) for part in place)


def suggest(word: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown word: the nearest known one, or all of them."""
    import difflib  # here, because only mistakes need it

    known = sorted(known)
    if near := difflib.get_close_matches(word, known, n=1, cutoff=0.5):
        return f"; did you mean {near[0]!r}?"
    return f"; known are: {', '.join(known)}" if known else ""
