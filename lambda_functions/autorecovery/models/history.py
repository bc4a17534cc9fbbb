"""What gates and people ask of the past: the incidents of one rule, each in a line."""

from dataclasses import dataclass
from datetime import datetime

from autorecovery.models.reason import Reason


@dataclass(frozen=True, slots=True)
class Case:
    """One incident in short: where, when, and how it ended."""

    incident_id: str
    target_key: str
    opened_at: datetime
    ended: Reason | None = None
    """Why it was closed; None while it is open."""
    ended_at: datetime | None = None
