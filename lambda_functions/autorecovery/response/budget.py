"""The fleet's budget: taken by one conditional write before anything is sent, then given back."""

from dataclasses import replace
from datetime import timedelta

from autorecovery.models.canary import CANARY
from autorecovery.models.fleet import FleetAllowance, Lease
from autorecovery.models.incident import Decision, Incident, attempt_token
from autorecovery.models.reason import Reason
from autorecovery.models.rule import Rung
from autorecovery.ports import Workflow
from autorecovery.response.stage import Response

SLACK = timedelta(minutes=30)
"""Beyond all that an attempt may take, before a lease that nobody gave back is gone by itself."""

OF_THE_CANARY = FleetAllowance(at_once=1, starts=1000, window=timedelta(hours=1))
"""Its script does nothing and takes nothing from the fleet's budget: it has a book of its own."""


FIRST_TURN = timedelta(seconds=10)
MOST_GROWN = 40
"""Turns after which the pause grows no more: it is years then, and more no calendar holds."""


def pause_for_turn(slept: int) -> timedelta:
    """Return how long to wait before asking for the budget again, after so many full pauses."""
    return FIRST_TURN * 1.5 ** min(slept, MOST_GROWN)


def reserve(
    incident: Incident,
    rung: Rung,
    number: int,
    again: str,
    decision: Decision,
    flow: Workflow,
    app: Response,
) -> Decision:
    """Return the decision to act, with the budget taken; to hold, where others were quicker.

    A decision that holds takes nothing, nor does one that looks after what was begun before.
    """
    if not decision.acts or decision.reason is Reason.RESPONSE_LOST:
        return decision

    def take() -> Decision:
        lease = lease_for(incident, rung, number, app)
        ours = incident.rule_name == CANARY
        allowed = OF_THE_CANARY if ours else allowance(decision.fleet, app)
        refusal = app.budget.reserve(decision.group, lease, allowed, app.clock())
        return replace(decision, acts=False, reason=refusal) if refusal else decision

    return flow.step(f"reserve {number} {again}".rstrip(), take, Decision)


def give_back(
    incident: Incident, number: int, decision: Decision, flow: Workflow, app: Response
) -> None:
    """Give the attempt's lease back; its start stays counted."""

    def give() -> bool:
        app.budget.give_back(decision.group, attempt_token(incident.id, number))
        return True

    flow.step(f"give back {number}", give, bool)


def lease_for(incident: Incident, rung: Rung, number: int, app: Response) -> Lease:
    """Return what this attempt needs: its machine, for as long as it may take."""
    now = app.clock()
    until = now + app.time_limit(rung.run) + rung.verify.within + SLACK
    return Lease(attempt_token(incident.id, number), incident.target.host, now, until)


def allowance(fleet: int, app: Response) -> FleetAllowance:
    """Return what a group of so many machines is allowed."""
    limit = app.configuration.limits.fleet
    return FleetAllowance(limit.at_once.allowed(fleet), limit.hosts.count, limit.hosts.window)
