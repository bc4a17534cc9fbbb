"""The ways to people beside e-mail: a queue each, a function that empties them, its rights."""

import json
from pathlib import Path
from typing import Any

from tests.infra.conftest import Synthesize
from tests.infra.template import Resource, Synthesized, configured, strings

CHANNELS = {"ops-slack": "Channelsopsslack", "mail": "Channelsmail", "pager": "Channelspager"}


def queues(synthesized: Synthesized) -> dict[str, str]:
    """Return the logical ids of the channels' queues, by the channels' names."""
    found = synthesized.of_type("AWS::SQS::Queue")
    return {name: next(q for q in found if q.startswith(id)) for name, id in CHANNELS.items()}


def arn(id: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [id, "Arn"]}


def test_a_stack_without_channels_has_no_queue_for_them_and_no_sender(
    another: Synthesize, tmp_path: Path
) -> None:
    made = another(configured(tmp_path, "notify: { email: [ops@example.com] }"))
    assert not any(id.startswith("Channels") for id in made.of_type("AWS::SQS::Queue"))
    assert "NoticeSender" not in made.of_type("AWS::Lambda::Function")
    assert len(made.of_type("AWS::Lambda::EventSourceMapping")) == 1, "the analyst's"
    for function in made.properties("AWS::Lambda::Function"):
        assert "NOTICE_QUEUES" not in function["Environment"]["Variables"]
    assert made.template["Outputs"]["NoticeChannels"]["Value"] == "{}"


def test_each_channel_waits_in_a_queue_of_its_own(synthesized: Synthesized) -> None:
    (dead,) = (q for q in synthesized.of_type("AWS::SQS::Queue") if q.startswith("DeadLetters"))
    for id in queues(synthesized).values():
        queue = synthesized.template["Resources"][id]["Properties"]
        assert queue["SqsManagedSseEnabled"] is True
        assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600
        assert queue["RedrivePolicy"]["deadLetterTargetArn"] == arn(dead)
        # AWS advises six times the time limit of the function, which is 90 s here.
        assert queue["VisibilityTimeout"] == 540


def test_every_queue_refuses_plain_text_connections_and_takes_from_our_topic_only(
    synthesized: Synthesized,
) -> None:
    (topic,) = (t for t in synthesized.of_type("AWS::SNS::Topic") if t.startswith("Notices"))
    for policy in synthesized.properties("AWS::SQS::QueuePolicy"):
        statements = policy["PolicyDocument"]["Statement"]
        denied = [s for s in statements if s["Effect"] == "Deny"]
        assert denied[0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        if policy["Queues"][0]["Ref"] in queues(synthesized).values():
            (allowed,) = (s for s in statements if s["Effect"] == "Allow")
            assert allowed["Principal"] == {"Service": "sns.amazonaws.com"}
            assert allowed["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Ref": topic}}}


def test_a_queue_is_filled_with_what_names_its_channel(synthesized: Synthesized) -> None:
    subscribed = {
        subscription["Endpoint"]["Fn::GetAtt"][0]: subscription
        for subscription in synthesized.properties("AWS::SNS::Subscription")
        if subscription["Protocol"] == "sqs"
    }
    for name, id in queues(synthesized).items():
        assert subscribed[id]["FilterPolicy"] == {"channels": [name]}
        assert subscribed[id]["RawMessageDelivery"] is True


def test_one_function_empties_all_queues_and_each_message_fails_alone(
    synthesized: Synthesized,
) -> None:
    mappings = [
        each
        for each in synthesized.properties("AWS::Lambda::EventSourceMapping")
        if each["FunctionName"] == {"Ref": "NoticeSender"}
    ]
    emptied = [mapping["EventSourceArn"]["Fn::GetAtt"][0] for mapping in mappings]
    assert sorted(emptied) == sorted(queues(synthesized).values())
    for mapping in mappings:
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping["ScalingConfig"] == {"MaximumConcurrency": 2}
        assert mapping["BatchSize"] == 1


def test_the_functions_and_the_command_line_know_each_queue_by_its_channel(
    synthesized: Synthesized,
) -> None:
    def resolved(value: Resource) -> dict[str, str]:
        parts = value["Fn::Join"][1]
        text = "".join(part if isinstance(part, str) else part["Ref"] for part in parts)
        names: dict[str, str] = json.loads(text)
        return names

    for function in ("NoticeSender", "IncidentResponder"):
        variables = synthesized.template["Resources"][function]["Properties"]["Environment"]
        assert resolved(variables["Variables"]["NOTICE_QUEUES"]) == queues(synthesized)
    outputs = synthesized.template["Outputs"]
    assert resolved(outputs["NoticeChannels"]["Value"]) == queues(synthesized)
    assert outputs["NoticeSenderArn"]["Value"] == arn("NoticeSender")


# What the sender may


def allowed(
    synthesized: Synthesized, service: str, function: str = "NoticeSender"
) -> dict[str, Any]:
    """Return what is allowed of one service: its actions, and on what."""
    found: dict[str, Any] = {}
    for statement in synthesized.statements_of(function):
        actions = statement["Action"]
        for action in [actions] if isinstance(actions, str) else actions:
            if action.startswith(f"{service}:"):
                found.setdefault(action, []).append(statement["Resource"])
    return found


def test_the_sender_reads_the_configured_secrets_and_no_others(synthesized: Synthesized) -> None:
    read = allowed(synthesized, "ssm") | allowed(synthesized, "secretsmanager")
    named = {
        action: sorted(text for text in strings(resources) if text.startswith(":") and text != ":")
        for action, resources in read.items()
    }
    assert {
        action: [n for n in names if "/" in n or "-" in n] for action, names in named.items()
    } == {
        "ssm:GetParameter": [":parameter/pager-url", ":parameter/shop/slack-token"],
        "secretsmanager:GetSecretValue": [":secret:shop/slack-??????"],
    }


def test_the_sender_mails_as_the_configured_address_only(synthesized: Synthesized) -> None:
    mail = allowed(synthesized, "ses")
    assert set(mail) == {"ses:SendEmail", "ses:SendRawEmail"}
    ends = {text for text in strings(mail) if text.startswith(":identity/")}
    assert ends == {":identity/robot@example.com", ":identity/example.com"}


def test_who_sends_no_mail_may_not(another: Synthesize, tmp_path: Path) -> None:
    text = "notify: { channels: { hook: { webhook: { url: ssm:/hook } } } }"
    made = another(configured(tmp_path, text))
    assert allowed(made, "ses") == {}
    assert set(allowed(made, "dynamodb")) == {
        "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem",
    }  # fmt: skip
    assert not [r for r in made.properties("AWS::Events::Rule") if "ScheduleExpression" in r]


def test_the_responder_may_reach_the_queues_where_the_topic_fails(synthesized: Synthesized) -> None:
    sent = allowed(synthesized, "sqs", "IncidentResponder")["sqs:SendMessage"]
    reached = {id for resource in sent for id in strings(resource)} - {"Fn::GetAtt", "Arn"}
    assert set(queues(synthesized).values()) <= reached


# Who watches, and the clock


def test_it_rings_where_notices_wait_too_long(synthesized: Synthesized) -> None:
    waiting = {
        alarm["Dimensions"][0]["Value"]["Fn::GetAtt"][0]: alarm
        for alarm in synthesized.properties("AWS::CloudWatch::Alarm")
        if alarm.get("MetricName") == "ApproximateAgeOfOldestMessage"
    }
    assert set(waiting) == set(queues(synthesized).values())
    slack = waiting[queues(synthesized)["ops-slack"]]
    assert slack["AlarmDescription"].startswith("AutoRecovery itself: notices for ops-slack have")
    assert slack["Threshold"] == 1800


def test_a_digest_is_made_by_the_clock(synthesized: Synthesized) -> None:
    (rule,) = (
        rule
        for rule in synthesized.properties("AWS::Events::Rule")
        if "cron(" in rule.get("ScheduleExpression", "")
    )
    assert rule["ScheduleExpression"] == "cron(30 6 ? * MON *)"
    assert json.loads(rule["Targets"][0]["Input"]) == {"digest": "weekly", "channel": "mail"}
    assert rule["Targets"][0]["Arn"] == arn("NoticeSender")
