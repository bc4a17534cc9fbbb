"""What fresh observations show: health for long enough, failure, or nothing either way."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from autorecovery.config import Configuration
from autorecovery.models.incident import Incident
from autorecovery.models.reason import Verdict
from autorecovery.models.rule import Rule
from autorecovery.models.signal import (
    TYPED,
    EventOrigin,
    LogOrigin,
    MetricOrigin,
    Origin,
    SignalKind,
    Target,
    TargetKind,
)
from autorecovery.ports import Datapoint, LogLine
from autorecovery.response.health import (
    Health,
    Reading,
    Sample,
    can_be_read,
    describe_samples,
    judge,
    origin_to_read,
    period_of,
    read_health,
)
from tests.response_world import (
    CPU,
    INSTANCE,
    METRIC,
    RESTART,
    START,
    STREAM,
    incident,
    rule,
    signal,
)

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
PLAIN = Configuration.model_validate({})
LETTERS = {"h": Health.HEALTHY, "u": Health.UNCLEAR, "b": Health.BREACHING}


def reading(
    letters: str, *, every: timedelta = 10 * SECOND, period: timedelta = 0 * SECOND
) -> Reading:
    """Return samples from START on, one for each letter."""
    at = [START + every * n for n in range(len(letters))]
    samples = [Sample(m, 1.0, LETTERS[c]) for m, c in zip(at, letters, strict=True)]
    return Reading(tuple(samples), period)


class Lines:
    """MetricReader over given lines and points."""

    def __init__(self, *messages: str, values: tuple[float, ...] = ()) -> None:
        self.messages, self.values = messages, values
        self.asked: list[tuple[Origin, datetime]] = []

    def lines(self, origin: LogOrigin, since: datetime) -> list[LogLine]:
        self.asked.append((origin, since))
        return [LogLine(START + 10 * SECOND * n, m) for n, m in enumerate(self.messages)]

    def datapoints(self, origin: MetricOrigin, since: datetime) -> list[Datapoint]:
        self.asked.append((origin, since))
        return [Datapoint(START + MINUTE * n, value) for n, value in enumerate(self.values)]


@pytest.mark.parametrize(
    ("letters", "time_is_up", "verdict"),
    [
        ("hhhhhhh", False, Verdict.VERIFIED),
        ("bbhhhhhhh", False, Verdict.VERIFIED),
        ("hhhhhh", False, None),
        ("hhhhhhb", False, None),
        ("hhhuhhh", False, None),
        ("", False, None),
        ("bbbbbbb", False, None),
        ("bbbbbbb", True, Verdict.NOT_RECOVERED),
        ("hhhhhhb", True, Verdict.NOT_RECOVERED),
        ("hhhhh", True, Verdict.INCONCLUSIVE),
        ("hhhhhhu", True, Verdict.INCONCLUSIVE),
        ("bbbbbbh", True, Verdict.INCONCLUSIVE),
        ("", True, Verdict.INCONCLUSIVE),
    ],
)
def test_the_verdict_follows_from_the_samples(
    letters: str, time_is_up: bool, verdict: Verdict | None
) -> None:
    now = START + 10 * SECOND * len(letters)
    assert judge(reading(letters), MINUTE, now, time_is_up=time_is_up) is verdict


@pytest.mark.parametrize(("points", "healthy"), [("h", False), ("hh", True), ("bh", False)])
def test_a_datapoint_speaks_for_its_whole_period(points: str, healthy: bool) -> None:
    seen = reading(points, every=MINUTE, period=MINUTE)
    assert seen.shows_health(2 * MINUTE, START + 3 * MINUTE) is healthy


@pytest.mark.parametrize(("minutes_later", "healthy"), [(0, True), (5, True), (5.1, False)])
def test_health_that_fell_silent_is_no_health(minutes_later: float, healthy: bool) -> None:
    seen = reading("hhhhhhh")
    now = seen.samples[-1].at + minutes_later * MINUTE
    assert seen.shows_health(MINUTE, now) is healthy


def test_a_metric_of_long_periods_may_be_silent_for_as_long() -> None:
    seen = reading("hh", every=10 * MINUTE, period=10 * MINUTE)
    assert seen.shows_health(MINUTE, START + 50 * MINUTE)
    assert not seen.shows_health(MINUTE, START + 51 * MINUTE)


# Where to read again


def event(of: Rule | None, target: Target = INSTANCE, **more: Any) -> Incident:
    return incident(of, signal(EventOrigin("events"), target, **more))


STATUS_CHECK = MetricOrigin(
    "AWS/EC2", "StatusCheckFailed", (("InstanceId", INSTANCE.name),), "Maximum", 60
)
TYPED_CPU = MetricOrigin("AWS/EC2", "CPUUtilization", (("InstanceId", INSTANCE.name),), "p95", 300)
HOST = Target(TargetKind.HOST, "web-1")


@pytest.mark.parametrize(
    ("opened", "origin"),
    [
        (incident(rule(RESTART)), STREAM),
        (incident(rule(RESTART), signal(METRIC)), METRIC),
        (event(rule(when={**CPU, "statistic": "p95", "period": "5m"})), TYPED_CPU),
        (event(rule(when={"state": "stopped"}), state="stopped"), STATUS_CHECK),
        (event(rule(when=CPU), HOST), EventOrigin("events")),
        (event(rule(when={"state": "stopped"}), HOST), EventOrigin("events")),
        (event(rule(when={"alarm": "x"})), EventOrigin("events")),
        (event(None), EventOrigin("events")),
    ],
)
def test_it_is_read_again_where_it_came_from_or_from_the_metric_that_stands_for_it(
    opened: Incident, origin: Origin
) -> None:
    assert origin_to_read(opened, PLAIN) == origin
    seconds = origin.period_seconds if isinstance(origin, MetricOrigin) else 0
    assert period_of(opened, PLAIN) == seconds * SECOND


def test_further_dimensions_and_an_own_namespace_are_kept() -> None:
    when = {"metric": "latency", "warning": 2, "dimensions": {"Path": "/"}, "period": "10s"}
    assert origin_to_read(event(rule(when=when)), PLAIN) == MetricOrigin(
        "AutoRecovery/autorecovery", "latency",
        (("InstanceId", INSTANCE.name), ("Path", "/")), "Average", 10,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("opened", "readable"),
    [
        (incident(rule(RESTART)), True),
        (incident(rule(RESTART), signal(METRIC)), True),
        (incident(None, signal(METRIC, threshold=5.0)), True),
        (incident(None, signal(METRIC)), False),
        (event(None), False),
    ],
)
def test_what_can_be_read_again_is_known(opened: Incident, readable: bool) -> None:
    assert can_be_read(opened, PLAIN) is readable


# Reading

FREE = {"metric": "free", "warning": 10, "direction": "below"}


@pytest.mark.parametrize(
    ("of", "more", "values", "expected"),
    [
        (rule(), {}, (96.0, 85.0, 75.0, 69.0), "bbuh"),
        (rule(when={"state": "stopped"}), {}, (1.0, 0.0), "bh"),
        (None, {"threshold": 10.0}, (10.0, 9.9), "bh"),
        (None, {"threshold": 10.0, "falls_below": True}, (10.0, 10.1), "bh"),
        (rule(when=FREE), {}, (9, 10.5, 12), "buh"),
    ],
)  # fmt: skip
def test_datapoints_are_read_by_the_rules_limits_or_by_the_alarms(
    of: Rule | None, more: dict[str, Any], values: tuple[float, ...], expected: str
) -> None:
    opened = incident(of, signal(METRIC, **more))
    source = Lines(values=values)
    seen = read_health(opened, START, PLAIN, source)
    assert [sample.health for sample in seen.samples] == [LETTERS[letter] for letter in expected]
    assert seen.period == MINUTE
    assert source.asked == [(METRIC, START)]


def test_a_metric_without_any_limit_says_nothing() -> None:
    assert (
        read_health(incident(None, signal(METRIC)), START, PLAIN, Lines(values=(1.0,))).samples
        == ()
    )


def test_what_cannot_be_read_says_nothing() -> None:
    assert read_health(event(None), START, PLAIN, Lines()) == Reading((), timedelta())


def line(value: float, instance: str = INSTANCE.name, metric: str = "CPUUtilization") -> str:
    return json.dumps({"instance_id": instance, "metric": metric, "value": value})


def test_lines_of_the_stream_are_read_by_the_rules_limits() -> None:
    source = Lines(line(97), "not JSON", line(5, metric="mem_used_percent"), line(20))
    seen = read_health(incident(rule(RESTART)), START, PLAIN, source)
    assert [(sample.value, sample.health) for sample in seen.samples] == [
        (97.0, Health.BREACHING), (20.0, Health.HEALTHY),
    ]  # fmt: skip


def test_lines_of_other_hosts_in_a_shared_stream_are_not_this_ones() -> None:
    opened = incident(rule(RESTART), signal(LogOrigin("/shop/metrics", "all"), HOST))
    source = Lines(line(97, "web-1"), line(20, "web-2"), json.dumps({"metric": "x", "value": 1}))
    seen = read_health(opened, START, PLAIN, source)
    assert [sample.value for sample in seen.samples] == [97.0]


def test_fields_are_where_the_source_says_they_are() -> None:
    fields = {"metric": "$.m.name", "value": "$.m.value"}
    source = {"sources": {"logs": [{"group": "/shop/metrics", "fields": fields}]}}
    configuration = Configuration.model_validate(source)
    written = Lines(json.dumps({"m": {"name": "CPUUtilization", "value": 20}}))
    seen = read_health(incident(rule(RESTART)), START, configuration, written)
    assert [sample.value for sample in seen.samples] == [20.0]


@pytest.mark.parametrize("when", [{"alarm": "x"}, {"state": "stopped"}])
def test_lines_of_a_rule_that_measures_nothing_say_nothing(when: dict[str, Any]) -> None:
    seen = signal(STREAM, kind=SignalKind.ALARM)
    assert read_health(incident(rule(when=when), seen), START, PLAIN, Lines(line(1))).samples == ()


def test_matches_are_counted_in_the_window_that_each_line_ends() -> None:
    when = {"log": {"pattern": "ERROR"}, "count": "2 per 20s"}
    opened = incident(rule(RESTART, when=when), signal(kind=SignalKind.LOG, value=None))
    seen = read_health(opened, START, PLAIN, Lines("ERROR", "ERROR", "ok", "ok", "ok", "ERROR"))
    assert [sample.value for sample in seen.samples] == [1, 2, 2, 1, 0, 1]
    assert [sample.health for sample in seen.samples] == [LETTERS[c] for c in "ubbhhh"]


def test_errors_that_go_on_as_before_do_not_look_cured_because_counting_began_anew() -> None:
    when = {"log": {"pattern": "ERROR"}, "count": "30 per 5m"}
    opened = incident(rule(RESTART, when=when), signal(kind=SignalKind.LOG, value=None))
    as_before, fewer = ["ERROR"] * 18, ["ERROR", *["ok"] * 17]
    now = START + 180 * SECOND
    assert not read_health(opened, START, PLAIN, Lines(*as_before)).shows_health(MINUTE, now)
    assert read_health(opened, START, PLAIN, Lines(*fewer)).shows_health(MINUTE, now)


def test_a_log_that_fell_silent_proves_nothing() -> None:
    when = {"log": {"pattern": "ERROR"}, "count": "2 per 20s"}
    opened = incident(rule(RESTART, when=when), signal(kind=SignalKind.LOG, value=None))
    seen = read_health(opened, START, PLAIN, Lines())
    assert judge(seen, MINUTE, START + 9 * MINUTE, time_is_up=True) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((), "no data"),
        ((5.0,), "1 datapoint, 5"),
        ((5.0, 5.0), "2 datapoints, 5"),
        ((12.5, 5.0, 7.0), "3 datapoints, 5 to 12.5"),
    ],
)
def test_samples_in_words(values: tuple[float, ...], words: str) -> None:
    samples = [Sample(START, value, Health.HEALTHY) for value in values]
    assert describe_samples(samples) == words


# Where to read again

TYPED_READING = signal(TYPED)
RANG = signal(EventOrigin("cloudwatch-alarm"), kind=SignalKind.ALARM, state="ALARM")


def test_a_computed_alarm_is_never_read_by_the_raw_metric_of_its_rule() -> None:
    computed = incident(rule(), RANG)
    assert origin_to_read(computed, Configuration()) == RANG.origin
    assert not can_be_read(computed, Configuration())


@pytest.mark.parametrize(
    ("metric", "namespace", "many"),
    [
        ("CPUUtilization", "AWS/EC2", False),
        ("disk_used_percent", "CWAgent", True),
        ("queue_depth", "AutoRecovery/autorecovery", False),
    ],
)
def test_a_typed_value_is_read_again_by_its_metric_an_agents_series_as_one(
    metric: str, namespace: str, many: bool
) -> None:
    typed = incident(rule(when={"metric": metric, "critical": 95}), TYPED_READING)
    origin = origin_to_read(typed, Configuration())
    assert isinstance(origin, MetricOrigin)
    assert (origin.namespace, origin.many) == (namespace, many)
