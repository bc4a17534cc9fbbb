"""Waiting: between two looks at a command, and for as long as an incident stays open."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import accumulate

from autorecovery.models.incident import EntryKind, Incident
from autorecovery.models.reason import Level, Reason
from autorecovery.models.rule import Verification
from autorecovery.models.signal import HEALTHY_STATES
from autorecovery.notices import compose
from autorecovery.ports import Workflow
from autorecovery.response.health import can_be_read, describe_samples, period_of
from autorecovery.response.stage import Response

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(days=1)
PAUSE_SHARE = 4
"""A look after every quarter of the time waited so far: some 50 looks reach from seconds to days,
and a year takes 400. An execution may hold 3,000 operations; a signal wakes the watch anyway."""

LOOK_BACK = timedelta(minutes=15)
"""How far back fresh samples are read, at least."""


@dataclass(frozen=True, slots=True)
class Look:
    """How an open incident stands: over or not, how bad, and when to look again."""

    at: datetime
    level: Level
    over: Reason | None
    pause: timedelta
    reminders: int
    """Reminders sent so far."""


def rest(
    incident_id: str,
    name: str,
    at_most: timedelta,
    flow: Workflow,
    app: Response,
    *,
    deaf: bool = False,
) -> bool:
    """Wait for so long, or until something wakes this incident's response; return whether that was.

    Nothing cuts a deaf rest short. Who rests deaf after each waking cannot be worn out by a target
    that signals every second: an execution has a bounded number of operations.
    """

    def register(token: str) -> None:
        if not deaf:
            app.incidents.wait_for_wake(incident_id, token)

    return flow.wait(name, at_most, register)


def keep_watch(
    incident: Incident,
    label: str,
    since: datetime,
    flow: Workflow,
    app: Response,
    until: Callable[[Look], bool],
) -> Look:
    """Return the look at which the incident was over, or `until` was met; people are reminded.

    `since` is when the waiting began: reminders are due from then on.
    """
    turn, reminders, woken = 0, 0, False
    while True:
        see = partial(_look, incident, label, since, reminders, app)
        look = flow.step(f"{label}: look {turn}", see, Look)
        if look.over or until(look):
            return look
        pause = look.pause / 2 if woken else look.pause
        woken = rest(incident.id, f"{label}: wait {turn}", pause, flow, app, deaf=woken)
        turn, reminders = turn + 1, look.reminders


def check_health(incident: Incident, now: datetime, app: Response) -> tuple[bool, str]:
    """Return whether fresh data shows health, and that data in words."""
    if not can_be_read(incident, app.configuration):
        healthy = _last_signal_is_healthy(incident, app)
        return healthy, "nothing can be read again but its own signals"
    lasting = _lasting(incident)
    period = period_of(incident, app.configuration)
    since = max(incident.breached_at, now - max(10 * lasting, 3 * period, LOOK_BACK))
    reading = app.read(incident, since)
    return reading.shows_health(lasting, now), describe_samples(reading.samples)


def _look(incident: Incident, label: str, since: datetime, reminders: int, app: Response) -> Look:
    present, now = app.present(incident.id), app.clock()
    healthy, proof = check_health(present, now, app)
    over = Reason.HEALTHY_BY_ITSELF if healthy else None
    over = Reason.CLOSED_BY_PERSON if present.is_closed else over
    waits, waited = app.configuration.notify.reminders, now - since
    due = reminders_due(waits, waited)
    if over is None and due > reminders:
        # After a long silence of ours one reminder makes up for all that were missed.
        if not _is_acknowledged(present, app):
            _remind(present, f"{label} reminder {due}", proof, now, app)
        reminders = due
    until_next = next_reminder(waits, due) - waited
    pause = min(pause_after(waited), max(until_next, FIRST_PAUSE))
    return Look(now, present.level, over, pause, reminders)


def _remind(incident: Incident, key: str, proof: str, now: datetime, app: Response) -> None:
    app.tell(compose.reminder(incident, proof, now), key)
    app.note(incident.id, key, EntryKind.REMINDED, f"still open: {proof}")


def _is_acknowledged(incident: Incident, app: Response) -> bool:
    """Return whether somebody said that they are on it: they need no reminding."""
    story = app.incidents.timeline(incident.id)
    return any(entry.kind is EntryKind.ACKNOWLEDGED for entry in story)


def _last_signal_is_healthy(incident: Incident, app: Response) -> bool:
    """Return whether the newest signal of what cannot be read again was a healthy one."""
    signals = [e for e in app.incidents.timeline(incident.id) if e.kind is EntryKind.SIGNALLED]
    newest = max(signals, key=lambda entry: entry.at, default=None)
    if newest is None or newest.at < incident.breached_at:
        return False
    return newest.facts.get("state") in HEALTHY_STATES


def _lasting(incident: Incident) -> timedelta:
    rungs = incident.rule.recover if incident.rule else ()
    return rungs[0].verify.healthy_for if rungs else Verification().healthy_for


def pause_after(waited: timedelta) -> timedelta:
    """Return how long to wait before the next look, by how long the wait has been already."""
    return min(max(waited / PAUSE_SHARE, FIRST_PAUSE), LONGEST_PAUSE)


def next_reminder(waits: tuple[timedelta, ...], sent: int) -> timedelta:
    """Return after how long a wait the next reminder is due; the last of the waits repeats."""
    repeats = max(0, sent + 1 - len(waits))
    return sum(waits[: sent + 1], timedelta()) + repeats * _repeating(waits)


def reminders_due(waits: tuple[timedelta, ...], waited: timedelta) -> int:
    """Return how many reminders should have been sent after so long a wait."""
    listed = sum(1 for due in accumulate(waits) if due <= waited)
    beyond = waited - sum(waits, timedelta())
    return listed + max(0, beyond // _repeating(waits))


def _repeating(waits: tuple[timedelta, ...]) -> timedelta:
    return max(waits[-1], FIRST_PAUSE)
