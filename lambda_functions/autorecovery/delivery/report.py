"""Everything that is known of one incident, gathered for the mail that tells how it ended."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from autorecovery.errors import ReadError
from autorecovery.models.analysis import Analysis
from autorecovery.models.delivery import Record
from autorecovery.models.durations import write_duration
from autorecovery.models.incident import Attempt, CommandState, Entry, EntryKind, Incident
from autorecovery.models.notice import Notice
from autorecovery.models.reason import Reason, Verdict
from autorecovery.models.report import LimitLine, Measured, Moment, Report
from autorecovery.models.rule import LogCondition, MetricCondition
from autorecovery.models.wire import decode
from autorecovery.ports import AttemptLog, Clock, Datapoint, IncidentLog, NoticeLog

ANALYSIS = "analysis"
"""The key of the timeline's entry that holds an analysis, and of the fact that is one."""

BEFORE = timedelta(minutes=30)
"""How much of the time before an incident is shown."""

CLOCKS_DIFFER = timedelta(hours=1)

MOST_NOTICES = 200

Measure = Callable[[Incident, datetime], Sequence[Datapoint]]
"""Return what the incident is about as it was measured since then, oldest first."""


@dataclass(frozen=True)
class Archive:
    """Where a report is gathered from."""

    incidents: IncidentLog
    attempts: AttemptLog
    notices: NoticeLog
    measure: Measure
    clock: Clock


def gather_report(incident_id: str, archive: Archive) -> Report:
    """Return the report of this incident; LookupError where nobody knows it.

    What cannot be read just now is left out: a report without a chart is better than none.
    """
    incident = archive.incidents.get(incident_id)
    if incident is None:
        raise LookupError(f"no incident {incident_id}")
    story = tuple(archive.incidents.timeline(incident_id))
    attempts = _attempts(incident, archive)
    now = archive.clock()
    return Report(
        incident=incident,
        headline=_headline(incident, story, attempts, now),
        is_over=_is_over(incident, story, attempts),
        at=now,
        story=story,
        what=_what(incident),
        samples=_samples(incident, archive),
        limits=_limits(incident),
        falls_below=_falls_below(incident),
        moments=tuple(_moments(incident, attempts)),
        attempts=attempts,
        analysis=_analysis(story),
        notices=tuple(_notices(incident, archive)),
    )


def _attempts(incident: Incident, archive: Archive) -> tuple[Attempt, ...]:
    recent = archive.attempts.recent_on(incident.target, incident.opened_at - CLOCKS_DIFFER)
    mine = (attempt for attempt in recent if attempt.incident_id == incident.id)
    return tuple(sorted(mine, key=lambda attempt: attempt.intended_at))


def _is_verified(attempts: Sequence[Attempt]) -> bool:
    return bool(attempts) and attempts[-1].verdict is Verdict.VERIFIED


def _is_over(incident: Incident, story: Sequence[Entry], attempts: Sequence[Attempt]) -> bool:
    """Return whether it is closed, or verified and not handed to a human since."""
    last = attempts[-1].judgement if attempts else None
    relapsed = last and any(e.kind is EntryKind.HANDED_OVER and e.at >= last.at for e in story)
    return incident.is_closed or (_is_verified(attempts) and not relapsed)


def _headline(
    incident: Incident, story: Sequence[Entry], attempts: Sequence[Attempt], now: datetime
) -> str:
    closed = next((e for e in reversed(story) if e.kind is EntryKind.CLOSED), None)
    lasted = write_duration((closed.at if closed else now) - incident.opened_at)
    if closed and closed.text.startswith(("closed by", f"closed: {Reason.CLOSED_BY_PERSON}")):
        ended = f"closed by a person after {lasted}"
    elif closed and closed.text.endswith(Reason.HEALTHY_BY_ITSELF):
        ended = f"healthy again after {lasted}"
    elif _is_over(incident, story, attempts) and _is_verified(attempts):
        ended = _helped(incident, attempts[-1])
    else:
        ended = f"closed after {lasted}" if closed else f"open for {lasted}"
    return f"{incident.target.name}: {ended}"


def _helped(incident: Incident, attempt: Attempt) -> str:
    assert attempt.judgement is not None, "verified attempts were judged"
    took = write_duration(attempt.judgement.at - incident.opened_at)
    if attempt.status.state is CommandState.UNKNOWN:
        return f"healthy again after {took}; whether {attempt.script} ran is unknown"
    return f"healthy again after {took}, {attempt.script} helped"


def _what(incident: Incident) -> str:
    when = incident.rule.when if incident.rule else None
    if isinstance(when, MetricCondition):
        return when.metric
    if isinstance(when, LogCondition):
        return f"lines of {incident.rule_name} within {write_duration(when.count.window)}"
    return incident.signal.name


def _samples(incident: Incident, archive: Archive) -> tuple[Measured, ...]:
    try:
        points = archive.measure(incident, incident.opened_at - BEFORE)
    except ReadError:
        return ()
    return tuple(Measured(point.at, point.value) for point in points)


def _limits(incident: Incident) -> tuple[LimitLine, ...]:
    when = incident.rule.when if incident.rule else None
    if isinstance(when, MetricCondition):
        named = (("warning", when.warning), ("critical", when.critical))
        return tuple(LimitLine(name, value) for name, value in named if value is not None)
    if isinstance(when, LogCondition):
        return (LimitLine(when.level, when.count.count),)
    threshold = incident.signal.threshold
    return () if threshold is None else (LimitLine(incident.level, threshold),)


def _falls_below(incident: Incident) -> bool:
    when = incident.rule.when if incident.rule else None
    if isinstance(when, MetricCondition):
        return when.direction == "below"
    return incident.signal.falls_below


def _moments(incident: Incident, attempts: Iterable[Attempt]) -> Iterable[Moment]:
    yield Moment("D", "detected", incident.opened_at)
    for attempt in attempts:
        yield Moment("R", f"{attempt.script} run", attempt.intended_at)
        if attempt.judgement:
            yield Moment("V", attempt.judgement.verdict, attempt.judgement.at)


def _analysis(story: Sequence[Entry]) -> Analysis | None:
    """Return the analysis that the story holds, if it holds one that can be read."""
    entry = next((entry for entry in story if entry.key == ANALYSIS), None)
    found = entry.facts.get(ANALYSIS) if entry else None
    if found is None:
        return None
    try:
        return decode(found if isinstance(found, str) else json.dumps(found), Analysis)
    except ValueError:
        return None


def _notices(incident: Incident, archive: Archive) -> list[Record]:
    since = incident.opened_at - CLOCKS_DIFFER
    records = archive.notices.query(since=since, limit=MOST_NOTICES)
    mine = [record for record in records if _is_about(record.notice, incident)]
    return sorted(mine, key=lambda record: record.notice.at)


def _is_about(notice: Notice, incident: Incident) -> bool:
    return incident.id in (notice.incident_id, notice.conversation)
