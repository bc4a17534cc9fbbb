"""The simulated workflow and its clock keep the promises of the Workflow port."""

from datetime import timedelta
from itertools import count

import pytest

from autorecovery.adapters.simulated.clock import VirtualClock
from autorecovery.adapters.simulated.workflow import (
    Execution,
    ExhaustedError,
    NonDeterministicError,
    SimulatedWorkflow,
    live,
)
from autorecovery.errors import StepInterruptedError, StoreError
from autorecovery.models.incident import Incident
from tests.response_world import START, CrashOnce, incident

MINUTE = timedelta(minutes=1)


class Counting:
    """Counts how often it was done."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> int:
        self.times += 1
        return self.times


def ignore(token: str) -> None:
    return


def test_a_step_runs_once_however_often_the_flow_is_replayed() -> None:
    ran = Counting()

    def flow(workflow: SimulatedWorkflow) -> int:
        answer = workflow.step("count", ran, int)
        workflow.wait("a while", MINUTE, ignore)
        return answer

    assert live(flow, Execution(), VirtualClock(START), "run") == 1
    assert ran.times == 1


def test_results_pass_through_json() -> None:
    original = incident(None)
    flow = lambda workflow: workflow.step("give", lambda: original, Incident)  # noqa: E731
    given = live(flow, Execution(), VirtualClock(START), "run")
    assert given == original
    assert given is not original


@pytest.mark.parametrize(
    ("place", "times"), [("before act", 1), ("begun act", 1), ("after act", 2)]
)
def test_a_step_that_was_interrupted_is_repeated(place: str, times: int) -> None:
    ran = Counting()

    def flow(workflow: SimulatedWorkflow) -> int:
        return workflow.step("act", ran, int)

    assert live(flow, Execution(), VirtualClock(START), "run", crash=CrashOnce(place)) == times
    assert ran.times == times


@pytest.mark.parametrize(
    ("place", "ran_at_all", "known"),
    [("before act", 1, True), ("begun act", 0, False), ("after act", 1, False)],
)
def test_a_step_that_must_not_run_twice_is_unknown_once_begun(
    place: str, ran_at_all: int, known: bool
) -> None:
    ran = Counting()

    def flow(workflow: SimulatedWorkflow) -> bool:
        try:
            return workflow.step_at_most_once("act", ran, int) == 1
        except StepInterruptedError:
            return False

    answer = live(flow, Execution(), VirtualClock(START), "run", crash=CrashOnce(place))
    assert (answer, ran.times) == (known, ran_at_all)


def test_a_wait_ends_with_its_time() -> None:
    clock = VirtualClock(START)
    assert live(lambda flow: flow.wait("rest", MINUTE, ignore), Execution(), clock, "run") is False
    assert clock() == START + MINUTE


def test_a_wait_ends_early_when_it_is_woken() -> None:
    clock, execution, tokens = VirtualClock(START), Execution(), list[str]()
    clock.at(START + MINUTE / 2, lambda: execution.wake(tokens[0]))
    assert live(lambda flow: flow.wait("rest", MINUTE, tokens.append), execution, clock, "run")
    assert clock() == START + MINUTE / 2


@pytest.mark.parametrize("place", ["before rest", "after rest"])
def test_a_wait_that_was_interrupted_is_registered_again_under_its_token(place: str) -> None:
    tokens: list[str] = []
    live(
        lambda flow: flow.wait("rest", MINUTE, tokens.append),
        Execution(), VirtualClock(START), "run", crash=CrashOnce(place),
    )  # fmt: skip
    assert set(tokens) == {"run/1"}


def test_a_wait_is_woken_once_and_not_after_its_end() -> None:
    execution, tokens = Execution(), list[str]()
    clock = VirtualClock(START)
    live(lambda flow: flow.wait("rest", MINUTE, tokens.append), execution, clock, "run")
    assert not execution.wake(tokens[0])
    assert not execution.wake("nobody")


def test_a_run_that_takes_longer_than_asked_is_left_waiting_and_goes_on_later() -> None:
    execution, clock = Execution(), VirtualClock(START)

    def flow(workflow: SimulatedWorkflow) -> str:
        workflow.wait("rest", 10 * MINUTE, ignore)
        return "over"

    assert live(flow, execution, clock, "run", until=START + MINUTE) is None
    assert clock() == START + MINUTE
    assert live(flow, execution, clock, "run") == "over"
    assert clock() == START + 10 * MINUTE


def test_a_wake_up_within_the_time_asked_for_is_lived_through() -> None:
    execution, clock, tokens = Execution(), VirtualClock(START), list[str]()
    clock.at(START + MINUTE / 2, lambda: execution.wake(tokens[0]))
    flow = lambda workflow: workflow.wait("rest", 10 * MINUTE, tokens.append)  # noqa: E731
    assert live(flow, execution, clock, "run", until=START + MINUTE) is True


def test_a_replay_that_asks_for_something_else_is_noticed() -> None:
    lives: list[str] = []

    def flow(workflow: SimulatedWorkflow) -> None:
        lives.append("life")
        workflow.wait(f"life {len(lives)}", MINUTE, ignore)

    with pytest.raises(NonDeterministicError, match="life 1"):
        live(flow, Execution(), VirtualClock(START), "run")


def test_a_store_that_does_not_answer_is_asked_again_later() -> None:
    clock, troubles = VirtualClock(START), [StoreError("throttled", retryable=True)] * 3

    def act() -> str:
        if troubles:
            raise troubles.pop()
        return "stored"

    stored = live(lambda flow: flow.step("store", act, str), Execution(), clock, "run")
    assert stored == "stored"
    assert clock() > START


@pytest.mark.parametrize("retryable", [True, False])
def test_a_store_that_never_answers_ends_the_run(retryable: bool) -> None:
    def act() -> str:
        raise StoreError("no", retryable=retryable)

    with pytest.raises(StoreError):
        live(lambda flow: flow.step("store", act, str), Execution(), VirtualClock(START), "run")


# The clock


def test_what_is_due_happens_in_its_order_and_at_its_time() -> None:
    clock, seen = VirtualClock(START), list[tuple[str, object]]()
    clock.at(START + 2 * MINUTE, lambda: seen.append(("second", clock())))
    clock.at(START + MINUTE, lambda: seen.append(("first", clock())))
    clock.at(START + 9 * MINUTE, lambda: seen.append(("never", clock())))
    clock.advance(START + 3 * MINUTE)
    assert seen == [("first", START + MINUTE), ("second", START + 2 * MINUTE)]
    assert clock() == START + 3 * MINUTE


def test_time_never_runs_backwards() -> None:
    clock, seen = VirtualClock(START), list[object]()
    clock.at(START - MINUTE, lambda: seen.append(clock()))
    clock.advance(START - 2 * MINUTE)
    clock.advance(START)
    assert (seen, clock()) == ([START], START)


def test_an_execution_holds_no_more_operations_than_lambda_allows() -> None:
    clock = VirtualClock(START)

    def for_ever(flow: SimulatedWorkflow) -> None:
        for number in count():
            flow.step(f"step {number}", lambda: True, bool)

    with pytest.raises(ExhaustedError):
        live(for_ever, Execution(), clock, "for ever")
