"""What a person can do now: a few words, and where there is one the command that does it."""

from collections.abc import Iterable
from shlex import quote

from autorecovery.models.controls import Demotion
from autorecovery.models.incident import Incident
from autorecovery.models.reason import Reason
from autorecovery.notices import clauses

_BY_REASON = {
    Reason.HALTED: "Let the robot act again: autorecovery resume",
    Reason.MAINTENANCE: "See which windows are open: autorecovery maintenance list",
    Reason.FLAPPING: "Look for what makes it come and go; a restart will not end that.",
    Reason.CORRELATED: "Look at what the machines share first: zone, network, deploy, database.",
    Reason.UNREACHABLE: "See whether the machine is up at all, and whether its agent runs.",
    Reason.WRONG_IDENTITY: "Find out who writes another machine's name into this log.",
    Reason.AGENT_TOO_OLD: "Update the machine's SSM agent.",
    Reason.MAY_STILL_BE_RUNNING: "Look on the machine whether it is still running"
    " before you start anything.",
}


def answers(incident: Incident) -> tuple[str, ...]:
    """Return how a question is answered."""
    return (
        f"Yes: autorecovery approve {incident.id}",
        f"No: autorecovery deny {incident.id}",
    )


def take_over(incident: Incident, *reasons: Reason | None) -> tuple[str, ...]:
    """Return what whoever takes an incident over can do: first what fits why it came to them."""
    return tuple(dict.fromkeys(_take_over(incident, reasons)))


def _take_over(incident: Incident, reasons: Iterable[Reason | None]) -> Iterable[str]:
    for reason in reasons:
        if reason in _BY_REASON:
            yield _BY_REASON[reason]
    yield f"Say that you are on it, and reminders stop: autorecovery ack {incident.id}"
    if clauses.has_rungs(incident):
        yield f"Have it tried again, through the same gates: autorecovery recover {incident.id}"
    yield f"Close it by hand: autorecovery close {incident.id}"


def after_demotion(demotion: Demotion) -> tuple[str, ...]:
    """Return how to read the record, and how to trust the script again."""
    return (
        "See all records: autorecovery scorecards",
        f"Trust it again: autorecovery promote"
        f" {quote(demotion.script)} {quote(demotion.rule_name)}",
    )
