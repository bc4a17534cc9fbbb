"""Whether to run a rung: facts are gathered once, every gate is asked, all answers are kept."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from autorecovery.errors import ReadError
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


def choose(
    incident: Incident,
    rung: Rung,
    number: int,
    evidence_at: datetime | None,
    flow: Workflow,
    app: Response,
    *,
    again: bool = False,
) -> Decision:
    """Return the decision on this rung, written on the timeline with what every gate said.

    `evidence_at` is when the last rung was seen to have failed; None before the first. `again` is
    for the decision after a person was asked: all facts are gathered anew. What an earlier life of
    this response has begun is looked after, whatever the gates say now: it is never sent again.
    """
    label = f"{number} again" if again else str(number)

    def weigh() -> Decision:
        facts = _gather(incident.id, rung, number, evidence_at, app)
        decision = replace(decide(facts), at=facts.now)
        text = f"{'run' if decision.acts else 'hold'} {rung.run}: {decision.reason}"
        if _is_begun(incident, number, app):
            decision = replace(decision, acts=True, reason=Reason.RESPONSE_LOST)
            text = f"look after {rung.run}: {decision.reason}"
        gates = {gate.gate: f"{gate.reason or 'open'}; {gate.detail}" for gate in decision.gates}
        app.note(incident.id, f"decided {label}", EntryKind.DECIDED, text, gates=gates)
        return decision

    return flow.step(f"decide {label}", weigh, Decision)


def _gather(
    incident_id: str, rung: Rung, number: int, evidence_at: datetime | None, app: Response
) -> Facts:
    incident = app.present(incident_id)
    limits, rule = app.configuration.limits, incident.rule
    since, now = evidence_at or incident.breached_at, app.clock()
    approval = app.controls.approval(attempt_token(incident.id, number))
    presence = _presence(incident, app)
    history = _history(incident, now, app)
    return Facts(
        now=now,
        incident=incident,
        rung=rung,
        # A person who approves has looked: that is evidence as fresh as any.
        evidence_at=max(since, approval.at) if approval and approval.approved else since,
        presence=presence,
        healthy_again=app.read(incident, since).shows_health(rung.verify.healthy_for, now),
        others=_attempts_of_others(incident, now, app),
        openings=sum(
            1
            for each in history
            if each.key == incident.key and now - each.opened_at < limits.flapping.window
        ),
        fellows=len(
            {
                each.target.key
                for each in history
                if each.rule_name == incident.rule_name
                and now - each.opened_at < limits.correlated.within
            }
        ),
        approval=approval,
        halt=app.controls.halt(),
        windows=tuple(_open_windows(incident, now, app)),
        fleet_refusal=_fleet_refusal(incident, rung, number, presence, app),
        limits=limits,
        cooldown=rule.cooldown if rule and rule.cooldown is not None else limits.cooldown,
    )


def _is_begun(incident: Incident, number: int, app: Response) -> bool:
    return app.begun(incident, number) is not None


def _presence(incident: Incident, app: Response) -> Presence | None:
    try:
        return app.targets.look_up(incident.target)
    except ReadError:
        return None


def _attempts_of_others(incident: Incident, now: datetime, app: Response) -> tuple[Attempt, ...]:
    limits, rule = app.configuration.limits, incident.rule
    cooldown = rule.cooldown if rule and rule.cooldown is not None else limits.cooldown
    longest = max(cooldown, *(limit.window for limit in limits.attempts))
    recent = app.attempts.recent_on(incident.target, now - longest)
    return tuple(attempt for attempt in recent if attempt.incident_id != incident.id)


def _history(incident: Incident, now: datetime, app: Response) -> list[Incident]:
    """Return the incidents that tell of flapping or of correlation, this one among them."""
    limits = app.configuration.limits
    longest = max(limits.flapping.window, limits.correlated.within)
    lately = app.incidents.opened_since(now - longest)
    return [incident, *(each for each in lately if each.id != incident.id)]


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
