"""What people said while the system runs, and the fleet's book, in the incident table:

control             halt · window#<name> · silence#<name>
approval#<attempt>  decision
trust#<script>|<rule>  demotion · promotion
fleet#<group>       ledger, with a version that every change must have seen
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from autorecovery.adapters.aws.errors import storing
from autorecovery.adapters.aws.incident_log import short_name
from autorecovery.errors import StoreError
from autorecovery.models.controls import (
    Approval,
    DeclaredWindow,
    Demotion,
    Halt,
    Promotion,
    WindowKind,
)
from autorecovery.models.fleet import FleetAllowance, Lease, Ledger
from autorecovery.models.reason import Reason
from autorecovery.models.wire import decode, encode

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

T = TypeVar("T")

BOOK_TRIES = 20
"""Tries to change a fleet's book that others change at the same time."""


_WORDS = {WindowKind.MAINTENANCE: "window", WindowKind.SILENCE: "silence"}


class DynamoDbControls:
    """Controls and FleetBudget over the incident table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def halt(self) -> Halt | None:
        """See Controls.halt."""
        return self._get("control", "halt", Halt)

    def set_halt(self, halt: Halt | None) -> None:
        """See Controls.set_halt."""
        if halt is None:
            self._remove("control", "halt")
        else:
            self._put("control", "halt", encode(halt, Halt))

    def windows(self, kind: WindowKind) -> Sequence[DeclaredWindow]:
        """See Controls.windows."""
        return self._all(f"{_WORDS[kind]}#", DeclaredWindow)

    def declare(self, window: DeclaredWindow) -> None:
        """See Controls.declare."""
        name = f"{_WORDS[window.kind]}#{window.window.name}"
        self._put("control", name, encode(window, DeclaredWindow))

    def end_window(self, kind: WindowKind, name: str) -> bool:
        """See Controls.end_window."""
        return self._remove("control", f"{_WORDS[kind]}#{name}")

    def approve(self, approval: Approval) -> Approval:
        """See Controls.approve."""
        pk = f"approval#{approval.attempt}"
        self._put(pk, "decision", encode(approval, Approval), new=True)
        return self.approval(approval.attempt) or approval

    def approval(self, attempt: str) -> Approval | None:
        """See Controls.approval."""
        return self._get(f"approval#{attempt}", "decision", Approval)

    def demote(self, demotion: Demotion) -> Demotion:
        """See Controls.demote."""
        pk = _trust_of(demotion.script, demotion.rule_name)
        self._put(pk, "demotion", encode(demotion, Demotion), new=True)
        return self._get(pk, "demotion", Demotion) or demotion

    def demotion(self, script: str, rule_name: str) -> Demotion | None:
        """See Controls.demotion."""
        return self._get(_trust_of(script, rule_name), "demotion", Demotion)

    def promote(self, promotion: Promotion) -> bool:
        """See Controls.promote."""
        pk = _trust_of(promotion.script, promotion.rule_name)
        # Written first: a demotion lifted without it would come back with the next failure.
        self._put(pk, "promotion", encode(promotion, Promotion))
        return self._remove(pk, "demotion")

    def promotion(self, script: str, rule_name: str) -> Promotion | None:
        """See Controls.promotion."""
        return self._get(_trust_of(script, rule_name), "promotion", Promotion)

    def reserve(
        self, group: str, lease: Lease, allowed: FleetAllowance, now: datetime
    ) -> Reason | None:
        """See FleetBudget.reserve."""
        refusals: list[Reason | None] = []

        def change(ledger: Ledger) -> Ledger | None:
            refusals.append(ledger.refusal(lease, allowed, now))
            return None if refusals[-1] else ledger.give(lease, allowed, now)

        self._change_book(group, change)
        return refusals[-1]

    def give_back(self, group: str, token: str) -> None:
        """See FleetBudget.give_back."""
        self._change_book(group, lambda ledger: ledger.take_back(token))

    def ledger(self, group: str) -> Ledger:
        """See FleetBudget.ledger."""
        return self._get(f"fleet#{group}", "ledger", Ledger) or Ledger()

    def _change_book(self, group: str, change: Callable[[Ledger], Ledger | None]) -> None:
        """Write what `change` makes of the book, None leaves it; after a conflict, again."""
        for _ in range(BOOK_TRIES):
            item = self._item(f"fleet#{group}", "ledger")
            ledger = decode(item["content"]["S"], Ledger) if item else Ledger()
            changed = change(ledger)
            version = int(item["version"]["N"]) if item else 0
            if changed is None or self._write_book(group, changed, version):
                return
        raise StoreError(f"book of fleet {group!r}: contended", retryable=True)

    def _write_book(self, group: str, ledger: Ledger, seen: int) -> bool:
        item = {
            **_key(f"fleet#{group}", "ledger"),
            "content": {"S": encode(ledger, Ledger)},
            "version": {"N": str(seen + 1)},
        }
        try:
            with storing("fleet"):
                self._client.put_item(
                    TableName=self._table, Item=item,
                    ConditionExpression="attribute_not_exists(pk) OR version = :seen",
                    ExpressionAttributeValues={":seen": {"N": str(seen)}},
                )  # fmt: skip
        except ClientError:
            return False
        return True

    def _item(self, pk: str, sk: str) -> dict[str, Any] | None:
        with storing("control"):
            found = self._client.get_item(
                TableName=self._table, Key=_key(pk, sk), ConsistentRead=True
            )
        return found.get("Item")

    def _get(self, pk: str, sk: str, of: type[T]) -> T | None:
        item = self._item(pk, sk)
        return decode(item["content"]["S"], of) if item else None

    def _all(self, prefix: str, of: type[T]) -> list[T]:
        with storing("controls"):
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table, ConsistentRead=True,
                KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
                ExpressionAttributeValues={":pk": {"S": "control"}, ":sk": {"S": prefix}},
            )  # fmt: skip
            return [decode(item["content"]["S"], of) for page in pages for item in page["Items"]]

    def _put(self, pk: str, sk: str, content: str, *, new: bool = False) -> bool:
        condition: Any = {"ConditionExpression": "attribute_not_exists(pk)"} if new else {}
        try:
            with storing("control"):
                self._client.put_item(
                    TableName=self._table,
                    Item={**_key(pk, sk), "content": {"S": content}},
                    **condition,
                )
        except ClientError:
            return False
        return True

    def _remove(self, pk: str, sk: str) -> bool:
        with storing("control"):
            gone = self._client.delete_item(
                TableName=self._table, Key=_key(pk, sk), ReturnValues="ALL_OLD"
            )
        return "Attributes" in gone


def _key(pk: str, sk: str) -> dict[str, dict[str, str]]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _trust_of(script: str, rule_name: str) -> str:
    return f"trust#{short_name(f'{script}|{rule_name}')}"
