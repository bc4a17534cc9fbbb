"""Waiting: between two looks at a command, and for as long as an incident stays open."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from autorecovery.models.incident import Entry, EntryKind, Incident
from autorecovery.models.order import Order, next_order
from autorecovery.models.reason import Level, Reason
from autorecovery.models.rule import Verification
from autorecovery.models.signal import HEALTHY_STATES, SignalKind
from autorecovery.notices import compose
from autorecovery.notices.restraint import Silence
from autorecovery.ports import DEAF, Workflow
from autorecovery.response.escalate import escalate, until_next_step
from autorecovery.response.health import can_be_read, describe_samples, period_of
from autorecovery.response.reminders import next_reminder, reminders_due
from autorecovery.response.stage import Response

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(days=1)
PAUSE_SHARE = 4
"""A look after every quarter of the time waited so far: some 50 looks reach from seconds to days,
and a year takes 400. An execution may hold 3,000 operations; a signal wakes the watch anyway."""

ALARMS_REMEMBER = timedelta(minutes=15)
"""For so long after the trouble is over an alarm may ring: it counts datapoints of its whole window
(AWS: "Configuring how CloudWatch alarms treat missing data"). Meanwhile a relapse would be no
change of its state, and nobody would be told: so we look ourselves, until it says OK."""

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
    order: Order | None = None
    """A person's word to climb the ladder that has not been followed yet."""


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

    Nothing but a person's word cuts a deaf rest short. Who rests deaf after each waking cannot be
    worn out by a target that signals every second: an execution has a bounded number of operations.
    """

    def register(token: str) -> None:
        app.incidents.wait_for_wake(incident_id, f"{DEAF}{token}" if deaf else token)

    return flow.wait(name, at_most, register)


def keep_watch(
    incident: Incident,
    label: str,
    since: datetime,
    flow: Workflow,
    app: Response,
    until: Callable[[Look], bool],
) -> Look:
    """Return the look at which the incident was over, ordered to climb, or `until` was met.

    `since` is when the waiting began: people are reminded from then on.
    """
    turn, reminders, woken = 0, 0, False
    while True:
        see = partial(_look, incident, label, since, reminders, app)
        look = flow.step(f"{label}: look {turn}", see, Look)
        if look.over or look.order or until(look):
            return look
        pause = look.pause / 2 if woken else look.pause
        woken = rest(incident.id, f"{label}: wait {turn}", pause, flow, app, deaf=woken)
        turn, reminders = turn + 1, look.reminders


def check_health(
    incident: Incident, story: Sequence[Entry], now: datetime, app: Response
) -> tuple[bool, str]:
    """Return whether fresh data shows health, and that data in words."""
    if not can_be_read(incident, app.configuration):
        healthy = _last_signal_is_healthy(incident, story)
        return healthy, "nothing can be read again but its own signals"
    lasting = lasting_health(incident)
    if rings(incident, story):
        lasting = max(lasting, ALARMS_REMEMBER)
    period = period_of(incident, app.configuration)
    since = max(incident.breached_at, now - max(10 * lasting, 3 * period, LOOK_BACK))
    reading = app.read(incident, since)
    return reading.shows_health(lasting, now), describe_samples(reading.samples)


def rings(incident: Incident, story: Sequence[Entry]) -> bool:
    """Return whether an alarm that tells of this incident has not said OK since."""
    signal = incident.signal
    newest = {signal.name: (signal.at, signal.state)} if signal.kind is SignalKind.ALARM else {}
    for entry in story:
        if entry.kind is EntryKind.SIGNALLED and (name := str(entry.facts.get("name", ""))):
            heard = (entry.at, str(entry.facts["state"]))
            newest[name] = max(newest.get(name, heard), heard)
    return any(state == "ALARM" for _, state in newest.values())


def _look(
    incident: Incident,
    label: str,
    since: datetime,
    reminders: int,
    app: Response,
) -> Look:
    present, now = app.present(incident.id), app.clock()
    story = app.incidents.timeline(incident.id)
    healthy, proof = check_health(present, story, now, app)
    over = Reason.HEALTHY_BY_ITSELF if healthy else None
    over = Reason.CLOSED_BY_PERSON if present.is_closed else over
    waits, waited = app.configuration.notify.reminders, now - since
    due = reminders_due(waits, waited)
    silence = _silence_it_fell_into(story, present, app)
    if over is None:
        _tell_that_it_got_worse(present, proof, story, now, app)
        if not _is_acknowledged(story):
            was_silenced = silence is None and _fell_into_a_silence(story)
            if due > reminders or was_silenced:
                # After a long silence of ours one reminder makes up for all that were missed.
                key = f"reminder {due}" if due > reminders else f"unsilenced {now}"
                _remind(present, f"{label} {key}", proof, now, app)
            escalate(present, proof, story, now, app)
    until_next = min(
        next_reminder(waits, due) - waited,
        until_next_step(now - present.opened_at, app),
        silence.until - now if silence else timedelta.max,
    )
    pause = min(pause_after(waited), max(until_next, FIRST_PAUSE))
    order = None if over else next_order(story)  # nobody climbs for what is over
    return Look(now, present.level, over, pause, max(reminders, due), order)


def _tell_that_it_got_worse(
    incident: Incident, proof: str, story: Sequence[Entry], now: datetime, app: Response
) -> None:
    """Tell people at once where it is worse than what they were told, whoever is on it."""
    told = [Level(e.facts["level"]) for e in story if e.kind is EntryKind.NOTIFIED]
    known = max((level.rank for level in told), default=incident.level.rank)
    if incident.level.rank > known:
        app.tell(compose.worse(incident, proof, now), f"worse: {incident.level}", alone=True)


def _remind(incident: Incident, key: str, proof: str, now: datetime, app: Response) -> None:
    app.tell(compose.reminder(incident, proof, now), key)
    app.note(incident.id, key, EntryKind.REMINDED, f"still open: {proof}")


def _is_acknowledged(story: Sequence[Entry]) -> bool:
    """Return whether somebody said that they are on it: they need no reminding."""
    return any(entry.kind is EntryKind.ACKNOWLEDGED for entry in story)


def _silence_it_fell_into(
    story: Sequence[Entry], incident: Incident, app: Response
) -> Silence | None:
    """Return the silence that holds still, where the last that was to be told fell into one."""
    return app.telling.silence_over(incident) if _fell_into_a_silence(story) else None


def _fell_into_a_silence(story: Sequence[Entry]) -> bool:
    told = [entry for entry in story if entry.kind is EntryKind.NOTIFIED]
    return bool(told) and "silenced" in told[-1].facts


def _last_signal_is_healthy(incident: Incident, story: Sequence[Entry]) -> bool:
    """Return whether the newest signal of what cannot be read again was a healthy one."""
    signals = [entry for entry in story if entry.kind is EntryKind.SIGNALLED]
    newest = max(signals, key=lambda entry: entry.at, default=None)
    if newest is None or newest.at < incident.breached_at:
        return False
    return newest.facts.get("state") in HEALTHY_STATES


def lasting_health(incident: Incident) -> timedelta:
    """Return for how long fresh data must be healthy to say that an incident is over."""
    rungs = incident.rule.recover if incident.rule else ()
    return rungs[0].verify.healthy_for if rungs else Verification().healthy_for


def pause_after(waited: timedelta) -> timedelta:
    """Return how long to wait before the next look, by how long the wait has been already."""
    return min(max(waited / PAUSE_SHARE, FIRST_PAUSE), LONGEST_PAUSE)
