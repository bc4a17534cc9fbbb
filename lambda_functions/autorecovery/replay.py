"""Giving a dead letter to whom it was meant for, once more; nothing is acted upon twice for it.

Triage claims what a letter tells of, as with any delivery, and holds what is too old to act upon. A
response that lives already is not started again. The letter is removed after it was answered; one
that fails again stays.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from autorecovery.errors import AutoRecoveryError
from autorecovery.models.incident import UNRULED
from autorecovery.models.letter import Destination, Letter
from autorecovery.ports import DeadLetterBox, IncidentLog

NOT_UNDERSTOOD = f"{UNRULED}:unreadable event"
"""The rule that triage's answer names for an event it does not understand, and keeps."""

DEEPEST = 6
"""Envelopes opened to find a value without a time; triage opens fewer."""

FAILED_EXECUTIONS = frozenset({"FAILED", "TIMED_OUT", "STOPPED", "DELETING"})


@dataclass(frozen=True)
class Addressees:
    """Who gets what is replayed. Each raises StoreError where it fails."""

    triage: Callable[[object], Mapping[str, Any]]
    """Answers as triage does."""
    command_ends: Callable[[object], object]
    start_response: Callable[[str], str]
    """Starts the response of an incident and says how it stands; empty where that is unknown."""
    incidents: IncidentLog
    tell: Callable[[str, Sequence[str]], str]
    """Has the notice of this id told by these channels once more, and says what comes of it."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of one letter, and what to tell the person who asked."""

    letter: Letter
    done: bool
    """It was processed at last."""
    text: str
    stays: bool = True
    """It lies where it lay, unless it is done."""


def replay(letter: Letter, box: DeadLetterBox, to: Addressees) -> Replayed:
    """Give a letter to whom it was meant for; it is removed once it was answered."""
    if letter.obstacle:
        return Replayed(letter, False, f"it cannot be replayed: {letter.obstacle}")
    try:
        replayed = _DELIVER[letter.destination](letter, to)
        if replayed.done or not replayed.stays:
            box.remove(letter)
    except AutoRecoveryError as error:
        return Replayed(letter, False, f"it stays: {error}")
    return replayed


def _to_triage(letter: Letter, to: Addressees) -> Replayed:
    answer = to.triage(timed(letter.event, letter.at))
    touched = [each for each in answer.get("incidents", ()) if isinstance(each, dict)]
    if any(each.get("rule") == NOT_UNDERSTOOD for each in touched):
        text = "it is still not understood; triage put it aside again, as a new letter"
        return Replayed(letter, False, text, stays=False)
    counts = ", ".join(f"{answer.get(key, 0)} {key}" for key in ("signals", "rejected", "ignored"))
    return Replayed(letter, True, f"{_told(touched)}; {counts}")


def _told(incidents: Sequence[Mapping[str, Any]]) -> str:
    told = [
        f"{each.get('id')} {each.get('action')}: {each.get('rule')} on {each.get('target')},"
        f" {each.get('reason')}"
        for each in incidents
    ]
    return "; ".join(told) or "it concerns no incident"


def _to_response(letter: Letter, to: Addressees) -> Replayed:
    event: Any = letter.event
    incident_id = event["incident_id"]
    incident = to.incidents.get(incident_id)
    if incident is None:
        return Replayed(letter, False, f"it stays: no incident {incident_id} is known here")
    if incident.is_closed:
        return Replayed(letter, True, f"{incident.id} is closed; there is nothing to respond to")
    status = to.start_response(incident.id)
    if status in FAILED_EXECUTIONS:
        text = (
            f"it stays: the response of {incident.id} has ended ({status}) and cannot be started"
            f" again; see `autorecovery explain {incident.id}`, act by hand, and close it"
        )
        return Replayed(letter, False, text)
    return Replayed(letter, True, f"{incident.id}: its response was started; harmless if it ran")


def _to_command_end(letter: Letter, to: Addressees) -> Replayed:
    to.command_ends(letter.event)
    return Replayed(letter, True, "whoever waits for this command was woken")


def _to_channel(letter: Letter, to: Addressees) -> Replayed:
    event: Any = letter.event
    return Replayed(letter, True, to.tell(event["notice_id"], event["channels"]))


_DELIVER = {
    Destination.TRIAGE: _to_triage,
    Destination.RESPONSE: _to_response,
    Destination.COMMAND_END: _to_command_end,
    Destination.CHANNEL: _to_channel,
}


def timed(event: object, at: datetime, depth: int = 0) -> object:
    """Return the event, in which a typed value without a time has this one.

    Triage takes such a value for measured now. In a letter it is as old as the letter, or older:
    what is stale must not become fresh by being replayed.
    """
    if depth > DEEPEST:
        return event
    if isinstance(event, list):
        return [timed(item, at, depth + 1) for item in event]
    if not isinstance(event, dict):
        return event
    if isinstance(records := event.get("Records"), list):
        return {**event, "Records": [_timed_record(record, at, depth) for record in records]}
    if not ("metric" in event or "value" in event) or event.get("time") or event.get("timestamp"):
        return event
    return {**event, "time": at.isoformat()}


def _timed_record(record: object, at: datetime, depth: int) -> object:
    if not isinstance(record, dict):
        return record
    if isinstance(sns := record.get("Sns"), dict):
        return {**record, "Sns": {**sns, "Message": _timed_text(sns.get("Message"), at, depth)}}
    return (
        {**record, "body": _timed_text(record["body"], at, depth)} if "body" in record else record
    )


def _timed_text(text: object, at: datetime, depth: int) -> object:
    """Return the text that a topic or a queue carried; unchanged where all in it has its time."""
    try:
        content = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return text
    if isinstance(content, dict) and isinstance(content.get("Message"), str):
        inner = {**content, "Message": _timed_text(content["Message"], at, depth + 1)}
        return text if inner == content else json.dumps(inner)
    changed = timed(content, at, depth + 1)
    return text if changed == content else json.dumps(changed)
