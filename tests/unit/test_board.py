"""A noticeboard that remembers: written down first, then sent, and around the board if it fails."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from autorecovery.adapters.simulated.clock import VirtualClock
from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.notice_log import SqliteNoticeLog
from autorecovery.delivery.board import RecordedBoard
from autorecovery.errors import NoticeError, StoreError
from autorecovery.models.delivery import Delivery, Outcome
from autorecovery.models.notice import Notice, NoticeKind
from autorecovery.models.reason import Level
from tests.fakes import ListedNotices
from tests.response_world import START

NOTICE = Notice("n", "inc-1", NoticeKind.OPENED, Level.CRITICAL, "sick", ("It is.",), START)


class ForgetfulLog(SqliteNoticeLog):
    """NoticeLog that cannot write what became of a notice."""

    def end(self, notice_id: str, delivery: Delivery) -> None:
        raise StoreError("gone", retryable=True)


class FullLog(SqliteNoticeLog):
    """NoticeLog that takes nothing."""

    def record(self, notice: Notice, suppressed: str = "") -> None:
        raise StoreError("full", retryable=True)


class WatchingBoard(ListedNotices):
    """Noticeboard that looks whether a notice was recorded before it was put up."""

    def __init__(self, log: SqliteNoticeLog) -> None:
        super().__init__()
        self.log = log

    def post(self, notice: Notice) -> None:
        assert self.log.get(notice.id) is not None
        super().post(notice)


def log() -> SqliteNoticeLog:
    return SqliteNoticeLog(Database(None))


def delivery(memory: SqliteNoticeLog) -> Delivery | None:
    record = memory.get("n")
    return record.delivery("sns") if record else None


def test_a_notice_is_written_down_before_it_is_put_up() -> None:
    memory = log()
    inner = WatchingBoard(memory)
    RecordedBoard(inner, "sns", memory, VirtualClock(START)).post(NOTICE)
    assert inner.posted == [NOTICE]
    assert delivery(memory) == Delivery("sns", Outcome.DELIVERED, START)


def test_what_cannot_be_written_down_is_not_sent_yet() -> None:
    inner = ListedNotices()
    with pytest.raises(StoreError):
        RecordedBoard(inner, "sns", FullLog(Database(None)), VirtualClock(START)).post(NOTICE)
    assert inner.posted == []


def test_what_has_left_is_not_told_twice_because_of_its_record() -> None:
    inner = ListedNotices()
    RecordedBoard(inner, "sns", ForgetfulLog(Database(None)), VirtualClock(START)).post(NOTICE)
    assert inner.posted == [NOTICE]


def test_a_board_that_is_down_is_told_and_remembered() -> None:
    memory, inner = log(), ListedNotices()
    inner.is_down = True
    with pytest.raises(NoticeError, match="the board is down"):
        RecordedBoard(inner, "sns", memory, VirtualClock(START)).post(NOTICE)
    assert delivery(memory) == Delivery("sns", Outcome.GIVEN_UP, START, 1, "the board is down")


def test_where_the_board_is_down_the_channels_are_told_directly() -> None:
    memory, inner = log(), ListedNotices()
    inner.is_down = True
    around: list[Notice] = []

    def go(notice: Notice) -> Sequence[str]:
        around.append(notice)
        return ["slack", "telegram"]

    RecordedBoard(inner, "sns", memory, VirtualClock(START), go).post(NOTICE)
    assert around == [NOTICE]
    told = "the board is down; told directly: slack, telegram"
    assert delivery(memory) == Delivery("sns", Outcome.GIVEN_UP, START, 1, told)


def test_where_nobody_takes_it_both_reasons_are_told() -> None:
    memory, inner = log(), ListedNotices()
    inner.is_down = True

    def fail(notice: Notice) -> Sequence[str]:
        raise NoticeError("no queue")

    with pytest.raises(NoticeError, match="the board is down; no queue"):
        RecordedBoard(inner, "sns", memory, VirtualClock(START), fail).post(NOTICE)


def test_where_it_concerns_no_channel_a_board_that_is_down_is_an_error() -> None:
    inner = ListedNotices()
    inner.is_down = True
    with pytest.raises(NoticeError):
        RecordedBoard(inner, "sns", log(), VirtualClock(START), lambda _: ()).post(NOTICE)


FOR_ONE = replace(NOTICE, to=("pager",))


def test_what_is_for_some_channels_only_is_not_put_up_for_everybody() -> None:
    memory, inner = log(), ListedNotices()
    board = RecordedBoard(inner, "sns", memory, VirtualClock(START), lambda notice: notice.to)
    board.post(FOR_ONE)
    assert inner.posted == []
    assert memory.get("n") is not None


@pytest.mark.parametrize("takes", ["nobody", "another", "raises"])
def test_where_they_cannot_be_reached_everybody_is_told(takes: str) -> None:
    def around(notice: Notice) -> Sequence[str]:
        if takes == "raises":
            raise NoticeError("no queue")
        return ["mail"] if takes == "another" else []

    inner = ListedNotices()
    RecordedBoard(inner, "sns", log(), VirtualClock(START), around).post(FOR_ONE)
    assert inner.posted == [FOR_ONE]


def test_a_board_beside_which_there_is_no_way_tells_all() -> None:
    inner = ListedNotices()
    RecordedBoard(inner, "console", log(), VirtualClock(START)).post(FOR_ONE)
    assert inner.posted == [FOR_ONE]


def test_what_is_posted_after_it_was_withheld_is_in_the_record_as_told() -> None:
    memory, inner = log(), ListedNotices()
    board = RecordedBoard(inner, "sns", memory, VirtualClock(START))
    board.withhold(NOTICE, "silence night")
    board.post(NOTICE)
    record = memory.get("n")
    assert record is not None
    assert (record.suppressed, record.delivered_via) == ("", ("sns",))
