"""What nobody understood, kept in an SQS queue."""

import json
from datetime import datetime
from typing import TYPE_CHECKING

from autorecovery.adapters.aws.errors import storing

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MAX_EVENT = 200_000
"""Bytes kept of one event: an SQS message holds 256 KiB, its JSON escapes included."""


class SqsDeadLetters:
    """DeadLetters over an SQS queue."""

    def __init__(self, client: "SQSClient", queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def keep(self, event: object, why: str, at: datetime) -> None:
        """See DeadLetters.keep."""
        letter = {"why": why[:1000], "at": at.isoformat(), "event": event}
        body = json.dumps(letter, default=repr)
        if len(body) > MAX_EVENT:
            cut = json.dumps(event, default=repr)[: MAX_EVENT // 2]
            body = json.dumps({**letter, "event": cut, "cut": True})
        with storing("dead letter"):
            self._client.send_message(QueueUrl=self._queue_url, MessageBody=body)
