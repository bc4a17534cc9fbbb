"""How signals arrive, how notices leave, and that nothing asynchronous is lost."""

import json
from pathlib import Path
from typing import Any

from command_line.stores import OUTPUTS
from tests.infra.conftest import Synthesize
from tests.infra.template import Synthesized, configured, strings


def _queue(synthesized: Synthesized) -> str:
    queues = synthesized.of_type("AWS::SQS::Queue")
    (queue,) = (id for id in queues if id.startswith("DeadLetters"))
    return queue


def _mailed(synthesized: Synthesized) -> list[dict[str, Any]]:
    subscriptions = synthesized.properties("AWS::SNS::Subscription")
    return [each for each in subscriptions if each["Protocol"] == "email"]


def test_there_is_one_dead_letter_queue_that_keeps_for_two_weeks(synthesized: Synthesized) -> None:
    queue = synthesized.of_type("AWS::SQS::Queue")[_queue(synthesized)]["Properties"]
    assert queue == {"MessageRetentionPeriod": 14 * 24 * 3600, "SqsManagedSseEnabled": True}


def test_what_an_invocation_cannot_take_is_kept(synthesized: Synthesized) -> None:
    arn = {"Fn::GetAtt": [_queue(synthesized), "Arn"]}
    kept = {
        config["FunctionName"]["Ref"]: config["DestinationConfig"]["OnFailure"]["Destination"]
        for config in synthesized.properties("AWS::Lambda::EventInvokeConfig")
    }
    assert kept == {"MetricProcessor": arn, "CommandListener": arn, "NoticeSender": arn}
    responder = synthesized.template["Resources"]["IncidentResponder"]["Properties"]
    assert responder["DeadLetterConfig"] == {"TargetArn": arn}


def test_what_eventbridge_cannot_deliver_is_kept(synthesized: Synthesized) -> None:
    arn = {"Fn::GetAtt": [_queue(synthesized), "Arn"]}
    for rule in synthesized.properties("AWS::Events::Rule"):
        assert [target["DeadLetterConfig"]["Arn"] for target in rule["Targets"]] == [arn]


def test_what_no_mailbox_and_no_queue_takes_is_kept(synthesized: Synthesized) -> None:
    arn = {"Fn::GetAtt": [_queue(synthesized), "Arn"]}
    subscriptions = _mailed(synthesized)
    assert len(subscriptions) == 4
    for subscription in subscriptions:
        assert subscription["RedrivePolicy"] == {"deadLetterTargetArn": arn}


def test_the_stack_tells_the_command_line_where_everything_is(
    synthesized: Synthesized,
) -> None:
    told = {name: output["Value"] for name, output in synthesized.template["Outputs"].items()}
    assert told["DeadLetterQueueUrl"] == {"Ref": _queue(synthesized)}
    assert told["MetricProcessorArn"] == {"Fn::GetAtt": ["MetricProcessor", "Arn"]}
    assert told["CommandListenerArn"] == {"Fn::GetAtt": ["CommandListener", "Arn"]}
    (alias,) = synthesized.of_type("AWS::Lambda::Alias")
    assert told["IncidentResponderArn"] == {"Ref": alias}
    (table,) = synthesized.of_type("AWS::DynamoDB::Table")
    assert told["TableName"] == {"Ref": table}
    assert set(OUTPUTS) <= set(told)


# Logs


def test_every_line_of_a_source_reaches_triage(synthesized: Synthesized) -> None:
    filters = {
        f["LogGroupName"]: f["FilterPattern"]
        for f in synthesized.properties("AWS::Logs::SubscriptionFilter")
    }
    assert filters == {"/shop/metrics": "", "/shop/other": ""}


def test_a_source_may_invoke_triage_before_it_is_subscribed(synthesized: Synthesized) -> None:
    for subscription in synthesized.of_type("AWS::Logs::SubscriptionFilter").values():
        (permission,) = subscription["DependsOn"]
        allowed = synthesized.template["Resources"][permission]["Properties"]
        assert allowed["Principal"] == "logs.amazonaws.com"
        group = subscription["Properties"]["LogGroupName"]
        assert f":log-group:{group}:*" in "".join(strings(allowed["SourceArn"]))


def test_a_metric_of_a_rule_is_made_from_the_fields_of_each_source(
    synthesized: Synthesized,
) -> None:
    made = {
        (f["LogGroupName"], f["MetricTransformations"][0]["MetricName"]): f
        for f in synthesized.properties("AWS::Logs::MetricFilter")
    }
    assert sorted(made) == [
        ("/shop/metrics", "orders per minute"),
        ("/shop/metrics", "queue_length"),
        ("/shop/other", "orders per minute"),
        ("/shop/other", "queue_length"),
    ]
    configured_fields = made["/shop/metrics", "queue_length"]
    assert configured_fields["FilterPattern"] == (
        '{ ($.measurement.name = "queue_length") && ($.measurement.value = *) }'
    )
    (transformation,) = configured_fields["MetricTransformations"]
    assert transformation["MetricNamespace"] == "AutoRecovery/shop"
    assert transformation["MetricValue"] == "$.measurement.value"
    assert transformation["Dimensions"] == [{"Key": "InstanceId", "Value": "$.host.id"}]


# EventBridge


def test_our_own_alarms_do_not_come_twice(synthesized: Synthesized) -> None:
    (pattern,) = (
        rule["EventPattern"]
        for rule in synthesized.properties("AWS::Events::Rule")
        if rule.get("EventPattern", {}).get("source") == ["aws.cloudwatch"]
    )
    assert pattern["detail"] == {"alarmName": [{"anything-but": {"prefix": "AutoRecovery-"}}]}
    # It holds as long as CloudFormation names them, which it does after the stack.
    assert not [a for a in synthesized.properties("AWS::CloudWatch::Alarm") if "AlarmName" in a]


def test_only_the_ends_of_our_own_commands_are_listened_to(synthesized: Synthesized) -> None:
    (rule,) = (
        rule
        for rule in synthesized.properties("AWS::Events::Rule")
        if rule.get("EventPattern", {}).get("source") == ["aws.ssm"]
    )
    documents = [{"Ref": id} for id in synthesized.of_type("AWS::SSM::Document")]
    assert rule["EventPattern"]["detail"]["document-name"] == documents
    assert len(rule["EventPattern"]["detail-type"]) == 2
    assert rule["Targets"][0]["Arn"] == {"Fn::GetAtt": ["CommandListener", "Arn"]}


# Topics


def test_both_topics_refuse_plain_text_connections(synthesized: Synthesized) -> None:
    policies = synthesized.properties("AWS::SNS::TopicPolicy")
    assert len(policies) == 2
    for policy in policies:
        denied = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"]
        assert denied[0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_a_key_of_our_own_exists_only_where_cloudwatch_publishes(synthesized: Synthesized) -> None:
    ((key, resource),) = synthesized.of_type("AWS::KMS::Key").items()
    topics = synthesized.of_type("AWS::SNS::Topic")
    (encrypted,) = (
        id
        for id, topic in topics.items()
        if topic["Properties"]["KmsMasterKeyId"] == {"Fn::GetAtt": [key, "Arn"]}
    )
    assert encrypted.startswith("RawAlarms")
    principals = [s["Principal"] for s in resource["Properties"]["KeyPolicy"]["Statement"]]
    assert {"Service": "cloudwatch.amazonaws.com"} in principals
    assert resource["Properties"]["EnableKeyRotation"] is True


def test_people_are_mailed_notices_and_of_raw_alarms_only_those_about_ourselves(
    synthesized: Synthesized,
) -> None:
    for subscription in _mailed(synthesized):
        raw = subscription["TopicArn"]["Ref"].startswith("RawAlarms")
        assert ("FilterPolicy" in subscription) is raw
        if raw:
            assert subscription["FilterPolicyScope"] == "MessageBody"
            assert subscription["FilterPolicy"] == {
                "AlarmDescription": [{"prefix": "AutoRecovery itself: "}]
            }


def test_notices_can_go_to_a_topic_that_exists(another: Synthesize, tmp_path: Path) -> None:
    arn = "arn:aws:sns:eu-west-1:111122223333:ours"
    made = another(configured(tmp_path, f"notify: {{ topic_arn: {arn} }}"))
    assert [id for id in made.of_type("AWS::SNS::Topic") if id.startswith("Notices")] == []
    for function in made.properties("AWS::Lambda::Function"):
        assert function["Environment"]["Variables"]["SNS_TOPIC_ARN"] == arn
    publish = [
        s["Resource"]
        for s in made.statements_of("IncidentResponder")
        if s["Action"] == "sns:Publish"
    ]
    assert publish == [arn]


def test_functions_can_run_inside_a_network(another: Synthesize, tmp_path: Path) -> None:
    text = json.dumps(
        {"lambda": {"vpc": {
            "vpc_id": "vpc-0a", "subnet_ids": ["subnet-1", "subnet-2"],
            "security_group_ids": ["sg-1"],
        }}}
    )  # fmt: skip
    made = another(configured(tmp_path, text))
    for function in made.properties("AWS::Lambda::Function"):
        assert function["VpcConfig"] == {
            "SubnetIds": ["subnet-1", "subnet-2"],
            "SecurityGroupIds": ["sg-1"],
        }
    for role in made.properties("AWS::IAM::Role"):
        assert "AWSLambdaVPCAccessExecutionRole" in "".join(strings(role["ManagedPolicyArns"]))
