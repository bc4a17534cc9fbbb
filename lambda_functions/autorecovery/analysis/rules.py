"""The analyst that needs no model: it says what can be counted, and cites what it counted. Pure."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from autorecovery.analysis.dossier import Dossier
from autorecovery.analysis.evidence import EXIT_CODES, metric_name
from autorecovery.analysis.gather import Findings
from autorecovery.analysis.lines import signs_in
from autorecovery.analysis.measured import course_of, tell_course
from autorecovery.analysis.stage import Opinion
from autorecovery.models.actions import ASK_HUMAN
from autorecovery.models.analysis import Cause, Confidence, Recovered, Risk, Step
from autorecovery.models.durations import write_duration
from autorecovery.models.incident import Attempt, CommandState, Entry, EntryKind
from autorecovery.models.reason import IncidentState, Reason, Verdict
from autorecovery.models.signal import EventOrigin
from autorecovery.notices.clauses import what_is_wrong

MOST_CAUSES, MOST_STEPS = 4, 5

RETURNS = 3
"""So many earlier cases on one target are the same trouble coming back."""

SUDDEN = timedelta(minutes=10)
"""What comes faster has an event behind it; what comes slower has grown."""

HELD = {
    Reason.HALTED: ("Everything is halted; let it go on when that is right.",
                    Risk.MEDIUM, "autorecovery resume"),
    Reason.MAINTENANCE: ("A maintenance window is open: ask who works on it.", Risk.NONE, ""),
    Reason.NOT_OPTED_IN: ("Set the opt-in tag if a robot may act on this machine.", Risk.LOW, ""),
    Reason.CORRELATED: ("Look at what the machines share (zone, network, deploy, database).",
                        Risk.NONE, ""),
    Reason.FLAPPING: ("It comes and goes: a restart will not end that. Look for what returns.",
                      Risk.NONE, ""),
    Reason.ATTEMPTS_SPENT: ("It was tried as often as allowed: try something else.", Risk.NONE, ""),
    Reason.UNREACHABLE: ("Check the SSM agent and the network of the machine.", Risk.NONE, ""),
    Reason.AGENT_TOO_OLD: ("Update the SSM agent of the machine.", Risk.LOW, ""),
    Reason.SCRIPT_DEMOTED: ("Find out why the script stopped helping before trusting it again.",
                            Risk.NONE, "autorecovery scorecards"),
    Reason.WRONG_IDENTITY: ("See who writes lines in another machine's name.", Risk.NONE, ""),
    Reason.STALE_EVENT: ("See why the signal came late: nobody knows what is true now.",
                         Risk.NONE, ""),
}  # fmt: skip
"""What a person can do about the gate that held: text, risk, command."""


def opinion_of(found: Findings, dossier: Dossier) -> Opinion:
    """Return what rules make of the findings; every cause cites the pieces it was counted in."""
    recovered = did_recovery_work(found)
    return Opinion(
        summary=_summary(found, recovered),
        likely_causes=tuple(_causes(found, dossier))[:MOST_CAUSES],
        did_recovery_work=recovered,
        next_steps=tuple(dict.fromkeys(_steps(found, recovered)))[:MOST_STEPS],
        not_known=(*_not_known(found), *dossier.gaps),
    )


def did_recovery_work(found: Findings) -> Recovered:
    """Return whether it did, by the verdicts on fresh data alone."""
    ran = [a for a in found.attempts if a.status.state is not CommandState.NOT_RUN]
    if not ran:
        return Recovered.NOT_RUN
    if any(entry.key.startswith("relapsed") for entry in found.story):
        return Recovered.NO
    last = ran[-1]
    if last.verdict is Verdict.VERIFIED and last.status.state is not CommandState.UNKNOWN:
        return Recovered.YES
    return Recovered.NO if last.verdict is Verdict.NOT_RECOVERED else Recovered.UNCLEAR


def _summary(found: Findings, recovered: Recovered) -> str:
    course = course_of(found.points, found.incident)
    parts = [tell_course(course, metric_name(found)) if course else what_is_wrong(found.incident)]
    signs = signs_in(line.message for line in found.lines)
    parts += [f"{_count(n, 'log line')} around it: {sign.name}" for sign, n in signs.items()][:2]
    script = found.attempts[-1].script if found.attempts else ""
    parts.append(
        {
            Recovered.YES: f"{script} was run, and fresh data is healthy",
            Recovered.NO: f"{script} was run and did not cure it",
            Recovered.UNCLEAR: f"{script} was run, and whether it helped is not known",
            Recovered.NOT_RUN: f"nothing was run ({held})" if (held := _held(found)) else
            "nothing was run",
        }[recovered]
    )  # fmt: skip
    return "; ".join(parts) + "."


def _causes(found: Findings, dossier: Dossier) -> Iterator[Cause]:
    logs = [piece for piece in dossier.pieces if piece.kind == "log"]
    for sign in signs_in(piece.text for piece in logs):
        ids = tuple(piece.id for piece in logs if sign.words.search(piece.text))
        yield Cause(f"The log tells that {sign.name}.", ids, Confidence.MEDIUM)
    for attempt in found.attempts:
        if attempt.status.exit_code == 137:
            ids = dossier.ids("attempt")
            yield Cause(
                f"{attempt.script} was itself killed: memory may have run out.", ids, Confidence.LOW
            )
    if found.neighbours:
        yield Cause(
            f"{_count(len(found.neighbours), 'other incident')} on the same machine: it may be one"
            " trouble that shows in several places.",
            dossier.ids("neighbours"), Confidence.LOW,
        )  # fmt: skip
    course = course_of(found.points, found.incident)
    if course and course.rose_within is not None:
        within = write_duration(course.rose_within)
        how = (
            f"It came within {within}: something happened then, rather than grew."
            if course.rose_within <= SUDDEN
            else f"It took {within} to come: a leak or a growing load, rather than an event."
        )
        yield Cause(how, dossier.ids("metric"), Confidence.LOW)
    if len(found.past) >= RETURNS:
        yield Cause(
            f"It is the same trouble again: {len(found.past)} earlier cases here in 30 days.",
            dossier.ids("history"), Confidence.MEDIUM,
        )  # fmt: skip


def _steps(found: Findings, recovered: Recovered) -> Iterator[Step]:
    incident = found.incident
    if incident.state is IncidentState.ASKING:
        yield Step(
            "Answer the question whether to run the next rung; `deny` holds it.", Risk.LOW,
            f"autorecovery approve {incident.id}",
        )  # fmt: skip
    if recovered is not Recovered.YES and not incident.is_closed:
        yield from _what_helped(found)
    if (held := _held(found)) in HELD:
        yield Step(*HELD[held])
    for sign in signs_in(line.message for line in found.lines):
        yield Step(sign.step, Risk.NONE)
    if recovered is Recovered.YES and len(found.past) >= RETURNS:
        yield Step("The cure holds only for a while: look for the cause itself.", Risk.NONE)
    yield Step(
        "Read the whole story, with what every gate said.", Risk.NONE,
        f"autorecovery explain {incident.id}",
    )  # fmt: skip


def _what_helped(found: Findings) -> Iterator[Step]:
    """Yield the script that helped most often, unless it was just tried in vain."""
    tried = {attempt.script for attempt in found.attempts}
    cards = [card for card in found.cards if card.verified and card.script not in tried]
    ladder = found.incident.rule.recover if found.incident.rule else ()
    for card in sorted(cards, key=lambda card: -card.low)[:1]:
        text = f"{card.script} was verified in {card.verified} of {card.attempts} earlier attempts."
        is_on_ladder = any(rung.run == card.script for rung in ladder)
        command = f"autorecovery recover {found.incident.id}" if is_on_ladder else ""
        yield Step(text, Risk.MEDIUM, command)
    untried = [r.run for r in ladder if r.run != ASK_HUMAN and r.run not in tried]
    if untried and not cards:
        yield Step(f"Not tried yet: {untried[0]}.", Risk.MEDIUM)


def _not_known(found: Findings) -> Iterator[str]:
    if not found.points:
        why = "its source cannot be read again" if _is_event(found) else "no datapoint was found"
        yield f"How the metric went before and after: {why}."
    if not found.lines:
        yield "What the log said around it: no line was found."
    for attempt in found.attempts:
        yield from _doubts(attempt)
    yield "Which processes were busiest, and what was deployed last: no source for that is read."


def _doubts(attempt: Attempt) -> Iterator[str]:
    if attempt.status.state is CommandState.UNKNOWN:
        yield f"Whether {attempt.script} ran at all."
    elif (code := attempt.status.exit_code) in EXIT_CODES:
        yield f"Why {attempt.script} ended with exit code {code}: {EXIT_CODES[code]}."


def _is_event(found: Findings) -> bool:
    return isinstance(found.incident.signal.origin, EventOrigin)


def _held(found: Findings) -> Reason | None:
    """Return why the newest decision held, or why nothing was ever going to be run."""
    return reason_held(found.story) or found.incident.held_for


def reason_held(story: Sequence[Entry]) -> Reason | None:
    """Return why the newest decision of a story held, if it did."""
    decided = [entry for entry in story if entry.kind is EntryKind.DECIDED]
    said = decided[-1].text.rpartition(": ")[2] if decided else ""
    return next((r for r in Reason if r == said and r is not Reason.ALL_GATES_OPEN), None)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
