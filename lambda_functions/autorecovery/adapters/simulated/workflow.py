"""The Workflow port on a virtual clock. It replays from the top at every wait and every crash, and
passes each result through JSON, as the real one does: what works here only by luck fails here too.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from autorecovery.adapters.simulated.clock import VirtualClock
from autorecovery.errors import StepInterruptedError, StoreError
from autorecovery.models.wire import decode, encode
from autorecovery.ports import Clock

T = TypeVar("T")

Crash = Callable[[str], bool]
"""Asked at every place where a process can die: `before`, `begun` and `after` each side effect."""

STORE_TRIES = 30
STORE_PAUSE = timedelta(seconds=10)
"""How often, and how soon, a step whose store did not answer is repeated."""


MOST_OPERATIONS = 3_000
"""What one durable execution may hold (AWS: Lambda quotas, durable functions). A wait that can be
woken is two: the callback, and the step that says where it waits."""


class ExhaustedError(AssertionError):
    """The execution holds more operations than Lambda allows: it would fail for good."""


class SuspendedError(BaseException):
    """The run leaves the processor: it waits. No Exception: nobody may catch it by accident."""


class CrashedError(BaseException):
    """The process dies here."""


class NonDeterministicError(AssertionError):
    """A replay asked for other operations than the life before it."""


@dataclass
class _Operation:
    name: str
    result: str | None = None
    value: Any = None
    """What the result says, once it was read: no replay changes it."""
    begun: bool = False
    until: datetime | None = None
    woken: bool = False


@dataclass
class Execution:
    """The journal of one run: it outlives every crash."""

    journal: list[_Operation] = field(default_factory=list)
    tokens: dict[str, _Operation] = field(default_factory=dict)
    waits: int = 0
    """How many of its operations count twice."""

    @property
    def due(self) -> datetime | None:
        """Return when the wait is over that a suspended run is in, unless it is woken before."""
        return self.journal[-1].until if self.journal else None

    def wake(self, token: str) -> bool:
        """Wake the wait of this token; return whether it was still waiting."""
        operation = self.tokens.pop(token, None)
        if operation is None or operation.result is not None:
            return False
        operation.woken = True
        return True


def never(place: str) -> bool:
    """Crash nowhere."""
    return False


class SimulatedWorkflow:
    """Workflow over one life of an execution."""

    def __init__(self, execution: Execution, clock: Clock, name: str, crash: Crash = never) -> None:
        self._execution = execution
        self._clock = clock
        self._name = name
        self._crash = crash
        self._position = 0

    def step(self, name: str, act: Callable[[], T], result: type[T]) -> T:
        """See Workflow.step."""
        return self._run(self._next(name), act, result)

    def step_at_most_once(self, name: str, act: Callable[[], T], result: type[T]) -> T:
        """See Workflow.step_at_most_once."""
        operation = self._next(name)
        if operation.begun and operation.result is None:
            raise StepInterruptedError(f"{name}: begun in an earlier life, and never finished")
        return self._run(operation, act, result)

    def wait(self, name: str, at_most: timedelta, register: Callable[[str], None]) -> bool:
        """See Workflow.wait."""
        operation = self._next(name)
        if operation.until is None:
            self._begin_wait(operation, at_most, register)
        if operation.result is None:
            if not operation.woken and operation.until and self._clock() < operation.until:
                raise SuspendedError(name)
            operation.result = "woken" if operation.woken else "time is up"
        return operation.result == "woken"

    def _begin_wait(
        self, operation: _Operation, at_most: timedelta, register: Callable[[str], None]
    ) -> None:
        token = f"{self._name}/{self._position}"
        self._execution.tokens[token] = operation
        self._execution.waits += 1
        self._die_perhaps(f"before {operation.name}")
        register(token)
        self._die_perhaps(f"after {operation.name}")
        operation.until = self._clock() + at_most

    def _next(self, name: str) -> _Operation:
        journal = self._execution.journal
        if self._position == len(journal):
            if len(journal) + self._execution.waits >= MOST_OPERATIONS:
                raise ExhaustedError(f"{name} is one operation too many")
            journal.append(_Operation(name))
        operation = journal[self._position]
        if operation.name != name:
            raise NonDeterministicError(f"{name!r} where the journal has {operation.name!r}")
        self._position += 1
        return operation

    def _run(self, operation: _Operation, act: Callable[[], T], result: type[T]) -> T:
        if operation.result is None:
            self._die_perhaps(f"before {operation.name}")
            operation.begun = True
            self._die_perhaps(f"begun {operation.name}")
            text = encode(act(), result)
            self._die_perhaps(f"after {operation.name}")
            operation.result, operation.value = text, decode(text, result)
        value: T = operation.value
        return value

    def _die_perhaps(self, place: str) -> None:
        if self._crash(place):
            raise CrashedError(place)


def live(
    flow: Callable[[SimulatedWorkflow], T],
    execution: Execution,
    clock: VirtualClock,
    name: str,
    *,
    until: datetime | None = None,
    crash: Crash = never,
) -> T | None:
    """Return what the flow returned, over as many lives as it takes; None if `until` came first.

    Time passes while it waits, and everything due on the clock happens meanwhile.
    """
    troubles = 0
    while True:
        try:
            return flow(SimulatedWorkflow(execution, clock, name, crash))
        except CrashedError:
            continue
        except StoreError as error:
            troubles += 1
            if not error.retryable or troubles == STORE_TRIES:
                raise
            clock.advance(clock() + STORE_PAUSE)
        except SuspendedError:
            if not _pass_time(execution.journal[-1], clock, until):
                return None


def _pass_time(waiting: _Operation, clock: VirtualClock, until: datetime | None) -> bool:
    """Let time pass until the wait is over; return whether that was soon enough."""
    assert waiting.until is not None, "only waits suspend"
    in_time = until is None or waiting.until <= until
    clock.advance(waiting.until if in_time or until is None else until, stop=lambda: waiting.woken)
    return in_time or waiting.woken
