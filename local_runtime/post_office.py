"""How this machine's notices reach people: the configured channels, and who carries to them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache, partial

from autorecovery.adapters.sqlite.attempt_log import SqliteAttemptLog
from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.dead_letters import SqliteDeadLetters
from autorecovery.adapters.sqlite.incident_log import SqliteIncidentLog
from autorecovery.adapters.sqlite.notice_log import SqliteNoticeLog
from autorecovery.analysis.trends import WEEK, approaching, limits_of, trends
from autorecovery.channels import Channels, heard_over_a_socket, measured_by
from autorecovery.config import Configuration
from autorecovery.delivery.deliver import Courier, Public
from autorecovery.delivery.report import Archive
from autorecovery.models.digest import Trend
from autorecovery.ports import Channel, Clock, HostHistory, Mailer, Noticeboard
from local_runtime.log_store import LogStore
from local_runtime.secret_store import secrets

ChannelOf = Callable[[str], Channel]

PATIENCE = timedelta(minutes=1)
"""After so long a delivery that began and did not end was that of a program that died."""


def courier(
    configuration: Configuration,
    database: Database,
    channel: ChannelOf,
    clock: Clock,
    console: Noticeboard | None = None,
) -> Courier:
    """Return what delivers notices on this machine; `console` is the last to stand in."""
    return Courier(
        channels=configuration.notify.channels,
        channel=channel,
        log=SqliteNoticeLog(database),
        hand_on=lambda notice_id, via: None,  # it is recorded, and so it is due
        dead_letters=SqliteDeadLetters(database),
        clock=clock,
        patience=PATIENCE,
        public=Public("console", lambda: console) if console else None,
    )


def channels_of(
    configuration: Configuration,
    database: Database,
    variables: Mapping[str, str],
    clock: Clock,
    history: HostHistory | None = None,
) -> ChannelOf:
    """Return what finds a configured channel by its name, and keeps it."""
    archive = Archive(
        SqliteIncidentLog(database),
        SqliteAttemptLog(database),
        SqliteNoticeLog(database),
        measured_by(LogStore(database, clock), configuration),
        clock,
    )
    made = Channels(
        configuration, secrets(variables),
        mailer=_mailer, archive=archive, buttons=heard_over_a_socket,
        trends=partial(_trends, history, limits_of(configuration)),
    )  # fmt: skip
    return cache(made.named)


def _trends(
    history: HostHistory | None, limits: Mapping[str, float], now: datetime
) -> Sequence[Trend]:
    return approaching(trends(history, limits, now, WEEK)) if history else ()


def _mailer() -> Mailer:
    # AWS is loaded only by who has reports mailed.
    from autorecovery.adapters.aws import clients
    from autorecovery.adapters.aws.mail import SesMailer

    return SesMailer(clients.sesv2())
