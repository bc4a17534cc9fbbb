"""Which CloudWatch alarms the rules need: plain values, made of the configuration alone."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from autorecovery.config import Configuration
from autorecovery.models.reason import Level
from autorecovery.models.rule import AbsenceCondition, MetricCondition, Rule, alarm_marker
from infra.configuration import UnsupportedRuleError

INSTANCE = "InstanceId"
EC2 = "AWS/EC2"
EC2_PERIOD = 300
"""Every instance has EC2 metrics every five minutes, with detailed monitoring or without."""

MINUTE = 60
LONGEST_QUERY = timedelta(hours=3)
LONGEST_WINDOW = timedelta(days=1)

MISSING, NOT_BREACHING, BREACHING = "missing", "notBreaching", "breaching"
AT_LEAST, AT_MOST = "GreaterThanOrEqualToThreshold", "LessThanOrEqualToThreshold"

_FUNCTIONS = {
    "Average": "AVG", "Sum": "SUM", "Minimum": "MIN", "Maximum": "MAX", "SampleCount": "COUNT",
}  # fmt: skip
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of one instance, or a query that has a series for each of many."""

    namespace: str
    metric: str
    statistic: str
    period: int
    dimensions: dict[str, str] = field(default_factory=dict)
    query: str | None = None


@dataclass(frozen=True, slots=True)
class AlarmPlan:
    """One alarm: what is measured, what counts as bad for how long, and what it says."""

    id: str
    description: str
    series: Series
    comparison: str
    threshold: float
    datapoints_to_alarm: int
    evaluation_periods: int
    missing_data: str
    level: Level
    warning: str | None = None
    """What whoever deploys should know about this alarm."""


def plan_alarms(configuration: Configuration) -> list[AlarmPlan]:
    """Return an alarm per metric or absence rule, level, and instance (or one for all of them)."""
    return [plan for rule in configuration.rules.values() for plan in _of_rule(rule, configuration)]


def _of_rule(rule: Rule, configuration: Configuration) -> Iterator[AlarmPlan]:
    condition = rule.when
    if isinstance(condition, MetricCondition):
        for level in (Level.WARNING, Level.CRITICAL):
            limit = condition.warning if level is Level.WARNING else condition.critical
            if limit is not None:
                for instance in condition.instances or (None,):
                    yield _metric_alarm(rule.name, condition, level, limit, instance, configuration)
    elif isinstance(condition, AbsenceCondition):
        for instance in condition.instances or (None,):
            yield _absence_alarm(rule.name, condition, instance, configuration)


# A metric past a limit


def _metric_alarm(
    rule: str,
    condition: MetricCondition,
    level: Level,
    limit: float,
    instance: str | None,
    configuration: Configuration,
) -> AlarmPlan:
    namespace = configuration.namespace_of(condition.metric, condition.namespace)
    series = _series(rule, condition, namespace, _period(rule, condition), instance, configuration)
    needed, window = _sustained(condition, series.period)
    _refuse_long_windows(rule, series, window)
    from_logs = namespace == configuration.metrics_namespace
    above = condition.direction == "above"
    return AlarmPlan(
        id="-".join(part for part in (rule, str(level), instance) if part),
        description=_describe(
            rule, level,
            f"{condition.metric} of {_whose(instance, configuration)} is"
            f" {'at least' if above else 'at most'} {limit:,.12g},"
            f" {needed} of {window} times within {series.period * window} s.",
        ),
        series=series,
        comparison=AT_LEAST if above else AT_MOST,
        threshold=limit,
        datapoints_to_alarm=needed,
        evaluation_periods=window,
        # Log lines come when they come. A machine that measures itself and stops has not healed.
        missing_data=NOT_BREACHING if from_logs else MISSING,
        level=level,
    )  # fmt: skip


def _period(rule: str, condition: MetricCondition) -> int:
    seconds = condition.period.total_seconds()
    if seconds not in (10, 20, 30) and (seconds < MINUTE or seconds % MINUTE):
        raise UnsupportedRuleError(
            rule, f"period is {seconds:g} s; CloudWatch takes 10, 20, 30 or whole minutes"
        )
    return int(seconds)


def _sustained(condition: MetricCondition, period: int) -> tuple[int, int]:
    """Return how many datapoints of how many must be bad."""
    if condition.sustained is None:
        return 1, 1
    count = condition.sustained.count
    return count, max(count, int(condition.sustained.window.total_seconds() // period))


def _refuse_long_windows(rule: str, series: Series, periods: int) -> None:
    window = timedelta(seconds=series.period * periods)
    longest = LONGEST_QUERY if series.query else LONGEST_WINDOW
    if window > longest:
        raise UnsupportedRuleError(
            rule, f"CloudWatch looks back {longest} at most, and it asks for {window}"
        )


# A metric that stops


def _absence_alarm(
    rule: str, condition: AbsenceCondition, instance: str | None, configuration: Configuration
) -> AlarmPlan:
    namespace = configuration.namespace_of(condition.absence, condition.namespace)
    period = EC2_PERIOD if namespace == EC2 else MINUTE
    presence = MetricCondition(
        metric=condition.absence, namespace=namespace, dimensions=condition.dimensions,
        statistic="SampleCount", direction="below", critical=0,
    )  # fmt: skip
    series = _series(rule, presence, namespace, period, instance, configuration)
    silent = max(1, math.ceil(condition.lasting.total_seconds() / period))
    # A series of a query exists only while the window holds data: twice as long a window leaves
    # time in which the instance is silent, and still seen to be.
    window = 2 * silent if series.query else silent
    _refuse_long_windows(rule, series, window)
    return AlarmPlan(
        id="-".join(part for part in (rule, str(condition.level), instance) if part),
        description=_describe(
            rule, condition.level,
            f"{condition.absence} of {_whose(instance, configuration)}"
            f" has not come for {silent * period} s.",
        ),
        series=series,
        comparison=AT_MOST,
        threshold=0,
        datapoints_to_alarm=silent,
        evaluation_periods=window,
        missing_data=BREACHING,
        level=condition.level,
        warning=_UNCERTAIN.format(rule=rule) if series.query else None,
    )  # fmt: skip


_UNCERTAIN = (
    "rule {rule} names no instances: CloudWatch tells of a silent instance only while the window of"
    " its query still holds data of it, and not at all of one that was silent before. Name the"
    " instances that must not go quiet; see docs/deploy.md"
)


# The series, and the words


def _series(
    rule: str,
    condition: MetricCondition,
    namespace: str,
    period: int,
    instance: str | None,
    configuration: Configuration,
) -> Series:
    # EC2 and our filters use the dimensions we know. An agent adds more as it is configured, and an
    # alarm on a metric that is not spelled out in full would wait for data for ever.
    spelled_out = namespace in (EC2, configuration.metrics_namespace)
    dimensions = dict(sorted(condition.dimensions.items()))
    if instance and spelled_out:
        return Series(
            namespace, condition.metric, condition.statistic, period,
            {INSTANCE: instance, **dimensions},
        )  # fmt: skip
    if instance:
        dimensions = {INSTANCE: instance, **dimensions}
    _refuse_what_queries_cannot(rule, condition, period)
    schema = ", ".join([_quoted(namespace), *(_name(d) for d in sorted({INSTANCE, *dimensions}))])
    return Series(
        namespace, condition.metric, condition.statistic, period,
        query=_query(
            condition, f"SCHEMA({schema})" if spelled_out else _quoted(namespace), dimensions
        ),
    )  # fmt: skip


def _query(condition: MetricCondition, source: str, dimensions: dict[str, str]) -> str:
    function = _FUNCTIONS[condition.statistic]
    where = " AND ".join(f"{_name(name)} = '{value}'" for name, value in dimensions.items())
    worst_first = "DESC" if condition.direction == "above" else "ASC"
    return (
        f"SELECT {function}({_name(condition.metric)}) FROM {source}"
        f"{f' WHERE {where}' if where else ''}"
        f" GROUP BY {INSTANCE} ORDER BY {function}() {worst_first}"
    )


def _refuse_what_queries_cannot(rule: str, condition: MetricCondition, period: int) -> None:
    if condition.statistic not in _FUNCTIONS:
        raise UnsupportedRuleError(
            rule, f"{condition.statistic} needs `instances`; over all of them there are only"
            f" {', '.join(_FUNCTIONS)}",
        )  # fmt: skip
    if period < MINUTE:
        raise UnsupportedRuleError(
            rule, "a period below 1m needs `instances`; over all of them data is kept by the minute"
        )
    texts = (condition.metric, *condition.dimensions, *condition.dimensions.values())
    if any("'" in text or '"' in text for text in texts):
        raise UnsupportedRuleError(rule, "names and values in a query cannot contain quotes")


def _name(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) else _quoted(name)


def _quoted(name: str) -> str:
    return f'"{name}"'


def _whose(instance: str | None, configuration: Configuration) -> str:
    return f"{instance or 'an instance'} ({configuration.service})"


def _describe(rule: str, level: Level, sentence: str) -> str:
    return f"{sentence}\n{alarm_marker(rule, level)}"
