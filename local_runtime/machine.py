"""The one-machine mode wired together: the same two flows as on AWS, all on this host."""

import json
import logging
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING

from autorecovery.adapters.sqlite.attempt_log import SqliteAttemptLog
from autorecovery.adapters.sqlite.controls import SqliteControls
from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.dead_letters import SqliteDeadLetters
from autorecovery.adapters.sqlite.incident_log import SqliteIncidentLog
from autorecovery.adapters.sqlite.mailbox import Mailbox
from autorecovery.config import Configuration
from autorecovery.models.notice import Notice
from autorecovery.models.signal import Target, TargetKind
from autorecovery.people import People
from autorecovery.ports import Presence
from autorecovery.response.run import respond
from autorecovery.response.stage import Response
from autorecovery.scripts import Script
from autorecovery.triage.outcome import Outcome
from autorecovery.triage.run import Triage
from local_runtime.attendant import Attendant
from local_runtime.bash_commands import BashCommandRunner
from local_runtime.local_responses import LocalResponses
from local_runtime.log_store import LogStore
from local_runtime.secret_store import secrets

if TYPE_CHECKING:
    from local_runtime.slack_socket import SlackSocket

DATABASE = "autorecovery.sqlite3"
TRIAGE_LOG = "triage.log"
LOG_BYTES = 5_000_000


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
    buttons: tuple["SlackSocket", ...] = ()

    def take_up_open_incidents(self) -> int:
        """Respond again to every incident that an earlier run of this program left open.

        Nothing is sent or told twice: the store remembers. Returns how many there were.
        """
        found = self.incidents.open_incidents()
        for incident in found:
            self.responses.start(incident.incident_id)
        return len(found)

    def close(self) -> None:
        """Stop everything; what was begun is in the database."""
        for buttons in self.buttons:
            buttons.close()
        self.attendant.close()
        self.commands.stop()
        self.responses.close()
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
) -> Machine:
    """Return the one-machine mode over the state in this folder."""
    name = host_name()
    database, outcomes = Database(folder / DATABASE), OutcomeFile(folder / TRIAGE_LOG)
    incidents = SqliteIncidentLog(database)
    attempts = SqliteAttemptLog(database)
    log_store = LogStore(database, utc_now)
    responses: LocalResponses

    def wake(incident_id: str) -> None:
        if token := incidents.wake_token(incident_id):
            responses.wake(token)

    commands = BashCommandRunner(database, scripts, variables, utc_now, wake)
    response = Response(
        configuration=configuration,
        incidents=incidents,
        attempts=attempts,
        commands=commands,
        targets=ThisHost(name),
        metrics=log_store,
        controls=SqliteControls(database),
        budget=SqliteControls(database),
        noticeboard=Board(show),
        clock=utc_now,
    )
    responses = LocalResponses(lambda incident_id, flow: respond(incident_id, flow, response))
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
        Attendant(Mailbox(database), responses),
        _buttons(
            configuration,
            People(incidents, SqliteControls(database), responses, utc_now),
            variables,
        ),
    )


def _buttons(
    configuration: Configuration, app: People, variables: Mapping[str, str]
) -> tuple["SlackSocket", ...]:
    """Return who hears Slack's buttons; nobody, and nothing loaded, without an app token."""
    channels = configuration.notify.channels.values()
    if not any(channel.slack and channel.slack.app_token for channel in channels):
        return ()
    from local_runtime.slack_socket import listen

    return listen(configuration, secrets(variables), app)
