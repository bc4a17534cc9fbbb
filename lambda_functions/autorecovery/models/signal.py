"""What was seen: a target, an observation of it, and where that observation came from."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from autorecovery.models.reason import Level

INSTANCE_ID = re.compile(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})")
"""EC2 instance ids, the short form of before 2016 included."""


class TargetKind(StrEnum):
    """What kind of thing a target is."""

    INSTANCE = "instance"
    HOST = "host"
    CONTAINER = "container"
    ENDPOINT = "endpoint"
    RESOURCE = "resource"
    """Anything an alarm may watch that no script can run on: a queue, an account."""


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that can be sick."""

    kind: TargetKind
    name: str
    account: str = ""
    region: str = ""

    @property
    def key(self) -> str:
        """Return the name by which stores know this target, such as `instance/i-0abc`."""
        return f"{self.kind}/{self.name}"

    @property
    def host(self) -> str:
        """Return the machine that is touched: a container `web-1/nginx` shares that of its host."""
        return self.name.partition("/")[0] if self.kind is TargetKind.CONTAINER else self.name

    @classmethod
    def named(cls, name: str, account: str = "", region: str = "") -> "Target":
        """Return the instance of this id, or else the host of this name."""
        kind = TargetKind.INSTANCE if INSTANCE_ID.fullmatch(name) else TargetKind.HOST
        return cls(kind, name, account, region)


@dataclass(frozen=True, slots=True)
class LogOrigin:
    """A line in a log stream; verification reads the same stream again."""

    group: str
    stream: str
    kind: Literal["log"] = "log"


@dataclass(frozen=True, slots=True)
class MetricOrigin:
    """A CloudWatch metric, as an alarm reads it."""

    namespace: str
    metric: str
    dimensions: tuple[tuple[str, str], ...] = ()
    statistic: str = "Average"
    period_seconds: int = 60
    many: bool = False
    """Several series share these dimensions and are read as one: those of every mount, say."""
    kind: Literal["metric"] = "metric"


@dataclass(frozen=True, slots=True)
class EventOrigin:
    """An event, a composite alarm or a person: something that cannot be read a second time."""

    source: str
    kind: Literal["event"] = "event"


TYPED = EventOrigin("typed")
"""A person with a terminal."""

BY_HAND = EventOrigin("by hand")
"""A person who asks for a recovery where nothing was measured."""

Origin = LogOrigin | MetricOrigin | EventOrigin


class SignalKind(StrEnum):
    """Which condition a signal can meet."""

    METRIC = "metric"
    LOG = "log"
    ALARM = "alarm"
    STATE = "state"


SILENCE_EVENT = "Host Silence"
"""The detail-type of our own event: a host stopped sending to the hub, or sends again."""

HEALTHY_STATES = ("OK", "running")
"""Of an alarm and of an instance: what a signal says when there is nothing to complain of."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One normalised observation.

    `name` is the metric, the alarm, the log group or the kind of state, as `kind` says; `value`
    belongs to metrics, `state` to alarms (ALARM, OK, INSUFFICIENT_DATA) and states (`stopped`).

    `id` is the same whenever the same observation is delivered again.
    """

    id: str
    kind: SignalKind
    target: Target
    name: str
    at: datetime
    origin: Origin
    value: float | None = None
    state: str = ""
    evidence: str = ""
    rule: str | None = None
    """The rule that an alarm of ours names in its description."""
    level: Level | None = None
    """The level that an alarm of ours stands for."""
    threshold: float | None = None
    """The limit that an alarm watches, where it watches one."""
    falls_below: bool = False
    """Whether that limit is broken from above."""
    claimed_identity: str | None = None
    """Another machine's name found in the line, where the log stream names this one."""

    @property
    def is_healthy_alarm(self) -> bool:
        """Return whether this is an alarm that went back to OK."""
        return self.kind is SignalKind.ALARM and self.state == "OK"


@dataclass(frozen=True, slots=True)
class Rejection:
    """Something that could not be understood: why, and the beginning of it."""

    why: str
    excerpt: str
