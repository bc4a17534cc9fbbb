"""Who else is told of what stays open, step by step, with the facts of that moment."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta

from autorecovery.config.notify import Escalation
from autorecovery.models.group import Group
from autorecovery.models.incident import Entry, EntryKind, Incident
from autorecovery.notices import compose
from autorecovery.response.company import company_in
from autorecovery.response.stage import Response


def escalate(
    incident: Incident, proof: str, story: Sequence[Entry], now: datetime, app: Response
) -> None:
    """Tell whoever is to be told by now and was not; of one of many its group tells.

    A step that nobody took, or that fell into a silence, is tried again at the next look.
    """
    waited, company = now - incident.opened_at, company_in(story)
    steps = list(steps_due(waited, {entry.key for entry in story}, app))
    if steps and company and not company.leads and _is_told(company.group, now, app):
        return
    for key, step in steps:
        notice = compose.escalated(incident, proof, waited, step.to, now)
        if app.tell(notice, f"{key} at {now:%Y-%m-%d %H:%M:%S}", alone=True):
            app.note(incident.id, key, EntryKind.ESCALATED, told_to(step))


def _is_told(group: Group, now: datetime, app: Response) -> bool:
    """Return whether somebody tells of this group: then that one escalates, too."""
    is_begun = app.incidents.wake_token(group.id) is not None
    return is_begun and app.incidents.goes_on(group.id, now)


def steps_due(
    waited: timedelta, keys: Collection[str], app: Response
) -> Iterator[tuple[str, Escalation]]:
    """Yield the steps that are due after so long and not among these keys, each with its own."""
    for number, step in enumerate(app.configuration.notify.escalation, start=1):
        key = f"escalation {number}"
        if waited >= step.after and key not in keys:
            yield key, step


def until_next_step(waited: timedelta, app: Response) -> timedelta:
    """Return how long it is until somebody else is to be told; very long, where nobody is."""
    later = [step.after - waited for step in app.configuration.notify.escalation]
    return min((wait for wait in later if wait > timedelta()), default=timedelta.max)


def told_to(step: Escalation) -> str:
    """Return what the story says of a step."""
    return f"escalated to {', '.join(step.to)}: still open, and nobody is on it"
