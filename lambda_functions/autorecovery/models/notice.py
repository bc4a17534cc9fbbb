"""What people are told, before any channel gives it a shape."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from autorecovery.models.reason import Level

INCIDENTS = "incident_response"
"""The producer of all notices about incidents; other scripts name themselves."""


class NoticeKind(StrEnum):
    """Which change in an incident's life a notice tells of."""

    OPENED = "opened"
    ASKING = "asking"
    RECOVERED = "recovered"
    HANDED_OVER = "handed over"
    REMINDER = "reminder"
    ESCALATED = "escalated"
    """Still open, and told to somebody else."""
    CLOSED = "closed"
    ANALYSED = "analysed"
    """What probably caused it, and what it rests on."""
    DEMOTED = "demoted"
    """A script helps too seldom, and is asked about from now on."""
    STORM = "storm"
    """Many machines have the same trouble at once."""
    REJECTED = "rejected"
    """Something arrived that nobody understood."""
    DIGEST = "digest"
    """What happened in a day or a week."""
    MESSAGE = "message"
    """From another producer, or to try a channel."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing worth finding at a glance: `Value`, `97.2`."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Link:
    """A place to look further."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Question:
    """What a person may approve or deny, until when."""

    attempt: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Notice:
    """One change that matters, in words a person can act on. Composed once, rendered per channel.

    Nothing in it is escaped or cut: every renderer does that for its own channel.
    """

    id: str
    incident_id: str
    """Empty where it is about no incident."""
    kind: NoticeKind
    level: Level
    headline: str
    """One line: level word, target, what, value."""
    lines: tuple[str, ...]
    """The message in sentences, the most important first."""
    at: datetime
    rule_name: str = ""
    target: str = ""
    evidence: tuple[str, ...] = ()
    """The log lines that tripped it."""
    conversation: str = ""
    """Whose notices are one message that changes, and its thread: an incident, or a group."""
    state: str = ""
    """How that stands now, in a word or two: `recovering`, `over to you`."""
    facts: tuple[Fact, ...] = ()
    next_steps: tuple[str, ...] = ()
    """What a person can do now, as commands or sentences."""
    links: tuple[Link, ...] = ()
    question: Question | None = None
    to: tuple[str, ...] = ()
    """Only these channels, by name; none means every channel that takes its level."""
    producer: str = INCIDENTS
    """Who tells: `incident_response`, `system_monitoring`, `security_check`."""

    @property
    def thread(self) -> str:
        """Return the conversation it belongs to; a notice of its own is one by itself."""
        return self.conversation or self.incident_id or self.id

    @property
    def is_end(self) -> bool:
        """Return whether its conversation may be over with it: well again, or closed."""
        return self.kind in (NoticeKind.RECOVERED, NoticeKind.CLOSED) or (
            self.kind is NoticeKind.STORM and self.level is Level.INFO
        )
