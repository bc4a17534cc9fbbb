"""What was found about one incident, as pieces of evidence, the most valuable first. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from autorecovery.analysis.dossier import Draft
from autorecovery.analysis.gather import Findings, PastCase
from autorecovery.analysis.lines import quote
from autorecovery.analysis.measured import course_of, limits_of, tell_course, tell_series
from autorecovery.models.actions import is_action
from autorecovery.models.durations import write_duration
from autorecovery.models.incident import Attempt, Entry, EntryKind
from autorecovery.models.rule import MetricCondition
from autorecovery.models.scorecard import Scorecard
from autorecovery.models.signal import MetricOrigin
from autorecovery.notices.clauses import what_is_wrong

QUOTED_LINES = 10
QUOTED_LINE = 300
OUTPUT = 800
"""Characters of a script's output: its end."""

DECISIONS, CARDS, CASES, CHANGES = 2, 4, 8, 12

EXIT_CODES = {
    1: "it failed",
    2: "it was called wrongly, or a command in it was",
    64: "it refused: what it found did not allow it to act",
    69: "something it needs is not there",
    75: "it reached the machine too late and did nothing",
    124: "a command in it took too long",
    126: "a command in it may not be executed",
    127: "a command in it does not exist",
    137: "it was killed (signal 9), as the kernel does when memory runs out",
    139: "it crashed (signal 11)",
    143: "it was asked to stop (signal 15)",
}
"""What an exit code other than 0 means, by the convention of our scripts and of shells."""

_STATE_CHANGES = frozenset(
    {
        EntryKind.SIGNALLED, EntryKind.ANSWERED, EntryKind.ACKNOWLEDGED, EntryKind.ORDERED,
        EntryKind.HANDED_OVER, EntryKind.DEMOTED, EntryKind.CLOSED,
    }
)  # fmt: skip


def drafts_of(found: Findings) -> list[Draft]:
    """Return the evidence of one incident."""
    return [
        _subject(found),
        *_metric(found),
        *_lines(found),
        *_attempts(found.attempts),
        *_decisions(found.story),
        *_history(found.past),
        *(_scorecard(card) for card in found.cards[:CARDS]),
        *_changes(found),
        *_neighbours(found),
    ]


def _subject(found: Findings) -> Draft:
    incident = found.incident
    limits = limits_of(incident)
    return Draft(
        "limits",
        f"{what_is_wrong(incident)}. Level {incident.level}, state {incident.state},"
        f" rule {incident.rule_name}, opened {_moment(incident.opened_at)},"
        f" now {_moment(found.now)}." + (f" Limits: {limits}." if limits else ""),
    )


def _metric(found: Findings) -> Iterator[Draft]:
    if not found.points:
        return
    metric = metric_name(found)
    course = course_of(found.points, found.incident)
    told = f"{tell_course(course, metric)}. " if course else ""
    spoilt = f" {found.spoilt} more were no finite numbers." if found.spoilt else ""
    yield Draft("metric", f"{told}{tell_series(found.points, found.incident)}.{spoilt}")


def metric_name(found: Findings) -> str:
    """Return what is measured."""
    origin, rule = found.incident.signal.origin, found.incident.rule
    if isinstance(origin, MetricOrigin):
        return origin.metric
    when = rule.when if rule else None
    return when.metric if isinstance(when, MetricCondition) else found.incident.signal.name


def _lines(found: Findings) -> Iterator[Draft]:
    quoted = quote(found.lines, found.incident.breached_at, QUOTED_LINES)
    for each in quoted:
        times = f" ({each.times} of this shape)" if each.times > 1 else ""
        yield Draft("log", f"{each.first:%H:%M:%S}{times}: {each.text}")
    if not quoted:
        for line in found.incident.evidence:
            yield Draft("log", f"the line that tripped it: {line}")


def _attempts(attempts: Sequence[Attempt]) -> Iterator[Draft]:
    for attempt in attempts:
        status, judgement = attempt.status, attempt.judgement
        took = f", ended {_moment(status.ended_at)}" if status.ended_at else ""
        code = status.exit_code
        meaning = f" ({EXIT_CODES[code]})" if code in EXIT_CODES else ""
        exit_code = f", exit code {code}{meaning}" if code is not None else ""
        yield Draft(
            "attempt",
            f"{'action' if is_action(attempt.script) else 'script'} {attempt.script}"
            f"{_parameters(attempt)} begun {_moment(attempt.intended_at)}:"
            f" {status.state}{took}{exit_code}."
            + (f" Detail: {status.detail[:200]}." if status.detail else "")
            + (f" End of its output: {status.output[-OUTPUT:]}" if status.output else ""),
        )
        if judgement:
            yield Draft(
                "verification",
                f"after {attempt.script}: {judgement.verdict} on fresh data ({judgement.proof}),"
                f" {_moment(judgement.at)}",
            )


def _parameters(attempt: Attempt) -> str:
    given = ", ".join(f"{name}={value}" for name, value in attempt.parameters.items())
    return f" ({given})" if given else ""


def _decisions(story: Sequence[Entry]) -> Iterator[Draft]:
    decided = [entry for entry in story if entry.kind is EntryKind.DECIDED]
    for entry in decided[-DECISIONS:]:
        gates: dict[str, str] = entry.facts.get("gates", {})
        held = [f"{name}: {said}" for name, said in gates.items() if not said.startswith("open")]
        said = f" Held: {'; '.join(held)}." if held else " All gates open." if gates else ""
        yield Draft("gates", f"{_moment(entry.at)} decided: {entry.text}.{said}")


def _history(past: Sequence[PastCase]) -> Iterator[Draft]:
    if past:
        cases = "; ".join(_past_case(each) for each in past[:CASES])
        yield Draft("history", f"{len(past)} earlier cases of this rule here in 30 days: {cases}")


def _past_case(past: PastCase) -> str:
    case = past.case
    lasted = f" after {write_duration(case.ended_at - case.opened_at)}" if case.ended_at else ""
    did = [f"{script} helped" for script in past.helped]
    did += [f"{script} did not help" for script in past.failed]
    ended = f"{case.ended}{lasted}" if case.ended else "still open"
    return f"{case.opened_at:%m-%d %H:%M} {', '.join(did) or 'nothing judged'}, {ended}"


def _scorecard(card: Scorecard) -> Draft:
    low, high = 100 * card.low, 100 * card.high
    p50 = f", half of them within {write_duration(card.recovery_p50)}" if card.recovery_p50 else ""
    return Draft(
        "scorecard",
        f"{card.script} under {card.rule_name} in 30 days: verified in {card.verified} of"
        f" {card.attempts} attempts (95 %: {low:.0f} to {high:.0f} %){p50};"
        f" {card.relapsed} came back within a day, {card.unclear} unclear;"
        f" untouched, {card.self_healed} of {card.held} healed",
    )


def _changes(found: Findings) -> Iterator[Draft]:
    changes = [entry for entry in found.story if entry.kind in _STATE_CHANGES][-CHANGES:]
    if changes:
        told = "; ".join(f"{entry.at:%H:%M:%S} {entry.text[:120]}" for entry in changes)
        yield Draft("changes", f"changes of state: {told}")


def _neighbours(found: Findings) -> Iterator[Draft]:
    if found.neighbours:
        names = ", ".join(
            f"{other.rule_name[:80]} ({other.level})" for other in found.neighbours[:8]
        )
        count = len(found.neighbours)
        yield Draft("neighbours", f"{count} other incidents are open on this target: {names}")


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
