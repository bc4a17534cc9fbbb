"""What may be done to an Auto Scaling group, judged from what it says of itself; pure.

SetInstanceHealth does not ask whether the group can spare the machine: it marks, and the group
terminates and replaces (User Guide, "Health checks for instances in an Auto Scaling group"). So the
rule is ours: at most one machine of a group is away at a time, and never the only one.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from autorecovery.models.durations import write_duration

Group = Any
"""One of `AutoScalingGroups`, as DescribeAutoScalingGroups returns it."""

Member = Any
"""One of the group's `Instances`."""

NEEDED_TO_REPLACE = ("Launch", "Terminate", "HealthCheck", "ReplaceUnhealthy")
"""Suspended, the first, second and fourth leave a marked machine where it is. HealthCheck would
not, but who suspends it is working on the machines."""

REFRESHING = frozenset({"Pending", "InProgress", "Cancelling", "RollbackInProgress", "Baking"})

IN_SERVICE = "InService"

_AT_REST = (IN_SERVICE, "Standby")


def member_of(group: Group, instance: str) -> Member | None:
    """Return what the group says of this machine, if it has it."""
    return next((each for each in group["Instances"] if each["InstanceId"] == instance), None)


def in_service(group: Group) -> list[Member]:
    """Return the machines that serve, as far as the group knows."""
    return [
        each
        for each in group["Instances"]
        if each["LifecycleState"] == IN_SERVICE and each["HealthStatus"].lower() == "healthy"
    ]


def capacity(members: Sequence[Member]) -> int:
    """Return how much of the desired capacity these are: one each, unless the group weighs them."""
    return sum(int(each.get("WeightedCapacity") or 1) for each in members)


def cannot_replace(
    group: Group, member: Member, age: timedelta, refreshes: Sequence[Any]
) -> str | None:
    """Return why this machine must not be marked unhealthy now; None where it may be."""
    return next(_reasons_to_keep(group, member, age, refreshes), None)


def cannot_grow(group: Group, wanted: int) -> str | None:
    """Return why the group must not be asked for so much capacity now; None where it may be."""
    return next(_reasons_to_stay(group, wanted), None)


def was_marked(group: Group, instance: str) -> bool:
    """Return whether the group is replacing this machine, or has done so."""
    member = member_of(group, instance)
    if member is None:
        return True
    state, health = str(member["LifecycleState"]), str(member["HealthStatus"])
    return state.startswith("Terminat") or health.lower() != "healthy"


def earliest(launched: dict[str, datetime], since: datetime) -> str | None:
    """Return the machine that was launched first since then."""
    fresh = sorted((at, instance) for instance, at in launched.items() if at >= since)
    return fresh[0][1] if fresh else None


def _reasons_to_keep(
    group: Group, member: Member, age: timedelta, refreshes: Sequence[Any]
) -> Iterator[str]:
    others = [each for each in in_service(group) if each["InstanceId"] != member["InstanceId"]]
    needed = group["DesiredCapacity"] - capacity([member])
    grace = timedelta(seconds=group.get("HealthCheckGracePeriod") or 0)
    if member["LifecycleState"] != IN_SERVICE:
        yield f"it is {member['LifecycleState']} in its group"
    if member["HealthStatus"].lower() != "healthy":
        yield "its group is replacing it already"
    if member.get("ProtectedFromScaleIn"):
        yield "it is protected from scale-in: somebody wants to keep it"
    yield from _suspended(group, NEEDED_TO_REPLACE)
    if age < grace:
        yield (
            f"it was launched {write_duration(age)} ago, and its group gives it"
            f" {write_duration(grace)} to start"
        )
    if any(each["Status"] in REFRESHING for each in refreshes):
        yield "its group is being refreshed"
    yield from _moving(group)
    if capacity(others) < needed:
        have, want = capacity(others), group["DesiredCapacity"]
        yield (
            f"another machine of its group is away already: without it {have} of {want} would serve"
        )
    if not others and not _launches_first(group):
        yield (
            "it is the only one in service; a maintenance policy with MinHealthyPercentage 100"
            " would launch its successor first"
        )


def _reasons_to_stay(group: Group, wanted: int) -> Iterator[str]:
    if wanted > group["MaxSize"]:
        yield f"the group is at its maximum of {group['MaxSize']}"
    if group["DesiredCapacity"] != wanted - 1:  # a smaller number than it now has would shrink it
        yield f"the group wants {group['DesiredCapacity']} meanwhile"
    yield from _suspended(group, ("Launch",))
    yield from _moving(group)


def _suspended(group: Group, processes: Sequence[str]) -> Iterator[str]:
    names = [each["ProcessName"] for each in group.get("SuspendedProcesses", ())]
    if found := [name for name in names if name in processes]:
        yield f"its group has suspended {', '.join(found)}"


def _moving(group: Group) -> Iterator[str]:
    """Find machines that come or go: one change at a time."""
    states = [each["LifecycleState"] for each in group["Instances"]]
    if moving := [s for s in states if s not in _AT_REST and not s.startswith("Warmed:")]:
        yield f"its group is changing: {len(moving)} of its machines are {moving[0]}"


def _launches_first(group: Group) -> bool:
    """Return whether the group launches a successor before it terminates the unhealthy machine."""
    policy: dict[str, int] = group.get("InstanceMaintenancePolicy") or {}
    return policy.get("MinHealthyPercentage", -1) == 100
