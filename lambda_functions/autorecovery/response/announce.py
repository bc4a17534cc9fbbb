"""The first notice: it leaves before anything is decided, read or run."""

from dataclasses import dataclass

from autorecovery.models.incident import EntryKind, Incident
from autorecovery.models.order import Order, next_order
from autorecovery.notices import compose
from autorecovery.ports import Workflow
from autorecovery.response.stage import Response


@dataclass(frozen=True, slots=True)
class Opening:
    """An incident of which people have now heard, and what its story holds already."""

    incident: Incident
    handed_over: bool
    """By an earlier life, of which only the store knows: what a human has stays with the human."""
    order: Order | None
    """A person's word to climb the ladder, whose climb is not over."""


def announce(incident_id: str, flow: Workflow, app: Response) -> Opening:
    """Return the incident, of which people have now heard."""

    def tell() -> Opening:
        incident = app.present(incident_id)
        app.tell(compose.opened(incident, app.clock()), "opened")
        story = app.incidents.timeline(incident_id)
        handed_over = any(entry.kind is EntryKind.HANDED_OVER for entry in story)
        return Opening(incident, handed_over, next_order(story))

    return flow.step("announce", tell, Opening)
