"""Levels: which values are above their limits, for long enough, and when they are well again."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "OK"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"


RANK = {Level.OK: 0, Level.WARNING: 1, Level.CRITICAL: 2}

USUAL_CRITICAL = 95.0
CLEARS_BELOW = 10.0
"""Points under the warning limit, unless configured; half the limit where that is less."""
STAYS_CRITICAL = 2.0
"""Points by which a critical value must fall before it is a mere warning."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Above `warning` is WARNING, above `critical` CRITICAL, each once it has lasted."""

    warning: float
    critical: float
    clear_below: float
    lasting: float = 0.0
    """Seconds."""

    @classmethod
    def derived(
        cls,
        warning: float,
        critical: float | None = None,
        clear_below: float | None = None,
        lasting: float = 0.0,
    ) -> "Limit":
        """Return a limit in which all that was not said follows from the warning."""
        if critical is None:
            critical = USUAL_CRITICAL if warning < USUAL_CRITICAL else (warning + 100) / 2
        if clear_below is None:
            clear_below = warning - min(CLEARS_BELOW, warning / 2)
        return cls(warning, critical, clear_below, lasting)

    def level(self, value: float) -> Level:
        """Return the level of a value by itself, whatever was before."""
        if value > self.critical:
            return Level.CRITICAL
        return Level.WARNING if value > self.warning else Level.OK


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one value of one object stands."""

    level: Level = Level.OK
    since: float = 0.0
    """When this level began; seconds since the epoch."""
    above_warning: float | None = None
    """Since when it has been above that limit; seconds of the monotonic clock."""
    above_critical: float | None = None


def judge(before: Standing, limit: Limit, value: float, at: float, monotonic: float) -> Standing:
    """Return where the value stands now; `at` is the wall clock, `monotonic` measures durations."""
    warning = _above_since(before.above_warning, value > limit.warning, monotonic)
    critical = _above_since(before.above_critical, value > limit.critical, monotonic)
    level = _settled(before.level, limit, value)
    for reached, above in ((Level.WARNING, warning), (Level.CRITICAL, critical)):
        if above is not None and monotonic - above >= limit.lasting and RANK[reached] > RANK[level]:
            level = reached
    since = before.since if level is before.level else at
    return Standing(level, since, warning, critical)


def _above_since(before: float | None, is_above: bool, monotonic: float) -> float | None:
    if not is_above:
        return None
    return monotonic if before is None else before


def _settled(level: Level, limit: Limit, value: float) -> Level:
    """Return what is left of a level: it falls with hysteresis."""
    if level is Level.CRITICAL and value > limit.critical - STAYS_CRITICAL:
        return Level.CRITICAL
    if level is not Level.OK and value >= limit.clear_below:
        return Level.WARNING
    return Level.OK


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of all metrics, and of single objects: a mount, a container."""

    by_metric: Mapping[str, Limit]
    by_object: Mapping[tuple[str, str], Limit]
    """By metric and object."""

    def of(self, metric: str, name: str = "") -> Limit | None:
        """Return the limit of this metric of this object, the object's own if it has one."""
        return self.by_object.get((metric, name)) or self.by_metric.get(metric)


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that people or rules may want to know of, at a level, in words."""

    kind: str
    """limit · container_state · container_unhealthy · container_restarting · container_oom ·
    containers_missing"""
    level: Level
    words: str
    since: float
    metric: str = ""
    name: str = ""
    """The mount or container; empty for the host."""
    value: float | None = None
    limit: float | None = None
    momentary: bool = False
    """It happened, and is told once; else it lasts until it is told as OK."""


class Watch:
    """Remembers where every value stands; tells what is not OK, and once what has become so."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._standings: dict[tuple[str, str], Standing] = {}

    def see(
        self, values: Iterable[tuple[str, str, float]], at: float, monotonic: float
    ) -> list[Condition]:
        """Return the conditions after these values: metric, object, value.

        What was not seen this time stays as it was: a gap is neither well nor worse.
        """
        conditions = []
        for metric, name, value in values:
            limit = self._limits.of(metric, name)
            if limit is None:
                continue
            before = self._standings.get((metric, name), Standing(since=at))
            standing = judge(before, limit, value, at, monotonic)
            self._standings[metric, name] = standing
            if standing.level is not Level.OK or before.level is not Level.OK:
                conditions.append(_condition(metric, name, value, limit, standing))
        return conditions

    def keep_only(
        self, metrics: Collection[str], names: Collection[str], at: float
    ) -> list[Condition]:
        """Forget the objects of these metrics that are gone; their problems end with them."""
        gone = [key for key in self._standings if key[0] in metrics and key[1] not in names]
        ended = [key for key in gone if self._standings[key].level is not Level.OK]
        for key in gone:
            del self._standings[key]
        return [
            Condition("limit", Level.OK, f"{metric} of {name}: it is gone", at, metric, name)
            for metric, name in ended
        ]

    def is_near(self, values: Iterable[tuple[str, str, float]]) -> bool:
        """Return whether a value is near its limit, which is where a problem is cleared."""
        limited = ((self._limits.of(metric, name), value) for metric, name, value in values)
        return any(limit is not None and value >= limit.clear_below for limit, value in limited)


def _condition(metric: str, name: str, value: float, limit: Limit, standing: Standing) -> Condition:
    crossed = limit.critical if standing.level is Level.CRITICAL else limit.warning
    whose = f"{metric} of {name}" if name else metric
    if standing.level is Level.OK:
        words = f"{whose} is {value:.1f}, below {limit.clear_below:g} again"
    else:
        words = f"{whose} is {value:.1f}, its limit {crossed:g}"
    return Condition("limit", standing.level, words, standing.since, metric, name, value, crossed)
