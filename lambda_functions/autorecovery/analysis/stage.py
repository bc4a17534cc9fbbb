"""What an analyst stands on: the stores and sources it reads, a model if there is one, a board."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from autorecovery.config import Configuration
from autorecovery.errors import ReadError, StoreError
from autorecovery.models.analysis import Cause, Recovered, Step
from autorecovery.notices.restraint import Restraint
from autorecovery.ports import (
    AttemptLog,
    Clock,
    IncidentLog,
    MetricReader,
    Model,
    Noticeboard,
    SpendingLog,
)

T = TypeVar("T")

HISTORY = timedelta(days=30)
"""How far back earlier cases and scorecards reach."""


@dataclass(frozen=True, kw_only=True)
class Reporter:
    """What a report works with: what is remembered, and a model, if one may be asked."""

    configuration: Configuration
    incidents: IncidentLog
    attempts: AttemptLog
    spending: SpendingLog
    clock: Clock
    model: Model | None = None


@dataclass(frozen=True, kw_only=True)
class Analyst(Reporter):
    """What an analysis works with. It reads, writes what it found, and tells; it runs nothing."""

    metrics: MetricReader
    noticeboard: Noticeboard
    restraint: Restraint
    """An analysis is never worth a message more than people can read, or one in a silence."""


@dataclass
class Looker:
    """Reads what may be out of reach, and remembers what was."""

    unread: list[str] = field(default_factory=list)

    def see(self, what: str, read: Callable[[], Iterable[T]]) -> tuple[T, ...]:
        """Return what was read; where that failed, nothing, and note that it did."""
        try:
            return tuple(read())
        except (ReadError, StoreError) as error:
            self.unread.append(f"{what} could not be read: {error}")
            return ()


@dataclass(frozen=True, slots=True)
class Opinion:
    """What an analyst says, whoever it is."""

    summary: str
    likely_causes: tuple[Cause, ...]
    did_recovery_work: Recovered
    next_steps: tuple[Step, ...]
    not_known: tuple[str, ...]
