"""The present state of the whole fleet, or of one target: what is open, what helped, what returns.

An operator asks for it; nothing is recorded, and nobody else is told.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from autorecovery.analysis.ask import analyse
from autorecovery.analysis.dossier import Dossier, Draft, assemble
from autorecovery.analysis.prompt import room_for_evidence
from autorecovery.analysis.redact import Redactor
from autorecovery.analysis.rules import HELD, reason_held
from autorecovery.analysis.stage import HISTORY, Looker, Opinion, Reporter
from autorecovery.models.analysis import Analysis, Cause, Confidence, Recovered, Risk, Step
from autorecovery.models.canary import CANARY
from autorecovery.models.durations import write_duration
from autorecovery.models.history import Case
from autorecovery.models.incident import Attempt, Incident
from autorecovery.models.reason import Level, Reason, Verdict
from autorecovery.models.scorecard import scorecards
from autorecovery.notices.clauses import what_is_wrong

SEARCHED = 1_000
"""Newest incidents looked through."""

SHOWN = 10
"""Of each list: open incidents, offenders, rules."""

TODAY, WEEK = timedelta(days=1), timedelta(days=7)

RETURNS, IN_VAIN = 3, 2
"""So many incidents of a rule on a target in a week recur; so many failures in a row end trust."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """All that was found about many targets."""

    now: datetime
    target: str | None
    standing: tuple[tuple[Incident, Reason | None], ...]
    """Open incidents, the worst and oldest first, each with what holds its recovery."""
    recent: tuple[Incident, ...]
    """Of the last week, newest first."""
    cases: tuple[Case, ...]
    """The same, in short, of the rules seen."""
    attempts: tuple[Attempt, ...]
    unread: tuple[str, ...]

    @property
    def today(self) -> list[Case]:
        """Return the cases that ended within a day."""
        return [case for case in self.cases if case.ended_at and self.now - case.ended_at <= TODAY]


def report(target: str | None, app: Reporter) -> Analysis:
    """Return an analysis of the present state; of one target, where it is named."""
    found = _gather(target, app)
    redact = Redactor()
    room = room_for_evidence(app.configuration.analysis.max_input_tokens)
    subject = f"target {target}" if target else "the whole fleet"
    dossier = assemble(subject, list(_drafts(found)), found.unread, room, redact)
    return analyse(dossier, _opinion(found, dossier), app, redact)


def _gather(target: str | None, app: Reporter) -> Fleet:
    now, looker = app.clock(), Looker()
    known = looker.see("incidents", lambda: app.incidents.recent(SEARCHED))
    wanted = [each for each in known if _is_meant(each, target)]
    recent = tuple(each for each in wanted if now - each.opened_at <= WEEK)
    rules = [name for name, _ in Counter(each.rule_name for each in recent).most_common(SHOWN)]
    ids = {each.id for each in recent}
    cases = [c for rule in rules for c in looker.see(rule, partial(_cases, rule, now, app))]
    attempts = [a for rule in rules for a in looker.see(rule, partial(_ran, rule, now, app))]
    standing = sorted(
        (each for each in wanted if not each.is_closed),
        key=lambda each: (-each.level.rank, each.opened_at),
    )
    held = [(each, reason_held(app.incidents.timeline(each.id))) for each in standing[:SHOWN]]
    return Fleet(
        now=now,
        target=target,
        standing=(*held, *((each, each.held_for) for each in standing[SHOWN:])),
        recent=recent,
        cases=tuple(case for case in cases if case.incident_id in ids),
        attempts=tuple(attempts if target is None else _on(target, attempts)),
        unread=tuple(looker.unread),
    )


def _is_meant(incident: Incident, target: str | None) -> bool:
    names = (incident.target.name, incident.target.key, incident.target.host)
    return incident.rule_name != CANARY and (target is None or target in names)


def _cases(rule: str, now: datetime, app: Reporter) -> list[Case]:
    found = app.incidents.cases(rule, now - WEEK, SEARCHED)
    return [case for case in found if case.ended is not Reason.ECHO]


def _ran(rule: str, now: datetime, app: Reporter) -> Sequence[Attempt]:
    return app.attempts.of_rule(rule, now - HISTORY)


def _on(target: str, attempts: Sequence[Attempt]) -> list[Attempt]:
    return [a for a in attempts if target in (a.target.name, a.target.key, a.target.host)]


# Evidence


def _drafts(found: Fleet) -> Iterator[Draft]:
    for incident, held in found.standing[:SHOWN]:
        lasted = write_duration(found.now - incident.opened_at)
        by = f"; held: {held}" if held else ""
        yield Draft(
            "open",
            f"{incident.id}: {what_is_wrong(incident)}; {incident.level}, {incident.state},"
            f" open for {lasted}, rule {incident.rule_name}{by}",
        )
    if more := found.standing[SHOWN:]:
        counts = Counter(str(incident.level) for incident, _ in more)
        told = ", ".join(f"{count} {level}" for level, count in counts.items())
        yield Draft("open", f"and {len(more)} more open incidents: {told}")
    if today := found.today:
        ended = Counter(str(case.ended) for case in today)
        told = "; ".join(f"{count} {reason}" for reason, count in ended.most_common(6))
        yield Draft("today", f"ended within a day: {told}")
    for (rule, key), count in _offenders(found):
        yield Draft("offender", f"{key} broke rule {rule} {count} times within 7 days")
    yield from _scripts(found)


def _offenders(found: Fleet) -> list[tuple[tuple[str, str], int]]:
    counts = Counter((each.rule_name, each.target.key) for each in found.recent)
    return [(key, count) for key, count in counts.most_common(SHOWN) if count >= RETURNS]


def _scripts(found: Fleet) -> Iterator[Draft]:
    for rule in sorted({attempt.rule_name for attempt in found.attempts}):
        ran = [attempt for attempt in found.attempts if attempt.rule_name == rule]
        for card in scorecards(rule, ran, (), found.now):
            stopped = ""
            if (rule, card.script) in _in_vain(found):
                stopped = f"; its last {IN_VAIN} attempts did not help"
            yield Draft(
                "scorecard",
                f"{card.script} under {rule} in 30 days: verified in {card.verified} of"
                f" {card.attempts} attempts, {card.unclear} unclear{stopped}",
            )


def _in_vain(found: Fleet) -> set[tuple[str, str]]:
    """Return rule and script of what helped once, and lately did not."""
    groups: dict[tuple[str, str], list[Attempt]] = {}
    for attempt in sorted(found.attempts, key=lambda each: each.intended_at):
        groups.setdefault((attempt.rule_name, attempt.script), []).append(attempt)
    return {
        key
        for key, ran in groups.items()
        if any(attempt.verdict is Verdict.VERIFIED for attempt in ran)
        and len(ran) > IN_VAIN
        and all(attempt.verdict is Verdict.NOT_RECOVERED for attempt in ran[-IN_VAIN:])
    }


# Rules


def _opinion(found: Fleet, dossier: Dossier) -> Opinion:
    return Opinion(
        summary=_summary(found),
        likely_causes=tuple(_causes(found, dossier)),
        did_recovery_work=_worked(found),
        next_steps=tuple(dict.fromkeys(_steps(found)))[:6],
        not_known=(
            *(f"Whether a recovery helped: {n} attempts of 30 days." for n in _unclear(found)),
            "What load and deployments there were: no source for that is read.",
            *dossier.gaps,
        ),
    )


def _summary(found: Fleet) -> str:
    worst = [incident for incident, _ in found.standing if incident.level is Level.CRITICAL]
    recovered = sum(1 for case in found.today if case.ended is Reason.RECOVERED)
    by_itself = sum(1 for case in found.today if case.ended is Reason.HEALTHY_BY_ITSELF)
    parts = [f"{len(found.standing)} incidents open, {len(worst)} of them critical"]
    if found.standing:
        parts.append(f"the worst: {what_is_wrong(found.standing[0][0])}")
    parts.append(f"within a day {recovered} recovered by a script and {by_itself} by themselves")
    if offenders := _offenders(found):
        (rule, key), count = offenders[0]
        parts.append(f"most often {key} with {rule}, {count} times in 7 days")
    return "; ".join(parts) + "."


def _causes(found: Fleet, dossier: Dossier) -> Iterator[Cause]:
    standing = Counter(incident.rule_name for incident, _ in found.standing)
    for rule, count in standing.most_common(1):
        if count >= RETURNS:
            text = f"{count} open incidents of rule {rule}: perhaps one cause that they share."
            yield Cause(text, dossier.ids("open"), Confidence.MEDIUM)
    for (rule, key), count in _offenders(found):
        text = f"{key} returns to {rule} ({count} times in 7 days): recovery does not cure it."
        yield Cause(text, _ids(dossier, "offender", f"{key} broke rule {rule} "), Confidence.HIGH)
    for rule, script in sorted(_in_vain(found)):
        text = f"{script} has stopped helping under {rule}: what it cured may have changed."
        ids = _ids(dossier, "scorecard", f"{script} under {rule} ")
        yield Cause(text, ids, Confidence.MEDIUM)


def _ids(dossier: Dossier, kind: str, beginning: str) -> tuple[str, ...]:
    pieces = (piece for piece in dossier.pieces if piece.kind == kind)
    return tuple(piece.id for piece in pieces if piece.text.startswith(beginning))


def _steps(found: Fleet) -> Iterator[Step]:
    for incident, _ in found.standing[:3]:
        text = f"Look at {incident.target.key}: {incident.level}, {incident.state}."
        yield Step(text, Risk.NONE, f"autorecovery explain {incident.id}")
    for _, held in found.standing:
        if held in HELD:
            yield Step(*HELD[held])
    if _in_vain(found):
        yield Step("See how well each script serves.", Risk.NONE, "autorecovery scorecards")


def _worked(found: Fleet) -> Recovered:
    ran = [a for a in found.attempts if found.now - a.intended_at <= TODAY]
    verdicts = {attempt.verdict for attempt in ran}
    if not ran:
        return Recovered.NOT_RUN
    if Verdict.NOT_RECOVERED in verdicts:
        return Recovered.NO
    return Recovered.YES if verdicts == {Verdict.VERIFIED} else Recovered.UNCLEAR


def _unclear(found: Fleet) -> list[int]:
    judged = (Verdict.VERIFIED, Verdict.NOT_RECOVERED)
    count = sum(1 for attempt in found.attempts if attempt.verdict not in judged)
    return [count] if count else []
