"""One incident in a world of fakes: a target that is sick until the right script has ended."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from autorecovery.adapters.simulated.clock import VirtualClock
from autorecovery.adapters.simulated.workflow import (
    Crash,
    Execution,
    SimulatedWorkflow,
    live,
    never,
)
from autorecovery.adapters.sqlite.attempt_log import SqliteAttemptLog
from autorecovery.adapters.sqlite.controls import SqliteControls
from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.incident_log import SqliteIncidentLog
from autorecovery.config import Configuration
from autorecovery.models.incident import Ending, Entry, EntryKind, Incident, incident_id
from autorecovery.models.notice import NoticeKind
from autorecovery.models.reason import Autonomy, Level
from autorecovery.models.rule import Rule
from autorecovery.models.signal import LogOrigin, MetricOrigin, Origin, Signal, SignalKind, Target
from autorecovery.ports import Presence
from autorecovery.response.run import respond
from autorecovery.response.stage import Response
from tests.fakes import (
    FixedDirectory,
    ListedNotices,
    MeasuredWorld,
    RecordingStarter,
    ScriptedRunner,
)

START = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
INSTANCE = Target.named("i-0123456789abcdef0")
STREAM = LogOrigin("/shop/metrics", INSTANCE.name)
METRIC = MetricOrigin("AWS/EC2", "CPUUtilization", (("InstanceId", INSTANCE.name),))
OPTED_IN = Presence(exists=True, opted_in=True)
SICK, WELL = 97.0, 20.0
MONTH = timedelta(days=30)

CPU = {"metric": "CPUUtilization", "warning": 80, "critical": 95}
RESTART = {
    "run": "restart_service",
    "with": {"service": "nginx"},
    "verify": {"within": "5m", "healthy_for": "1m"},
}
RELIEVE = {"run": "relieve_memory", "verify": {"within": "5m", "healthy_for": "1m"}}


def rule(
    *rungs: dict[str, Any],
    when: dict[str, Any] | None = None,
    autonomy: Autonomy = Autonomy.AUTO,
    **more: Any,
) -> Rule:
    """Return a rule on the CPU, unless told otherwise, that may act by itself."""
    content = {"name": "cpu", "when": when or CPU, "recover": rungs, "autonomy": autonomy, **more}
    return Rule.model_validate(content)


def signal(
    origin: Origin = STREAM, target: Target = INSTANCE, at: datetime = START, **more: Any
) -> Signal:
    """Return a reading of the CPU that breaches."""
    values: dict[str, Any] = {"id": "event-1", "kind": SignalKind.METRIC, "name": "CPUUtilization"}
    return Signal(**{**values, "target": target, "at": at, "origin": origin, "value": SICK, **more})


def incident(of: Rule | None, seen: Signal | None = None, **more: Any) -> Incident:
    """Return the incident that this signal opens half a second later."""
    seen = seen or signal()
    name = of.name if of else "unruled:alarm"
    values: dict[str, Any] = {
        "id": incident_id(name, seen.target.key, seen),
        "rule_name": name,
        "rule": of,
        "target": seen.target,
        "level": Level.CRITICAL,
        "signal": seen,
        "opened_at": seen.at + timedelta(seconds=0.5),
        "breached_at": seen.at,
    }
    return Incident(**{**values, **more})


def cpu_line(value: float) -> str:
    """Return the line in which the shop measures its CPU."""
    return json.dumps({"instance_id": INSTANCE.name, "metric": "CPUUtilization", "value": value})


class World:
    """Everything a response stands on, and the one incident it lives."""

    def __init__(
        self,
        opened: Incident,
        *,
        cures: Sequence[str] = ("restart_service",),
        configuration: Configuration | None = None,
    ) -> None:
        self.opened = opened
        self.clock = VirtualClock(opened.opened_at)
        self.database = Database(None)
        self.incidents = SqliteIncidentLog(self.database)
        self.attempts = SqliteAttemptLog(self.database)
        self.controls = SqliteControls(self.database)
        self.runner = ScriptedRunner(self.clock)
        self.directory = FixedDirectory(OPTED_IN)
        self.cures = cures
        self.reader = MeasuredWorld(self.clock, self.value_at)
        self.reader.line_of = cpu_line
        self.board = ListedNotices()
        self.starter = RecordingStarter()
        self.execution = Execution()
        self.configuration = configuration or Configuration.model_validate({})
        self.incidents.open(opened)

    @property
    def response(self) -> Response:
        return Response(
            configuration=self.configuration,
            incidents=self.incidents,
            attempts=self.attempts,
            commands=self.runner,
            targets=self.directory,
            metrics=self.reader,
            controls=self.controls,
            budget=self.controls,
            noticeboard=self.board,
            responses=self.starter,
            clock=self.clock,
        )

    def value_at(self, moment: datetime) -> float | None:
        cured = self.runner.cured_at(self.cures)
        return WELL if cured and moment >= cured else SICK

    def respond(self, *, lasting: timedelta = MONTH, crash: Crash = never) -> Ending | None:
        """Live the response to its end; return None where that takes longer."""
        until = self.clock() + lasting
        return live(self.flow, self.execution, self.clock, self.opened.id, until=until, crash=crash)

    def flow(self, workflow: SimulatedWorkflow) -> Ending:
        return respond(self.opened.id, workflow, self.response)

    def forget(self) -> None:
        """Lose the journal, as the one-machine mode does when its process ends; the store stays."""
        self.execution = Execution()

    def wake(self) -> bool:
        """Wake the response as triage does; return whether it waited."""
        token = self.incidents.wake_token(self.opened.id)
        return token is not None and self.execution.wake(token)

    def hear(self, state: str, name: str = "cpu high") -> None:
        """Let an alarm say something now, as triage notes it, and wake the response."""
        facts = {"state": state, "name": name}
        entry = Entry(f"{name} {self.clock()}", self.clock(), EntryKind.SIGNALLED, state, facts)
        self.incidents.record(self.opened.id, entry)
        self.wake()

    def later(self, after: timedelta, happening: Callable[[], object]) -> None:
        """Let something happen so long after the opening."""
        self.clock.at(self.opened.opened_at + after, happening)

    @property
    def present(self) -> Incident:
        found = self.incidents.get(self.opened.id)
        assert found is not None
        return found

    @property
    def story(self) -> list[Entry]:
        return list(self.incidents.timeline(self.opened.id))

    @property
    def told(self) -> list[NoticeKind]:
        return [notice.kind for notice in self.board.posted]


def measured_by_alarm(of: Rule) -> Incident:
    """Return an incident whose origin is a CloudWatch metric of one minute."""
    return incident(of, signal(METRIC, kind=SignalKind.ALARM, name="cpu high", state="ALARM"))


def at_warning(of: Rule) -> Incident:
    """Return an incident that only warns yet."""
    return replace(incident(of), level=Level.WARNING)


class CrashOnce:
    """Die at one place, the first time it is reached."""

    def __init__(self, place: str) -> None:
        self.place: str | None = place

    def __call__(self, place: str) -> bool:
        dies = place == self.place
        self.place = None if dies else self.place
        return dies
