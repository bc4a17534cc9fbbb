"""The memory of incidents in DynamoDB, one table:

    pk                sk             what
    incident#<id>     head           the incident: content, state, level, started, wake token
    incident#<id>     entry#<key>    one line of its timeline
    claims#<shard>    <rule>|<target>    who holds rule and target, while it is open
    cases#<rule>      <opened>#<id>  one incident of the rule in short: target, opened, how it ended
    cases-on#<rule>|<target>  <opened>#<id>  the same, once more, for those of one target
    group#<kind>|<name>  now         the group that can be joined, and when somebody last did
    sightings#<key>   set            breaching observations of the last window

Claims lie in few partitions, so that triage learns of all open incidents in a few queries; heads
are also in the index `recent`, by the time they were opened.
"""

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from autorecovery.adapters.aws.errors import code_of, storing
from autorecovery.errors import StoreError
from autorecovery.models.group import Group, GroupKind, day_of, is_group
from autorecovery.models.history import Case
from autorecovery.models.incident import Breach, Entry, Incident, Sighting
from autorecovery.models.reason import IncidentState, Level, Reason
from autorecovery.models.wire import decode, encode
from autorecovery.ports import Claim, OpenIncident

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SHARDS = 4
"""Partitions of claims: one takes 1,000 writes a second, and a zone that dies opens thousands."""

KEPT_FOR = timedelta(days=400)
"""How long the story of an incident is kept after it was opened."""

CLAIM_TRIES = 5

LONGEST_KEY = 900
"""Bytes of a name in a key: DynamoDB takes 1,024 in a sort key, and an alarm's name may be long."""

Item = dict[str, Any]


class _ConflictError(StoreError):
    """Another transaction was writing the same items."""


class DynamoDbIncidentLog:
    """IncidentLog over a DynamoDB table; the conditional write is the lock."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def open(self, candidate: Incident) -> Claim:
        """See IncidentLog.open."""
        for _ in range(CLAIM_TRIES):
            if self._write_claim(candidate):
                return Claim(candidate, won=True, started=False)
            head = self._head(candidate.id) or self._holder(candidate.key)
            if head is not None:
                return Claim(_incident(head), won=False, started=bool(head["started"]["BOOL"]))
            # The holder closed between our write and our look, or is about to be seen: once more.
        raise StoreError(f"claim of {candidate.id}: contended", retryable=True)

    def mark_started(self, incident_id: str) -> None:
        """See IncidentLog.mark_started."""
        head = self._head(incident_id)
        if head is None:
            return
        self._update(_head_key(incident_id), "SET started = :yes", {":yes": _flag(True)})
        self._update(
            _claim_key(_key_of(head)), "SET started = :yes",
            {":yes": _flag(True), ":id": _text(incident_id)}, "incident_id = :id",
        )  # fmt: skip

    def raise_level(self, incident_id: str, level: Level, at: datetime) -> bool:
        """See IncidentLog.raise_level."""
        values = {
            ":level": _text(level), ":rank": _number(level.rank), ":at": _text(at.isoformat()),
            ":closed": _text(IncidentState.CLOSED),
        }  # fmt: skip
        raised = self._update(
            _head_key(incident_id),
            "SET #level = :level, level_rank = :rank, breached_at = :at",
            values, "level_rank < :rank AND #state <> :closed",
            {"#level": "level", "#state": "state"},
        )  # fmt: skip
        # The claim follows the head, also where an earlier life raised the one and not the other.
        head = self._head(incident_id)
        if head is not None:
            self._update(
                _claim_key(_key_of(head)), "SET #level = :level",
                {":level": head["level"], ":id": _text(incident_id)}, "incident_id = :id",
                {"#level": "level"},
            )  # fmt: skip
        return raised

    def get(self, incident_id: str) -> Incident | None:
        """See IncidentLog.get."""
        head = self._head(incident_id)
        # A group is waited for at a head of its own, which holds no incident.
        return _incident(head) if head and "content" in head else None

    def move(self, incident_id: str, state: IncidentState) -> None:
        """See IncidentLog.move."""
        self._update(
            _head_key(incident_id), "SET #state = :state",
            {":state": _text(state), ":closed": _text(IncidentState.CLOSED)},
            "attribute_exists(pk) AND #state <> :closed", {"#state": "state"},
        )  # fmt: skip

    def close(self, incident_id: str, why: Reason, at: datetime) -> bool:
        """See IncidentLog.close."""
        head = self._head(incident_id)
        if head is None or head["state"]["S"] == IncidentState.CLOSED:
            return False
        closing: Item = {
            "TableName": self._table,
            "Key": _head_key(incident_id),
            "UpdateExpression": "SET #state = :closed",
            "ConditionExpression": "#state <> :closed",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": {":closed": _text(IncidentState.CLOSED)},
        }
        incident = _incident(head)
        releasing = self._release(incident.key, incident_id)
        ended: list[Item] = [
            {"Put": {"TableName": self._table, "Item": item}}
            for item in _case_items(incident, why, at)
        ]
        return self._transact([{"Update": closing}, {"Delete": releasing}, *ended])

    def holder(self, rule_name: str, target_key: str) -> OpenIncident | None:
        """See IncidentLog.holder."""
        claim = self._get(_claim_key((rule_name, target_key)))
        return _in_short(claim) if claim else None

    def open_incidents(self) -> Sequence[OpenIncident]:
        """See IncidentLog.open_incidents."""
        return [
            _in_short(claim)
            for shard in range(SHARDS)
            for claim in self._query(pk=f"claims#{shard}")
        ]

    def recent(self, limit: int) -> Sequence[Incident]:
        """See IncidentLog.recent."""
        found: list[Item] = []
        for shard in range(SHARDS):
            with storing("recent incidents"):
                page = self._client.query(
                    TableName=self._table, IndexName="recent", Limit=limit, ScanIndexForward=False,
                    KeyConditionExpression="recent_pk = :pk",
                    ExpressionAttributeValues={":pk": _text(f"recent#{shard}")},
                )  # fmt: skip
            found += page["Items"]
        newest = sorted(found, key=lambda item: str(item["recent_sk"]["S"]), reverse=True)
        return [_incident(item) for item in newest[:limit]]

    def cases(self, rule_name: str, since: datetime, at_most: int) -> Sequence[Case]:
        """See IncidentLog.cases."""
        return self._cases(_cases_of(rule_name), since, at_most)

    def cases_on(
        self, rule_name: str, target_key: str, since: datetime, at_most: int
    ) -> Sequence[Case]:
        """See IncidentLog.cases_on."""
        return self._cases(_cases_on((rule_name, target_key)), since, at_most)

    def _cases(self, pk: str, since: datetime, at_most: int) -> list[Case]:
        with storing("cases"):
            pages = self._client.get_paginator("query").paginate(
                TableName=self._table, ScanIndexForward=False, ConsistentRead=True,
                KeyConditionExpression="pk = :pk AND sk >= :since",
                ExpressionAttributeValues={
                    ":pk": _text(pk), ":since": _text(sortable(since)),
                },
                PaginationConfig={"MaxItems": at_most},
            )  # fmt: skip
            return [_case(item) for page in pages for item in page["Items"]]

    def join_group(
        self, kind: GroupKind, name: str, who: str, now: datetime, quiet: timedelta
    ) -> tuple[Group, bool]:
        """See IncidentLog.join_group. Who joins what was joined just now writes nothing."""
        key = _group_key(kind, name)
        for _ in range(CLAIM_TRIES):
            item = self._get(key)
            joined = datetime.fromisoformat(item["joined"]["S"]) if item else now
            if item and now - joined <= quiet:
                group = Group(kind, name, datetime.fromisoformat(item["began"]["S"]))
                first = item["first"]["S"]
                if now - joined < quiet / 4 or self._write_group(group, first, now, item):
                    return group, first == who
            elif self._write_group(Group(kind, name, now), who, now, item):
                return Group(kind, name, now), True
        raise StoreError(f"group {name}: contended", retryable=True)

    def goes_on(self, group_id: str, now: datetime | None = None) -> bool:
        """See IncidentLog.goes_on."""
        head = self._head(group_id)
        if head is None or now is None or "look_until" not in head:
            return head is None or "ended" not in head
        return "ended" not in head and sortable(now) <= head["look_until"]["S"]

    def expect_look(self, group_id: str, until: datetime) -> None:
        """See IncidentLog.expect_look."""
        self._set_on_group(group_id, "look_until", _text(sortable(until)))

    def end_group(self, group: Group) -> None:
        """See IncidentLog.end_group."""
        self._set_on_group(group.id, "ended", _flag(True))
        try:
            with storing("group"):
                self._client.delete_item(
                    TableName=self._table, Key=_group_key(group.kind, group.name),
                    ConditionExpression="began = :began",
                    ExpressionAttributeValues={":began": _text(sortable(group.began))},
                )  # fmt: skip
        except ClientError:
            return  # another one has begun: that one stays

    def _set_on_group(self, group_id: str, name: str, value: Item) -> None:
        """Set an attribute of a group's head, which its first such word writes."""
        with storing("group"):
            self._client.update_item(
                TableName=self._table, Key=_head_key(group_id),
                UpdateExpression="SET #name = :value, expires = if_not_exists(expires, :expires)",
                ExpressionAttributeNames={"#name": name},
                ExpressionAttributeValues={":value": value, ":expires": _expiry(day_of(group_id))},
            )  # fmt: skip

    def _write_group(self, group: Group, first: str, now: datetime, seen: Item | None) -> bool:
        """Write that somebody joined, where nobody else did since it was seen."""
        values: Item = {
            ":began": _text(sortable(group.began)), ":now": _text(sortable(now)),
            ":first": _text(first), ":expires": _expiry(now),
        }  # fmt: skip
        if seen is not None:
            values[":seen"] = seen["joined"]
        return self._update(
            _group_key(group.kind, group.name),
            "SET began = :began, #first = :first, joined = :now, expires = :expires", values,
            "joined = :seen" if seen else "attribute_not_exists(pk)", {"#first": "first"},
        )  # fmt: skip

    def record(self, incident_id: str, entry: Entry) -> None:
        """See IncidentLog.record."""
        item = {
            "pk": _text(f"incident#{incident_id}"), "sk": _text(f"entry#{short_name(entry.key)}"),
            "content": _text(encode(entry, Entry)), "expires": _expiry(entry.at),
        }  # fmt: skip
        self._put_new(item)

    def timeline(self, incident_id: str) -> Sequence[Entry]:
        """See IncidentLog.timeline."""
        items = self._query(pk=f"incident#{incident_id}", prefix="entry#")
        return sorted((decode(i["content"]["S"], Entry) for i in items), key=lambda entry: entry.at)

    def remember_sightings(
        self, breach: Breach, window: timedelta, at_most: int
    ) -> Sequence[Sighting]:
        """See IncidentLog.remember_sightings."""
        key = {"pk": _text(f"sightings#{_name_of(breach.key)}"), "sk": _text("set")}
        seen = sorted(set(breach.sightings), key=_age, reverse=True)[:at_most]
        points = {":points": {"SS": [_point(sighting) for sighting in seen]}}
        with storing("sightings"):
            answer = self._client.update_item(
                TableName=self._table, Key=key, ReturnValues="ALL_NEW",
                UpdateExpression="ADD points :points SET expires = :expires",
                ExpressionAttributeValues={**points, ":expires": _expiry(seen[0].at, 2 * window)},
            )  # fmt: skip
        known = [_sighting(point) for point in answer["Attributes"]["points"]["SS"]]
        once = {sighting.id: sighting for sighting in known}.values()
        newest_first = sorted(once, key=_age, reverse=True)
        earliest = newest_first[0].at - window
        kept = [sighting for sighting in newest_first if sighting.at > earliest][:at_most]
        if gone := set(known).difference(kept):
            self._update(key, "DELETE points :gone", {":gone": {"SS": [_point(s) for s in gone]}})
        return kept

    def wait_for_wake(self, incident_id: str, token: str) -> None:
        """See IncidentLog.wait_for_wake."""
        if is_group(incident_id):
            self._set_on_group(incident_id, "wake_token", _text(token))
            return
        self._update(_head_key(incident_id), "SET wake_token = :token", {":token": _text(token)})

    def wake_token(self, incident_id: str) -> str | None:
        """See IncidentLog.wake_token."""
        head = self._head(incident_id)
        return head["wake_token"]["S"] if head and "wake_token" in head else None

    # Pieces

    def _write_claim(self, candidate: Incident) -> bool:
        rule_name, target_key = candidate.key
        claim = {
            **_claim_key(candidate.key),
            "incident_id": _text(candidate.id),
            "rule_name": _text(rule_name),
            "target_key": _text(target_key),
            "level": _text(candidate.level),
            "started": _flag(False),
        }
        head = {
            **_head_key(candidate.id), "content": _text(encode(candidate, Incident)),
            "state": _text(candidate.state), "level": _text(candidate.level),
            "level_rank": _number(candidate.level.rank), "started": _flag(False),
            "breached_at": _text(candidate.breached_at.isoformat()),
            "recent_pk": _text(f"recent#{_shard(candidate.key)}"),
            "recent_sk": _text(f"{sortable(candidate.opened_at)}#{candidate.id}"),
            "expires": _expiry(candidate.opened_at),
        }  # fmt: skip
        new = "attribute_not_exists(pk)"
        puts: list[Item] = [
            {"Put": {"TableName": self._table, "Item": item, "ConditionExpression": new}}
            for item in (claim, head, *_case_items(candidate))
        ]
        try:
            return self._transact(puts)
        except _ConflictError:
            return False  # whoever else was writing may hold the claim by now: look

    def _release(self, key: tuple[str, str], incident_id: str) -> Item:
        """Return the request that gives up a claim, if this incident holds it."""
        return {
            "TableName": self._table,
            "Key": _claim_key(key),
            "ConditionExpression": "incident_id = :id",
            "ExpressionAttributeValues": {":id": _text(incident_id)},
        }

    def _transact(self, writes: list[Item]) -> bool:
        """Write all or nothing; return False where a condition did not hold.

        The client gives each call its own idempotency token, so its retries cannot fail on it.
        """
        try:
            with storing("transaction"):
                self._client.transact_write_items(TransactItems=writes)  # type: ignore[arg-type]
        except ClientError as error:
            reasons = _cancellations(error)
            if "ConditionalCheckFailed" in reasons:
                return False
            if "TransactionConflict" in reasons:
                raise _ConflictError(f"transaction: {reasons}", retryable=True) from error
            raise StoreError(
                f"transaction: {reasons or code_of(error)}",
                retryable="ValidationError" not in reasons,
            ) from error
        return True

    def _holder(self, key: tuple[str, str]) -> Item | None:
        claim = self._get(_claim_key(key))
        if claim is None:
            return None
        holder = claim["incident_id"]["S"]
        head = self._head(holder)
        if head is None:
            self._give_up_orphan(key, holder)
        return head

    def _give_up_orphan(self, key: tuple[str, str], incident_id: str) -> None:
        """Free a claim whose incident has expired: it would hold rule and target for ever."""
        try:
            with storing("release"):
                self._client.delete_item(**self._release(key, incident_id))
        except ClientError:
            return  # somebody else was faster

    def _head(self, incident_id: str) -> Item | None:
        return self._get(_head_key(incident_id))

    def _get(self, key: Item) -> Item | None:
        with storing("read"):
            return self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get(
                "Item"
            )

    def _put_new(self, item: Item) -> None:
        try:
            with storing("write"):
                self._client.put_item(
                    TableName=self._table, Item=item, ConditionExpression="attribute_not_exists(pk)"
                )
        except ClientError:
            return  # it stands already, and is kept

    def _update(
        self,
        key: Item,
        expression: str,
        values: Item,
        condition: str = "attribute_exists(pk)",
        names: dict[str, str] | None = None,
    ) -> bool:
        extra = {"ExpressionAttributeNames": names} if names else {}
        try:
            with storing("update"):
                self._client.update_item(
                    TableName=self._table, Key=key, UpdateExpression=expression,
                    ConditionExpression=condition, ExpressionAttributeValues=values, **extra,  # type: ignore[arg-type]
                )  # fmt: skip
        except ClientError:
            return False
        return True

    def _query(self, pk: str, prefix: str = "") -> Iterator[Item]:
        condition, values = "pk = :pk", {":pk": _text(pk)}
        if prefix:
            condition, values = (
                "pk = :pk AND begins_with(sk, :sk)",
                {**values, ":sk": _text(prefix)},
            )
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table, KeyConditionExpression=condition,
            ExpressionAttributeValues=values, ConsistentRead=True,
        )  # fmt: skip
        with storing("query"):
            for page in pages:
                yield from page["Items"]


def _text(text: str) -> Item:
    return {"S": str(text)}


def _number(number: int) -> Item:
    return {"N": str(number)}


def _flag(value: bool) -> Item:
    return {"BOOL": value}


def _head_key(incident_id: str) -> Item:
    return {"pk": _text(f"incident#{incident_id}"), "sk": _text("head")}


def _claim_key(key: tuple[str, str]) -> Item:
    return {"pk": _text(f"claims#{_shard(key)}"), "sk": _text(_name_of(key))}


def _case_items(
    incident: Incident, why: Reason | None = None, at: datetime | None = None
) -> list[Item]:
    ending = {"why": _text(why), "ended_at": _text(sortable(at))} if why and at else {}
    case = {
        "sk": _text(f"{sortable(incident.opened_at)}#{incident.id}"),
        "incident_id": _text(incident.id),
        "target_key": _text(incident.target.key),
        "opened_at": _text(sortable(incident.opened_at)),
        "expires": _expiry(incident.opened_at),
        **ending,
    }
    places = (_cases_of(incident.rule_name), _cases_on(incident.key))
    return [{"pk": _text(place), **case} for place in places]


def _case(item: Item) -> Case:
    ended = "why" in item
    return Case(
        item["incident_id"]["S"], item["target_key"]["S"],
        datetime.fromisoformat(item["opened_at"]["S"]),
        Reason(item["why"]["S"]) if ended else None,
        datetime.fromisoformat(item["ended_at"]["S"]) if ended else None,
    )  # fmt: skip


def _cases_of(rule_name: str) -> str:
    return f"cases#{short_name(rule_name)}"


def _cases_on(key: tuple[str, str]) -> str:
    return f"cases-on#{_name_of(key)}"


def sortable(moment: datetime) -> str:
    """Return a moment as text that sorts by time."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _group_key(kind: GroupKind, name: str) -> Item:
    return {"pk": _text(f"group#{kind}|{short_name(name)}"), "sk": _text("now")}


def _shard(key: tuple[str, str]) -> int:
    return zlib.crc32("|".join(key).encode()) % SHARDS


def _name_of(key: tuple[str, str]) -> str:
    return short_name("|".join(key))


def short_name(name: str) -> str:
    """Return the name, or, where it is too long for a key, its beginning and its hash."""
    if len(name.encode()) <= LONGEST_KEY:
        return name
    return f"{name[:100]}#{hashlib.sha256(name.encode()).hexdigest()}"


def _cancellations(error: ClientError) -> list[str]:
    """Return why each write of a transaction was refused."""
    answer: Item = {**error.response}
    return [str(reason.get("Code")) for reason in answer.get("CancellationReasons", [])]


def _in_short(claim: Item) -> OpenIncident:
    return OpenIncident(
        claim["incident_id"]["S"], claim["rule_name"]["S"], claim["target_key"]["S"],
        Level(claim["level"]["S"]), claim["started"]["BOOL"],
    )  # fmt: skip


def _key_of(head: Item) -> tuple[str, str]:
    return decode(head["content"]["S"], Incident).key


def _expiry(since: datetime, after: timedelta = KEPT_FOR) -> Item:
    return _number(int((since + after).timestamp()))


def _incident(head: Item) -> Incident:
    """Return what was opened, with what has changed since."""
    return replace(
        decode(head["content"]["S"], Incident),
        state=IncidentState(head["state"]["S"]),
        level=Level(head["level"]["S"]),
        breached_at=datetime.fromisoformat(head["breached_at"]["S"]),
    )


def _age(sighting: Sighting) -> tuple[datetime, str]:
    return sighting.at, sighting.id


def _point(sighting: Sighting) -> str:
    return f"{sortable(sighting.at)} {sighting.level} {sighting.id}"


def _sighting(point: str) -> Sighting:
    at, level, identity = point.split(" ", 2)
    return Sighting(identity, datetime.fromisoformat(at), Level(level))
