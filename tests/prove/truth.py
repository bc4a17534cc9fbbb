"""What happened, as the world saw it, and the lives that our code leads in it."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from autorecovery.adapters.simulated.workflow import Execution
from autorecovery.models.incident import Ending
from autorecovery.response.finish import HANDED_OVER
from tests.prove.machines import History


@dataclass
class Life:
    """One durable execution."""

    incident_id: str
    version: int
    """The configuration it runs with, to its end."""
    execution: Execution = field(default_factory=Execution)
    generation: int = 0
    troubles: int = 0
    ending: Ending | None = None
    is_searched: bool = False
    """Nothing more of leases that it left behind: it was looked through, or a machine died."""

    @property
    def is_over(self) -> bool:
        """Return whether it ended."""
        return self.ending is not None

    @property
    def watches(self) -> bool:
        """Return whether it waits for health or a person, after it handed over."""
        journal = self.execution.journal
        return bool(journal) and journal[-1].name.startswith(f"{HANDED_OVER}: wait")


@dataclass(frozen=True, slots=True)
class Breach:
    """A sign of trouble that was delivered."""

    delivered_at: datetime
    at: datetime
    rule: str
    host: str
    is_forged: bool = False


@dataclass
class Truth:
    """What happened, as the world saw it."""

    breaches: list[Breach] = field(default_factory=list)
    halted: History = field(default_factory=lambda: History.of(0.0))
    maintained: dict[str, History] = field(
        default_factory=lambda: defaultdict(lambda: History.of(0.0))
    )
    approvals: dict[str, tuple[datetime, bool]] = field(default_factory=dict)
    closed: dict[str, datetime] = field(default_factory=dict)
    """By incident: when a person had closed it."""
    orders: dict[str, list[datetime]] = field(default_factory=dict)
    """By incident: when a person had asked for its ladder to be climbed."""
    acknowledged: set[str] = field(default_factory=set)
    """Incidents of which a person said that they are on it."""
    jumped: timedelta = timedelta()
    """By how much our clock was wrong in all."""
    leaks: list[str] = field(default_factory=list)
    """Leases that were still out after their incident was through."""
    surprises: list[str] = field(default_factory=list)
    doubles: list[str] = field(default_factory=list)
    """Two open incidents of one rule on one target."""
