"""One notice per change that matters: what is wrong, what is done about it, did it work."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from autorecovery.models.controls import Demotion
from autorecovery.models.durations import write_duration
from autorecovery.models.incident import Attempt, Climb, CommandState, Decision, Incident
from autorecovery.models.notice import Fact, Notice, NoticeKind, Question
from autorecovery.models.reason import Level, Reason
from autorecovery.models.rule import Rung
from autorecovery.notices import clauses, facts, steps
from autorecovery.notices.findings import analysed as analysed  # composed there, asked for here
from autorecovery.notices.fitting import one_line
from autorecovery.notices.links import links

YOURS = "Please take it over. Reminders follow until it is healthy or closed."

OVER_TO_YOU = "over to you"

DIGITS = 12
"""Of the hash that names a message of another producer."""

_WITH_EVIDENCE = (
    NoticeKind.OPENED,
    NoticeKind.HANDED_OVER,
    NoticeKind.REMINDER,
    NoticeKind.ESCALATED,
)

_WITHOUT_LINKS = (NoticeKind.STORM, NoticeKind.RECOVERED, NoticeKind.CLOSED)
"""Of many machines no single one is linked, and where it is over there is nothing to look for."""

_OF_INCIDENT: dict[NoticeKind, Callable[[Incident], tuple[Fact, ...]]] = {
    NoticeKind.RECOVERED: facts.was_seen,
    NoticeKind.CLOSED: facts.was_seen,
    NoticeKind.STORM: lambda incident: (),  # of which this incident is no more than an example
}
"""What is told of the incident itself, where it is not what was seen."""


def opened(incident: Incident, now: datetime) -> Notice:
    """Return the first notice: it leaves before anything else is done."""
    why_not = clauses.foretold(incident)
    lines = [clauses.where(incident), clauses.plan(incident)]
    if why_not:
        lines.append(YOURS)
    return _notice(
        incident,
        NoticeKind.OPENED,
        incident.level,
        clauses.what_is_wrong(incident),
        lines,
        now,
        state=_first_state(incident),
        known=(facts.doing(incident),),
        next_steps=steps.take_over(incident, why_not) if why_not else (),
    )


def _first_state(incident: Incident) -> str:
    if clauses.foretold(incident):
        return OVER_TO_YOU
    rule = incident.rule
    if rule and not incident.level.reaches(rule.recover_at):
        return "watching"
    return "will ask" if clauses.asks_first(incident) else "deciding"


def asking(
    incident: Incident, rung: Rung, attempts: Sequence[Attempt], question: Question, now: datetime
) -> Notice:
    """Return the question whether to run a rung, what was tried before, and how to answer it."""
    until = f"{question.until:%H:%M:%S} UTC"
    lines = [
        clauses.where(incident),
        *_sentences("Tried", clauses.tried(attempts)),
        f"It would run: {clauses.rung(rung)}.",
        f"Without an answer until {until} nothing is run, and it is yours.",
    ]
    return _notice(
        incident,
        NoticeKind.ASKING,
        incident.level,
        f"{clauses.name(incident)}: may {rung.run} be run?",
        lines,
        now,
        state="asking",
        known=(
            *facts.before(attempts),
            Fact("Would run", clauses.rung(rung)),
            Fact("Answer until", until),
        ),
        next_steps=steps.answers(incident),
        question=question,
    )


def recovered(incident: Incident, attempt: Attempt, proof: str, now: datetime) -> Notice:
    """Return the good news, and what it rests on."""
    took = write_duration(now - incident.opened_at)
    name = clauses.name(incident)
    if attempt.status.state is CommandState.UNKNOWN:
        headline = f"{name}: healthy again; whether {attempt.script} ran is unknown"
        measured = "measured when it could no longer be running"
    else:
        headline = f"{name}: healthy again, {attempt.script} helped"
        measured = f"measured after {clauses.its_end(attempt)}"
    lines = (
        clauses.where(incident),
        f"{clauses.done(attempt)}.",
        f"Verified on fresh data, {measured}: {proof}.",
        f"From opened to verified it took {took}. Nothing to do for you.",
    )
    return _notice(
        incident,
        NoticeKind.RECOVERED,
        Level.INFO,
        headline,
        lines,
        now,
        state="recovered",
        known=(Fact("Did", clauses.done(attempt)), Fact("Verified", proof), Fact("Took", took)),
    )


def handed_over(incident: Incident, climb: Climb, now: datetime) -> Notice:
    """Return the notice that asks a human to take over: what was tried, and why no more is."""
    attempts, level = climb.attempts, incident.level
    if attempts:
        level = max(level, Level.ERROR, key=lambda each: each.rank)
    lines = [f"{clauses.trouble(incident)}.", clauses.where(incident)]
    lines += _sentences("Tried", clauses.tried(attempts))
    if climb.reason is Reason.RELAPSED:
        proof = f" ({climb.proof})" if climb.proof else ""
        lines.append(f"It was well for a while{proof}, and then broke its limit again.")
    elif climb.proof:
        lines.append(f"Fresh data: {climb.proof}.")
    lines += _sentences("Held by", clauses.held_gates(climb.decision), mark=" ")
    lines += _sentences(
        "Not run", [clauses.rung(each) for each in clauses.untried(incident, attempts)[:1]]
    )
    lines.append(YOURS)
    return _notice(
        incident,
        NoticeKind.HANDED_OVER,
        level,
        f"{clauses.name(incident)}: over to you, {climb.reason}",
        lines,
        now,
        state=OVER_TO_YOU,
        known=facts.outcome(climb),
        next_steps=steps.take_over(incident, climb.reason, *_holding(climb.decision)),
    )


def _holding(decision: Decision | None) -> list[Reason | None]:
    return [gate.reason for gate in decision.gates] if decision else []


def _sentences(begin: str, clauses_of: Sequence[str], mark: str = ": ") -> list[str]:
    return [f"{begin}{mark}{clause}." for clause in clauses_of]


def demoted(incident: Incident, demotion: Demotion, limit: float, now: datetime) -> Notice:
    """Return the notice that a script is asked about from now on, and how to change that."""
    script, rule = demotion.script, demotion.rule_name
    lines = (
        f"It was verified in {demotion.verified} of {demotion.attempts} attempts:"
        f" with 95 % confidence it helps in at least {100 * demotion.low:.0f} % of cases,"
        f" and {limit:g} % are asked for.",
        "From now on a person is asked before it is run.",
    )
    notice = _notice(
        incident,
        NoticeKind.DEMOTED,
        Level.WARNING,
        f"{script} is no longer run by itself under rule {rule}",
        lines,
        now,
        state="asked about from now on",
        next_steps=steps.after_demotion(demotion),
    )
    # Of a script and a rule, not of the machine on which it was found out.
    about = (Fact("Script", script), Fact("Rule", rule))
    return replace(notice, conversation=notice.id, facts=about, links=())


def reminder(incident: Incident, proof: str, now: datetime) -> Notice:
    """Return the notice that an incident is still open, with the present facts."""
    lasted = write_duration(now - incident.opened_at)
    lines = (
        f"{clauses.trouble(incident)}.",
        clauses.where(incident),
        f"Fresh data: {proof}. {YOURS}",
    )
    return _still_open(
        incident, NoticeKind.REMINDER, f"still open after {lasted}", lines, proof, now
    )


def worse(incident: Incident, proof: str, now: datetime) -> Notice:
    """Return the notice that it is worse than what people were told."""
    lines = (clauses.where(incident), f"Fresh data: {proof}.")
    what = f"got worse, {incident.level} now"
    return _still_open(incident, NoticeKind.REMINDER, what, lines, proof, now)


def escalated(
    incident: Incident, proof: str, waited: timedelta, to: Sequence[str], now: datetime
) -> Notice:
    """Return the notice to the next in the chain: still open, nobody on it, the present facts."""
    lines = (
        f"{clauses.trouble(incident)}.",
        clauses.where(incident),
        f"Fresh data: {proof}.",
        f"You hear of it because nobody has taken it in {write_duration(waited)}."
        " Please take it over.",
    )
    lasted = write_duration(now - incident.opened_at)
    what = f"still open after {lasted}, and nobody is on it"
    notice = _still_open(incident, NoticeKind.ESCALATED, what, lines, proof, now)
    # Another for each step of the chain: two may be due at the same moment.
    return replace(notice, id=f"{notice.id}-{'+'.join(to)}", to=tuple(to), state="escalated")


def _still_open(
    incident: Incident,
    kind: NoticeKind,
    what: str,
    lines: Sequence[str],
    proof: str,
    now: datetime,
) -> Notice:
    return _notice(
        incident,
        kind,
        incident.level,
        f"{clauses.name(incident)}: {what}",
        lines,
        now,
        state="still open",
        known=(Fact("Fresh data", proof),),
        next_steps=steps.take_over(incident),
    )


def healthy_by_itself(incident: Incident, proof: str, now: datetime) -> Notice:
    """Return the notice that it is over without a proven cure of ours."""
    lasted = write_duration(now - incident.opened_at)
    return _notice(
        incident,
        NoticeKind.CLOSED,
        Level.INFO,
        f"{clauses.name(incident)}: healthy again after {lasted}",
        (clauses.where(incident), f"Fresh data: {proof}. Nothing to do for you."),
        now,
        state="healthy again",
        known=(Fact("Fresh data", proof), Fact("Took", lasted)),
    )


def closed_by_person(incident: Incident, now: datetime) -> Notice:
    """Return the notice that a person closed it."""
    lasted = write_duration(now - incident.opened_at)
    return _notice(
        incident,
        NoticeKind.CLOSED,
        Level.INFO,
        f"{clauses.name(incident)}: closed by a person after {lasted}",
        (clauses.where(incident),),
        now,
        state="closed by a person",
        known=(Fact("Took", lasted),),
    )


def message(producer: str, level: Level, title: str, text: str, now: datetime) -> Notice:
    """Return the notice of another producer, told as it was given to us."""
    lines = tuple(line for line in map(one_line, text.splitlines()) if line)
    headline = one_line(title) or "(no title)"
    said = "\n".join((producer, level, title, text, now.isoformat()))
    digest = hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()[:DIGITS]
    return Notice(
        id=f"msg-{now:%Y%m%d-%H%M%S}-{digest}",
        incident_id="",
        kind=NoticeKind.MESSAGE,
        level=level,
        headline=f"[{level.upper()}] {headline}",
        lines=lines,
        at=now,
        facts=(Fact("From", one_line(producer)),),
        producer=producer,
    )


def _notice(
    incident: Incident,
    kind: NoticeKind,
    level: Level,
    headline: str,
    lines: Sequence[str],
    now: datetime,
    *,
    state: str = "",
    known: Sequence[Fact] = (),
    next_steps: Sequence[str] = (),
    question: Question | None = None,
) -> Notice:
    """Return a notice about one incident; `known` are facts beside what was seen of it."""
    of_incident = _OF_INCIDENT.get(kind, facts.seen)
    return Notice(
        id=f"{incident.id}-{kind.replace(' ', '-')}-{now.astimezone(UTC):%Y%m%d-%H%M%S-%f}",
        incident_id=incident.id,
        kind=kind,
        level=level,
        headline=f"[{level.upper()}] {one_line(headline)}",
        lines=tuple(one_line(line) for line in lines),
        at=now,
        rule_name=incident.rule_name,
        target=incident.target.key,
        evidence=incident.evidence if kind in _WITH_EVIDENCE else (),
        conversation=incident.id,
        state=state,
        facts=tuple(
            Fact(one_line(each.name), one_line(each.value))
            for each in (*of_incident(incident), *known)
        ),
        next_steps=tuple(one_line(step) for step in next_steps),
        links=() if kind in _WITHOUT_LINKS else links(incident),
        question=question,
    )
