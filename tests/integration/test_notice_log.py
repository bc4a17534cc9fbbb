"""One contract for the memory of notices, kept by DynamoDB, by a SQLite file and in memory."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from autorecovery.adapters.aws.notice_log import DynamoDbNoticeLog
from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.notice_log import SqliteNoticeLog
from autorecovery.errors import StoreError
from autorecovery.models.delivery import CUT, Delivery, Outcome, Record, Thread
from autorecovery.models.notice import Fact, Link, Notice, NoticeKind, Question
from autorecovery.models.reason import Level
from autorecovery.ports import NoticeLog
from tests.integration import aws
from tests.response_world import START

MINUTE = timedelta(minutes=1)
PATIENCE = 2 * MINUTE
DAY = timedelta(days=1)


@pytest.fixture(params=["dynamodb", "file", "memory"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NoticeLog]:
    with ExitStack() as stack:
        if request.param == "dynamodb":
            dynamodb = stack.enter_context(aws.table())
            yield DynamoDbNoticeLog(dynamodb, aws.TABLE, lambda: START + DAY)
            return
        database = Database(tmp_path / "state.sqlite3" if request.param == "file" else None)
        stack.callback(database.close)
        yield SqliteNoticeLog(database)


def notice(id: str = "inc-1-opened", at: datetime = START, **more: Any) -> Notice:
    content: dict[str, Any] = {
        "incident_id": "inc-1", "kind": NoticeKind.OPENED, "level": Level.CRITICAL,
        "headline": "[CRITICAL] web-1: cpu is 97", "lines": ("It is sick.", "Next: restart."),
    }  # fmt: skip
    return Notice(id=id, at=at, **{**content, **more})


def begun(log: NoticeLog, minutes: float, via: str = "slack") -> Delivery | None:
    return log.begin("inc-1-opened", via, START + minutes * MINUTE, PATIENCE)


def ended(log: NoticeLog, outcome: Outcome, minutes: float, **more: Any) -> None:
    log.end("inc-1-opened", Delivery("slack", outcome, START + minutes * MINUTE, **more))


def test_how_long_a_turn_lasts_is_known_until_it_is_given_back(log: NoticeLog) -> None:
    assert log.turn_ends("slack", "inc-1") is None
    turn = log.take_turn("slack", "inc-1", START, PATIENCE)
    assert turn is not None
    assert log.turn_ends("slack", "inc-1") == START + PATIENCE
    log.give_back_turn(turn)
    assert log.turn_ends("slack", "inc-1") is None


# What was told


def test_a_recorded_notice_is_read_back_whole(log: NoticeLog) -> None:
    whole = notice(
        rule_name="cpu", target="host:web-1", evidence=("a\tline", "ü"), state="recovering",
        facts=(Fact("Value", "97"),), next_steps=("look",), links=(Link("all", "https://x"),),
        question=Question("inc-1-r1", START + MINUTE), to=("slack",), conversation="group-1",
    )  # fmt: skip
    log.record(whole)
    assert log.get("inc-1-opened") == Record(whole)


def test_what_was_never_recorded_is_not_known(log: NoticeLog) -> None:
    assert log.get("inc-1-opened") is None
    assert begun(log, 0) is None
    ended(log, Outcome.DELIVERED, 0)
    assert log.get("inc-1-opened") is None


def test_what_was_kept_from_people_and_is_told_after_all_is_suppressed_no_more(
    log: NoticeLog,
) -> None:
    log.record(notice(), "silence night")
    log.record(notice())
    log.record(notice(), "silence night")  # and once it is told it stays so
    record = log.get("inc-1-opened")
    assert record is not None
    assert (record.suppressed, record.outcome) == ("", "recorded")
    assert begun(log, 0) is not None
    assert len(log.query()) == 1


def test_recording_twice_changes_nothing(log: NoticeLog) -> None:
    log.record(notice())
    begun(log, 0)
    log.record(notice(headline="another"), "a silence")
    record = log.get("inc-1-opened")
    assert record is not None
    assert (record.notice, record.suppressed, len(record.deliveries)) == (notice(), "", 1)


def test_why_nobody_was_told_is_remembered(log: NoticeLog) -> None:
    log.record(notice(), "silence night")
    assert log.get("inc-1-opened") == Record(notice(), (), "silence night")


def test_a_megabyte_of_hostile_text_is_kept_in_part(log: NoticeLog) -> None:
    log.record(notice(lines=("first", "\x00" * 1_000_000), evidence=("\ud800 lone " * 100_000,)))
    record = log.get("inc-1-opened")
    assert record is not None
    assert record.notice.lines[0] == "first"
    assert record.notice.lines[-1] == CUT
    assert record.notice.evidence[-1] == CUT


# Looking back


def ids(found: Any) -> list[str]:
    return [record.notice.id for record in found]


def test_notices_are_found_newest_first_by_producer_level_and_time(log: NoticeLog) -> None:
    log.record(notice("a", START - 40 * DAY))
    log.record(notice("b", START - 2 * DAY, level=Level.INFO))
    log.record(notice("c", START - MINUTE, producer="security_check", level=Level.WARNING))
    log.record(notice("d", START))
    log.record(notice("e", START - DAY), "a silence")
    assert ids(log.query()) == ["d", "c", "e", "b", "a"]
    assert ids(log.query(limit=2)) == ["d", "c"]
    assert ids(log.query(producer="security_check")) == ["c"]
    assert ids(log.query(level=Level.CRITICAL)) == ["d", "e", "a"]
    assert ids(log.query(producer="incident_response", level=Level.INFO)) == ["b"]
    assert ids(log.query(since=START - DAY)) == ["d", "c", "e"]
    assert ids(log.query(producer="nobody")) == []


def test_what_was_found_says_what_became_of_it(log: NoticeLog) -> None:
    log.record(notice())
    begun(log, 0)
    ended(log, Outcome.DELIVERED, 1)
    [record] = log.query()
    assert (record.delivered_via, record.outcome) == (("slack",), "delivered")


def test_names_of_producers_and_ids_may_be_very_long(log: NoticeLog) -> None:
    log.record(notice("i" * 2000, producer="ü" * 200))
    assert ids(log.query(producer="ü" * 200)) == ["i" * 2000]
    assert log.get("i" * 2000) is not None


# Who may deliver


def test_the_first_to_begin_may_deliver_and_nobody_beside_it(log: NoticeLog) -> None:
    log.record(notice())
    assert begun(log, 0) == Delivery("slack", Outcome.SENDING, START, tries=1)
    assert begun(log, 1) is None


def test_each_channel_is_begun_by_itself(log: NoticeLog) -> None:
    log.record(notice())
    assert begun(log, 0, "slack") is not None
    assert begun(log, 0, "telegram") is not None


def test_of_many_who_begin_at_once_one_may(log: NoticeLog) -> None:
    log.record(notice())
    with ThreadPoolExecutor(6) as pool:
        assert sum(bool(each) for each in pool.map(lambda _: begun(log, 0), range(12))) == 1


def test_what_was_interrupted_is_begun_again_when_patience_is_over(log: NoticeLog) -> None:
    log.record(notice())
    begun(log, 0)
    assert begun(log, 1.9) is None
    again = begun(log, 2)
    assert again == Delivery("slack", Outcome.SENDING, START + 2 * MINUTE, tries=2)
    assert begun(log, 3) is None


def test_what_waits_is_begun_when_its_time_has_come(log: NoticeLog) -> None:
    log.record(notice())
    begun(log, 0)
    ended(log, Outcome.WAITING, 1, detail="429", again_at=START + 5 * MINUTE)
    assert begun(log, 4.9) is None
    again = begun(log, 5)
    assert again is not None
    assert again.tries == 2


@pytest.mark.parametrize("outcome", [Outcome.DELIVERED, Outcome.GIVEN_UP])
def test_what_is_over_is_never_begun_again(log: NoticeLog, outcome: Outcome) -> None:
    log.record(notice())
    begun(log, 0)
    ended(log, outcome, 1, tries=3, detail="why")
    assert begun(log, 1000) is None
    record = log.get("inc-1-opened")
    assert record is not None
    at = START + MINUTE
    assert record.deliveries == (Delivery("slack", outcome, at, 3, "why"),)


# Conversations


def thread(shown_at: datetime = START, **more: Any) -> Thread:
    return replace(Thread("slack", "inc-1", "C1/1.0", shown_at, {"parts": "2"}), **more)


def test_a_thread_is_found_by_channel_and_conversation(log: NoticeLog) -> None:
    log.keep_thread(thread())
    log.keep_thread(thread(START + MINUTE))
    assert log.thread("slack", "inc-1") == thread(START + MINUTE)
    assert log.thread("slack", "inc-2") is None
    assert log.thread("telegram", "inc-1") is None


def test_conversations_may_have_any_name(log: NoticeLog) -> None:
    odd = thread(conversation="\u202eü#|" * 500)
    log.keep_thread(odd)
    assert log.thread("slack", odd.conversation) == odd


def test_one_speaks_at_a_time_in_a_conversation(log: NoticeLog) -> None:
    turn = log.take_turn("slack", "inc-1", START, PATIENCE)
    assert turn is not None
    assert turn.thread is None
    assert log.thread("slack", "inc-1") is None
    assert log.take_turn("slack", "inc-1", START + MINUTE, PATIENCE) is None
    assert log.take_turn("telegram", "inc-1", START, PATIENCE) is not None
    assert log.take_turn("slack", "inc-2", START, PATIENCE) is not None
    log.give_back_turn(turn)
    log.give_back_turn(turn)
    assert log.take_turn("slack", "inc-1", START + MINUTE, PATIENCE) is not None


def test_of_many_who_want_a_turn_at_once_one_gets_it(log: NoticeLog) -> None:
    with ThreadPoolExecutor(6) as pool:
        turns = list(
            pool.map(lambda _: log.take_turn("slack", "inc-1", START, PATIENCE), range(12))
        )
    assert sum(turn is not None for turn in turns) == 1


def test_keeping_a_thread_ends_the_turn_and_the_next_one_sees_it(log: NoticeLog) -> None:
    log.take_turn("slack", "inc-1", START, PATIENCE)
    log.keep_thread(thread())
    turn = log.take_turn("slack", "inc-1", START, PATIENCE)
    assert turn is not None
    assert turn.thread == thread()
    log.give_back_turn(turn)
    assert log.thread("slack", "inc-1") == thread()


def test_a_turn_whose_taker_died_is_over_with_its_patience(log: NoticeLog) -> None:
    dead = log.take_turn("slack", "inc-1", START, PATIENCE)
    assert dead is not None
    alive = log.take_turn("slack", "inc-1", START + PATIENCE, PATIENCE)
    assert alive is not None
    log.give_back_turn(dead)
    assert log.take_turn("slack", "inc-1", START + PATIENCE + MINUTE, PATIENCE) is None


# SQLite alone: what people and programs ask with `sqlite3`, and what is due


def test_the_table_of_notifications_has_columns_of_its_own(tmp_path: Path) -> None:
    log = SqliteNoticeLog(Database(tmp_path / "state.sqlite3"))
    log.record(notice(producer="system_monitoring"))
    begun(log, 0)
    begun(log, 0, "telegram")
    with closing(sqlite3.connect(tmp_path / "state.sqlite3")) as rows:
        columns = (
            "SELECT sent_at, channel, delivered_via, level, title, message, outcome"
            " FROM notifications WHERE channel = 'system_monitoring' AND level = 'critical'"
        )
        told = (
            "2026-03-01T12:00:30.000000+00:00", "system_monitoring", "", "critical",
            "[CRITICAL] web-1: cpu is 97", "It is sick.\nNext: restart.", "sending",
        )  # fmt: skip
        assert rows.execute(columns).fetchall() == [told]
        ended(log, Outcome.DELIVERED, 1)
        assert rows.execute(columns).fetchone()[2] == "slack"
        log.end("inc-1-opened", Delivery("telegram", Outcome.DELIVERED, START))
        delivered = rows.execute(columns).fetchone()
        assert (delivered[2], delivered[6]) == ("slack, telegram", "delivered")


def due(log: SqliteNoticeLog, minutes: float = 0) -> list[str]:
    at = START + minutes * MINUTE
    return log.due("slack", at, PATIENCE, lambda each: each.level is not Level.INFO)


@pytest.fixture
def local() -> SqliteNoticeLog:
    log = SqliteNoticeLog(Database(None))
    log.record(notice("before"))
    log.follow(["slack"])
    return log


def test_due_is_what_concerns_a_channel_since_it_is_followed(local: SqliteNoticeLog) -> None:
    local.record(notice("a"))
    local.record(notice("b", level=Level.INFO))
    local.record(notice("c"), "a silence")
    local.record(notice("d"))
    assert due(local) == due(local) == ["a", "d"]
    assert local.due("telegram", START, PATIENCE, lambda each: True) == []
    local.record(notice("c"))  # and is told after all
    assert due(local) == ["a", "d", "c"]


def test_what_is_put_off_is_due_later_and_told_in_no_record_until_then(
    local: SqliteNoticeLog,
) -> None:
    local.record(notice())
    assert due(local) == ["inc-1-opened"]
    local.put_off("inc-1-opened", "slack", START + MINUTE)
    assert due(local) == []
    assert due(local, 1) == ["inc-1-opened"]
    record = local.get("inc-1-opened")
    assert record is not None
    assert record.deliveries == ()
    local.drop("inc-1-opened", "slack")
    assert due(local, 1) == []


def test_due_again_is_what_waits_and_what_was_interrupted(local: SqliteNoticeLog) -> None:
    local.record(notice())
    assert due(local) == ["inc-1-opened"]
    begun(local, 0)
    assert due(local, 1) == []
    assert due(local, 2) == ["inc-1-opened"]
    ended(local, Outcome.WAITING, 2, again_at=START + 9 * MINUTE)
    assert due(local, 8) == []
    assert due(local, 9) == ["inc-1-opened"]
    ended(local, Outcome.DELIVERED, 9)
    assert due(local, 1000) == []


def test_what_was_dropped_is_due_no_more(local: SqliteNoticeLog) -> None:
    local.record(notice())
    due(local)
    local.drop("inc-1-opened", "slack")
    assert due(local) == []


def test_a_channel_that_was_away_begins_with_the_next_notice(local: SqliteNoticeLog) -> None:
    local.follow([])
    local.record(notice("while it was away"))
    local.follow(["slack"])
    local.record(notice("after"))
    assert due(local) == ["after"]


def test_notices_are_forgotten_after_more_than_a_year(local: SqliteNoticeLog) -> None:
    local.record(notice())
    begun(local, 0)
    local.forget_before(START + 399 * DAY)
    assert local.get("inc-1-opened") is not None
    local.forget_before(START + 401 * DAY)
    assert local.query() == []


# DynamoDB alone


def test_notices_expire_like_incidents() -> None:
    with aws.table() as dynamodb:
        log = DynamoDbNoticeLog(dynamodb, aws.TABLE, lambda: START)
        log.record(notice())
        log.keep_thread(thread())
        items = dynamodb.scan(TableName=aws.TABLE)["Items"]
        assert {int(item["expires"]["N"]) for item in items} == {
            int((START + 400 * DAY).timestamp())
        }


def calls(dynamodb: Any) -> list[str]:
    made: list[str] = []
    dynamodb.meta.events.register(
        "before-call.dynamodb", lambda model, **_: made.append(model.name)
    )
    return made


def test_looking_back_reads_no_more_than_the_months_asked_for() -> None:
    with aws.table() as dynamodb:
        log = DynamoDbNoticeLog(dynamodb, aws.TABLE, lambda: START)
        log.record(notice())
        made = calls(dynamodb)
        log.query(producer="incident_response", level=Level.CRITICAL, since=START - 40 * DAY)
        assert made == ["Query", "Query", "Query"]  # March, February, January


def test_the_usual_producer_costs_one_write_and_another_one_more_the_first_time() -> None:
    with aws.table() as dynamodb:
        log = DynamoDbNoticeLog(dynamodb, aws.TABLE, lambda: START)
        made = calls(dynamodb)
        log.record(notice())
        assert made == ["PutItem"]
        log.record(notice("x", producer="backup"))
        log.record(notice("y", producer="backup"))
        assert made == ["PutItem", "UpdateItem", "PutItem", "PutItem"]


@pytest.mark.parametrize(
    ("code", "retryable"), [("ThrottlingException", True), ("ValidationException", False)]
)
@pytest.mark.parametrize(
    ("operation", "act"),
    [
        ("put_item", lambda log: log.record(notice())),
        ("get_item", lambda log: log.get("n")),
        ("query", lambda log: log.query(producer="p", since=START)),
        ("update_item", lambda log: log.begin("n", "slack", START, PATIENCE)),
        ("update_item", lambda log: log.end("n", Delivery("slack", Outcome.DELIVERED, START))),
        ("put_item", lambda log: log.keep_thread(thread())),
        ("update_item", lambda log: log.take_turn("slack", "c", START, PATIENCE)),
    ],
)
def test_every_trouble_of_the_store_is_told_in_our_words(
    operation: str, act: Any, code: str, retryable: bool
) -> None:
    with aws.answering("dynamodb") as (dynamodb, stubber):
        stubber.add_client_error(operation, code)
        with pytest.raises(StoreError, match=code) as caught:
            act(DynamoDbNoticeLog(dynamodb, aws.TABLE, lambda: START))
    assert caught.value.retryable is retryable
