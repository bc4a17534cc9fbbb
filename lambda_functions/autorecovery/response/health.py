"""Whether fresh observations show health. Judging touches nothing; reading asks the source."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from math import inf

from autorecovery.config import Configuration, Fields
from autorecovery.models.incident import Incident
from autorecovery.models.reason import Verdict
from autorecovery.models.rule import Frequency, LogCondition, MetricCondition, StateCondition
from autorecovery.models.signal import (
    EventOrigin,
    LogOrigin,
    MetricOrigin,
    Origin,
    SignalKind,
    TargetKind,
)
from autorecovery.ports import Datapoint, LogLine, MetricReader
from autorecovery.records import matches_line, values_in_line

SILENCE = timedelta(minutes=5)
"""How old the newest sample may be and still speak for the present; CloudWatch takes minutes."""


class Health(StrEnum):
    """What one observation says; between the limit and the clearing value it says neither."""

    HEALTHY = "healthy"
    UNCLEAR = "unclear"
    BREACHING = "breaching"


@dataclass(frozen=True, slots=True)
class Sample:
    """One fresh observation of what an incident is about."""

    at: datetime
    value: float
    health: Health


@dataclass(frozen=True, slots=True)
class Reading:
    """Fresh samples, oldest first, and the period that each of them stands for."""

    samples: tuple[Sample, ...]
    period: timedelta

    @property
    def healthy_since(self) -> datetime | None:
        """Return when the unbroken run of health that reaches to the newest sample began."""
        start = None
        for sample in reversed(self.samples):
            if sample.health is not Health.HEALTHY:
                break
            start = sample.at
        return start

    def shows_health(self, lasting: timedelta, now: datetime) -> bool:
        """Return whether the samples have all been healthy for so long, up to the present.

        A target that was healthy and then fell silent is not: a dead host goes quiet.
        """
        start = self.healthy_since
        if start is None:
            return False
        end = self.samples[-1].at + self.period
        return end - start >= lasting and now - end <= max(3 * self.period, SILENCE)


def judge(
    reading: Reading, healthy_for: timedelta, now: datetime, *, time_is_up: bool
) -> Verdict | None:
    """Return the verdict that the samples allow, or None while it is too early for one.

    Failure takes a sample that breaches at the end of the time; no data is no news, good or bad.
    """
    if reading.shows_health(healthy_for, now):
        return Verdict.VERIFIED
    if not time_is_up:
        return None
    if reading.samples and reading.samples[-1].health is Health.BREACHING:
        return Verdict.NOT_RECOVERED
    return Verdict.INCONCLUSIVE


def read_health(
    incident: Incident, since: datetime, configuration: Configuration, reader: MetricReader
) -> Reading:
    """Return what can be read of the incident's subject since then, from where its signal came.

    Without anything to read again (a composite alarm, a Health event) there are no samples.
    """
    origin = origin_to_read(incident, configuration)
    if isinstance(origin, MetricOrigin):
        assess = _assessment_of_values(incident)
        points = reader.datapoints(origin, since) if assess else ()
        samples = tuple(Sample(p.at, p.value, assess(p.value)) for p in points) if assess else ()
        return Reading(samples, timedelta(seconds=origin.period_seconds))
    if isinstance(origin, LogOrigin):
        return Reading(_read_lines(incident, origin, since, configuration, reader), timedelta())
    return Reading((), timedelta())


def moved_to(successor: str, incident: Incident) -> Incident:
    """Return the incident as it would be on the machine that took the target's place.

    The same metric with the other machine's id, the log stream that carries it in its name; what
    names no machine cannot be followed, and cannot be read.
    """
    old, target = incident.target.name, replace(incident.target, name=successor)
    origin = _origin_of_successor(incident.signal.origin, old, successor)
    return replace(incident, target=target, signal=replace(incident.signal, origin=origin))


def _origin_of_successor(origin: Origin, old: str, successor: str) -> Origin:
    nowhere = EventOrigin("replaced")
    if isinstance(origin, MetricOrigin):
        dimensions = tuple((k, successor if v == old else v) for k, v in origin.dimensions)
        moved = dimensions != origin.dimensions
        return replace(origin, dimensions=dimensions) if moved else nowhere
    if isinstance(origin, LogOrigin):
        stream = origin.stream.replace(old, successor)
        return replace(origin, stream=stream) if old in origin.stream else nowhere
    return origin


def can_be_read(incident: Incident, configuration: Configuration) -> bool:
    """Return whether what the incident is about can be measured again."""
    origin = origin_to_read(incident, configuration)
    if isinstance(origin, MetricOrigin):
        return _assessment_of_values(incident) is not None
    return isinstance(origin, LogOrigin)


def period_of(incident: Incident, configuration: Configuration) -> timedelta:
    """Return how long a time each sample stands for; nothing where samples are moments."""
    origin = origin_to_read(incident, configuration)
    seconds = origin.period_seconds if isinstance(origin, MetricOrigin) else 0
    return timedelta(seconds=seconds)


def origin_to_read(incident: Incident, configuration: Configuration) -> Origin:
    """Return where to read again: the signal's own origin, or the metric that stands for it."""
    origin = incident.signal.origin
    if isinstance(origin, MetricOrigin | LogOrigin):
        return origin
    when = incident.rule.when if incident.rule else None
    instance = (("InstanceId", incident.target.name),)
    if incident.signal.kind is SignalKind.ALARM:
        return origin  # of a computed series: only the alarm itself can say that it is over
    if incident.target.kind is TargetKind.INSTANCE and isinstance(when, MetricCondition):
        namespace = configuration.namespace_of(when.metric, when.namespace)
        dimensions = tuple(sorted({**dict(instance), **when.dimensions}.items()))
        period = round(when.period.total_seconds())
        # An agent's series have dimensions of their own beside the instance.
        many = namespace not in ("AWS/EC2", configuration.metrics_namespace)
        return MetricOrigin(namespace, when.metric, dimensions, when.statistic, period, many)
    if incident.target.kind is TargetKind.INSTANCE and _is_about_running(when):
        return MetricOrigin("AWS/EC2", "StatusCheckFailed", instance, "Maximum", 60)
    return origin


def _is_about_running(when: object) -> bool:
    """Return whether a rule is about an instance not running: its status check says when it is.

    A Spot interruption or a Health event is not undone by a machine that still answers.
    """
    return isinstance(when, StateCondition) and when.is_about_running


def _assessment_of_values(incident: Incident) -> Callable[[float], Health] | None:
    """Return how to read a value: by the rule's limits, or by the limit that the alarm watches."""
    when = incident.rule.when if incident.rule else None
    if isinstance(when, MetricCondition):
        condition = when
        return lambda value: (
            Health.HEALTHY
            if condition.is_healthy(value)
            else Health.BREACHING
            if condition.level_of(value)
            else Health.UNCLEAR
        )
    if isinstance(when, StateCondition):
        return lambda value: Health.HEALTHY if value < 1 else Health.BREACHING
    threshold, falls_below = incident.signal.threshold, incident.signal.falls_below
    if threshold is None:
        return None
    return lambda value: (
        Health.BREACHING
        if (value <= threshold if falls_below else value >= threshold)
        else Health.HEALTHY
    )


def _read_lines(
    incident: Incident,
    origin: LogOrigin,
    since: datetime,
    configuration: Configuration,
    reader: MetricReader,
) -> tuple[Sample, ...]:
    when = incident.rule.when if incident.rule else None
    lines = reader.lines(origin, since)
    if isinstance(when, LogCondition):
        return tuple(_count_matches(when, lines, since))
    assess = _assessment_of_values(incident)
    if not isinstance(when, MetricCondition) or assess is None:
        return ()
    fields = next(
        (s.fields for s in configuration.sources.logs if s.group == origin.group), Fields()
    )
    own = {incident.target.name}
    points = [
        Datapoint(line.at, value)
        for line in lines
        for target, value in values_in_line(line.message, when.metric, fields)
        # The stream of an instance may name nobody, or its host name: the lines are still its own.
        if target is None or target in own or incident.target.kind is TargetKind.INSTANCE
    ]
    return tuple(Sample(point.at, point.value, assess(point.value)) for point in points)


def _count_matches(
    when: LogCondition, lines: Sequence[LogLine], since: datetime
) -> Iterator[Sample]:
    """Yield, for every line, how many matches the window that it ends holds.

    Lines that do not match are needed too: a stream that fell silent proves nothing.
    """
    matches: deque[datetime] = deque()
    for line in lines:
        if matches_line(line.message, when.log):
            matches.append(line.at)
        while matches and line.at - matches[0] > when.count.window:
            matches.popleft()
        health = _assess_count(len(matches), when.count, line.at - since)
        yield Sample(line.at, float(len(matches)), health)


def _assess_count(count: int, limit: Frequency, watched: timedelta) -> Health:
    """Return what so many matches say, after watching for so long.

    While less than a whole window was watched, only a share of the limit counts as healthy: errors
    that go on as before must not look cured because counting began anew.
    """
    if count >= limit.count:
        return Health.BREACHING
    share = min(watched / limit.window, 1.0) if limit.window else 1.0
    return Health.HEALTHY if count == 0 or count < limit.count * share else Health.UNCLEAR


def describe_samples(samples: Sequence[Sample]) -> str:
    """Return how many samples there are and between which values they lie."""
    if not samples:
        return "no data"
    values = [sample.value for sample in samples]
    low, high = min(values, default=inf), max(values, default=-inf)
    spread = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    count = f"{len(samples)} datapoint" + ("s" if len(samples) > 1 else "")
    return f"{count}, {spread}"
