"""What hosts tell the hub of themselves, and what the hub remembers of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

CPU, MEMORY, DISK = "cpu_usage_active", "mem_used_percent", "disk_used_percent"
RECEIVED, SENT = "net_bytes_recv_per_second", "net_bytes_sent_per_second"

HOSTS_LOG = "/autorecovery/hosts"
"""The log group under which triage gets what hosts send; the streams are the hosts' names."""

LEAST_SILENCE = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class HostSample:
    """What was measured on a host at one moment, by name."""

    at: datetime
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Batch:
    """What a host sent at once."""

    host: str
    key: str
    """The same whenever the same batch is sent again."""
    samples: tuple[HostSample, ...]
    interval: timedelta
    """Until the host means to send again."""
    agent: str = ""
    is_late: bool = False
    """It waited on its way: it is remembered, and nobody acts on it."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Mounts, containers, processes and conditions, as the host tells them now."""


@dataclass(frozen=True, slots=True)
class KnownHost:
    """A host that has sent something, and when it was last heard of by our own clock."""

    name: str
    heard_at: datetime
    interval: timedelta
    agent: str = ""
    is_silent: bool = False
    """Whether its silence has been told."""
    at: datetime | None = None
    """Of its newest sample."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def silent_from(self) -> datetime:
        """Return when it counts as silent: three of its intervals, and three minutes at least."""
        return self.heard_at + max(LEAST_SILENCE, 3 * self.interval)


@dataclass(frozen=True, slots=True)
class Spread:
    """One metric over a span: its extremes, its mean, and what 95 % of its samples stay below."""

    least: float
    mean: float
    most: float
    p95: float


@dataclass(frozen=True, slots=True)
class Row:
    """The history of a host over one span of time."""

    host: str
    at: datetime
    """When the span begins."""
    seconds: int
    samples: int
    spreads: Mapping[str, Spread]
