"""The whole way from an event to what leaves for a machine, at which a test can look."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from autorecovery.adapters.aws.commands import SsmCommandRunner
from autorecovery.adapters.simulated.clock import VirtualClock
from autorecovery.adapters.simulated.workflow import Execution, live
from autorecovery.adapters.sqlite.attempt_log import SqliteAttemptLog
from autorecovery.adapters.sqlite.controls import SqliteControls
from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.dead_letters import SqliteDeadLetters
from autorecovery.adapters.sqlite.incident_log import SqliteIncidentLog
from autorecovery.config import Configuration, loads
from autorecovery.models.signal import Target
from autorecovery.ports import CommandRunner, Presence
from autorecovery.response.run import respond
from autorecovery.response.stage import Response
from autorecovery.scripts import shipped_scripts
from autorecovery.settings import DocumentVersion
from autorecovery.triage.run import Triage, triage
from tests.fakes import ListedNotices, MeasuredWorld, RecordingStarter

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = shipped_scripts(ROOT / "recovery_scripts")
DOCUMENTS = {
    name: DocumentVersion(name=f"shop-{name}", sha256=s.sha256) for name, s in SCRIPTS.items()
}
CONTENT = {f"shop-{name}": json.dumps(script.document()) for name, script in SCRIPTS.items()}
NOW = datetime(2026, 1, 15, 3, 5, tzinfo=UTC)
FLEET = frozenset({"i-0a1b2c3d4e5f67890", "i-0123456789abcdef0"})
"""The instances that exist, and have opted in."""

RESTART = {"run": "restart_service", "with": {"service": "nginx"}}


@cache
def reckless() -> Configuration:
    """Return the shipped rules, each of which now acts by itself, at once, whatever the age."""
    content = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
    for rule in content["rules"].values():
        rule.setdefault("recover", [RESTART])
        warns = "warning" in (rule["when"].get("level"), *rule["when"])
        rule |= {"autonomy": "auto", "recover_at": "warning" if warns else "critical"}
    content["limits"]["max_event_age"] = "365d"
    return loads(json.dumps(content), "test", {}).configuration


class Fleet:
    """TargetDirectory of exactly the instances of the samples."""

    def look_up(self, target: Target) -> Presence:
        known = target.name in FLEET
        return Presence(exists=known, opted_in=known)


class Everybody:
    """TargetDirectory to which every target is this very machine."""

    def look_up(self, target: Target) -> Presence:
        return Presence(exists=True, opted_in=True)


class SsmOfTheFleet:
    """Systems Manager as far as sending goes: it serves the documents, and keeps each request."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []

    def get_document(self, *, Name: str, **_: str) -> dict[str, str]:
        return {"Content": CONTENT[Name], "DocumentVersion": "1"}

    def describe_document(self, *, Name: str, **_: str) -> dict[str, Any]:
        described = {"Name": Name, "DocumentVersion": "1", "Hash": "hash", "HashType": "Sha256"}
        return {"Document": described}

    def send_command(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        return {"Command": {"CommandId": f"command-{len(self.requests)}"}}

    def get_command_invocation(self, **_: str) -> dict[str, str]:
        return {"Status": "InProgress", "StatusDetails": "InProgress"}


MakeRunner = Callable[[SsmOfTheFleet, SqliteIncidentLog], CommandRunner]


def honest(ssm: Any, incidents: SqliteIncidentLog) -> CommandRunner:
    """Return the runner that is shipped."""
    return SsmCommandRunner(ssm, ssm, SCRIPTS, DOCUMENTS)


def sent_to_the_fleet(event: object, make: MakeRunner = honest) -> list[dict[str, Any]]:
    """Return every request to send a command that this event leads to."""
    ssm, incidents = SsmOfTheFleet(), SqliteIncidentLog(Database(None))
    live_through(event, make(ssm, incidents), incidents, Fleet())
    return ssm.requests


def live_through(
    event: object, runner: CommandRunner, incidents: SqliteIncidentLog, targets: Fleet | Everybody
) -> None:
    """Let an event pass triage, and live what it opens until its scripts are sent."""
    clock, database = VirtualClock(NOW), incidents._database
    started: list[str] = []
    response = Response(
        configuration=reckless(),
        incidents=incidents,
        attempts=SqliteAttemptLog(database),
        commands=runner,
        targets=targets,
        metrics=MeasuredWorld(clock, lambda at: None),
        controls=SqliteControls(database),
        budget=SqliteControls(database),
        noticeboard=ListedNotices(),
        responses=RecordingStarter(),
        clock=clock,
    )
    app = Triage(
        configuration=reckless(),
        incidents=incidents,
        responses=_Collecting(started),
        targets=targets,
        dead_letters=SqliteDeadLetters(database),
        clock=clock,
    )
    outcome = triage(event, app)
    assert outcome.failures == []
    for incident_id in started:
        live(
            lambda flow, i=incident_id: respond(i, flow, response),  # type: ignore[misc]
            Execution(), clock, incident_id, until=clock(),
        )  # fmt: skip


class _Collecting:
    """ResponseStarter that notes what is to be lived."""

    def __init__(self, started: list[str]) -> None:
        self._started = started

    def start(self, incident_id: str) -> None:
        self._started.append(incident_id)

    def wake(self, token: str) -> None:
        """Nobody waits yet."""


def traces(request: Mapping[str, Any], mark: str) -> Iterator[str]:
    """Yield what is wrong with a request to send: a mark anywhere, or an instance not ours."""
    if mark in json.dumps(request):
        yield f"the mark reached {request}"
    if not set(request["InstanceIds"]) <= FLEET:
        yield f"{request['InstanceIds']} is not of the fleet"
