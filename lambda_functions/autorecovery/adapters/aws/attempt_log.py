"""The memory of what was run where, in the incident table:

target#<key>    attempt#<token>    one attempt
attempts#<rule> <begun>#<token>    one attempt whose command is over, once more
command#<id>    attempt            which attempt a command belongs to
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from autorecovery.adapters.aws.errors import storing
from autorecovery.adapters.aws.incident_log import KEPT_FOR, short_name, sortable
from autorecovery.models.incident import Attempt
from autorecovery.models.signal import Target
from autorecovery.models.wire import decode, encode

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DynamoDbAttemptLog:
    """AttemptLog over the incident table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def intend(self, attempt: Attempt) -> bool:
        """See AttemptLog.intend."""
        item = self._item(attempt)
        try:
            with storing("intent"):
                # The same content is this very intention, written by a life that died before it
                # could remember, or by a request whose answer was lost and which was repeated.
                self._client.put_item(
                    TableName=self._table, Item=item,
                    ConditionExpression="attribute_not_exists(pk) OR content = :content",
                    ExpressionAttributeValues={":content": item["content"]},
                )  # fmt: skip
        except ClientError:
            return False
        return True

    def complete(self, attempt: Attempt) -> None:
        """See AttemptLog.complete."""
        with storing("attempt"):
            self._client.put_item(TableName=self._table, Item=self._item(attempt))
            if attempt.status.is_over:
                copy = {**self._item(attempt), **_key_by_rule(attempt)}
                self._client.put_item(TableName=self._table, Item=copy)
            if attempt.command_id:
                pointer = {
                    **self._command_key(attempt.command_id),
                    "target_pk": {"S": _partition(attempt.target)},
                    "token": {"S": attempt.token},
                    "expires": self._expiry(attempt),
                }
                self._client.put_item(TableName=self._table, Item=pointer)

    def last_on(self, target: Target) -> Attempt | None:
        """See AttemptLog.last_on."""
        return max(self._all_on(target), key=lambda attempt: attempt.intended_at, default=None)

    def recent_on(self, target: Target, since: datetime) -> Sequence[Attempt]:
        """See AttemptLog.recent_on."""
        recent = [attempt for attempt in self._all_on(target) if attempt.intended_at >= since]
        return sorted(recent, key=lambda attempt: attempt.intended_at, reverse=True)

    def _all_on(self, target: Target) -> list[Attempt]:
        """Return all attempts on the target: they sort by their incident's time, not their own."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table, ConsistentRead=True,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
            ExpressionAttributeValues={
                ":pk": {"S": _partition(target)}, ":sk": {"S": "attempt#"},
            },
        )  # fmt: skip
        with storing("attempts"):
            found = [item for page in pages for item in page["Items"]]
        return [decode(item["content"]["S"], Attempt) for item in found]

    def of_rule(self, rule_name: str, since: datetime) -> Sequence[Attempt]:
        """See AttemptLog.of_rule."""
        with storing("attempts"):
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table, ConsistentRead=True,
                KeyConditionExpression="pk = :pk AND sk >= :since",
                ExpressionAttributeValues={
                    ":pk": {"S": _attempts_of(rule_name)}, ":since": {"S": sortable(since)},
                },
            )  # fmt: skip
            found = [item for page in pages for item in page["Items"]]
        return [decode(item["content"]["S"], Attempt) for item in found]

    def of_command(self, command_id: str) -> Attempt | None:
        """See AttemptLog.of_command."""
        with storing("command"):
            pointer = self._client.get_item(
                TableName=self._table, Key=self._command_key(command_id), ConsistentRead=True
            ).get("Item")
            if pointer is None:
                return None
            key = {"pk": pointer["target_pk"], "sk": {"S": f"attempt#{pointer['token']['S']}"}}
            item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get(
                "Item"
            )
        return decode(item["content"]["S"], Attempt) if item else None

    def _item(self, attempt: Attempt) -> dict[str, dict[str, str]]:
        return {
            "pk": {"S": _partition(attempt.target)},
            "sk": {"S": f"attempt#{attempt.token}"},
            "content": {"S": encode(attempt, Attempt)},
            "expires": self._expiry(attempt),
        }

    def _expiry(self, attempt: Attempt) -> dict[str, str]:
        return {"N": str(int((attempt.intended_at + KEPT_FOR).timestamp()))}

    def _command_key(self, command_id: str) -> dict[str, dict[str, str]]:
        return {"pk": {"S": f"command#{command_id}"}, "sk": {"S": "attempt"}}


def _key_by_rule(attempt: Attempt) -> dict[str, dict[str, str]]:
    return {
        "pk": {"S": _attempts_of(attempt.rule_name)},
        "sk": {"S": f"{sortable(attempt.intended_at)}#{attempt.token}"},
    }


def _attempts_of(rule_name: str) -> str:
    return f"attempts#{short_name(rule_name)}"


def _partition(target: Target) -> str:
    return f"target#{short_name(target.key)}"
