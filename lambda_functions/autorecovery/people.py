"""What a person decides about an incident: approve, deny, acknowledge, silence, close, recover.

The same functions serve the command line, chat buttons and the page. Each answers in words, and
changes nothing where there is nothing to decide.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from shlex import quote

from autorecovery.models.controls import Approval, DeclaredWindow, Promotion, WindowKind
from autorecovery.models.incident import Entry, EntryKind, Incident, incident_id
from autorecovery.models.limits import MaintenanceWindow
from autorecovery.models.order import Order, orders_in
from autorecovery.models.reason import IncidentState, Level, Reason
from autorecovery.models.rule import Rule
from autorecovery.models.signal import BY_HAND, Signal, SignalKind, Target
from autorecovery.ports import DEAF, Clock, Controls, IncidentLog, ResponseStarter

MOST_ORDERS = 3
"""Climbs that a person may ask for in one incident: its execution has a bounded number of
operations, and what three climbs did not help wants another idea."""

SILENCE_DIGITS = 6
"""Of the hash in a silence's name."""


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


def decide(
    incident: Incident, by: str, app: People, *, approved: bool, question: str = ""
) -> Answer:
    """Answer the open question of an incident; the first answer stands, the second is told so.

    `question` names the attempt that the answer is meant for: one to an older question is none.
    """
    word = "approved" if approved else "denied"
    if incident.is_closed:
        return Answer(False, f"{incident.id} is closed; nothing was {word}")
    asked = _last_question(incident, app)
    if asked is None:
        return Answer(False, f"{incident.id} asks nothing; nothing was {word}")
    attempt, now = str(asked.facts["attempt"]), app.clock()
    if question and question != attempt:
        return Answer(False, f"{incident.id} asks something else by now; nothing was {word}")
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
    now = app.clock()
    if not app.incidents.close(incident.id, Reason.CLOSED_BY_PERSON, now):
        return Answer(False, f"{incident.id} is closed already")
    text = f"closed by {by}"
    app.incidents.record(
        incident.id, Entry("closed by person", now, EntryKind.CLOSED, text, {"by": by})
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


def silence(incident: Incident, by: str, app: People, lasting: timedelta) -> Answer:
    """Tell nobody of this rule on this target for so long; all else goes on, and is recorded."""
    if incident.is_closed:
        return Answer(False, f"{incident.id} is closed; nothing was silenced")
    now, name = app.clock(), _silence_of(incident)
    window = MaintenanceWindow.model_validate(
        {
            "name": name, "from": now, "until": now + lasting,
            "rules": (incident.rule_name,), "targets": (incident.target.name,),
        }
    )  # fmt: skip
    app.controls.declare(DeclaredWindow(window, by, now, WindowKind.SILENCE, incident.id))
    text = f"silenced by {by} until {now + lasting:%H:%M} UTC"
    key = f"silenced {now.isoformat()}"
    app.incidents.record(incident.id, Entry(key, now, EntryKind.SILENCED, text, {"by": by}))
    return Answer(
        True, f"{incident.id}: {text}; to be told again: autorecovery silence end {quote(name)}"
    )


def recover(incident: Incident, by: str, app: People) -> Answer:
    """Have the incident's ladder climbed, from its first rung, through the same gates.

    The word counts as the approval of the first rung; it is evidence as fresh as its moment.
    """
    if why_not := _why_no_climb(incident):
        return Answer(False, f"{incident.id} {why_not}")
    story = app.incidents.timeline(incident.id)
    orders = orders_in(story)
    if orders and orders[-1].followed not in {entry.key for entry in story}:
        return Answer(False, f"{incident.id}: {_has_asked(orders[-1])}")
    if len(orders) >= MOST_ORDERS:
        return Answer(
            False,
            f"{incident.id} was climbed {MOST_ORDERS} times at a person's word;"
            f" close it, and start anew: autorecovery recover"
            f" {quote(incident.target.name)} {quote(incident.rule_name)}",
        )
    mine = Order(len(orders) + 1, by, app.clock())
    app.incidents.record(incident.id, mine.entry)
    stands = orders_in(app.incidents.timeline(incident.id))[mine.number - 1]
    if stands != mine:
        return Answer(False, f"{incident.id}: {_has_asked(stands)}")
    _wake(incident, app)
    return Answer(True, f"{incident.id}: {_will_tell(mine, incident.id)}")


def open_by_hand(rule: Rule, target: Target, by: str, app: People) -> Answer:
    """Have a rule's ladder climbed on a target; where an incident is open there, in that one."""
    if not rule.recover:
        return Answer(False, f"rule {rule.name} has nothing to run")
    now = app.clock()
    signal = Signal(
        id=f"{by} at {now.isoformat()}", kind=SignalKind.STATE, target=target, name="by hand",
        at=now, origin=BY_HAND, state=f"recovery asked for by {by}",
    )  # fmt: skip
    candidate = Incident(
        id=incident_id(rule.name, target.key, signal), rule_name=rule.name, rule=rule,
        target=target, level=Level(rule.recover_at), signal=signal, opened_at=now, breached_at=now,
    )  # fmt: skip
    claim = app.incidents.open(candidate)
    opened = claim.incident
    if not claim.won and (claim.started or opened.signal.origin != BY_HAND or opened.is_closed):
        return recover(opened, by, app)
    # Also where a life that claimed it died before it could go on: all of this can be repeated.
    order = Order(1, by, now)
    app.incidents.record(opened.id, order.entry)
    app.responses.start(opened.id)
    app.incidents.mark_started(opened.id)
    return Answer(True, f"{opened.id}: {_will_tell(order, opened.id)}")


def promote(script: str, rule_name: str, by: str, app: People) -> Answer:
    """Let a demoted script be run by itself again; what it did before counts no more."""
    if app.controls.demotion(script, rule_name) is None:
        return Answer(False, f"{script} is not demoted under rule {rule_name}")
    app.controls.promote(Promotion(script, rule_name, by, app.clock()))
    return Answer(True, f"{script} may be run by itself under rule {rule_name} again, says {by}")


def _silence_of(incident: Incident) -> str:
    """Return a short name that no other rule and target has: long ones begin alike."""
    digest = hashlib.sha256("|".join(incident.key).encode("utf-8", "replace")).hexdigest()
    return f"{incident.rule_name[:55]} on {incident.target.name[:30]} {digest[:SILENCE_DIGITS]}"


_BUSY = {
    IncidentState.ASKING: "asks already whether to run it; answer with approve or deny",
    IncidentState.RECOVERING: "is being recovered already",
    IncidentState.VERIFYING: "is being verified already",
    IncidentState.SETTLING: "is verified; it is handed over should it fall sick again",
}


def _why_no_climb(incident: Incident) -> str | None:
    rule = incident.rule
    if incident.is_closed:
        return "is closed; name the target and the rule to start anew"
    if rule is None or not rule.recover:
        return "has no ladder to climb: its rule has nothing to run"
    if incident.state is IncidentState.OPEN and incident.level.reaches(rule.recover_at):
        return "has only just been opened; its response decides within seconds"
    return _BUSY.get(incident.state)


def _has_asked(order: Order) -> str:
    return f"{order.by} has asked for it already, at {order.at:%H:%M:%S} UTC"


def _will_tell(order: Order, incident_id: str) -> str:
    return f"{order.entry.text}; autorecovery explain {incident_id} tells what comes of it"


def _last_question(incident: Incident, app: People) -> Entry | None:
    story = app.incidents.timeline(incident.id)
    return next((entry for entry in reversed(story) if entry.kind is EntryKind.ASKED), None)


def _wake(incident: Incident, app: People) -> None:
    if token := app.incidents.wake_token(incident.id):
        app.responses.wake(token.removeprefix(DEAF))
