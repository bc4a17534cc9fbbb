"""One notice per change that matters: what is wrong, what is done about it, did it work."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from autorecovery.models.actions import ASK_HUMAN, is_action
from autorecovery.models.controls import Demotion
from autorecovery.models.durations import write_duration
from autorecovery.models.incident import Attempt, Climb, CommandState, Decision, Incident
from autorecovery.models.notice import Notice, NoticeKind
from autorecovery.models.reason import Autonomy, Level, Reason
from autorecovery.models.rule import LogCondition, MetricCondition, Rung
from autorecovery.models.signal import BY_HAND, TYPED, EventOrigin, SignalKind

SHAPES = {Level.INFO: "●", Level.WARNING: "▲", Level.ERROR: "■", Level.CRITICAL: "◆"}
"""Levels are told by word and shape, never by colour alone."""

YOURS = "Please take it over. Reminders follow until it is healthy or closed."

_WITH_EVIDENCE = (NoticeKind.OPENED, NoticeKind.HANDED_OVER, NoticeKind.REMINDER)


def opened(incident: Incident, now: datetime) -> Notice:
    """Return the first notice: it leaves before anything else is done."""
    lines = [_where(incident), plan(incident)]
    if foretold(incident):
        lines.append(YOURS)
    return _notice(incident, NoticeKind.OPENED, incident.level, what_is_wrong(incident), lines, now)


def asking(
    incident: Incident, rung: Rung, attempts: Sequence[Attempt], until: datetime, now: datetime
) -> Notice:
    """Return the question whether to run a rung, what was tried before, and how to answer it."""
    headline = f"{_name(incident)}: may {rung.run} be run?"
    lines = [
        _where(incident),
        *_tried(attempts),
        f"It would run: {_rung(rung)}.",
        f"Yes: autorecovery approve {incident.id}",
        f"No: autorecovery deny {incident.id}",
        f"Without an answer until {until:%H:%M:%S} UTC nothing is run, and it is yours.",
    ]
    return _notice(incident, NoticeKind.ASKING, incident.level, headline, lines, now)


def recovered(incident: Incident, attempt: Attempt, proof: str, now: datetime) -> Notice:
    """Return the good news, and what it rests on."""
    took = write_duration(now - incident.opened_at)
    if attempt.status.state is CommandState.UNKNOWN:
        headline = f"{_name(incident)}: healthy again; whether {attempt.script} ran is unknown"
        measured = "measured when it could no longer be running"
    else:
        headline = f"{_name(incident)}: healthy again, {attempt.script} helped"
        measured = f"measured after {_its_end(attempt)}"
    lines = (
        _where(incident),
        f"{_done(attempt)}.",
        f"Verified on fresh data, {measured}: {proof}.",
        f"From opened to verified it took {took}. Nothing to do for you.",
    )
    return _notice(incident, NoticeKind.RECOVERED, Level.INFO, headline, lines, now)


def handed_over(incident: Incident, climb: Climb, now: datetime) -> Notice:
    """Return the notice that asks a human to take over: what was tried, and why no more is."""
    attempts, level = climb.attempts, incident.level
    if attempts:
        level = max(level, Level.ERROR, key=lambda each: each.rank)
    headline = f"{_name(incident)}: over to you, {climb.reason}"
    lines = [f"{_trouble(incident)}.", _where(incident)]
    lines += _tried(attempts)
    if climb.reason is Reason.RELAPSED:
        proof = f" ({climb.proof})" if climb.proof else ""
        lines.append(f"It was well for a while{proof}, and then broke its limit again.")
    elif climb.proof:
        lines.append(f"Fresh data: {climb.proof}.")
    lines += _held_gates(climb.decision)
    lines += [f"Not run: {_rung(rung)}." for rung in _untried(incident, attempts)[:1]]
    lines.append(YOURS)
    return _notice(incident, NoticeKind.HANDED_OVER, level, headline, lines, now)


def demoted(incident: Incident, demotion: Demotion, limit: float, now: datetime) -> Notice:
    """Return the notice that a script is asked about from now on, and how to change that."""
    script, rule = demotion.script, demotion.rule_name
    headline = f"{script} is no longer run by itself under rule {rule}"
    lines = (
        f"It was verified in {demotion.verified} of {demotion.attempts} attempts:"
        f" with 95 % confidence it helps in at least {100 * demotion.low:.0f} % of cases,"
        f" and {limit:g} % are asked for.",
        "From now on a person is asked before it is run.",
        "All records: autorecovery scorecards",
        f"To trust it again: autorecovery promote {script} {rule}",
    )
    return _notice(incident, NoticeKind.DEMOTED, Level.WARNING, headline, lines, now)


def reminder(incident: Incident, proof: str, now: datetime) -> Notice:
    """Return the notice that an incident is still open, with the present facts."""
    lasted = write_duration(now - incident.opened_at)
    headline = f"{_name(incident)}: still open after {lasted}"
    lines = (f"{_trouble(incident)}.", _where(incident), f"Fresh data: {proof}. {YOURS}")
    return _notice(incident, NoticeKind.REMINDER, incident.level, headline, lines, now)


def escalated(
    incident: Incident, proof: str, waited: timedelta, to: Sequence[str], now: datetime
) -> Notice:
    """Return the notice that goes to others, because it is still open and nobody is on it."""
    headline = (
        f"{_name(incident)}: escalated, open for {write_duration(waited)} and nobody is on it"
    )
    lines = (
        f"{_trouble(incident)}.",
        _where(incident),
        f"Fresh data: {proof}.",
        f"Say that you are on it: autorecovery ack {incident.id}",
    )
    notice = _notice(incident, NoticeKind.ESCALATED, incident.level, headline, lines, now)
    return replace(notice, to=tuple(to))


def healthy_by_itself(incident: Incident, proof: str, now: datetime) -> Notice:
    """Return the notice that it is over without a proven cure of ours."""
    lasted = write_duration(now - incident.opened_at)
    headline = f"{_name(incident)}: healthy again after {lasted}"
    lines = (_where(incident), f"Fresh data: {proof}. Nothing to do for you.")
    return _notice(incident, NoticeKind.CLOSED, Level.INFO, headline, lines, now)


def closed_by_person(incident: Incident, now: datetime) -> Notice:
    """Return the notice that a person closed it."""
    lasted = write_duration(now - incident.opened_at)
    headline = f"{_name(incident)}: closed by a person after {lasted}"
    return _notice(incident, NoticeKind.CLOSED, Level.INFO, headline, (_where(incident),), now)


def what_is_wrong(incident: Incident) -> str:
    """Return target, what, value and limit in one clause."""
    return f"{_name(incident)}: {_trouble(incident)}"


def _trouble(incident: Incident) -> str:
    signal, when = incident.signal, incident.rule.when if incident.rule else None
    if signal.origin == BY_HAND:
        return signal.state
    rang = signal.kind is SignalKind.ALARM
    if isinstance(when, MetricCondition) and not (rang and isinstance(signal.origin, EventOrigin)):
        return _against_limit(when, incident)
    if isinstance(when, LogCondition):
        times = f"{when.count.count} times within {write_duration(when.count.window)}"
        return f"{incident.rule_name}, seen {times}"
    if rang:
        return f"alarm {_one_line(signal.name)[:80]} is in {signal.state}"
    return signal.state or signal.name


def _against_limit(when: MetricCondition, incident: Incident) -> str:
    value, lasting = incident.signal.value, ""
    if when.sustained and value is not None and incident.signal.origin != TYPED:
        lasting = f", {when.sustained.count} times within {write_duration(when.sustained.window)}"
    relation = "at or above" if when.direction == "above" else "at or below"
    shown = f"{when.metric} is {_number(value)}," if value is not None else f"{when.metric} is"
    return f"{shown} {relation} {_number(when.limit_for(incident.level))}{lasting}"


def _number(value: float) -> str:
    """Return a number as people read it: 97.2, or 12,000,000,000."""
    if abs(value) >= 1e15:
        return f"{value:g}"
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def _where(incident: Incident) -> str:
    """Return which machine it is, for a person who has to find it, and by which rule."""
    target = incident.target
    region = f" in {target.region}" if target.region else ""
    account = f", account {target.account}" if target.account else ""
    rule = f"rule {incident.rule_name}" if incident.rule else "no rule covers it"
    return f"{target.kind.capitalize()} {target.name[:200]}{region}{account}; {rule}."


def foretold(incident: Incident) -> Reason | None:
    """Return why it is certain from the start that nothing will be run by itself, if it is."""
    rule = incident.rule
    if incident.held_for is not None:
        return incident.held_for
    if incident.signal.origin == BY_HAND:
        return None
    if rule is None or not rule.recover:
        return Reason.NOTHING_TO_RUN if rule else Reason.NO_RULE
    return Reason.AUTONOMY_OBSERVE if rule.autonomy is Autonomy.OBSERVE else None


def plan(incident: Incident) -> str:
    """Return what will be done about it, and why nothing, if nothing."""
    rule, why_not = incident.rule, foretold(incident)
    if rule is None or not rule.recover:
        return f"Nothing is run: {why_not}."
    if all(rung.run == ASK_HUMAN for rung in rule.recover):
        return f"Nothing is run: {Reason.HUMAN_WANTED}."
    first = next(_rung(rung) for rung in rule.recover if rung.run != ASK_HUMAN)
    if why_not:
        return f"Nothing is run by itself: {why_not}. It would be: {first}."
    if incident.signal.origin == BY_HAND:
        return f"Next, unless a gate holds it: {first}. Another notice tells how it ended."
    if not incident.level.reaches(rule.recover_at):
        return f"Nothing is run at this level; from {rule.recover_at} on: {first}."
    if rule.autonomy is Autonomy.ASK or rule.asks_before(2):
        return f"Nothing is run before a person approves: {first}. Another notice asks for that."
    return f"Next, unless a gate holds it: {first}. Another notice tells how it ended."


def _name(incident: Incident) -> str:
    return incident.target.name[:80]


def _done(attempt: Attempt) -> str:
    status = attempt.status
    code = "" if status.exit_code is None else f" with exit code {status.exit_code}"
    outcome = {
        CommandState.SUCCEEDED: "succeeded",
        CommandState.FAILED: f"failed{code}",
        CommandState.NOT_RUN: "did not run",
        CommandState.RUNNING: "is still running",
    }.get(status.state, _DOUBTFUL_ACTION if is_action(attempt.script) else _DOUBTFUL_SCRIPT)
    detail = f" ({_one_line(status.detail)[:200]})" if status.detail else ""
    place = f"; {status.successor} took its place" if status.successor else ""
    return f"{attempt.script}{_parameters(attempt.parameters)} {outcome}{detail}{place}"


_DOUBTFUL_SCRIPT = "was sent, and nobody knows whether it ran"
_DOUBTFUL_ACTION = "was asked for, and nobody knows how it ended"


def _its_end(attempt: Attempt) -> str:
    return "it was done" if is_action(attempt.script) else "the script ended"


def _tried(attempts: Sequence[Attempt]) -> list[str]:
    return [
        f"Tried: {_done(attempt)}; {attempt.verdict or 'not verified'}." for attempt in attempts
    ]


def _held_gates(decision: Decision | None) -> list[str]:
    if decision is None:
        return []
    return [
        f"Held by {gate.gate}: {gate.reason}{f' ({gate.detail})' if gate.detail else ''}"
        + (f", until {gate.until:%H:%M:%S} UTC." if gate.until else ".")
        for gate in decision.gates
        if gate.holds
    ]


def _untried(incident: Incident, attempts: Sequence[Attempt]) -> tuple[Rung, ...]:
    rungs = incident.rule.recover if incident.rule else ()
    return tuple(rung for rung in rungs if rung.run != ASK_HUMAN)[len(attempts) :]


def _rung(rung: Rung) -> str:
    return f"{rung.run}{_parameters(rung.parameters)}"


def _parameters(parameters: dict[str, str]) -> str:
    return f" ({', '.join(f'{k}={v}' for k, v in parameters.items())})" if parameters else ""


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _notice(
    incident: Incident,
    kind: NoticeKind,
    level: Level,
    headline: str,
    lines: Sequence[str],
    now: datetime,
) -> Notice:
    return Notice(
        id=f"{incident.id}-{kind.replace(' ', '-')}-{int(now.timestamp())}",
        incident_id=incident.id,
        kind=kind,
        level=level,
        headline=f"[{level.upper()}] {_one_line(headline)}",
        lines=tuple(_one_line(line) for line in lines),
        at=now,
        rule_name=incident.rule_name,
        target=incident.target.key,
        evidence=incident.evidence if kind in _WITH_EVIDENCE else (),
    )
