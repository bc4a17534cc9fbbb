"""What people tell the system while it runs: halt, windows, approvals, promotions."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from autorecovery.models.limits import MaintenanceWindow


@dataclass(frozen=True, slots=True)
class Halt:
    """The kill switch: nothing is run while it stands; notices go on."""

    by: str
    why: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's decision on one attempt; the first one stands."""

    attempt: str
    approved: bool
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Demotion:
    """A script that helped a rule too seldom: it is asked about before it is run."""

    script: str
    rule_name: str
    at: datetime
    verified: int
    attempts: int
    low: float
    """The lower bound of the share verified, 0 to 1."""
    incident_id: str
    """The incident whose failed attempt was one too many; it tells people."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """A person's word that a script may be run by itself again; only what comes after counts."""

    script: str
    rule_name: str
    by: str
    at: datetime


class WindowKind(StrEnum):
    """What does not happen while a window is open."""

    MAINTENANCE = "maintenance"
    """Nothing is run; people are told."""
    SILENCE = "silence"
    """Nobody is told; all else goes on."""


@dataclass(frozen=True, slots=True)
class DeclaredWindow:
    """A window that a person added without a deploy."""

    window: MaintenanceWindow
    by: str
    at: datetime
    kind: WindowKind = WindowKind.MAINTENANCE
    why: str = ""
