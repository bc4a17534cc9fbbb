"""The clauses that notices are made of: what is wrong, where, what will be done, what was tried."""

from collections.abc import Sequence
from math import isinf, isnan

from autorecovery.models.actions import ASK_HUMAN, is_action
from autorecovery.models.durations import write_duration
from autorecovery.models.incident import Attempt, CommandState, Decision, GateResult, Incident
from autorecovery.models.reason import Autonomy, Reason
from autorecovery.models.rule import LogCondition, MetricCondition, Rung
from autorecovery.models.signal import BY_HAND, TYPED, EventOrigin, SignalKind
from autorecovery.notices.fitting import one_line

NAME = 80
"""Characters of a name in a headline."""


def what_is_wrong(incident: Incident) -> str:
    """Return target, what, value and limit in one clause."""
    return f"{name(incident)}: {trouble(incident)}"


def name(incident: Incident) -> str:
    """Return the target's name, as headlines have it."""
    return incident.target.name[:NAME]


def trouble(incident: Incident) -> str:
    """Return what was seen, against which limit, and for how long."""
    signal, when = incident.signal, incident.rule.when if incident.rule else None
    if signal.origin == BY_HAND:
        return signal.state
    if condition := metric_of(incident):
        value = signal.value
        shown = f" {number(value)}," if value is not None else ""
        return f"{condition.metric} is{shown} {against_limit(condition, incident)}"
    if isinstance(when, LogCondition):
        return f"{incident.rule_name}, seen {how_often(when)}"
    if signal.kind is SignalKind.ALARM:
        return f"alarm {alarm(incident)}"
    return signal.state or signal.name


def metric_of(incident: Incident) -> MetricCondition | None:
    """Return the condition on a number that the incident breaks, where it is about a number."""
    signal, when = incident.signal, incident.rule.when if incident.rule else None
    if signal.origin == BY_HAND or not isinstance(when, MetricCondition):
        return None
    unreadable = signal.kind is SignalKind.ALARM and isinstance(signal.origin, EventOrigin)
    return None if unreadable else when


def against_limit(when: MetricCondition, incident: Incident) -> str:
    """Return the limit that was broken, and how often or for how long."""
    lasting = ""
    measured = incident.signal.value is not None and incident.signal.origin != TYPED
    if when.sustained and measured:
        lasting = f", {when.sustained.count} times within {write_duration(when.sustained.window)}"
    relation = "at or above" if when.direction == "above" else "at or below"
    return f"{relation} {number(when.limit_for(incident.level))}{lasting}"


def how_often(when: LogCondition) -> str:
    """Return how many lines within which time break the rule."""
    return f"{when.count.count} times within {write_duration(when.count.window)}"


def alarm(incident: Incident) -> str:
    """Return the alarm's name and state."""
    return f"{one_line(incident.signal.name)[:NAME]} is in {incident.signal.state}"


def number(value: float) -> str:
    """Return a number as people read it: 97.2, or 12,000,000,000."""
    if isnan(value):
        return "not a number"
    if isinf(value):
        return "infinite" if value > 0 else "minus infinite"
    if abs(value) >= 1e15 or 0 < abs(value) < 0.005:
        return f"{value:g}"
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def place(incident: Incident) -> str:
    """Return which machine it is, for a person who has to find it."""
    target = incident.target
    region = f" in {target.region}" if target.region else ""
    account = f", account {target.account}" if target.account else ""
    return f"{target.kind.capitalize()} {target.name[:200]}{region}{account}"


def where(incident: Incident) -> str:
    """Return which machine it is, and by which rule it was found sick."""
    rule = f"rule {incident.rule_name}" if incident.rule else "no rule covers it"
    return f"{place(incident)}; {rule}."


def foretold(incident: Incident) -> Reason | None:
    """Return why it is certain from the start that nothing will be run by itself, if it is."""
    rule = incident.rule
    if incident.held_for is not None:
        return incident.held_for
    if incident.signal.origin == BY_HAND:
        return None
    if rule is None or not rule.recover:
        return Reason.NOTHING_TO_RUN if rule else Reason.NO_RULE
    return Reason.AUTONOMY_OBSERVE if rule.autonomy is Autonomy.OBSERVE else None


def plan(incident: Incident) -> str:
    """Return what will be done about it, and why nothing, if nothing."""
    rule, why_not = incident.rule, foretold(incident)
    if rule is None or not rule.recover:
        return f"Nothing is run: {why_not}."
    if all(each.run == ASK_HUMAN for each in rule.recover):
        return f"Nothing is run: {Reason.HUMAN_WANTED}."
    first = next(rung(each) for each in rule.recover if each.run != ASK_HUMAN)
    if why_not:
        return f"Nothing is run by itself: {why_not}. It would be: {first}."
    if incident.signal.origin == BY_HAND:
        return f"Next, unless a gate holds it: {first}. Another notice tells how it ended."
    if not incident.level.reaches(rule.recover_at):
        return f"Nothing is run at this level; from {rule.recover_at} on: {first}."
    if asks_first(incident):
        return f"Nothing is run before a person approves: {first}. Another notice asks for that."
    return f"Next, unless a gate holds it: {first}. Another notice tells how it ended."


def asks_first(incident: Incident) -> bool:
    """Return whether the rule asks a person before the first script is run."""
    rule = incident.rule
    return rule is not None and (rule.autonomy is Autonomy.ASK or rule.asks_before(2))


def has_rungs(incident: Incident) -> bool:
    """Return whether the rule has anything that could be run."""
    rungs = incident.rule.recover if incident.rule else ()
    return any(each.run != ASK_HUMAN for each in rungs)


def done(attempt: Attempt) -> str:
    """Return what was run, and how it ended."""
    status = attempt.status
    code = "" if status.exit_code is None else f" with exit code {status.exit_code}"
    outcome = {
        CommandState.SUCCEEDED: "succeeded",
        CommandState.FAILED: f"failed{code}",
        CommandState.NOT_RUN: "did not run",
        CommandState.RUNNING: "is still running",
    }.get(status.state, _DOUBTFUL_ACTION if is_action(attempt.script) else _DOUBTFUL_SCRIPT)
    detail = f" ({one_line(status.detail)[:200]})" if status.detail else ""
    successor = f"; {status.successor} took its place" if status.successor else ""
    return f"{attempt.script}{parameters(attempt.parameters)} {outcome}{detail}{successor}"


_DOUBTFUL_SCRIPT = "was sent, and nobody knows whether it ran"
_DOUBTFUL_ACTION = "was asked for, and nobody knows how it ended"


def its_end(attempt: Attempt) -> str:
    """Return what came before the data that an attempt is judged by."""
    return "it was done" if is_action(attempt.script) else "the script ended"


def tried(attempts: Sequence[Attempt]) -> list[str]:
    """Return what each attempt did, and what fresh data said of it."""
    return [f"{done(attempt)}; {attempt.verdict or 'not verified'}" for attempt in attempts]


def held_gates(decision: Decision | None) -> list[str]:
    """Return what each gate said that held, and until when."""
    return [_held(gate) for gate in decision.gates if gate.holds] if decision else []


def _held(gate: GateResult) -> str:
    detail = f" ({gate.detail})" if gate.detail else ""
    until = f", until {gate.until:%H:%M:%S} UTC" if gate.until else ""
    return f"{gate.gate}: {gate.reason}{detail}{until}"


def untried(incident: Incident, attempts: Sequence[Attempt]) -> tuple[Rung, ...]:
    """Return the rungs that were not climbed."""
    rungs = incident.rule.recover if incident.rule else ()
    return tuple(each for each in rungs if each.run != ASK_HUMAN)[len(attempts) :]


def rung(of: Rung) -> str:
    """Return what a rung runs, with its parameters."""
    return f"{of.run}{parameters(of.parameters)}"


def parameters(of: dict[str, str]) -> str:
    """Return parameters in brackets; nothing where there are none."""
    return f" ({', '.join(f'{k}={v}' for k, v in of.items())})" if of else ""
