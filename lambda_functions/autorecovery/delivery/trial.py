"""A message through one channel or all of them, now and once: to see whether they work."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from autorecovery.delivery.deliver import Courier, deliver
from autorecovery.models.delivery import Outcome
from autorecovery.models.notice import Notice, NoticeKind
from autorecovery.models.reason import Level

PRODUCER = "notify_test"


@dataclass(frozen=True, slots=True)
class Tried:
    """What one channel said to it."""

    channel: str
    ok: bool
    text: str


class Nowhere:
    """DeadLetters for what is only tried: who asked is told at once."""

    def keep(self, event: object, why: str, at: datetime) -> None:
        """See DeadLetters.keep."""


def try_channels(names: Sequence[str], app: Courier) -> list[Tried]:
    """Return what each of these channels said to a message; of an unknown one, that it is none."""
    return [_try(name, app) for name in names]


def try_message(channel: str, now: datetime) -> Notice:
    """Return the message that is sent."""
    return Notice(
        id=f"test-{channel}-{now:%Y%m%d-%H%M%S-%f}",
        incident_id="",
        kind=NoticeKind.MESSAGE,
        level=Level.INFO,
        headline="[INFO] This is a test: nothing is wrong",
        lines=(f"Somebody tries the channel {channel}. Nothing to do for you.",),
        at=now,
        to=(channel,),
        producer=PRODUCER,
    )


def _try(name: str, app: Courier) -> Tried:
    if name not in app.channels:
        known = ", ".join(app.channels) or "none"
        return Tried(name, False, f"there is no such channel; there are: {known}")
    notice = try_message(name, app.clock())
    app.log.record(notice)
    once = replace(app, most_tries=1, dead_letters=Nowhere())
    passed = deliver(notice.id, name, once)
    return Tried(name, passed.outcome is Outcome.DELIVERED, passed.text)
