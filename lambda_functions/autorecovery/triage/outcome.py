"""What triage did with one delivery, as its caller and its log see it."""

from dataclasses import dataclass, field
from typing import Any

from autorecovery.models.reason import Action, Level, Reason
from autorecovery.models.signal import Rejection


@dataclass(frozen=True, slots=True)
class Touched:
    """One incident that a delivery concerned."""

    id: str
    rule: str
    target: str
    level: Level
    action: Action
    reason: Reason

    def as_dict(self) -> dict[str, str]:
        """Return JSON values."""
        return {
            "id": self.id,
            "rule": self.rule,
            "target": self.target,
            "level": str(self.level),
            "action": str(self.action),
            "reason": str(self.reason),
        }


@dataclass
class Outcome:
    """Counts of everything in a delivery, and the incidents it concerned."""

    signals: int = 0
    rejected: int = 0
    ignored: int = 0
    incidents: list[Touched] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """What could not be done while the rest went on; the delivery must be made again."""

    def as_dict(self) -> dict[str, Any]:
        """Return the answer to the caller, JSON values only."""
        return {
            "signals": self.signals,
            "rejected": self.rejected,
            "ignored": self.ignored,
            "incidents": [incident.as_dict() for incident in self.incidents],
        }
