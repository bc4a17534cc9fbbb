"""After a recovery, ours or its own: watched in silence for as long as its alarm may still ring."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from autorecovery.models.incident import EntryKind, Incident
from autorecovery.models.order import Order
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
    incident: Incident, order: Order | None, healthy_at: datetime, flow: Workflow, app: Response
) -> Reason | None:
    """Return RELAPSED where fresh data breaches again, CLOSED_BY_PERSON where somebody closed it.

    None once its alarms have said OK, or would have: who has no alarm is not kept waiting.
    `order` is the one by which the climb began, if one did.
    """
    climb = order.number if order else 0
    turn, woken = 0, False
    while True:
        look = partial(_look, incident.id, climb, healthy_at, app)
        calm = flow.step(f"settle {climb}.{turn}", look, Calm)
        if calm.settled or calm.over:
            return calm.over
        woken = rest(incident.id, f"settling {climb}.{turn}", PAUSE, flow, app, deaf=woken)
        turn += 1


def _look(incident_id: str, climb: int, healthy_at: datetime, app: Response) -> Calm:
    incident, now = app.present(incident_id), app.clock()
    if incident.is_closed:
        return Calm(settled=True, over=Reason.CLOSED_BY_PERSON)
    if not rings(incident, app.incidents.timeline(incident_id)):
        return Calm(settled=True)
    app.incidents.move(incident_id, IncidentState.SETTLING)
    samples = app.read(incident, healthy_at).samples
    if samples and samples[-1].health is Health.BREACHING:
        text = f"{Reason.RELAPSED}: {describe_samples(samples)}"
        app.note(incident_id, f"relapsed {climb}", EntryKind.VERIFIED, text)
        return Calm(settled=True, over=Reason.RELAPSED)
    return Calm(settled=now >= healthy_at + ALARMS_REMEMBER)
