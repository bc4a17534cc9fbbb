"""A notice that a channel gave up, given to it once more because a person says so."""

from collections.abc import Callable, Sequence

from autorecovery.errors import ReadError
from autorecovery.models.delivery import Delivery, Outcome
from autorecovery.ports import Clock, NoticeLog


def tell_again(
    notice_id: str,
    channels: Sequence[str],
    log: NoticeLog,
    hand_on: Callable[[str, str], None],
    clock: Clock,
) -> str:
    """Return what comes of it; a channel that took the notice meanwhile is not told again.

    ReadError where the notice is not known any more.
    """
    record = log.get(notice_id)
    if record is None:
        raise ReadError(f"no notice {notice_id} is recorded")
    missing = [name for name in channels if name not in record.delivered_via]
    for name in missing:
        # As if it had been refused once: it begins at once, and has nearly all of its tries.
        log.end(notice_id, Delivery(name, Outcome.WAITING, clock(), 1, "to be tried again"))
        hand_on(notice_id, name)
    if not missing:
        return f"{', '.join(channels)} took it meanwhile"
    return f"given to {', '.join(missing)} once more; `autorecovery notify list` tells how it ends"
