"""What people are told, before any channel gives it a shape."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from autorecovery.models.reason import Level


class NoticeKind(StrEnum):
    """Which change in an incident's life a notice tells of."""

    OPENED = "opened"
    ASKING = "asking"
    RECOVERED = "recovered"
    HANDED_OVER = "handed over"
    REMINDER = "reminder"
    CLOSED = "closed"
    DEMOTED = "demoted"
    """A script helps too seldom, and is asked about from now on."""
    STORM = "storm"
    """Many machines have the same trouble at once."""
    REJECTED = "rejected"
    """Something arrived that nobody understood."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One change that matters, in words a person can act on."""

    id: str
    incident_id: str
    kind: NoticeKind
    level: Level
    headline: str
    """One line: level word, target, what, value."""
    lines: tuple[str, ...]
    at: datetime
    rule_name: str = ""
    target: str = ""
    evidence: tuple[str, ...] = ()
