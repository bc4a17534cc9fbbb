"""CloudWatch alarms in their three shapes: SNS message, EventBridge detail, direct Lambda action.

Each shape says the same with other words; the two readers below translate into one `_Alarm`, and
one function turns that into a signal. Shapes: CloudWatch user guide, "Acting on alarm changes".
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from math import isfinite
from typing import Any, NamedTuple

from autorecovery.models.reason import Level
from autorecovery.models.rule import ALARM_MARKER
from autorecovery.models.signal import (
    EventOrigin,
    MetricOrigin,
    Origin,
    Signal,
    SignalKind,
    Target,
    TargetKind,
)
from autorecovery.records import load_json
from autorecovery.triage.parsing.findings import Parser, bounded, excerpt
from autorecovery.triage.parsing.moments import read_moment

STATES = ("ALARM", "OK", "INSUFFICIENT_DATA")
_INSIGHTS = r"""(?xis)SELECT\s+(?P<stat>AVG|SUM|MIN|MAX|COUNT)\(\s*"?(?P<metric>[^")]+)"?\s*\)
        \s+FROM\s+(?:SCHEMA\(\s*)?"?(?P<namespace>[^",)\s]+)"?.*\bGROUP\s+BY\b"""
"""A Metrics Insights query with one series per group."""

_STATISTICS = {
    "AVG": "Average", "AVERAGE": "Average", "SUM": "Sum", "MIN": "Minimum", "MINIMUM": "Minimum",
    "MAX": "Maximum", "MAXIMUM": "Maximum", "COUNT": "SampleCount", "SAMPLECOUNT": "SampleCount",
}  # fmt: skip

MOST_DIMENSIONS = 30
"""CloudWatch has no more; nor has it longer texts than this one."""

LONGEST_TEXT = 4096

LONGEST_PERIOD = 86_400


class UnreadableAlarmError(ValueError):
    """An alarm that lacks what every alarm has; the message says what."""


class _Alarm(NamedTuple):
    name: str
    arn: str
    account: str
    state: str
    reason: str
    at: datetime
    description: str
    threshold: float | None
    comparison: str
    origin: Origin | None
    contributor: Mapping[str, str]
    grouped: bool
    computed: bool
    """What it watches is computed: a formula, or a band. The metrics in it are not its value."""
    muted: bool


def read_sns_alarm(message: Mapping[str, Any], parser: Parser) -> None:
    """Add the signal of an alarm as SNS delivers it."""
    trigger = _dict(message.get("Trigger"))
    _add(
        lambda: _Alarm(
            name=_required(message, "AlarmName"),
            arn=_text(message, "AlarmArn"),
            account=_text(message, "AWSAccountId"),
            state=_state(message.get("NewStateValue")),
            reason=_text(message, "NewStateReason"),
            at=_moment(message.get("StateChangeTime"), parser.now),
            description=_text(message, "AlarmDescription"),
            threshold=_number(trigger.get("Threshold")),
            comparison=_text(trigger, "ComparisonOperator"),
            origin=_sns_origin(trigger),
            contributor=_contributor(message),
            grouped=_is_grouped(_dicts(trigger.get("Metrics")), "Expression"),
            computed=_is_computed(_dicts(trigger.get("Metrics")), "Expression"),
            muted=False,  # a muted alarm publishes nothing; EventBridge alone keeps telling
        ),
        message,
        parser,
    )


def read_alarm_detail(
    detail: Mapping[str, Any], arn: object, account: object, parser: Parser
) -> None:
    """Add the signal of an alarm as EventBridge (`detail`) and Lambda (`alarmData`) have it."""
    configuration = _dict(detail.get("configuration"))
    state = _dict(detail.get("state"))
    _add(
        lambda: _Alarm(
            name=_required(detail, "alarmName"),
            arn=_text({"arn": arn}, "arn"),
            account=_text({"account": account}, "account"),
            state=_state(state.get("value")),
            reason=_text(state, "reason"),
            at=_moment(state.get("timestamp"), parser.now),
            description=_text(configuration, "description"),
            threshold=_number(configuration.get("threshold", _reason_data(state).get("threshold"))),
            comparison=_text(configuration, "comparisonOperator"),
            origin=_configured_origin(configuration),
            contributor=_contributor(detail),
            grouped=_is_grouped(_dicts(configuration.get("metrics")), "expression"),
            computed=_is_computed(_dicts(configuration.get("metrics")), "expression"),
            muted="muteDetail" in detail or "actionsSuppressedBy" in state,
        ),
        detail,
        parser,
    )


def _add(read: Callable[[], _Alarm], thing: object, parser: Parser) -> None:
    findings = parser.findings
    try:
        alarm = read()
    except UnreadableAlarmError as error:
        findings.meet_stranger(f"alarm: {error}", thing)
        return
    # Somebody silenced it: CloudWatch tells again (ALARM to ALARM) when the silence ends. And a
    # grouped alarm's summary ("1 of 2 series") names nobody: its contributors come one by one.
    if alarm.muted or (alarm.grouped and not alarm.contributor):
        findings.ignored += 1
    else:
        findings.signals.append(_signal(alarm))


def _signal(alarm: _Alarm) -> Signal:
    ours = ALARM_MARKER.search(alarm.description)
    dimensions = dict(alarm.origin.dimensions) if isinstance(alarm.origin, MetricOrigin) else {}
    origin = alarm.origin or EventOrigin("cloudwatch-alarm")
    if alarm.computed:
        origin = EventOrigin("cloudwatch-alarm")
    if isinstance(origin, MetricOrigin) and alarm.contributor:
        merged = {**dimensions, **alarm.contributor}
        origin = MetricOrigin(
            origin.namespace, origin.metric, tuple(sorted(merged.items())), origin.statistic,
            origin.period_seconds, origin.many,
        )  # fmt: skip
    identity = alarm.arn or alarm.name
    series = [f"{key}={value}" for key, value in sorted(alarm.contributor.items())]
    return Signal(
        id=bounded("|".join((identity, *series, alarm.at.isoformat(), alarm.state))),
        kind=SignalKind.ALARM,
        target=_target({**dimensions, **alarm.contributor}, alarm),
        name=bounded(alarm.name),
        at=alarm.at,
        origin=origin,
        state=alarm.state,
        evidence=excerpt(alarm.reason),
        rule=ours["rule"] if ours else None,
        level=Level(ours["level"]) if ours and ours["level"] else None,
        threshold=alarm.threshold,
        falls_below=_falls_below(alarm),
    )


def _falls_below(alarm: _Alarm) -> bool:
    """Return whether the limit is broken from above; EventBridge says it only in the reason."""
    if alarm.comparison:
        return alarm.comparison.startswith("LessThan")
    return "less than" in alarm.reason


def _target(dimensions: Mapping[str, str], alarm: _Alarm) -> Target:
    region = alarm.arn.split(":")[3] if alarm.arn.count(":") >= 6 else ""
    for key, value in dimensions.items():
        if key.lower() in ("instanceid", "instance_id", "host", "hostname") and value:
            return Target.named(bounded(value), alarm.account, region)
    return Target(TargetKind.RESOURCE, bounded(alarm.name), alarm.account, region)


# The SNS shape


def _sns_origin(trigger: Mapping[str, Any]) -> Origin | None:
    if metric := _text(trigger, "MetricName"):
        return MetricOrigin(
            _text(trigger, "Namespace"),
            metric,
            _sns_dimensions(trigger.get("Dimensions")),
            _sns_statistic(trigger),
            _period(trigger.get("Period")),
        )
    queries = _dicts(trigger.get("Metrics"))
    if grouped := _grouped_origin(queries, "Expression", "Period"):
        return grouped
    if (stat := _only(queries, "MetricStat")) is None:
        return None
    metric_of = _dict(stat.get("Metric"))
    return MetricOrigin(
        _text(metric_of, "Namespace"),
        _text(metric_of, "MetricName"),
        _sns_dimensions(metric_of.get("Dimensions")),
        _text(stat, "Stat") or "Average",
        _period(stat.get("Period")),
    )


def _sns_dimensions(pairs: object) -> tuple[tuple[str, str], ...]:
    """Return name and value of `[{name, value}]`, as alarms in SNS have it, whatever the case."""
    found = [{key.lower(): value for key, value in pair.items()} for pair in _dicts(pairs)]
    return _dimensions({str(p["name"]): p["value"] for p in found if {"name", "value"} <= set(p)})


def _sns_statistic(trigger: Mapping[str, Any]) -> str:
    if extended := _text(trigger, "ExtendedStatistic"):
        return extended
    return _STATISTICS.get(_text(trigger, "Statistic").upper(), "Average")


# The EventBridge and Lambda shapes


def _configured_origin(configuration: Mapping[str, Any]) -> Origin | None:
    queries = _dicts(configuration.get("metrics"))
    if grouped := _grouped_origin(queries, "expression", "period"):
        return grouped
    if (stat := _only(queries, "metricStat")) is None:
        return None
    metric = _dict(stat.get("metric"))
    return MetricOrigin(
        _text(metric, "namespace"),
        _text(metric, "name"),
        _dimensions(_dict(metric.get("dimensions"))),
        _text(stat, "stat") or "Average",
        _period(stat.get("period")),
    )


# What the shapes have in common


def _reason_data(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the reason rests on: JSON in a string, and absent from some kinds of alarm."""
    try:
        return _dict(load_json(_text(state, "reasonData")))
    except json.JSONDecodeError:
        return {}


def _contributor(thing: Mapping[str, Any]) -> dict[str, str]:
    """Return the attributes of the one series that a grouped alarm speaks of, if it does."""
    inside = ("attributes", "contributorAttributes", "ContributorAttributes")
    around = ("alarmContributor", "AlarmContributor", "contributor", "Contributor")
    beside = ("contributorAttributes", "AlarmContributorAttributes", "ContributorAttributes")
    places = [_dict(thing.get(outer)).get(inner) for outer in around for inner in inside]
    places += [thing.get(key) for key in beside]
    return dict(_dimensions(next((place for place in map(_dict, places) if place), {})))


def _grouped_origin(queries: list[dict[str, Any]], key: str, period: str) -> Origin | None:
    """Return what a Metrics Insights query reads; the contributor adds whose series it is."""
    for query in queries:
        if found := re.search(_INSIGHTS, _text(query, key)):
            statistic = _STATISTICS[found["stat"].upper()]
            return MetricOrigin(
                found["namespace"], found["metric"], (), statistic, _period(query.get(period)), True
            )
    return None


def _is_grouped(queries: list[dict[str, Any]], key: str) -> bool:
    return any(re.search(_INSIGHTS, _text(query, key)) for query in queries)


def _is_computed(queries: list[dict[str, Any]], key: str) -> bool:
    expressions = [_text(query, key) for query in queries]
    return any(text and not re.search(_INSIGHTS, text) for text in expressions)


def _only(queries: list[dict[str, Any]], key: str) -> dict[str, Any] | None:
    """Return the one series that is read, or None: no single one of several can be read again."""
    stats = [stat for stat in (_dict(query.get(key)) for query in queries) if stat]
    return stats[0] if len(stats) == 1 else None


# Pieces


def _state(value: object) -> str:
    if value not in STATES:
        raise UnreadableAlarmError(f"state {value!r:.40}; expected one of {', '.join(STATES)}")
    return str(value)


def _moment(text: object, now: datetime) -> datetime:
    moment = read_moment(text, now)
    if moment is None:
        raise UnreadableAlarmError(f"no usable time of the state change: {text!r:.40}")
    return moment


def _required(thing: Mapping[str, Any], key: str) -> str:
    if not (value := _text(thing, key)):
        raise UnreadableAlarmError(f"no {key}")
    return value


def _text(thing: Mapping[str, Any], key: str) -> str:
    value = thing.get(key)
    return value[:LONGEST_TEXT] if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    return float(value) if usable else None  # type: ignore[arg-type]


def _period(value: object) -> int:
    usable = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LONGEST_PERIOD
    return value if usable else 60  # type: ignore[return-value]


def _dimensions(found: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    pairs = sorted((excerpt(key), excerpt(value)) for key, value in found.items())
    return tuple(pairs[:MOST_DIMENSIONS])


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
