"""The memory of notices, in the incident table:

    pk                      sk         what
    notice#<id>             record     one notice: content, why suppressed, each delivery's columns
    notices                 producers  who ever told anything
    thread#<via>            <conversation>  the message that stands for it, and whose turn it is

Records are also in the index `recent`, under `notices#<producer>#<level>#<month>` by their time.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from autorecovery.adapters.aws.errors import storing
from autorecovery.adapters.aws.incident_log import KEPT_FOR, short_name, sortable
from autorecovery.models.delivery import Delivery, Outcome, Record, Thread, Turn, keepable
from autorecovery.models.notice import INCIDENTS, Notice
from autorecovery.models.reason import Level
from autorecovery.models.wire import decode, encode
from autorecovery.ports import Clock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = dict[str, Any]

CLOCKS_DIFFER = timedelta(days=1)

_BEGINNABLE = (
    "attribute_exists(pk) AND (attribute_not_exists(#outcome)"
    " OR (#outcome = :waiting AND (attribute_not_exists(#again) OR #again <= :at))"
    " OR (#outcome = :sending AND #at <= :stale))"
)


class DynamoDbNoticeLog:
    """NoticeLog over the incident table; the conditional write is the lock."""

    def __init__(self, client: "DynamoDBClient", table: str, clock: Clock) -> None:
        """`clock` tells which months there can be notices of."""
        self._client = client
        self._table = table
        self._clock = clock
        self._known_producers = {INCIDENTS, ""}

    def record(self, notice: Notice, suppressed: str = "") -> None:
        """See NoticeLog.record."""
        kept = keepable(notice)
        item = {
            **_key(kept.id),
            "content": _text(encode(kept, Notice)),
            "suppressed": _text(suppressed),
            "recent_pk": _text(_partition(kept.producer, kept.level, _month(kept.at))),
            "recent_sk": _text(f"{sortable(kept.at)}#{short_name(kept.id)}"),
            "expires": {"N": str(int((kept.at + KEPT_FOR).timestamp()))},
        }
        condition: Item = {"ConditionExpression": "attribute_not_exists(pk)"}
        if not suppressed:  # what was kept from people gives way to what is told after all
            condition = {
                "ConditionExpression": "attribute_not_exists(pk) OR suppressed <> :none",
                "ExpressionAttributeValues": {":none": _text("")},
            }
        self._remember_producer(kept.producer)
        try:
            with storing("notice"):
                self._client.put_item(TableName=self._table, Item=item, **condition)
        except ClientError:
            return  # it stands already, and is kept

    def get(self, notice_id: str) -> Record | None:
        """See NoticeLog.get."""
        item = self._get(_key(notice_id))
        return _record(item) if item else None

    def query(
        self,
        *,
        producer: str | None = None,
        level: Level | None = None,
        since: datetime | None = None,
        limit: int = 100,
    ) -> Sequence[Record]:
        """See NoticeLog.query. Months are looked at from the newest on, until there are enough."""
        now = self._clock()
        since = since or now - KEPT_FOR
        producers = [producer] if producer else self._producers()
        levels = [level] if level else list(Level)
        found: list[Item] = []
        for month in _months(since, now + CLOCKS_DIFFER):
            if len(found) >= limit:
                break
            of_month = [
                item
                for who in producers
                for each in levels
                for item in self._newest(_partition(who, each, month), since, limit)
            ]
            found += sorted(of_month, key=lambda item: str(item["recent_sk"]["S"]), reverse=True)
        return [_record(item) for item in found[:limit]]

    def begin(self, notice_id: str, via: str, at: datetime, patience: timedelta) -> Delivery | None:
        """See NoticeLog.begin."""
        names = {"#outcome": "outcome", "#at": "at", "#tries": "tries", "#again": "again"}
        try:
            with storing("delivery"):
                answer = self._client.update_item(
                    TableName=self._table, Key=_key(notice_id), ReturnValues="UPDATED_NEW",
                    UpdateExpression="SET #outcome = :sending, #at = :at ADD #tries :one",
                    ConditionExpression=_BEGINNABLE,
                    ExpressionAttributeNames={k: _column(via, v) for k, v in names.items()},
                    ExpressionAttributeValues={
                        ":sending": _text(Outcome.SENDING), ":waiting": _text(Outcome.WAITING),
                        ":at": _text(sortable(at)), ":stale": _text(sortable(at - patience)),
                        ":one": {"N": "1"},
                    },
                )  # fmt: skip
        except ClientError:
            return None
        tries = int(answer["Attributes"][_column(via, "tries")]["N"])
        return Delivery(via, Outcome.SENDING, at, tries)

    def end(self, notice_id: str, delivery: Delivery) -> None:
        """See NoticeLog.end."""
        columns = {
            "outcome": _text(delivery.outcome), "at": _text(sortable(delivery.at)),
            "tries": {"N": str(delivery.tries)}, "detail": _text(delivery.detail),
            "again": _text(sortable(delivery.again_at) if delivery.again_at else ""),
        }  # fmt: skip
        try:
            with storing("delivery"):
                self._client.update_item(
                    TableName=self._table, Key=_key(notice_id),
                    UpdateExpression=f"SET {', '.join(f'#{name} = :{name}' for name in columns)}",
                    ConditionExpression="attribute_exists(pk)",
                    ExpressionAttributeNames={
                        f"#{name}": _column(delivery.via, name) for name in columns
                    },
                    ExpressionAttributeValues={f":{k}": v for k, v in columns.items()},
                )  # fmt: skip
        except ClientError:
            return  # the notice has expired meanwhile

    def thread(self, via: str, conversation: str) -> Thread | None:
        """See NoticeLog.thread."""
        item = self._get(_thread_key(via, conversation))
        return _thread(item) if item else None

    def keep_thread(self, thread: Thread) -> None:
        """See NoticeLog.keep_thread. What is put in an item's place has no turn in it."""
        item = {
            **_thread_key(thread.via, thread.conversation),
            "content": _text(encode(thread, Thread)),
            "expires": {"N": str(int((thread.shown_at + KEPT_FOR).timestamp()))},
        }
        with storing("thread"):
            self._client.put_item(TableName=self._table, Item=item)

    def take_turn(
        self, via: str, conversation: str, at: datetime, patience: timedelta
    ) -> Turn | None:
        """See NoticeLog.take_turn."""
        ends = _text(sortable(at + patience))
        try:
            with storing("turn"):
                answer = self._client.update_item(
                    TableName=self._table, Key=_thread_key(via, conversation),
                    ReturnValues="ALL_NEW",
                    UpdateExpression="SET turn_ends = :ends, expires = :expires",
                    ConditionExpression="attribute_not_exists(turn_ends) OR turn_ends <= :at",
                    ExpressionAttributeValues={
                        ":ends": ends, ":at": _text(sortable(at)),
                        ":expires": {"N": str(int((at + KEPT_FOR).timestamp()))},
                    },
                )  # fmt: skip
        except ClientError:
            return None
        return Turn(via, conversation, ends["S"], _thread(answer["Attributes"]))

    def turn_ends(self, via: str, conversation: str) -> datetime | None:
        """See NoticeLog.turn_ends."""
        item = self._get(_thread_key(via, conversation)) or {}
        return datetime.fromisoformat(item["turn_ends"]["S"]) if "turn_ends" in item else None

    def give_back_turn(self, turn: Turn) -> None:
        """See NoticeLog.give_back_turn."""
        try:
            with storing("turn"):
                self._client.update_item(
                    TableName=self._table, Key=_thread_key(turn.via, turn.conversation),
                    UpdateExpression="REMOVE turn_ends", ConditionExpression="turn_ends = :mine",
                    ExpressionAttributeValues={":mine": _text(turn.token)},
                )  # fmt: skip
        except ClientError:
            return  # it is over already

    # Pieces

    def _get(self, key: Item) -> Item | None:
        with storing("read"):
            return self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get(
                "Item"
            )

    def _remember_producer(self, producer: str) -> None:
        """Write down who tells, once per life of this process; the usual one goes without."""
        if producer in self._known_producers:
            return
        with storing("producer"):
            self._client.update_item(
                TableName=self._table, Key=_PRODUCERS, UpdateExpression="ADD producers :one",
                ExpressionAttributeValues={":one": {"SS": [producer]}},
            )  # fmt: skip
        self._known_producers.add(producer)

    def _producers(self) -> list[str]:
        item = self._get(_PRODUCERS)
        return sorted({INCIDENTS, *(item["producers"]["SS"] if item else ())})

    def _newest(self, partition: str, since: datetime, at_most: int) -> list[Item]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table, IndexName="recent", ScanIndexForward=False,
            KeyConditionExpression="recent_pk = :pk AND recent_sk >= :since",
            ExpressionAttributeValues={
                ":pk": _text(partition), ":since": _text(sortable(since)),
            },
            PaginationConfig={"MaxItems": at_most},
        )  # fmt: skip
        with storing("notices"):
            return [item for page in pages for item in page["Items"]]


_PRODUCERS = {"pk": {"S": "notices"}, "sk": {"S": "producers"}}


def _text(text: str) -> Item:
    return {"S": str(text)}


def _key(notice_id: str) -> Item:
    return {"pk": _text(f"notice#{short_name(notice_id)}"), "sk": _text("record")}


def _thread_key(via: str, conversation: str) -> Item:
    return {"pk": _text(f"thread#{via}"), "sk": _text(short_name(conversation))}


def _partition(producer: str, level: Level, month: str) -> str:
    return f"notices#{short_name(producer)}#{level}#{month}"


def _column(via: str, name: str) -> str:
    return f"via {via} {name}"


def _month(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m}"


def _months(first: datetime, last: datetime) -> Iterator[str]:
    """Yield the months between two moments, the newest first."""
    at = last.astimezone(UTC)
    while _month(at) >= _month(first):
        yield _month(at)
        at = at.replace(day=1) - timedelta(days=1)


def _record(item: Item) -> Record:
    vias = sorted(name.split(" ")[1] for name in item if name.endswith(" outcome"))
    return Record(
        decode(item["content"]["S"], Notice),
        tuple(_delivery(via, item) for via in vias),
        item["suppressed"]["S"],
    )


def _delivery(via: str, item: Item) -> Delivery:
    def told(name: str) -> str:
        value: Item = item.get(_column(via, name), {})
        return str(value.get("S") or value.get("N") or "")

    again = told("again")
    return Delivery(
        via, Outcome(told("outcome")), datetime.fromisoformat(told("at")), int(told("tries")),
        told("detail"), datetime.fromisoformat(again) if again else None,
    )  # fmt: skip


def _thread(item: Item) -> Thread | None:
    return decode(item["content"]["S"], Thread) if "content" in item else None
