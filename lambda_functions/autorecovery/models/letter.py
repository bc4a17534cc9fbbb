"""A dead letter: something that could not be processed, why not, and what could be done with it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Destination(StrEnum):
    """Who should have had a letter, and gets it when it is replayed."""

    TRIAGE = "triage"
    RESPONSE = "response"
    """It names an incident whose response failed, or could not be started."""
    COMMAND_END = "command end"
    """It tells that a script on a machine has ended, which wakes a response."""
    CHANNEL = "channel"
    """It names a notice that a channel did not take."""
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter, unwrapped as far as it can be."""

    id: str
    at: datetime
    """When it was put aside; what it tells of happened no later."""
    source: str
    """Who put it aside, in words."""
    why: str
    event: object
    """The original event, as JSON; the whole message where nothing could be unwrapped."""
    destination: Destination
    obstacle: str = ""
    """Why it cannot be replayed; empty where it can."""
    handle: str = ""
    """What its store knows it by while it is held; means nothing to anybody else."""


def put_aside_by_triage(id: str, at: datetime, why: str, event: object, *, cut: bool) -> Letter:
    """Return the letter of an event that triage did not understand; `cut` is one kept in part."""
    return Letter(
        id,
        at,
        "triage did not understand it",
        why,
        event,
        Destination.NOBODY if cut else Destination.TRIAGE,
        "it was too long to be kept whole; only its beginning is here" if cut else "",
    )


def put_aside(id: str, at: datetime, why: str, event: object, *, cut: bool) -> Letter:
    """Return the letter of what our own code put aside: an event, or a notice given up."""
    if named := _channels_of(event):
        source = f"channel {', '.join(named)}"
        return Letter(id, at, source, why, event, Destination.CHANNEL)
    return put_aside_by_triage(id, at, why, event, cut=cut)


def _channels_of(event: object) -> list[str]:
    """Return the channels that a letter says did not take a notice; none where it is no such."""
    if not isinstance(event, dict) or event.keys() != {"notice_id", "channels"}:
        return []
    named = event["channels"]
    is_list = isinstance(named, list) and all(isinstance(name, str) for name in named)
    return named if is_list and isinstance(event["notice_id"], str) else []
