"""After a verified recovery: watched in silence for as long as its alarm may still ring."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from autorecovery.models.incident import EntryKind, Incident
from autorecovery.models.reason import IncidentState, Reason
from autorecovery.ports import Workflow
from autorecovery.response.health import Health, describe_samples
from autorecovery.response.stage import Response
from autorecovery.response.vigil import ALARMS_REMEMBER, rest, rings

PAUSE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Calm:
    """What one look says: settled or not yet, and whether the trouble came back."""

    settled: bool
    over: Reason | None = None


def relapse(
    incident: Incident, attempt: str, verified_at: datetime, flow: Workflow, app: Response
) -> Reason | None:
    """Return RELAPSED where fresh data breaches again, CLOSED_BY_PERSON where somebody closed it.

    None once its alarms have said OK, or would have: who has no alarm is not kept waiting.
    `attempt` is the token of the one that was verified.
    """
    turn, woken = 0, False
    while True:
        look = partial(_look, incident.id, attempt, verified_at, app)
        calm = flow.step(f"settle {attempt}.{turn}", look, Calm)
        if calm.settled or calm.over:
            return calm.over
        woken = rest(incident.id, f"settling {attempt}.{turn}", PAUSE, flow, app, deaf=woken)
        turn += 1


def _look(incident_id: str, attempt: str, verified_at: datetime, app: Response) -> Calm:
    incident, now = app.present(incident_id), app.clock()
    if incident.is_closed:
        return Calm(settled=True, over=Reason.CLOSED_BY_PERSON)
    if not rings(incident, app.incidents.timeline(incident_id)):
        return Calm(settled=True)
    app.incidents.move(incident_id, IncidentState.SETTLING)
    samples = app.read(incident, verified_at).samples
    if samples and samples[-1].health is Health.BREACHING:
        text = f"{Reason.RELAPSED}: {describe_samples(samples)}"
        app.note(incident_id, f"relapsed {attempt}", EntryKind.VERIFIED, text)
        return Calm(settled=True, over=Reason.RELAPSED)
    return Calm(settled=now >= verified_at + ALARMS_REMEMBER)
