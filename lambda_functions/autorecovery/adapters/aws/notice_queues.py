"""The queues of the channels: one each, so that each waits, fails and is repeated alone.

A message names a notice by its id; what it says is read from the record. That it came through the
topic or was put here directly makes no difference.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from autorecovery.adapters.aws.errors import code_of, storing
from autorecovery.errors import NoticeError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

LONGEST_WAIT = timedelta(hours=11)
"""SQS hides a message for 12 hours after it was received, and not longer."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One message of a channel's queue, as Lambda hands it over."""

    message_id: str
    notice_id: str
    """Empty where the message names none: somebody else's, on a topic that is not ours alone."""
    via: str
    handle: str


class NoticeQueues:
    """One SQS queue per channel, by the channel's name."""

    def __init__(self, client: "SQSClient", urls: Mapping[str, str]) -> None:
        self._client = client
        self._urls = urls

    @property
    def names(self) -> tuple[str, ...]:
        """Return the channels that have a queue."""
        return tuple(self._urls)

    def put_all(self, notice_id: str, channels: Iterable[str]) -> list[str]:
        """Put a notice into these queues and return which took it; NoticeError where none did."""
        taken, refused = [], []
        for name in channels:
            try:
                self.put(notice_id, name)
                taken.append(name)
            except NoticeError as error:
                refused.append(str(error))
        if refused and not taken:
            raise NoticeError("; ".join(refused))
        return taken

    def put(self, notice_id: str, channel: str) -> None:
        """Put a recorded notice into this channel's queue; NoticeError where it is not taken."""
        if channel not in self._urls:
            raise NoticeError(f"{channel} has no queue")
        try:
            self._client.send_message(
                QueueUrl=self._urls[channel],
                MessageBody=json.dumps({"id": notice_id}),
                MessageAttributes={
                    "channels": {
                        "DataType": "String.Array", "StringValue": json.dumps([channel]),
                    },
                },
            )  # fmt: skip
        except ClientError as error:
            raise NoticeError(f"the queue of {channel}: {code_of(error)}") from error
        except BotoCoreError as error:
            raise NoticeError(f"the queue of {channel}: {error}") from error

    def read(self, record: Mapping[str, Any]) -> Waiting:
        """Return the message that a record of Lambda's event is; KeyError where it is none."""
        try:
            body = json.loads(record["body"])
        except (ValueError, RecursionError):
            body = None
        named = body.get("id") if isinstance(body, dict) else None
        queue = record["eventSourceARN"].rpartition(":")[2]
        via = next((n for n, url in self._urls.items() if url.rpartition("/")[2] == queue), "")
        notice_id = named if isinstance(named, str) else ""
        return Waiting(record["messageId"], notice_id, via, record["receiptHandle"])

    def hide(self, waiting: Waiting, during: timedelta) -> None:
        """Let this message come again after so long; StoreError where SQS does not take that."""
        with storing(f"a message of {waiting.via}"):
            self._client.change_message_visibility(
                QueueUrl=self._urls[waiting.via],
                ReceiptHandle=waiting.handle,
                VisibilityTimeout=int(min(during, LONGEST_WAIT).total_seconds()) + 1,
            )
