"""Hears what people say in another process: the command line beside the running program."""

import logging
import threading
from datetime import timedelta

from autorecovery.adapters.sqlite.mailbox import Mailbox
from autorecovery.errors import StoreError
from autorecovery.ports import ResponseStarter

EVERY = timedelta(seconds=1)

_log = logging.getLogger(__name__)


class Attendant:
    """A thread that passes on each word left in the mailbox, about a second after it was left."""

    def __init__(self, mailbox: Mailbox, responses: ResponseStarter) -> None:
        self._mailbox = mailbox
        self._responses = responses
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._attend, name="attendant", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hear nothing more."""
        self._ended.set()
        self._thread.join()

    def _attend(self) -> None:
        while not self._ended.wait(EVERY.total_seconds()):
            try:
                words = self._mailbox.collect()
            except StoreError as error:
                _log.warning("mailbox: %s", error)  # another process holds the file: next second
                continue
            for kind, content in words:
                self._pass_on(kind, content)

    def _pass_on(self, kind: str, content: str) -> None:
        try:
            (self._responses.start if kind == "start" else self._responses.wake)(content)
        except Exception:  # noqa: BLE001  one word must not lose the others, nor the thread
            _log.exception("mailbox: %s %s was not passed on", kind, content)
