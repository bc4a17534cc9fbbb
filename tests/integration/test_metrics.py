"""Fresh measurements from CloudWatch: only whole periods, only after the moment asked for."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws

from autorecovery.adapters.aws import metrics
from autorecovery.adapters.aws.metrics import CloudWatchReader
from autorecovery.adapters.simulated.clock import VirtualClock
from autorecovery.errors import ReadError
from autorecovery.models.signal import LogOrigin, MetricOrigin
from autorecovery.ports import Datapoint, LogLine
from tests.integration import aws
from tests.response_world import METRIC, STREAM

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def reader(client: Any, now: datetime = NOON + 10 * MINUTE) -> CloudWatchReader:
    return CloudWatchReader(client, client, VirtualClock(now))


def results(*points: tuple[timedelta, float]) -> dict[str, Any]:
    found = {
        "Id": "m1",
        "Timestamps": [NOON + at for at, _ in points],
        "Values": [v for _, v in points],
    }
    return {"MetricDataResults": [found]}


def query(period: int = 60) -> dict[str, Any]:
    return {
        "MetricDataQueries": [
            {
                "Id": "m1",
                "MetricStat": {
                    "Metric": {
                        "Namespace": METRIC.namespace,
                        "MetricName": METRIC.metric,
                        "Dimensions": [{"Name": k, "Value": v} for k, v in METRIC.dimensions],
                    },
                    "Period": period,
                    "Stat": "Average",
                },
            }
        ],
        "StartTime": NOON + 2 * MINUTE,
        "EndTime": NOON + 10 * MINUTE,
        "ScanBy": "TimestampAscending",
    }


DISKS = MetricOrigin("CWAgent", "disk_used_percent", METRIC.dimensions, "Maximum", 60, many=True)


def asked_for(origin: MetricOrigin) -> dict[str, Any]:
    """Return the one query by which this origin is read."""
    seen: list[dict[str, Any]] = []
    with aws.answering("cloudwatch") as (client, stubber):
        stubber.add_response("get_metric_data", results())
        client.meta.events.register(
            "provide-client-params.cloudwatch", lambda params, **_: seen.append(params)
        )
        reader(client).datapoints(origin, NOON)
    found: dict[str, Any] = seen[0]["MetricDataQueries"][0]
    return found


def test_series_that_share_an_instance_are_read_as_one_as_their_alarm_does() -> None:
    instance = METRIC.dimensions[0][1]
    assert asked_for(DISKS)["Expression"] == (
        f'SELECT MAX("disk_used_percent") FROM "CWAgent" WHERE "InstanceId" = \'{instance}\''
    )


@pytest.mark.parametrize("word", ["a'b", 'a"b', "a\\b"])
def test_no_word_of_an_event_becomes_part_of_a_query(word: str) -> None:
    hostile = replace(DISKS, dimensions=(("InstanceId", word),))
    assert "Expression" not in asked_for(hostile)


def test_the_metric_is_asked_for_as_the_alarm_reads_it() -> None:
    with aws.answering("cloudwatch") as (client, stubber):
        stubber.add_response("get_metric_data", results(), query())
        assert reader(client).datapoints(METRIC, NOON + 150 * SECOND) == []


def test_a_period_that_began_before_or_is_not_over_is_left_out() -> None:
    points = [(n * MINUTE, float(n)) for n in range(11)]
    with aws.answering("cloudwatch") as (client, stubber):
        stubber.add_response("get_metric_data", results(*points))
        found = reader(client).datapoints(METRIC, NOON + 7 * MINUTE + SECOND)
    assert found == [Datapoint(NOON + 8 * MINUTE, 8.0), Datapoint(NOON + 9 * MINUTE, 9.0)]


def test_pages_come_together_oldest_first() -> None:
    with aws.answering("cloudwatch") as (client, stubber):
        stubber.add_response("get_metric_data", {**results((3 * MINUTE, 3.0)), "NextToken": "more"})
        stubber.add_response("get_metric_data", results((2 * MINUTE, 2.0)))
        found = reader(client).datapoints(METRIC, NOON)
    assert [point.value for point in found] == [2.0, 3.0]


def test_the_future_is_not_asked_about() -> None:
    with aws.answering("cloudwatch") as (client, _):
        assert reader(client).datapoints(METRIC, NOON + 11 * MINUTE) == []


def test_what_was_put_is_read_back_by_name_and_dimension() -> None:
    with mock_aws():
        client = aws.client("cloudwatch")
        now = datetime.now(UTC).replace(second=0, microsecond=0)
        for minutes, value in ((3, 97.0), (2, 20.0)):
            client.put_metric_data(
                Namespace=METRIC.namespace,
                MetricData=[
                    {
                        "MetricName": METRIC.metric,
                        "Dimensions": [{"Name": k, "Value": v} for k, v in METRIC.dimensions],
                        "Timestamp": now - minutes * MINUTE,
                        "Value": value,
                    }
                ],
            )
        found = reader(client, now).datapoints(METRIC, now - 5 * MINUTE)
        elsewhere = MetricOrigin("AWS/EC2", "NetworkIn", METRIC.dimensions)
        assert [point.value for point in found] == [97.0, 20.0]
        assert reader(client, now).datapoints(elsewhere, now - 5 * MINUTE) == []


# Lines


def event(seconds: int, message: str) -> dict[str, Any]:
    return {"timestamp": int((NOON + seconds * SECOND).timestamp() * 1000), "message": message}


def test_the_lines_of_one_stream_are_read_since_a_moment() -> None:
    with mock_aws():
        client = aws.client("logs")
        client.create_log_group(logGroupName=STREAM.group)
        for stream in (STREAM.stream, "other"):
            client.create_log_stream(logGroupName=STREAM.group, logStreamName=stream)
            now = datetime.now(UTC).replace(microsecond=0)
            stamps = [int((now - s * SECOND).timestamp() * 1000) for s in (90, 60, 30)]
            client.put_log_events(
                logGroupName=STREAM.group, logStreamName=stream,
                logEvents=[{"timestamp": at, "message": f"{stream} {at}"} for at in stamps],
            )  # fmt: skip
        found = reader(client).lines(STREAM, now - MINUTE)
        assert [line.at for line in found] == [now - MINUTE, now - 30 * SECOND]
        assert all(line.message.startswith(STREAM.stream) for line in found)


def test_of_very_many_lines_the_newest_are_kept() -> None:
    with aws.answering("logs") as (client, stubber):
        first = [event(n, f"old {n}") for n in range(metrics.MAX_LINES)]
        stubber.add_response("filter_log_events", {"events": first, "nextToken": "more"})
        stubber.add_response("filter_log_events", {"events": [event(99_999, "new")]})
        found = reader(client).lines(STREAM, NOON)
    assert len(found) == metrics.MAX_LINES
    assert found[-1] == LogLine(NOON + 99_999 * SECOND, "new")
    assert found[0].message == "old 1"


def test_where_the_newest_lines_are_out_of_reach_nothing_is_known() -> None:
    with aws.answering("logs") as (client, stubber):
        for page in range(metrics.MAX_PAGES):
            answer = {"events": [event(page, "x")], "nextToken": f"page {page}"}
            stubber.add_response("filter_log_events", answer)
        with pytest.raises(ReadError, match="more lines than can be read"):
            reader(client).lines(STREAM, NOON)


def test_the_last_page_may_be_the_last_that_is_read() -> None:
    with aws.answering("logs") as (client, stubber):
        for page in range(metrics.MAX_PAGES - 1):
            stubber.add_response("filter_log_events", {"events": [], "nextToken": f"page {page}"})
        stubber.add_response("filter_log_events", {"events": [event(1, "x")]})
        assert len(reader(client).lines(STREAM, NOON)) == 1


@pytest.mark.parametrize(
    ("service", "operation", "act"),
    [
        ("cloudwatch", "get_metric_data", lambda r: r.datapoints(METRIC, NOON)),
        ("logs", "filter_log_events", lambda r: r.lines(LogOrigin("/group", "stream"), NOON)),
    ],
)
def test_what_cannot_be_read_is_told_in_our_words(service: str, operation: str, act: Any) -> None:
    with aws.answering(service) as (client, stubber):
        stubber.add_client_error(operation, "ThrottlingException")
        with pytest.raises(ReadError, match="ThrottlingException"):
            act(reader(client))
    broken = aws.client(service)

    def fail(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://aws")

    broken.meta.events.register(f"before-call.{service}", fail)
    broken.meta.events.register("before-call", fail)
    with pytest.raises(ReadError, match="https://aws"):
        act(reader(broken))
