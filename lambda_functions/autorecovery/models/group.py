"""Incidents that are told together, and what each of them has to say."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from autorecovery.models.notice import NoticeKind
from autorecovery.models.reason import Level

PREFIX = "group-"


class GroupKind(StrEnum):
    """What the members of a group have in common."""

    ALIKE = "alike"
    """The same rule, broken on many targets."""
    HOUSEHOLD = "household"
    """Everything on one machine that is down."""
    FLAPPING = "flapping"
    """One rule on one target that comes and goes."""
    EVERYTHING = "everything"
    """More at once than people can read one by one."""


@dataclass(frozen=True, slots=True)
class Group:
    """Incidents told together, from the first of them until all are over."""

    kind: GroupKind
    name: str
    """What they have in common, in words: `cpu-overload`, `i-0abc is down`."""
    began: datetime

    @property
    def id(self) -> str:
        """Return the name of its story, of its conversation, and of the execution that tells it.

        At most 64 letters, digits and dashes, as a durable execution's name must be.
        """
        digest = hashlib.sha256(f"{self.kind}\n{self.name}".encode()).hexdigest()[:10]
        return f"{PREFIX}{self.kind}-{self.began:%Y%m%d-%H%M%S-%f}-{digest}"


def is_group(execution: str) -> bool:
    """Return whether this is the id of a group, not of an incident."""
    return execution.startswith(PREFIX)


def group_of(execution: str) -> str:
    """Return the group that this execution tells, whichever of its lives it is."""
    return "-".join(execution.split("-")[:_PARTS])


def next_life(execution: str) -> str:
    """Return the name of the execution that goes on where this one ends."""
    parts = execution.split("-")
    life = int(parts[_PARTS]) if len(parts) > _PARTS else 1
    return f"{group_of(execution)}-{life + 1}"


_PARTS = 6
"""Of a group's id: group, kind, day, time, microsecond, digest."""


def day_of(group_id: str) -> datetime:
    """Return the beginning of the day on which the group of this id began."""
    return datetime.strptime(group_id.split("-")[2], "%Y%m%d").replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Word:
    """What one member last had to say."""

    of: str
    """The incident, or the group that speaks for many."""
    target: str
    rule_name: str
    level: Level
    kind: NoticeKind
    text: str
    """What is wrong, or what became of it, in one clause without the target."""
    at: datetime
    size: int = 1
    """For how many incidents it speaks."""
    told: bool = False
    """People have heard this on its own; here it only completes the picture."""

    @property
    def is_over(self) -> bool:
        """Return whether nothing is left to do about it."""
        return self.level is Level.INFO and self.kind in _ENDS


_ENDS = (NoticeKind.RECOVERED, NoticeKind.CLOSED, NoticeKind.STORM)
