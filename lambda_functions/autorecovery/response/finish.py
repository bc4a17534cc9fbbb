"""The two ways a response ends: closed, or handed to a human who is then kept informed."""

from datetime import datetime, timedelta
from functools import partial

from autorecovery.models.incident import Climb, CommandState, Ending, EntryKind, Incident
from autorecovery.models.notice import Notice
from autorecovery.models.order import Order
from autorecovery.models.reason import IncidentState, Reason, Verdict
from autorecovery.notices import compose
from autorecovery.ports import Workflow
from autorecovery.response.stage import Response
from autorecovery.response.vigil import Look, check_health, keep_watch, rest

HANDED_OVER = "handed over"

TELL_AGAIN = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60, 240, 1440))
"""Waits before an incident that is over is told again, as long as no notice of it was taken."""


def hand_over(
    incident: Incident, climb: Climb, order: Order | None, flow: Workflow, app: Response
) -> Look:
    """Hand the incident to a human, and stay with it: return the look that ended the watch.

    It ends with health, with a person who closes the incident, or with one who orders another
    climb. `order` is the one by which the last climb began, if one did.
    """
    label = order.over if order else HANDED_OVER
    tell = partial(_tell, incident, climb, label, app)
    since = flow.step(label, tell, datetime)
    return keep_watch(incident, label, since, flow, app, lambda look: False)


def _tell(incident: Incident, climb: Climb, label: str, app: Response) -> datetime:
    """Return when it was handed over, which an earlier life may have done."""
    present = app.present(incident.id)
    if present.is_closed:
        return app.clock()  # a person closed it meanwhile: there is nothing to hand over
    app.incidents.move(incident.id, IncidentState.HANDED_OVER)
    app.note(incident.id, label, EntryKind.HANDED_OVER, f"handed to a human: {climb.reason}")
    # What the first notice said is not said again.
    is_foretold = climb.reason is compose.foretold(present) and app.is_known(incident)
    if label != HANDED_OVER or not is_foretold:
        notice = compose.handed_over(present, climb, app.clock())
        app.tell(notice, label, alone=bool(climb.attempts) or label != HANDED_OVER)
    story = app.incidents.timeline(incident.id)
    return next(entry.at for entry in story if entry.key == label)


def tell_recovery(incident: Incident, climb: Climb, flow: Workflow, app: Response) -> datetime:
    """Tell people that it is well again, and return since when that is known."""
    attempt = climb.attempts[-1]
    assert attempt.judgement is not None, "verified attempts were judged"
    verified_at = attempt.judgement.at

    def tell() -> bool:
        app.tell(_good_news(incident, climb), f"recovered by {attempt.token}")
        return True

    flow.step(f"tell recovery by {attempt.token}", tell, bool)
    return verified_at


def close(incident: Incident, climb: Climb, flow: Workflow, app: Response) -> Ending:
    """Tell people that it is over, unless they know, and release the claim on rule and target."""
    ending = _conclude(incident, climb, flow, app)
    _make_known(incident, climb, flow, app)
    return ending


def end_canary(incident: Incident, climb: Climb, flow: Workflow, app: Response) -> Ending:
    """Close the canary however it ended, or the next could not begin; beat if all went well."""
    if not climb.is_end:
        flow.step(HANDED_OVER, partial(_tell, incident, climb, HANDED_OVER, app), datetime)
    ending = _conclude(incident, climb, flow, app)
    flow.step("beat", lambda: _beat(incident, climb, app), bool)
    return ending


def _beat(incident: Incident, climb: Climb, app: Response) -> bool:
    """Beat where the canary went all the way: decided, run, proved by data, and told."""
    canary = app.configuration.canary
    story = app.incidents.timeline(incident.id)
    told = all(e.facts.get("delivered") for e in story if e.kind is EntryKind.NOTIFIED)
    ran = all(attempt.status.state is CommandState.SUCCEEDED for attempt in climb.attempts)
    alive = canary is not None and canary.ended_as_expected(climb.reason) and told and ran
    if alive:
        app.note(incident.id, "beat", EntryKind.BEAT, f"the path is alive: {climb.reason}")
    return alive


def _conclude(incident: Incident, climb: Climb, flow: Workflow, app: Response) -> Ending:
    def conclude() -> Ending:
        # A canary is closed with what it failed of, which was told.
        if climb.is_end and not _is_good_news_again(incident, climb, app):
            app.tell(_last_notice(incident, climb, app), "closed")
        app.note(incident.id, "closed", EntryKind.CLOSED, f"closed: {climb.reason}")
        app.incidents.close(incident.id, climb.reason, app.clock())
        app.telling.leave(incident)
        return Ending(incident.id, climb.reason, _verdict(climb))

    return flow.step("close", conclude, Ending)


def _make_known(incident: Incident, climb: Climb, flow: Workflow, app: Response) -> None:
    """Tell again of what nobody has heard of: the board was down all the while."""

    def tell(key: str) -> bool:
        if not app.is_known(incident):
            app.tell(_last_notice(incident, climb, app), key, alone=True)
        return app.is_known(incident)

    known = flow.step("is it known", lambda: app.is_known(incident), bool)
    for turn, pause in enumerate(TELL_AGAIN):
        if known:
            return
        rest(incident.id, f"before telling {turn}", pause, flow, app, deaf=True)
        known = flow.step(f"tell again {turn}", partial(tell, f"closed, again {turn}"), bool)


def _is_good_news_again(incident: Incident, climb: Climb, app: Response) -> bool:
    """Return whether the last that people heard was that it is well, perhaps in an earlier life."""
    told = [e for e in app.incidents.timeline(incident.id) if e.kind is EntryKind.NOTIFIED]
    well = climb.reason in (Reason.RECOVERED, Reason.HEALTHY_BY_ITSELF)
    return well and bool(told) and told[-1].key.startswith("told recovered")


def _verdict(climb: Climb) -> Verdict | None:
    """Return what data said of the last attempt, or that there was health without any."""
    if climb.attempts:
        return climb.attempts[-1].verdict
    return Verdict.SELF_HEALED if climb.reason is Reason.HEALTHY_BY_ITSELF else None


def _good_news(incident: Incident, climb: Climb) -> Notice:
    """Return what was proven, as of when it was proven: it may be told later."""
    attempt = climb.attempts[-1]
    assert attempt.judgement is not None, "verified attempts were judged"
    return compose.recovered(incident, attempt, attempt.judgement.proof, attempt.judgement.at)


def _last_notice(incident: Incident, climb: Climb, app: Response) -> Notice:
    now = app.clock()
    if climb.reason is Reason.RECOVERED:
        return _good_news(incident, climb)
    if climb.reason is Reason.CLOSED_BY_PERSON:
        return compose.closed_by_person(incident, now)
    story = app.incidents.timeline(incident.id)
    _, proof = check_health(app.present(incident.id), story, now, app)
    return compose.healthy_by_itself(incident, proof, now)
