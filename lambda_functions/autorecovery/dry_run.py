"""What would happen, in words, touching nothing: triage and response with an empty memory.

The clock stands at the event's own time, the target counts as opted in, and instead of sending a
notice or running a script it is written out.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from autorecovery.adapters.simulated.clock import VirtualClock
from autorecovery.adapters.simulated.workflow import Execution, live
from autorecovery.adapters.sqlite.attempt_log import SqliteAttemptLog
from autorecovery.adapters.sqlite.controls import SqliteControls
from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.dead_letters import SqliteDeadLetters
from autorecovery.adapters.sqlite.incident_log import SqliteIncidentLog
from autorecovery.config import Configuration
from autorecovery.errors import CommandNotStartedError
from autorecovery.models.actions import is_action
from autorecovery.models.incident import Attempt, CommandState, CommandStatus
from autorecovery.models.notice import Notice
from autorecovery.models.signal import LogOrigin, MetricOrigin, Target
from autorecovery.notices.text import Wording, body, subject_line
from autorecovery.ports import Clock, Datapoint, LogLine, Presence
from autorecovery.response.run import respond
from autorecovery.response.stage import Response
from autorecovery.scripts import Script, ScriptError
from autorecovery.triage.outcome import Outcome
from autorecovery.triage.parsing.dispatch import parse
from autorecovery.triage.parsing.findings import Watch
from autorecovery.triage.run import Triage

Write = Callable[[str], object]


def rehearse(
    event: object,
    configuration: Configuration,
    scripts: Mapping[str, Script],
    clock: Clock,
    write: Write,
    report: Callable[[Outcome], None] = lambda outcome: None,
) -> Triage:
    """Return a triage for this one event, whose incidents are responded to on paper."""
    virtual = VirtualClock(_time_of(event, configuration, clock))
    database = Database(None)
    incidents = SqliteIncidentLog(database)
    response = Response(
        configuration=configuration,
        incidents=incidents,
        attempts=SqliteAttemptLog(database),
        commands=_PrintedCommands(scripts, write),
        targets=_EverybodyOptedIn(),
        metrics=_NothingToRead(),
        controls=SqliteControls(database),
        budget=SqliteControls(database),
        noticeboard=_PrintedNotices(Wording.of(configuration), write),
        responses=Nobody(),
        clock=virtual,
    )
    return Triage(
        configuration=configuration,
        incidents=incidents,
        responses=_OnPaper(response, virtual),
        targets=_EverybodyOptedIn(),
        dead_letters=SqliteDeadLetters(database),
        clock=virtual,
        report=report,
    )


def empty_stores() -> tuple[SqliteAttemptLog, SqliteIncidentLog, "Nobody"]:
    """Return memories in which nothing ever happened, and nobody who waits."""
    database = Database(None)
    return SqliteAttemptLog(database), SqliteIncidentLog(database), Nobody()


def _time_of(event: object, configuration: Configuration, clock: Clock) -> datetime:
    now = clock()
    watch = Watch.compile(configuration.rules.values(), configuration.sources.logs)
    signals = parse(event, watch, now, tuple).signals
    return max((signal.at for signal in signals), default=now)


class _OnPaper:
    """ResponseStarter that lives the response until its first wait."""

    def __init__(self, response: Response, clock: VirtualClock) -> None:
        self._response = response
        self._clock = clock

    def start(self, incident_id: str) -> None:
        live(
            lambda flow: respond(incident_id, flow, self._response),
            Execution(), self._clock, incident_id, until=self._clock(),
        )  # fmt: skip

    def wake(self, token: str) -> None:
        """There is nobody to wake: no response outlives its first wait."""


class Nobody:
    """ResponseStarter where no response can be waiting."""

    def start(self, incident_id: str) -> None:
        """Start nothing."""

    def wake(self, token: str) -> None:
        """Wake nobody."""


class _PrintedCommands:
    """CommandRunner that writes out what it would run."""

    def __init__(self, scripts: Mapping[str, Script], write: Write) -> None:
        self._scripts = scripts
        self._write = write

    def time_limit(self, script: str) -> timedelta:
        return self._scripts[script].timeout if script in self._scripts else timedelta(minutes=1)

    def prepare(self, attempt: Attempt) -> Attempt:
        return attempt

    def start(self, attempt: Attempt) -> str:
        if is_action(attempt.script):
            self._write(f"DRY RUN, would ask AWS for {attempt.script} of {attempt.target.key}")
            raise CommandNotStartedError("dry run: nothing was asked for", retryable=False)
        script = self._scripts.get(attempt.script)
        if script is None:
            raise CommandNotStartedError(f"no script {attempt.script}", retryable=False)
        try:
            values = script.environment(
                attempt.parameters, not_after=attempt.not_after, attempt=attempt.token
            )
        except ScriptError as error:
            raise CommandNotStartedError(str(error), retryable=False) from error
        shown = " ".join(f"{name}={value!r}" for name, value in values.items())
        self._write(f"DRY RUN, would run on {attempt.target.key}: {shown} {attempt.script}.sh")
        raise CommandNotStartedError("dry run: nothing was sent", retryable=False)

    def find(self, attempt: Attempt) -> str | None:
        return None

    def status(self, command_id: str, target: Target) -> CommandStatus:
        return CommandStatus(CommandState.NOT_RUN, "dry run")


class _PrintedNotices:
    """Noticeboard that writes notices out."""

    def __init__(self, wording: Wording, write: Write) -> None:
        self._wording = wording
        self._write = write

    def post(self, notice: Notice) -> None:
        subject, text = subject_line(notice, self._wording), body(notice, self._wording)
        self._write(f"DRY RUN, would publish: {subject}\n{text}\n")

    def withhold(self, notice: Notice, why: str) -> None:
        self._write(f"DRY RUN, would not publish ({why}): {notice.headline}")


class _EverybodyOptedIn:
    def look_up(self, target: Target) -> Presence:
        return Presence(exists=True, opted_in=True)


class _NothingToRead:
    def datapoints(self, origin: MetricOrigin, since: datetime) -> list[Datapoint]:
        return []

    def lines(self, origin: LogOrigin, since: datetime) -> list[LogLine]:
        return []
