"""Running a rung at most once: intent first, then the command, then an honest answer.

Neither SendCommand nor what is done to an instance has an idempotency token. An answer that was
lost is looked up by the attempt's own token; what even that does not settle is *unknown*, and is
never sent again.
"""

import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from autorecovery.errors import (
    CommandNotStartedError,
    CommandUncertainError,
    ReadError,
    StepInterruptedError,
)
from autorecovery.models.actions import IN_DOUBT, is_action
from autorecovery.models.durations import write_duration
from autorecovery.models.incident import (
    Attempt,
    CommandState,
    CommandStatus,
    EntryKind,
    Incident,
    attempt_token,
)
from autorecovery.models.reason import IncidentState, Reason
from autorecovery.models.rule import Rung
from autorecovery.ports import Workflow
from autorecovery.response.stage import Response
from autorecovery.response.vigil import rest

START_WITHIN = timedelta(minutes=2)
"""A script that reaches its machine so long after the decision does nothing: the world has moved
on. It is not even sent then, should a store that was gone have kept us waiting."""

SEND_TRIES = 4
SEND_PAUSES = (timedelta(seconds=2), timedelta(seconds=10), timedelta(seconds=30))

LOOK_UPS = (timedelta(seconds=2), timedelta(seconds=10), timedelta(seconds=30))
"""When to look for a command whose answer was lost: ListCommands is eventually consistent."""

POLLS = tuple(timedelta(seconds=s) for s in (1, 1, 2, 2, 3, 5, 10))
"""Waits between looks at a running command; usually its end wakes us first. The last repeats, and
grows to a tenth of the time spent: a script of hours must not use up the execution's operations."""

POLL_SHARE = 10

GRACE = timedelta(seconds=60)
"""Beyond the script's own time limit before its silence is called unknown."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of one try to send."""

    command_id: str | None = None
    problem: str = ""
    may_have_started: bool = False
    worth_retrying: bool = False


RESUMED = Sent(problem="intended in an earlier life", may_have_started=True)


def recover(
    incident: Incident,
    rung: Rung,
    number: int,
    decided_at: datetime | None,
    flow: Workflow,
    app: Response,
) -> Attempt:
    """Return the attempt with the status its command ended in, however long that took."""
    make = partial(_plan, incident, rung, number, decided_at, app)
    plan = flow.step(f"plan {number}", make, Attempt)
    attempt = flow.step(f"intend {number}", lambda: _intend(plan, number, app), Attempt)
    if attempt.status.is_over:
        return _finish(attempt, attempt.status, number, flow, app)
    sent = RESUMED if attempt.resumed else _send(attempt, number, flow, app)
    if sent.command_id is None and sent.may_have_started:
        sent = replace(sent, command_id=_find(attempt, number, flow, app))
    if sent.command_id is None:
        state = CommandState.UNKNOWN if sent.may_have_started else CommandState.NOT_RUN
        return _finish(attempt, CommandStatus(state, sent.problem), number, flow, app)
    attempt = _follow(replace(attempt, command_id=sent.command_id), number, flow, app)
    status = _await_end(attempt, number, flow, app)
    return _finish(attempt, status, number, flow, app)


def _plan(
    incident: Incident, rung: Rung, number: int, decided_at: datetime | None, app: Response
) -> Attempt:
    """Return the attempt; not run, where it is certain already that it cannot be done."""
    now = app.clock()
    plan = Attempt(
        token=attempt_token(incident.id, number),
        incident_id=incident.id,
        rule_name=incident.rule_name,
        target=incident.target,
        script=rung.run,
        parameters=rung.parameters,
        intended_at=now,
        not_after=(decided_at or now) + START_WITHIN,
        time_limit=app.time_limit(rung.run),
        plan=secrets.token_hex(8),
    )
    try:
        return app.commands.prepare(plan)
    except CommandNotStartedError as error:
        return replace(plan, status=CommandStatus(CommandState.NOT_RUN, str(error)))


def _intend(plan: Attempt, number: int, app: Response) -> Attempt:
    """Return the plan, written down; `resumed` where an earlier life did so, and may have sent."""
    attempt = plan if app.attempts.intend(plan) else _resumed(plan, number, app)
    app.incidents.move(plan.incident_id, IncidentState.RECOVERING)
    app.note(
        plan.incident_id, f"intended {number}", EntryKind.STARTED, f"about to run {plan.script}",
        parameters=attempt.parameters, token=plan.token,
    )  # fmt: skip
    return attempt


def _resumed(plan: Attempt, number: int, app: Response) -> Attempt:
    """Return the plan with what an earlier life asked for and when: by that it can be found.

    A verdict that it reached still stands.
    """
    earlier = app.begun(app.present(plan.incident_id), number) or plan
    return replace(
        plan,
        parameters=earlier.parameters,
        intended_at=earlier.intended_at,
        status=CommandStatus(CommandState.PENDING),
        judgement=earlier.judgement,
        resumed=True,
    )


def _send(attempt: Attempt, number: int, flow: Workflow, app: Response) -> Sent:
    """Send, and send again only where the last try certainly did not arrive."""
    sent = _send_once(attempt, f"send {number}.0", flow, app)
    for retry, pause in enumerate(SEND_PAUSES, start=1):
        if not sent.worth_retrying:
            break
        rest(attempt.incident_id, f"before send {number}.{retry}", pause, flow, app, deaf=True)
        sent = _send_once(attempt, f"send {number}.{retry}", flow, app)
    return sent


def _send_once(attempt: Attempt, name: str, flow: Workflow, app: Response) -> Sent:
    try:
        return flow.step_at_most_once(name, lambda: _try_to_send(attempt, app), Sent)
    except StepInterruptedError:
        return Sent(problem="interrupted while sending", may_have_started=True)


def _try_to_send(attempt: Attempt, app: Response) -> Sent:
    # Whoever halts everything, or closes the incident, after the decision still stops it.
    if halt := app.controls.halt():
        return Sent(problem=f"{Reason.HALTED}, by {halt.by}: {halt.why}")
    if app.present(attempt.incident_id).is_closed:
        return Sent(problem=Reason.CLOSED_BY_PERSON)
    if app.clock() > attempt.not_after:
        return Sent(problem=f"the decision is older than {write_duration(START_WITHIN)}")
    try:
        return Sent(command_id=app.commands.start(attempt))
    except CommandNotStartedError as error:
        return Sent(problem=str(error), worth_retrying=error.retryable)
    except CommandUncertainError as error:
        return Sent(problem=str(error), may_have_started=True)


def _find(attempt: Attempt, number: int, flow: Workflow, app: Response) -> str | None:
    """Return the command that carries the attempt's token, if it shows up in time."""
    for look, pause in enumerate(LOOK_UPS):
        rest(attempt.incident_id, f"before look {number}.{look}", pause, flow, app, deaf=True)
        found = flow.step(f"look for {number}.{look}", lambda: _look_for(attempt, app), str)
        if found:
            return found
    return None


def _look_for(attempt: Attempt, app: Response) -> str:
    try:
        return app.commands.find(attempt) or ""
    except ReadError:
        return ""


def _follow(attempt: Attempt, number: int, flow: Workflow, app: Response) -> Attempt:
    """Remember the command, so that its end finds the way back to this incident."""

    def remember() -> Attempt:
        app.attempts.complete(attempt)
        app.note(
            attempt.incident_id, f"started {number}", EntryKind.STARTED,
            f"{attempt.script} was {'asked for' if is_action(attempt.script) else 'sent'}",
            command=attempt.command_id,
        )  # fmt: skip
        return attempt

    return flow.step(f"follow {number}", remember, Attempt)


def _await_end(attempt: Attempt, number: int, flow: Workflow, app: Response) -> CommandStatus:
    poll, spent, woken = 0, timedelta(), False
    while True:
        status = flow.step(f"poll {number}.{poll}", lambda: _poll(attempt, app), CommandStatus)
        if status.is_over:
            return status
        pause = pause_between_polls(poll, spent)
        name = f"command {number}.{poll}"
        woken = rest(attempt.incident_id, name, pause, flow, app, deaf=woken)
        poll, spent = poll + 1, spent + pause


def pause_between_polls(poll: int, spent: timedelta) -> timedelta:
    """Return how long to wait after this poll, `spent` being what was waited so far."""
    return max(POLLS[min(poll, len(POLLS) - 1)], spent / POLL_SHARE)


def _poll(attempt: Attempt, app: Response) -> CommandStatus:
    assert attempt.command_id is not None, "only sent attempts are polled"
    try:
        status = app.commands.status(attempt.command_id, attempt.target)
    except ReadError as error:
        status = CommandStatus(CommandState.PENDING, str(error))
    if not status.is_over and app.clock() > attempt.not_after + attempt.time_limit + GRACE:
        return CommandStatus(
            CommandState.UNKNOWN, f"no end was heard of: {status.detail}".rstrip(": ")
        )
    return status


def _finish(
    attempt: Attempt, status: CommandStatus, number: int, flow: Workflow, app: Response
) -> Attempt:
    def complete() -> Attempt:
        ended = replace(
            status,
            detail=_with_doubt(attempt.script, status),
            ended_at=_judged_from(attempt, status, app.clock()),
        )
        finished = replace(attempt, status=ended)
        app.attempts.complete(finished)
        detail = f" ({ended.detail})" if ended.detail else ""
        app.note(
            attempt.incident_id, f"ended {number}", EntryKind.ENDED,
            f"{attempt.script}: {status.state}{detail}",
            output=status.output[-2000:], exit_code=status.exit_code,
        )  # fmt: skip
        return finished

    return flow.step(f"finish {number}", complete, Attempt)


def _with_doubt(script: str, status: CommandStatus) -> str:
    """Return the detail, with what may have become of the machine where that is not known."""
    doubt = IN_DOUBT.get(script) if status.state is CommandState.UNKNOWN else None
    return "; ".join(part for part in (status.detail, doubt) if part)


def _judged_from(attempt: Attempt, status: CommandStatus, now: datetime) -> datetime:
    """Return from when on fresh data counts: the script's end, or a moment that lies after it.

    A machine whose clock is slow may report an end before the beginning; then ours counts. Of a
    script that nobody heard of, this is known: it does not start later than its not-after time, nor
    run for longer than its time limit. Until then the machine is not given back either.
    """
    reported = status.ended_at
    if status.state is CommandState.UNKNOWN and reported is None:
        return max(now, attempt.not_after + attempt.time_limit)
    # A machine whose clock is fast reports an end that is yet to come: no data would ever be fresh.
    return min(reported, now) if reported and reported >= attempt.intended_at else now
