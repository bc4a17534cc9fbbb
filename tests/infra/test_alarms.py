"""Which alarms there are, what they do with silence, and whom they tell."""

from pathlib import Path
from typing import Any

import pytest

from autorecovery.models.rule import ALARM_MARKER
from infra.alarm_plan import AlarmPlan, plan_alarms
from infra.configuration import UnsupportedRuleError
from tests.infra.conftest import Synthesize
from tests.infra.template import Synthesized, configured, everything

INVOKE = {"Fn::GetAtt": ["MetricProcessor", "Arn"]}


@pytest.fixture(scope="module")
def plans() -> dict[str, AlarmPlan]:
    return {plan.id: plan for plan in plan_alarms(everything().configuration)}


def plan(tmp_path: Path, when: str) -> AlarmPlan:
    text = f"service: shop\nrules:\n  r:\n    when: {when}\n"
    (found,) = plan_alarms(configured(tmp_path, text).configuration)
    return found


def test_there_is_an_alarm_per_rule_level_and_named_instance(plans: dict[str, AlarmPlan]) -> None:
    assert sorted(plans) == [
        "cpu-of-the-database-critical-i-0123456789abcdef0",
        "cpu-of-the-database-critical-i-0a1b2c3d4e5f67890",
        "cpu-overload-critical",
        "cpu-overload-warning",
        "database-silent-critical-i-0a1b2c3d4e5f67890",
        "disk-full-warning",
        "heartbeat-lost-critical",
        "memory-of-the-database-critical-i-0a1b2c3d4e5f67890",
        "queue-long-critical",
        "throughput-low-warning-i-0123456789abcdef0",
    ]


@pytest.mark.parametrize(("alarm", "query"), [
    ("cpu-overload-critical",
     'SELECT AVG(CPUUtilization) FROM SCHEMA("AWS/EC2", InstanceId)'
     " GROUP BY InstanceId ORDER BY AVG() DESC"),
    ("disk-full-warning",  # an agent adds dimensions as it likes
     "SELECT MAX(disk_used_percent) FROM \"CWAgent\" WHERE path = '/var'"
     " GROUP BY InstanceId ORDER BY MAX() DESC"),
    ("memory-of-the-database-critical-i-0a1b2c3d4e5f67890",
     "SELECT AVG(mem_used_percent) FROM \"CWAgent\" WHERE InstanceId = 'i-0a1b2c3d4e5f67890'"
     " GROUP BY InstanceId ORDER BY AVG() DESC"),
    ("queue-long-critical",
     'SELECT AVG(queue_length) FROM SCHEMA("AutoRecovery/shop", InstanceId)'
     " GROUP BY InstanceId ORDER BY AVG() DESC"),
    ("heartbeat-lost-critical",
     'SELECT COUNT(CPUUtilization) FROM SCHEMA("AWS/EC2", InstanceId)'
     " GROUP BY InstanceId ORDER BY COUNT() ASC"),
])  # fmt: skip
def test_one_alarm_over_all_instances_has_a_series_for_each(
    alarm: str, query: str, plans: dict[str, AlarmPlan]
) -> None:
    assert plans[alarm].series.query == query


@pytest.mark.parametrize(("alarm", "dimensions"), [
    ("cpu-of-the-database-critical-i-0123456789abcdef0", {"InstanceId": "i-0123456789abcdef0"}),
    ("throughput-low-warning-i-0123456789abcdef0", {"InstanceId": "i-0123456789abcdef0"}),
    ("database-silent-critical-i-0a1b2c3d4e5f67890", {"InstanceId": "i-0a1b2c3d4e5f67890"}),
])  # fmt: skip
def test_a_named_instance_is_a_plain_metric(
    alarm: str, dimensions: dict[str, str], plans: dict[str, AlarmPlan]
) -> None:
    assert (plans[alarm].series.query, plans[alarm].series.dimensions) == (None, dimensions)


@pytest.mark.parametrize(("alarm", "needed", "periods", "seconds"), [
    ("cpu-overload-critical", 3, 5, 60),
    ("queue-long-critical", 2, 3, 300),
    ("disk-full-warning", 1, 1, 60),
    ("database-silent-critical-i-0a1b2c3d4e5f67890", 3, 3, 300),  # 12 minutes, rounded up
    ("heartbeat-lost-critical", 2, 4, 300),  # silent for half of what the query still sees
])  # fmt: skip
def test_lasting_is_counted_in_periods(
    alarm: str, needed: int, periods: int, seconds: int, plans: dict[str, AlarmPlan]
) -> None:
    found = plans[alarm]
    assert (found.datapoints_to_alarm, found.evaluation_periods) == (needed, periods)
    assert found.series.period == seconds


@pytest.mark.parametrize(("alarm", "missing"), [
    ("cpu-overload-critical", "missing"),
    ("disk-full-warning", "missing"),
    ("queue-long-critical", "notBreaching"),  # log lines come when they come
    ("heartbeat-lost-critical", "breaching"),
    ("database-silent-critical-i-0a1b2c3d4e5f67890", "breaching"),
])  # fmt: skip
def test_silence_means_what_the_rule_is_about(
    alarm: str, missing: str, plans: dict[str, AlarmPlan]
) -> None:
    assert plans[alarm].missing_data == missing


@pytest.mark.parametrize(("alarm", "comparison", "threshold"), [
    ("cpu-overload-warning", "GreaterThanOrEqualToThreshold", 80),
    ("throughput-low-warning-i-0123456789abcdef0", "LessThanOrEqualToThreshold", 5),
    ("heartbeat-lost-critical", "LessThanOrEqualToThreshold", 0),
])  # fmt: skip
def test_the_limit_is_past_where_the_rule_says(
    alarm: str, comparison: str, threshold: float, plans: dict[str, AlarmPlan]
) -> None:
    assert (plans[alarm].comparison, plans[alarm].threshold) == (comparison, threshold)


def test_a_description_is_a_sentence_and_names_the_rule(plans: dict[str, AlarmPlan]) -> None:
    description = plans["cpu-overload-critical"].description
    assert description == (
        "CPUUtilization of an instance (shop) is at least 95, 3 of 5 times within 300 s.\n"
        "autorecovery:rule=cpu-overload level=critical"
    )
    for found in plans.values():
        assert ALARM_MARKER.search(found.description)


@pytest.mark.parametrize(("when", "message"), [
    ("{ metric: CPUUtilization, critical: 1, statistic: p99 }",
     "rules.r.when: p99 needs `instances`; over all of them there are only Average, Sum, Minimum,"
     " Maximum, SampleCount"),
    ("{ metric: CPUUtilization, critical: 1, period: 10s }",
     "rules.r.when: a period below 1m needs `instances`; over all of them data is kept by the"
     " minute"),
    ("{ metric: CPUUtilization, critical: 1, period: 90s, instances: [i-1] }",
     "rules.r.when: period is 90 s; CloudWatch takes 10, 20, 30 or whole minutes"),
    ("{ metric: CPUUtilization, critical: 1, sustained: 3 within 4h }",
     "rules.r.when: CloudWatch looks back 3:00:00 at most, and it asks for 4:00:00"),
    ("{ metric: CPUUtilization, critical: 1, sustained: 3 within 2d, instances: [i-1] }",
     "rules.r.when: CloudWatch looks back 1 day, 0:00:00 at most, and it asks for 2 days, 0:00:00"),
    ("{ metric: 'a''b', critical: 1 }",
     "rules.r.when: names and values in a query cannot contain quotes"),
])  # fmt: skip
def test_a_rule_of_which_no_alarm_can_be_made_is_refused(
    when: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedRuleError) as refused:
        plan(tmp_path, when)
    assert str(refused.value) == message


def test_a_name_with_spaces_is_quoted(tmp_path: Path) -> None:
    found = plan(tmp_path, "{ metric: orders per minute, critical: 1 }")
    assert found.series.query is not None
    assert 'AVG("orders per minute")' in found.series.query


# In the template


def _alarms(synthesized: Synthesized) -> dict[str, dict[str, Any]]:
    """Return the alarms of the rules by their descriptions' last line."""
    return {
        a["AlarmDescription"].splitlines()[-1]: a
        for a in synthesized.properties("AWS::CloudWatch::Alarm")
        if ALARM_MARKER.search(a["AlarmDescription"])
    }


def test_every_planned_alarm_is_made(plans: dict[str, AlarmPlan], synthesized: Synthesized) -> None:
    made = [
        a["AlarmDescription"]
        for a in synthesized.properties("AWS::CloudWatch::Alarm")
        if ALARM_MARKER.search(a["AlarmDescription"])
    ]
    assert sorted(made) == sorted(planned.description for planned in plans.values())


def test_alarm_and_ok_invoke_triage(synthesized: Synthesized) -> None:
    for alarm in _alarms(synthesized).values():
        assert INVOKE in alarm["AlarmActions"]
        assert alarm["OKActions"] == [INVOKE]
        assert "InsufficientDataActions" not in alarm


def test_what_is_critical_is_also_published_without_our_help(synthesized: Synthesized) -> None:
    for marker, alarm in _alarms(synthesized).items():
        published = [action for action in alarm["AlarmActions"] if action != INVOKE]
        assert [list(p) for p in published] == ([["Ref"]] if "critical" in marker else [])
        assert all(p["Ref"].startswith("RawAlarms") for p in published)


def test_a_grouped_alarm_is_one_query(synthesized: Synthesized) -> None:
    alarm = _alarms(synthesized)["autorecovery:rule=cpu-overload level=critical"]
    (query,) = alarm["Metrics"]
    assert (query["Period"], query["ReturnData"]) == (60, True)
    assert "MetricName" not in alarm
    assert alarm["TreatMissingData"] == "missing"


def test_absence_without_instances_is_warned_of(synthesized: Synthesized) -> None:
    assert [w for w in synthesized.warnings if "heartbeat-lost names no instances" in w]
    assert not [w for w in synthesized.warnings if "database-silent" in w]


def test_a_metric_that_nothing_feeds_is_warned_of(another: Synthesize, tmp_path: Path) -> None:
    text = "rules: { q: { when: { metric: queue_length, critical: 5 } } }"
    made = another(configured(tmp_path, text))
    assert [w for w in made.warnings if "no log source feeds queue_length" in w]


# About ourselves


@pytest.mark.parametrize("metric", [
    "Errors", "Throttles", "DestinationDeliveryFailures", "DurableExecutionFailed",
    "DurableExecutionTimedOut", "DeadLetterErrors", "ApproximateNumberOfMessagesVisible",
])  # fmt: skip
def test_our_own_failures_are_published_without_our_functions(
    metric: str, synthesized: Synthesized
) -> None:
    found = [
        a
        for a in synthesized.properties("AWS::CloudWatch::Alarm")
        if a["AlarmDescription"].startswith("AutoRecovery itself: ") and a["MetricName"] == metric
    ]
    assert found
    for alarm in found:
        assert INVOKE not in alarm["AlarmActions"]
        assert alarm["AlarmActions"][0]["Ref"].startswith("RawAlarms")
        assert alarm["TreatMissingData"] == "notBreaching"


def test_waiting_dead_letters_are_told_with_the_command_that_shows_them(
    synthesized: Synthesized,
) -> None:
    (alarm,) = (
        a
        for a in synthesized.properties("AWS::CloudWatch::Alarm")
        if a.get("MetricName") == "ApproximateNumberOfMessagesVisible"
    )
    assert "`autorecovery dead-letters list --stack AutoRecovery`" in alarm["AlarmDescription"]
