"""What is done to an instance from outside: asked for once, and followed to an honest end."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from moto import mock_aws

from autorecovery.adapters.aws import clients
from autorecovery.adapters.aws.actuator import TIME_LIMITS, AwsClients, Ec2Actuator
from autorecovery.adapters.aws.rungs import ScriptsAndActions
from autorecovery.adapters.simulated.clock import VirtualClock
from autorecovery.errors import CommandNotStartedError, CommandUncertainError, ReadError
from autorecovery.models.actions import InstanceAction
from autorecovery.models.incident import Attempt, CommandState, CommandStatus
from autorecovery.models.signal import Target, TargetKind
from tests.fakes import ScriptedRunner
from tests.integration import aws
from tests.integration.ec2_world import GROUP, OTHERS, Fleet, Refusal, group, member
from tests.response_world import INSTANCE, START

REBOOT, STOP_START = InstanceAction.REBOOT, InstanceAction.STOP_START
REPLACE, SCALE_OUT = InstanceAction.REPLACE, InstanceAction.SCALE_OUT
EVERY = tuple(InstanceAction)
CALLS = {
    REBOOT: "RebootInstances", STOP_START: "StopInstances", REPLACE: "SetInstanceHealth",
    SCALE_OUT: "SetDesiredCapacity",
}  # fmt: skip
TOKEN = "inc-20260301-120030-0a1b2c3d-r2"
SUCCESSOR = "i-00000000000000009"
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
URL = {"endpoint_url": "https://ec2"}


def attempt_of(action: str, **more: Any) -> Attempt:
    planned = Attempt(
        TOKEN, TOKEN.removesuffix("-r2"), "cpu", INSTANCE, str(action), {},
        START, START + 2 * MINUTE, TIME_LIMITS.get(action, MINUTE),
    )  # fmt: skip
    return replace(planned, **more)


def fleet_for(action: str, **more: Any) -> Fleet:
    """Return a world in which this action is possible."""
    return Fleet(group=group() if action in (REPLACE, SCALE_OUT) else None, **more)


def start(fleet: Fleet, action: str) -> str:
    actuator = fleet.actuator
    return actuator.start(actuator.prepare(attempt_of(action)))


def status(fleet: Fleet, command: str) -> CommandStatus:
    return fleet.actuator.status(command, INSTANCE)


def refusal(fleet: Fleet, action: str) -> str:
    """Return why this is refused; nothing is changed by asking."""
    with pytest.raises(CommandNotStartedError) as caught:
        start(fleet, action)
    assert not caught.value.retryable
    assert fleet.changes == []
    return str(caught.value)


# Sorted by one question: may it have happened?


@pytest.mark.parametrize("action", EVERY)
@pytest.mark.parametrize(
    ("code", "http", "retryable"),
    [
        ("UnauthorizedOperation", 403, False),
        ("AccessDenied", 403, False),
        ("IncorrectInstanceState", 400, False),
        ("UnsupportedOperation", 400, False),
        ("OperationNotPermitted", 400, False),
        ("ScalingActivityInProgress", 400, False),
        ("ValidationError", 400, False),
        ("Throttling", 400, True),
        ("RequestLimitExceeded", 503, True),
        ("ResourceContention", 500, True),
    ],
)
def test_a_refusal_means_that_nothing_happened(
    action: str, code: str, http: int, retryable: bool
) -> None:
    fleet = fleet_for(action)
    fleet.troubles[CALLS[InstanceAction(action)]] = Refusal(code, http, "not like this")
    with pytest.raises(CommandNotStartedError, match=code) as caught:
        start(fleet, action)
    assert caught.value.retryable is retryable


@pytest.mark.parametrize("action", EVERY)
@pytest.mark.parametrize(
    "trouble",
    [
        Refusal("InternalError", 500),
        Refusal("Unavailable", 503),
        Refusal("InternalFailure", 400),
        Refusal("Unknown", 502),
        ReadTimeoutError(**URL),
        ConnectionClosedError(**URL),
    ],
)
def test_without_a_clear_answer_nobody_knows(action: str, trouble: Refusal | Exception) -> None:
    fleet = fleet_for(action)
    fleet.troubles[CALLS[InstanceAction(action)]] = trouble
    with pytest.raises(CommandUncertainError, match=CALLS[InstanceAction(action)]):
        start(fleet, action)


@pytest.mark.parametrize("action", EVERY)
@pytest.mark.parametrize(
    "trouble", [ConnectTimeoutError(**URL), EndpointConnectionError(**URL), NoCredentialsError()]
)
def test_what_never_left_may_be_asked_again(action: str, trouble: Exception) -> None:
    fleet = fleet_for(action)
    fleet.troubles[CALLS[InstanceAction(action)]] = trouble
    with pytest.raises(CommandNotStartedError) as caught:
        start(fleet, action)
    assert caught.value.retryable


@pytest.mark.parametrize("action", [STOP_START, REPLACE, SCALE_OUT])
def test_what_cannot_be_looked_at_first_is_not_touched(action: str) -> None:
    fleet = fleet_for(action)
    fleet.troubles["DescribeAutoScalingInstances"] = Refusal("Throttling")
    with pytest.raises(CommandNotStartedError, match="could not be looked at"):
        start(fleet, action)
    assert fleet.changes == []


@pytest.mark.parametrize("action", EVERY)
def test_only_instances_are_acted_on(action: str) -> None:
    for other in (Target.named("web-1"), Target(TargetKind.CONTAINER, f"{INSTANCE.name}/web")):
        fleet = fleet_for(action)
        for act in (fleet.actuator.prepare, fleet.actuator.start):
            with pytest.raises(CommandNotStartedError, match="no EC2 instance"):
                act(attempt_of(action, target=other))
        assert fleet.changes == []


@pytest.mark.parametrize("action", EVERY)
def test_what_comes_too_late_is_not_done(action: str) -> None:
    fleet = fleet_for(action)
    planned = fleet.actuator.prepare(attempt_of(action))
    fleet.clock.advance(planned.not_after + SECOND)
    with pytest.raises(CommandNotStartedError, match="too late") as caught:
        fleet.actuator.start(planned)
    assert not caught.value.retryable
    assert fleet.changes == []


@pytest.mark.parametrize("action", EVERY)
def test_a_command_is_named_by_its_action_and_its_attempt(action: str) -> None:
    command = start(fleet_for(action), action)
    assert command.startswith(f"{action}:{TOKEN}:")
    assert len(command) < 1024


def test_the_sending_clients_never_repeat_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", aws.REGION)
    clients._session.cache_clear()
    made: list[Any] = [clients.ec2_once(), clients.autoscaling_once(), clients.autoscaling()]
    tries = [client.meta.config.retries["total_max_attempts"] for client in made]
    clients._session.cache_clear()
    assert tries[:2] == [1, 1]
    assert tries[2] > 1


# Reboot


def test_a_reboot_is_asked_for_and_its_data_is_the_proof() -> None:
    fleet = fleet_for(REBOOT)
    command = start(fleet, REBOOT)
    assert fleet.changes == [("RebootInstances", {"InstanceIds": [INSTANCE.name]})]
    told = status(fleet, command)
    assert (told.state, told.ended_at) == (CommandState.SUCCEEDED, START)


def test_a_reboot_leaves_nothing_to_find() -> None:
    fleet = fleet_for(REBOOT)
    start(fleet, REBOOT)
    assert fleet.actuator.find(attempt_of(REBOOT)) is None


def test_a_member_of_a_group_may_be_rebooted() -> None:
    fleet = Fleet(group=group())
    start(fleet, REBOOT)
    assert fleet.asked == ["RebootInstances"]


# Stop and start


def test_a_machine_is_stopped_then_started_and_done_when_it_runs_anew() -> None:
    fleet = fleet_for(STOP_START)
    command = start(fleet, STOP_START)
    states = []
    for state in ("running", "stopping", "stopped", "pending", "running"):
        fleet.clock.advance(fleet.clock() + MINUTE)
        fleet.states[INSTANCE.name] = state
        states.append(str(status(fleet, command).state))
    assert states == ["running", "running", "running", "running", "succeeded"]
    assert fleet.asked == ["StopInstances", "StartInstances"]


def test_a_machine_that_still_seems_to_run_has_not_been_restarted() -> None:
    fleet = fleet_for(STOP_START)
    command = start(fleet, STOP_START)
    fleet.states[INSTANCE.name] = "running"  # as EC2 may show it for a while
    assert status(fleet, command) == CommandStatus(CommandState.RUNNING, "it is running")


def test_a_machine_that_falls_back_is_started_again_and_the_reason_is_told() -> None:
    fleet = fleet_for(STOP_START)
    command = start(fleet, STOP_START)
    fleet.states[INSTANCE.name], fleet.reason = "stopped", "Client error on launch"
    assert "Client error on launch" in status(fleet, command).detail
    fleet.states[INSTANCE.name] = "stopped"
    status(fleet, command)
    assert fleet.asked == ["StopInstances", "StartInstances", "StartInstances"]


def test_a_machine_that_cannot_be_started_says_so_and_is_tried_again() -> None:
    fleet = fleet_for(STOP_START)
    command = start(fleet, STOP_START)
    fleet.states[INSTANCE.name] = "stopped"
    fleet.troubles["StartInstances"] = Refusal("InsufficientInstanceCapacity", 500)
    with pytest.raises(ReadError, match=r"stopped .* does not start.*InsufficientInstanceCapacity"):
        status(fleet, command)


@pytest.mark.parametrize("state", ["shutting-down", "terminated", None])
def test_a_machine_that_somebody_terminated_meanwhile_is_a_failure(state: str | None) -> None:
    fleet = fleet_for(STOP_START)
    command = start(fleet, STOP_START)
    fleet.states[INSTANCE.name] = state or ""
    if state is None:
        fleet.troubles["DescribeInstances"] = Refusal("InvalidInstanceID.NotFound")
    told = status(fleet, command)
    assert (told.state, told.detail) == (
        CommandState.FAILED,
        "somebody terminated the machine",
    )
    assert fleet.asked == ["StopInstances"]


@pytest.mark.parametrize("state", ["stopped", "stopping", "pending", "terminated"])
def test_what_somebody_stopped_is_neither_stopped_nor_started(state: str) -> None:
    fleet = fleet_for(STOP_START)
    fleet.states[INSTANCE.name] = state
    assert f"it is {state}" in refusal(fleet, STOP_START)
    assert fleet.asked == []


def test_a_member_of_a_group_is_not_stopped_and_the_better_rung_is_named() -> None:
    told = refusal(Fleet(group=group()), STOP_START)
    assert f"group {GROUP}" in told
    assert "use replace_in_group" in told


@pytest.mark.parametrize(
    ("state", "relaunched", "found"),
    [
        ("running", False, False),
        ("stopping", False, True),
        ("stopped", False, True),
        ("running", True, True),
    ],
)
def test_a_stop_without_an_answer_is_found_by_what_it_did(
    state: str, relaunched: bool, found: bool
) -> None:
    fleet = fleet_for(STOP_START)
    fleet.states[INSTANCE.name] = state
    if relaunched:
        fleet.launched[INSTANCE.name] = START + SECOND
    command = fleet.actuator.find(attempt_of(STOP_START))
    assert (command is not None) is found
    if command and not relaunched:
        fleet.states[INSTANCE.name] = "stopped"
        status(fleet, command)
        assert fleet.asked == ["StartInstances"]  # it is followed to its end


# Replace


def test_a_machine_is_marked_and_its_group_replaces_it() -> None:
    fleet = fleet_for(REPLACE)
    command = start(fleet, REPLACE)
    assert fleet.changes == [
        (
            "SetInstanceHealth",
            {
                "InstanceId": INSTANCE.name,
                "HealthStatus": "Unhealthy",
                "ShouldRespectGracePeriod": False,
            },
        )
    ]
    assert status(fleet, command).state is CommandState.RUNNING
    fleet.clock.advance(START + MINUTE)
    fleet.replace_by(SUCCESSOR)
    told = status(fleet, command)
    assert (told.state, told.successor) == (CommandState.SUCCEEDED, SUCCESSOR)
    assert told.ended_at == START + MINUTE


def test_while_the_old_machine_drains_the_replacement_is_not_done() -> None:
    fleet = fleet_for(REPLACE)
    command = start(fleet, REPLACE)
    fleet.replace_by(SUCCESSOR)
    assert fleet.group
    fleet.group["Instances"].append(member(INSTANCE.name, "Terminating:Wait", "Unhealthy"))
    told = status(fleet, command)
    assert (told.state, told.detail) == (
        CommandState.RUNNING,
        "it is Terminating:Wait and Unhealthy in its group",
    )


def test_a_successor_that_does_not_serve_yet_is_waited_for() -> None:
    fleet = fleet_for(REPLACE)
    command = start(fleet, REPLACE)
    fleet.replace_by(SUCCESSOR)
    assert fleet.group
    fleet.group["Instances"][-1] = member(SUCCESSOR, "Pending:Wait")
    assert status(fleet, command) == CommandStatus(
        CommandState.RUNNING, "it is gone, and 2 of 3 are in service"
    )


def test_a_machine_that_was_there_before_is_no_successor() -> None:
    fleet = fleet_for(REPLACE)
    command = start(fleet, REPLACE)
    fleet.replace_by(SUCCESSOR)
    fleet.launched[SUCCESSOR] = START - MINUTE  # out of a warm pool that runs
    told = status(fleet, command)
    assert (told.state, told.successor) == (CommandState.SUCCEEDED, None)
    assert "nothing tells which machine" in told.output


def test_a_group_that_vanished_is_a_failure() -> None:
    fleet = fleet_for(REPLACE)
    command = start(fleet, REPLACE)
    fleet.group = None
    assert status(fleet, command).state is CommandState.FAILED


def test_what_is_in_no_group_cannot_be_replaced_nor_scaled() -> None:
    assert "in no Auto Scaling group" in refusal(Fleet(), REPLACE)
    assert "in no Auto Scaling group" in refusal(Fleet(), SCALE_OUT)


ME = INSTANCE.name
ALL = tuple(member(each) for each in (ME, *OTHERS))


@pytest.mark.parametrize(
    ("of", "why"),
    [
        (group(member(ME, "Standby"), *ALL[1:]), "it is Standby in its group"),
        (group(member(ME, health="Unhealthy"), *ALL[1:]), "replacing it already"),
        (group({**ALL[0], "ProtectedFromScaleIn": True}, *ALL[1:]), "protected from scale-in"),
        (group(*ALL, HealthCheckGracePeriod=4 * 24 * 3600), "gives it 4d to start"),
        (group(*ALL[:2], member(OTHERS[1], "Terminating")), "1 of its machines are Terminating"),
        (group(*ALL, member(SUCCESSOR, "Pending:Wait")), "1 of its machines are Pending:Wait"),
        (group(*ALL[:2], member(OTHERS[1], health="Unhealthy")), "away already: without it 1 of 3"),
        (
            group(*ALL[:2]),
            "another machine of its group is away already: without it 1 of 3 would serve",
        ),
        (group(ALL[0], desired=1), "it is the only one in service"),
        (group(*ALL, Tags=[]), f"group {GROUP} itself does not carry the tag AutoRecovery=enabled"),
        (group(*ALL, Tags=[{"Key": "AutoRecovery", "Value": "no"}]), "does not carry the tag"),
        *(
            (group(*ALL, SuspendedProcesses=[{"ProcessName": name}]), f"suspended {name}")
            for name in ("Launch", "Terminate", "HealthCheck", "ReplaceUnhealthy")
        ),
    ],
)
def test_a_group_that_cannot_spare_the_machine_keeps_it(of: dict[str, Any], why: str) -> None:
    assert why in refusal(Fleet(group=of), REPLACE)


@pytest.mark.parametrize(
    "status", ["Pending", "InProgress", "Cancelling", "RollbackInProgress", "Baking"]
)
def test_a_group_that_is_being_refreshed_is_left_alone(status: str) -> None:
    fleet = Fleet(group=group(), refreshes=[status, "Successful"])
    assert "being refreshed" in refusal(fleet, REPLACE)


@pytest.mark.parametrize(
    "of",
    [
        group(*ALL),  # desired = minimum: it is away for a while, and the only one that is
        group(*ALL[:2], desired=2),
        group(*ALL, member("i-00000000000000007", "Standby")),
        group(*ALL, member("i-00000000000000007", "Warmed:Stopped")),
        group(*ALL, SuspendedProcesses=[{"ProcessName": "AZRebalance"}]),
        group(
            ALL[0], desired=1,
            InstanceMaintenancePolicy={"MinHealthyPercentage": 100, "MaxHealthyPercentage": 200},
        ),
        group(*({**each, "WeightedCapacity": "4"} for each in ALL), desired=12, MaxSize=20),
    ],
)  # fmt: skip
def test_a_group_that_can_spare_the_machine_lets_it_go(of: dict[str, Any]) -> None:
    fleet = Fleet(group=of, refreshes=["Successful", "Cancelled"])
    start(fleet, REPLACE)
    assert fleet.asked == ["SetInstanceHealth"]


def test_weights_count_when_a_group_is_short() -> None:
    weighted = [{**each, "WeightedCapacity": "4"} for each in ALL[:2]]
    assert "4 of 12 would serve" in refusal(Fleet(group=group(*weighted, desired=12)), REPLACE)


def test_a_machine_that_left_between_plan_and_deed_is_not_touched() -> None:
    fleet = fleet_for(REPLACE)
    planned = fleet.actuator.prepare(attempt_of(REPLACE))
    assert planned.parameters == {"group": GROUP}
    fleet.replace_by(SUCCESSOR)
    with pytest.raises(CommandNotStartedError, match="has left"):
        fleet.actuator.start(planned)
    assert fleet.changes == []


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        (member(ME), False),
        (member(ME, health="Unhealthy"), True),
        (member(ME, "Terminating"), True),
        (None, True),
    ],
)
def test_a_marking_without_an_answer_is_found_by_what_it_did(
    seen: dict[str, Any] | None, found: bool
) -> None:
    fleet = fleet_for(REPLACE)
    planned = fleet.actuator.prepare(attempt_of(REPLACE))
    fleet.group = group(*([seen] if seen else []), *ALL[1:])
    assert (fleet.actuator.find(planned) is not None) is found


# Scale out


def test_a_group_grows_by_one_to_a_number_that_was_planned() -> None:
    fleet = fleet_for(SCALE_OUT)
    planned = fleet.actuator.prepare(attempt_of(SCALE_OUT))
    assert planned.parameters == {"group": GROUP, "capacity": "4"}
    command = fleet.actuator.start(planned)
    request = {"AutoScalingGroupName": GROUP, "DesiredCapacity": 4, "HonorCooldown": True}
    assert fleet.changes == [("SetDesiredCapacity", request)]
    assert status(fleet, command).detail == "3 of 4 are in service"
    assert fleet.group
    fleet.group["Instances"].append(member(SUCCESSOR))
    told = status(fleet, command)
    assert (told.state, told.successor) == (CommandState.SUCCEEDED, None)


def test_the_same_plan_twice_is_one_step() -> None:
    fleet = fleet_for(SCALE_OUT)
    planned = fleet.actuator.prepare(attempt_of(SCALE_OUT))
    fleet.actuator.start(planned)
    with pytest.raises(CommandNotStartedError, match="wants 4 meanwhile"):
        fleet.actuator.start(planned)
    assert fleet.asked == ["SetDesiredCapacity"]


def test_a_group_that_grew_meanwhile_is_never_made_smaller() -> None:
    fleet = fleet_for(SCALE_OUT)
    planned = fleet.actuator.prepare(attempt_of(SCALE_OUT))
    assert fleet.group
    fleet.group["DesiredCapacity"] = 5
    with pytest.raises(CommandNotStartedError, match="wants 5 meanwhile"):
        fleet.actuator.start(planned)
    assert fleet.changes == []


@pytest.mark.parametrize(
    ("of", "why"),
    [
        (group(MaxSize=3), "at its maximum of 3"),
        (group(*ALL, member(SUCCESSOR, "Pending")), "its group is changing"),
        (group(SuspendedProcesses=[{"ProcessName": "Launch"}]), "suspended Launch"),
        (group(Tags=[]), "does not carry the tag"),
    ],
)
def test_a_group_that_may_not_grow_does_not(of: dict[str, Any], why: str) -> None:
    assert why in refusal(Fleet(group=of), SCALE_OUT)


def test_a_group_that_somebody_made_smaller_again_is_a_failure() -> None:
    fleet = fleet_for(SCALE_OUT)
    command = start(fleet, SCALE_OUT)
    assert fleet.group
    fleet.group["DesiredCapacity"] = 3
    assert "made the group smaller: 3" in status(fleet, command).detail


@pytest.mark.parametrize(("desired", "found"), [(3, False), (4, True), (5, True)])
def test_a_step_without_an_answer_is_found_by_the_number(desired: int, found: bool) -> None:
    fleet = fleet_for(SCALE_OUT)
    planned = fleet.actuator.prepare(attempt_of(SCALE_OUT))
    assert fleet.group
    fleet.group["DesiredCapacity"] = desired
    assert (fleet.actuator.find(planned) is not None) is found


# What cannot be read


@pytest.mark.parametrize("action", [STOP_START, REPLACE, SCALE_OUT])
def test_what_cannot_be_read_is_told_in_our_words(action: str) -> None:
    fleet = fleet_for(action)
    planned = fleet.actuator.prepare(attempt_of(action))
    command = fleet.actuator.start(planned)
    for look in ("DescribeInstances", "DescribeAutoScalingGroups"):
        fleet.troubles[look] = Refusal("RequestLimitExceeded", 503)
    with pytest.raises(ReadError, match="RequestLimitExceeded"):
        status(fleet, command)
    with pytest.raises(ReadError, match="RequestLimitExceeded"):
        fleet.actuator.find(planned)


# Scripts and actions side by side


def test_each_rung_goes_to_the_one_that_can_do_it() -> None:
    fleet, scripts = fleet_for(REBOOT), ScriptedRunner(VirtualClock(START))
    both = ScriptsAndActions(scripts, fleet.actuator)
    restart = attempt_of("restart_service")
    for attempt in (restart, attempt_of(REBOOT)):
        command = both.start(both.prepare(attempt))
        both.status(command, INSTANCE)
        both.find(attempt)
    assert [attempt.script for attempt in scripts.tries] == ["restart_service"]
    assert fleet.asked == ["RebootInstances"]
    assert both.time_limit(REBOOT) == TIME_LIMITS[REBOOT]
    assert both.time_limit("restart_service") == scripts.time_limit("restart_service")


# Against moto, where it does what AWS does


@pytest.fixture
def moto() -> Iterator[tuple[Any, Any, str]]:
    """Yield both clients, and a machine in no group."""
    with mock_aws():
        ec2, groups = aws.client("ec2"), aws.client("autoscaling")
        image = ec2.describe_images()["Images"][0]["ImageId"]
        made = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, InstanceType="t3.micro")
        yield ec2, groups, made["Instances"][0]["InstanceId"]


def _over(ec2: Any, groups: Any) -> Ec2Actuator:
    both = AwsClients(lambda: ec2, lambda: groups)
    return Ec2Actuator(both, both, ("AutoRecovery", "enabled"), VirtualClock(START))


def _state(ec2: Any, instance: str) -> str:
    found = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    return str(found["State"]["Name"])


def test_moto_stops_and_starts_a_machine(moto: tuple[Any, Any, str]) -> None:
    ec2, groups, name = moto
    actuator = _over(ec2, groups)
    attempt = attempt_of(STOP_START, target=Target.named(name))
    command = actuator.start(actuator.prepare(attempt))
    assert _state(ec2, name) == "stopped"
    actuator.status(command, attempt.target)
    assert _state(ec2, name) == "running"


def test_moto_refuses_to_stop_what_is_protected(moto: tuple[Any, Any, str]) -> None:
    ec2, groups, name = moto
    ec2.modify_instance_attribute(InstanceId=name, DisableApiStop={"Value": True})
    with pytest.raises(CommandNotStartedError, match="OperationNotPermitted"):
        _over(ec2, groups).start(attempt_of(STOP_START, target=Target.named(name)))
    assert _state(ec2, name) == "running"


def _group_of_two(groups: Any, name: str) -> Any:
    groups.create_auto_scaling_group(
        AutoScalingGroupName=GROUP, InstanceId=name, MinSize=2, MaxSize=3, DesiredCapacity=2,
        AvailabilityZones=["eu-west-1a"],
        Tags=[{"Key": "AutoRecovery", "Value": "enabled", "PropagateAtLaunch": True}],
    )  # fmt: skip
    [made] = groups.describe_auto_scaling_groups()["AutoScalingGroups"]
    return made


def test_moto_grows_a_group_to_its_maximum(moto: tuple[Any, Any, str]) -> None:
    ec2, groups, name = moto
    made = _group_of_two(groups, name)
    target = Target.named(made["Instances"][0]["InstanceId"])
    actuator = _over(ec2, groups)
    attempt = actuator.prepare(attempt_of(SCALE_OUT, target=target))
    command = actuator.start(attempt)
    [grown] = groups.describe_auto_scaling_groups()["AutoScalingGroups"]
    assert (grown["DesiredCapacity"], len(grown["Instances"])) == (3, 3)
    assert actuator.status(command, target).state is CommandState.SUCCEEDED
    with pytest.raises(CommandNotStartedError, match="at its maximum of 3"):
        actuator.prepare(replace(attempt, parameters={}))


def test_moto_replaces_a_member_and_its_successor_is_found(moto: tuple[Any, Any, str]) -> None:
    ec2, groups, name = moto
    target = Target.named(_group_of_two(groups, name)["Instances"][0]["InstanceId"])
    planned = attempt_of(REPLACE, target=target, parameters={"group": GROUP})
    command = _over(ec2, groups).find(planned)
    assert command is None  # nothing marked it
    groups.set_instance_health(InstanceId=target.name, HealthStatus="Unhealthy")
    command = _over(ec2, groups).find(planned)
    assert command is not None
    groups.terminate_instance_in_auto_scaling_group(
        InstanceId=target.name, ShouldDecrementDesiredCapacity=False
    )
    told = _over(ec2, groups).status(command, target)
    [group_now] = groups.describe_auto_scaling_groups()["AutoScalingGroups"]
    assert told.state is CommandState.SUCCEEDED
    assert told.successor in {each["InstanceId"] for each in group_now["Instances"]}
