"""Digests by the clock of this machine; what was missed while nothing ran is not made up for."""

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from cronsim import CronSim

from autorecovery.config import ChannelSettings
from autorecovery.config.notify import MailReport
from autorecovery.errors import AutoRecoveryError
from autorecovery.ports import Clock

LONGEST_SLEEP = timedelta(minutes=1)
"""So that a clock that is set, or a machine that slept, is noticed."""

Send = Callable[[str, str], object]
"""Takes a channel's name and a period."""

_log = logging.getLogger(__name__)


class DigestClock:
    """A thread that has each configured digest sent when its time has come."""

    def __init__(self, channels: Mapping[str, ChannelSettings], send: Send, clock: Clock) -> None:
        self._reports = {
            name: each.ses for name, each in channels.items() if each.ses and each.ses.digest
        }
        self._send = send
        self._clock = clock
        self._due = {name: next_digest(r, clock()) for name, r in self._reports.items()}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._attend, name="digests", daemon=True)
        if self._reports:
            self._thread.start()

    def close(self) -> None:
        """Send no more."""
        self._ended.set()
        if self._reports:
            self._thread.join()

    def _attend(self) -> None:
        while not self._ended.wait(self._sleep().total_seconds()):
            self.look()

    def look(self) -> None:
        """Send what is due by now, once."""
        with self._lock:
            now = self._clock()
            for name, due in self._due.items():
                if due <= now:
                    self._due[name] = next_digest(self._reports[name], now)
                    self._tell(name)

    def _sleep(self) -> timedelta:
        left = min(self._due.values()) - self._clock()
        return max(timedelta(), min(left, LONGEST_SLEEP))

    def _tell(self, name: str) -> None:
        try:
            self._send(name, str(self._reports[name].digest))
        except AutoRecoveryError as error:
            _log.error("the digest for %s was not sent: %s", name, error)
        except Exception:  # noqa: BLE001  a bug in one digest must not end all those to come
            _log.exception("the digest for %s was not sent", name)


def next_digest(report: MailReport, now: datetime) -> datetime:
    """Return when the next digest of this channel is due: each day, or each Monday, in UTC."""
    hour, minute = report.digest_at.split(":")
    days = "1" if report.digest == "weekly" else "*"
    return next(CronSim(f"{int(minute)} {int(hour)} * * {days}", now))
