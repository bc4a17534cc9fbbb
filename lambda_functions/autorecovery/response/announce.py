"""The first notice: it leaves before anything is decided, read or run."""

from autorecovery.models.incident import Incident
from autorecovery.notices import compose
from autorecovery.ports import Workflow
from autorecovery.response.stage import Response


def announce(incident_id: str, flow: Workflow, app: Response) -> Incident:
    """Return the incident, of which people have now heard."""

    def tell() -> Incident:
        incident = app.present(incident_id)
        app.tell(compose.opened(incident, app.clock()), "opened")
        return incident

    return flow.step("announce", tell, Incident)
