"""What happened in a day or a week, counted from the memory of incidents, attempts and notices."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median_low

from autorecovery.models.canary import CANARY
from autorecovery.models.delivery import Outcome, Record
from autorecovery.models.digest import Digest, Noise, Open, Suppressed, Trend, Undelivered
from autorecovery.models.incident import Attempt, Incident
from autorecovery.models.reason import Reason, Verdict
from autorecovery.models.scorecard import Scorecard, scorecards
from autorecovery.ports import AttemptLog, IncidentLog, NoticeLog

MOST = 1000
"""Incidents and notices looked through; a storm of more is told as `at least`."""

NOISIEST = 10

RECORD = timedelta(days=30)
"""How far back a scorecard reaches, whatever the digest's own span."""


@dataclass(frozen=True)
class Memory:
    """Where a digest is counted from."""

    incidents: IncidentLog
    attempts: AttemptLog
    notices: NoticeLog


def gather_digest(
    since: datetime, until: datetime, memory: Memory, trends: Sequence[Trend] = ()
) -> Digest:
    """Return the digest of what began from `since` until before `until`; canaries do not count."""
    newest = memory.incidents.recent(MOST)
    incidents = [i for i in newest if since <= i.opened_at < until and i.rule_name != CANARY]
    attempts = list(_attempts(incidents, since, until, memory))
    took = sorted(_times(attempts, incidents))
    records = [r for r in memory.notices.query(since=since, limit=MOST) if r.notice.at < until]
    verdicts = Counter(attempt.verdict for attempt in attempts)
    return Digest(
        since=since,
        until=until,
        incidents=len(incidents),
        is_complete=len(newest) < MOST or newest[-1].opened_at < since,
        verified=verdicts[Verdict.VERIFIED],
        failed=verdicts[Verdict.NOT_RECOVERED],
        unclear=len(attempts) - verdicts[Verdict.VERIFIED] - verdicts[Verdict.NOT_RECOVERED],
        healed=_healed(incidents, since, memory),
        median_to_recover=median_low(took) if took else None,
        worst_to_recover=took[-1] if took else None,
        noisiest=tuple(_noisiest(incidents)),
        still_open=tuple(_still_open(memory)),
        suppressed=tuple(_suppressed(records)),
        scorecards=tuple(_scorecards(incidents, until, memory)),
        undelivered=tuple(_undelivered(records)),
        notices=len(records),
        trends=tuple(trends),
    )


def _rules(incidents: Iterable[Incident]) -> list[str]:
    return sorted({incident.rule_name for incident in incidents})


def _attempts(
    incidents: Sequence[Incident], since: datetime, until: datetime, memory: Memory
) -> Iterable[Attempt]:
    for rule_name in _rules(incidents):
        for attempt in memory.attempts.of_rule(rule_name, since):
            if attempt.intended_at < until:
                yield attempt


def _times(attempts: Iterable[Attempt], incidents: Iterable[Incident]) -> Iterable[timedelta]:
    """Yield how long each verified recovery took, from the opening of its incident."""
    opened = {incident.id: incident.opened_at for incident in incidents}
    for attempt in attempts:
        if attempt.judgement and attempt.verdict is Verdict.VERIFIED:
            began = opened.get(attempt.incident_id, attempt.intended_at)
            yield max(attempt.judgement.at - began, timedelta())


def _healed(incidents: Sequence[Incident], since: datetime, memory: Memory) -> int:
    mine = {incident.id for incident in incidents}
    return sum(
        case.incident_id in mine and case.ended is Reason.HEALTHY_BY_ITSELF
        for rule_name in _rules(incidents)
        for case in memory.incidents.cases(rule_name, since, MOST)
    )


def _noisiest(incidents: Iterable[Incident]) -> Iterable[Noise]:
    targets: dict[str, list[str]] = {}
    for incident in incidents:
        targets.setdefault(incident.rule_name, []).append(incident.target.key)
    noises = (Noise(name, len(keys), len(set(keys))) for name, keys in targets.items())
    return sorted(noises, key=lambda noise: (-noise.incidents, noise.rule_name))[:NOISIEST]


def _still_open(memory: Memory) -> Iterable[Open]:
    for known in memory.incidents.open_incidents()[:MOST]:
        incident = memory.incidents.get(known.incident_id)
        if incident and not incident.is_closed and incident.rule_name != CANARY:
            yield Open(
                incident.id,
                incident.rule_name,
                incident.target.key,
                incident.level,
                incident.opened_at,
            )


def _suppressed(records: Iterable[Record]) -> Iterable[Suppressed]:
    counts = Counter(record.suppressed for record in records if record.suppressed)
    return (Suppressed(why, count) for why, count in counts.most_common())


def _scorecards(
    incidents: Sequence[Incident], until: datetime, memory: Memory
) -> Iterable[Scorecard]:
    for rule_name in _rules(incidents):
        attempts = memory.attempts.of_rule(rule_name, until - RECORD)
        cases = memory.incidents.cases(rule_name, until - RECORD, MOST)
        yield from scorecards(rule_name, attempts, cases, until)


def _undelivered(records: Iterable[Record]) -> Iterable[Undelivered]:
    for record in records:
        for delivery in record.deliveries:
            if delivery.outcome is Outcome.GIVEN_UP:
                notice = record.notice
                yield Undelivered(notice.at, notice.headline, delivery.via, delivery.detail)
