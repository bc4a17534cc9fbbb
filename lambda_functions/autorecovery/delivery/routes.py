"""Which channel a notice is for, and which one stands in where a channel does not take it."""

from collections.abc import Mapping

from autorecovery.config import ChannelSettings
from autorecovery.models.delivery import Outcome, Record
from autorecovery.models.notice import Notice, NoticeKind
from autorecovery.models.reason import Level
from autorecovery.ports import NoticeLog

INSTEAD = "@"
"""Between a notice's id and the channel that a copy of it stands in by."""

NO_OTHER = "there is no other channel"

Channels = Mapping[str, ChannelSettings]


def may_concern(notice: Notice, name: str, settings: ChannelSettings) -> bool:
    """Return whether this notice is for this channel, or could be, if it began to tell of it.

    Whoever was told that something began is told that it is over, whatever the level.
    """
    return (notice.is_end and not notice.to) or is_for(notice, name, settings)


def is_for(notice: Notice, name: str, settings: ChannelSettings) -> bool:
    """Return whether this notice is for this channel, whatever was told there before."""
    if notice.to:
        return name in notice.to
    return not settings.escalation_only and notice.level.reaches(settings.level)


def candidates(notice: Notice, channels: Channels) -> tuple[str, ...]:
    """Return the channels that this notice may concern, in their order."""
    return tuple(name for name, each in channels.items() if may_concern(notice, name, each))


def must_arrive(notice: Notice) -> bool:
    """Return whether another channel has to tell it where one does not."""
    return notice.level is Level.CRITICAL or notice.kind is NoticeKind.ESCALATED


def origin_of(notice_id: str) -> str:
    """Return the id of the notice that this one is, or is a copy of."""
    return notice_id.partition(INSTEAD)[0]


def stand_in(record: Record, via: str, channels: Channels, log: NoticeLog) -> tuple[str, str]:
    """Return the channel that tells this instead of `via`, or none, and what to say of it.

    It is the next in the configured order that would not have got it anyway, and has not given it
    up itself.
    """
    first = log.get(origin_of(record.notice.id)) or record
    anyway = [n for n, each in channels.items() if n != via and is_for(first.notice, n, each)]
    for name in _after(via, channels):
        if name in anyway:
            continue
        if not _gave_up(name, log.get(f"{first.notice.id}{INSTEAD}{name}")):
            return name, f"{name} tells it instead"
    others = [name for name in anyway if not _gave_up(name, first)]
    return "", f"told anyway by {', '.join(others)}" if others else NO_OTHER


def _gave_up(via: str, record: Record | None) -> bool:
    delivery = record.delivery(via) if record else None
    return delivery is not None and delivery.outcome is Outcome.GIVEN_UP


def _after(via: str, channels: Channels) -> list[str]:
    """Return the other channels, beginning with the one after this."""
    names = list(channels)
    at = names.index(via) if via in names else 0
    return [name for name in names[at + 1 :] + names[:at] if name != via]
