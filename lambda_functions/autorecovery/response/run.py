"""Response, in order: announce, wait until it is bad enough, then rung by rung decide, recover,
verify.

The function reads like the runbook a person would follow. It is replayed from the top whenever it
resumes, so only what happens inside steps may look at the clock, a store or the world.
"""

from dataclasses import replace

from autorecovery.models.actions import ASK_HUMAN
from autorecovery.models.canary import CANARY
from autorecovery.models.group import is_group
from autorecovery.models.incident import Attempt, Climb, CommandState, Decision, Ending, Incident
from autorecovery.models.order import Order
from autorecovery.models.reason import Level, Reason, Verdict
from autorecovery.models.rule import Rung
from autorecovery.ports import Workflow
from autorecovery.response.announce import Opening, announce
from autorecovery.response.appraise import appraise
from autorecovery.response.ask import ask
from autorecovery.response.budget import give_back, pause_for_turn, reserve
from autorecovery.response.choose import Footing, choose, follow
from autorecovery.response.converse import converse
from autorecovery.response.echo import is_echo
from autorecovery.response.finish import close, end_canary, hand_over, tell_recovery
from autorecovery.response.recover import recover
from autorecovery.response.settle import relapse
from autorecovery.response.stage import Response
from autorecovery.response.verify import verify
from autorecovery.response.vigil import Look, keep_watch, rest


def run(execution: str, flow: Workflow, app: Response) -> Ending:
    """Live what this execution is named after: an incident, or a group of them."""
    return (converse if is_group(execution) else respond)(execution, flow, app)


def respond(incident_id: str, flow: Workflow, app: Response) -> Ending:
    """Live one incident, from the first notice until it is healthy or a person closes it."""
    if is_echo(incident_id, flow, app):
        return Ending(incident_id, Reason.ECHO)
    opening = announce(incident_id, flow, app)
    incident = opening.incident
    climb, order = _by_itself(opening, flow, app)
    if incident.rule_name == CANARY:
        return end_canary(incident, climb, flow, app)
    while not climb.is_end:
        look = hand_over(incident, climb, order, flow, app)
        if look.order is None:
            climb = replace(climb, reason=look.over or climb.reason)
            break
        order = look.order
        climb = _climb(incident, order, flow, app)
    return close(incident, climb, flow, app)


def _by_itself(opening: Opening, flow: Workflow, app: Response) -> tuple[Climb, Order | None]:
    """Return how the first climb ended, or why there was none, and by whose word it began."""
    incident, rule, order = opening.incident, opening.incident.rule, opening.order
    if rule is None or not rule.recover:
        return Climb(Reason.NOTHING_TO_RUN if rule else Reason.NO_RULE), None
    if opening.handed_over and order is None:
        return Climb(Reason.RESPONSE_LOST), None
    if order is None and not incident.level.reaches(rule.recover_at):
        look = _await_recovery_level(incident, rule.recover_at, flow, app)
        if look.over:
            return Climb(look.over), None
        order = look.order
    return _climb(incident, order, flow, app), order


def _await_recovery_level(incident: Incident, enough: Level, flow: Workflow, app: Response) -> Look:
    """Return the look at which it was bad enough to recover, was over, or a person had asked."""
    return keep_watch(
        incident, "warning", incident.opened_at, flow, app,
        lambda look: look.level.reaches(enough),
    )  # fmt: skip


def _climb(incident: Incident, order: Order | None, flow: Workflow, app: Response) -> Climb:
    """Return how far the ladder led, and, where it led to health, whether that lasted."""
    if order is not None:
        follow(incident, order, flow, app)
    climb = _rung_by_rung(incident, order, flow, app)
    healthy_at = climb.decision.at if climb.decision else None
    if climb.reason is Reason.RECOVERED:
        healthy_at = tell_recovery(incident, climb, flow, app)
    if healthy_at is None or climb.reason not in (Reason.RECOVERED, Reason.HEALTHY_BY_ITSELF):
        return climb
    over = relapse(incident, order, healthy_at, flow, app)
    return replace(climb, reason=over) if over else climb


def _rung_by_rung(incident: Incident, order: Order | None, flow: Workflow, app: Response) -> Climb:
    """Return how far the ladder led; only a rung that was seen to fail leads to the next one.

    Attempts are numbered over all climbs: the system's own is the first, each order's follows.
    """
    rungs = incident.rule.recover if incident.rule else ()
    first = (order.number if order else 0) * len(rungs) + 1
    wants_human = bool(rungs) and rungs[-1].run == ASK_HUMAN
    climb = Climb(Reason.HUMAN_WANTED if wants_human else Reason.LADDER_EXHAUSTED)
    footing = Footing(first, first, order)
    for number, rung in enumerate(rungs, start=first):
        if rung.run == ASK_HUMAN:
            continue  # the decision on the next rung asks; after the last one nothing is left to do
        footing = replace(footing, number=number)
        decision = _permission(incident, rung, footing, flow, app)
        if not decision.acts:
            return replace(climb, reason=decision.reason, decision=decision)
        attempt = recover(incident, rung, number, decision.at, flow, app)
        if attempt.status.state is not CommandState.NOT_RUN:
            attempt = verify(incident, attempt, rung, number, flow, app)
        give_back(incident, number, decision, flow, app)
        appraise(incident, attempt, number, flow, app)
        climb = replace(climb, attempts=(*climb.attempts, attempt))
        if reason := _no_next_rung(attempt):
            return replace(climb, reason=reason)
        assert attempt.judgement is not None, "only a verdict leads to the next rung"
        footing = replace(footing, failed_at=attempt.judgement.at, resumed=attempt.resumed)
    return replace(climb, reason=Reason.RESPONSE_LOST) if footing.resumed else climb


def _permission(
    incident: Incident, rung: Rung, footing: Footing, flow: Workflow, app: Response
) -> Decision:
    """Return the decision on a rung: approved where the rule asks, and with its budget taken.

    Where others are under recovery just now it waits for its turn, for as long as its evidence is
    fresh: a gate ends that.
    """
    turn, slept, woken, again = 0, 0, False, ""
    while True:
        decision = _decide(incident, rung, footing, again, flow, app)
        if decision.asks:
            over = ask(incident, rung, footing.number, flow, app)
            if over:
                return replace(decision, reason=over)
            again = "again"
        elif decision.waits:
            name, pause = f"turn {footing.number}.{turn}", pause_for_turn(slept)
            woken = rest(incident.id, name, pause, flow, app, deaf=woken)
            again, turn, slept = f"turn {turn}", turn + 1, slept + (not woken)
        else:
            return decision


def _decide(
    incident: Incident, rung: Rung, footing: Footing, again: str, flow: Workflow, app: Response
) -> Decision:
    decision = choose(incident, rung, footing, again, flow, app)
    return reserve(incident, rung, footing.number, again, decision, flow, app)


def _no_next_rung(attempt: Attempt) -> Reason | None:
    """Return why the ladder ends here; only a rung that was seen to fail leads to the next one."""
    if attempt.status.state is CommandState.NOT_RUN:
        return Reason.COULD_NOT_START
    if attempt.verdict is Verdict.VERIFIED:
        return Reason.RECOVERED
    if attempt.status.state is CommandState.UNKNOWN:
        return Reason.MAY_STILL_BE_RUNNING
    if attempt.verdict is Verdict.NOT_RECOVERED:
        return None
    return Reason.RESPONSE_LOST if attempt.resumed else Reason.UNCLEAR_OUTCOME
