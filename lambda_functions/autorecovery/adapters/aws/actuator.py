"""What can be done to an instance from outside it: reboot, stop and start, replace, scale out.

None of these calls takes a script, and none has an idempotency token that outlives a retry: like
SendCommand they are sent once, with retries off, and looked at afterwards.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
)

from autorecovery.adapters.aws.errors import code_of, reading
from autorecovery.errors import CommandNotStartedError, CommandUncertainError
from autorecovery.models.incident import Attempt, CommandState, CommandStatus
from autorecovery.models.signal import Target, TargetKind
from autorecovery.ports import Clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_ec2 import EC2Client

REBOOT, STOP_START = "reboot_instance", "stop_start_instance"
REPLACE, SCALE_OUT = "replace_in_group", "scale_out"

TIME_LIMITS = {
    REBOOT: timedelta(minutes=5),
    STOP_START: timedelta(minutes=15),
    REPLACE: timedelta(minutes=20),
    SCALE_OUT: timedelta(minutes=15),
}

_UNCERTAIN = frozenset({"InternalError", "InternalFailure", "ServiceUnavailable", "Unavailable"})
_RETRYABLE = frozenset({"RequestLimitExceeded", "Throttling", "ThrottlingException"})


class Ec2Actuator:
    """CommandRunner for the rungs that are no scripts; a command's id says what was asked."""

    def __init__(
        self,
        ec2: "Callable[[], EC2Client]",
        groups: "Callable[[], AutoScalingClient]",
        clock: Clock,
    ) -> None:
        """Both clients must not retry."""
        self._ec2 = ec2
        self._groups = groups
        self._clock = clock

    def time_limit(self, script: str) -> timedelta:
        """See CommandRunner.time_limit."""
        return TIME_LIMITS[script]

    def start(self, attempt: Attempt) -> str:
        """See CommandRunner.start."""
        if attempt.target.kind is not TargetKind.INSTANCE:
            raise CommandNotStartedError(f"{attempt.script}: not an EC2 instance", retryable=False)
        act = {
            REBOOT: self._reboot,
            STOP_START: self._stop,
            REPLACE: self._replace,
            SCALE_OUT: self._scale_out,
        }[attempt.script]
        try:
            detail = act(attempt)
        except ClientError as error:
            code = code_of(error)
            if code in _UNCERTAIN:
                raise CommandUncertainError(f"{attempt.script} answered {code}") from error
            raise CommandNotStartedError(
                f"{attempt.script} refused: {code}", retryable=code in _RETRYABLE
            ) from error
        except (ConnectTimeoutError, EndpointConnectionError, NoCredentialsError) as error:
            raise CommandNotStartedError(f"{attempt.script}: {error}", retryable=True) from error
        except BotoCoreError as error:
            raise CommandUncertainError(f"{attempt.script} gave no answer: {error}") from error
        return f"{attempt.script}:{detail}"

    def find(self, attempt: Attempt) -> str | None:
        """See CommandRunner.find. These calls leave nothing to be found by."""
        return None

    def status(self, command_id: str, target: Target) -> CommandStatus:
        """See CommandRunner.status."""
        action, _, detail = command_id.partition(":")
        with reading(action):
            look = {
                REBOOT: self._after_reboot,
                STOP_START: self._after_stop,
                REPLACE: self._after_replacement,
                SCALE_OUT: self._after_scaling,
            }[action]
            return look(target.name, detail)

    def _reboot(self, attempt: Attempt) -> str:
        self._ec2().reboot_instances(InstanceIds=[attempt.target.name])
        return attempt.target.name

    def _after_reboot(self, instance: str, _: str) -> CommandStatus:
        # RebootInstances only queues, and the state stays `running`: the data after it is proof.
        return CommandStatus(CommandState.SUCCEEDED, "reboot was asked for", ended_at=self._clock())

    def _stop(self, attempt: Attempt) -> str:
        self._ec2().stop_instances(InstanceIds=[attempt.target.name])
        return attempt.target.name

    def _after_stop(self, instance: str, _: str) -> CommandStatus:
        """Start the instance once it has stopped: starting one that runs changes nothing."""
        state = self._state(instance)
        if state == "stopped":
            self._ec2().start_instances(InstanceIds=[instance])
            return CommandStatus(CommandState.RUNNING, "stopped, now starting")
        if state == "running":
            return CommandStatus(CommandState.SUCCEEDED, "", ended_at=self._clock())
        if state in ("shutting-down", "terminated", ""):
            return CommandStatus(CommandState.FAILED, f"the instance is {state or 'gone'}")
        return CommandStatus(CommandState.RUNNING, f"the instance is {state}")

    def _state(self, instance: str) -> str:
        found = self._ec2().describe_instances(InstanceIds=[instance])["Reservations"]
        return found[0]["Instances"][0]["State"]["Name"] if found else ""

    def _replace(self, attempt: Attempt) -> str:
        member, group = self._membership(attempt)
        in_service = _in_service(group)
        if member["LifecycleState"] != "InService":
            raise CommandNotStartedError(
                f"the instance is {member['LifecycleState']} in its group", retryable=False
            )
        if len(in_service) - 1 < group["MinSize"]:
            raise CommandNotStartedError(
                f"group {group['AutoScalingGroupName']} has {len(in_service)} in service and"
                f" must keep {group['MinSize']}", retryable=False,
            )  # fmt: skip
        self._groups().set_instance_health(
            InstanceId=attempt.target.name, HealthStatus="Unhealthy", ShouldRespectGracePeriod=False
        )
        return str(group["AutoScalingGroupName"])

    def _after_replacement(self, instance: str, name: str) -> CommandStatus:
        group = self._group(name)
        ids = {member["InstanceId"] for member in _in_service(group)}
        if instance not in ids and len(ids) >= group["DesiredCapacity"]:
            return CommandStatus(
                CommandState.SUCCEEDED, "", f"{len(ids)} in service", 0, self._clock()
            )
        return CommandStatus(
            CommandState.RUNNING, f"{len(ids)} of {group['DesiredCapacity']} in service"
        )

    def _scale_out(self, attempt: Attempt) -> str:
        _, group = self._membership(attempt)
        wanted = group["DesiredCapacity"] + 1
        if wanted > group["MaxSize"]:
            name = group["AutoScalingGroupName"]
            raise CommandNotStartedError(
                f"group {name} is at its maximum of {group['MaxSize']}", retryable=False
            )
        self._groups().set_desired_capacity(
            AutoScalingGroupName=group["AutoScalingGroupName"], DesiredCapacity=wanted,
            HonorCooldown=True,
        )  # fmt: skip
        return f"{group['AutoScalingGroupName']}={wanted}"

    def _after_scaling(self, instance: str, detail: str) -> CommandStatus:
        name, _, wanted = detail.rpartition("=")
        count = len(_in_service(self._group(name)))
        if count >= int(wanted):
            return CommandStatus(
                CommandState.SUCCEEDED, "", f"{count} in service", 0, self._clock()
            )
        return CommandStatus(CommandState.RUNNING, f"{count} of {wanted} in service")

    def _membership(self, attempt: Attempt) -> tuple[Any, Any]:
        found = self._groups().describe_auto_scaling_instances(InstanceIds=[attempt.target.name])
        members = found["AutoScalingInstances"]
        if not members:
            raise CommandNotStartedError(
                "the instance is in no Auto Scaling group", retryable=False
            )
        return members[0], self._group(members[0]["AutoScalingGroupName"])

    def _group(self, name: str) -> Any:
        groups = self._groups().describe_auto_scaling_groups(AutoScalingGroupNames=[name])
        return groups["AutoScalingGroups"][0]


def _in_service(group: Any) -> list[Any]:
    return [
        member
        for member in group["Instances"]
        if member["LifecycleState"] == "InService" and member["HealthStatus"] == "Healthy"
    ]
