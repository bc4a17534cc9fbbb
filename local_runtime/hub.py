"""The hub on this machine: its history, its access, and those who tend both."""

import logging
import threading
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any

from autorecovery.analysis.trends import limits_of
from autorecovery.config import Configuration, Ingest
from autorecovery.errors import AutoRecoveryError, ConfigurationError, SecretError, StoreError
from autorecovery.ports import Clock, HostHistory
from autorecovery.triage.run import Triage, triage
from autorecovery.web.access import SHORTEST_TOKEN, Access, Token
from autorecovery.web.hub import Hub
from local_runtime.history.database import database_url, open_database
from local_runtime.history.keeper import HistoryKeeper
from local_runtime.history.store import SqlHostHistory
from local_runtime.hosts import silence_event, silences
from local_runtime.machine import Machine, utc_now
from local_runtime.secret_store import secrets
from local_runtime.web_server import LOOPBACK

LISTENS_EVERY = timedelta(seconds=5)
TENDS_EVERY = timedelta(minutes=1)
MEGABYTE = 1_000_000

_log = logging.getLogger(__name__)


def open_history(variables: Mapping[str, str]) -> SqlHostHistory:
    """Return the history that DATABASE_URL names, with its tables."""
    return SqlHostHistory(open_database(database_url(variables)))


def access_of(settings: Ingest, variables: Mapping[str, str], *, address: str) -> Access:
    """Return who is let in at this address; ConfigurationError where it would be everybody."""
    is_near = address in LOOPBACK
    if not is_near and settings.operator_token is None:
        raise ConfigurationError(
            f"{address} can be asked from elsewhere: set ingest.operator_token first,"
            " or listen on 127.0.0.1"
        )
    kept = secrets(variables)
    hosts = {name: kept.named(host.token) for name, host in settings.hosts.items()}
    operator = kept.named(settings.operator_token) if settings.operator_token else None
    for name, token in {**hosts, **({"the operator": operator} if operator else {})}.items():
        _check_token(name, token)
    return Access(
        hosts=hosts,
        operator=operator,
        networks=[ip_network(network) for network in settings.allow_from],
        # Who gives the hub a name means to have it called from elsewhere, by a proxy perhaps.
        is_open=is_near and not settings.server_names,
    )


def _check_token(name: str, token: Token) -> None:
    """Say at once what would otherwise be found out when nobody is let in."""
    try:
        known = token.value()
    except SecretError as error:
        raise ConfigurationError(f"ingest: the token of {name}: {error}") from error
    if len(known) < SHORTEST_TOKEN:
        raise ConfigurationError(
            f"ingest: the token of {name} has fewer than {SHORTEST_TOKEN} characters; make one with"
            " `openssl rand -hex 16`"
        )


def names_of(settings: Ingest, address: str) -> Collection[str]:
    """Return the names by which the hub at this address may be called."""
    return {*LOOPBACK, address, *(name.lower() for name in settings.server_names)}


class Delivery:
    """Hands events to triage, one at a time."""

    def __init__(self, app: Triage) -> None:
        self._app = app
        self._lock = threading.Lock()

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Deliver one; StoreError where it should be delivered again."""
        with self._lock:
            outcome = triage(event, self._app)
        self._app.report(outcome)
        if outcome.failures:
            raise StoreError("; ".join(outcome.failures), retryable=True)


def hub_of(
    configuration: Configuration, machine: Machine, history: SqlHostHistory, access: Access,
    deliver: Delivery,
) -> Hub:  # fmt: skip
    """Return the hub over this machine's stores."""
    return Hub(
        settings=configuration.ingest,
        access=access,
        history=history,
        tables=history,
        notices=machine.memory.notices,
        deliver=deliver,
        clock=utc_now,
        limits=limits_of(configuration),
    )


def tell_silences(
    history: HostHistory, deliver: Callable[[Mapping[str, Any]], None], now: datetime,
    heard_from: datetime,
) -> int:  # fmt: skip
    """Have triage hear of each host that fell silent, or sends again; return how many."""
    found = list(silences(history.hosts(), now, heard_from))
    for host, silent in found:
        deliver(silence_event(host, now, silent=silent))
        history.tell_silence(host.name, silent=silent)
    return len(found)


class HubAttendant:
    """A thread that listens for silence, and keeps the history in shape."""

    def __init__(
        self, history: SqlHostHistory, keeper: HistoryKeeper, deliver: Delivery, clock: Clock
    ) -> None:
        self._history, self._keeper, self._deliver = history, keeper, deliver
        self._clock = clock
        self._began = clock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._attend, name="hub", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; what is being done is finished first."""
        self._ended.set()
        self._thread.join()

    def _attend(self) -> None:
        tended = self._began
        while not self._ended.wait(LISTENS_EVERY.total_seconds()):
            now = self._clock()
            self._try(lambda now=now: tell_silences(  # type: ignore[misc]
                self._history, self._deliver, now, self._began
            ))  # fmt: skip
            if abs(now - tended) >= TENDS_EVERY:
                tended = now
                self._try(lambda now=now: self._keeper.tend(now))  # type: ignore[misc]

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except AutoRecoveryError as error:
            _log.warning("hub: %s", error)  # it is tried again in a moment
