"""What is done to an instance from outside: reboot, stop and start, replace, scale out.

None of these calls knows an idempotency token. Like SendCommand they are sent once, with retries
off, and looked at afterwards. A command's id says what was asked of whom, and since when.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from autorecovery.adapters.aws.errors import code_of, reading, sending
from autorecovery.adapters.aws.groups import (
    Group,
    cannot_grow,
    cannot_replace,
    capacity,
    earliest,
    in_service,
    member_of,
    was_marked,
)
from autorecovery.errors import CommandNotStartedError, ReadError
from autorecovery.models.actions import InstanceAction
from autorecovery.models.incident import Attempt, CommandState, CommandStatus
from autorecovery.models.signal import Target, TargetKind
from autorecovery.ports import Clock

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_ec2 import EC2Client

TIME_LIMITS: Mapping[str, timedelta] = {
    InstanceAction.REBOOT: timedelta(minutes=1),  # it is only asked for; the data shows the rest
    InstanceAction.STOP_START: timedelta(minutes=15),
    InstanceAction.REPLACE: timedelta(minutes=30),  # draining and lifecycle hooks take their time
    InstanceAction.SCALE_OUT: timedelta(minutes=15),
}

GROUP, WANTED = "group", "capacity"
"""Parameters that `prepare` adds: of which group, and how much it is asked for."""

_GONE = ("shutting-down", "terminated", "")


@dataclass(frozen=True, slots=True)
class AwsClients:
    """Makes the clients when they are first needed: their models are large."""

    ec2: "Callable[[], EC2Client]"
    groups: "Callable[[], AutoScalingClient]"


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a command's id says."""

    action: str
    token: str
    since: datetime
    """When it was planned, in whole seconds, as LaunchTime is given."""
    wanted: int
    group: str

    @classmethod
    def by(cls, attempt: Attempt) -> "_Asked":
        since = attempt.intended_at.replace(microsecond=0)
        wanted = int(attempt.parameters.get(WANTED, 0))
        group = attempt.parameters.get(GROUP, "")
        return cls(attempt.script, attempt.token, since, wanted, group)

    @classmethod
    def read(cls, command_id: str) -> "_Asked":
        action, token, since, wanted, group = command_id.split(":", 4)
        return cls(action, token, datetime.fromtimestamp(int(since), UTC), int(wanted), group)

    def __str__(self) -> str:
        seconds = int(self.since.timestamp())
        return f"{self.action}:{self.token}:{seconds}:{self.wanted}:{self.group}"


class Ec2Actuator:
    """CommandRunner for instance actions."""

    def __init__(
        self, patient: AwsClients, once: AwsClients, tag: tuple[str, str], clock: Clock
    ) -> None:
        """`once` must not retry; `tag` is what a group carries that has opted in."""
        self._patient = patient
        self._once = once
        self._tag = tag
        self._clock = clock

    def time_limit(self, script: str) -> timedelta:
        """See CommandRunner.time_limit."""
        return TIME_LIMITS[script]

    def prepare(self, attempt: Attempt) -> Attempt:
        """See CommandRunner.prepare. Names the group, and the capacity it is asked for."""
        _refuse_unless_instance(attempt)
        if attempt.script not in (InstanceAction.REPLACE, InstanceAction.SCALE_OUT):
            return attempt
        with _looking_first(attempt):
            group = self._group_of(attempt.target.name)
        if group is None:
            raise _refusal("it is in no Auto Scaling group")
        known = {GROUP: group["AutoScalingGroupName"]}
        if attempt.script == InstanceAction.SCALE_OUT:
            wanted = group["DesiredCapacity"] + 1
            if why_not := cannot_grow(group, wanted):
                raise _refusal(why_not)
            known[WANTED] = str(wanted)
        return replace(attempt, parameters={**attempt.parameters, **known})

    def start(self, attempt: Attempt) -> str:
        """See CommandRunner.start. What speaks against it is looked at again right before."""
        _refuse_unless_instance(attempt)
        if self._clock() > attempt.not_after:  # a script would see to that itself
            raise _refusal("it came too late: what was true then may not be true now")
        act = {
            InstanceAction.REBOOT: self._reboot,
            InstanceAction.STOP_START: self._stop,
            InstanceAction.REPLACE: self._mark_unhealthy,
            InstanceAction.SCALE_OUT: self._scale_out,
        }[InstanceAction(attempt.script)]
        asked = _Asked.by(attempt)
        act(attempt, asked)
        return str(asked)

    def find(self, attempt: Attempt) -> str | None:
        """See CommandRunner.find. A reboot leaves no trace that EC2 would tell: it stays unknown.

        Who else stopped, marked or scaled it in these very seconds cannot be told from us; then it
        is followed as if it were ours, and a machine that was stopped is started.
        """
        asked = _Asked.by(attempt)
        with reading(f"to find {asked.action}"):
            return str(asked) if self._shows(attempt.target.name, asked) else None

    def _shows(self, instance: str, asked: _Asked) -> bool:
        match InstanceAction(asked.action):
            case InstanceAction.REBOOT:
                return False
            case InstanceAction.STOP_START:
                return self._was_stopped(instance, asked)
            case InstanceAction.REPLACE:
                return self._was_marked(instance, asked)
            case InstanceAction.SCALE_OUT:
                return self._was_scaled(asked)

    def status(self, command_id: str, target: Target) -> CommandStatus:
        """See CommandRunner.status."""
        asked = _Asked.read(command_id)
        look = {
            InstanceAction.REBOOT: self._after_reboot,
            InstanceAction.STOP_START: self._after_stop,
            InstanceAction.REPLACE: self._after_marking,
            InstanceAction.SCALE_OUT: self._after_scaling,
        }[InstanceAction(asked.action)]
        return look(target.name, asked)

    # Reboot

    def _reboot(self, attempt: Attempt, asked: _Asked) -> None:
        with sending("RebootInstances"):
            self._once.ec2().reboot_instances(InstanceIds=[attempt.target.name])

    def _after_reboot(self, instance: str, asked: _Asked) -> CommandStatus:
        # RebootInstances only queues, and the state stays `running`: the data after it is proof.
        return self._done("EC2 took the request")

    # Stop and start

    def _stop(self, attempt: Attempt, asked: _Asked) -> None:
        with _looking_first(attempt):
            group = self._group_of(attempt.target.name)
            state = self._instance(attempt.target.name).get("State", {}).get("Name", "gone")
        if state != "running":
            raise _refusal(f"it is {state}, and only a running machine is stopped and started")
        if group is not None:
            name = group["AutoScalingGroupName"]
            raise _refusal(
                f"it is in Auto Scaling group {name}, which would replace it while it is stopped;"
                f" use {InstanceAction.REPLACE}",
            )
        with sending("StopInstances"):
            self._once.ec2().stop_instances(InstanceIds=[attempt.target.name])

    def _was_stopped(self, instance: str, asked: _Asked) -> bool:
        found = self._instance(instance)
        state = found.get("State", {}).get("Name")
        return state in ("stopping", "stopped") or _launched(found) >= asked.since

    def _after_stop(self, instance: str, asked: _Asked) -> CommandStatus:
        """Start the machine once it is stopped: a second StartInstances changes nothing.

        The halt flag is not asked again: a machine left stopped would be worse than none stopped.
        """
        with reading("DescribeInstances"):
            found = self._instance(instance)
        state = found.get("State", {}).get("Name", "")
        if state in _GONE:
            return self._failed("somebody terminated the machine")
        if state == "stopped":
            with reading(f"it is stopped ({_why(found)}) and does not start: StartInstances"):
                self._patient.ec2().start_instances(InstanceIds=[instance])
            return _under_way(f"it was stopped ({_why(found)}), and is being started")
        if state == "running" and _launched(found) >= asked.since:
            return self._done("it was stopped and started")
        # `running` without a new launch: EC2's answers lag behind the stop that it accepted.
        return _under_way(f"it is {state}")

    # Replace

    def _mark_unhealthy(self, attempt: Attempt, asked: _Asked) -> None:
        with _looking_first(attempt):
            group = self._group(asked.group)
            member = member_of(group, attempt.target.name) if group else None
            launched = _launched(self._instance(attempt.target.name))
            refreshes = self._refreshes(asked.group) if group else ()
        if group is None or member is None:
            raise _refusal("it has left its Auto Scaling group")
        self._refuse_unless_opted_in(group)
        if why_not := cannot_replace(group, member, self._clock() - launched, refreshes):
            raise _refusal(why_not)
        with sending("SetInstanceHealth"):
            self._once.groups().set_instance_health(
                InstanceId=attempt.target.name,
                HealthStatus="Unhealthy",
                # It was respected above; here it would make the call succeed without effect.
                ShouldRespectGracePeriod=False,
            )

    def _was_marked(self, instance: str, asked: _Asked) -> bool:
        group = self._group(asked.group)
        return group is not None and was_marked(group, instance)

    def _after_marking(self, instance: str, asked: _Asked) -> CommandStatus:
        """Wait until the machine has left, and another serves that was launched since."""
        with reading("DescribeAutoScalingGroups"):
            group = self._group(asked.group)
        if group is None:
            return self._failed("its group is gone")
        if member := member_of(group, instance):
            state, health = member["LifecycleState"], member["HealthStatus"]
            return _under_way(f"it is {state} and {health} in its group")
        serving = in_service(group)
        with reading("DescribeInstances"):
            launched = self._launch_times(asked.group, {each["InstanceId"] for each in serving})
        if successor := earliest(launched, asked.since):
            return replace(self._done(f"{successor} took its place"), successor=successor)
        have, want = capacity(serving), group["DesiredCapacity"]
        if have >= want:  # from a warm pool that runs, say
            return self._done("it is gone, and nothing tells which machine took its place")
        return _under_way(f"it is gone, and {have} of {want} are in service")

    # Scale out

    def _scale_out(self, attempt: Attempt, asked: _Asked) -> None:
        with _looking_first(attempt):
            group = self._group(asked.group)
        if group is None:
            raise _refusal("its Auto Scaling group is gone")
        self._refuse_unless_opted_in(group)
        if why_not := cannot_grow(group, asked.wanted):
            raise _refusal(why_not)
        with sending("SetDesiredCapacity"):
            self._once.groups().set_desired_capacity(
                AutoScalingGroupName=asked.group, DesiredCapacity=asked.wanted, HonorCooldown=True
            )

    def _was_scaled(self, asked: _Asked) -> bool:
        group = self._group(asked.group)
        return group is not None and group["DesiredCapacity"] >= asked.wanted

    def _after_scaling(self, instance: str, asked: _Asked) -> CommandStatus:
        with reading("DescribeAutoScalingGroups"):
            group = self._group(asked.group)
        if group is None:
            return self._failed("its group is gone")
        have = capacity(in_service(group))
        if have >= asked.wanted:
            return self._done(f"{have} are in service")
        if group["DesiredCapacity"] < asked.wanted:
            return self._failed(f"somebody made the group smaller: {group['DesiredCapacity']}")
        return _under_way(f"{have} of {asked.wanted} are in service")

    # What is asked of AWS

    def _instance(self, instance: str) -> Any:
        """Return what EC2 knows of a machine; nothing, where it does not know it any more."""
        try:
            answer = self._patient.ec2().describe_instances(InstanceIds=[instance])
        except ClientError as error:
            if not code_of(error).startswith("InvalidInstanceID"):
                raise
            return {}
        found = [each for part in answer["Reservations"] for each in part["Instances"]]
        return found[0] if found else {}

    def _launch_times(self, group: str, instances: set[str]) -> dict[str, datetime]:
        """Return when these machines of a group were launched."""
        filters: Any = [{"Name": "tag:aws:autoscaling:groupName", "Values": [group]}]
        pages = self._patient.ec2().get_paginator("describe_instances").paginate(Filters=filters)
        return {
            each["InstanceId"]: _launched(each)
            for page in pages
            for part in page["Reservations"]
            for each in part["Instances"]
            if each["InstanceId"] in instances
        }

    def _group_of(self, instance: str) -> Group | None:
        answer = self._patient.groups().describe_auto_scaling_instances(InstanceIds=[instance])
        names = [each["AutoScalingGroupName"] for each in answer["AutoScalingInstances"]]
        return self._group(names[0]) if names else None

    def _group(self, name: str) -> Group | None:
        answer = self._patient.groups().describe_auto_scaling_groups(AutoScalingGroupNames=[name])
        found = answer["AutoScalingGroups"]
        return found[0] if found else None

    def _refreshes(self, name: str) -> Any:
        answer = self._patient.groups().describe_instance_refreshes(AutoScalingGroupName=name)
        return answer["InstanceRefreshes"]

    def _refuse_unless_opted_in(self, group: Group) -> None:
        tags = {each["Key"]: each["Value"] for each in group.get("Tags", ())}
        key, value = self._tag
        if tags.get(key) != value:
            name = group["AutoScalingGroupName"]
            raise _refusal(f"group {name} itself does not carry the tag {key}={value}")

    def _done(self, output: str) -> CommandStatus:
        return CommandStatus(CommandState.SUCCEEDED, output=output, ended_at=self._clock())

    def _failed(self, why: str) -> CommandStatus:
        return CommandStatus(CommandState.FAILED, why, ended_at=self._clock())


@contextmanager
def _looking_first(attempt: Attempt) -> Iterator[None]:
    """What cannot be looked at is not touched."""
    try:
        with reading(f"{attempt.script}: nothing was done, as the machine could not be looked at"):
            yield
    except ReadError as error:
        raise CommandNotStartedError(str(error), retryable=True) from error


def _refuse_unless_instance(attempt: Attempt) -> None:
    if attempt.target.kind is not TargetKind.INSTANCE:
        raise _refusal("it is no EC2 instance")


def _refusal(why: str) -> CommandNotStartedError:
    return CommandNotStartedError(why, retryable=False)


def _under_way(detail: str) -> CommandStatus:
    return CommandStatus(CommandState.RUNNING, detail)


def _launched(instance: Any) -> datetime:
    """Return when a machine was last launched; a start counts as one (API_Instance)."""
    at: datetime = instance.get("LaunchTime", datetime.min.replace(tzinfo=UTC))
    return at


def _why(instance: Any) -> str:
    """Return why a machine changed its state, as EC2 tells it."""
    return str(instance.get("StateReason", {}).get("Message") or "no reason is known")
