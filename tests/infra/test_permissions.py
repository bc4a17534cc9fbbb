"""Who may do what."""

import json
from pathlib import Path
from typing import Any

import pytest

from autorecovery.models.actions import InstanceAction
from infra.instance_actions import CHANGES, LOOKS
from tests.infra.conftest import Synthesize
from tests.infra.template import Synthesized, configured

FUNCTIONS = (
    "MetricProcessor", "IncidentResponder", "CommandListener", "NoticeSender", "IncidentAnalyst",
    "WebApi",
)  # fmt: skip

READ_ONLY_WITHOUT_A_RESOURCE = {
    "ec2:DescribeInstances", "cloudwatch:GetMetricData", "ssm:GetCommandInvocation",
    "ssm:DescribeInstanceInformation",
    "ssm:ListCommands", "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribeAutoScalingInstances", "autoscaling:DescribeInstanceRefreshes",
}  # fmt: skip


def _actions(statement: dict[str, Any]) -> set[str]:
    actions = statement["Action"]
    return {actions} if isinstance(actions, str) else set(actions)


def _resources(statement: dict[str, Any]) -> list[Any]:
    resources = statement["Resource"]
    return resources if isinstance(resources, list) else [resources]


def _allowed(synthesized: Synthesized, function: str) -> set[str]:
    return {a for statement in synthesized.statements_of(function) for a in _actions(statement)}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_only_reading_is_allowed_on_everything(function: str, synthesized: Synthesized) -> None:
    for statement in synthesized.statements_of(function):
        if "*" in _resources(statement):
            assert _actions(statement) <= READ_ONLY_WITHOUT_A_RESOURCE


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_action_is_spelled_out(function: str, synthesized: Synthesized) -> None:
    assert not [action for action in _allowed(synthesized, function) if "*" in action]


def test_only_the_responder_may_run_commands(synthesized: Synthesized) -> None:
    may = {f for f in FUNCTIONS if "ssm:SendCommand" in _allowed(synthesized, f)}
    assert may == {"IncidentResponder"}


def test_commands_are_our_documents_on_instances_that_opted_in_and_nothing_else(
    synthesized: Synthesized,
) -> None:
    on_documents, on_instances = (
        s
        for s in synthesized.statements_of("IncidentResponder")
        if "ssm:SendCommand" in _actions(s)
    )
    named = [
        part["Ref"]
        for resource in _resources(on_documents)
        for part in resource["Fn::Join"][1]
        if isinstance(part, dict) and not part["Ref"].startswith("AWS::")
    ]
    assert named == list(synthesized.of_type("AWS::SSM::Document"))
    assert "Condition" not in on_documents  # it would not hold for documents
    assert json.dumps(on_instances["Resource"]).count("*") == 1
    assert on_instances["Resource"]["Fn::Join"][1][-1] == ":instance/*"
    assert on_instances["Condition"] == {
        "StringEquals": {"ssm:resourceTag/AutoRecovery": "enabled"}
    }


OPTED_IN = {"StringEquals": {"aws:ResourceTag/AutoRecovery": "enabled"}}


@pytest.mark.parametrize(
    ("calls", "resource"),
    [
        ({"ec2:RebootInstances", "ec2:StopInstances", "ec2:StartInstances"}, ":instance/*"),
        (
            {"autoscaling:SetInstanceHealth", "autoscaling:SetDesiredCapacity"},
            ":autoScalingGroup:*:autoScalingGroupName/*",
        ),
    ],
)
def test_instances_and_groups_are_changed_only_where_they_opted_in(
    calls: set[str], resource: str, synthesized: Synthesized
) -> None:
    (statement,) = (
        s for s in synthesized.statements_of("IncidentResponder") if _actions(s) & calls
    )
    assert _actions(statement) == calls
    assert statement["Resource"]["Fn::Join"][1][-1] == resource
    assert statement["Condition"] == OPTED_IN
    for other in {*FUNCTIONS} - {"IncidentResponder"}:
        assert not _allowed(synthesized, other) & calls


ONE_RULE = """
rules:
  cpu:
    when: {{ metric: CPUUtilization, critical: 95 }}
    recover: [{{ run: {run} }}]
"""


@pytest.mark.parametrize(
    ("run", "granted"),
    [
        ("ask_human", set()),
        ("reboot_instance", {"ec2:RebootInstances"}),
        (
            "stop_start_instance",
            {
                "ec2:StopInstances", "ec2:StartInstances",
                "autoscaling:DescribeAutoScalingInstances",
                "autoscaling:DescribeAutoScalingGroups",
            },
        ),
        (
            "replace_in_group",
            {
                "autoscaling:SetInstanceHealth", "autoscaling:DescribeAutoScalingInstances",
                "autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeInstanceRefreshes",
            },
        ),
        (
            "scale_out",
            {
                "autoscaling:SetDesiredCapacity", "autoscaling:DescribeAutoScalingInstances",
                "autoscaling:DescribeAutoScalingGroups",
            },
        ),
    ],
)  # fmt: skip
def test_what_no_ladder_does_is_not_allowed(
    run: str, granted: set[str], another: Synthesize, tmp_path: Path
) -> None:
    made = another(configured(tmp_path, ONE_RULE.format(run=run)))
    allowed = _allowed(made, "IncidentResponder") - {"ec2:DescribeInstances"}
    assert {a for a in allowed if a.startswith(("ec2:", "autoscaling:"))} == granted


def test_every_action_has_its_permissions() -> None:
    assert set(CHANGES) == set(LOOKS) == set(InstanceAction)


def test_only_triage_and_a_response_itself_may_start_one_and_only_by_the_alias(
    synthesized: Synthesized,
) -> None:
    (alias,) = synthesized.of_type("AWS::Lambda::Alias")
    for function in FUNCTIONS:
        invoking = [
            s for s in synthesized.statements_of(function) if "lambda:InvokeFunction" in _actions(s)
        ]
        may = function in ("MetricProcessor", "IncidentResponder")  # the latter: for a group
        expected = [[{"Ref": alias}]] if may else []
        assert [_resources(statement) for statement in invoking] == expected


@pytest.mark.parametrize("function", ["MetricProcessor", "CommandListener", "IncidentResponder"])
def test_who_wakes_a_response_reaches_its_executions_in_every_version(
    function: str, synthesized: Synthesized
) -> None:
    (waking,) = (
        s
        for s in synthesized.statements_of(function)
        if "lambda:SendDurableExecutionCallbackSuccess" in _actions(s)
    )
    assert waking["Resource"]["Fn::Join"][1] == [
        {"Fn::GetAtt": ["IncidentResponder", "Arn"]},
        ":*",
    ]


def test_only_who_tells_people_may_publish(synthesized: Synthesized) -> None:
    may = {f for f in FUNCTIONS if "sns:Publish" in _allowed(synthesized, f)}
    assert may == {"IncidentResponder", "IncidentAnalyst", "NoticeSender"}


def test_the_listener_only_looks_things_up(synthesized: Synthesized) -> None:
    of_table = {a for a in _allowed(synthesized, "CommandListener") if a.startswith("dynamodb:")}
    assert of_table == {"dynamodb:GetItem"}


def test_lines_are_read_again_only_from_the_configured_groups(synthesized: Synthesized) -> None:
    (reading,) = (
        s
        for s in synthesized.statements_of("IncidentResponder")
        if "logs:FilterLogEvents" in _actions(s)
    )
    ends = [resource["Fn::Join"][1][-1] for resource in _resources(reading)]
    assert ends == [":log-group:/shop/metrics:*", ":log-group:/shop/other:*"]


def test_every_invoker_names_where_it_calls_from(synthesized: Synthesized) -> None:
    for permission in synthesized.properties("AWS::Lambda::Permission"):
        assert permission["SourceArn"]
        # The source of these names a rule, or an API, of ours.
        if permission["Principal"] not in ("events.amazonaws.com", "apigateway.amazonaws.com"):
            assert permission["SourceAccount"] == {"Ref": "AWS::AccountId"}


def test_one_permission_admits_all_alarms(synthesized: Synthesized) -> None:
    principals = [p["Principal"] for p in synthesized.properties("AWS::Lambda::Permission")]
    assert principals.count("lambda.alarms.cloudwatch.amazonaws.com") == 1
