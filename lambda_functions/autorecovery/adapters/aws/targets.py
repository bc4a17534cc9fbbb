"""Which EC2 instances exist and have opted in, by their tag."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from autorecovery.adapters.aws.errors import code_of, reading
from autorecovery.models.signal import Target, TargetKind
from autorecovery.ports import Clock, Presence

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import InstanceTypeDef
    from mypy_boto3_ssm import SSMClient

_NOBODY = Presence(exists=False, opted_in=False)
_GONE_STATES = ("shutting-down", "terminated")


class Ec2Directory:
    """TargetDirectory that asks about one instance, afresh: for the gate, right before acting."""

    def __init__(
        self,
        client: "Callable[[], EC2Client]",
        ssm: "SSMClient",
        tag_key: str,
        tag_value: str,
        group_by: str | None = None,
    ) -> None:
        """`client` makes the client when the first question comes: its model is large."""
        self._client = client
        self._ssm = ssm
        self._tag = (tag_key, tag_value)
        self._group_by = group_by

    def look_up(self, target: Target) -> Presence:
        """See TargetDirectory.look_up."""
        if target.kind is not TargetKind.INSTANCE:
            return _NOBODY
        with reading("DescribeInstances"):
            try:
                answer = self._client().describe_instances(InstanceIds=[target.name])
            except ClientError as error:
                if not code_of(error).startswith("InvalidInstanceID"):
                    raise
                return _NOBODY
        found = [i for r in answer["Reservations"] for i in r["Instances"]]
        found = [i for i in found if i["State"]["Name"] not in _GONE_STATES]
        tags = {tag["Key"]: tag["Value"] for i in found for tag in i.get("Tags", [])}
        if not found or tags.get(self._tag[0]) != self._tag[1]:
            return Presence(exists=bool(found), opted_in=False)
        group = tags.get(self._group_by, "") if self._group_by else ""
        agent = self._agent(target.name)
        return Presence(
            exists=True,
            opted_in=True,
            group=group,
            fleet=self._count(group),
            reachable=agent is not None,
            agent=agent,
        )

    def _agent(self, instance: str) -> tuple[int, ...] | None:
        """Return the version of the instance's SSM agent, or None where it does not answer."""
        with reading("DescribeInstanceInformation"):
            found = self._ssm.describe_instance_information(
                Filters=[{"Key": "InstanceIds", "Values": [instance]}]
            )["InstanceInformationList"]
        if not found or found[0].get("PingStatus") != "Online":
            return None
        parts = found[0].get("AgentVersion", "").split(".")
        return tuple(int(part) for part in parts if part.isdigit())

    def _count(self, group: str) -> int:
        """Return how many machines of this group have opted in and are there."""
        wanted = {f"tag:{self._tag[0]}": self._tag[1], "instance-state-name": "running"}
        if self._group_by and group:
            wanted[f"tag:{self._group_by}"] = group
        filters = [{"Name": name, "Values": [value]} for name, value in wanted.items()]
        with reading("DescribeInstances"):
            pages = self._client().get_paginator("describe_instances").paginate(Filters=filters)  # type: ignore[arg-type]
            return sum(len(r["Instances"]) for page in pages for r in page["Reservations"])


class Ec2Census:
    """TargetDirectory that counts the opted-in fleet now and then, for triage: it only foretells.

    One call serves thousands of breaches; what joined the fleet since is missed until the next.
    """

    def __init__(
        self,
        client: "Callable[[], EC2Client]",
        tag_key: str,
        tag_value: str,
        clock: Clock,
        fresh_for: timedelta = timedelta(minutes=1),
        group_by: str | None = None,
    ) -> None:
        self._client = client
        self._tag = (tag_key, tag_value)
        self._clock = clock
        self._fresh_for = fresh_for
        self._counted_at: datetime | None = None
        self._group_by = group_by
        self._members: dict[str, str] = {}

    def look_up(self, target: Target) -> Presence:
        """See TargetDirectory.look_up."""
        if target.kind is not TargetKind.INSTANCE:
            return _NOBODY
        now = self._clock()
        if self._counted_at is None or now - self._counted_at > self._fresh_for:
            self._members, self._counted_at = self._count(), now
        group = self._members.get(target.name)
        return Presence(exists=True, opted_in=group is not None, group=group or "")

    def _count(self) -> dict[str, str]:
        """Return every machine that opted in, with its group."""
        key, value = self._tag
        with reading("DescribeInstances"):
            pages = (
                self._client()
                .get_paginator("describe_instances")
                .paginate(Filters=[{"Name": f"tag:{key}", "Values": [value]}])
            )
            return {
                instance["InstanceId"]: self._group_of(instance)
                for page in pages
                for reservation in page["Reservations"]
                for instance in reservation["Instances"]
            }

    def _group_of(self, instance: "InstanceTypeDef") -> str:
        tags = {tag["Key"]: tag["Value"] for tag in instance.get("Tags", [])}
        return tags.get(self._group_by, "") if self._group_by else ""
