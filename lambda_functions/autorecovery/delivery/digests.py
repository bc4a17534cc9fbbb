"""A digest is a notice like any other: recorded, then delivered by its own channel."""

from datetime import datetime

from autorecovery.delivery.deliver import Courier
from autorecovery.models.notice import Notice, NoticeKind
from autorecovery.models.reason import Level

PRODUCER = "digest"


def ask_for_digest(channel: str, period: str, app: Courier) -> str:
    """Have the digest of this period delivered by this channel; once a day, however often asked.

    What it says is gathered when it is sent. Returns the id of its notice.
    """
    notice = _digest(channel, period, app.clock())
    app.log.record(notice)
    app.hand_on(notice.id, channel)
    return notice.id


def _digest(channel: str, period: str, now: datetime) -> Notice:
    return Notice(
        id=f"digest-{channel}-{now:%Y%m%d}",
        incident_id="",
        kind=NoticeKind.DIGEST,
        level=Level.INFO,
        headline=f"[INFO] The {period} digest",
        lines=(f"What happened until {now:%Y-%m-%d %H:%M} UTC.",),
        at=now,
        to=(channel,),
        producer=PRODUCER,
    )
