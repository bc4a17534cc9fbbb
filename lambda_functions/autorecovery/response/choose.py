"""Whether to run a rung: facts are gathered once, every gate is asked, all answers are kept."""

from datetime import datetime

from autorecovery.errors import ReadError
from autorecovery.models.incident import Attempt, Decision, EntryKind, Incident
from autorecovery.models.rule import Rung
from autorecovery.ports import Presence, Workflow
from autorecovery.response.gates import Facts, decide
from autorecovery.response.stage import Response


def choose(
    incident: Incident,
    rung: Rung,
    number: int,
    evidence_at: datetime | None,
    flow: Workflow,
    app: Response,
) -> Decision:
    """Return the decision on this rung, written on the timeline with what every gate said.

    `evidence_at` is when the last rung was seen to have failed; None before the first.
    """

    def weigh() -> Decision:
        decision = decide(_gather(incident.id, rung, evidence_at, app))
        text = f"{'run' if decision.acts else 'hold'} {rung.run}: {decision.reason}"
        gates = {gate.gate: f"{gate.reason or 'open'}; {gate.detail}" for gate in decision.gates}
        app.note(incident.id, f"decided {number}", EntryKind.DECIDED, text, gates=gates)
        return decision

    return flow.step(f"decide {number}", weigh, Decision)


def _gather(incident_id: str, rung: Rung, evidence_at: datetime | None, app: Response) -> Facts:
    incident = app.present(incident_id)
    limits, rule = app.configuration.limits, incident.rule
    since, now = evidence_at or incident.breached_at, app.clock()
    return Facts(
        now=now,
        incident=incident,
        rung=rung,
        evidence_at=since,
        presence=_presence(incident, app),
        healthy_again=app.read(incident, since).shows_health(rung.verify.healthy_for, now),
        last_attempt=_attempt_of_others(incident, app),
        max_event_age=limits.max_event_age,
        cooldown=rule.cooldown if rule and rule.cooldown is not None else limits.cooldown,
    )


def _presence(incident: Incident, app: Response) -> Presence | None:
    try:
        return app.targets.look_up(incident.target)
    except ReadError:
        return None


def _attempt_of_others(incident: Incident, app: Response) -> Attempt | None:
    last = app.attempts.last_on(incident.target)
    return last if last and last.incident_id != incident.id else None
