"""What a metric did before and after the breach: numbers, and the words for them. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from statistics import median

from autorecovery.models.durations import write_duration
from autorecovery.models.incident import Incident
from autorecovery.models.rule import MetricCondition
from autorecovery.ports import Datapoint

SHOWN = 24
"""Numbers in which a whole series is told."""

AS_USUAL = 0.2
"""Nearer to the usual value than this share of the way to the worst one."""

_PERCENT = ("Utilization", "percent", "_pct")


@dataclass(frozen=True, slots=True)
class Course:
    """How a metric went over its limit, and whether it came back."""

    usual: float | None
    """The median before; None where nothing before was measured."""
    worst: float
    worst_at: datetime
    rose_within: timedelta | None
    """From the last datapoint that was as usual to the worst one."""
    newest: Datapoint
    is_back: bool
    """The newest datapoint lies within the limit again."""


def unit_of(metric: str) -> str:
    """Return the unit that a metric's name tells, with a space before it; nothing else is known."""
    return " %" if metric.endswith(_PERCENT) else ""


def limits_of(incident: Incident) -> str:
    """Return the limits that this incident is about, in words; nothing where there are none."""
    when = incident.rule.when if incident.rule else None
    if isinstance(when, MetricCondition):
        unit, beyond = unit_of(when.metric), "at or above" if _is_above(incident) else "at or below"
        parts = [
            f"{name} {beyond} {limit:g}{unit}"
            for name, limit in (("warning", when.warning), ("critical", when.critical))
            if limit is not None
        ]
        parts.append(f"healthy past {when.clearing_value:g}{unit}")
        if when.sustained:
            lasting = write_duration(when.sustained.window)
            parts.append(f"sustained {when.sustained.count} times within {lasting}")
        return ", ".join(parts)
    threshold = incident.signal.threshold
    beyond = "at or below" if incident.signal.falls_below else "at or above"
    return f"the alarm's limit: {beyond} {threshold:g}" if threshold is not None else ""


def course_of(points: Sequence[Datapoint], incident: Incident) -> Course | None:
    """Return how the metric went; None where nothing, or no limit, is known."""
    breaks = _limit_of(incident)
    if not points or breaks is None:
        return None
    breaching = [breaks(point.value) for point in points]
    first = next((i for i, broken in enumerate(breaching) if broken), None)
    before = points[:first] if first is not None else ()
    worst = _worst(points if first is None else points[first:], incident)
    usual = median(point.value for point in before) if before else None
    return Course(
        usual=usual,
        worst=worst.value,
        worst_at=worst.at,
        rose_within=_time_to(worst, usual, before) if usual is not None else None,
        newest=points[-1],
        is_back=first is not None and not breaching[-1],
    )


def tell_course(course: Course, metric: str) -> str:
    """Return the course in a sentence: from where to where, within how long, and where it is."""
    unit = unit_of(metric)
    now = f"newest {course.newest.value:g}{unit} at {_time(course.newest.at)}"
    if course.usual is None or course.rose_within is None:
        return f"{metric} was {course.worst:g}{unit} at {_time(course.worst_at)}; {now}"
    went = "rose" if course.worst >= course.usual else "fell"
    within = write_duration(course.rose_within)
    span = f"from {course.usual:g}{unit} to {course.worst:g}{unit}"
    return f"{metric} {went} {span} within {within}; {now}"


def tell_series(points: Sequence[Datapoint], incident: Incident) -> str:
    """Return the series in at most 24 numbers, each the worst of its share of the time."""
    share = ceil(len(points) / SHOWN)
    groups = [points[i : i + share] for i in range(0, len(points), share)]
    shown = [_worst(group, incident) for group in groups]
    extreme = "highest" if _is_above(incident) else "lowest"
    each = f"each the {extreme} of {share} datapoints" if share > 1 else "each datapoint"
    values = ", ".join(f"{_time(point.at)} {point.value:g}" for point in shown)
    return f"{len(points)} datapoints, {each} (UTC): {values}"


def _time_to(worst: Datapoint, usual: float, before: Sequence[Datapoint]) -> timedelta:
    near = abs(worst.value - usual) * AS_USUAL
    calm = [point.at for point in before if abs(point.value - usual) <= near]
    return worst.at - max(calm, default=before[0].at)


def _time(moment: datetime) -> str:
    return f"{moment:%H:%M:%S}"


def _is_above(incident: Incident) -> bool:
    when = incident.rule.when if incident.rule else None
    if isinstance(when, MetricCondition):
        return when.direction == "above"
    return not incident.signal.falls_below


def _worst(points: Sequence[Datapoint], incident: Incident) -> Datapoint:
    choose = max if _is_above(incident) else min
    return choose(points, key=lambda point: point.value)


def _limit_of(incident: Incident) -> Callable[[float], bool] | None:
    when, threshold = incident.rule.when if incident.rule else None, incident.signal.threshold
    if isinstance(when, MetricCondition):
        condition = when
        return lambda value: condition.level_of(value) is not None
    if threshold is None:
        return None
    if incident.signal.falls_below:
        return lambda value: value <= threshold
    return lambda value: value >= threshold
