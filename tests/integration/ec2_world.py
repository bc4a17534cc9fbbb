"""EC2 and Auto Scaling as far as the actuator asks them, behind botocore's real clients.

moto launches nothing anew, refreshes no group and knows no maintenance policy. Requests and answers
are checked against botocore's own model of the services, so that neither side is made up.
"""

from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from botocore.validate import validate_parameters

from autorecovery.adapters.aws.actuator import AwsClients, Ec2Actuator
from autorecovery.adapters.simulated.clock import VirtualClock
from tests.integration import aws
from tests.response_world import INSTANCE, START

GROUP = "shop-web"
OTHERS = ("i-00000000000000001", "i-00000000000000002")
LONG_AGO = START - timedelta(days=3)


class Http(NamedTuple):
    """All that botocore wants to know of an answer."""

    status_code: int


@dataclass(frozen=True)
class Refusal:
    """An error that the service answers with."""

    code: str
    http: int = 400
    message: str = ""


def member(instance: str, state: str = "InService", health: str = "Healthy") -> dict[str, Any]:
    return {
        "InstanceId": instance, "AvailabilityZone": "eu-west-1a", "LifecycleState": state,
        "HealthStatus": health, "ProtectedFromScaleIn": False,
    }  # fmt: skip


def group(*members: dict[str, Any], desired: int = 3, **more: Any) -> dict[str, Any]:
    """Return a group of three that has opted in, unless told otherwise."""
    return {
        "AutoScalingGroupName": GROUP, "MinSize": desired, "MaxSize": 5, "DefaultCooldown": 300,
        "DesiredCapacity": desired, "AvailabilityZones": ["eu-west-1a"], "HealthCheckType": "EC2",
        "CreatedTime": LONG_AGO, "HealthCheckGracePeriod": 300,
        "Tags": [{"Key": "AutoRecovery", "Value": "enabled"}],
        "Instances": list(members or (member(each) for each in (INSTANCE.name, *OTHERS))), **more,
    }  # fmt: skip


@dataclass
class Fleet:
    """What AWS knows, what was asked of it, and what goes wrong next."""

    clock: VirtualClock = field(default_factory=lambda: VirtualClock(START))
    states: dict[str, str] = field(
        default_factory=lambda: dict.fromkeys((INSTANCE.name, *OTHERS), "running")
    )
    launched: dict[str, datetime] = field(default_factory=dict)
    reason: str = ""
    group: dict[str, Any] | None = None
    refreshes: list[str] = field(default_factory=list)
    troubles: dict[str, Refusal | Exception] = field(default_factory=dict)
    """The next call of this name goes wrong like this, and changes nothing."""
    changes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Every call that was made and is no look."""

    def __post_init__(self) -> None:
        self.group = deepcopy(self.group)

    @property
    def actuator(self) -> Ec2Actuator:
        _answering[:] = [self]
        clients = AwsClients(lambda: _client("ec2"), lambda: _client("autoscaling"))
        return Ec2Actuator(clients, clients, ("AutoRecovery", "enabled"), self.clock)

    @property
    def asked(self) -> list[str]:
        return [name for name, _ in self.changes]

    def answer(self, model: Any, request: dict[str, Any]) -> Any:
        if not model.name.startswith("Describe"):
            self.changes.append((model.name, request))
        trouble = self.troubles.get(model.name)
        if isinstance(trouble, Exception):
            raise trouble
        if trouble:
            told = {"Code": trouble.code, "Message": trouble.message}
            return Http(trouble.http), {
                "Error": told, "ResponseMetadata": {"HTTPStatusCode": trouble.http},
            }  # fmt: skip
        answer: dict[str, Any] = getattr(self, model.name)(request)
        if model.output_shape is not None:
            validate_parameters(answer, model.output_shape)
        return Http(200), {**answer, "ResponseMetadata": {"HTTPStatusCode": 200}}

    def DescribeInstances(self, request: dict[str, Any]) -> dict[str, Any]:
        found = [each for each in request.get("InstanceIds", self.states) if each in self.states]
        return {"Reservations": [{"Instances": [self._instance(each)]} for each in found]}

    def _instance(self, instance: str) -> dict[str, Any]:
        return {
            "InstanceId": instance, "State": {"Name": self.states[instance]},
            "LaunchTime": self.launched.get(instance, LONG_AGO),
            "StateReason": {"Message": self.reason},
        }  # fmt: skip

    def RebootInstances(self, request: dict[str, Any]) -> dict[str, Any]:
        return {}

    def StopInstances(self, request: dict[str, Any]) -> dict[str, Any]:
        self.states[INSTANCE.name] = "stopping"
        return {}

    def StartInstances(self, request: dict[str, Any]) -> dict[str, Any]:
        self.states[INSTANCE.name] = "pending"
        self.launched[INSTANCE.name] = self.clock()
        return {}

    def DescribeAutoScalingInstances(self, request: dict[str, Any]) -> dict[str, Any]:
        members = self.group["Instances"] if self.group else []
        [wanted] = request["InstanceIds"]
        found = [
            {**each, "AutoScalingGroupName": GROUP, "HealthStatus": each["HealthStatus"].upper()}
            for each in members
            if each["InstanceId"] == wanted
        ]
        return {"AutoScalingInstances": found}

    def DescribeAutoScalingGroups(self, request: dict[str, Any]) -> dict[str, Any]:
        known = self.group and request["AutoScalingGroupNames"] == [GROUP]
        return {"AutoScalingGroups": [self.group] if known else []}

    def DescribeInstanceRefreshes(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"InstanceRefreshes": [{"Status": status} for status in self.refreshes]}

    def SetInstanceHealth(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self.group
        marked = next(e for e in self.group["Instances"] if e["InstanceId"] == INSTANCE.name)
        marked["HealthStatus"] = request["HealthStatus"]
        return {}

    def SetDesiredCapacity(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self.group
        self.group["DesiredCapacity"] = request["DesiredCapacity"]
        return {}

    # What happens by and by

    def replace_by(self, successor: str) -> None:
        """Let the group terminate the marked machine, and launch another."""
        assert self.group
        rest = [each for each in self.group["Instances"] if each["InstanceId"] != INSTANCE.name]
        self.group["Instances"] = [*rest, member(successor)]
        self.states[successor], self.launched[successor] = "running", self.clock()
        self.states[INSTANCE.name] = "terminated"

    def forget_the_machine(self) -> None:
        del self.states[INSTANCE.name]


_answering: list[Fleet] = []
"""Who answers: clients take long to make, so all fleets share them."""


@cache
def _client(service: str) -> Any:
    client = aws.client(service)
    requests: dict[str, Any] = {}

    def remember(params: dict[str, Any], model: Any, **_: Any) -> None:
        requests[model.name] = params

    def answer(model: Any, **_: Any) -> Any:
        return _answering[0].answer(model, requests[model.name])

    client.meta.events.register(f"before-parameter-build.{service}", remember)
    client.meta.events.register(f"before-call.{service}", answer)
    return client
