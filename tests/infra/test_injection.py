"""Nobody's role lets a command be anything but a script of this stack, on a machine that opted in.

The check reads the whole template, whatever made it, and is itself tried on templates that break
the promise.
"""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from fnmatch import fnmatchcase
from typing import Any

import pytest

from infra.configuration import Deployment
from tests.infra.conftest import Synthesize
from tests.infra.template import Synthesized, everything, strings

Template = dict[str, Any]
Statement = dict[str, Any]

NEVER = (
    "ssm:CreateDocument", "ssm:UpdateDocument", "ssm:UpdateDocumentDefaultVersion",
    "ssm:ModifyDocumentPermission", "ssm:CreateAssociation", "ssm:UpdateAssociation",
    "ssm:StartAutomationExecution", "ssm:StartSession", "ssm:ResumeSession",
    "ssm:StartChangeRequestExecution", "ssm:RegisterTaskWithMaintenanceWindow",
    "ec2:CreateTags", "ec2:DeleteTags", "ec2:RunInstances", "ec2:ModifyInstanceAttribute",
    "ec2-instance-connect:SendSSHPublicKey", "ssm:AddTagsToResource",
    "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration", "lambda:AddPermission",
    "iam:PassRole", "iam:PutRolePolicy", "iam:AttachRolePolicy", "sts:AssumeRole",
)  # fmt: skip
"""What would let a role write its own scripts, opt machines in, or become somebody else."""

SEND = "ssm:SendCommand"

AWS_POLICIES = (
    "AWSLambdaBasicExecutionRole", "AWSLambdaBasicDurableExecutionRolePolicy",
    "AWSLambdaVPCAccessExecutionRole",
)  # fmt: skip
"""Managed policies that a function needs to run; none of them knows Systems Manager."""


def dangers(template: Template) -> list[str]:
    """Return what any role of the template could do beyond running our documents as they are."""
    found = [f"{who}: {why}" for who, one in statements(template) for why in _wrong(one, template)]
    for id, role in _of_type(template, "AWS::IAM::Role"):
        arns = ["".join(strings(arn)) for arn in role.get("ManagedPolicyArns", [])]
        found += [f"{id}: {arn}" for arn in arns if not arn.endswith(AWS_POLICIES)]
    return found


def statements(template: Template) -> Iterator[tuple[str, Statement]]:
    """Yield every statement of every policy that a role can have, wherever it is written."""
    for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy"):
        for id, policy in _of_type(template, kind):
            yield from ((id, one) for one in _listed(policy["PolicyDocument"]["Statement"]))
    for id, role in _of_type(template, "AWS::IAM::Role"):
        for policy in role.get("Policies", []):
            yield from ((id, one) for one in _listed(policy["PolicyDocument"]["Statement"]))


def _wrong(statement: Statement, template: Template) -> Iterator[str]:
    if statement["Effect"] != "Allow":
        return
    if "NotAction" in statement or "NotResource" in statement:
        yield "allows all but a list"
    actions = _listed(statement.get("Action", []))
    for never in NEVER:
        if any(_grants(action, never) for action in actions):
            yield f"may {never}"
    if any(_grants(action, SEND) for action in actions):
        for resource in _listed(statement.get("Resource", [])):
            if not _may_be_sent_to(resource, statement, template):
                yield f"may {SEND} to {json.dumps(resource)}"


def _may_be_sent_to(resource: object, statement: Statement, template: Template) -> bool:
    """Return whether it is a document of this stack, or instances under condition of their tag."""
    documents = [id for id, _ in _of_type(template, "AWS::SSM::Document")]
    match resource:
        case {
            "Fn::Join": [
                "",
                [
                    "arn:",
                    {"Ref": "AWS::Partition"},
                    ":ssm:",
                    {"Ref": _},
                    ":",
                    {"Ref": "AWS::AccountId"},
                    ":document/",
                    {"Ref": document},
                ],
            ]
        }:
            return document in documents
        case {"Fn::Join": ["", [*_, {"Ref": "AWS::AccountId"}, ":instance/*"]]}:
            condition = statement.get("Condition", {})
            tags = [key for key in condition.get("StringEquals", {})]
            return list(condition) == ["StringEquals"] and [
                key.startswith("ssm:resourceTag/") for key in tags
            ] == [True]
    return False


def _grants(granted: str, action: str) -> bool:
    return fnmatchcase(action.lower(), granted.lower())


def _of_type(template: Template, kind: str) -> list[tuple[str, dict[str, Any]]]:
    found = template["Resources"].items()
    return [(id, resource["Properties"]) for id, resource in found if resource["Type"] == kind]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_no_role_can_run_anything_but_our_documents(synthesized: Synthesized) -> None:
    assert dangers(synthesized.template) == []
    sending = [s for _, s in statements(synthesized.template) if SEND in _listed(s["Action"])]
    assert len(sending) == 2  # or there would have been nothing to look at


def test_nor_can_a_role_of_the_shipped_configuration(
    another: Synthesize, shipped: Deployment
) -> None:
    assert dangers(another(shipped).template) == []


def test_a_document_is_its_script_and_nothing_of_the_deployment(synthesized: Synthesized) -> None:
    scripts = {script.name: script.document() for script in everything().scripts.values()}
    found = {
        document["Content"]["mainSteps"][0]["name"]: document["Content"]
        for document in synthesized.properties("AWS::SSM::Document")
    }
    assert found == scripts  # as it is: nothing is filled in at deployment, or later


def test_the_runner_is_told_no_other_documents(synthesized: Synthesized) -> None:
    resources = synthesized.template["Resources"]
    told = resources["IncidentResponder"]["Properties"]["Environment"]["Variables"]
    named = [
        part["Ref"] for part in told["RECOVERY_DOCUMENTS"]["Fn::Join"][1] if isinstance(part, dict)
    ]
    assert named == list(synthesized.of_type("AWS::SSM::Document"))


# Templates that break the promise; each must be found


def _allowing(**statement: Any) -> Callable[[Template], None]:
    """Return a change that adds a policy with this statement to the responder's role."""

    def change(template: Template) -> None:
        role = template["Resources"]["IncidentResponder"]["Properties"]["Role"]["Fn::GetAtt"][0]
        document = {"Statement": [{"Effect": "Allow", **statement}]}
        template["Resources"]["Careless"] = {
            "Type": "AWS::IAM::Policy",
            "Properties": {"PolicyDocument": document, "Roles": [{"Ref": role}]},
        }

    return change


def _instances(condition: dict[str, Any]) -> Callable[[Template], None]:
    """Return a change of the condition under which commands may be sent to instances."""

    def change(template: Template) -> None:
        for _, statement in statements(template):
            if "instance/*" in json.dumps(statement) and SEND in _listed(statement["Action"]):
                statement["Condition"] = condition

    return change


def _inline(template: Template) -> None:
    role = template["Resources"]["IncidentResponder"]["Properties"]["Role"]["Fn::GetAtt"][0]
    statement = {"Effect": "Allow", "Action": "ec2:CreateTags", "Resource": "*"}
    template["Resources"][role]["Properties"]["Policies"] = [
        {"PolicyName": "x", "PolicyDocument": {"Statement": statement}}
    ]


def _managed(template: Template) -> None:
    role = template["Resources"]["IncidentResponder"]["Properties"]["Role"]["Fn::GetAtt"][0]
    arns = template["Resources"][role]["Properties"]["ManagedPolicyArns"]
    arns.append("arn:aws:iam::aws:policy/AmazonSSMFullAccess")


SHELL = "arn:aws:ssm:eu-west-1::document/AWS-RunShellScript"


def _document(*parts: object) -> dict[str, Any]:
    return {
        "Fn::Join": [
            "",
            [
                "arn:",
                {"Ref": "AWS::Partition"},
                ":ssm:",
                {"Ref": "AWS::Region"},
                ":",
                {"Ref": "AWS::AccountId"},
                *parts,
            ],
        ]
    }


CARELESS: dict[str, Callable[[Template], None]] = {
    "the shell document": _allowing(Action=SEND, Resource=SHELL),
    "the shell document beside ours": _allowing(Action=[SEND], Resource=[SHELL]),
    "any document": _allowing(Action=SEND, Resource="arn:aws:ssm:*:*:document/*"),
    "documents by a pattern": _allowing(
        Action=SEND, Resource=_document(":document/AutoRecovery-*")
    ),
    "a document of somebody": _allowing(
        Action=SEND, Resource=_document(":document/", {"Ref": "Parameter"})
    ),
    "anything": _allowing(Action=SEND, Resource="*"),
    "all of ssm": _allowing(Action="ssm:*", Resource="*"),
    "a pattern of actions": _allowing(Action="ssm:Send*", Resource="*"),
    "another spelling": _allowing(Action="SSM:sendcommand", Resource="*"),
    "all but": _allowing(NotAction="ssm:SendCommand", Resource="*"),
    "writing documents": _allowing(Action="ssm:UpdateDocument", Resource="*"),
    "tagging": _allowing(Action="ec2:CreateTags", Resource="*"),
    "tagging by a pattern": _allowing(Action="ec2:*Tags", Resource="*"),
    "another role": _allowing(Action="sts:AssumeRole", Resource="*"),
    "an inline policy": _inline,
    "a managed policy": _managed,
    "every instance": _instances({}),
    "instances like the tag": _instances({"StringLike": {"ssm:resourceTag/AutoRecovery": "*"}}),
    "instances by another key": _instances({"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}),
    "instances if the tag exists": _instances(
        {"StringEqualsIfExists": {"ssm:resourceTag/AutoRecovery": "enabled"}}
    ),
}


@pytest.mark.parametrize("what", CARELESS)
def test_a_role_that_may_more_is_found(what: str, synthesized: Synthesized) -> None:
    template = deepcopy(synthesized.template)
    CARELESS[what](template)
    assert dangers(template) != []
