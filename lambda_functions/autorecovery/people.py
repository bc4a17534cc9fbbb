"""What a person decides about an incident: approve, deny, acknowledge, close.

The same functions serve the command line, chat buttons and the page. Each answers in words, and
changes nothing where there is nothing to decide.
"""

from dataclasses import dataclass
from datetime import datetime

from autorecovery.models.controls import Approval
from autorecovery.models.incident import Entry, EntryKind, Incident
from autorecovery.ports import Clock, Controls, IncidentLog, ResponseStarter


@dataclass(frozen=True)
class People:
    """What a person's word is written to, and whom it wakes."""

    incidents: IncidentLog
    controls: Controls
    responses: ResponseStarter
    clock: Clock


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a person's word: whether it changed anything, and what to tell them."""

    changed: bool
    text: str


def decide(incident: Incident, by: str, app: People, *, approved: bool) -> Answer:
    """Answer the open question of an incident; the first answer stands, the second is told so."""
    word = "approved" if approved else "denied"
    if incident.is_closed:
        return Answer(False, f"{incident.id} is closed; nothing was {word}")
    asked = _last_question(incident, app)
    if asked is None:
        return Answer(False, f"{incident.id} asks nothing; nothing was {word}")
    attempt, now = str(asked.facts["attempt"]), app.clock()
    until = datetime.fromisoformat(asked.facts["until"])
    standing = app.controls.approval(attempt)
    if standing is None and now >= until:
        return Answer(False, f"the question expired at {until:%H:%M:%S} UTC; nothing was {word}")
    mine = Approval(attempt, approved, by, now)
    stands = standing or app.controls.approve(mine)
    if stands != mine:
        earlier = "approved" if stands.approved else "denied"
        return Answer(False, f"{stands.by} {earlier} it already, at {stands.at:%H:%M:%S} UTC")
    text = f"{word} by {by}"
    app.incidents.record(
        incident.id, Entry(f"answered {attempt}", now, EntryKind.ANSWERED, text, {"by": by})
    )
    _wake(incident, app)
    return Answer(True, f"{incident.id}: {text}")


def close(incident: Incident, by: str, app: People) -> Answer:
    """Close an incident by hand; its response then ends without running anything more."""
    if not app.incidents.close(incident.id):
        return Answer(False, f"{incident.id} is closed already")
    text = f"closed by {by}"
    app.incidents.record(
        incident.id, Entry("closed by person", app.clock(), EntryKind.CLOSED, text, {"by": by})
    )
    _wake(incident, app)
    return Answer(True, f"{incident.id}: {text}")


def acknowledge(incident: Incident, by: str, app: People) -> Answer:
    """Say that somebody is on it: reminders stop, all else goes on."""
    if incident.is_closed:
        return Answer(False, f"{incident.id} is closed already")
    text = f"acknowledged by {by}"
    entry = Entry("acknowledged", app.clock(), EntryKind.ACKNOWLEDGED, text, {"by": by})
    app.incidents.record(incident.id, entry)
    return Answer(True, f"{incident.id}: {text}")


def _last_question(incident: Incident, app: People) -> Entry | None:
    story = app.incidents.timeline(incident.id)
    return next((entry for entry in reversed(story) if entry.kind is EntryKind.ASKED), None)


def _wake(incident: Incident, app: People) -> None:
    if token := app.incidents.wake_token(incident.id):
        app.responses.wake(token)
