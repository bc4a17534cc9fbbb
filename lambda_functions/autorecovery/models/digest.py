"""What happened in a day or a week, counted."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from autorecovery.models.reason import Level
from autorecovery.models.scorecard import Scorecard


@dataclass(frozen=True, slots=True)
class Noise:
    """How often one rule opened an incident, and on how many targets."""

    rule_name: str
    incidents: int
    targets: int


@dataclass(frozen=True, slots=True)
class Open:
    """An incident that is still open."""

    incident_id: str
    rule_name: str
    target: str
    level: Level
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Suppressed:
    """How many notices were told to nobody, and why."""

    why: str
    notices: int


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A notice that a channel did not take, and why."""

    at: datetime
    headline: str
    via: str
    detail: str


@dataclass(frozen=True, slots=True)
class Trend:
    """Where a measurement is heading, and when it reaches its limit if nothing changes."""

    target: str
    metric: str
    value: float
    change_per_day: float
    limit: float
    days_left: float | None
    """None where it does not move towards the limit."""


@dataclass(frozen=True, slots=True)
class Digest:
    """The counts of one span of time."""

    since: datetime
    until: datetime
    incidents: int = 0
    is_complete: bool = True
    """False where there were more incidents than were looked through."""
    verified: int = 0
    """Recoveries that fresh data proved."""
    failed: int = 0
    unclear: int = 0
    healed: int = 0
    """Incidents that ended without a script of ours, or a person's word."""
    median_to_recover: timedelta | None = None
    worst_to_recover: timedelta | None = None
    """From the opening to the verdict, of recoveries that were verified."""
    noisiest: tuple[Noise, ...] = ()
    still_open: tuple[Open, ...] = ()
    suppressed: tuple[Suppressed, ...] = ()
    scorecards: tuple[Scorecard, ...] = ()
    undelivered: tuple[Undelivered, ...] = ()
    notices: int = 0
    """Notices that were composed, told or not."""
    trends: tuple[Trend, ...] = ()

    @property
    def is_quiet(self) -> bool:
        """Return whether there is nothing to tell but that there is nothing to tell."""
        eventful = (self.incidents, self.still_open, self.suppressed, self.undelivered, self.trends)
        return not any(eventful)

    @property
    def recoveries(self) -> int:
        """Return how many recoveries were run and judged, one way or another."""
        return self.verified + self.failed + self.unclear
