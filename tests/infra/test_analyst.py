"""The analyst: fed behind the notices, and allowed to ask one model and to do nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.infra.conftest import Synthesize
from tests.infra.template import Synthesized, configured, strings

READS = {"dynamodb:GetItem", "dynamodb:Query", "cloudwatch:GetMetricData", "logs:FilterLogEvents"}
WRITES = {
    "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem",
    "sns:Publish",
}  # fmt: skip
POLLS = {
    "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:GetQueueAttributes",
    "sqs:ChangeMessageVisibility",
}  # fmt: skip


def asking(made: Synthesized) -> list[dict[str, Any]]:
    statements = made.statements_of("IncidentAnalyst")
    return [each for each in statements if each["Action"] == "bedrock:InvokeModel"]


def arn(value: object) -> str:
    return "".join(strings(value)).replace("Fn::Join", "")


def test_it_reads_writes_down_and_tells_and_does_nothing_else(synthesized: Synthesized) -> None:
    allowed: set[str] = set()
    for statement in synthesized.statements_of("IncidentAnalyst"):
        actions = statement["Action"]
        allowed |= {actions} if isinstance(actions, str) else set(actions)
    assert allowed == READS | WRITES | POLLS | {"bedrock:InvokeModel"}


def test_it_may_ask_the_configured_profile_and_the_model_only_through_it(
    synthesized: Synthesized,
) -> None:
    profile, behind = asking(synthesized)
    assert arn(profile["Resource"]).endswith(
        ":bedrock:eu-central-1:AWS::AccountId:inference-profile/eu.anthropic.claude-test-v1:0"
    )
    assert arn(behind["Resource"]).endswith(
        ":bedrock:*::foundation-model/anthropic.claude-test-v1:0"
    )
    assert behind["Condition"] == {
        "StringEquals": {"bedrock:InferenceProfileArn": profile["Resource"]}
    }


PROFILE = "arn:aws:bedrock:eu-west-1:111122223333:application-inference-profile/abc123"


@pytest.mark.parametrize(
    ("model", "resources"),
    [
        ("anthropic.claude-test-v1:0", [":foundation-model/anthropic.claude-test-v1:0"]),
        (PROFILE, [PROFILE, ":bedrock:*::foundation-model/*"]),
    ],
)
def test_other_ways_to_name_a_model_allow_no_more(
    model: str, resources: list[str], another: Synthesize, tmp_path: Path
) -> None:
    made = another(configured(tmp_path, json.dumps({"analysis": {"model": model}})))
    statements = asking(made)
    assert len(statements) == len(resources)
    for statement, end in zip(statements, resources, strict=True):
        assert arn(statement["Resource"]).endswith(end)
        assert ("*" in arn(statement["Resource"])) is ("Condition" in statement)


def test_without_a_model_none_may_be_asked_and_rules_answer(
    another: Synthesize, tmp_path: Path
) -> None:
    made = another(configured(tmp_path, "service: shop"))
    assert asking(made) == []
    assert "IncidentAnalyst" in made.of_type("AWS::Lambda::Function")


def test_nobody_else_may_ask_a_model(synthesized: Synthesized) -> None:
    for function in ("MetricProcessor", "IncidentResponder", "CommandListener"):
        assert "bedrock" not in json.dumps(synthesized.statements_of(function))


def test_its_queue_holds_a_notice_until_a_crowd_has_formed(synthesized: Synthesized) -> None:
    queues = synthesized.of_type("AWS::SQS::Queue")
    ((id, queue),) = (pair for pair in queues.items() if pair[0].startswith("AnalystQueue"))
    properties = queue["Properties"]
    (timeout,) = {f["Timeout"] for f in synthesized.properties("AWS::Lambda::Function")}
    assert properties["DelaySeconds"] == 45
    assert properties["VisibilityTimeout"] >= 6 * timeout
    kept = next(id for id in queues if id.startswith("AnalystDeadLetters"))
    arn_of_kept = {"Fn::GetAtt": [kept, "Arn"]}
    assert properties["RedrivePolicy"]["deadLetterTargetArn"] == arn_of_kept
    (subscription,) = (
        s
        for s in synthesized.properties("AWS::SNS::Subscription")
        if s["Endpoint"] == {"Fn::GetAtt": [id, "Arn"]}
    )
    assert subscription["RawMessageDelivery"] is True
    assert subscription["RedrivePolicy"] == {"deadLetterTargetArn": arn_of_kept}
    assert subscription["FilterPolicy"] == {"kind": ["opened", "storm", "recovered", "handed over"]}


def test_one_message_is_taken_at_a_time_and_alone_taken_again(synthesized: Synthesized) -> None:
    (mapping,) = (
        each
        for each in synthesized.properties("AWS::Lambda::EventSourceMapping")
        if each["FunctionName"] == {"Ref": "IncidentAnalyst"}
    )
    assert mapping["BatchSize"] == 1
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
