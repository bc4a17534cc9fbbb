"""One investigation per conversation and turn, however often it is asked for."""

import secrets
from datetime import datetime, timedelta

from autorecovery.models.incident import Entry, EntryKind
from autorecovery.ports import IncidentLog

PATIENCE = timedelta(minutes=2)
"""For so long others wait for the one who investigates; whoever dies over it is then replaced."""

MOST_LIVES = 3
"""An investigation that nobody survives is given up."""


def claim(conversation: str, key: str, incidents: IncidentLog, now: datetime) -> bool:
    """Return whether the caller may investigate now; another may be at it, or have been."""
    story = {entry.key: entry for entry in incidents.timeline(conversation)}
    for life in range(MOST_LIVES):
        name = f"{key} claimed {life}"
        standing = story.get(name)
        if standing is None:
            return _take(conversation, name, incidents, now)
        if now - standing.at < PATIENCE:
            return False
    return False


def given_up(conversation: str, key: str, incidents: IncidentLog, now: datetime) -> bool:
    """Return whether nobody will try this investigation again."""
    last = f"{key} claimed {MOST_LIVES - 1}"
    return any(
        entry.key == last and now - entry.at >= PATIENCE
        for entry in incidents.timeline(conversation)
    )


def _take(conversation: str, name: str, incidents: IncidentLog, now: datetime) -> bool:
    me = secrets.token_hex(8)
    text = "about to look into it"
    incidents.record(conversation, Entry(name, now, EntryKind.ANALYSED, text, {"by": me}))
    story = incidents.timeline(conversation)
    return any(entry.key == name and entry.facts.get("by") == me for entry in story)
