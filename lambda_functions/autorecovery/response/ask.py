"""Asking a person whether to run a rung, and waiting for the answer, durably."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from autorecovery.models.incident import EntryKind, Incident, attempt_token
from autorecovery.models.notice import Question
from autorecovery.models.reason import IncidentState, Reason
from autorecovery.models.rule import Rung
from autorecovery.notices import compose
from autorecovery.ports import Workflow
from autorecovery.response.stage import Response
from autorecovery.response.vigil import check_health, rest

LOOKS = 60
"""At most so many looks for an answer; usually the answer itself wakes us."""

SHORTEST_PAUSE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Answer:
    """How the question stands: answered, overtaken by events, or still open."""

    given: bool
    over: Reason | None = None


def ask(
    incident: Incident, rung: Rung, number: int, flow: Workflow, app: Response
) -> Reason | None:
    """Return None once a person has answered, or why the question is no longer worth an answer."""
    until = flow.step(f"ask {number}", partial(_put, incident, rung, number, app), datetime)
    pause = max(app.configuration.limits.approval_expires / LOOKS, SHORTEST_PAUSE)
    turn, woken = 0, False
    while True:
        look = partial(_look, incident, number, until, app)
        answer = flow.step(f"answer {number}.{turn}", look, Answer)
        if answer.given or answer.over:
            return answer.over
        name = f"for an answer {number}.{turn}"
        woken = rest(incident.id, name, pause, flow, app, deaf=woken)
        turn += 1


def _put(incident: Incident, rung: Rung, number: int, app: Response) -> datetime:
    """Ask, and return until when an answer counts."""
    now = app.clock()
    until = now + app.configuration.limits.approval_expires
    app.incidents.move(incident.id, IncidentState.ASKING)
    tried = [
        attempt
        for attempt in reversed(app.attempts.recent_on(incident.target, incident.opened_at))
        if attempt.incident_id == incident.id
    ]
    question = Question(attempt_token(incident.id, number), until)
    app.tell(compose.asking(incident, rung, tried, question, now), f"asked {number}")
    app.note(
        incident.id, f"asked {number}", EntryKind.ASKED, f"asked whether to run {rung.run}",
        attempt=question.attempt, until=until.isoformat(),
    )  # fmt: skip
    story = app.incidents.timeline(incident.id)
    asked = next(entry for entry in story if entry.key == f"asked {number}")
    return datetime.fromisoformat(asked.facts["until"])  # the first asking stands


def _look(incident: Incident, number: int, until: datetime, app: Response) -> Answer:
    present, now = app.present(incident.id), app.clock()
    if present.is_closed:
        return Answer(given=False, over=Reason.CLOSED_BY_PERSON)
    if app.controls.approval(attempt_token(incident.id, number)):
        return Answer(given=True)
    if check_health(present, app.incidents.timeline(incident.id), now, app)[0]:
        return Answer(given=False, over=Reason.HEALTHY_BY_ITSELF)
    return Answer(given=False, over=Reason.APPROVAL_EXPIRED if now >= until else None)
