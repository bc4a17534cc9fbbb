"""Reads what bears on one incident, bounded; what cannot be read is said, and stops nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from math import isfinite

from autorecovery.analysis.stage import HISTORY, Analyst, Looker
from autorecovery.config import Fields
from autorecovery.models.history import Case
from autorecovery.models.incident import Attempt, Entry, Incident
from autorecovery.models.reason import Reason, Verdict
from autorecovery.models.rule import MetricCondition
from autorecovery.models.scorecard import Scorecard, scorecards
from autorecovery.models.signal import LogOrigin, MetricOrigin
from autorecovery.ports import Datapoint, LogLine, OpenIncident
from autorecovery.records import values_in_line

BEFORE = timedelta(minutes=30)
"""How long before the breach a metric is looked at; twelve of its periods, where that is longer."""

LINES_BEFORE = timedelta(minutes=10)
LINES_AFTER = timedelta(minutes=5)
SOURCES = 3
"""Log groups looked through for the stream of a machine."""

PAST = 20
"""Earlier cases of this rule on this target."""

CLOCKS_DIFFER = timedelta(hours=1)
"""A clock that was set back may have written an attempt down before its incident."""


@dataclass(frozen=True, slots=True)
class PastCase:
    """An earlier case, and what was run in it."""

    case: Case
    helped: tuple[str, ...]
    """Scripts after which fresh data was healthy."""
    failed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """All that was found about one incident."""

    now: datetime
    incident: Incident
    points: tuple[Datapoint, ...] = ()
    spoilt: int = 0
    """Datapoints that are no finite numbers."""
    lines: tuple[LogLine, ...] = ()
    story: tuple[Entry, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    """Of this incident, oldest first."""
    past: tuple[PastCase, ...] = ()
    cards: tuple[Scorecard, ...] = ()
    neighbours: tuple[OpenIncident, ...] = ()
    """Other incidents that are open on the same target."""
    unread: tuple[str, ...] = ()


def gather(incident: Incident, app: Analyst) -> Findings:
    """Return what is known of this incident now."""
    now, looker = app.clock(), Looker()
    lines = _lines(incident, app, looker)
    points = _points(incident, lines, app, looker)
    finite = tuple(point for point in points if isfinite(point.value))
    attempts = looker.see("what was run", lambda: _attempts(incident, app))
    ran = looker.see(
        "the rule's record", lambda: app.attempts.of_rule(incident.rule_name, now - HISTORY)
    )
    cases = looker.see("earlier cases", lambda: _cases(incident, now, app))
    return Findings(
        now=now,
        incident=incident,
        points=finite,
        spoilt=len(points) - len(finite),
        lines=tuple(_around(lines, incident.breached_at)),
        story=tuple(app.incidents.timeline(incident.id)),
        attempts=attempts,
        past=tuple(_past(case, ran) for case in cases),
        cards=looker.see("scorecards", lambda: _cards(incident, ran, now, app)),
        neighbours=looker.see("open incidents", lambda: _neighbours(incident, app)),
        unread=tuple(looker.unread),
    )


def _lines(incident: Incident, app: Analyst, looker: Looker) -> Sequence[LogLine]:
    """Return the lines of the incident's own stream, or of the streams named after its machine."""
    since = incident.breached_at - _looked_back(incident)
    if isinstance(incident.signal.origin, LogOrigin):
        own = incident.signal.origin
        return looker.see("its log", lambda: app.metrics.lines(own, since))
    found: list[LogLine] = []
    for source in app.configuration.sources.logs[:SOURCES]:
        origin = LogOrigin(source.group, incident.target.host)
        what = f"log group {source.group}"
        found += looker.see(what, partial(app.metrics.lines, origin, since))
    return sorted(found, key=lambda line: line.at)


def _points(
    incident: Incident, lines: Sequence[LogLine], app: Analyst, looker: Looker
) -> Sequence[Datapoint]:
    origin, since = incident.signal.origin, incident.breached_at - _looked_back(incident)
    when = incident.rule.when if incident.rule else None
    if isinstance(origin, MetricOrigin):
        return looker.see("its metric", lambda: app.metrics.datapoints(origin, since))
    if isinstance(origin, LogOrigin) and isinstance(when, MetricCondition):
        sources = app.configuration.sources.logs
        fields = next((s.fields for s in sources if s.group == origin.group), Fields())
        return [
            Datapoint(line.at, value)
            for line in lines
            for target, value in values_in_line(line.message, when.metric, fields)
            if target in (None, incident.target.name)
        ]
    return ()


def _looked_back(incident: Incident) -> timedelta:
    origin = incident.signal.origin
    seconds = origin.period_seconds if isinstance(origin, MetricOrigin) else 0
    return max(BEFORE, timedelta(seconds=12 * seconds))


def _around(lines: Sequence[LogLine], breach: datetime) -> Iterable[LogLine]:
    return (line for line in lines if breach - LINES_BEFORE <= line.at <= breach + LINES_AFTER)


def _attempts(incident: Incident, app: Analyst) -> tuple[Attempt, ...]:
    known = app.attempts.recent_on(incident.target, incident.opened_at - CLOCKS_DIFFER)
    mine = (attempt for attempt in known if attempt.incident_id == incident.id)
    return tuple(sorted(mine, key=lambda attempt: attempt.intended_at))


def _cases(incident: Incident, now: datetime, app: Analyst) -> tuple[Case, ...]:
    found = app.incidents.cases_on(incident.rule_name, incident.target.key, now - HISTORY, PAST + 1)
    real = (case for case in found if case.ended is not Reason.ECHO)
    return tuple(case for case in real if case.incident_id != incident.id)[:PAST]


def _past(case: Case, ran: Sequence[Attempt]) -> PastCase:
    mine = [attempt for attempt in ran if attempt.incident_id == case.incident_id]
    return PastCase(
        case,
        helped=tuple(a.script for a in mine if a.verdict is Verdict.VERIFIED),
        failed=tuple(a.script for a in mine if a.verdict is Verdict.NOT_RECOVERED),
    )


def _cards(
    incident: Incident, ran: Sequence[Attempt], now: datetime, app: Analyst
) -> tuple[Scorecard, ...]:
    cases = app.incidents.cases(incident.rule_name, now - HISTORY, 10 * PAST)
    return tuple(scorecards(incident.rule_name, ran, cases, now))


def _neighbours(incident: Incident, app: Analyst) -> tuple[OpenIncident, ...]:
    return tuple(
        other
        for other in app.incidents.open_incidents()
        if other.target_key == incident.target.key and other.incident_id != incident.id
    )
