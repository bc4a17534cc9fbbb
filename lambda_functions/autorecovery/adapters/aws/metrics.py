"""Fresh measurements from CloudWatch metrics and log streams."""

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from autorecovery.adapters.aws.errors import reading
from autorecovery.errors import ReadError
from autorecovery.models.signal import LogOrigin, MetricOrigin
from autorecovery.ports import Clock, Datapoint, LogLine

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_logs import CloudWatchLogsClient

MAX_LINES = 10_000
"""Lines of one stream kept for one look: the newest."""

MAX_PAGES = 20
"""Pages read for them, of a megabyte each. The API starts with the oldest line and knows no other
order: where the newest are out of reach, nothing is known, rather than what was true once."""


class CloudWatchReader:
    """MetricReader over CloudWatch and CloudWatch Logs."""

    def __init__(
        self, metrics: "CloudWatchClient", logs: "CloudWatchLogsClient", clock: Clock
    ) -> None:
        self._metrics = metrics
        self._logs = logs
        self._clock = clock

    def datapoints(self, origin: MetricOrigin, since: datetime) -> Sequence[Datapoint]:
        """See MetricReader.datapoints.

        Periods are aligned to the clock: one that began before `since` also measured what came
        before, and is left out. So is the last one while it is not over.
        """
        period, now = origin.period_seconds, self._clock()
        if since >= now:
            return []
        start = datetime.fromtimestamp(since.timestamp() // period * period, UTC)
        query = _query(origin)
        with reading("GetMetricData"):
            pages = self._metrics.get_paginator("get_metric_data").paginate(
                MetricDataQueries=[query], StartTime=start, EndTime=now, ScanBy="TimestampAscending"
            )
            results = [result for page in pages for result in page["MetricDataResults"]]
        points = [
            Datapoint(at, value)
            for result in results
            for at, value in zip(result["Timestamps"], result["Values"], strict=True)
            if at >= since and at.timestamp() + period <= now.timestamp()
        ]
        return sorted(points, key=lambda point: point.at)

    def lines(self, origin: LogOrigin, since: datetime) -> Sequence[LogLine]:
        """See MetricReader.lines."""
        with reading("FilterLogEvents"):
            pages = self._logs.get_paginator("filter_log_events").paginate(
                logGroupName=origin.group,
                logStreamNames=[origin.stream],
                startTime=int(since.timestamp() * 1000),
            )
            return _newest(pages)


def _newest(pages: Iterable[Any]) -> Sequence[LogLine]:
    newest: deque[Any] = deque(maxlen=MAX_LINES)
    for number, page in enumerate(pages, start=1):
        newest.extend(page["events"])
        if number == MAX_PAGES and "nextToken" in page:
            raise ReadError("FilterLogEvents: the stream holds more lines than can be read")
    return [
        LogLine(datetime.fromtimestamp(event["timestamp"] / 1000, UTC), event["message"])
        for event in newest
    ]


_AGGREGATES = {
    "Average": "AVG", "Sum": "SUM", "Minimum": "MIN", "Maximum": "MAX", "SampleCount": "COUNT",
}  # fmt: skip


def _query(origin: MetricOrigin) -> Any:
    """Return the query of one series, or of many read as one, as their alarm reads them."""
    words = (
        origin.namespace,
        origin.metric,
        *(word for pair in origin.dimensions for word in pair),
    )
    quotable = not any(mark in word for word in words for mark in "\"'\\")
    if origin.many and quotable and origin.statistic in _AGGREGATES:
        chosen = " AND ".join(f"\"{name}\" = '{value}'" for name, value in origin.dimensions)
        select = (
            f'SELECT {_AGGREGATES[origin.statistic]}("{origin.metric}") FROM "{origin.namespace}"'
        )
        where = f" WHERE {chosen}" if chosen else ""
        return {"Id": "m1", "Expression": f"{select}{where}", "Period": origin.period_seconds}
    return {
        "Id": "m1",
        "MetricStat": {
            "Metric": {
                "Namespace": origin.namespace,
                "MetricName": origin.metric,
                "Dimensions": [{"Name": k, "Value": v} for k, v in origin.dimensions],
            },
            "Period": origin.period_seconds,
            "Stat": origin.statistic,
        },
    }
