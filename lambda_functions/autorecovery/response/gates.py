"""The gates: every reason to hold back, one pure function each, in the order they are shown.

To add one: a Reason, a function here, its line in GATES, a row in the test's table.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from autorecovery.models.durations import write_duration
from autorecovery.models.incident import Attempt, Decision, GateResult, Incident
from autorecovery.models.reason import Autonomy, Reason
from autorecovery.models.rule import Rung
from autorecovery.ports import Presence


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the gates look at, gathered before any of them is asked."""

    now: datetime
    incident: Incident
    rung: Rung
    evidence_at: datetime
    """When the evidence for acting was measured: the breach, or the last rung's failure."""
    presence: Presence | None
    """None where the directory could not be asked."""
    healthy_again: bool
    """Fresh data shows health since the evidence was measured."""
    last_attempt: Attempt | None
    """The newest attempt on this target by another incident."""
    max_event_age: timedelta
    cooldown: timedelta


Gate = Callable[[Facts], GateResult]


def decide(facts: Facts) -> Decision:
    """Return whether to act; every gate is asked, and the first that holds names the reason."""
    results = tuple(gate(facts) for gate in GATES)
    reason = next((result.reason for result in results if result.reason), Reason.ALL_GATES_OPEN)
    return Decision(reason is Reason.ALL_GATES_OPEN, reason, results)


def still_open(facts: Facts) -> GateResult:
    """Hold where a person closed the incident."""
    return _result("open", Reason.CLOSED_BY_PERSON, holds=facts.incident.is_closed)


def still_sick(facts: Facts) -> GateResult:
    """Hold where the trouble went away by itself."""
    return _result("still sick", Reason.HEALTHY_BY_ITSELF, holds=facts.healthy_again)


def stale_event(facts: Facts) -> GateResult:
    """Hold where the evidence is older than allowed: what was true then may not be true now."""
    age = facts.now - facts.evidence_at
    detail = f"measured {write_duration(age)} ago, at most {write_duration(facts.max_event_age)}"
    return _result(
        "stale event", Reason.STALE_EVENT, holds=age > facts.max_event_age, detail=detail
    )


def wrong_identity(facts: Facts) -> GateResult:
    """Hold where the line that breached names another machine than its log stream."""
    claimed = facts.incident.signal.claimed_identity
    detail = f"the line says {claimed}" if claimed else ""
    return _result("identity", Reason.WRONG_IDENTITY, holds=claimed is not None, detail=detail)


def opted_in(facts: Facts) -> GateResult:
    """Hold where the target does not carry the opt-in tag, or nobody can tell."""
    if facts.presence is None:
        return _result("opt-in", Reason.OPT_IN_UNKNOWN, holds=True)
    detail = "" if facts.presence.exists else "no such machine is known"
    return _result("opt-in", Reason.NOT_OPTED_IN, holds=not facts.presence.opted_in, detail=detail)


def autonomy(facts: Facts) -> GateResult:
    """Hold where the rule may not act by itself."""
    rule = facts.incident.rule
    level = rule.autonomy if rule else Autonomy.OBSERVE
    reason = Reason.AUTONOMY_ASK if level is Autonomy.ASK else Reason.AUTONOMY_OBSERVE
    return _result(
        "autonomy", reason, holds=level is not Autonomy.AUTO, detail=f"autonomy: {level}"
    )


def cooldown(facts: Facts) -> GateResult:
    """Hold where something was run on this target a short while ago."""
    last = facts.last_attempt
    if last is None:
        return _result("cooldown", Reason.COOLING_DOWN, holds=False)
    over = last.intended_at + facts.cooldown
    detail = f"{last.script} was started {write_duration(facts.now - last.intended_at)} ago"
    return _result(
        "cooldown", Reason.COOLING_DOWN, holds=facts.now < over, detail=detail, until=over
    )


GATES: tuple[Gate, ...] = (
    still_open,
    still_sick,
    stale_event,
    wrong_identity,
    opted_in,
    autonomy,
    cooldown,
)
"""In the order in which people are told: first what makes the case itself doubtful."""


def _result(
    gate: str, reason: Reason, *, holds: bool, detail: str = "", until: datetime | None = None
) -> GateResult:
    return GateResult(gate, reason if holds else None, detail, until if holds else None)
