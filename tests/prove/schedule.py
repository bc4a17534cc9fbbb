"""A schedule: what the world is like, what happens in it, and what goes wrong on the way.

It is plain data. Run twice it gives the same trace, and any part of it can be left out.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)

CALM_AFTER = timedelta(minutes=30)
"""From then on nothing goes wrong any more, and whatever is open must come to an end."""

HORIZON = timedelta(hours=5)
"""When every schedule is over, if it was not before."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happens at its time, whatever the system does."""

    after: float
    """Seconds after the start."""
    what: str
    about: str = ""
    """A host, or a rule on a host, such as `i-00000000000000001 cpu`."""
    value: float = 0.0

    def __str__(self) -> str:
        value = f" {self.value:g}" if self.value else ""
        return f"{self.what} {self.about}".strip() + value


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Something that goes wrong at the nth time that an actor makes a call."""

    actor: str
    call: str
    nth: int
    what: str

    def __str__(self) -> str:
        return f"{self.actor}, {self.call} no. {self.nth}: {self.what}"


@dataclass(frozen=True)
class Scenario:
    """The world without any trouble: machines, configuration, and what happens when."""

    configurations: tuple[dict[str, Any], ...]
    """Deployed one after the other; see the happening `deploy`."""
    hosts: tuple[str, ...]
    cures: dict[str, tuple[str, ...]]
    """By metric: the scripts that cure it."""
    happenings: tuple[Happening, ...]
    groups: dict[str, str]
    store: str = "sqlite"
    one_machine: bool = False
    watched_for: timedelta = timedelta()
    """For how long to look on, at least, where nothing more is to come but reminders."""

    def without(self, dropped: Happening) -> "Scenario":
        """Return the same scenario in which one thing does not happen."""
        index = self.happenings.index(dropped)
        kept = self.happenings[:index] + self.happenings[index + 1 :]
        return replace(self, happenings=kept)


@dataclass(frozen=True)
class Schedule:
    """A scenario, and where the trouble in it comes from: a list, or dice."""

    name: str
    """How to ask for exactly this one again: its kind and number."""
    scenario: Scenario
    seed: str
    chance: float = 0.0
    """How often a call is disturbed, while there is trouble."""
    disturbances: tuple[Disturbance, ...] = ()

    @property
    def kind(self) -> str:
        """Return the kind of the schedule."""
        return self.name.partition(":")[0]
