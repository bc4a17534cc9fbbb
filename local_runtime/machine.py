"""The one-machine mode wired together: the same two flows as on AWS, all on this host."""

import json
import logging
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from logging.handlers import RotatingFileHandler
from pathlib import Path

from autorecovery.adapters.sqlite.attempt_log import SqliteAttemptLog
from autorecovery.adapters.sqlite.controls import SqliteControls
from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.dead_letters import SqliteDeadLetters
from autorecovery.adapters.sqlite.incident_log import SqliteIncidentLog
from autorecovery.adapters.sqlite.mailbox import Mailbox
from autorecovery.adapters.sqlite.notice_log import SqliteNoticeLog
from autorecovery.adapters.sqlite.spending import SqliteSpending
from autorecovery.analysis.stage import Analyst
from autorecovery.config import Configuration
from autorecovery.delivery.board import RecordedBoard
from autorecovery.delivery.deliver import Courier
from autorecovery.errors import ConfigurationError
from autorecovery.models.notice import Notice, NoticeKind
from autorecovery.models.signal import Target, TargetKind
from autorecovery.ports import Channel, Presence
from autorecovery.response.run import run
from autorecovery.response.stage import Response
from autorecovery.scripts import Script
from autorecovery.triage.outcome import Outcome
from autorecovery.triage.run import Triage
from local_runtime.analyst import AnalysedBoard, LocalAnalyst, model_of
from local_runtime.attendant import Attendant
from local_runtime.bash_commands import BashCommandRunner
from local_runtime.digest_clock import DigestClock
from local_runtime.local_responses import LocalResponses
from local_runtime.log_store import LogStore
from local_runtime.outbox import Outbox

DATABASE = "autorecovery.sqlite3"
TRIAGE_LOG = "triage.log"
LOG_BYTES = 5_000_000

PATIENCE = timedelta(minutes=1)
"""After so long a delivery that began and did not end was that of a program that died."""

ChannelOf = Callable[[str], Channel]


class OutcomeFile:
    """Writes each delivery's outcome as one JSON line; what grows too long is moved aside once."""

    def __init__(self, path: Path) -> None:
        self._handler = RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=1, delay=True)

    def __call__(self, outcome: Outcome) -> None:
        """Write one line."""
        line = json.dumps({"at": utc_now().isoformat(), **outcome.as_dict()})
        self._handler.emit(logging.makeLogRecord({"msg": line}))

    def close(self) -> None:
        """Close the file."""
        self._handler.close()


def home(variables: Mapping[str, str]) -> Path:
    """Return the folder that keeps this machine's state."""
    return Path(variables.get("AUTORECOVERY_HOME") or ".autorecovery").absolute()


def utc_now() -> datetime:
    """Return the present time."""
    return datetime.now(UTC)


class ThisHost:
    """TargetDirectory that knows one machine: the one it runs on, whose owner started it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def look_up(self, target: Target) -> Presence:
        """See TargetDirectory.look_up."""
        known = target.kind is TargetKind.HOST and target.name == self._name
        return Presence(exists=known, opted_in=known)


class Board:
    """Noticeboard that hands each notice to a function: the console, the demo, a test."""

    def __init__(self, show: Callable[[Notice], None]) -> None:
        self._show = show

    def post(self, notice: Notice) -> None:
        """See Noticeboard.post."""
        self._show(notice)

    def withhold(self, notice: Notice, why: str) -> None:
        """See Noticeboard.withhold. A console shows what is told, and nothing else."""


@dataclass(frozen=True)
class Machine:
    """Triage and response of this host."""

    name: str
    database: Database
    outcomes: OutcomeFile
    incidents: SqliteIncidentLog
    attempts: SqliteAttemptLog
    log_store: LogStore
    commands: BashCommandRunner
    responses: LocalResponses
    triage: Triage
    response: Response
    attendant: Attendant
    outbox: Outbox
    digests: DigestClock
    analyst: LocalAnalyst

    def take_up_open_incidents(self) -> int:
        """Respond again to every incident that an earlier run of this program left open.

        Nothing is sent or told twice: the store remembers. Returns how many there were.
        """
        found = self.incidents.open_incidents()
        for incident in found:
            self.responses.start(incident.incident_id)
            self.analyst.look_into(incident.incident_id, NoticeKind.OPENED)
        for group in self.incidents.open_groups():
            self.responses.start(group.id)
        return len(found)

    def close(self) -> None:
        """Stop everything; what was begun is in the database."""
        self.attendant.close()
        self.digests.close()
        self.analyst.close()
        self.commands.stop()
        self.responses.close()
        self.outbox.close()
        self.outcomes.close()
        self.database.close()


def passing_triage(configuration: Configuration, folder: Path) -> Triage:
    """Return triage over the state in this folder, for a command that is over in a moment.

    It leaves word of what it opens: the program that watches this machine lives the responses.
    """
    database = Database(folder / DATABASE)
    return Triage(
        configuration=configuration,
        incidents=SqliteIncidentLog(database),
        responses=Mailbox(database),
        targets=ThisHost(host_name()),
        dead_letters=SqliteDeadLetters(database),
        clock=utc_now,
        report=OutcomeFile(folder / TRIAGE_LOG),
    )


def host_name() -> str:
    """Return what this machine calls itself."""
    return platform.node() or "localhost"


def assemble(
    configuration: Configuration,
    scripts: Mapping[str, Script],
    folder: Path,
    show: Callable[[Notice], None],
    variables: Mapping[str, str],
    channel: ChannelOf | None = None,
) -> Machine:
    """Return the one-machine mode over the state in this folder.

    `channel` returns a channel by its name; without it they are those of the configuration.
    """
    name = host_name()
    database, outcomes = Database(folder / DATABASE), OutcomeFile(folder / TRIAGE_LOG)
    incidents = SqliteIncidentLog(database)
    attempts = SqliteAttemptLog(database)
    notices = SqliteNoticeLog(database)
    log_store = LogStore(database, utc_now)
    responses: LocalResponses

    def wake(incident_id: str) -> None:
        if token := incidents.wake_token(incident_id):
            responses.wake(token)

    commands = BashCommandRunner(database, scripts, variables, utc_now, wake)
    board = RecordedBoard(Board(show), "console", notices, utc_now)
    analyst = LocalAnalyst(
        Analyst(
            configuration=configuration,
            incidents=incidents,
            attempts=attempts,
            metrics=log_store,
            noticeboard=board,
            spending=SqliteSpending(database),
            clock=utc_now,
            model=model_of(configuration.analysis),
        )
    )
    mailbox = Mailbox(database)
    response = Response(
        configuration=configuration,
        incidents=incidents,
        attempts=attempts,
        commands=commands,
        targets=ThisHost(name),
        metrics=log_store,
        controls=SqliteControls(database),
        budget=SqliteControls(database),
        noticeboard=AnalysedBoard(board, analyst.ask),
        responses=mailbox,
        clock=utc_now,
    )
    responses = LocalResponses(lambda execution, flow: run(execution, flow, response))
    triage = Triage(
        configuration=configuration,
        incidents=incidents,
        responses=responses,
        targets=ThisHost(name),
        dead_letters=SqliteDeadLetters(database),
        clock=utc_now,
        report=outcomes,
    )
    return Machine(
        name,
        database,
        outcomes,
        incidents,
        attempts,
        log_store,
        commands,
        responses,
        triage,
        response,
        Attendant(mailbox, responses),
        Outbox(notices, courier(configuration, database, channel or channels_of(configuration))),
        DigestClock(configuration.notify.channels, send_digest, utc_now),
        analyst,
    )


def courier(configuration: Configuration, database: Database, channel: ChannelOf) -> Courier:
    """Return what delivers notices on this machine."""
    return Courier(
        channels=configuration.notify.channels,
        channel=channel,
        log=SqliteNoticeLog(database),
        hand_on=lambda notice_id, via: None,  # it is recorded, and so it is due
        dead_letters=SqliteDeadLetters(database),
        clock=utc_now,
        patience=PATIENCE,
    )


# MERGE: these two become one line each over `autorecovery.channels` and the digest's own module.


def channels_of(configuration: Configuration) -> ChannelOf:
    """Return what finds a configured channel by its name."""

    def find(name: str) -> Channel:
        raise ConfigurationError(f"{name}: no channel is connected yet")

    return find


def send_digest(channel: str, period: str) -> None:
    """Gather and send the digest of this period through this channel."""
    raise ConfigurationError(f"{channel}: no {period} digest is connected yet")
