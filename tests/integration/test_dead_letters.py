"""One contract for what nobody understood: kept with its reason, bounded, and read back."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from moto import mock_aws

from autorecovery.adapters.aws import dead_letters as sqs_letters
from autorecovery.adapters.aws.dead_letter_box import SqsDeadLetterBox
from autorecovery.adapters.aws.dead_letters import SqsDeadLetters
from autorecovery.adapters.aws.functions import DeployedFunction, DeployedResponses
from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.dead_letters import KEPT_FOR, MAX_EVENT, SqliteDeadLetters
from autorecovery.errors import ReadError, StoreError
from autorecovery.models.letter import Destination, Letter
from autorecovery.ports import DeadLetterBox, DeadLetters
from tests.dead_letter_messages import REFUSED, failed_invocation, sample
from tests.integration import aws
from tests.response_world import START

Store = tuple[DeadLetters, DeadLetterBox]
QUEUE = "dead"


@pytest.fixture(params=["sqs", "sqlite"])
def letters(request: pytest.FixtureRequest) -> Iterator[Store]:
    with ExitStack() as stack:
        if request.param == "sqlite":
            database = Database(None)
            stack.callback(database.close)
            kept = SqliteDeadLetters(database)
            yield kept, kept
            return
        stack.enter_context(mock_aws())
        sqs = aws.client("sqs")
        url = sqs.create_queue(QueueName=QUEUE)["QueueUrl"]
        yield SqsDeadLetters(sqs, url), SqsDeadLetterBox(sqs, url)


def waiting(box: DeadLetterBox, at_most: int = 100) -> list[Letter]:
    with box.hold(at_most) as found:
        return list(found)


def test_an_event_is_kept_with_its_reason_and_read_back(letters: Store) -> None:
    store, box = letters
    event = {"odd": [1, None, "ü", {"deep": '"'}]}
    store.keep(event, "no such shape", START)
    [letter] = waiting(box)
    assert (letter.event, letter.why, letter.at) == (event, "no such shape", START)
    assert (letter.destination, letter.obstacle) == (Destination.TRIAGE, "")


def test_what_json_cannot_say_is_kept_as_python_shows_it(letters: Store) -> None:
    store, box = letters
    store.keep({"raw": b"\xff"}, "bytes", START)
    assert "xff" in str(waiting(box)[0].event)


def test_looking_takes_nothing_out_however_often(letters: Store) -> None:
    store, box = letters
    for number in range(23):  # SQS hands out ten at once
        store.keep({"number": number}, "odd", START + timedelta(seconds=number))
    for _ in range(3):
        found = waiting(box)
        assert [letter.event for letter in found] == [{"number": n} for n in range(23)]
        assert box.count() == 23
    assert len({letter.id for letter in found}) == 23


@pytest.mark.parametrize("at_most", [1, 7, 10, 11])
def test_no_more_letters_are_held_than_asked_for(letters: Store, at_most: int) -> None:
    store, box = letters
    for number in range(15):
        store.keep({"number": number}, "odd", START)
    assert len(waiting(box, at_most)) == at_most
    assert box.count() == 15


def test_a_removed_letter_is_gone_and_the_others_stay(letters: Store) -> None:
    store, box = letters
    for number in range(3):
        store.keep({"number": number}, "odd", START + timedelta(seconds=number))
    with box.hold(10) as (_, second, _):
        box.remove(second)
    assert [letter.event for letter in waiting(box)] == [{"number": 0}, {"number": 2}]


def test_removing_twice_is_harmless(letters: Store) -> None:
    store, box = letters
    store.keep({}, "odd", START)
    with box.hold(10) as (letter,):
        box.remove(letter)
        box.remove(letter)
    assert waiting(box) == []


def test_a_reader_that_dies_in_the_middle_has_taken_nothing(letters: Store) -> None:
    store, box = letters
    store.keep({}, "odd", START)
    with pytest.raises(KeyboardInterrupt), box.hold(10):
        raise KeyboardInterrupt
    assert len(waiting(box)) == 1


def test_an_empty_store_has_no_letters(letters: Store) -> None:
    _, box = letters
    assert (waiting(box), box.count()) == ([], 0)


def test_an_event_that_was_cut_says_that_it_cannot_be_replayed(letters: Store) -> None:
    store, box = letters
    store.keep({"long": "x" * 300_000}, "too long", START)
    [letter] = waiting(box)
    assert letter.destination is Destination.NOBODY
    assert "only its beginning is here" in letter.obstacle
    assert str(letter.event).startswith('{"long": "xxx')


@pytest.mark.parametrize("size", [150_000, 300_000, 5_000_000])
def test_an_event_of_any_size_is_kept_within_bounds(letters: Store, size: int) -> None:
    store, box = letters
    store.keep({"long": '"' * size}, "too long" * 1_000, START)
    [letter] = waiting(box)
    assert letter.why.startswith("too long")
    assert len(json.dumps(letter.event)) <= max(2 * MAX_EVENT, 2 * sqs_letters.MAX_EVENT)


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


def test_on_one_machine_a_letter_is_kept_as_long_as_a_queue_keeps_it() -> None:
    database = Database(None)
    store = SqliteDeadLetters(database)
    store.keep({"number": 1}, "odd", START)
    store.keep({"number": 2}, "odd", START + KEPT_FOR)
    assert store.count() == 2
    store.keep({"number": 3}, "odd", START + KEPT_FOR + timedelta(seconds=1))
    assert [letter.event for letter in waiting(store)] == [{"number": 2}, {"number": 3}]
    database.close()


# The queue


@pytest.fixture
def queue() -> Iterator[tuple[Any, str]]:
    with mock_aws():
        sqs = aws.client("sqs")
        yield sqs, sqs.create_queue(QueueName=QUEUE)["QueueUrl"]


def test_what_others_put_into_the_queue_is_read_with_its_attributes(
    queue: tuple[Any, str],
) -> None:
    sqs, url = queue
    event = sample("cpu_high")
    attributes = {
        name: {"DataType": "String", "StringValue": value} for name, value in REFUSED.items()
    }
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps(failed_invocation(event)))
    sqs.send_message(QueueUrl=url, MessageBody="a notice", MessageAttributes=attributes)
    failed, notice = waiting(SqsDeadLetterBox(sqs, url))
    assert (failed.event, failed.destination) == (event, Destination.TRIAGE)
    assert (notice.event, notice.why) == ("a notice", "403: the address bounced")


def test_what_one_person_holds_another_does_not_see_but_counts(queue: tuple[Any, str]) -> None:
    sqs, url = queue
    SqsDeadLetters(sqs, url).keep({}, "odd", START)
    mine, yours = SqsDeadLetterBox(sqs, url), SqsDeadLetterBox(sqs, url)
    with mine.hold(10) as held:
        assert (len(held), waiting(yours), yours.count()) == (1, [], 1)
    assert len(waiting(yours)) == 1


@pytest.mark.parametrize(
    ("operation", "act"),
    [
        ("get_queue_attributes", lambda box: box.count()),
        ("receive_message", lambda box: box.hold(1).__enter__()),
    ],
)
def test_a_queue_that_cannot_be_read_is_told_in_our_words(operation: str, act: Any) -> None:
    with aws.answering("sqs") as (sqs, stubber):
        stubber.add_client_error(operation, "AccessDeniedException")
        with pytest.raises(ReadError, match="dead letters: AccessDeniedException"):
            act(SqsDeadLetterBox(sqs, "https://queue"))


def test_a_letter_that_cannot_be_removed_is_told_in_our_words() -> None:
    letter = Letter("1", START, "", "", {}, Destination.TRIAGE, handle="handle-1")
    with aws.answering("sqs") as (sqs, stubber):
        stubber.add_client_error("delete_message", "AccessDeniedException")
        with pytest.raises(StoreError, match="removing the dead letter 1: AccessDenied"):
            SqsDeadLetterBox(sqs, "https://queue").remove(letter)


# Our functions, called by hand


class Payload:
    """What an invocation answers, read once."""

    def __init__(self, content: object) -> None:
        self._text = json.dumps(content).encode()

    def read(self) -> bytes:
        return self._text


def test_triage_is_asked_synchronously_with_the_event_as_it_was() -> None:
    event = sample("cpu_high")
    with aws.answering("lambda") as (client, stubber):
        request = {
            "FunctionName": "arn:triage", "InvocationType": "RequestResponse",
            "Payload": json.dumps(event).encode(),
        }  # fmt: skip
        answer = {"StatusCode": 200, "Payload": Payload({"signals": 1})}
        stubber.add_response("invoke", answer, request)
        assert DeployedFunction(client, "MetricProcessor", "arn:triage")(event) == {"signals": 1}


def test_a_function_that_fails_says_why() -> None:
    with aws.answering("lambda") as (client, stubber):
        error = Payload({"errorType": "StoreError", "errorMessage": "open: throttled"})
        failed = {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": error}
        stubber.add_response("invoke", failed)
        with pytest.raises(StoreError, match="MetricProcessor failed: StoreError: open: throttled"):
            DeployedFunction(client, "MetricProcessor", "arn:triage")({})


def test_a_function_that_cannot_be_called_says_why() -> None:
    with aws.answering("lambda") as (client, stubber):
        stubber.add_client_error("invoke", "AccessDeniedException")
        with pytest.raises(StoreError, match="calling MetricProcessor: AccessDeniedException"):
            DeployedFunction(client, "MetricProcessor", "arn:triage")({})


def test_a_response_is_started_by_its_name_and_looked_at() -> None:
    with aws.answering("lambda") as (client, stubber):
        request = {
            "FunctionName": "arn:responder:live", "InvocationType": "Event",
            "DurableExecutionName": "inc-1", "Payload": b'{"incident_id": "inc-1"}',
        }  # fmt: skip
        execution = "arn:aws:lambda:eu-west-1:111122223333:function:r:1/durable-execution/inc-1/x"
        stubber.add_response(
            "invoke", {"StatusCode": 202, "DurableExecutionArn": execution}, request
        )
        stubber.add_response(
            "get_durable_execution",
            {
                "DurableExecutionArn": execution, "DurableExecutionName": "inc-1",
                "FunctionArn": "arn:responder:1", "StartTimestamp": START, "Status": "FAILED",
            },
            {"DurableExecutionArn": execution},
        )  # fmt: skip
        assert DeployedResponses(client, "arn:responder:live").start("inc-1") == "FAILED"


@pytest.mark.parametrize("code", [None, "ResourceNotFoundException", "AccessDeniedException"])
def test_how_a_response_stands_may_stay_unknown(code: str | None) -> None:
    with aws.answering("lambda") as (client, stubber):
        execution = {"DurableExecutionArn": "arn:x"} if code else {}
        stubber.add_response("invoke", {"StatusCode": 202, **execution})
        if code:
            stubber.add_client_error("get_durable_execution", code)
        assert DeployedResponses(client, "arn:responder:live").start("inc-1") == ""


def test_a_response_of_another_payload_under_this_name_is_left_alone() -> None:
    with aws.answering("lambda") as (client, stubber):
        stubber.add_client_error("invoke", "DurableExecutionAlreadyStartedException")
        assert DeployedResponses(client, "arn:responder:live").start("inc-1") == ""


def test_a_responder_that_cannot_be_called_says_why() -> None:
    with aws.answering("lambda") as (client, stubber):
        stubber.add_client_error("invoke", "TooManyRequestsException")
        with pytest.raises(StoreError, match="start of inc-1: TooManyRequestsException"):
            DeployedResponses(client, "arn:responder:live").start("inc-1")
