"""The Workflow port over the durable SDK, in the SDK's own local runner: steps, crashes, waits."""

import gc
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.exceptions import InvocationError, RetryableSerDesError
from aws_durable_execution_sdk_python_testing.runner import (
    DurableFunctionTestResult,
    DurableFunctionTestRunner,
)

import incident_responder
from autorecovery.adapters.aws.durable_workflow import DurableWorkflow
from autorecovery.errors import StepInterruptedError, StoreError
from autorecovery.models.incident import Attempt
from autorecovery.models.reason import IncidentState
from tests.fakes import ScriptedRunner
from tests.response_world import RESTART, World, incident, rule

SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Keep the SDK's log of failures that are meant to happen out of the way."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the runner leaves its event loop open
        gc.collect()


def run(flow: Callable[[DurableWorkflow], object]) -> Any:
    """Return what the flow returns at the end of a durable execution."""
    result = execute(flow)
    assert result.result is not None, result
    return json.loads(result.result)


def execute(flow: Callable[[DurableWorkflow], object]) -> DurableFunctionTestResult:
    with runner_of(flow) as runner:
        result: DurableFunctionTestResult = runner.run(input="{}", execution_timeout=60)
        return result


def runner_of(flow: Callable[[DurableWorkflow], object]) -> DurableFunctionTestRunner:
    @durable_execution
    def handler(event: dict[str, Any], context: DurableContext) -> object:
        return flow(DurableWorkflow(context))

    return DurableFunctionTestRunner(handler=handler)


def ignore(token: str) -> None:
    return


# Steps


def test_the_result_of_a_step_is_read_back_as_our_type() -> None:
    opened = incident(rule(RESTART))
    seen: list[object] = []

    def flow(workflow: DurableWorkflow) -> str:
        found = workflow.step("announce", lambda: opened, type(opened))
        workflow.wait("a moment", SECOND, ignore)
        seen.append(found)
        return found.id

    assert run(flow) == opened.id
    assert seen == [opened]
    assert seen[0] is not opened


def test_a_step_runs_once_however_often_the_flow_is_replayed() -> None:
    ran: list[str] = []

    def flow(workflow: DurableWorkflow) -> int:
        workflow.step("count", lambda: ran.append("x"), type(None))
        workflow.wait("a moment", SECOND, ignore)
        return len(ran)

    assert run(flow) == 1


def test_a_step_that_fails_is_repeated() -> None:
    troubles = [StoreError("throttled", retryable=True)]

    def act() -> str:
        if troubles:
            raise troubles.pop()
        return "stored"

    assert run(lambda workflow: workflow.step("store", act, str)) == "stored"


def test_a_step_that_must_not_run_twice_is_unknown_where_it_failed_unforeseen() -> None:
    ran: list[str] = []

    def act() -> str:
        ran.append("x")
        raise RuntimeError("nobody foresaw this")

    def flow(workflow: DurableWorkflow) -> str:
        try:
            return workflow.step_at_most_once("send", act, str)
        except StepInterruptedError:
            return "unknown"

    assert run(flow) == "unknown"
    assert ran == ["x"]


# Waiting: callbacks time out in real time


def test_a_wait_ends_with_its_time() -> None:
    assert run(lambda workflow: workflow.wait("rest", SECOND, ignore)) is False


def test_a_wait_is_woken_under_the_token_it_registered() -> None:
    tokens: list[str] = []
    with runner_of(lambda workflow: workflow.wait("rest", 60 * SECOND, tokens.append)) as runner:
        arn = runner.run_async(input="{}", execution_timeout=60)
        token = runner.wait_for_callback(arn, name="rest", timeout=10)
        runner.send_callback_success(token, b"wake")
        result = runner.wait_for_result(arn, timeout=10)
    assert result.result == "true"
    assert set(tokens) == {token}


def test_a_wait_that_nobody_can_be_told_of_still_ends_with_its_time() -> None:
    tries: list[str] = []

    def fail(token: str) -> None:
        tries.append(token)
        raise StoreError("gone", retryable=True)

    assert run(lambda workflow: workflow.wait("rest", SECOND, fail)) is False
    assert len(tries) > 1


def test_a_wait_takes_two_operations() -> None:
    result = execute(lambda workflow: workflow.wait("rest", SECOND, ignore))
    inner = [operation for operation in result.operations if operation.name]
    assert [operation.name for operation in inner] == ["rest", "rest: register"]


# The whole response


def quick_world(**more: Any) -> World:
    """Return a world in which the script ends at once and its cure shows in the first look."""
    fast = {**RESTART, "verify": {"within": "5s", "healthy_for": "0s"}}
    world = World(incident(rule(fast)), **more)
    world.runner.takes = timedelta()
    return world


def handle(world: World) -> Callable[[DurableWorkflow], object]:
    event = {"incident_id": world.opened.id}
    return lambda workflow: incident_responder.handle(event, workflow, world.response)


def test_a_response_lives_to_its_end_in_a_durable_execution() -> None:
    world = quick_world()
    assert run(handle(world)) == {
        "incident": world.opened.id,
        "reason": "healthy on fresh data after the script ended",
        "verdict": "verified",
    }
    assert len(world.runner.tries) == 1
    assert world.present.state is IncidentState.CLOSED


@pytest.mark.slow
def test_a_response_that_died_while_sending_looks_for_what_it_sent_and_sends_nothing_again() -> (
    None
):
    world = quick_world()

    class DyingRunner(ScriptedRunner):
        def start(self, attempt: Attempt) -> str:
            super().start(attempt)
            raise RetryableSerDesError("the process dies after sending")

    world.runner = DyingRunner(world.clock, timedelta())
    with runner_of(handle(world)) as runner:
        result = runner.run(input="{}", execution_timeout=60)
    assert json.loads(result.result or "{}")["verdict"] == "verified"
    assert len(world.runner.tries) == 1
    assert "look for 1.0" in [operation.name for operation in result.operations]


@pytest.mark.slow
def test_a_response_that_died_between_two_steps_goes_on_where_it_was() -> None:
    world = quick_world()
    crashes = ["between sending and following"]

    class DyingWorkflow(DurableWorkflow):
        def step(self, name: str, act: Callable[[], Any], result: type[Any]) -> Any:
            if name == "follow 1" and crashes:
                raise InvocationError(crashes.pop())
            return super().step(name, act, result)

    @durable_execution
    def handler(event: dict[str, Any], context: DurableContext) -> object:
        return incident_responder.handle(event, DyingWorkflow(context), world.response)

    with DurableFunctionTestRunner(handler=handler) as runner:
        event = json.dumps({"incident_id": world.opened.id})
        result = runner.run(input=event, execution_timeout=60)
    assert json.loads(result.result or "{}")["verdict"] == "verified"
    assert crashes == []
    assert len(world.runner.tries) == 1
    assert len(world.board.posted) == 2
