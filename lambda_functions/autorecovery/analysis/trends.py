"""Where a measurement is heading: a slope that a few wild days cannot bend, or that nobody can say.

Days are compared, not hours, so that nights and lunch breaks are no trend: of each day the median,
and of all pairs of days the median slope (Theil and Sen).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import combinations
from statistics import median

from autorecovery.config import Configuration
from autorecovery.models.digest import Trend
from autorecovery.models.readings import Row
from autorecovery.models.reason import Level
from autorecovery.models.rule import MetricCondition
from autorecovery.ports import HostHistory

WEEK, MONTH = timedelta(days=7), timedelta(days=30)
NEEDED = {WEEK: 5, MONTH: 15}
"""Days with data, for something to be said of such a span."""

LEAST_HOURS = 6
"""Of a day that counts."""

AGREED = 0.6
"""Share of pairs of days that must point the same way, less those that point the other: four of
five. Otherwise it goes up and down, and no day is named."""

AS_FAR_AGAIN = 3
"""How many times the span that was seen a forecast reaches at most."""


@dataclass(frozen=True, slots=True)
class TooShort:
    """Too little is known to say where it is heading."""

    target: str
    metric: str
    days: int
    needed: int

    def __str__(self) -> str:
        return f"{self.metric} of {self.target}: {self.days} days of data, {self.needed} are needed"


Point = tuple[datetime, float]


def trend(
    target: str, metric: str, points: Sequence[Point], limit: float, span: timedelta
) -> Trend | TooShort:
    """Return where the hourly points of such a span are heading, and when that is at the limit."""
    days = _medians(points)
    if len(days) < NEEDED[span]:
        return TooShort(target, metric, len(days), NEEDED[span])
    slopes = [
        (later - earlier) / (day - first).days
        for (first, earlier), (day, later) in combinations(days, 2)
    ]
    slope, value = median(slopes), median(value for _, value in days[-3:])
    left = _days_left(value, slope, limit) if _agree(slopes) else None
    within_reach = left is not None and left <= AS_FAR_AGAIN * span.days
    return Trend(target, metric, value, slope, limit, left if within_reach else None)


def trends(
    history: HostHistory, limits: Mapping[str, float], now: datetime, span: timedelta
) -> list[Trend | TooShort]:
    """Return what can be said of each host and each metric that has a limit."""
    return [each for host in history.hosts() for each in _of(host.name, history, limits, now, span)]


def limits_of(configuration: Configuration) -> dict[str, float]:
    """Return the metrics that rules keep from rising, each with its last limit."""
    conditions = [rule.when for rule in configuration.rules.values()]
    return {
        when.metric: when.limit_for(Level.CRITICAL)
        for when in conditions
        if isinstance(when, MetricCondition) and when.direction == "above"
    }


def approaching(found: Collection[Trend | TooShort]) -> tuple[Trend, ...]:
    """Return those that reach their limit, the nearest first."""
    known = [each for each in found if isinstance(each, Trend) and each.days_left is not None]
    return tuple(sorted(known, key=lambda each: each.days_left or 0.0))


def _of(
    host: str, history: HostHistory, limits: Mapping[str, float], now: datetime, span: timedelta
) -> Iterator[Trend | TooShort]:
    rows = history.rows(host, now - span, now, limit=10_000, seconds=3600, metrics=set(limits))
    for metric, limit in limits.items():
        points = _points(rows, metric)
        if points:
            yield trend(host, metric, points, limit, span)


def _points(rows: Sequence[Row], metric: str) -> list[Point]:
    return [(row.at, row.spreads[metric].mean) for row in rows if metric in row.spreads]


def _medians(points: Sequence[Point]) -> list[tuple[date, float]]:
    days: dict[date, list[float]] = {}
    for at, value in points:
        days.setdefault(at.date(), []).append(value)
    return [(day, median(days[day])) for day in sorted(days) if len(days[day]) >= LEAST_HOURS]


def _agree(slopes: Sequence[float]) -> bool:
    ups, downs = sum(slope > 0 for slope in slopes), sum(slope < 0 for slope in slopes)
    return abs(ups - downs) >= AGREED * len(slopes)


def _days_left(value: float, slope: float, limit: float) -> float | None:
    if value >= limit:
        return 0.0
    return (limit - value) / slope if slope > 0 else None
