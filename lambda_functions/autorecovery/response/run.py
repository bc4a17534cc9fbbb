"""Response, in order: announce, wait until it is bad enough, then rung by rung decide, recover,
verify.

The function reads like the runbook a person would follow. It is replayed from the top whenever it
resumes, so only what happens inside steps may look at the clock, a store or the world.
"""

from dataclasses import replace
from datetime import datetime

from autorecovery.models.incident import Attempt, CommandState, Decision, Ending, Incident
from autorecovery.models.reason import IncidentState, Reason, Verdict
from autorecovery.models.rule import Rung
from autorecovery.ports import Workflow
from autorecovery.response.announce import announce
from autorecovery.response.ask import ask
from autorecovery.response.budget import give_back, reserve
from autorecovery.response.choose import choose
from autorecovery.response.finish import finish
from autorecovery.response.recover import recover
from autorecovery.response.stage import Response
from autorecovery.response.verify import verify
from autorecovery.response.vigil import keep_watch


def respond(incident_id: str, flow: Workflow, app: Response) -> Ending:
    """Live one incident, from the first notice until it is healthy or a person closes it."""
    incident = announce(incident_id, flow, app)
    rule = incident.rule
    if incident.state is IncidentState.HANDED_OVER:
        # By an earlier life, of which only the store knows: what a human has stays with the human.
        return finish(incident, Reason.RESPONSE_LOST, (), None, flow, app)
    if rule is None or not rule.recover:
        why = Reason.NOTHING_TO_RUN if rule else Reason.NO_RULE
        return finish(incident, why, (), None, flow, app)
    if over := _await_recovery_level(incident, flow, app):
        return finish(incident, over, (), None, flow, app)
    attempts: tuple[Attempt, ...] = ()
    failed_at: datetime | None = None
    for number, rung in enumerate(rule.recover, start=1):
        decision = _permission(incident, rung, number, failed_at, flow, app)
        if not decision.acts:
            return finish(incident, decision.reason, attempts, decision, flow, app)
        attempt = recover(incident, rung, number, decision.at, flow, app)
        if attempt.status.state is not CommandState.NOT_RUN:
            attempt = verify(incident, attempt, rung, number, flow, app)
        give_back(incident, number, decision, flow, app)
        attempts = (*attempts, attempt)
        if reason := _no_next_rung(attempt):
            return finish(incident, reason, attempts, None, flow, app)
        failed_at = attempt.judgement.at if attempt.judgement else None
    return finish(incident, Reason.LADDER_EXHAUSTED, attempts, None, flow, app)


def _permission(
    incident: Incident,
    rung: Rung,
    number: int,
    failed_at: datetime | None,
    flow: Workflow,
    app: Response,
) -> Decision:
    """Return the decision on a rung: chosen, approved where the rule asks, and its budget taken."""
    decision = choose(incident, rung, number, failed_at, flow, app)
    if decision.reason is Reason.RESPONSE_LOST:
        return decision  # begun in an earlier life: nothing is asked or taken for it again
    if decision.asks:
        over = ask(incident, rung, number, flow, app)
        if over:
            return replace(decision, reason=over)
        decision = choose(incident, rung, number, failed_at, flow, app, again=True)
    return reserve(incident, rung, number, decision, flow, app) if decision.acts else decision


def _await_recovery_level(incident: Incident, flow: Workflow, app: Response) -> Reason | None:
    """Return None once the incident is bad enough to recover, or why it is over before that."""
    rule = incident.rule
    if rule is None or incident.level.reaches(rule.recover_at):
        return None
    enough, since = rule.recover_at, incident.opened_at
    return keep_watch(
        incident, "warning", since, flow, app, lambda look: look.level.reaches(enough)
    ).over


def _no_next_rung(attempt: Attempt) -> Reason | None:
    """Return why the ladder ends here; only a rung that was seen to fail leads to the next one."""
    if attempt.status.state is CommandState.NOT_RUN:
        return Reason.COULD_NOT_START
    if attempt.verdict is Verdict.VERIFIED:
        return Reason.RECOVERED
    if attempt.status.state is CommandState.UNKNOWN:
        return Reason.MAY_STILL_BE_RUNNING
    if attempt.resumed:
        return Reason.RESPONSE_LOST
    return None if attempt.verdict is Verdict.NOT_RECOVERED else Reason.UNCLEAR_OUTCOME
