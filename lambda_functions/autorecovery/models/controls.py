"""What people tell the system while it runs: halt, maintenance, approvals."""

from dataclasses import dataclass
from datetime import datetime

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
class DeclaredWindow:
    """A maintenance window that a person added without a deploy."""

    window: MaintenanceWindow
    by: str
    at: datetime
