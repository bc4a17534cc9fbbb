"""Whether to run a rung: facts are gathered once, every gate is asked, all answers are kept."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from autorecovery.errors import ReadError
from autorecovery.models.canary import CANARY
from autorecovery.models.controls import Approval, WindowKind
from autorecovery.models.incident import (
    Attempt,
    CommandState,
    Decision,
    EntryKind,
    GateResult,
    Incident,
    attempt_token,
)
from autorecovery.models.order import Order
from autorecovery.models.reason import Reason
from autorecovery.models.rule import Rung
from autorecovery.models.signal import TargetKind
from autorecovery.ports import Presence, Workflow
from autorecovery.response.budget import allowance, lease_for
from autorecovery.response.company import LOOKED_AT, openings, parent_of, with_own
from autorecovery.response.gates import Facts, decide, of_the_canary
from autorecovery.response.stage import Response


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
    resumed: bool = False
    """The rung before was begun by an earlier life: what that began is looked after, no more."""


def follow(incident: Incident, order: Order, flow: Workflow, app: Response) -> None:
    """Note that a person's word to climb the ladder is taken up: once, in whatever life."""

    def note() -> bool:
        text = f"the ladder is climbed at the word of {order.by}"
        app.note(incident.id, order.followed, EntryKind.DECIDED, text)
        return True

    flow.step(f"follow order {order.number}", note, bool)


def choose(
    incident: Incident,
    rung: Rung,
    footing: Footing,
    again: str,
    flow: Workflow,
    app: Response,
) -> Decision:
    """Return the decision on this rung, written on the timeline with what every gate said.

    `again` names a later decision on the same rung: all facts are gathered anew. What an
    earlier life of this response has begun is looked after, whatever the gates say now: it is never
    sent again.
    """
    label = f"{footing.number} {again}".rstrip()

    def weigh() -> Decision:
        facts = _gather(incident.id, rung, footing, app)
        decision = replace(decide(facts), at=facts.now)
        text = f"{'run' if decision.acts else 'hold'} {rung.run}: {decision.reason}"
        begun = app.begun(incident, footing.number) is not None
        if begun or footing.resumed:
            decision = replace(decision, acts=begun, reason=Reason.RESPONSE_LOST)
            text = f"{'look after' if begun else 'hold'} {rung.run}: {decision.reason}"
        gates = {gate.gate: _answer(gate) for gate in decision.gates}
        app.note(incident.id, f"decided {label}", EntryKind.DECIDED, text, gates=gates)
        return decision

    return flow.step(f"decide {label}", weigh, Decision)


def _answer(gate: GateResult) -> str:
    """Return what a gate said, and when it lets go, where that is known."""
    until = f"until {gate.until:%Y-%m-%d %H:%M:%S} UTC" if gate.until else ""
    return f"{gate.reason or 'open'}; " + "; ".join(part for part in (gate.detail, until) if part)


def _gather(incident_id: str, rung: Rung, footing: Footing, app: Response) -> Facts:
    incident, now = app.present(incident_id), app.clock()
    limits, rule, order = app.configuration.limits, incident.rule, footing.order
    approval = _approval(incident, footing, app)
    since = footing.failed_at or (order.at if order else incident.breached_at)
    presence = _presence(incident, app)
    refusal, free_at = _fleet_refusal(incident, rung, footing.number, presence, app)
    facts = Facts(
        now=now,
        incident=incident,
        rung=rung,
        # A person who approves has looked: that is evidence as fresh as any.
        evidence_at=max(since, approval.at) if approval and approval.approved else since,
        presence=presence,
        healthy_again=app.read(incident, since).shows_health(rung.verify.healthy_for, now),
        others=_attempts_of_others(incident, footing, now, app),
        parent=_host_that_is_down(incident, app),
        openings=openings(incident, app.configuration, app.incidents, now),
        fellows=_fellows(incident, now, app),
        ordered=order is not None,
        asks_first=rule.asks_before(footing.number - footing.first + 1) if rule else False,
        approval=approval,
        demotion=app.controls.demotion(rung.run, incident.rule_name),
        halt=app.controls.halt(),
        windows=tuple(_open_windows(incident, now, app)),
        fleet_refusal=refusal,
        fleet_free_at=free_at,
        limits=limits,
        cooldown=_cooldown(incident, app),
    )
    return of_the_canary(facts) if incident.rule_name == CANARY else facts


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
    # What did not run, and a canary, did nothing to the machine: nobody need wait for that.
    idle = (a.token for a in recent if a.status.state is CommandState.NOT_RUN)
    own.update(idle)
    return tuple(a for a in recent if a.token not in own and a.rule_name != CANARY)


def _host_that_is_down(incident: Incident, app: Response) -> Incident | None:
    """Return the incident that says that the machine of a container is down, if one does."""
    if incident.target.kind is not TargetKind.CONTAINER:
        return None
    return parent_of(incident, app.configuration, app.incidents)


def _fellows(incident: Incident, now: datetime, app: Response) -> tuple[datetime, ...]:
    """Return when this rule was last broken on each target within the window of correlation."""
    since = now - app.configuration.limits.correlated.within
    newest: dict[str, datetime] = {}
    for case in with_own(app.incidents.cases(incident.rule_name, since, LOOKED_AT), incident):
        if case.opened_at > since:
            newest[case.target_key] = max(case.opened_at, newest.get(case.target_key, since))
    return tuple(newest.values())


def _open_windows(
    incident: Incident, now: datetime, app: Response
) -> Iterator[tuple[str, datetime]]:
    declared = (each.window for each in app.controls.windows(WindowKind.MAINTENANCE))
    for window in (*app.configuration.maintenance, *declared):
        end = window.ends(now)
        if end is not None and window.concerns(incident.rule_name, incident.target.name):
            yield window.name, end


def _fleet_refusal(
    incident: Incident, rung: Rung, number: int, presence: Presence | None, app: Response
) -> tuple[Reason | None, datetime | None]:
    """Return what the fleet's book answers now, and when that changes at the latest."""
    if presence is None:
        return None, None  # the gate that asks for the opt-in says so
    ledger, allowed = app.budget.ledger(presence.group), allowance(presence.fleet, app)
    lease = lease_for(incident, rung, number, app)
    refusal = ledger.refusal(lease, allowed, app.clock())
    return refusal, ledger.lets_go(refusal, lease, allowed) if refusal else None
