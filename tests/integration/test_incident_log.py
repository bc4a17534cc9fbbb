"""One contract for the memory of incidents, kept by DynamoDB, by a SQLite file and in memory."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from autorecovery.adapters.aws.incident_log import DynamoDbIncidentLog
from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.incident_log import SqliteIncidentLog
from autorecovery.errors import StoreError
from autorecovery.models.group import Group, GroupKind
from autorecovery.models.incident import Breach, Entry, EntryKind, Incident, Sighting
from autorecovery.models.reason import IncidentState, Level, Reason
from autorecovery.models.signal import Target, TargetKind
from autorecovery.ports import IncidentLog
from tests.integration import aws
from tests.response_world import RESTART, START, incident, rule, signal

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
RULE = rule(RESTART)


@pytest.fixture(params=["dynamodb", "file", "memory"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[IncidentLog]:
    with ExitStack() as stack:
        if request.param == "dynamodb":
            yield DynamoDbIncidentLog(stack.enter_context(aws.table()), aws.TABLE)
            return
        path = tmp_path / "folder" / "state.sqlite3" if request.param == "file" else None
        database = Database(path)
        stack.callback(database.close)
        yield SqliteIncidentLog(database)


def opened(number: int = 1, **more: Any) -> Incident:
    """Return the incident that the n-th signal, n seconds later, would open on the same target."""
    seen = signal(id=f"event-{number}", at=START + number * SECOND)
    return incident(RULE, seen, **more)


def elsewhere(name: str, number: int = 1) -> Incident:
    return incident(RULE, signal(target=Target.named(name), at=START + number * SECOND))


# Claims


def test_the_first_candidate_wins_the_claim(log: IncidentLog) -> None:
    claim = log.open(opened())
    assert (claim.won, claim.started, claim.incident) == (True, False, opened())


def test_later_candidates_are_told_who_holds_it(log: IncidentLog) -> None:
    log.open(opened(1))
    claim = log.open(opened(2))
    assert (claim.won, claim.incident) == (False, opened(1))


def test_the_same_delivery_again_does_not_win(log: IncidentLog) -> None:
    log.open(opened())
    claim = log.open(opened())
    assert (claim.won, claim.started, claim.incident) == (False, False, opened())


def test_a_claim_knows_whether_the_response_was_started(log: IncidentLog) -> None:
    log.open(opened(1))
    log.mark_started(opened(1).id)
    assert log.open(opened(1)).started
    assert log.open(opened(2)).started


def test_other_targets_and_other_rules_are_other_claims(log: IncidentLog) -> None:
    log.open(opened())
    assert log.open(elsewhere("web-2")).won
    assert log.open(incident(rule(RESTART, name="other"))).won


def test_an_id_that_was_used_and_closed_opens_nothing(log: IncidentLog) -> None:
    log.open(opened())
    log.close(opened().id, Reason.RECOVERED, START)
    claim = log.open(opened())
    assert (claim.won, claim.incident.is_closed) == (False, True)


def test_an_id_that_was_used_is_answered_even_while_another_holds_the_claim(
    log: IncidentLog,
) -> None:
    log.open(opened(1))
    log.close(opened(1).id, Reason.RECOVERED, START)
    log.open(opened(2))
    claim = log.open(opened(1))
    assert (claim.won, claim.incident.id, claim.incident.is_closed) == (False, opened(1).id, True)


def test_closing_frees_the_claim_for_a_new_incident(log: IncidentLog) -> None:
    log.open(opened(1))
    log.close(opened(1).id, Reason.RECOVERED, START)
    assert log.open(opened(2)).won


def test_of_many_at_once_exactly_one_wins(log: IncidentLog) -> None:
    candidates = [opened(number) for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(log.open, candidates))
    winners = [claim.incident.id for claim in claims if claim.won]
    assert len(winners) == 1
    assert {claim.incident.id for claim in claims} == set(winners)


def test_names_may_be_as_long_as_alarms_allow(log: IncidentLog) -> None:
    name = "unruled:" + "ä$(reboot)|'\"" * 85
    strange = Target(TargetKind.RESOURCE, "queue/" + "ü" * 900)
    candidate = replace(incident(None, signal(target=strange)), rule_name=name)
    assert log.open(candidate).won
    assert log.open(replace(candidate, id="inc-2")).incident == candidate
    log.record(candidate.id, Entry("signal " + "é" * 900, START, EntryKind.SIGNALLED, "x"))
    assert len(log.timeline(candidate.id)) == 1
    assert [open_.key for open_ in log.open_incidents()] == [candidate.key]
    assert log.close(candidate.id, Reason.RECOVERED, START)


# One incident's life


def test_what_was_opened_is_found_as_it_was(log: IncidentLog) -> None:
    log.open(opened())
    assert log.get(opened().id) == opened()


def test_what_was_never_opened_is_not_found(log: IncidentLog) -> None:
    assert log.get("inc-unknown") is None
    assert log.wake_token("inc-unknown") is None
    assert list(log.timeline("inc-unknown")) == []
    assert not log.close("inc-unknown", Reason.RECOVERED, START)
    assert not log.raise_level("inc-unknown", Level.CRITICAL, START)
    log.mark_started("inc-unknown")
    log.move("inc-unknown", IncidentState.VERIFYING)
    assert log.get("inc-unknown") is None


def test_the_level_only_rises(log: IncidentLog) -> None:
    log.open(opened(level=Level.WARNING))
    at = START + 9 * MINUTE
    assert log.raise_level(opened().id, Level.CRITICAL, at)
    assert not log.raise_level(opened().id, Level.CRITICAL, at + MINUTE)
    assert not log.raise_level(opened().id, Level.WARNING, at + MINUTE)
    found = log.get(opened().id)
    assert found is not None
    assert (found.level, found.breached_at) == (Level.CRITICAL, at)
    assert [open_.level for open_ in log.open_incidents()] == [Level.CRITICAL]


def test_a_closed_incident_does_not_get_worse(log: IncidentLog) -> None:
    log.open(opened(level=Level.WARNING))
    log.close(opened().id, Reason.RECOVERED, START)
    assert not log.raise_level(opened().id, Level.CRITICAL, START)


def test_a_state_changes_until_it_is_closed(log: IncidentLog) -> None:
    log.open(opened())
    log.move(opened().id, IncidentState.RECOVERING)
    assert _state(log) is IncidentState.RECOVERING
    log.close(opened().id, Reason.RECOVERED, START)
    log.move(opened().id, IncidentState.VERIFYING)
    assert _state(log) is IncidentState.CLOSED


def test_it_is_closed_once(log: IncidentLog) -> None:
    log.open(opened())
    assert log.close(opened().id, Reason.RECOVERED, START)
    assert not log.close(opened().id, Reason.RECOVERED, START)


def test_closing_late_does_not_take_the_claim_of_the_next(log: IncidentLog) -> None:
    log.open(opened(1))
    log.close(opened(1).id, Reason.RECOVERED, START)
    log.open(opened(2))
    log.close(opened(1).id, Reason.RECOVERED, START)
    assert [open_.incident_id for open_ in log.open_incidents()] == [opened(2).id]


def test_the_newest_wake_token_counts(log: IncidentLog) -> None:
    log.open(opened())
    assert log.wake_token(opened().id) is None
    log.wait_for_wake(opened().id, "token-1")
    log.wait_for_wake(opened().id, "token-2")
    assert log.wake_token(opened().id) == "token-2"


# Timeline


def entry(key: str, seconds: float, text: str = "") -> Entry:
    return Entry(key, START + seconds * SECOND, EntryKind.DECIDED, text, {"n": [1, 2.5, None]})


def test_the_story_is_told_oldest_first(log: IncidentLog) -> None:
    log.open(opened())
    for key, seconds in (("c", 1.5), ("a", 3.0), ("b", 2.0)):
        log.record(opened().id, entry(key, seconds))
    expected = [entry("c", 1.5), entry("b", 2.0), entry("a", 3.0)]
    assert list(log.timeline(opened().id)) == expected


def test_an_entry_written_twice_stands_as_it_was_first(log: IncidentLog) -> None:
    log.record(opened().id, entry("a", 1, "first"))
    log.record(opened().id, entry("a", 2, "second"))
    assert [e.text for e in log.timeline(opened().id)] == ["first"]


def test_each_incident_has_its_own_story(log: IncidentLog) -> None:
    log.record("inc-1", entry("a", 1))
    assert list(log.timeline("inc-10")) == []


def test_a_long_story_is_told_to_its_end(log: IncidentLog) -> None:
    for number in range(150):
        log.record(opened().id, entry(f"n{number}", number, "x" * 10_000))
    assert len(log.timeline(opened().id)) == 150


# Lists


def test_open_incidents_are_those_not_closed(log: IncidentLog) -> None:
    for name in ("web-1", "web-2", "web-3"):
        log.open(elsewhere(name))
    log.close(elsewhere("web-2").id, Reason.RECOVERED, START)
    log.mark_started(elsewhere("web-3").id)
    log.move(elsewhere("web-3").id, IncidentState.HANDED_OVER)
    found = {(o.target_key, o.rule_name, o.level, o.started) for o in log.open_incidents()}
    assert found == {
        ("host/web-1", "cpu", Level.CRITICAL, False),
        ("host/web-3", "cpu", Level.CRITICAL, True),
    }


def test_a_claim_tells_who_holds_it_how_bad_and_whether_started(log: IncidentLog) -> None:
    key = opened().key
    assert log.holder(*key) is None
    log.open(opened())
    log.open(elsewhere("web-2"))
    log.mark_started(opened().id)
    held = log.holder(*key)
    assert held is not None and held in log.open_incidents()
    assert (held.incident_id, held.key, held.started) == (opened().id, key, True)
    log.close(opened().id, Reason.RECOVERED, START)
    assert log.holder(*key) is None


def test_recent_incidents_come_newest_first_closed_ones_included(log: IncidentLog) -> None:
    for number in (3, 1, 4, 2, 5):
        log.open(elsewhere(f"web-{number}", number))
    log.close(elsewhere("web-5", 5).id, Reason.RECOVERED, START)
    found = log.recent(3)
    assert [i.target.name for i in found] == ["web-5", "web-4", "web-3"]
    assert found[0].is_closed
    assert log.recent(99)[4].target.name == "web-1"


def test_the_cases_of_a_rule_come_newest_first_each_with_how_it_ended(log: IncidentLog) -> None:
    for number in (1, 3, 2):
        log.open(elsewhere(f"web-{number}", number))
    log.open(incident(rule(RESTART, name="other")))
    log.close(elsewhere("web-2", 2).id, Reason.HEALTHY_BY_ITSELF, START + MINUTE)
    found = log.cases("cpu", START, 10)
    assert [(case.target_key, case.ended, case.ended_at) for case in found] == [
        ("host/web-3", None, None),
        ("host/web-2", Reason.HEALTHY_BY_ITSELF, START + MINUTE),
        ("host/web-1", None, None),
    ]
    assert found[0].incident_id == elsewhere("web-3", 3).id
    assert found[0].opened_at == elsewhere("web-3", 3).opened_at


def test_the_cases_on_a_target_are_not_hidden_by_many_on_others(log: IncidentLog) -> None:
    log.open(elsewhere("web-1", 1))
    log.close(elsewhere("web-1", 1).id, Reason.RECOVERED, START + MINUTE)
    for number in range(2, 9):
        log.open(elsewhere(f"web-{number}", number))
    [found] = log.cases_on("cpu", "host/web-1", START, 2)
    assert (found.incident_id, found.ended) == (elsewhere("web-1", 1).id, Reason.RECOVERED)
    assert log.cases_on("memory", "host/web-1", START, 2) == []
    assert log.cases_on("cpu", "host/web-1", START + MINUTE, 2) == []


def test_of_the_cases_only_the_newest_since_then_are_returned(log: IncidentLog) -> None:
    for number in range(1, 5):
        log.open(elsewhere(f"web-{number}", number))
    assert [case.target_key for case in log.cases("cpu", START, 2)] == ["host/web-4", "host/web-3"]
    since = elsewhere("web-4", 4).opened_at
    assert [case.target_key for case in log.cases("cpu", since, 9)] == ["host/web-4"]


# Groups

ALIKE = GroupKind.ALIKE


def test_a_group_is_joined_while_others_join_and_a_later_one_is_another(log: IncidentLog) -> None:
    quiet = 10 * MINUTE
    first, is_new = log.join_group(ALIKE, "cpu", "inc-1", START, quiet)
    assert (first, is_new) == (Group(ALIKE, "cpu", START), True)
    assert log.join_group(ALIKE, "cpu", "inc-2", START + 9 * MINUTE, quiet) == (first, False)
    assert log.join_group(ALIKE, "cpu", "inc-3", START + 18 * MINUTE, quiet) == (first, False)
    assert log.join_group(ALIKE, "cpu", "inc-1", START + 18 * MINUTE, quiet) == (first, True)
    at = START + 18 * MINUTE
    assert log.join_group(ALIKE, "memory", "inc-1", at, quiet) == (Group(ALIKE, "memory", at), True)
    assert log.join_group(GroupKind.FLAPPING, "cpu", "inc-1", at, quiet)[1]
    later = START + 29 * MINUTE
    assert log.join_group(ALIKE, "cpu", "inc-1", later, quiet) == (Group(ALIKE, "cpu", later), True)
    assert log.goes_on(first.id), "it cannot be joined any more, and is still told"


def test_a_group_that_was_ended_is_joined_by_nobody_and_its_end_ends_no_other(
    log: IncidentLog,
) -> None:
    first, _ = log.join_group(ALIKE, "cpu", "inc-1", START, MINUTE)
    log.end_group(first)
    log.end_group(first)
    assert not log.goes_on(first.id)
    second, is_new = log.join_group(ALIKE, "cpu", "inc-1", START + SECOND, MINUTE)
    assert (second.began, is_new) == (START + SECOND, True)
    log.end_group(first)
    assert log.goes_on(second.id)
    assert log.join_group(ALIKE, "cpu", "inc-2", START + 2 * SECOND, MINUTE) == (second, False)


def test_of_many_that_join_at_once_one_is_first_and_all_are_in_the_same_group(
    log: IncidentLog,
) -> None:
    moments = [START + timedelta(milliseconds=number) for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        joined = list(
            pool.map(lambda at: log.join_group(ALIKE, "cpu", f"inc-{at}", at, MINUTE), moments)
        )
    assert len({group.id for group, _ in joined}) == 1
    assert sum(is_new for _, is_new in joined) == 1


def test_a_group_that_waits_is_no_incident(log: IncidentLog) -> None:
    group = Group(GroupKind.ALIKE, "cpu", START)
    log.wait_for_wake(group.id, "token")
    assert log.get(group.id) is None


def test_a_group_whose_look_is_overdue_is_told_by_nobody(log: IncidentLog) -> None:
    group, _ = log.join_group(ALIKE, "cpu", "inc-1", START, MINUTE)
    assert log.goes_on(group.id, START), "nobody has begun to tell it"
    log.expect_look(group.id, START + MINUTE)
    assert log.goes_on(group.id, START + MINUTE)
    assert not log.goes_on(group.id, START + 2 * MINUTE)
    assert log.goes_on(group.id)
    log.expect_look(group.id, START + 3 * MINUTE)
    assert log.goes_on(group.id, START + 2 * MINUTE)
    log.end_group(group)
    assert not log.goes_on(group.id, START + 2 * MINUTE)


def test_a_group_has_a_story_and_can_be_waited_for(log: IncidentLog) -> None:
    group, _ = log.join_group(ALIKE, "cpu " * 100, "inc-1", START, MINUTE)
    assert log.wake_token(group.id) is None
    log.wait_for_wake(group.id, "token-1")
    log.wait_for_wake(group.id, "token-2")
    log.record(group.id, Entry("told 0", START, EntryKind.NOTIFIED, "40 machines"))
    assert log.wake_token(group.id) == "token-2"
    assert [entry.text for entry in log.timeline(group.id)] == ["40 machines"]
    assert log.goes_on(group.id)
    assert log.recent(10) == []
    assert log.open_incidents() == []


# Sightings


def breach(*sightings: Sighting, of: Any = RULE) -> Breach:
    return Breach(of, Level.CRITICAL, signal(), sightings)


def seen(number: int, level: Level = Level.CRITICAL) -> Sighting:
    return Sighting(f"event {number}", START + number * SECOND, level)


def remembered(log: IncidentLog, *sightings: Sighting, at_most: int = 5) -> list[Sighting]:
    return list(log.remember_sightings(breach(*sightings), MINUTE, at_most))


def test_sightings_add_up_newest_first(log: IncidentLog) -> None:
    assert remembered(log, seen(1)) == [seen(1)]
    assert remembered(log, seen(3, Level.WARNING), seen(2)) == [
        seen(3, Level.WARNING), seen(2), seen(1),
    ]  # fmt: skip


def test_a_sighting_delivered_twice_stands_once(log: IncidentLog) -> None:
    assert remembered(log, seen(1), seen(1)) == [seen(1)]
    assert remembered(log, seen(1)) == [seen(1)]


def test_the_same_sighting_at_another_level_is_no_second_one(log: IncidentLog) -> None:
    remembered(log, seen(1, Level.WARNING))
    assert len(remembered(log, seen(1, Level.CRITICAL))) == 1


def test_the_window_ends_at_the_newest_sighting(log: IncidentLog) -> None:
    remembered(log, seen(0), seen(1))
    assert remembered(log, seen(60)) == [seen(60), seen(1)]
    assert remembered(log, seen(10)) == [seen(60), seen(10), seen(1)]
    assert remembered(log, seen(200)) == [seen(200)]


def test_only_the_newest_are_kept(log: IncidentLog) -> None:
    many = [seen(number) for number in range(50)]
    assert remembered(log, *many, at_most=3) == [seen(49), seen(48), seen(47)]
    assert remembered(log, seen(46), at_most=9)[-1] == seen(46)


def test_each_rule_and_target_has_its_own_sightings(log: IncidentLog) -> None:
    remembered(log, seen(1))
    other = rule(RESTART, name="other")
    assert list(log.remember_sightings(breach(seen(2), of=other), MINUTE, 5)) == [seen(2)]


def test_moments_are_compared_as_moments_whatever_their_zone(log: IncidentLog) -> None:
    east = timezone(timedelta(hours=9))
    moved = replace(seen(2), at=seen(2).at.astimezone(east))
    remembered(log, moved, seen(1))
    assert [s.at.astimezone(UTC) for s in remembered(log, seen(3))] == [
        seen(3).at, seen(2).at, seen(1).at,
    ]  # fmt: skip


def _state(log: IncidentLog) -> IncidentState:
    found = log.get(opened().id)
    assert found is not None
    return found.state


# DynamoDB alone


def test_one_item_stays_far_below_what_dynamodb_takes() -> None:
    lines = tuple("x" * 2_000 for _ in range(5))
    long = replace(opened(), evidence=lines, signal=signal(evidence="x" * 2_000))
    with aws.table() as dynamodb:
        log = DynamoDbIncidentLog(dynamodb, aws.TABLE)
        log.open(long)
        for delivery in range(10):
            many = [seen(100 * delivery + number) for number in range(100)]
            log.remember_sightings(breach(*many), 60 * MINUTE, 100)
        items = dynamodb.scan(TableName=aws.TABLE)["Items"]
    assert max(len(str(item)) for item in items) < 40_000


def test_a_claim_whose_incident_expired_does_not_hold_for_ever() -> None:
    with aws.table() as dynamodb:
        log = DynamoDbIncidentLog(dynamodb, aws.TABLE)
        log.open(opened(1))
        key = {"pk": {"S": f"incident#{opened(1).id}"}, "sk": {"S": "head"}}
        dynamodb.delete_item(TableName=aws.TABLE, Key=key)  # as the table's TTL does
        assert log.open(opened(2)).won


def test_a_claim_that_was_left_behind_its_head_catches_up() -> None:
    with aws.table() as dynamodb:
        log = DynamoDbIncidentLog(dynamodb, aws.TABLE)
        log.open(opened(level=Level.WARNING))
        dynamodb.update_item(  # a life that died between the two writes
            TableName=aws.TABLE,
            Key={"pk": {"S": f"incident#{opened().id}"}, "sk": {"S": "head"}},
            UpdateExpression="SET #level = :level, level_rank = :rank",
            ExpressionAttributeNames={"#level": "level"},
            ExpressionAttributeValues={":level": {"S": "critical"}, ":rank": {"N": "3"}},
        )
        assert not log.raise_level(opened().id, Level.CRITICAL, START)
        assert [open_.level for open_ in log.open_incidents()] == [Level.CRITICAL]


def test_everything_but_claims_expires() -> None:
    with aws.table() as dynamodb:
        log = DynamoDbIncidentLog(dynamodb, aws.TABLE)
        log.open(opened())
        log.record(opened().id, entry("a", 1))
        log.remember_sightings(breach(seen(1)), MINUTE, 5)
        items = dynamodb.scan(TableName=aws.TABLE)["Items"]
    lasting = [item["pk"]["S"].partition("#")[0] for item in items if "expires" not in item]
    assert lasting == ["claims"]


CANCELLED = "TransactionCanceledException"


def _cancelled(stubber: Any, *reasons: str) -> None:
    stubber.add_client_error(
        "transact_write_items", CANCELLED,
        modeled_fields={"CancellationReasons": [{"Code": reason} for reason in reasons]},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("reasons", "retryable"),
    [
        (("ThrottlingError", "None"), True),
        (("ProvisionedThroughputExceeded", "None"), True),
        (("ValidationError", "None"), False),
    ],
)
def test_a_transaction_cancelled_for_another_reason_is_no_answer(
    reasons: tuple[str, ...], retryable: bool
) -> None:
    with aws.answering("dynamodb") as (dynamodb, stubber):
        _cancelled(stubber, *reasons)
        with pytest.raises(StoreError) as caught:
            DynamoDbIncidentLog(dynamodb, aws.TABLE).open(opened())
    assert caught.value.retryable is retryable


def test_a_conflict_with_another_transaction_is_settled_by_looking_who_won() -> None:
    with aws.answering("dynamodb") as (dynamodb, stubber):
        for _ in range(2):
            _cancelled(stubber, "TransactionConflict", "None")
            stubber.add_response("get_item", {})
            stubber.add_response("get_item", {})
        stubber.add_response("transact_write_items", {})
        assert DynamoDbIncidentLog(dynamodb, aws.TABLE).open(opened()).won


def test_a_claim_that_stays_contended_is_tried_again_later() -> None:
    with aws.answering("dynamodb") as (dynamodb, stubber):
        for _ in range(5):
            _cancelled(stubber, "TransactionConflict", "None")
            stubber.add_response("get_item", {})
            stubber.add_response("get_item", {})
        with pytest.raises(StoreError, match="contended") as caught:
            DynamoDbIncidentLog(dynamodb, aws.TABLE).open(opened())
    assert caught.value.retryable


def test_an_orphan_that_somebody_else_freed_is_no_trouble() -> None:
    orphan = {"incident_id": {"S": "inc-gone"}}
    with aws.answering("dynamodb") as (dynamodb, stubber):
        _cancelled(stubber, "ConditionalCheckFailed", "None")
        stubber.add_response("get_item", {})
        stubber.add_response("get_item", {"Item": orphan})
        stubber.add_response("get_item", {})
        stubber.add_client_error("delete_item", "ConditionalCheckFailedException")
        stubber.add_response("transact_write_items", {})
        assert DynamoDbIncidentLog(dynamodb, aws.TABLE).open(opened()).won


@pytest.mark.parametrize(
    ("code", "retryable"),
    [
        ("ThrottlingException", True),
        ("ProvisionedThroughputExceededException", True),
        ("InternalServerError", True),
        ("AccessDeniedException", False),
        ("ResourceNotFoundException", False),
        ("ValidationException", False),
    ],
)
@pytest.mark.parametrize(
    ("operation", "act"),
    [
        ("get_item", lambda log: log.get("inc-1")),
        ("get_item", lambda log: log.holder("cpu", "host/web-1")),
        ("put_item", lambda log: log.record("inc-1", entry("a", 1))),
        ("update_item", lambda log: log.wait_for_wake("inc-1", "token")),
        ("update_item", lambda log: log.remember_sightings(breach(seen(1)), MINUTE, 5)),
        ("query", lambda log: log.timeline("inc-1")),
        ("query", lambda log: log.open_incidents()),
        ("query", lambda log: log.recent(5)),
        ("transact_write_items", lambda log: log.open(opened())),
    ],
)
def test_every_trouble_of_the_store_is_told_in_our_words(
    operation: str, act: Any, code: str, retryable: bool
) -> None:
    with aws.answering("dynamodb") as (dynamodb, stubber):
        stubber.add_client_error(operation, code)
        with pytest.raises(StoreError, match=code) as caught:
            act(DynamoDbIncidentLog(dynamodb, aws.TABLE))
    assert caught.value.retryable is retryable


def test_a_store_that_cannot_be_reached_may_be_tried_again() -> None:
    dynamodb = aws.client("dynamodb")

    def unreachable(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://dynamodb")

    dynamodb.meta.events.register("before-call.dynamodb", unreachable)
    with pytest.raises(StoreError) as caught:
        DynamoDbIncidentLog(dynamodb, aws.TABLE).get("inc-1")
    assert caught.value.retryable


# SQLite alone


def test_a_file_remembers_what_a_process_forgets(tmp_path: Path) -> None:
    first = Database(tmp_path / "state.sqlite3")
    SqliteIncidentLog(first).open(opened())
    first.close()
    second = Database(tmp_path / "state.sqlite3")
    assert SqliteIncidentLog(second).get(opened().id) == opened()
    second.close()


def test_two_processes_share_one_claim(tmp_path: Path) -> None:
    databases = [Database(tmp_path / "state.sqlite3") for _ in range(2)]
    logs = [SqliteIncidentLog(database) for database in databases]
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda n: logs[n % 2].open(opened(n)), range(16)))
    assert sum(claim.won for claim in claims) == 1
    for database in databases:
        database.close()


def test_a_transaction_that_fails_leaves_nothing_behind_and_does_not_block() -> None:
    database = Database(None)
    with pytest.raises(RuntimeError), database.transaction() as rows:
        rows.execute("INSERT INTO dead_letters (at, why, event) VALUES ('', '', '')")
        raise RuntimeError("in between")
    with pytest.raises(StoreError, match="no such table"), database.transaction() as rows:
        rows.execute("SELECT * FROM nowhere")
    with database.transaction() as rows:
        assert rows.execute("SELECT count(*) FROM dead_letters").fetchone()[0] == 0
    database.close()


def test_a_transaction_inside_a_transaction_is_part_of_it() -> None:
    database = Database(None)
    log = SqliteIncidentLog(database)
    with pytest.raises(RuntimeError), database.transaction():
        log.open(opened())
        raise RuntimeError("afterwards")
    assert log.get(opened().id) is None
    database.close()


def test_a_closed_database_says_so_in_our_words() -> None:
    database = Database(None)
    database.close()
    with pytest.raises(StoreError) as caught:
        SqliteIncidentLog(database).get("inc-1")
    assert not caught.value.retryable


def test_a_file_that_is_no_database_says_so_in_our_words(tmp_path: Path) -> None:
    (tmp_path / "state.sqlite3").write_text("not a database, though long enough to be one" * 50)
    with pytest.raises(StoreError, match="not a database"):
        Database(tmp_path / "state.sqlite3")


def test_a_database_that_another_process_holds_may_be_tried_again(tmp_path: Path) -> None:
    first, second = (Database(tmp_path / "state.sqlite3", busy_seconds=0.05) for _ in range(2))
    with (
        first.transaction(),
        pytest.raises(StoreError, match="locked") as caught,
        second.transaction(),
    ):
        pass
    assert caught.value.retryable
    first.close()
    second.close()
