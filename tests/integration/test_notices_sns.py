"""Notices on an SNS topic: text for people, JSON for programs, and an error that is ours."""

import json
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws

from autorecovery.adapters.aws.notices import SnsNoticeboard
from autorecovery.errors import NoticeError
from autorecovery.models.notice import Notice
from autorecovery.notices import compose
from autorecovery.notices.text import Wording, sns_message, subject_line
from tests.integration import aws
from tests.response_world import RESTART, START, incident, rule, signal

WORDS = Wording(subject_prefix="[shop]")


def board(sns: Any, topic: str) -> SnsNoticeboard:
    return SnsNoticeboard(
        sns,
        topic,
        lambda notice: subject_line(notice, WORDS),
        lambda notice: sns_message(notice, WORDS),
    )


def notice(**more: Any) -> Notice:
    return compose.opened(incident(rule(RESTART), **more), START)


def received(posted: Notice) -> dict[str, Any]:
    """Return what a queue receives that subscribes to the topic."""
    with mock_aws():
        sns, sqs = aws.client("sns"), aws.client("sqs")
        topic = sns.create_topic(Name="notices")["TopicArn"]
        queue = sqs.create_queue(QueueName="reader")["QueueUrl"]
        arn = f"arn:aws:sqs:{aws.REGION}:123456789012:reader"
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        board(sns, topic).post(posted)
        [message] = sqs.receive_message(QueueUrl=queue)["Messages"]
        envelope: dict[str, Any] = json.loads(message["Body"])
        return envelope


def test_programs_receive_the_notice_as_json() -> None:
    envelope = received(notice())
    content = json.loads(envelope["Message"])
    assert (content["kind"], content["level"]) == ("opened", "critical")
    assert content["incident"] == incident(rule(RESTART)).id
    assert {key: value["Value"] for key, value in envelope["MessageAttributes"].items()} == {
        "level": "critical", "kind": "opened",
    }  # fmt: skip


def test_the_subject_begins_as_configured() -> None:
    assert received(notice())["Subject"].startswith("[shop] ")


@pytest.mark.parametrize(
    "name", ["a\nb\r\nc", "ü" * 255, "$(reboot)" * 28, "\ud800 lone", "'\"<b>"]
)
def test_whatever_an_alarm_is_called_the_notice_leaves(name: str) -> None:
    seen = signal(name=name, evidence=name * 40)
    posted = notice(rule_name=f"unruled:{name}", evidence=(name * 40,) * 5, signal=seen)
    subject = received(posted)["Subject"]
    assert len(subject) < 100
    assert subject.isascii()
    assert subject.isprintable()


def test_without_a_topic_nobody_can_be_told() -> None:
    with pytest.raises(NoticeError, match="SNS_TOPIC_ARN is not set"):
        board(aws.client("sns"), "").post(notice())


@pytest.mark.parametrize("topic", ["nonsense", f"arn:aws:sns:{aws.REGION}:123456789012:gone"])
def test_a_wrong_topic_is_told_in_our_words(topic: str) -> None:
    with mock_aws(), pytest.raises(NoticeError, match="SNS"):
        board(aws.client("sns"), topic).post(notice())


def test_a_topic_that_cannot_be_reached_is_told_in_our_words() -> None:
    sns = aws.client("sns")

    def fail(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://sns")

    sns.meta.events.register("before-call.sns", fail)
    with pytest.raises(NoticeError, match="https://sns"):
        board(sns, "arn:aws:sns:eu-west-1:123456789012:notices").post(notice())
