"""The Workflow port over the durable execution SDK: on Lambda, and in its local runner."""

from collections.abc import Callable
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, TypeVar

from aws_durable_execution_sdk_python.config import (
    CallbackConfig,
    Duration,
    JitterStrategy,
    StepConfig,
    StepSemantics,
)
from aws_durable_execution_sdk_python.exceptions import CallbackError, StepError
from aws_durable_execution_sdk_python.retries import (
    RetryPresets,
    RetryStrategyConfig,
    create_retry_strategy,
)

from autorecovery.errors import StepInterruptedError
from autorecovery.models.wire import decode, encode

if TYPE_CHECKING:
    from aws_durable_execution_sdk_python import DurableContext

T = TypeVar("T")


def _retrying(max_attempts: int, max_delay: Duration) -> StepConfig:
    strategy = RetryStrategyConfig(
        max_attempts=max_attempts,
        initial_delay=Duration.from_seconds(1),
        max_delay=max_delay,
        backoff_rate=2,
        jitter_strategy=JitterStrategy.HALF,
    )
    return StepConfig(retry_strategy=create_retry_strategy(strategy))


_PATIENT = _retrying(30, Duration.from_minutes(5))
"""About two hours: a store that is gone for longer fails the execution, and our own alarm rings."""

_BRIEF = _retrying(3, Duration.from_seconds(2))
"""For what can be done without."""

_ONCE = StepConfig(RetryPresets.none(), StepSemantics.AT_MOST_ONCE_PER_RETRY)


class DurableWorkflow:
    """Workflow over one durable execution."""

    def __init__(self, context: "DurableContext") -> None:
        self._context = context

    def step(self, name: str, act: Callable[[], T], result: type[T]) -> T:
        """See Workflow.step."""
        text = self._context.step(lambda _: encode(act(), result), name, _PATIENT)
        return decode(text, result)

    def step_at_most_once(self, name: str, act: Callable[[], T], result: type[T]) -> T:
        """See Workflow.step_at_most_once."""
        try:
            text = self._context.step(lambda _: encode(act(), result), name, _ONCE)
        except StepError as error:
            # Whether it was interrupted or failed in a way nobody foresaw: what it did is unknown.
            raise StepInterruptedError(f"{name}: {error}") from error
        return decode(text, result)

    def wait(self, name: str, at_most: timedelta, register: Callable[[str], None]) -> bool:
        """See Workflow.wait. Durable waits last whole seconds, one at least.

        A callback and the step that registers it, side by side: `wait_for_callback` would put a
        context around them, a third operation of the few thousand that an execution may have.
        """
        seconds = Duration.from_seconds(max(1, ceil(at_most.total_seconds())))
        callback = self._context.create_callback(name, CallbackConfig(timeout=seconds))
        self._register(f"{name}: register", callback.callback_id, register)
        try:
            callback.result()
        except CallbackError:
            return False  # time is up
        return True

    def _register(self, name: str, token: str, register: Callable[[str], None]) -> None:
        try:
            self._context.step(lambda _: register(token), name, _BRIEF)
        except StepError:
            return  # nobody can wake us; time still will
