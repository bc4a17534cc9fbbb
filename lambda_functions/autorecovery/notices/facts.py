"""What is worth finding at a glance; worded as the sentences are, so that none is said twice."""

from collections.abc import Iterable, Sequence

from autorecovery.models.incident import Attempt, Climb, Incident
from autorecovery.models.notice import Fact
from autorecovery.models.rule import LogCondition
from autorecovery.models.signal import SignalKind
from autorecovery.notices import clauses

LAST_TRIED = 2
"""Attempts among the facts; the sentences have all of them."""


def seen(incident: Incident) -> tuple[Fact, ...]:
    """Return where it is, what was measured against which limit, and by which rule."""
    facts = [Fact("Target", clauses.place(incident)), *_measured(incident)]
    if incident.rule:
        facts.append(Fact("Rule", incident.rule_name))
    return tuple(facts)


def was_seen(incident: Incident) -> tuple[Fact, ...]:
    """Return the same of an incident that is over: what was measured then is no longer so."""
    began = Fact("Began with", clauses.trouble(incident))
    kept = [fact for fact in seen(incident) if fact.name in ("Target", "Rule")]
    return (*kept, began)


def _measured(incident: Incident) -> Iterable[Fact]:
    signal, when = incident.signal, incident.rule.when if incident.rule else None
    if condition := clauses.metric_of(incident):
        if signal.value is not None:
            yield Fact(condition.metric, clauses.number(signal.value))
        yield Fact("Limit", clauses.against_limit(condition, incident))
    elif isinstance(when, LogCondition):
        yield Fact("Seen", clauses.how_often(when))
    elif signal.kind is SignalKind.ALARM:
        yield Fact("Alarm", clauses.alarm(incident))
    elif signal.state:
        yield Fact("Seen", signal.state)


def doing(incident: Incident) -> Fact:
    """Return what is being done about it, or why nothing is."""
    return Fact("Doing", clauses.plan(incident).partition(". ")[0].removesuffix("."))


def outcome(climb: Climb) -> tuple[Fact, ...]:
    """Return what was tried, what data said, and which gates held."""
    facts = [Fact("Tried", text) for text in clauses.tried(climb.attempts[-LAST_TRIED:])]
    if climb.proof:
        facts.append(Fact("Fresh data", climb.proof))
    facts += [Fact("Held by", text) for text in clauses.held_gates(climb.decision)]
    return tuple(facts)


def before(attempts: Sequence[Attempt]) -> tuple[Fact, ...]:
    """Return what was tried before a question."""
    return tuple(Fact("Tried", text) for text in clauses.tried(attempts[-LAST_TRIED:]))
