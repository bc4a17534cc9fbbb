"""The two ways a response ends: closed, or handed to a human who is then kept informed."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from autorecovery.models.incident import Attempt, Decision, Ending, EntryKind, Incident
from autorecovery.models.notice import Notice
from autorecovery.models.reason import IncidentState, Reason, Verdict
from autorecovery.notices import compose
from autorecovery.ports import Workflow
from autorecovery.response.stage import Response
from autorecovery.response.vigil import check_health, keep_watch, rest

OVER = (Reason.RECOVERED, Reason.HEALTHY_BY_ITSELF, Reason.CLOSED_BY_PERSON)
"""Reasons that leave nothing for a human to do."""

HANDED_OVER = "handed over"

TELL_AGAIN = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60, 240, 1440))
"""Waits before an incident that is over is told again, as long as no notice of it was taken."""


def finish(
    incident: Incident,
    reason: Reason,
    attempts: Sequence[Attempt],
    decision: Decision | None,
    flow: Workflow,
    app: Response,
) -> Ending:
    """Close the incident where nothing is left to do; else hand it over, and stay with it."""
    if reason not in OVER:
        since = _hand_over(incident, reason, attempts, decision, flow, app)
        watch = keep_watch(incident, HANDED_OVER, since, flow, app, lambda look: False)
        reason = watch.over or reason
    return _close(incident, reason, attempts, flow, app)


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
        # What the first notice said is not said again.
        if reason is not compose.foretold(present) or not _is_known(incident.id, app):
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
        app.tell(_last_notice(incident, reason, attempts, app), "closed")
        app.note(incident.id, "closed", EntryKind.CLOSED, f"closed: {reason}")
        app.incidents.close(incident.id)
        return Ending(incident.id, reason, verdict)

    ending = flow.step("close", conclude, Ending)
    _make_known(incident, reason, attempts, flow, app)
    return ending


def _make_known(
    incident: Incident, reason: Reason, attempts: Sequence[Attempt], flow: Workflow, app: Response
) -> None:
    """Tell again of what nobody has heard of: the board was down all the while."""

    def tell(key: str) -> bool:
        app.tell(_last_notice(incident, reason, attempts, app), key)
        return _is_known(incident.id, app)

    known = flow.step("is it known", lambda: _is_known(incident.id, app), bool)
    for turn, pause in enumerate(TELL_AGAIN):
        if known:
            return
        rest(incident.id, f"before telling {turn}", pause, flow, app, deaf=True)
        known = flow.step(f"tell again {turn}", partial(tell, f"closed, again {turn}"), bool)


def _is_known(incident_id: str, app: Response) -> bool:
    """Return whether any notice of this incident was taken."""
    return any(entry.facts.get("delivered") for entry in app.incidents.timeline(incident_id))


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
        proven = attempts[-1].judgement
        return compose.recovered(incident, attempts[-1], proven.proof, proven.at)
    if reason is Reason.CLOSED_BY_PERSON:
        return compose.closed_by_person(incident, now)
    _, proof = check_health(app.present(incident.id), now, app)
    return compose.healthy_by_itself(incident, proof, now)
