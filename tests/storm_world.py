"""A storm: an availability zone dies under a fleet that goes on measuring; and a place to live it.

A third of the machines are in the zone. One in ten of them stalls first (three lines of full CPU),
one in ten is stopped by EC2, and the alarm on status checks rings for every one. All others report
health, as collectors of a hundred machines and as agents with a stream of their own.
"""

import base64
import gzip
import heapq
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import count
from typing import Any

from autorecovery.adapters.simulated.clock import VirtualClock
from autorecovery.adapters.simulated.workflow import Execution, SimulatedWorkflow, SuspendedError
from autorecovery.adapters.sqlite.attempt_log import SqliteAttemptLog
from autorecovery.adapters.sqlite.controls import SqliteControls
from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.incident_log import SqliteIncidentLog
from autorecovery.config import loads
from autorecovery.models.fleet import FleetAllowance, Lease
from autorecovery.models.incident import Incident
from autorecovery.models.notice import NoticeKind
from autorecovery.models.reason import Reason
from autorecovery.models.signal import LogOrigin, MetricOrigin
from autorecovery.notices.restraint import BOOK
from autorecovery.ports import (
    AttemptLog,
    Controls,
    Datapoint,
    FleetBudget,
    IncidentLog,
    LogLine,
    Presence,
    ResponseStarter,
)
from autorecovery.response.company import company_in
from autorecovery.response.run import run
from autorecovery.response.stage import Response
from autorecovery.triage.outcome import Outcome
from autorecovery.triage.run import Triage, triage
from tests.fakes import FixedDirectory, ListedDeadLetters, ListedNotices, ScriptedRunner

START = datetime(2026, 1, 15, 3, 5, tzinfo=UTC)
ZONES = 3
TICKS = 10
TICK = timedelta(seconds=6)
"""A collector delivers so often; ten times make the minute."""

ZONE_DIES = 2
"""The tick with which its collectors fall silent."""

PER_COLLECTOR = 100
LINES_OF_AN_AGENT = 10
ONE_IN = 10
"""One machine in so many stalls before it dies, is stopped by EC2, or has an agent of its own."""

STALLS = 3
"""Breaching lines of a machine that stalls: as many as the rule asks for."""

METRICS = ("CPUUtilization", "mem_used_percent", "disk_used_percent")
ACCOUNT, REGION = "111122223333", "eu-west-1"

RULES = """
rules:
  cpu-overload:
    when: { metric: CPUUtilization, warning: 80, critical: 95, sustained: 3 within 5m }
    autonomy: auto
    recover: [{ run: restart_service, with: { service: nginx } }]
  memory-pressure:
    when: { metric: mem_used_percent, warning: 85, critical: 95 }
    autonomy: auto
    recover: [{ run: relieve_memory }]
  disk-full:
    when: { metric: disk_used_percent, warning: 85, critical: 95 }
    autonomy: auto
    recover: [{ run: free_disk_space }]
  status-check-failed:
    when: { metric: StatusCheckFailed, statistic: Maximum, critical: 1 }
    autonomy: auto
    recover: [{ run: restart_service, with: { service: nginx } }]
  instance-stopped:
    when: { state: stopped }
"""

Delivery = tuple[datetime, dict[str, Any]]
"""When it arrives, and the event."""


@dataclass(frozen=True)
class Storm:
    """How large a fleet, and how much of what it says in that minute is health."""

    instances: int = 10_000
    healthy: int = 95_000

    @cached_property
    def names(self) -> list[str]:
        """Return the instance ids of the fleet."""
        return [f"i-{number:017x}" for number in range(self.instances)]

    @cached_property
    def dead(self) -> list[str]:
        """Return the instances of the zone that dies."""
        return self.names[::ZONES]

    @cached_property
    def stalled(self) -> list[str]:
        """Return those of the dead that were seen to stall before."""
        return self.dead[::ONE_IN]

    @cached_property
    def stopped(self) -> list[str]:
        """Return those of the dead that EC2 says it stopped."""
        return self.dead[1::ONE_IN]

    @property
    def breaches(self) -> int:
        """Return how many incidents the storm must open: rules broken on targets."""
        return len(self.dead) + len(self.stalled) + len(self.stopped)

    @property
    def signals(self) -> int:
        """Return how many observations the deliveries hold."""
        alone = len(self.dead) + len(self.stopped)
        return self.healthy + STALLS * len(self.stalled) + alone

    def deliveries(self) -> list[Delivery]:
        """Return what arrives in that minute, in the order in which it does."""
        found = [*self._measurements(), *self._stalls(), *self._stops(), *self._alarms()]
        return sorted(found, key=lambda delivery: delivery[0])

    def _measurements(self) -> Iterator[Delivery]:
        streams = list(self._streams())
        each, rest = divmod(self.healthy, len(streams))
        for number, (tick, stream, hosts) in enumerate(streams):
            lines = [
                (hosts[n % len(hosts)], METRICS[n % len(METRICS)], 20.0 + n % 50)
                for n in range(each + (number < rest))
            ]
            yield log_delivery(tick, stream, lines)

    def _streams(self) -> Iterator[tuple[int, str, list[str]]]:
        """Yield every delivery of health: when, of which stream, and of whom."""
        for zone in range(ZONES):
            machines = self.names[zone::ZONES]
            alive = range(ZONE_DIES if zone == 0 else TICKS)
            for first in range(0, len(machines), PER_COLLECTOR):
                for tick in alive:
                    stream = f"collector/{zone}-{first}"
                    yield tick, stream, machines[first : first + PER_COLLECTOR]
            if zone:
                for number, name in enumerate(machines[::ONE_IN]):
                    yield number % TICKS, f"agent/{name}", [name]

    def _stalls(self) -> Iterator[Delivery]:
        for tick in range(ZONE_DIES, ZONE_DIES + STALLS):
            for first in range(0, len(self.stalled), ONE_IN):
                sick = self.stalled[first : first + ONE_IN]
                lines = [(name, METRICS[0], 99.5) for name in sick]
                yield log_delivery(tick, f"stalled/{first}", lines)

    def _stops(self) -> Iterator[Delivery]:
        for number, name in enumerate(self.stopped):
            at = _spread(number, len(self.stopped))
            event = {
                "id": f"stop-{name}", "source": "aws.ec2", "account": ACCOUNT, "region": REGION,
                "detail-type": "EC2 Instance State-change Notification", "time": at.isoformat(),
                "detail": {"instance-id": name, "state": "stopped"},
            }  # fmt: skip
            yield at, event

    def _alarms(self) -> Iterator[Delivery]:
        for number, name in enumerate(self.dead):
            at = _spread(number, len(self.dead))
            yield at, _status_alarm(name, at)


def log_delivery(tick: int, stream: str, lines: Iterable[tuple[str, str, float]]) -> Delivery:
    """Return one subscription payload, with what it holds measured just before it arrives."""
    at = START + tick * TICK
    stamp = int(at.timestamp() * 1000)
    events = [
        {
            "id": f"{stream}-{tick}-{number}", "timestamp": stamp,
            "message": f'{{"instance_id": "{name}", "metric": "{metric}", "value": {value}}}',
        }
        for number, (name, metric, value) in enumerate(lines)
    ]  # fmt: skip
    batch = {
        "messageType": "DATA_MESSAGE", "owner": ACCOUNT, "logGroup": "/shop/metrics",
        "logStream": stream, "subscriptionFilters": ["shop"], "logEvents": events,
    }  # fmt: skip
    data = base64.b64encode(gzip.compress(json.dumps(batch).encode(), 1)).decode()
    return at, {"awslogs": {"data": data}}


def _spread(number: int, among: int) -> datetime:
    """Return when the so-many-eth of them is heard of: over the half minute after the death."""
    return START + ZONE_DIES * TICK + timedelta(seconds=30 * number / among)


def _status_alarm(name: str, at: datetime) -> dict[str, Any]:
    """Return one series of the grouped alarm, as CloudWatch hands it to the function."""
    query = 'SELECT MAX(StatusCheckFailed) FROM SCHEMA("AWS/EC2", InstanceId) GROUP BY InstanceId'
    return {
        "source": "aws.cloudwatch", "accountId": ACCOUNT, "region": REGION,
        "alarmArn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:status",
        "time": at.isoformat(),
        "alarmData": {
            "alarmName": "status",
            "alarmContributor": {"id": name, "attributes": {"InstanceId": name}},
            "state": {"value": "ALARM", "reason": "1 >= 1", "timestamp": at.isoformat()},
            "configuration": {
                "description": "autorecovery:rule=status-check-failed level=critical",
                "metrics": [{"id": "q", "expression": query, "returnData": True, "period": 60}],
            },
        },
    }  # fmt: skip


class Agenda:
    """ResponseStarter that lives many responses by turns on one virtual clock."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.executions: dict[str, Execution] = {}
        self.ended: set[str] = set()
        self.app: Response | None = None
        self._due: list[tuple[datetime, int, str]] = []
        self._order = count()

    def start(self, incident_id: str) -> None:
        if incident_id not in self.executions:
            self.executions[incident_id] = Execution()
            self._later(self.clock(), incident_id)

    def wake(self, token: str) -> None:
        incident_id = token.rpartition("/")[0]
        if self.executions[incident_id].wake(token):
            self._later(self.clock(), incident_id)

    def run_until(self, moment: datetime) -> None:
        """Let time pass until then, and every response do what is due."""
        while self._due and self._due[0][0] <= moment:
            due, _, incident_id = heapq.heappop(self._due)
            self.clock.advance(max(due, self.clock()))
            if incident_id not in self.ended:
                self._live(incident_id)
        self.clock.advance(moment)

    def _live(self, incident_id: str) -> None:
        app = self.app
        assert app is not None, "responses need something to work with"
        execution = self.executions[incident_id]
        try:
            run(incident_id, SimulatedWorkflow(execution, self.clock, incident_id), app)
        except SuspendedError:
            until = execution.journal[-1].until
            assert until is not None, "only waits suspend"
            self._later(until, incident_id)
        else:
            self.ended.add(incident_id)

    def _later(self, moment: datetime, incident_id: str) -> None:
        heapq.heappush(self._due, (moment, next(self._order), incident_id))


class DeadZone:
    """MetricReader: who is dead fails its status check and writes no line any more."""

    def __init__(self, clock: VirtualClock, dead: Iterable[str]) -> None:
        self.clock, self.dead = clock, frozenset(dead)

    def datapoints(self, origin: MetricOrigin, since: datetime) -> list[Datapoint]:
        name = dict(origin.dimensions).get("InstanceId", "")
        return [
            Datapoint(max(since, self.clock() - timedelta(minutes=1)), float(name in self.dead))
        ]

    def lines(self, origin: LogOrigin, since: datetime) -> list[LogLine]:
        return []


class WatchedBudget(SqliteControls):
    """Controls and FleetBudget that remember how many leases were out at once, at most."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.out: set[str] = set()
        self.most = 0

    def reserve(
        self, group: str, lease: Lease, allowed: FleetAllowance, now: datetime
    ) -> Reason | None:
        refusal = super().reserve(group, lease, allowed, now)
        if refusal is None and group != BOOK:
            self.out.add(lease.token)
            self.most = max(self.most, len(self.out))
        return refusal

    def give_back(self, group: str, token: str) -> None:
        super().give_back(group, token)
        self.out.discard(token)


class CountedDatabase(Database):
    """A database in memory that counts its statements."""

    def __init__(self) -> None:
        super().__init__(None)
        self.reads = self.writes = 0
        self._connection.set_trace_callback(self._count)

    def _count(self, statement: str) -> None:
        word = statement.lstrip()[:6].upper()
        self.reads += word == "SELECT"
        self.writes += word in ("INSERT", "UPDATE", "DELETE")


@dataclass
class Stores:
    """What remembers; SQLite in memory, unless told otherwise."""

    incidents: IncidentLog
    attempts: AttemptLog
    controls: Controls
    budget: FleetBudget

    @classmethod
    def in_sqlite(cls, database: Database) -> "Stores":
        controls = WatchedBudget(database)
        return cls(SqliteIncidentLog(database), SqliteAttemptLog(database), controls, controls)


@dataclass
class Place:
    """Triage, and responses to all that it opens, where the storm passes."""

    storm: Storm
    stores: Stores
    limits: str = ""
    """More of the configuration: what holds a robot back."""
    responses: ResponseStarter | None = None
    """Whom triage starts; the agenda, unless told otherwise."""
    board: ListedNotices = field(default_factory=ListedNotices)

    def __post_init__(self) -> None:
        self.clock = VirtualClock(START)
        self.runner = ScriptedRunner(self.clock, timedelta(seconds=20))
        self.agenda = Agenda(self.clock)
        here = FixedDirectory(Presence(exists=True, opted_in=True, fleet=self.storm.instances))
        self.configuration = loads(RULES + self.limits, "config.yaml", {}).configuration
        self.letters = ListedDeadLetters()
        self.triage = Triage(
            configuration=self.configuration,
            incidents=self.stores.incidents,
            responses=self.responses or self.agenda,
            targets=here,
            dead_letters=self.letters,
            clock=self.clock,
        )
        self.agenda.app = Response(
            configuration=self.configuration,
            incidents=self.stores.incidents,
            attempts=self.stores.attempts,
            commands=self.runner,
            targets=here,
            metrics=DeadZone(self.clock, self.storm.dead),
            controls=self.stores.controls,
            budget=self.stores.budget,
            noticeboard=self.board,
            responses=self.agenda,
            clock=self.clock,
        )

    def receive(self, delivery: Delivery) -> Outcome:
        """Return what triage makes of one delivery, at its time."""
        at, event = delivery
        self.clock.advance(max(at, self.clock()))
        return triage(event, self.triage)

    @property
    def executions(self) -> dict[str, Execution]:
        """Return the responses that were started, by incident."""
        return self.agenda.executions

    def opened(self) -> list[Incident]:
        """Return every incident."""
        return list(self.stores.incidents.recent(1_000_000))

    def live(self, lasting: timedelta) -> None:
        """Let the storm pass, and so much time after it; responses go on meanwhile."""
        for delivery in self.storm.deliveries():
            self.agenda.run_until(delivery[0])
            self.receive(delivery)
        self.agenda.run_until(self.clock() + lasting)


def unannounced(incidents: Iterable[Incident], place: Place) -> list[str]:
    """Return the incidents of which nobody was told.

    Told is what a delivered notice names, and what was told in a group, by its own story, of which
    a notice was delivered that counts it: one that came no earlier than it joined.
    """
    named = {notice.incident_id for notice in place.board.posted}
    newest = {n.conversation: n.at for n in place.board.posted if n.kind is NoticeKind.STORM}
    return [
        each.id
        for each in incidents
        if each.id not in named and not _is_counted(each, place, newest)
    ]


def _is_counted(incident: Incident, place: Place, newest: dict[str, datetime]) -> bool:
    story = place.stores.incidents.timeline(incident.id)
    joined = next((entry.at for entry in story if "group" in entry.facts), None)
    company = company_in(story)
    if company is None or joined is None:
        return False
    told_in = [company.group.id, *_passed_on(company.group.id, place)]
    return any(newest.get(group, START) >= joined for group in told_in)


def _passed_on(group_id: str, place: Place) -> list[str]:
    """Return the conversations in which this group's own messages were told."""
    return [why.rpartition(" ")[2] for n, why in place.board.withheld if n.conversation == group_id]


def beyond_the_budget(place: Place) -> list[str]:
    """Return every way in which more was run than the fleet's limits allow; none is good."""
    limit, fleet = place.configuration.limits.fleet, place.storm.instances
    allowed, window = limit.at_once.allowed(fleet), limit.hosts.window
    sent = sorted(place.runner.sent.values())
    most_in_window = max((sum(at <= each < at + window for each in sent) for at in sent), default=0)
    most_out = place.stores.budget.most if isinstance(place.stores.budget, WatchedBudget) else 0
    found = []
    if most_in_window > limit.hosts.count:
        found.append(f"{most_in_window} commands within {window}, {limit.hosts.count} allowed")
    if most_out > allowed:
        found.append(f"{most_out} recoveries at once, {allowed} allowed")
    if len(place.runner.arrived) != len(set(place.runner.arrived)):
        found.append("an attempt was sent twice")
    return found
