"""What the responder may do to instances and their groups: only what some rule does."""

from collections.abc import Iterable, Iterator

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import IConstruct

from autorecovery.config import Configuration
from autorecovery.models.actions import InstanceAction
from infra.acknowledgements import accept

CHANGES = {
    InstanceAction.REBOOT: ("ec2:RebootInstances",),
    InstanceAction.STOP_START: ("ec2:StopInstances", "ec2:StartInstances"),
    InstanceAction.REPLACE: ("autoscaling:SetInstanceHealth",),
    InstanceAction.SCALE_OUT: ("autoscaling:SetDesiredCapacity",),
}
"""The first kind acts on an instance, the second on its group: the tag is asked of whichever."""

LOOKS = {
    InstanceAction.REBOOT: (),
    InstanceAction.STOP_START: (
        "autoscaling:DescribeAutoScalingInstances",
        "autoscaling:DescribeAutoScalingGroups",
    ),
    InstanceAction.REPLACE: (
        "autoscaling:DescribeAutoScalingInstances",
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeInstanceRefreshes",
    ),
    InstanceAction.SCALE_OUT: (
        "autoscaling:DescribeAutoScalingInstances",
        "autoscaling:DescribeAutoScalingGroups",
    ),
}


def grant_actions(function: lambda_.IFunction, configuration: Configuration) -> None:
    """Let the function do what the ladders of this configuration do, to what has opted in."""
    used = sorted(_actions_of(configuration))
    changes = [call for action in used for call in CHANGES[action]]
    looks = {call for action in used for call in LOOKS[action]}
    tag = configuration.targets
    if on_instances := [call for call in changes if call.startswith("ec2:")]:
        _allow(function, on_instances, [_any_instance(function)], tag.tag_key, tag.tag_value)
    if on_groups := [call for call in changes if call.startswith("autoscaling:")]:
        _allow(function, on_groups, [_any_group(function)], tag.tag_key, tag.tag_value)
        accept(
            function,
            "IAM5[Resource::arn:<AWS::Partition>:autoscaling:<AWS::Region>:<AWS::AccountId>"
            ":autoScalingGroup:*:autoScalingGroupName/*]",
            "Groups come and go; which of them opted in is a tag, and the tag is a condition.",
        )
    if looks:  # they know no narrower resource
        function.add_to_role_policy(iam.PolicyStatement(actions=sorted(looks), resources=["*"]))


def _actions_of(configuration: Configuration) -> Iterator[InstanceAction]:
    named = {rung.run for rule in configuration.rules.values() for rung in rule.recover}
    return (action for action in InstanceAction if action in named)


def _allow(
    function: lambda_.IFunction, calls: Iterable[str], resources: list[str], key: str, value: str
) -> None:
    function.add_to_role_policy(
        iam.PolicyStatement(
            actions=list(calls),
            resources=resources,
            # Both services know this key on these resources (Service Authorization Reference).
            conditions={"StringEquals": {f"aws:ResourceTag/{key}": value}},
        )
    )


def _any_instance(scope: IConstruct) -> str:
    return Stack.of(scope).format_arn(service="ec2", resource="instance", resource_name="*")


def _any_group(scope: IConstruct) -> str:
    return Stack.of(scope).format_arn(
        service="autoscaling", resource="autoScalingGroup:*:autoScalingGroupName", resource_name="*"
    )
