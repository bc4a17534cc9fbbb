"""One incident as it is told when it is over: its story, what was measured, what it took."""

from dataclasses import dataclass
from datetime import datetime

from autorecovery.models.analysis import Analysis
from autorecovery.models.delivery import Record
from autorecovery.models.incident import Attempt, Entry, Incident


@dataclass(frozen=True, slots=True)
class Measured:
    """One measured value."""

    at: datetime
    value: float


@dataclass(frozen=True, slots=True)
class LimitLine:
    """A limit, by the word that people know it by: `warning`, `critical`."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment worth marking among the measurements."""

    mark: str
    """One letter: D detected, R recovery run, V verified or judged otherwise."""
    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is known of one incident, the least important last."""

    incident: Incident
    headline: str
    """How it ended, in a clause that names the target."""
    is_over: bool
    at: datetime
    story: tuple[Entry, ...]
    what: str = ""
    """What `samples` measure."""
    samples: tuple[Measured, ...] = ()
    limits: tuple[LimitLine, ...] = ()
    falls_below: bool = False
    """Whether the limits are broken from above."""
    moments: tuple[Moment, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    analysis: Analysis | None = None
    notices: tuple[Record, ...] = ()
