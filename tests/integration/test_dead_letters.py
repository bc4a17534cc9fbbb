"""One contract for what nobody understood: kept with its reason, bounded, whatever it is."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from moto import mock_aws

from autorecovery.adapters.aws import dead_letters as sqs_letters
from autorecovery.adapters.aws.dead_letters import SqsDeadLetters
from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.dead_letters import MAX_EVENT, SqliteDeadLetters
from autorecovery.errors import StoreError
from autorecovery.ports import DeadLetters
from tests.integration import aws
from tests.response_world import START

Kept = Callable[[], list[tuple[str, str]]]


@pytest.fixture(params=["sqs", "sqlite"])
def letters(request: pytest.FixtureRequest) -> Iterator[tuple[DeadLetters, Kept]]:
    with ExitStack() as stack:
        if request.param == "sqlite":
            database = Database(None)
            stack.callback(database.close)
            kept = SqliteDeadLetters(database)
            yield kept, kept.kept
            return
        stack.enter_context(mock_aws())
        sqs = aws.client("sqs")
        url = sqs.create_queue(QueueName="dead")["QueueUrl"]
        yield SqsDeadLetters(sqs, url), lambda: _received(sqs, url)


def _received(sqs: Any, url: str) -> list[tuple[str, str]]:
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    bodies = [json.loads(message["Body"]) for message in messages]
    assert all(body["at"] == START.isoformat() for body in bodies)
    return [(body["why"], json.dumps(body["event"])) for body in bodies]


def test_an_event_is_kept_with_its_reason(letters: tuple[DeadLetters, Kept]) -> None:
    box, kept = letters
    box.keep({"odd": [1, None, "ü"]}, "no such shape", START)
    assert kept() == [("no such shape", json.dumps({"odd": [1, None, "ü"]}))]


def test_what_json_cannot_say_is_kept_as_python_shows_it(letters: tuple[DeadLetters, Kept]) -> None:
    box, kept = letters
    box.keep({"raw": b"\xff"}, "bytes", START)
    assert "xff" in kept()[0][1]


@pytest.mark.parametrize("size", [150_000, 300_000, 5_000_000])
def test_an_event_of_any_size_is_kept_within_bounds(
    letters: tuple[DeadLetters, Kept], size: int
) -> None:
    box, kept = letters
    box.keep({"long": '"' * size}, "too long" * 1_000, START)
    [(why, event)] = kept()
    assert why.startswith("too long")
    assert event[:10].replace("\\", "").startswith(('{"long', '"{"lon'))
    assert len(event) <= max(MAX_EVENT, 2 * sqs_letters.MAX_EVENT)


def test_a_message_fits_into_the_queue_however_much_it_must_be_escaped() -> None:
    sent: list[str] = []

    class Queue:
        def send_message(self, **request: Any) -> None:
            sent.append(request["MessageBody"])

    queue: Any = Queue()
    for hostile in ('"' * 1_000_000, "\x00" * 1_000_000, "ü" * 1_000_000, "\\" * 1_000_000):
        SqsDeadLetters(queue, "url").keep({"x": hostile}, hostile, START)
    assert max(len(body.encode()) for body in sent) <= 256 * 1024


@pytest.mark.parametrize(
    ("code", "retryable"), [("ThrottlingException", True), ("AccessDeniedException", False)]
)
def test_a_queue_that_does_not_take_it_is_told_in_our_words(code: str, retryable: bool) -> None:
    with aws.answering("sqs") as (sqs, stubber):
        stubber.add_client_error("send_message", code)
        with pytest.raises(StoreError, match="dead letter") as caught:
            SqsDeadLetters(sqs, "https://queue").keep({}, "why", START)
    assert caught.value.retryable is retryable
