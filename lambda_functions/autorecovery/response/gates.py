"""The gates: every reason to hold back, one pure function each, in the order they are shown.

To add one: a Reason, a function here, its line in GATES, a row in the test's table.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from autorecovery.config import Limits
from autorecovery.models.actions import ASK_HUMAN, is_action
from autorecovery.models.canary import BOOK
from autorecovery.models.controls import Approval, Demotion, Halt
from autorecovery.models.durations import write_duration
from autorecovery.models.incident import Attempt, Decision, GateResult, Incident
from autorecovery.models.reason import Autonomy, Reason
from autorecovery.models.rule import Rung
from autorecovery.ports import Presence
from autorecovery.scripts import MINIMUM_AGENT_VERSION


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
    others: tuple[Attempt, ...]
    """Attempts on this target by other incidents within the longest window, newest first."""
    openings: tuple[datetime, ...]
    """When this rule was broken here within the window of flapping, this time too."""
    fellows: tuple[datetime, ...]
    """When this rule was last broken on each target within the window of correlation, this one
    among them."""
    ordered: bool
    """A person asked for this climb: a rule that only observes then asks for each further rung."""
    asks_first: bool
    """The ladder asks a person before this rung, whatever the rule's autonomy."""
    approval: Approval | None
    """What a person said to this very attempt; asking for a climb approves its first."""
    demotion: Demotion | None
    """The rung's script has helped this rule too seldom."""
    parent: Incident | None
    """The incident that says that the machine it runs on is down."""
    halt: Halt | None
    windows: tuple[tuple[str, datetime], ...]
    """Open maintenance windows that concern this: name and end."""
    fleet_refusal: Reason | None
    """What the fleet's book would answer now."""
    fleet_free_at: datetime | None
    """When that answer changes at the latest."""
    limits: Limits
    cooldown: timedelta


Gate = Callable[[Facts], GateResult]


def decide(facts: Facts) -> Decision:
    """Return whether to act; every gate is asked, and the first that holds names the reason."""
    results = tuple(gate(facts) for gate in GATES)
    reason = next((result.reason for result in results if result.reason), Reason.ALL_GATES_OPEN)
    presence = facts.presence or Presence(exists=False, opted_in=False)
    acts = reason is Reason.ALL_GATES_OPEN
    return Decision(acts, reason, results, presence.group, presence.fleet)


def of_the_canary(facts: Facts) -> Facts:
    """Return the facts as the canary sees them: its own regularity must not hold it.

    Halt, maintenance, opt-in, staleness and reach hold it as they hold all others. It comes by the
    clock, is never sick, and does nothing: so it does not flap, is no fellow of anybody, heals of
    nothing, and has a budget of its own.
    """
    presence = facts.presence and replace(facts.presence, group=BOOK)
    return replace(
        facts, presence=presence, healthy_again=False, others=(), openings=(), fellows=(),
        demotion=None, fleet_refusal=None,
    )  # fmt: skip


def still_open(facts: Facts) -> GateResult:
    """Hold where a person closed the incident."""
    return _result("open", Reason.CLOSED_BY_PERSON, holds=facts.incident.is_closed)


def still_sick(facts: Facts) -> GateResult:
    """Hold where the trouble went away by itself."""
    return _result("still sick", Reason.HEALTHY_BY_ITSELF, holds=facts.healthy_again)


def stale_event(facts: Facts) -> GateResult:
    """Hold where the evidence is older than allowed: what was true then may not be true now."""
    age = facts.now - facts.evidence_at
    allowed = facts.limits.max_event_age
    detail = f"measured {write_duration(age)} ago, at most {write_duration(allowed)}"
    return _result("stale event", Reason.STALE_EVENT, holds=age > allowed, detail=detail)


def halted(facts: Facts) -> GateResult:
    """Hold while the kill switch is set."""
    halt = facts.halt
    detail = f"by {halt.by}: {halt.why}" if halt else ""
    return _result("halt", Reason.HALTED, holds=halt is not None, detail=detail)


def maintenance(facts: Facts) -> GateResult:
    """Hold while somebody works on it."""
    name, end = max(facts.windows, key=lambda window: window[1], default=("", facts.now))
    return _result(
        "maintenance", Reason.MAINTENANCE, holds=bool(facts.windows), detail=name, until=end
    )


def correlated(facts: Facts) -> GateResult:
    """Hold where too many machines have the same trouble: restarting them one by one helps none."""
    limit = facts.limits.correlated
    detail = f"{len(facts.fellows)} targets within {write_duration(limit.within)}"
    until = _falls_below(limit.targets, facts.fellows, limit.within)
    return _result(
        "correlation", Reason.CORRELATED, holds=until is not None, detail=detail, until=until
    )


def parent_down(facts: Facts) -> GateResult:
    """Hold where the machine that this runs on is down: what helps that helps this."""
    parent = facts.parent
    detail = f"{parent.target.name}, {parent.id}" if parent else ""
    return _result("parent", Reason.PARENT_DOWN, holds=parent is not None, detail=detail)


def flapping(facts: Facts) -> GateResult:
    """Hold where the incident comes and goes."""
    limit = facts.limits.flapping
    detail = f"opened {len(facts.openings)} times within {write_duration(limit.window)}"
    until = _falls_below(limit.count, facts.openings, limit.window)
    return _result("flapping", Reason.FLAPPING, holds=until is not None, detail=detail, until=until)


def attempts(facts: Facts) -> GateResult:
    """Hold where the rule has been tried on this target as often as allowed, in any window."""
    for limit in facts.limits.attempts:
        recent = [
            attempt.intended_at
            for attempt in facts.others
            if attempt.rule_name == facts.incident.rule_name
            and facts.now - attempt.intended_at < limit.window
        ]
        if until := _falls_below(limit.count, recent, limit.window):
            detail = f"{len(recent)} within {write_duration(limit.window)}"
            return _result(
                "attempts", Reason.ATTEMPTS_SPENT, holds=True, detail=detail, until=until
            )
    return _result("attempts", Reason.ATTEMPTS_SPENT, holds=False)


def fleet(facts: Facts) -> GateResult:
    """Hold where this machine, or enough of its fleet, is being or was recovered."""
    refusal = facts.fleet_refusal
    return _result(
        "fleet", refusal or Reason.FLEET_BUSY, holds=refusal is not None, until=facts.fleet_free_at
    )


def reachable(facts: Facts) -> GateResult:
    """Hold where a script could not be delivered, or not with its parameters as variables.

    What is done to a machine from outside needs no agent on it: a dead one may be the reason.
    """
    presence = facts.presence
    if is_action(facts.rung.run):
        return _result("reach", Reason.UNREACHABLE, holds=False, detail="done from outside")
    if presence is None or not presence.reachable:
        return _result("reach", Reason.UNREACHABLE, holds=presence is not None)
    old = presence.agent is not None and presence.agent < MINIMUM_AGENT_VERSION
    detail = ".".join(map(str, presence.agent)) if presence.agent else ""
    return _result("reach", Reason.AGENT_TOO_OLD, holds=old, detail=detail)


def wrong_identity(facts: Facts) -> GateResult:
    """Hold where the line that breached names another machine than its log stream."""
    claimed = facts.incident.signal.claimed_identity
    detail = f"the line says {claimed}" if claimed else ""
    return _result("identity", Reason.WRONG_IDENTITY, holds=claimed is not None, detail=detail)


def runnable(facts: Facts) -> GateResult:
    """Hold where the machine only tells us of itself: there is no way to run anything on it."""
    presence = facts.presence
    holds = presence is not None and presence.only_sends
    return _result("way to run", Reason.NO_WAY_TO_RUN, holds=holds)


def opted_in(facts: Facts) -> GateResult:
    """Hold where the target does not carry the opt-in tag, or nobody can tell."""
    if facts.presence is None:
        return _result("opt-in", Reason.OPT_IN_UNKNOWN, holds=True)
    detail = "" if facts.presence.exists else "no such machine is known"
    return _result("opt-in", Reason.NOT_OPTED_IN, holds=not facts.presence.opted_in, detail=detail)


def autonomy(facts: Facts) -> GateResult:
    """Hold where the rule may not act by itself."""
    rule, said = facts.incident.rule, facts.approval
    level = rule.autonomy if rule else Autonomy.OBSERVE
    detail = f"autonomy: {level}"
    if facts.ordered and level is Autonomy.OBSERVE:
        level = Autonomy.ASK
    if level is Autonomy.OBSERVE:
        return _result("autonomy", Reason.AUTONOMY_OBSERVE, holds=True, detail=detail)
    asks = level is Autonomy.ASK or facts.asks_first
    if said is not None:
        detail = f"{'approved' if said.approved else 'denied'} by {said.by}"
        return _result("autonomy", Reason.DENIED, holds=not said.approved, detail=detail)
    if level is not Autonomy.ASK and facts.asks_first:
        detail = f"the ladder has {ASK_HUMAN} before this rung"
    return _result("autonomy", Reason.AUTONOMY_ASK, holds=asks, detail=detail)


def proven(facts: Facts) -> GateResult:
    """Hold where the script has helped too seldom, unless a person has approved this attempt."""
    demotion, said = facts.demotion, facts.approval
    if demotion is None:
        return _result("script", Reason.SCRIPT_DEMOTED, holds=False)
    detail = f"{demotion.verified} of {demotion.attempts} attempts were verified"
    approved = said is not None and said.approved
    return _result("script", Reason.SCRIPT_DEMOTED, holds=not approved, detail=detail)


def cooldown(facts: Facts) -> GateResult:
    """Hold where something was run on this target a short while ago."""
    last = facts.others[0] if facts.others else None
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
    halted,
    stale_event,
    wrong_identity,
    runnable,
    opted_in,
    maintenance,
    correlated,
    parent_down,
    flapping,
    autonomy,
    proven,
    cooldown,
    attempts,
    fleet,
    reachable,
)
"""In the order in which people are told: first what makes the case itself doubtful."""


def _falls_below(count: int, moments: Sequence[datetime], window: timedelta) -> datetime | None:
    """Return when fewer than so many of these moments lie within the window; None if so now."""
    if len(moments) < count:
        return None
    return sorted(moments, reverse=True)[count - 1] + window


def _result(
    gate: str, reason: Reason, *, holds: bool, detail: str = "", until: datetime | None = None
) -> GateResult:
    return GateResult(gate, reason if holds else None, detail, until if holds else None)
