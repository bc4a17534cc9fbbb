"""What is known at present, for whoever asks: replaced as a whole, so that it needs no lock."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from host_agent.containers import Container
from host_agent.host import Sample
from host_agent.levels import Condition


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment: the sample, the containers of the last round, the conditions that hold."""

    sample: Sample
    containers: tuple[Container, ...] = ()
    conditions: tuple[Condition, ...] = ()
    waiting: int = 0
    """Batches not delivered yet."""
    dropped: int = 0
    missed_ticks: int = 0
    unread: Mapping[str, str] = field(default_factory=dict)


class Latest:
    """The newest snapshot; None before the first."""

    def __init__(self) -> None:
        self.snapshot: Snapshot | None = None
