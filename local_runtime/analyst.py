"""Explains incidents on this machine: a thread, fed after a notice was put up, that waits a little.

What it has not come to when the program ends is looked into when it starts again, while open.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import cache

from autorecovery.analysis.run import ASKED_BY, investigate
from autorecovery.analysis.stage import Analyst
from autorecovery.config import AnalysisSettings
from autorecovery.errors import AutoRecoveryError
from autorecovery.models.notice import Notice, NoticeKind
from autorecovery.ports import Model, Noticeboard

A_CROWD_FORMS = timedelta(seconds=45)
"""Until then an incident's story says whether it came in a crowd."""

_log = logging.getLogger(__name__)

Request = tuple[float, str, NoticeKind]
"""When it is due, by the monotonic clock; which incident; after which notice."""


class AnalysedBoard:
    """Noticeboard that, once people have a notice, asks what is behind it."""

    def __init__(self, people: Noticeboard, ask: Callable[[Notice], None]) -> None:
        self._people = people
        self._ask = ask

    def post(self, notice: Notice) -> None:
        """See Noticeboard.post."""
        self._people.post(notice)
        self._ask(notice)

    def withhold(self, notice: Notice, why: str) -> None:
        """See Noticeboard.withhold; what a silence keeps from people is looked into for nobody."""
        self._people.withhold(notice, why)


class LocalAnalyst:
    """Looks into incidents one after the other, each a while after it was asked to."""

    def __init__(self, app: Analyst, delay: timedelta = A_CROWD_FORMS) -> None:
        self._app = app
        self._delay = delay.total_seconds()
        self._requests: queue.Queue[Request] = queue.Queue()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="analyst", daemon=True)
        self._thread.start()

    def ask(self, notice: Notice) -> None:
        """Look into what this notice is about, if it is of a kind that asks for it."""
        if notice.incident_id and notice.kind in ASKED_BY:
            self.look_into(notice.incident_id, notice.kind)

    def look_into(self, incident_id: str, kind: NoticeKind) -> None:
        """Look into this incident, after a while; harmless where that was done before."""
        self._requests.put((time.monotonic() + self._delay, incident_id, kind))

    def close(self) -> None:
        """Look into nothing more; what is being asked of a model is waited for."""
        self._ended.set()
        self._requests.put((0.0, "", NoticeKind.MESSAGE))  # wakes the thread
        self._thread.join()

    def _work(self) -> None:
        while True:
            due, incident_id, kind = self._requests.get()
            if self._ended.wait(max(due - time.monotonic(), 0)):
                return
            try:
                investigate(incident_id, kind, self._app)
            except AutoRecoveryError as error:
                _log.warning("%s could not be analysed: %s", incident_id, error)
            except Exception:  # noqa: BLE001  one bug must not end all looking
                _log.exception("%s could not be analysed", incident_id)


def model_of(settings: AnalysisSettings) -> Model | None:
    """Return the configured model, if there is one."""
    if settings.model is None:
        return None
    from autorecovery.adapters.aws import clients
    from autorecovery.adapters.aws.bedrock import BedrockModel

    seconds = settings.timeout.total_seconds()
    return BedrockModel(
        cache(lambda: clients.bedrock_once(settings.region, seconds)), settings.model
    )
