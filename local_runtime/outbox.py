"""What is recorded reaches people: a thread per channel delivers what is due, whoever recorded it.

What is due stands in the database. A program that is killed loses nothing; the one after it sends
at most the notice again that was on its way.
"""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

from autorecovery.adapters.sqlite.notice_log import SqliteNoticeLog
from autorecovery.delivery.deliver import WAITS_ALONE, Courier, Passed, deliver
from autorecovery.delivery.routes import may_concern
from autorecovery.delivery.trial import PRODUCER
from autorecovery.errors import StoreError
from autorecovery.models.delivery import Outcome
from autorecovery.models.notice import Notice

EVERY = timedelta(seconds=1)

LAST_WORD = timedelta(seconds=15)
"""How long closing waits for a channel that is just being spoken to."""

_log = logging.getLogger(__name__)


class Outbox:
    """One thread per channel; each waits, fails and goes on by itself."""

    def __init__(self, log: SqliteNoticeLog, courier: Courier) -> None:
        """`courier` delivers over the same `log`."""
        self._notices = log
        self._courier = courier
        self._ended = threading.Event()
        log.follow(list(courier.channels))
        log.forget_before(courier.clock())
        self._threads = [
            threading.Thread(target=self._attend, args=(via,), name=f"outbox {via}", daemon=True)
            for via in courier.channels
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Begin nothing more; what is not delivered is due when the program runs again."""
        self._ended.set()
        for thread in self._threads:
            thread.join(LAST_WORD.total_seconds())

    def _attend(self, via: str) -> None:
        settings = self._courier.channels[via]

        def concerns(notice: Notice) -> bool:
            # What is tried is sent by whoever tries it, and not a second time from here.
            return notice.producer != PRODUCER and may_concern(notice, via, settings)

        pause = timedelta()
        while not self._ended.wait(pause.total_seconds()):
            try:
                pause = self._deliver_due(via, concerns)
            except StoreError as error:
                _log.warning("outbox of %s: %s", via, error)  # another process holds the file
                pause = EVERY

    def _deliver_due(self, via: str, concerns: Callable[[Notice], bool]) -> timedelta:
        """Deliver what is due, and return for how long to leave the channel alone."""
        now, patience = self._courier.clock(), self._courier.patience
        for notice_id in self._notices.due(via, now, patience, concerns):
            if self._ended.is_set():
                break
            passed = self._deliver(notice_id, via)
            if passed.outcome is None and passed.again_in is None:
                self._notices.drop(notice_id, via)
            elif passed.outcome is None and passed.again_in is not None:
                self._notices.put_off(notice_id, via, self._courier.clock() + passed.again_in)
            if passed.channel_rests and passed.again_in is not None:
                # Not for long: what must arrive is refused once, before another channel tells it.
                return min(passed.again_in, WAITS_ALONE)
        return EVERY

    def _deliver(self, notice_id: str, via: str) -> Passed:
        try:
            passed = deliver(notice_id, via, self._courier)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001  one notice must not stop the others
            told = f"{type(error).__name__}: {error}"
            passed = Passed(notice_id, via, told, again_in=self._courier.patience)
        told_of = logging.ERROR if passed.outcome is Outcome.GIVEN_UP else logging.INFO
        _log.log(told_of, "notice %s via %s: %s", passed.notice_id, passed.via, passed.text)
        return passed
