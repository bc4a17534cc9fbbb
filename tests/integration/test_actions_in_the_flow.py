"""The whole response over the real actuator, dying at every place: nothing is asked for twice."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from autorecovery.models.incident import CommandState
from autorecovery.models.reason import Reason
from autorecovery.response.stage import Response
from tests.fakes import MeasuredWorld
from tests.integration.ec2_world import Fleet, Refusal, group, member
from tests.response_world import (
    INSTANCE,
    SICK,
    WELL,
    CrashOnce,
    World,
    measured_by_alarm,
    rule,
)

SUCCESSOR = "i-00000000000000009"
TAKES = timedelta(seconds=20)
LONG = timedelta(minutes=59)
PROOF = {"within": "3m", "healthy_for": "1m"}
ACTIONS = {
    "reboot_instance": ["RebootInstances"],
    "stop_start_instance": ["StopInstances", "StartInstances"],
    "replace_in_group": ["SetInstanceHealth"],
    "scale_out": ["SetDesiredCapacity"],
}


@dataclass
class LivingFleet(Fleet):
    """A fleet in which what was asked for takes its time."""

    asked_at: dict[str, datetime] = field(default_factory=dict)

    def answer(self, model: Any, request: dict[str, Any]) -> Any:
        self._live()
        answer = super().answer(model, request)
        if not model.name.startswith("Describe"):
            self.asked_at[model.name] = self.clock()
        return answer

    def _is_over(self, call: str) -> bool:
        return call in self.asked_at and self.clock() >= self.asked_at[call] + TAKES

    def _live(self) -> None:
        mine = self.states[INSTANCE.name]
        if mine == "stopping" and self._is_over("StopInstances"):
            self.states[INSTANCE.name] = "stopped"
        if mine == "pending" and self._is_over("StartInstances"):
            self.states[INSTANCE.name] = "running"
        if SUCCESSOR not in self.states and self._is_over("SetInstanceHealth"):
            self.replace_by(SUCCESSOR)
        if self._is_over("SetDesiredCapacity") and SUCCESSOR not in self.states:
            self._add_one()

    def _add_one(self) -> None:
        assert self.group
        self.group["Instances"].append(member(SUCCESSOR))
        self.states[SUCCESSOR] = "running"


class ActedOn(World):
    """A world whose machine is cured by what EC2 and Auto Scaling do."""

    def __init__(self, action: str) -> None:
        super().__init__(measured_by_alarm(rule({"run": action, "verify": PROOF})))
        grouped = action in ("replace_in_group", "scale_out")
        self.fleet = LivingFleet(clock=self.clock, group=group() if grouped else None)
        self.reader = MeasuredWorld(self.clock, self._value)
        self.calls = ACTIONS[action]

    def _value(self, moment: datetime) -> float:
        asked = self.fleet.asked_at
        done = all(call in asked for call in self.calls)
        return WELL if done and moment >= asked[self.calls[-1]] + TAKES else SICK

    @property
    def response(self) -> Response:
        return replace(super().response, commands=self.fleet.actuator)


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_is_asked_for_once_and_verified(action: str) -> None:
    world = ActedOn(action)
    ending = world.respond()
    assert ending is not None
    assert ending.reason is Reason.RECOVERED
    assert world.fleet.asked == ACTIONS[action]


def places(world: World) -> list[str]:
    seen: list[str] = []

    def note(place: str) -> bool:
        seen.append(place)
        return False

    world.respond(lasting=LONG, crash=note)
    return list(dict.fromkeys(seen))


@pytest.mark.parametrize("action", ACTIONS)
def test_wherever_it_dies_nothing_is_asked_for_twice_and_no_machine_stays_stopped(
    action: str,
) -> None:
    for place in places(ActedOn(action)):
        world = ActedOn(action)
        world.respond(lasting=LONG, crash=CrashOnce(place))
        asked = Counter(world.fleet.asked)
        starts = asked.pop("StartInstances", 0)  # may be repeated: it changes nothing
        assert all(times == 1 for times in asked.values()), place
        assert bool(starts) is ("StopInstances" in asked), place
        assert world.fleet.states[INSTANCE.name] in ("running", "terminated"), place


@pytest.mark.parametrize("action", ["stop_start_instance", "replace_in_group", "scale_out"])
@pytest.mark.parametrize("happened", [True, False])
def test_an_answer_that_was_lost_is_found_by_what_it_did(action: str, happened: bool) -> None:
    world = ActedOn(action)
    call = ACTIONS[action][0]
    act = getattr(world.fleet, call)

    def lose(request: dict[str, Any]) -> dict[str, Any]:
        if happened:
            act(request)
            world.fleet.asked_at[call] = world.clock()
        raise ReadTimeoutError(endpoint_url="https://ec2")

    setattr(world.fleet, call, lose)
    world.respond(lasting=LONG)
    assert world.fleet.asked.count(call) == 1
    attempt = world.attempts.last_on(INSTANCE)
    assert attempt is not None
    expected = CommandState.SUCCEEDED if happened else CommandState.UNKNOWN
    assert attempt.status.state is expected, attempt.status
    assert world.present.is_closed is happened


def test_a_machine_that_does_not_start_again_is_handed_over_in_plain_words() -> None:
    world = ActedOn("stop_start_instance")
    world.fleet.troubles["StartInstances"] = Refusal("InsufficientInstanceCapacity", 500)
    world.respond(lasting=LONG)
    attempt = world.attempts.last_on(INSTANCE)
    assert attempt is not None
    assert attempt.status.state is CommandState.UNKNOWN
    assert "InsufficientInstanceCapacity" in attempt.status.detail
    assert attempt.status.detail.endswith("the machine may be stopped")
