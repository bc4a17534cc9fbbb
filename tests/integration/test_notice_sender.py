"""From the topic through the queues to the channels, on moto, as Lambda would drive it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

import notice_sender
from autorecovery.adapters.aws.dead_letter_box import SqsDeadLetterBox
from autorecovery.adapters.aws.dead_letters import SqsDeadLetters
from autorecovery.adapters.aws.notice_log import DynamoDbNoticeLog
from autorecovery.adapters.aws.notice_queues import NoticeQueues
from autorecovery.adapters.aws.notices import SnsNoticeboard
from autorecovery.adapters.simulated.clock import VirtualClock
from autorecovery.bootstrap.notices import courier
from autorecovery.config import ChannelSettings
from autorecovery.delivery.again import tell_again
from autorecovery.delivery.board import RecordedBoard
from autorecovery.delivery.deliver import Courier, Passed, Public
from autorecovery.delivery.routes import candidates
from autorecovery.errors import ChannelError, ConfigurationError, NoticeError
from autorecovery.models.delivery import Outcome
from autorecovery.models.letter import Destination
from autorecovery.models.notice import Notice, NoticeKind
from autorecovery.models.reason import Level
from autorecovery.notices.text import Wording, sns_message, subject_line
from tests.fakes import ListedChannel
from tests.integration import aws
from tests.integration.http_channel import HttpChannel, serving
from tests.response_world import START

ACCOUNT = "123456789012"
REVOKED = ChannelError("token_revoked", retryable=False)
QUIET = {"escalation_only": True, "level": "critical"}


def settings(**more: Any) -> ChannelSettings:
    return ChannelSettings.model_validate({"webhook": {"url": "env:HOOK"}, **more})


def notice(id: str = "inc-1-opened", **more: Any) -> Notice:
    content: dict[str, Any] = {
        "incident_id": "inc-1", "kind": NoticeKind.OPENED, "level": Level.CRITICAL,
        "headline": "[CRITICAL] web-1: cpu is 97", "lines": ("It is sick.",), "at": START,
    }  # fmt: skip
    return Notice(id=id, **{**content, **more})


@dataclass
class Aws:
    """A topic, a queue per channel, and the function that empties them."""

    log: DynamoDbNoticeLog
    board: RecordedBoard
    app: notice_sender.Sender
    sqs: Any
    urls: dict[str, str]
    letters: SqsDeadLetterBox
    reported: list[Passed]
    digests: list[tuple[str, str]]
    clock: VirtualClock
    calls: list[str]

    def waiting(self, via: str) -> list[dict[str, Any]]:
        """Return what Lambda would be given of this channel's queue."""
        found = self.sqs.receive_message(QueueUrl=self.urls[via], MaxNumberOfMessages=10)
        return [
            {
                "messageId": each["MessageId"], "receiptHandle": each["ReceiptHandle"],
                "body": each["Body"],
                "eventSourceARN": f"arn:aws:sqs:{aws.REGION}:{ACCOUNT}:queue-{via}",
            }
            for each in found.get("Messages", [])
        ]  # fmt: skip

    def run(self, via: str) -> list[str]:
        """Have the function empty a queue; what it took is deleted, as the event source does."""
        records = self.waiting(via)
        answer = notice_sender.handle({"Records": records}, self.app)
        again = [each["itemIdentifier"] for each in answer["batchItemFailures"]]
        for record in records:
            if record["messageId"] not in again:
                self.sqs.delete_message(
                    QueueUrl=self.urls[via], ReceiptHandle=record["receiptHandle"]
                )
        return again


@contextmanager
def account(*channels: Any, **configured: ChannelSettings) -> Iterator[Aws]:
    with aws.table() as dynamodb:
        sns, sqs = aws.client("sns"), aws.client("sqs")
        by_name = {channel.name: channel for channel in channels}
        known = {name: settings() for name in by_name} | configured
        topic = sns.create_topic(Name="notices")["TopicArn"]
        urls = {name: sqs.create_queue(QueueName=f"queue-{name}")["QueueUrl"] for name in known}
        for name in known:
            sns.subscribe(
                TopicArn=topic, Protocol="sqs",
                Endpoint=f"arn:aws:sqs:{aws.REGION}:{ACCOUNT}:queue-{name}",
                Attributes={
                    "RawMessageDelivery": "true", "FilterPolicy": json.dumps({"channels": [name]})
                },
            )  # fmt: skip
        dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
        clock = VirtualClock(START)
        log, queues = DynamoDbNoticeLog(dynamodb, aws.TABLE, clock), NoticeQueues(sqs, urls)
        calls: list[str] = []
        dynamodb.meta.events.register(
            "before-call.dynamodb", lambda model, **_: calls.append(model.name)
        )
        words = Wording()
        inner = SnsNoticeboard(
            sns, topic, lambda n: subject_line(n, words), lambda n: sns_message(n, words),
            lambda n: candidates(n, known),
        )  # fmt: skip
        app = Courier(
            channels=known,
            channel=by_name.__getitem__,
            log=log,
            hand_on=queues.put,
            dead_letters=SqsDeadLetters(sqs, dead),
            clock=clock,
            patience=timedelta(seconds=90),
            public=Public(
                "sns",
                lambda: SnsNoticeboard(
                    sns, topic, lambda n: subject_line(n, words), lambda n: sns_message(n, words)
                ),
            ),
        )
        reported: list[Passed] = []
        digests: list[tuple[str, str]] = []
        yield Aws(
            log,
            RecordedBoard(
                inner, "sns", log, clock, lambda n: queues.put_all(n.id, candidates(n, known))
            ),
            notice_sender.Sender(app, queues, lambda *to: digests.append(to), reported.append),
            sqs,
            urls,
            SqsDeadLetterBox(sqs, dead),
            reported,
            digests,
            clock,
            calls,
        )


def test_a_notice_goes_through_the_topic_to_each_channel_that_it_may_concern() -> None:
    slack, mail, pager = (ListedChannel(name) for name in ("slack", "mail", "pager"))
    with account(slack, mail, pager, pager=settings(**QUIET)) as all:
        all.board.post(notice())
        for via in ("slack", "mail", "pager"):
            assert all.run(via) == []
        record = all.log.get("inc-1-opened")
    assert [channel.sent for channel in (slack, mail, pager)] == [[notice()], [notice()], []]
    assert record is not None
    assert record.delivered_via == ("mail", "slack", "sns")


def test_what_a_foreign_sender_publishes_reaches_no_channel() -> None:
    with account(ListedChannel("slack")) as all:
        sns = aws.client("sns")
        [topic] = sns.list_topics()["Topics"]
        sns.publish(TopicArn=topic["TopicArn"], Message="hello")
        assert all.waiting("slack") == []


@pytest.mark.parametrize("body", ["", "hello", "[]", "{}", '{"id": 5}', "[" * 100_000, "\x00"])
def test_a_message_that_names_no_notice_is_dropped(body: str) -> None:
    with account(ListedChannel("slack")) as all:
        record = {
            "messageId": "m", "receiptHandle": "h", "body": body,
            "eventSourceARN": f"arn:aws:sqs:{aws.REGION}:{ACCOUNT}:queue-slack",
        }  # fmt: skip
        assert notice_sender.handle({"Records": [record]}, all.app) == {"batchItemFailures": []}
        assert all.reported[0].text == "a message that names no notice"


def test_a_message_delivered_twice_is_sent_once() -> None:
    slack = ListedChannel("slack")
    with account(slack) as all:
        all.board.post(notice())
        [record] = all.waiting("slack")
        answers = [notice_sender.handle({"Records": [record]}, all.app) for _ in range(2)]
    assert answers == [{"batchItemFailures": []}] * 2
    assert slack.sent == [notice()]


def hidden_for(sqs: Any) -> list[int]:
    """Return for how long messages are hidden from now on."""
    seconds: list[int] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        seconds.append(params["VisibilityTimeout"])

    sqs.meta.events.register("provide-client-params.sqs.ChangeMessageVisibility", note)
    return seconds


def test_a_channel_that_asks_for_time_gets_it_and_the_rest_of_its_batch_waits_too() -> None:
    def busy(notice_id: str) -> tuple[int, dict[str, str]]:
        return 429, {"Retry-After": "30"}

    with serving(busy) as service, account(HttpChannel("slack", service.port)) as all:
        all.board.post(notice())
        all.board.post(notice("another"))
        seconds = hidden_for(all.sqs)
        assert len(all.run("slack")) == 2
        assert seconds == [31, 31]
        assert len(service.arrived) == 1
        assert all.waiting("slack") == []  # hidden
        all.board.post(notice("third"))  # and so does what comes alone, in a batch of its own
        assert len(all.run("slack")) == 1
        assert len(service.arrived) == 1
        all.clock.advance(all.clock() + timedelta(seconds=31))
        all.board.post(notice("fourth"))
        all.run("slack")
        assert len(service.arrived) == 2


def test_one_message_that_fails_does_not_fail_the_others() -> None:
    slack = ListedChannel("slack", RuntimeError("a bug"))
    with account(slack) as all:
        all.board.post(notice())
        all.board.post(notice("another", incident_id="inc-2"))
        assert len(all.run("slack")) == 1
    assert len(slack.sent) == 1
    assert all.reported[0].text == "RuntimeError: a bug"


def test_a_notice_that_a_channel_gives_up_is_a_dead_letter_and_can_be_replayed() -> None:
    slack = ListedChannel("slack", REVOKED)
    with account(slack) as all:
        all.board.post(notice())
        assert all.run("slack") == []
        with all.letters.hold(10) as [letter]:
            assert letter.destination is Destination.CHANNEL
            why = (
                "slack did not take it: token_revoked;"
                " there is no other channel than sns, where it was told"
            )
            assert (letter.source, letter.why) == ("channel slack", why)
            event: Any = letter.event
        told = tell_again(
            event["notice_id"], event["channels"], all.log, all.app.queues.put, all.clock
        )
        assert "given to slack once more" in told
        assert all.run("slack") == []
    assert slack.sent == [notice()]


def test_an_escalation_that_its_only_channel_does_not_take_is_mailed_to_everybody() -> None:
    slack = ListedChannel("slack", REVOKED)
    with account(slack) as all:
        sns = aws.client("sns")
        mail = all.sqs.create_queue(QueueName="mail")["QueueUrl"]
        [topic] = sns.list_topics()["Topics"]
        sns.subscribe(
            TopicArn=topic["TopicArn"], Protocol="sqs",
            Endpoint=f"arn:aws:sqs:{aws.REGION}:{ACCOUNT}:mail",
        )  # fmt: skip
        all.board.post(notice(kind=NoticeKind.ESCALATED, to=("slack",)))
        assert "Messages" not in all.sqs.receive_message(QueueUrl=mail)
        assert all.run("slack") == []
        [told] = all.sqs.receive_message(QueueUrl=mail)["Messages"]
        assert "slack did not take this: token_revoked" in told["Body"]
        assert all.waiting("slack") == []  # it is for nobody's queue


def test_a_critical_notice_that_is_not_taken_reaches_the_next_channels_queue() -> None:
    slack, pager = ListedChannel("slack", REVOKED), ListedChannel("pager")
    with account(slack, pager, pager=settings(**QUIET)) as all:
        all.board.post(notice())
        all.run("slack")
        all.run("pager")
    assert pager.sent[0].lines[0] == "slack did not take this: token_revoked"


def test_where_the_topic_is_gone_the_channels_are_told_directly() -> None:
    slack = ListedChannel("slack")
    with account(slack) as all:
        sns = aws.client("sns")
        [topic] = sns.list_topics()["Topics"]
        sns.delete_topic(TopicArn=topic["TopicArn"])
        all.board.post(notice())
        all.run("slack")
        record = all.log.get("inc-1-opened")
    assert slack.sent == [notice()]
    assert record is not None
    topics = record.delivery("sns")
    assert topics is not None
    assert (topics.outcome, topics.detail) == (
        Outcome.GIVEN_UP, "SNS: NotFound; told directly: slack",
    )  # fmt: skip


def test_where_neither_topic_nor_queue_takes_it_nobody_was_told() -> None:
    with account(ListedChannel("slack")) as all:
        sns = aws.client("sns")
        [topic] = sns.list_topics()["Topics"]
        sns.delete_topic(TopicArn=topic["TopicArn"])
        all.sqs.delete_queue(QueueUrl=all.urls["slack"])
        with pytest.raises(NoticeError, match="the queue of slack"):
            all.board.post(notice())


def test_a_queue_that_cannot_be_reached_is_told_in_our_words() -> None:
    sqs = aws.client("sqs")

    def fail(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://sqs")

    sqs.meta.events.register("before-call.sqs", fail)
    with pytest.raises(NoticeError, match="https://sqs"):
        NoticeQueues(sqs, {"slack": "https://sqs/1/queue-slack"}).put("n", "slack")
    with pytest.raises(NoticeError, match="mail has no queue"):
        NoticeQueues(sqs, {}).put("n", "mail")


def test_a_message_that_cannot_be_hidden_comes_again_all_the_same() -> None:
    slack = ListedChannel("slack", ChannelError("HTTP 503", retryable=True))
    with account(slack) as all:
        all.board.post(notice())
        [record] = all.waiting("slack")
        forged = {**record, "receiptHandle": "none"}
        answer = notice_sender.handle({"Records": [forged]}, all.app)
    assert answer == {"batchItemFailures": [{"itemIdentifier": record["messageId"]}]}


# What it costs


def test_the_first_notice_costs_two_calls_of_the_store_before_and_after_it_leaves() -> None:
    with account(ListedChannel("slack")) as all:
        all.calls.clear()
        all.board.post(notice())
    assert all.calls == ["PutItem", "UpdateItem"]


def test_a_delivery_costs_five_calls_and_one_that_comes_again_one() -> None:
    with account(ListedChannel("slack")) as all:
        all.board.post(notice())
        [record] = all.waiting("slack")
        all.calls.clear()
        notice_sender.handle({"Records": [record]}, all.app)
        # the notice, the turn, the beginning, the thread, the end
        assert all.calls == ["GetItem", "UpdateItem", "UpdateItem", "PutItem", "UpdateItem"]
        all.calls.clear()
        notice_sender.handle({"Records": [record]}, all.app)
        assert all.calls == ["GetItem"]


# Digests, tries, dry runs


def test_a_digest_goes_through_the_channel_that_it_is_for() -> None:
    with account(ListedChannel("mail")) as all:
        notice_sender.handle({"digest": "weekly", "channel": "mail"}, all.app)
    assert all.digests == [("mail", "weekly")]


def test_a_try_tells_what_each_channel_said() -> None:
    slack, mail = ListedChannel("slack", REVOKED), ListedChannel("mail")
    with account(slack, mail) as all:
        answer = notice_sender.handle({"try": ["slack", "mail", "mial"]}, all.app)
        with all.letters.hold(10) as letters:
            assert list(letters) == []
    assert answer == {
        "tried": [
            {"channel": "slack", "ok": False, "text": "token_revoked"},
            {"channel": "mail", "ok": True, "text": "delivered"},
            {
                "channel": "mial", "ok": False,
                "text": "there is no such channel; there are: slack, mail",
            },
        ]
    }  # fmt: skip


def test_nothing_is_sent_in_a_dry_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTORECOVERY_DRY_RUN", "true")
    courier.cache_clear()
    with pytest.raises(ConfigurationError, match="AUTORECOVERY_DRY_RUN"):
        courier()


def test_two_workers_that_race_for_a_conversation_make_one_message() -> None:
    slack = ListedChannel("slack")
    with account(slack) as all:
        for each in (notice(), notice("second", at=START + timedelta(seconds=1))):
            all.board.post(each)
        turn = all.log.take_turn("slack", "inc-1", START, timedelta(seconds=90))
        assert turn is not None
        assert len(all.run("slack")) == 2  # another worker is at it
        all.log.give_back_turn(turn)
        for notice_id in ("inc-1-opened", "second"):
            all.app.queues.put(notice_id, "slack")
        assert all.run("slack") == []
    assert [shown is None for shown in slack.shown] == [True, False]
