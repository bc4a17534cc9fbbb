"""Whether an incident tells of trouble that is over: an alarm remembers its whole window, and
deliveries come late. Fresh data decides, before people are told anything.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from autorecovery.models.incident import EntryKind, Incident
from autorecovery.models.reason import Reason
from autorecovery.models.signal import SignalKind
from autorecovery.ports import Workflow
from autorecovery.response.health import SILENCE, Health, can_be_read, describe_samples, period_of
from autorecovery.response.stage import Response
from autorecovery.response.vigil import ALARMS_REMEMBER, lasting_health, rest

LOOKED_BACK = timedelta(days=1)
LOOKED_AT = 100
PAUSE = timedelta(seconds=20)

_WELL = (Reason.RECOVERED, Reason.HEALTHY_BY_ITSELF, Reason.ECHO)


@dataclass(frozen=True, slots=True)
class Impression:
    """What one look says: an echo, no echo, or nothing yet."""

    echo: bool
    settled: bool


NO_ECHO = Impression(echo=False, settled=True)


def is_echo(incident_id: str, flow: Workflow, app: Response) -> bool:
    """Return whether fresh data shows that there is no trouble now; the incident is closed then.

    Only an incident that follows closely on one that ended well is doubted. People hear of it as
    soon as one sample breaches, and also where no data comes: that is no good news. An alarm is
    called an echo only when all that it may remember has passed: it would not tell of a relapse.
    """
    turn = 0
    while True:
        look = partial(_look, incident_id, app)
        impression = flow.step(f"echo {turn}", look, Impression)
        if impression.settled:
            return impression.echo
        rest(incident_id, f"after echo {turn}", PAUSE, flow, app, deaf=True)
        turn += 1


def _look(incident_id: str, app: Response) -> Impression:
    incident, now = app.present(incident_id), app.clock()
    ended = _end_of_trouble_before(incident, app)
    if ended is None or not _may_tell_of(incident, ended) or _is_known(incident, app):
        return NO_ECHO
    reading = app.read(incident, ended)
    if any(sample.health is Health.BREACHING for sample in reading.samples):
        return NO_ECHO
    healthy = reading.shows_health(lasting_health(incident), now)
    if healthy and now >= ended + _remembered(incident):
        proof = describe_samples(reading.samples)
        text = f"closed: {Reason.ECHO}; since {ended:%H:%M:%S} UTC {proof}"
        app.note(incident.id, "closed", EntryKind.CLOSED, text)
        app.incidents.close(incident.id, Reason.ECHO, now)
        return Impression(echo=True, settled=True)
    patience = max(3 * period_of(incident, app.configuration), SILENCE)
    return Impression(echo=False, settled=not healthy and now >= incident.opened_at + patience)


def _end_of_trouble_before(incident: Incident, app: Response) -> datetime | None:
    """Return when the last incident of this rule on this target ended well, if it did."""
    if not can_be_read(incident, app.configuration):
        return None
    since, here = incident.opened_at - LOOKED_BACK, incident.target.key
    cases = app.incidents.cases_on(incident.rule_name, here, since, LOOKED_AT)
    last = max(
        (c for c in cases if c.ended_at),
        key=lambda case: case.ended_at or case.opened_at,
        default=None,
    )
    return last.ended_at if last and last.ended in _WELL else None


def _may_tell_of(incident: Incident, ended: datetime) -> bool:
    """Return whether what was seen may have been measured before that trouble ended."""
    return incident.breached_at <= ended + _remembered(incident)


def _remembered(incident: Incident) -> timedelta:
    return ALARMS_REMEMBER if incident.signal.kind is SignalKind.ALARM else timedelta()


def _is_known(incident: Incident, app: Response) -> bool:
    """Return whether people were told of it, in an earlier life of this response."""
    return any(e.kind is EntryKind.NOTIFIED for e in app.incidents.timeline(incident.id))
