"""The dead-letter queue read back: looked at without taking anything out.

SQS hands a message to one reader at a time and hides it from the others meanwhile. So whoever looks
holds the letters, and puts back at the end what was not removed. A standard queue answers with a
sample of what it has, in no order.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from autorecovery.adapters.aws.errors import reading, storing
from autorecovery.adapters.aws.letter_shapes import Message, read_message
from autorecovery.models.letter import Letter

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

HELD_FOR = timedelta(minutes=5)
"""How long a letter stays hidden from others if the reader dies; after that it is back."""

BATCH = 10
"""The most messages that SQS hands out, or puts back, at once."""


class SqsDeadLetterBox:
    """DeadLetterBox over an SQS queue."""

    def __init__(self, client: "SQSClient", queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def count(self) -> int:
        """See DeadLetterBox.count; SQS itself calls its numbers approximate."""
        with reading("dead letters"):
            told = self._client.get_queue_attributes(
                QueueUrl=self._queue_url,
                AttributeNames=[
                    "ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesNotVisible",
                ],
            )["Attributes"]
        return sum(int(number) for number in told.values())

    @contextmanager
    def hold(self, at_most: int) -> Iterator[Sequence[Letter]]:
        """See DeadLetterBox.hold."""
        held: dict[str, Letter] = {}
        try:
            while len(held) < at_most and (found := self._receive(at_most - len(held))):
                # Delivered twice, the newer handle is the one that counts.
                held |= {letter.id: letter for letter in found}
            yield sorted(held.values(), key=lambda letter: letter.at)
        finally:
            self._put_back(list(held.values()))

    def remove(self, letter: Letter) -> None:
        """See DeadLetterBox.remove."""
        with storing(f"removing the dead letter {letter.id}"):
            self._client.delete_message(QueueUrl=self._queue_url, ReceiptHandle=letter.handle)

    def _receive(self, at_most: int) -> list[Letter]:
        with reading("dead letters"):
            messages = self._client.receive_message(
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=min(at_most, BATCH),
                VisibilityTimeout=int(HELD_FOR.total_seconds()),
                WaitTimeSeconds=1,  # asks every server of the queue: an empty answer means empty
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["SentTimestamp"],
            ).get("Messages", [])
        return [read_message(_message(each)) for each in messages]

    def _put_back(self, letters: Sequence[Letter]) -> None:
        """Let others see these letters again; those that were removed are not missed."""
        for start in range(0, len(letters), BATCH):
            with storing("putting dead letters back"):
                self._client.change_message_visibility_batch(
                    QueueUrl=self._queue_url,
                    Entries=[
                        {"Id": str(n), "ReceiptHandle": letter.handle, "VisibilityTimeout": 0}
                        for n, letter in enumerate(letters[start : start + BATCH])
                    ],
                )


def _message(found: Any) -> Message:
    sent = int(found.get("Attributes", {}).get("SentTimestamp", 0))
    return Message(
        id=found["MessageId"],
        body=found["Body"],
        sent_at=datetime.fromtimestamp(sent / 1000, UTC),
        attributes={
            name: attribute.get("StringValue", "")
            for name, attribute in found.get("MessageAttributes", {}).items()
        },
        handle=found["ReceiptHandle"],
    )
