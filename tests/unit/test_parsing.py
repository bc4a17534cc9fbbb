"""Alarms, events and what a person types: from any envelope to signals."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from autorecovery.models.reason import Level
from autorecovery.models.signal import (
    TYPED,
    EventOrigin,
    MetricOrigin,
    Signal,
    SignalKind,
    TargetKind,
)
from autorecovery.triage.parsing import Findings, Watch, parse
from autorecovery.triage.parsing.findings import LONGEST_IDENTITY, bounded, excerpt

PROJECT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 1, 15, 3, 5, tzinfo=UTC)
WEB_1, WEB_2 = "i-0a1b2c3d4e5f67890", "i-0123456789abcdef0"
ARN = "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:cpu"


def read(event: object) -> Findings:
    return parse(event, Watch.compile(()), NOW, tuple)


def only(event: object) -> Signal:
    """Return the one signal of an event."""
    findings = read(event)
    assert (findings.rejections, findings.ignored) == ([], 0)
    (signal,) = findings.signals
    return signal


def why_not(event: object) -> list[str]:
    """Return why nothing came of an event."""
    findings = read(event)
    assert findings.signals == []
    return [rejection.why for rejection in findings.rejections]


def sample(name: str) -> Any:
    return json.loads((PROJECT / "events" / f"{name}.json").read_text("utf-8"))


def sns_alarm(**more: Any) -> dict[str, Any]:
    """Return the message of an alarm on the CPU of web-1, as SNS has it."""
    return {
        "AlarmName": "cpu",
        "AlarmArn": ARN,
        "AWSAccountId": "111122223333",
        "NewStateValue": "ALARM",
        "NewStateReason": "Threshold crossed",
        "StateChangeTime": "2026-01-15T03:04:00.000+0000",
        "Trigger": {
            "MetricName": "CPUUtilization",
            "Namespace": "AWS/EC2",
            "Statistic": "AVERAGE",
            "Period": 60,
            "Threshold": 95.0,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "Dimensions": [{"name": "InstanceId", "value": WEB_1}],
        },
        **more,
    }


def trigger(**more: Any) -> dict[str, Any]:
    """Return the same alarm with another trigger."""
    return sns_alarm(Trigger={**sns_alarm()["Trigger"], **more})


def configured(configuration: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return an alarm as EventBridge has it."""
    state = {"value": "ALARM", "timestamp": "2026-01-15T03:04:00.000+0000"}
    detail = {"alarmName": "cpu", "state": state, "configuration": configuration, **more}
    return {"detail-type": "CloudWatch Alarm State Change", "resources": [ARN], "detail": detail}


# Alarms


@pytest.mark.parametrize(
    "name",
    [
        "alarm_sns_cpu_high",
        "alarm_sqs_cpu_high",
        "alarm_eventbridge_cpu_high",
        "alarm_lambda_cpu_high",
    ],
)
def test_an_alarm_says_the_same_in_every_envelope(name: str) -> None:
    signal = only(sample(name))
    assert signal.kind is SignalKind.ALARM
    assert (signal.target.kind, signal.target.name) == (TargetKind.INSTANCE, WEB_1)
    assert (signal.target.account, signal.target.region) == ("111122223333", "eu-west-1")
    assert (signal.state, signal.rule, signal.level) == ("ALARM", "cpu-overload", Level.CRITICAL)
    assert (signal.threshold, signal.falls_below) == (95, False)
    assert isinstance(signal.origin, MetricOrigin)
    assert (signal.origin.namespace, signal.origin.metric) == ("AWS/EC2", "CPUUtilization")
    assert signal.origin.dimensions == (("InstanceId", WEB_1),)


def test_the_same_change_of_state_has_the_same_identity_in_every_envelope() -> None:
    names = ("alarm_sns_cpu_high", "alarm_sqs_cpu_high", "alarm_sns_alarm_to_alarm")
    assert len({only(sample(name)).id for name in names}) == 1


@pytest.mark.parametrize(
    ("name", "metric", "statistic"),
    [
        ("alarm_sns_contributor", "CPUUtilization", "Average"),
        ("alarm_eventbridge_contributor", "CPUUtilization", "Average"),
        ("alarm_lambda_contributor", "CPUUtilization", "Average"),
    ],
)
def test_a_contributor_names_its_own_instance(name: str, metric: str, statistic: str) -> None:
    signal = only(sample(name))
    assert signal.target.name == WEB_2
    assert isinstance(signal.origin, MetricOrigin)
    assert (signal.origin.metric, signal.origin.statistic) == (metric, statistic)
    assert signal.origin.dimensions == (("InstanceId", WEB_2),)


def test_two_contributors_of_one_alarm_are_two_observations() -> None:
    both = [
        sns_alarm(Trigger={}, AlarmContributorAttributes={"InstanceId": name})
        for name in (WEB_1, WEB_2)
    ]
    assert len({only(event).id for event in both}) == 2


@pytest.mark.parametrize(
    "name",
    [
        "alarm_eventbridge_contributor_summary",
        "alarm_eventbridge_muted",
        "alarm_eventbridge_composite_suppressed",
        "ssm_command_success",
        "logs_control_message",
    ],
)
def test_what_is_silenced_or_not_for_us_is_ignored_and_counted(name: str) -> None:
    findings = read(sample(name))
    assert (findings.seen, findings.rejected, findings.ignored) == (0, 0, 1)


@pytest.mark.parametrize(
    "name",
    [
        "alarm_sns_composite",
        "alarm_sns_composite_no_children",
        "alarm_lambda_composite_alarm_to_alarm",
    ],
)
def test_a_composite_alarm_names_no_machine_and_cannot_be_read_again(name: str) -> None:
    signal = only(sample(name))
    assert signal.target.kind is TargetKind.RESOURCE
    assert signal.origin == EventOrigin("cloudwatch-alarm")


@pytest.mark.parametrize("name", ["alarm_sns_metric_math", "alarm_eventbridge_metric_math"])
def test_a_computed_value_is_not_that_of_its_one_series(name: str) -> None:
    signal = only(sample(name))
    assert signal.origin == EventOrigin("cloudwatch-alarm")
    assert signal.target.kind is TargetKind.INSTANCE


@pytest.mark.parametrize("name", ["alarm_sns_anomaly", "alarm_eventbridge_anomaly"])
def test_an_anomaly_has_no_threshold(name: str) -> None:
    assert only(sample(name)).threshold is None


@pytest.mark.parametrize(
    ("event", "statistic"),
    [
        (trigger(Statistic="SUM"), "Sum"),
        (trigger(Statistic="whatever"), "Average"),
        (trigger(Statistic=None), "Average"),
        (trigger(ExtendedStatistic="p99"), "p99"),
        (
            configured({"metrics": [{"metricStat": {"metric": {"name": "m"}, "stat": "p90"}}]}),
            "p90",
        ),
        (configured({"metrics": [{"metricStat": {"metric": {"name": "m"}}}]}), "Average"),
    ],
)
def test_the_statistic_is_the_alarms_own(event: dict[str, Any], statistic: str) -> None:
    origin = only(event).origin
    assert isinstance(origin, MetricOrigin)
    assert origin.statistic == statistic


@pytest.mark.parametrize(
    "event",
    [
        trigger(MetricName=None, Metrics=[{"MetricStat": {"a": 1}}, {"MetricStat": {"b": 1}}]),
        configured({"metrics": [{"metricStat": {"a": 1}}, {"metricStat": {"b": 1}}]}),
        configured({"metrics": "none"}),
        configured({}),
    ],
)
def test_several_series_cannot_be_read_as_one(event: dict[str, Any]) -> None:
    assert only(event).origin == EventOrigin("cloudwatch-alarm")


@pytest.mark.parametrize(
    ("period", "seconds"),
    [(300, 300), (True, 60), ("60", 60), (0, 60), (-60, 60), (10**400, 60), (86_401, 60)],
)
def test_a_period_that_cannot_be_is_a_minute(period: object, seconds: int) -> None:
    origin = only(trigger(Period=period)).origin
    assert isinstance(origin, MetricOrigin)
    assert origin.period_seconds == seconds


@pytest.mark.parametrize("threshold", [True, "95", None, float("nan"), 10**400])
def test_a_threshold_that_is_no_number_is_none(threshold: object) -> None:
    assert only(trigger(Threshold=threshold)).threshold is None


def test_an_alarm_that_falls_below_says_so() -> None:
    assert only(trigger(ComparisonOperator="LessThanThreshold")).falls_below
    reason = "1 datapoint [4.0] was less than the threshold (5.0)"
    state = {"value": "ALARM", "timestamp": "2026-01-15T03:04:00Z", "reason": reason}
    assert only(configured({}, state=state)).falls_below
    assert not only(configured({})).falls_below


@pytest.mark.parametrize(
    ("data", "threshold"), [('{"threshold": 95}', 95), ('{"threshold"', None), ("[]", None)]
)
def test_eventbridge_has_the_threshold_in_the_data_of_the_reason(
    data: str, threshold: float | None
) -> None:
    state = {"value": "ALARM", "timestamp": "2026-01-15T03:04:00Z", "reasonData": data}
    assert only(configured({}, state=state)).threshold == threshold


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"AlarmName": ""}, "alarm: no AlarmName"),
        ({"AlarmName": 5}, "alarm: no AlarmName"),
        ({"NewStateValue": "PENDING"}, "alarm: state 'PENDING'; expected one of ALARM, OK,"),
        ({"StateChangeTime": None}, "alarm: no usable time of the state change: None"),
        ({"StateChangeTime": "soon"}, "alarm: no usable time of the state change: 'soon'"),
        ({"StateChangeTime": "0001-01-01T00:00:00+14:00"}, "alarm: no usable time"),
        ({"StateChangeTime": "9999-12-31T00:00:00Z"}, "alarm: no usable time"),
        ({"StateChangeTime": "1970-01-01T00:00:00Z"}, "alarm: no usable time"),
    ],
)
def test_an_alarm_that_lacks_what_every_alarm_has_is_kept(more: dict[str, Any], why: str) -> None:
    findings = read(sns_alarm(**more))
    assert findings.rejections[0].why.startswith(why)
    assert len(findings.strangers) == 1


def test_a_time_without_a_zone_is_utc() -> None:
    assert only(sns_alarm(StateChangeTime="2026-01-15T03:04:00")).at == NOW - timedelta(minutes=1)


def test_a_hostile_name_of_255_characters_is_only_a_name() -> None:
    name = "\"'$(reboot)`;\n\u202e" * 25
    signal = only(sns_alarm(AlarmName=name[:255], Trigger={}))
    assert signal.name == name[:255]
    assert signal.target.kind is TargetKind.RESOURCE


@pytest.mark.parametrize("letter", ["x", "ä", "🔥"])
def test_names_fit_into_any_store_and_stay_apart(letter: str) -> None:
    names = [only(sns_alarm(AlarmName=letter * 9000 + end, Trigger={})).name for end in "ab"]
    assert all(len(name.encode()) <= LONGEST_IDENTITY for name in names)
    assert bounded(letter * 9000 + "a") != bounded(letter * 9000 + "b")
    assert bounded("short") == "short"


def test_dimensions_are_as_many_and_as_long_as_cloudwatch_allows() -> None:
    many = [{"name": f"d{n:03}", "value": "v" * 9000} for n in range(100)]
    origin = only(trigger(Dimensions=many)).origin
    assert isinstance(origin, MetricOrigin)
    assert (len(origin.dimensions), len(origin.dimensions[0][1])) == (30, 500)


def test_a_rule_without_a_level_may_be_named() -> None:
    signal = only(sns_alarm(AlarmDescription="Ours.\nautorecovery:rule=cpu overload"))
    assert (signal.rule, signal.level) == ("cpu overload", None)


# Envelopes


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (5, "not a JSON object"),
        (None, "not a JSON object"),
        ({}, "unknown shape with keys: none"),
        ({"kind": 1, "a": 2}, "unknown shape with keys: a, kind"),
        ([[[[[{}]]]]], "too many envelopes around an event"),
        ({"Records": [5]}, "a record of neither SNS nor SQS"),
        ({"Records": [{"Sns": {}}]}, "message is not JSON (subject None)"),
        ({"Records": [{"Sns": {"Message": "5", "Subject": "Hi"}}]}, "message is not JSON"),
        ({"Records": [{"eventSource": "aws:sqs", "body": "{"}]}, "message is not JSON"),
        ({"Records": [{"eventSource": "aws:s3"}]}, "a record of neither SNS nor SQS"),
        ({"Records": [{"Sns": {"Message": "[" * 500 + "]" * 500}}]}, "message is not JSON"),
    ],
)
def test_an_unknown_shape_is_kept_with_the_reason(event: object, why: str) -> None:
    findings = read(event)
    assert findings.rejections[0].why.startswith(why)
    assert len(findings.strangers) == 1


@pytest.mark.parametrize("event", [[], {"Records": []}])
def test_an_empty_envelope_is_ignored_and_counted(event: object) -> None:
    assert read(event).ignored == 1


def test_notifications_inside_notifications_come_to_an_end() -> None:
    text = json.dumps(sns_alarm())
    for _ in range(2):
        text = json.dumps({"Type": "Notification", "Message": text})
    assert only({"Records": [{"eventSource": "aws:sqs", "body": text}]}).name == "cpu"
    for _ in range(4):
        text = json.dumps({"Type": "Notification", "Message": text})
    assert len(why_not({"Records": [{"eventSource": "aws:sqs", "body": text}]})) == 1


def test_what_is_nested_too_deeply_is_counted_without_following_it() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    assert why_not({"detail": deep}) == ["nested too deeply"]
    assert excerpt(deep) == "list, nested too deeply"


def test_keys_and_values_that_json_does_not_know_become_text() -> None:
    assert why_not({1: {2}, None: b"\xff"}) == ["unknown shape with keys: 1, None"]


def test_one_bad_record_leaves_the_others_alone() -> None:
    records = [{"Sns": {"Message": "?"}}, {"Sns": {"Message": json.dumps(sns_alarm())}}, None]
    findings = read({"Records": records})
    assert (len(findings.signals), findings.rejected) == (1, 2)


# Events


def event(kind: str, detail: object, **more: Any) -> dict[str, Any]:
    """Return an EventBridge event."""
    return {
        "id": "event-1",
        "detail-type": kind,
        "source": "aws.any",
        "account": "111122223333",
        "region": "eu-west-1",
        "time": "2026-01-15T03:04:00Z",
        "detail": detail,
        **more,
    }


STATE = "EC2 Instance State-change Notification"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (event(STATE, None), "EventBridge event without detail-type or detail"),
        (event(5, {}), "EventBridge event without detail-type or detail"),  # type: ignore[arg-type]
        (event(STATE, {}, time="later"), "EventBridge event without a usable time"),
        (event(STATE, {"instance-id": 5, "state": "stopped"}), "instance event without a known"),
        (event(STATE, {"instance-id": "", "state": "stopped"}), "instance event without a known"),
        (event(STATE, {"instance-id": WEB_1, "state": "asleep"}), "instance event without a known"),
        (event("Tea time", {}), "EventBridge event of unknown kind 'Tea time'"),
    ],
)
def test_an_event_that_cannot_be_read_is_kept(given: dict[str, Any], why: str) -> None:
    findings = read(given)
    assert findings.rejections[0].why.startswith(why)
    assert len(findings.strangers) == 1


def test_an_instance_that_stopped_is_a_state() -> None:
    signal = only(event(STATE, {"instance-id": WEB_1, "state": "stopped"}))
    assert (signal.kind, signal.state, signal.target.name) == (SignalKind.STATE, "stopped", WEB_1)
    assert signal.origin == EventOrigin("aws.any")
    assert (signal.target.account, signal.target.region) == ("111122223333", "eu-west-1")


def test_an_event_without_an_id_has_one_made_of_what_it_says() -> None:
    told = {"instance-id": WEB_1, "state": "stopped"}
    both = [only(event(STATE, told, id=None, account=5, region=None)) for _ in range(2)]
    assert both[0].id == both[1].id
    assert both[0].target.account == ""


@pytest.mark.parametrize(
    ("detail", "targets"),
    [
        ({"affectedEntities": [{"entityValue": WEB_1}]}, [f"instance/{WEB_1}"]),
        (
            {"affectedEntities": [{"entityValue": f"arn:aws:ec2:eu-west-1:1:instance/{WEB_1}"}]},
            [f"instance/{WEB_1}"],
        ),
        (
            {"affectedEntities": [{"entityValue": "vol-1"}, {"entityValue": "vol-1"}, 5, {}]},
            ["resource/vol-1"],
        ),
        ({"service": "EC2"}, ["resource/AWS EC2"]),
        ({"affectedEntities": 5, "service": 5}, ["resource/AWS account"]),
    ],
)
def test_a_health_event_concerns_each_thing_it_names(
    detail: dict[str, Any], targets: list[str]
) -> None:
    findings = read(event("AWS Health Event", detail))
    assert [signal.target.key for signal in findings.signals] == targets


def test_a_health_event_told_again_under_another_id_is_the_same() -> None:
    detail = {"eventArn": "arn:health:1", "communicationId": "c-1", "eventTypeCode": "RETIRES"}
    both = [only(event("AWS Health Event", detail, id=name)) for name in ("a", "b")]
    assert both[0].id == both[1].id
    assert both[0].evidence == "RETIRES"


# Typed by a person


def test_a_typed_measurement_is_of_this_moment() -> None:
    signal = only({"metric": "CPUUtilization", "value": "97.5", "instance_id": WEB_1})
    assert (signal.value, signal.at, signal.origin) == (97.5, NOW, TYPED)


def test_a_typed_measurement_may_carry_time_and_id() -> None:
    typed = {"metric": "a", "value": 1, "host": "web", "time": "2026-01-15T03:00:00Z", "id": "x"}
    signal = only(typed)
    assert (signal.at, signal.id) == (NOW - timedelta(minutes=5), "x")
    assert signal.target.key == "host/web"


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ({"metric": "a", "value": 1}, "a measurement of nobody: no target"),
        ({"metric": "a", "value": "much", "host": "web"}, "a: 'much' is not a number"),
        ({"metric": "a", "host": "web"}, "a without a value"),
        ({"metric": 1.0}, "a value without the metric it belongs to"),
        ({"value": 5, "host": "web"}, "a value without the metric it belongs to"),
        ({"metric": [], "metrics": [], "host": "web"}, "nothing is measured"),
        ({"metric": "a", "value": 1, "host": "web", "time": "tea"}, "a time that cannot be read"),
    ],
)
def test_a_typed_event_that_cannot_be_read_is_refused(typed: dict[str, Any], why: str) -> None:
    assert why_not(typed)[0].startswith(why)


def test_typed_lists_of_measurements_are_told_apart() -> None:
    pair = [{"metric": "a", "value": 1}, {"metric": "b", "value": 2}]
    found = read({"metric": None, "metrics": pair, "host": "web", "id": "x"})
    assert [signal.id for signal in found.signals] == ["x", "x.1"]
