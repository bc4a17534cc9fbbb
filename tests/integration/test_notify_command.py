"""`autorecovery notify`: channels tried, messages of scripts told, and what became of them."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from autorecovery.adapters.aws import clients
from autorecovery.adapters.aws.notice_log import DynamoDbNoticeLog
from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.dead_letters import SqliteDeadLetters
from autorecovery.adapters.sqlite.notice_log import SqliteNoticeLog
from autorecovery.delivery.deliver import given_up
from autorecovery.delivery.trial import Tried
from autorecovery.models.delivery import Delivery, Outcome
from autorecovery.models.notice import NoticeKind
from autorecovery.models.reason import Level
from command_line import dead_letters, messages
from command_line.failures import Failure
from local_runtime.machine import DATABASE
from tests.integration import aws

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "\x1b[31m<!channel> \u202e $(reboot)"


def send(home: Path | None = None, stack: str | None = None, **more: str) -> None:
    told = {"producer": "backup", "level": "error", "title": "It failed", "message": "a\nb"} | more
    messages.send(
        told["producer"], told["level"], told["title"], told["message"], stack,
        {"AUTORECOVERY_HOME": str(home)}, as_json=False,
    )  # fmt: skip


def listed(capsys: pytest.CaptureFixture[str], home: Path, **more: Any) -> list[dict[str, Any]]:
    capsys.readouterr()
    wanted = {"producer": None, "level": None, "since": None, "limit": 20} | more
    messages.list_notices(None, {"AUTORECOVERY_HOME": str(home)}, as_json=True, **wanted)
    notices: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["notices"]
    return notices


def test_a_message_of_a_script_is_recorded_and_due(tmp_path: Path) -> None:
    SqliteNoticeLog(Database(tmp_path / DATABASE)).follow(["chat"])
    send(tmp_path)
    log = SqliteNoticeLog(Database(tmp_path / DATABASE))
    [record] = log.query(producer="backup", level=Level.ERROR)
    notice = record.notice
    assert (notice.kind, notice.headline) == (NoticeKind.MESSAGE, "[ERROR] It failed")
    assert notice.lines == ("a", "b")
    now = datetime.now(UTC)
    assert log.due("chat", now, now - now, lambda each: True) == [notice.id]


def test_the_command_takes_the_message_from_its_input_and_shows_it_harmless(
    tmp_path: Path,
) -> None:
    def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "command_line.main", "notify", *arguments],
            cwd=ROOT, env={**os.environ, "AUTORECOVERY_HOME": str(tmp_path)}, input=stdin,
            text=True, capture_output=True, timeout=30, check=False,
        )  # fmt: skip

    told = run("send", "--channel=security_check", "--level=CRITICAL", "--title", HOSTILE,
               "--message=-", stdin=f"first\n{HOSTILE}")  # fmt: skip
    assert (told.returncode, told.stderr) == (0, "")
    shown = run("list")
    assert "critical  security_check  [CRITICAL] [31m<!channel>" in shown.stdout
    assert "\x1b" not in shown.stdout
    refused = run("send", "--channel=x", "--level=bad", "--title=t", "--message=m")
    assert (refused.returncode, "is none of info" in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"producer": "a b"}, "names no teller"),
        ({"producer": "incident_response"}, "and not incident_response"),
        ({"producer": "-x"}, "names no teller"),
        ({"level": "fatal"}, "is none of"),
        ({"title": " \n\x00"}, "say in a line"),
    ],
)
def test_what_cannot_be_told_is_refused(tmp_path: Path, wrong: dict[str, str], told: str) -> None:
    with pytest.raises(Failure, match=told) as refused:
        send(tmp_path, **wrong)
    assert refused.value.exit_code == 2


def test_a_megabyte_of_message_is_recorded_in_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("x" * 2_000_000))
    send(tmp_path, message="-")
    [notice] = listed(capsys, tmp_path)
    assert notice["message"].endswith("(what followed was too long to be kept)")
    assert len(notice["message"]) < 50_000


def test_what_was_told_is_listed_by_teller_level_and_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    send(tmp_path)
    send(tmp_path, producer="cron", level="info")
    assert [n["channel"] for n in listed(capsys, tmp_path)] == ["cron", "backup"]
    assert [n["channel"] for n in listed(capsys, tmp_path, producer="cron")] == ["cron"]
    assert [n["channel"] for n in listed(capsys, tmp_path, level="error")] == ["backup"]
    assert len(listed(capsys, tmp_path, since="1h", limit=1)) == 1


def test_the_list_says_what_became_of_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    send(tmp_path)
    log = SqliteNoticeLog(Database(tmp_path / DATABASE))
    [record] = log.query()
    log.end(record.notice.id, Delivery("mail", Outcome.DELIVERED, record.notice.at))
    log.end(record.notice.id, Delivery("chat", Outcome.GIVEN_UP, record.notice.at, 3, "revoked"))
    [told] = listed(capsys, tmp_path)
    assert (told["delivered_via"], told["outcome"]) == (["mail"], "given up")
    messages.list_notices(
        None, {"AUTORECOVERY_HOME": str(tmp_path)},
        producer=None, level=None, since=None, limit=5, as_json=False,
    )  # fmt: skip
    assert "via chat: given up, revoked" in capsys.readouterr().out


def test_a_notice_that_was_given_up_here_is_due_again_after_a_replay(tmp_path: Path) -> None:
    variables = {"AUTORECOVERY_HOME": str(tmp_path)}
    send(tmp_path)
    database = Database(tmp_path / DATABASE)
    log = SqliteNoticeLog(database)
    [record] = log.query()
    now = record.notice.at
    log.end(record.notice.id, Delivery("chat", Outcome.GIVEN_UP, now, 12, "revoked"))
    SqliteDeadLetters(database).keep(given_up(record.notice.id, "chat"), "revoked", now)
    config = tmp_path / "config.yaml"
    config.write_text("service: shop")
    dead_letters.replay_some([], None, variables, config, everything=True, limit=9, as_json=False)
    assert SqliteDeadLetters(database).count() == 0
    assert log.begin(record.notice.id, "chat", datetime.now(UTC), now - now) is not None


# Trying channels of this machine


def test_a_try_without_any_channel_says_where_they_are_configured(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("service: shop")
    with pytest.raises(Failure, match=r"notify\.channels") as refused:
        messages.try_channels(None, config, None, {}, as_json=False)
    assert refused.value.exit_code == 5


def test_a_try_of_an_unknown_channel_names_those_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text('notify: { channels: { chat: { webhook: { url: "env:HOOK" } } } }')
    variables = {"AUTORECOVERY_HOME": str(tmp_path)}
    with pytest.raises(Failure, match="not delivered by: caht") as failed:
        messages.try_channels("caht", config, None, variables, as_json=True)
    assert failed.value.exit_code == 5
    [tried] = json.loads(capsys.readouterr().out)["tried"]
    assert tried["text"] == "there is no such channel; there are: chat"


# A deployed stack


def template(**outputs: object) -> str:
    keys = ("pk", "sk", "recent_pk", "recent_sk")
    schema = [
        {"AttributeName": name, "KeyType": kind} for name, kind in (("pk", "HASH"), ("sk", "RANGE"))
    ]
    index = [{**each, "AttributeName": f"recent_{each['AttributeName']}"} for each in schema]
    content = {
        "Resources": {
            "Topic": {"Type": "AWS::SNS::Topic"},
            "Chat": {"Type": "AWS::SQS::Queue"},
            "Table": {
                "Type": "AWS::DynamoDB::Table",
                "Properties": {
                    "AttributeDefinitions": [
                        {"AttributeName": name, "AttributeType": "S"} for name in keys
                    ],
                    "KeySchema": schema,
                    "BillingMode": "PAY_PER_REQUEST",
                    "GlobalSecondaryIndexes": [
                        {
                            "IndexName": "recent",
                            "KeySchema": index,
                            "Projection": {"ProjectionType": "ALL"},
                        }
                    ],
                },
            },
        },
        "Outputs": {
            "TableName": {"Value": {"Ref": "Table"}},
            "NoticeTopicArn": {"Value": {"Ref": "Topic"}},
            "NoticeChannels": {"Value": {"Fn::Sub": '{"chat":"${Chat}"}'}},
            "NoticeSenderArn": {"Value": "arn:sender"},
            **outputs,
        },
    }
    return json.dumps(content)


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Yield what a deployed stack named `shop` told of itself."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", aws.REGION)
    clients._session.cache_clear()
    with mock_aws():
        cloudformation = aws.client("cloudformation")
        cloudformation.create_stack(StackName="shop", TemplateBody=template())
        described = cloudformation.describe_stacks(StackName="shop")["Stacks"][0]["Outputs"]
        yield {each["OutputKey"]: each["OutputValue"] for each in described}
    clients._session.cache_clear()


def log_of(stack: Any) -> DynamoDbNoticeLog:
    return DynamoDbNoticeLog(aws.client("dynamodb"), stack["TableName"], lambda: datetime.now(UTC))


def test_a_message_goes_to_the_topic_of_a_stack_for_every_channel_of_it(stack: Any) -> None:
    sqs, sns = aws.client("sqs"), aws.client("sns")
    queue = json.loads(stack["NoticeChannels"])["chat"]
    arn = f"arn:aws:sqs:{aws.REGION}:123456789012:{queue.rpartition('/')[2]}"
    sns.subscribe(
        TopicArn=stack["NoticeTopicArn"], Protocol="sqs", Endpoint=arn,
        Attributes={"RawMessageDelivery": "true", "FilterPolicy": '{"channels": ["chat"]}'},
    )  # fmt: skip
    send(stack="shop")
    [record] = log_of(stack).query(producer="backup")
    assert record.delivered_via == ("sns",)
    [message] = sqs.receive_message(QueueUrl=queue)["Messages"]
    assert json.loads(message["Body"])["id"] == record.notice.id


def test_where_the_topic_is_gone_the_message_goes_to_the_queues(stack: Any) -> None:
    aws.client("sns").delete_topic(TopicArn=stack["NoticeTopicArn"])
    send(stack="shop")
    [record] = log_of(stack).query(producer="backup")
    queue = json.loads(stack["NoticeChannels"])["chat"]
    [message] = aws.client("sqs").receive_message(QueueUrl=queue)["Messages"]
    assert json.loads(message["Body"]) == {"id": record.notice.id}


def test_where_nobody_takes_it_the_command_says_so(stack: Any) -> None:
    aws.client("sns").delete_topic(TopicArn=stack["NoticeTopicArn"])
    aws.client("sqs").delete_queue(QueueUrl=json.loads(stack["NoticeChannels"])["chat"])
    with pytest.raises(Failure, match="is recorded, and nobody took it: SNS: NotFound") as failed:
        send(stack="shop")
    assert failed.value.exit_code == 5


def test_a_try_of_the_topic_is_published_and_recorded(
    stack: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    messages.try_channels("sns", Path("none"), "shop", {}, as_json=False)
    assert "sns: taken" in capsys.readouterr().out
    [record] = log_of(stack).query(producer="notify_test")
    assert record.delivered_via == ("sns",)


def test_a_try_of_a_stacks_channel_is_made_by_its_own_function() -> None:
    asked: list[object] = []

    def sender(event: object) -> dict[str, Any]:
        asked.append(event)
        return {"tried": [{"channel": "chat", "ok": False, "text": "token_revoked"}]}

    assert messages.ask(sender, ["chat"]) == [Tried("chat", False, "token_revoked")]
    assert asked == [{"try": ["chat"]}]


def test_a_stack_without_channels_says_so(stack: Any) -> None:
    without = template(NoticeSenderArn={"Value": "none"}, NoticeChannels={"Value": "{}"})
    aws.client("cloudformation").create_stack(StackName="plain", TemplateBody=without)
    with pytest.raises(Failure, match="has no channels"):
        messages.try_channels("chat", Path("none"), "plain", {}, as_json=False)
