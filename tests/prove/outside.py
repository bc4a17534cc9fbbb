"""The rest of the outside: the directory, the measurements, the board, and the events."""

import base64
import gzip
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from autorecovery.models.notice import Notice
from autorecovery.models.signal import LogOrigin, MetricOrigin, Target
from autorecovery.ports import Datapoint, LogLine, Presence
from tests.prove.engine import Engine
from tests.prove.machines import METRICS, WELL, Machines

ACCOUNT, REGION, GROUP = "111122223333", "eu-west-1", "/shop/metrics"
LINE_EVERY = timedelta(seconds=30)
LONGEST_READ = timedelta(hours=2)


class ModelledDirectory:
    """TargetDirectory over the machines as they are now."""

    def __init__(self, engine: Engine, machines: Machines, groups: dict[str, str]) -> None:
        self._engine, self._machines, self._groups = engine, machines, groups

    def look_up(self, target: Target) -> Presence:
        """See TargetDirectory.look_up."""
        now, name = self._engine.now, target.name
        if name not in self._groups:
            return Presence(exists=False, opted_in=False)
        group = self._groups[name]
        members = [host for host, of in self._groups.items() if of == group]
        opted = [host for host in members if self._machines.opted_in[host].at(now)]
        reachable = self._machines.reachable[name].at(now) and name not in self._machines.dead
        return Presence(
            True, name in opted, group, len(opted), bool(reachable), agent=(3, 3, 2746, 0)
        )


class ModelledMetrics:
    """MetricReader over what the machines measure."""

    def __init__(self, engine: Engine, machines: Machines) -> None:
        self._engine, self._machines = engine, machines

    def datapoints(self, origin: MetricOrigin, since: datetime) -> list[Datapoint]:
        """See MetricReader.datapoints."""
        host, period = dict(origin.dimensions)["InstanceId"], origin.period_seconds
        first = datetime.fromtimestamp(-(-since.timestamp() // period) * period, since.tzinfo)
        until = self._engine.now - timedelta(seconds=period)
        step = timedelta(seconds=period)
        return [
            # One bad second is enough for a bad minute; a good one begins well and stays so.
            Datapoint(point.at, max(point.value, self._worst(host, origin.metric, point.at, step)))
            for point in self._measured(host, origin.metric, first, step, until)
        ]

    def _worst(self, host: str, metric: str, at: datetime, period: timedelta) -> float:
        changes = self._machines.values[host, metric].times
        looks = [change for change in changes if at < change < at + period]
        return max(
            (self._machines.value_at(host, metric, look) or WELL for look in looks), default=WELL
        )

    def lines(self, origin: LogOrigin, since: datetime) -> list[LogLine]:
        """See MetricReader.lines."""
        return [
            LogLine(point.at, line_of(origin.stream, metric, point.value))
            for metric in METRICS
            for point in self._measured(
                origin.stream, metric, since, LINE_EVERY, self._engine.now
            )
        ]  # fmt: skip

    def _measured(
        self, host: str, metric: str, at: datetime, step: timedelta, until: datetime
    ) -> Iterator[Datapoint]:
        at = max(at, until - LONGEST_READ)
        while at <= until:
            value = self._machines.value_at(host, metric, at)
            if value is not None:
                yield Datapoint(at, value)
            at += step


class ModelledBoard:
    """Noticeboard that remembers what really reached people, and when."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.delivered: list[tuple[datetime, Notice]] = []

    def post(self, notice: Notice) -> None:
        """See Noticeboard.post."""
        self.delivered.append((self._engine.now, notice))
        self._engine.note(f"people read: {notice.headline}", "board")

    def withhold(self, notice: Notice, why: str) -> None:
        """See Noticeboard.withhold."""
        self._engine.note(f"people do not read: {notice.headline} ({why})", "board")


@cache
def line_of(host: str, metric: str, value: float) -> str:
    """Return the line in which a machine measures itself."""
    return json.dumps({"instance_id": host, "metric": metric, "value": value})


def alarm_event(rule: str, metric: str, host: str, state: str, at: datetime) -> Any:
    """Return an alarm of ours as EventBridge delivers it."""
    series = {
        "namespace": METRICS[metric], "name": metric, "dimensions": {"InstanceId": host},
    }  # fmt: skip
    name = f"shop-{rule}-{host}"
    return {
        "version": "0", "id": f"{name}-{at.timestamp():.0f}", "source": "aws.cloudwatch",
        "detail-type": "CloudWatch Alarm State Change", "account": ACCOUNT, "region": REGION,
        "time": at.isoformat(),
        "resources": [f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}"],
        "detail": {
            "alarmName": name,
            "state": {"value": state, "reason": "Threshold Crossed", "timestamp": at.isoformat()},
            "configuration": {
                "description": f"autorecovery:rule={rule} level=critical",
                "metrics": [{"id": "m", "returnData": True,
                             "metricStat": {"metric": series, "period": 60, "stat": "Average"}}],
            },
        },
    }  # fmt: skip


def lines_event(host: str, named: str, metric: str, value: float, at: datetime, count: int) -> Any:
    """Return log lines as a subscription delivers them; `named` is whom they say they are of."""
    moments = [int((at - LINE_EVERY * back).timestamp() * 1000) for back in range(count)]
    batch = {
        "messageType": "DATA_MESSAGE", "owner": ACCOUNT, "logGroup": GROUP, "logStream": host,
        "subscriptionFilters": ["shop"],
        "logEvents": [
            {"id": f"{moment}{host[-3:]}{metric[:3]}", "timestamp": moment,
             "message": line_of(named, metric, value)}
            for moment in moments
        ],
    }  # fmt: skip
    packed = gzip.compress(json.dumps(batch).encode(), mtime=0)
    return {"awslogs": {"data": base64.b64encode(packed).decode()}}
