"""After a rung failed: whether its script still deserves to be run without being asked about."""

from datetime import datetime

from autorecovery.models.controls import Demotion
from autorecovery.models.incident import Attempt, EntryKind, Incident
from autorecovery.models.reason import Verdict
from autorecovery.models.scorecard import Scorecard, scorecards
from autorecovery.notices import compose
from autorecovery.ports import Workflow
from autorecovery.response.stage import Response


def appraise(
    incident: Incident, attempt: Attempt, number: int, flow: Workflow, app: Response
) -> None:
    """Demote the script under this rule where its record asks for it; people hear of it once."""
    if attempt.verdict is not Verdict.NOT_RECOVERED:
        return  # nothing else makes the record worse

    def judge() -> bool:
        demotion = _demotion(incident, attempt, app)
        if demotion is None or demotion.incident_id != incident.id:
            return False
        notice = compose.demoted(incident, demotion, _limit(app), app.clock())
        app.tell(notice, f"demoted {attempt.script}")
        app.note(
            incident.id, f"demoted {attempt.script}", EntryKind.DEMOTED, notice.headline,
            verified=demotion.verified, attempts=demotion.attempts,
        )  # fmt: skip
        return True

    flow.step(f"appraise {number}", judge, bool)


def _demotion(incident: Incident, attempt: Attempt, app: Response) -> Demotion | None:
    """Return the demotion that stands, perhaps since this moment."""
    standing = app.controls.demotion(attempt.script, incident.rule_name)
    now, limit = app.clock(), app.configuration.limits.demotion
    if standing is not None:
        return standing
    card = _card(incident, attempt, now, app)
    if card.attempts < limit.attempts or card.low >= limit.percent / 100:
        return None
    return app.controls.demote(
        Demotion(
            attempt.script,
            incident.rule_name,
            now,
            card.verified,
            card.attempts,
            card.low,
            incident.id,
        )
    )


def _card(incident: Incident, attempt: Attempt, now: datetime, app: Response) -> Scorecard:
    """Return the script's record since a person last promoted it."""
    promoted = app.controls.promotion(attempt.script, incident.rule_name)
    since = now - app.configuration.limits.demotion.within
    since = max(since, promoted.at) if promoted else since
    lately = app.attempts.of_rule(incident.rule_name, since)
    mine = [attempt, *(a for a in lately if a.token != attempt.token)]
    cards = scorecards(incident.rule_name, mine, (), now)
    return next(card for card in cards if card.script == attempt.script)


def _limit(app: Response) -> float:
    return app.configuration.limits.demotion.percent
