"""The two ways a response ends: closed, or handed to a human who is then kept informed."""

from collections.abc import Sequence
from datetime import datetime

from autorecovery.models.canary import CANARY
from autorecovery.models.incident import (
    Attempt,
    CommandState,
    Decision,
    Ending,
    EntryKind,
    Incident,
)
from autorecovery.models.notice import Notice
from autorecovery.models.reason import IncidentState, Reason, Verdict
from autorecovery.notices import compose
from autorecovery.ports import Workflow
from autorecovery.response.stage import Response
from autorecovery.response.vigil import check_health, keep_watch

OVER = (Reason.RECOVERED, Reason.HEALTHY_BY_ITSELF, Reason.CLOSED_BY_PERSON)
"""Reasons that leave nothing for a human to do."""

HANDED_OVER = "handed over"


def finish(
    incident: Incident,
    reason: Reason,
    attempts: Sequence[Attempt],
    decision: Decision | None,
    flow: Workflow,
    app: Response,
) -> Ending:
    """Close the incident where nothing is left to do; else hand it over, and stay with it."""
    if incident.rule_name == CANARY:
        return _finish_canary(incident, reason, attempts, decision, flow, app)
    if reason not in OVER:
        since = _hand_over(incident, reason, attempts, decision, flow, app)
        watch = keep_watch(incident, HANDED_OVER, since, flow, app, lambda look: False)
        reason = watch.over or reason
    return _close(incident, reason, attempts, flow, app)


def _finish_canary(
    incident: Incident,
    reason: Reason,
    attempts: Sequence[Attempt],
    decision: Decision | None,
    flow: Workflow,
    app: Response,
) -> Ending:
    """Close the canary however it ended, or the next could not begin; beat if all went well."""
    if reason not in OVER:
        _hand_over(incident, reason, attempts, decision, flow, app)
    ending = _close(incident, reason, attempts, flow, app)
    flow.step("beat", lambda: _beat(incident, reason, attempts, app), bool)
    return ending


def _beat(incident: Incident, reason: Reason, attempts: Sequence[Attempt], app: Response) -> bool:
    """Beat where the canary went all the way: decided, run, proved by data, and told."""
    canary = app.configuration.canary
    story = app.incidents.timeline(incident.id)
    told = all(e.facts.get("delivered") for e in story if e.kind is EntryKind.NOTIFIED)
    ran = all(attempt.status.state is CommandState.SUCCEEDED for attempt in attempts)
    alive = canary is not None and canary.ended_as_expected(reason) and told and ran
    if alive:
        app.note(incident.id, "beat", EntryKind.BEAT, f"the path is alive: {reason}")
    return alive


def _hand_over(
    incident: Incident,
    reason: Reason,
    attempts: Sequence[Attempt],
    decision: Decision | None,
    flow: Workflow,
    app: Response,
) -> datetime:
    """Return when it was handed over, which an earlier life may have done."""

    def tell() -> datetime:
        present = app.present(incident.id)
        proof = attempts[-1].judgement.proof if attempts and attempts[-1].judgement else ""
        app.incidents.move(incident.id, IncidentState.HANDED_OVER)
        app.note(incident.id, HANDED_OVER, EntryKind.HANDED_OVER, f"handed to a human: {reason}")
        if reason is not compose.foretold(present):  # what the first notice said is not said again
            notice = compose.handed_over(present, reason, attempts, decision, proof, app.clock())
            app.tell(notice, HANDED_OVER)
        story = app.incidents.timeline(incident.id)
        return next(entry.at for entry in story if entry.key == HANDED_OVER)

    return flow.step("hand over", tell, datetime)


def _close(
    incident: Incident, reason: Reason, attempts: Sequence[Attempt], flow: Workflow, app: Response
) -> Ending:
    verdict = _verdict(reason, attempts)

    def conclude() -> Ending:
        if reason in OVER:  # a canary is closed with what it failed of, which was told
            app.tell(_last_notice(incident, reason, attempts, app), "closed")
        app.note(incident.id, "closed", EntryKind.CLOSED, f"closed: {reason}")
        app.incidents.close(incident.id)
        return Ending(incident.id, reason, verdict)

    return flow.step("close", conclude, Ending)


def _verdict(reason: Reason, attempts: Sequence[Attempt]) -> Verdict | None:
    """Return what data said of the last attempt, or that there was health without any."""
    if attempts:
        return attempts[-1].verdict
    return Verdict.SELF_HEALED if reason is Reason.HEALTHY_BY_ITSELF else None


def _last_notice(
    incident: Incident, reason: Reason, attempts: Sequence[Attempt], app: Response
) -> Notice:
    now = app.clock()
    if reason is Reason.RECOVERED and attempts[-1].judgement:
        return compose.recovered(incident, attempts[-1], attempts[-1].judgement.proof, now)
    if reason is Reason.CLOSED_BY_PERSON:
        return compose.closed_by_person(incident, now)
    _, proof = check_health(app.present(incident.id), now, app)
    return compose.healthy_by_itself(incident, proof, now)
