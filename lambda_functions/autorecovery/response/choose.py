"""Whether to run a rung: facts are gathered once, every gate is asked, all answers are kept."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from autorecovery.errors import ReadError
from autorecovery.models.controls import Approval, Order
from autorecovery.models.history import Case
from autorecovery.models.incident import (
    Attempt,
    Decision,
    EntryKind,
    Incident,
    attempt_token,
)
from autorecovery.models.reason import Reason
from autorecovery.models.rule import Rung
from autorecovery.ports import Presence, Workflow
from autorecovery.response.budget import allowance, lease_for
from autorecovery.response.gates import Facts, decide
from autorecovery.response.stage import Response

CLOCKS_DIFFER = timedelta(hours=1)
"""A clock that was set back may have written an attempt down before its incident."""

LOOKED_AT = 200
"""Cases of a rule that tell of flapping and of correlation; where more came, both are plain."""


@dataclass(frozen=True, slots=True)
class Footing:
    """Where on the ladder a decision is made."""

    number: int
    """Of the attempt, counted over all climbs of the incident: with its id, it makes the token."""
    first: int
    """The number of this climb's first attempt."""
    order: Order | None = None
    """By whose word this climb began; None where the system began it."""
    failed_at: datetime | None = None
    """When the rung before was seen to have failed; None before the first."""


def choose(
    incident: Incident,
    rung: Rung,
    footing: Footing,
    flow: Workflow,
    app: Response,
    *,
    again: bool = False,
) -> Decision:
    """Return the decision on this rung, written on the timeline with what every gate said.

    `again` is for the decision after a person was asked: all facts are gathered anew. What an
    earlier life of this response has begun is looked after, whatever the gates say now: it is never
    sent again.
    """
    label = f"{footing.number} again" if again else str(footing.number)

    def weigh() -> Decision:
        if footing.order is not None and footing.failed_at is None:
            text = f"the ladder is climbed at the word of {footing.order.by}"
            app.note(incident.id, footing.order.followed, EntryKind.DECIDED, text)
        facts = _gather(incident.id, rung, footing, app)
        decision = replace(decide(facts), at=facts.now)
        text = f"{'run' if decision.acts else 'hold'} {rung.run}: {decision.reason}"
        if _is_begun(incident, footing.number, app):
            decision = replace(decision, acts=True, reason=Reason.RESPONSE_LOST)
            text = f"look after {rung.run}: {decision.reason}"
        gates = {gate.gate: f"{gate.reason or 'open'}; {gate.detail}" for gate in decision.gates}
        app.note(incident.id, f"decided {label}", EntryKind.DECIDED, text, gates=gates)
        return decision

    return flow.step(f"decide {label}", weigh, Decision)


def _gather(incident_id: str, rung: Rung, footing: Footing, app: Response) -> Facts:
    incident, now = app.present(incident_id), app.clock()
    limits, rule, order = app.configuration.limits, incident.rule, footing.order
    approval = _approval(incident, footing, app)
    since = footing.failed_at or (order.at if order else incident.breached_at)
    presence = _presence(incident, app)
    cases = _cases(incident, now, app)
    return Facts(
        now=now,
        incident=incident,
        rung=rung,
        # A person who approves has looked: that is evidence as fresh as any.
        evidence_at=max(since, approval.at) if approval and approval.approved else since,
        presence=presence,
        healthy_again=app.read(incident, since).shows_health(rung.verify.healthy_for, now),
        others=_attempts_of_others(incident, footing, now, app),
        openings=sum(
            1
            for case in cases
            if case.target_key == incident.target.key
            and now - case.opened_at < limits.flapping.window
        ),
        fellows=len(
            {case.target_key for case in cases if now - case.opened_at < limits.correlated.within}
        ),
        ordered=order is not None,
        asks_first=rule.asks_before(footing.number - footing.first + 1) if rule else False,
        approval=approval,
        demotion=app.controls.demotion(rung.run, incident.rule_name),
        halt=app.controls.halt(),
        windows=tuple(_open_windows(incident, now, app)),
        fleet_refusal=_fleet_refusal(incident, rung, footing.number, presence, app),
        limits=limits,
        cooldown=_cooldown(incident, app),
    )


def _approval(incident: Incident, footing: Footing, app: Response) -> Approval | None:
    """Return what a person said to this very attempt: who orders a climb approves its first."""
    token, order = attempt_token(incident.id, footing.number), footing.order
    said = app.controls.approval(token)
    if said is None and order is not None and footing.failed_at is None:
        return Approval(token, approved=True, by=order.by, at=order.at)
    return said


def _cooldown(incident: Incident, app: Response) -> timedelta:
    rule = incident.rule
    configured = rule.cooldown if rule else None
    return app.configuration.limits.cooldown if configured is None else configured


def _is_begun(incident: Incident, number: int, app: Response) -> bool:
    """Return whether an earlier life of this response, of which only the store knows, got so far.

    It happens where the journal ends with its process, as on one machine.
    """
    token = attempt_token(incident.id, number)
    known = app.attempts.recent_on(incident.target, incident.opened_at - CLOCKS_DIFFER)
    return any(attempt.token == token for attempt in known)


def _presence(incident: Incident, app: Response) -> Presence | None:
    try:
        return app.targets.look_up(incident.target)
    except ReadError:
        return None


def _attempts_of_others(
    incident: Incident, footing: Footing, now: datetime, app: Response
) -> tuple[Attempt, ...]:
    """Return the attempts on this target that are not of this very climb."""
    windows = (limit.window for limit in app.configuration.limits.attempts)
    recent = app.attempts.recent_on(incident.target, now - max(_cooldown(incident, app), *windows))
    climb = range(footing.first, footing.number + 1)
    own = {attempt_token(incident.id, number) for number in climb}
    return tuple(attempt for attempt in recent if attempt.token not in own)


def _cases(incident: Incident, now: datetime, app: Response) -> list[Case]:
    """Return what tells of flapping or of correlation: echoes of what was over count for nothing.

    This incident is among them, even where the clock ran back since it was opened.
    """
    limits = app.configuration.limits
    longest = max(limits.flapping.window, limits.correlated.within)
    lately = app.incidents.cases(incident.rule_name, now - longest, LOOKED_AT)
    others = [c for c in lately if c.incident_id != incident.id and c.ended is not Reason.ECHO]
    return [Case(incident.id, incident.target.key, incident.opened_at), *others]


def _open_windows(
    incident: Incident, now: datetime, app: Response
) -> Iterator[tuple[str, datetime]]:
    declared = (each.window for each in app.controls.windows())
    for window in (*app.configuration.maintenance, *declared):
        end = window.ends(now)
        if end is not None and window.concerns(incident.rule_name, incident.target.name):
            yield window.name, end


def _fleet_refusal(
    incident: Incident, rung: Rung, number: int, presence: Presence | None, app: Response
) -> Reason | None:
    if presence is None:
        return None  # the gate that asks for the opt-in says so
    ledger = app.budget.ledger(presence.group)
    lease = lease_for(incident, rung, number, app)
    return ledger.refusal(lease, allowance(presence.fleet, app), app.clock())
