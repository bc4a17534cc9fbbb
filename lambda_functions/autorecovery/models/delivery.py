"""The record of a notice: what was told, through which channels, and what became of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from autorecovery.errors import ChannelError
from autorecovery.models.notice import Fact, Link, Notice

LONGEST_MESSAGE = 40_000
"""Characters kept of a message: a store takes 400 KB, and one may become six bytes of JSON."""

LONGEST_BESIDES = 8_000
"""Characters kept of the evidence; of steps, facts and links half of that each."""

CUT = "(what followed was too long to be kept)"


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
    again_at: datetime | None = None
    """Where it waits: not before then."""

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

    def delivery(self, via: str) -> Delivery | None:
        """Return how it stands in this channel, if anybody tried."""
        return next((each for each in self.deliveries if each.via == via), None)

    @property
    def delivered_via(self) -> tuple[str, ...]:
        """Return the channels that took it."""
        return tuple(each.via for each in self.deliveries if each.outcome is Outcome.DELIVERED)

    @property
    def outcome(self) -> str:
        """Return in a word or two how it stands: what still goes on before what is over."""
        if self.suppressed:
            return "suppressed"
        outcomes = {each.outcome for each in self.deliveries}
        order = (Outcome.SENDING, Outcome.WAITING, Outcome.GIVEN_UP, Outcome.DELIVERED)
        return next((str(each) for each in order if each in outcomes), "recorded")


@dataclass(frozen=True, slots=True)
class Turn:
    """The right to speak in a conversation of one channel, which one has at a time."""

    via: str
    conversation: str
    token: str
    thread: "Thread | None"
    """The message that stands for the conversation, if there is one."""


@dataclass(frozen=True, slots=True)
class Thread:
    """The message that stands for a conversation in one channel."""

    via: str
    conversation: str
    reference: str
    """How the channel finds the message again: its own words, such as `C024BE91L/1503435956.0`.

    Empty where it cannot: then it is only known that the conversation was told of there.
    """
    shown_at: datetime
    """Of the newest notice whose state the message shows; an older one does not overwrite it."""
    facts: dict[str, str] = field(default_factory=dict)


def keepable(notice: Notice) -> Notice:
    """Return the notice as a store can keep it: bounded, and in text that UTF-8 knows."""
    little = LONGEST_BESIDES // 2
    return replace(
        notice,
        headline=_clean(notice.headline[:2000]),
        lines=tuple(_bounded(notice.lines, LONGEST_MESSAGE)),
        rule_name=_clean(notice.rule_name[:2000]),
        target=_clean(notice.target[:2000]),
        evidence=tuple(_bounded(notice.evidence, LONGEST_BESIDES)),
        state=_clean(notice.state[:200]),
        facts=tuple(Fact(_clean(f.name[:200]), _clean(f.value[:200])) for f in notice.facts[:20]),
        next_steps=tuple(_bounded(notice.next_steps, little)),
        links=tuple(Link(_clean(each.name[:200]), _clean(each.url)) for each in notice.links[:20]),
        producer=_clean(notice.producer[:200]),
    )


def _bounded(texts: Iterable[str], room: int) -> Iterator[str]:
    for text in texts:
        if len(text) > room:
            yield from (_clean(text[:room]), CUT) if room else (CUT,)
            return
        room -= len(text)
        yield _clean(text)


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


class PartlyDeliveredError(ChannelError):
    """Some of a notice is out, and the rest was not taken; others go on.

    Keep `thread` as after a success, and hand it to the next try: it goes on from there, and does
    not tell people the same twice.
    """

    def __init__(self, refused: ChannelError, thread: Thread) -> None:
        super().__init__(str(refused), retryable=refused.retryable, after=refused.after)
        self.thread = thread
