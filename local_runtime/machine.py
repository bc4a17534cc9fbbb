"""The one-machine mode wired together: the same two flows as on AWS, all on this host."""

import json
import logging
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING

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
from autorecovery.delivery.digests import ask_for_digest
from autorecovery.models.notice import Notice, NoticeKind
from autorecovery.models.signal import Target, TargetKind
from autorecovery.notices.restraint import Restraint
from autorecovery.people import People
from autorecovery.ports import (
    HostHistory,
    MetricReader,
    Noticeboard,
    Presence,
    ResponseStarter,
    TargetDirectory,
)
from autorecovery.response.run import run
from autorecovery.response.stage import Response
from autorecovery.scripts import Script
from autorecovery.triage.outcome import Outcome
from autorecovery.triage.run import Triage
from local_runtime.analyst import AnalysedBoard, LocalAnalyst, model_of
from local_runtime.attendant import Attendant
from local_runtime.bash_commands import BashCommandRunner
from local_runtime.digest_clock import DigestClock
from local_runtime.hosts import HistoryReader, HostsAround
from local_runtime.local_responses import LocalResponses
from local_runtime.log_store import LogStore
from local_runtime.outbox import Outbox
from local_runtime.post_office import ChannelOf, channels_of, courier
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

    def withhold(self, notice: Notice, why: str) -> None:
        """See Noticeboard.withhold. A console shows what is told, and nothing else."""


class Memory:
    """What this machine remembers: every store, over one file."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(folder / DATABASE)
        self.incidents = SqliteIncidentLog(self.database)
        self.attempts = SqliteAttemptLog(self.database)
        self.notices = SqliteNoticeLog(self.database)
        self.controls = SqliteControls(self.database)
        self.dead_letters = SqliteDeadLetters(self.database)
        self.spending = SqliteSpending(self.database)
        self.log_store = LogStore(self.database, utc_now)
        self.mailbox = Mailbox(self.database)


@dataclass(frozen=True)
class _World:
    """The machines that are known here, and where their measurements are read again."""

    targets: TargetDirectory
    metrics: MetricReader

    @classmethod
    def around(cls, memory: Memory, history: HostHistory | None = None) -> "_World":
        """Return this machine alone, or with those that send to it."""
        here = ThisHost(host_name())
        if history is None:
            return cls(here, memory.log_store)
        return cls(HostsAround(here, history), HistoryReader(memory.log_store, history, utc_now))


@dataclass(frozen=True)
class Machine:
    """Triage and response of this host, and everybody who works for them."""

    name: str
    memory: Memory
    outcomes: OutcomeFile
    commands: BashCommandRunner
    responses: LocalResponses
    triage: Triage
    response: Response
    attendant: Attendant
    outbox: Outbox
    digests: DigestClock
    analyst: LocalAnalyst
    buttons: tuple["SlackSocket", ...]

    @property
    def incidents(self) -> SqliteIncidentLog:
        """Return the memory of incidents."""
        return self.memory.incidents

    @property
    def log_store(self) -> LogStore:
        """Return what keeps the lines of this machine's logs."""
        return self.memory.log_store

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
        for buttons in self.buttons:
            buttons.close()
        self.attendant.close()
        self.digests.close()
        self.analyst.close()
        self.commands.stop()
        self.responses.close()
        self.outbox.close()
        self.outcomes.close()
        self.memory.database.close()


def host_name() -> str:
    """Return what this machine calls itself."""
    return platform.node() or "localhost"


def passing_triage(configuration: Configuration, folder: Path) -> Triage:
    """Return triage over the state in this folder, for a command that is over in a moment.

    It leaves word of what it opens: the program that watches this machine lives the responses.
    """
    memory = Memory(folder)
    outcomes = OutcomeFile(folder / TRIAGE_LOG)
    return _triage(configuration, memory, memory.mailbox, outcomes, _World.around(memory))


def assemble(
    configuration: Configuration,
    scripts: Mapping[str, Script],
    folder: Path,
    show: Callable[[Notice], None],
    variables: Mapping[str, str],
    channel: ChannelOf | None = None,
    history: HostHistory | None = None,
) -> Machine:
    """Return the one-machine mode over the state in this folder.

    `channel` returns a channel by its name; without it they are those of the configuration.
    `history` knows the hosts that send to this machine.
    """
    memory, outcomes = Memory(folder), OutcomeFile(folder / TRIAGE_LOG)
    world = _World.around(memory, history)
    database = memory.database

    def wake(incident_id: str) -> None:
        if token := memory.incidents.wake_token(incident_id):
            responses.wake(token)

    commands = BashCommandRunner(database, scripts, variables, utc_now, wake)
    console = Board(show)
    board = RecordedBoard(console, "console", memory.notices, utc_now)
    analyst = LocalAnalyst(_analyst(configuration, memory, board, world))
    told = AnalysedBoard(board, analyst.ask)
    response = _response(configuration, memory, commands, told, world)
    responses = LocalResponses(lambda execution, flow: run(execution, flow, response))
    found = channel or channels_of(configuration, database, variables, utc_now, history)
    carrier = courier(configuration, database, found, utc_now, console)
    return Machine(
        host_name(),
        memory,
        outcomes,
        commands,
        responses,
        _triage(configuration, memory, responses, outcomes, world),
        response,
        Attendant(memory.mailbox, responses),
        Outbox(memory.notices, carrier),
        DigestClock(configuration.notify.channels, partial(ask_for_digest, app=carrier), utc_now),
        analyst,
        _buttons(configuration, memory, responses, variables),
    )


def _analyst(
    configuration: Configuration, memory: Memory, board: Noticeboard, world: _World
) -> Analyst:
    return Analyst(
        configuration=configuration,
        incidents=memory.incidents,
        attempts=memory.attempts,
        metrics=world.metrics,
        noticeboard=board,
        restraint=Restraint(configuration, memory.controls, memory.controls, utc_now),
        spending=memory.spending,
        clock=utc_now,
        model=model_of(configuration.analysis),
    )


def _response(
    configuration: Configuration,
    memory: Memory,
    commands: BashCommandRunner,
    board: Noticeboard,
    world: _World,
) -> Response:
    return Response(
        configuration=configuration,
        incidents=memory.incidents,
        attempts=memory.attempts,
        commands=commands,
        targets=world.targets,
        metrics=world.metrics,
        controls=memory.controls,
        budget=memory.controls,
        noticeboard=board,
        responses=memory.mailbox,
        clock=utc_now,
    )


def _triage(
    configuration: Configuration,
    memory: Memory,
    responses: ResponseStarter,
    outcomes: OutcomeFile,
    world: _World,
) -> Triage:
    return Triage(
        configuration=configuration,
        incidents=memory.incidents,
        responses=responses,
        targets=world.targets,
        dead_letters=memory.dead_letters,
        clock=utc_now,
        report=outcomes,
    )


def _buttons(
    configuration: Configuration,
    memory: Memory,
    responses: ResponseStarter,
    variables: Mapping[str, str],
) -> tuple["SlackSocket", ...]:
    """Return who hears Slack's buttons; nobody, and nothing loaded, without an app token."""
    channels = configuration.notify.channels.values()
    if not any(channel.slack and channel.slack.app_token for channel in channels):
        return ()
    from local_runtime.slack_socket import listen

    people = People(memory.incidents, memory.controls, responses, utc_now)
    return listen(configuration, secrets(variables), people)
