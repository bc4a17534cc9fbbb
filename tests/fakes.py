"""Fakes of the ports: ten lines each, shared by all tests."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.incident_log import SqliteIncidentLog
from autorecovery.errors import NoticeError
from autorecovery.models.incident import Attempt, CommandState, CommandStatus
from autorecovery.models.notice import Notice
from autorecovery.models.signal import LogOrigin, MetricOrigin, Target
from autorecovery.ports import Clock, Datapoint, LogLine, Presence

SUCCEEDED = CommandStatus(CommandState.SUCCEEDED, exit_code=0)


class ScriptedRunner:
    """CommandRunner whose answers are laid out: an error per send, one outcome for all."""

    def __init__(self, clock: Clock, takes: timedelta = timedelta(seconds=4)) -> None:
        self.clock, self.takes, self.outcome = clock, takes, SUCCEEDED
        self.errors: list[Exception | None] = []
        self.lost_in_transit: list[Exception] = []
        self.tries: list[Attempt] = []
        self.arrived: list[str] = []
        self.sent: dict[str, datetime] = {}
        self.scripts: dict[str, str] = {}
        self.is_findable = True

    def prepare(self, attempt: Attempt) -> Attempt:
        return attempt

    def start(self, attempt: Attempt) -> str:
        self.tries.append(attempt)
        error = self.errors.pop(0) if self.errors else None
        if error is None or error in self.lost_in_transit:
            self.arrived.append(attempt.token)
            self.sent[attempt.token], self.scripts[attempt.token] = self.clock(), attempt.script
        if error is not None:
            raise error
        return f"command of {attempt.token}"

    def find(self, attempt: Attempt) -> str | None:
        known = self.is_findable and attempt.token in self.sent
        return f"command of {attempt.token}" if known else None

    def status(self, command_id: str, target: Target) -> CommandStatus:
        ends = self.sent[command_id.removeprefix("command of ")] + self.takes
        over = self.clock() >= ends
        return self.outcome if over else CommandStatus(CommandState.RUNNING)

    def time_limit(self, script: str) -> timedelta:
        return timedelta(minutes=2)

    def cured_at(self, scripts: Sequence[str]) -> datetime | None:
        """Return when the first of these scripts ended."""
        ends = [
            at + self.takes for token, at in self.sent.items() if self.scripts[token] in scripts
        ]
        return min(ends, default=None)


class FixedDirectory:
    """TargetDirectory that gives one answer, or fails with one error."""

    def __init__(self, answer: Presence | Exception) -> None:
        self.answer = answer

    def look_up(self, target: Target) -> Presence:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class MeasuredWorld:
    """MetricReader over a function of time; None where nothing is measured. A line each step."""

    def __init__(self, clock: Clock, value_at: Callable[[datetime], float | None]) -> None:
        self.clock, self.value_at = clock, value_at
        self.line_of: Callable[[float], str] = str
        self.step = timedelta(seconds=20)
        self.error: Exception | None = None

    def datapoints(self, origin: MetricOrigin, since: datetime) -> list[Datapoint]:
        if self.error:
            raise self.error
        seconds = origin.period_seconds
        at = datetime.fromtimestamp(-(-since.timestamp() // seconds) * seconds, since.tzinfo)
        return self._measured(
            at, timedelta(seconds=seconds), self.clock() - timedelta(seconds=seconds)
        )

    def lines(self, origin: LogOrigin, since: datetime) -> list[LogLine]:
        if self.error:
            raise self.error
        points = self._measured(since, self.step, self.clock())
        return [LogLine(point.at, self.line_of(point.value)) for point in points]

    def _measured(self, at: datetime, step: timedelta, until: datetime) -> list[Datapoint]:
        points = []
        while at <= until:
            value = self.value_at(at)
            points += [Datapoint(at, value)] if value is not None else []
            at += step
        return points


class ListedNotices:
    """Noticeboard that keeps what was put up; while it is down, nobody is told."""

    def __init__(self) -> None:
        self.posted: list[Notice] = []
        self.withheld: list[tuple[Notice, str]] = []
        self.is_down = False

    def post(self, notice: Notice) -> None:
        if self.is_down:
            raise NoticeError("the board is down")
        self.posted.append(notice)

    def withhold(self, notice: Notice, why: str) -> None:
        self.withheld.append((notice, why))


class RecordingStarter:
    """ResponseStarter that remembers what it was asked."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.woken: list[str] = []

    def start(self, incident_id: str) -> None:
        self.started.append(incident_id)

    def wake(self, token: str) -> None:
        self.woken.append(token)


class WatchedIncidentLog(SqliteIncidentLog):
    """IncidentLog in memory that remembers which of its methods were called."""

    def __init__(self) -> None:
        super().__init__(Database(None))
        self.calls: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("_") and name != "calls":
            self.calls.append(name)
        return super().__getattribute__(name)


class ListedDeadLetters:
    """DeadLetters in a list; it fails with the errors laid out for it first."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.kept: list[tuple[object, str]] = []

    def keep(self, event: object, why: str, at: datetime) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.kept.append((event, why))
