"""The record of a notice: what was told, through which channels, and what became of it."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from autorecovery.errors import ChannelError
from autorecovery.models.notice import Notice


class Outcome(StrEnum):
    """What became of one notice in one channel."""

    SENDING = "sending"
    """Begun and not known to have ended: it is sent again, perhaps a second time."""
    DELIVERED = "delivered"
    WAITING = "waiting"
    """Refused for now; it is tried again."""
    GIVEN_UP = "given up"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notice in one channel."""

    via: str
    """The channel's name; `sns` is the topic itself."""
    outcome: Outcome
    at: datetime
    """Of the last change."""
    tries: int = 1
    detail: str = ""
    """Why it was refused, or what stands in for it."""

    @property
    def is_over(self) -> bool:
        """Return whether nothing more will be tried."""
        return self.outcome in (Outcome.DELIVERED, Outcome.GIVEN_UP)


@dataclass(frozen=True, slots=True)
class Record:
    """One notice as it is remembered: the *notifications* record.

    Its columns for people and programs: sent_at (`notice.at`), channel (`notice.producer`),
    delivered_via, level, title (`notice.headline`), message (`notice.lines`), outcome.
    """

    notice: Notice
    deliveries: tuple[Delivery, ...] = ()
    suppressed: str = ""
    """Why nobody was told, where that was decided: a silence, one of many."""


@dataclass(frozen=True, slots=True)
class Thread:
    """The message that stands for a conversation in one channel."""

    via: str
    conversation: str
    reference: str
    """How the channel finds the message again: its own words, such as `C024BE91L/1503435956.0`."""
    shown_at: datetime
    """Of the newest notice whose state the message shows; an older one does not overwrite it."""
    facts: dict[str, str] = field(default_factory=dict)


class PartlyDeliveredError(ChannelError):
    """Some of a notice is out, and the rest was not taken; others go on.

    Keep `thread` as after a success, and hand it to the next try: it goes on from there, and does
    not tell people the same twice.
    """

    def __init__(self, refused: ChannelError, thread: Thread) -> None:
        super().__init__(str(refused), retryable=refused.retryable, after=refused.after)
        self.thread = thread
