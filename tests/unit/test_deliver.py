"""One notice through one channel: once, in turn, again later, or told by another channel."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from autorecovery.adapters.simulated.clock import VirtualClock
from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.notice_log import SqliteNoticeLog
from autorecovery.config import ChannelSettings
from autorecovery.delivery.deliver import MOST_TRIES, Courier, Passed, Public, deliver
from autorecovery.delivery.trial import try_channels
from autorecovery.errors import ChannelError, ConfigurationError, StoreError
from autorecovery.models.delivery import Delivery, Outcome, PartlyDeliveredError, Thread
from autorecovery.models.notice import Notice, NoticeKind
from autorecovery.models.reason import Level
from tests.fakes import ListedChannel, ListedDeadLetters, ListedNotices
from tests.response_world import START

MINUTE = timedelta(minutes=1)
REVOKED = ChannelError("token_revoked", retryable=False)
DOWN = ChannelError("HTTP 503", retryable=True)


def settings(**more: Any) -> ChannelSettings:
    return ChannelSettings.model_validate({"webhook": {"url": "env:HOOK"}, **more})


def notice(id: str = "n", **more: Any) -> Notice:
    content: dict[str, Any] = {
        "incident_id": "inc-1", "kind": NoticeKind.OPENED, "level": Level.CRITICAL,
        "headline": "[CRITICAL] web-1: cpu is 97", "lines": ("It is sick.",), "at": START,
    }  # fmt: skip
    return Notice(id=id, **{**content, **more})


class Office:
    """Channels, their memory, and what was handed on."""

    def __init__(self, *channels: ListedChannel, **configured: ChannelSettings) -> None:
        self.clock = VirtualClock(START)
        self.log = SqliteNoticeLog(Database(None))
        self.channels = {channel.name: channel for channel in channels}
        self.configured = {name: settings() for name in self.channels} | configured
        self.dead_letters = ListedDeadLetters()
        self.handed_on: list[tuple[str, str]] = []
        self.topic = ListedNotices()

    @property
    def courier(self) -> Courier:
        return Courier(
            channels=self.configured,
            channel=self._channel,
            log=self.log,
            hand_on=lambda notice_id, via: self.handed_on.append((notice_id, via)),
            dead_letters=self.dead_letters,
            clock=self.clock,
            patience=2 * MINUTE,
            public=Public("sns", lambda: self.topic),
        )

    def _channel(self, name: str) -> ListedChannel:
        if name not in self.channels:
            raise ConfigurationError(f"{name}: its token cannot be read")
        return self.channels[name]

    def wait(self, so_long: timedelta) -> None:
        self.clock.advance(self.clock() + so_long)

    def tell(self, told: Notice, via: str = "slack") -> Passed:
        self.log.record(told)
        return deliver(told.id, via, self.courier)

    def stands(self, via: str = "slack", notice_id: str = "n") -> Delivery | None:
        record = self.log.get(notice_id)
        return record.delivery(via) if record else None


def test_a_notice_is_delivered_once_however_often_it_comes() -> None:
    slack = ListedChannel("slack")
    office = Office(slack)
    assert office.tell(notice()) == Passed("n", "slack", "delivered", Outcome.DELIVERED)
    assert office.tell(notice()) == Passed("n", "slack", "delivered before")
    assert slack.sent == [notice()]
    assert office.stands() == Delivery("slack", Outcome.DELIVERED, START)


def test_the_notices_of_one_conversation_change_one_message() -> None:
    slack = ListedChannel("slack")
    office = Office(slack)
    office.tell(notice())
    office.tell(notice("later", at=START + MINUTE))
    assert slack.shown == [None, Thread("slack", "inc-1", "message 1", START)]


def test_an_older_notice_that_comes_late_finds_what_is_shown_already() -> None:
    slack = ListedChannel("slack")
    office = Office(slack)
    office.tell(notice("newer", at=START + MINUTE))
    office.tell(notice())
    assert slack.shown[1] == office.log.thread("slack", "inc-1")
    assert office.log.thread("slack", "inc-1") == Thread(
        "slack", "inc-1", "message 1", START + MINUTE
    )


def test_two_who_begin_a_conversation_at_once_do_not_make_two_messages() -> None:
    slack = ListedChannel("slack")
    office = Office(slack)
    office.log.take_turn("slack", "inc-1", START, 2 * MINUTE)
    passed = office.tell(notice())
    assert passed.again_in == timedelta(seconds=2)
    assert slack.sent == []
    assert office.stands() is None  # it does not count as a try
    office.wait(2 * MINUTE)
    assert office.tell(notice()).outcome is Outcome.DELIVERED


def test_what_another_worker_has_in_hand_comes_again_when_its_patience_is_over() -> None:
    office = Office(ListedChannel("slack"))
    office.log.record(notice())
    office.log.begin("n", "slack", START - MINUTE, MINUTE)
    passed = office.tell(notice())
    assert passed.outcome is None
    assert passed.again_in == MINUTE


# For whom it is


@pytest.mark.parametrize(
    ("told", "configured", "arrives"),
    [
        (notice(), settings(), True),
        (notice(level=Level.INFO), settings(), True),
        (notice(level=Level.INFO), settings(level="warning"), False),
        (notice(level=Level.WARNING), settings(level="warning"), True),
        (notice(), settings(escalation_only=True), False),
        (notice(to=("slack",)), settings(escalation_only=True), True),
        (notice(to=("slack",), level=Level.INFO), settings(level="critical"), True),
        (notice(to=("telegram",)), settings(), False),
        (notice(kind=NoticeKind.RECOVERED, level=Level.INFO), settings(level="error"), False),
    ],
)
def test_a_channel_is_told_what_is_for_it(
    told: Notice, configured: ChannelSettings, arrives: bool
) -> None:
    slack = ListedChannel("slack")
    Office(slack, slack=configured).tell(told)
    assert bool(slack.sent) is arrives


def over(at: timedelta = MINUTE) -> Notice:
    return notice("over", kind=NoticeKind.RECOVERED, level=Level.INFO, at=START + at)


def test_an_end_that_overtakes_its_beginning_is_told() -> None:
    slack = ListedChannel("slack")
    office = Office(slack, slack=settings(level="warning"))
    passed = office.tell(over(timedelta(0)))
    assert passed.again_in == timedelta(seconds=30)
    office.tell(notice())
    office.wait(timedelta(seconds=30))
    office.tell(over(timedelta(0)))
    assert [each.id for each in slack.sent] == ["n", "over"]


def test_an_end_that_comes_while_its_beginning_is_being_sent_comes_again() -> None:
    office = Office(ListedChannel("slack"), slack=settings(level="warning"))
    office.log.record(notice())
    office.log.take_turn("slack", "inc-1", START, 2 * MINUTE)
    office.log.begin("n", "slack", START, 2 * MINUTE)
    assert office.tell(over()).again_in is not None


def test_an_end_whose_beginning_was_not_for_this_channel_is_told_to_nobody() -> None:
    slack = ListedChannel("slack")
    office = Office(slack, slack=settings(level="error"))
    office.tell(notice(level=Level.WARNING))
    received = 1
    while (passed := office.tell(over())).again_in is not None:
        office.wait(passed.again_in)
        received += 1
    assert slack.sent == []
    assert received < 12
    assert office.clock() - START < timedelta(hours=3)


def test_what_waits_for_the_turn_of_one_that_died_is_not_received_to_death() -> None:
    slack = ListedChannel("slack")
    office = Office(slack)
    office.log.record(notice())
    received = 0
    for _ in range(12):  # the one before it kills who carries it, each time
        office.log.take_turn("slack", "inc-1", office.clock(), 2 * MINUTE)
        ends = office.clock() + 2 * MINUTE
        while office.clock() < ends:
            passed = office.tell(notice())
            received += 1
            assert passed.again_in is not None
            office.wait(passed.again_in + timedelta(seconds=1))
    assert received < 80  # of the 100 after which SQS gives it up
    assert office.tell(notice()).outcome is Outcome.DELIVERED


@pytest.mark.parametrize("threads", [True, False])
def test_who_was_told_that_something_began_is_told_that_it_is_over(threads: bool) -> None:
    slack = ListedChannel("slack", threads=threads)
    office = Office(slack, slack=settings(level="error"))
    office.tell(notice())
    office.tell(notice("between", kind=NoticeKind.ANALYSED, level=Level.INFO))
    office.tell(notice("end", kind=NoticeKind.RECOVERED, level=Level.INFO))
    assert [each.id for each in slack.sent] == ["n", "end"]


def test_the_end_of_what_still_waits_to_be_told_is_told_too() -> None:
    slack = ListedChannel("slack", DOWN)
    office = Office(slack, slack=settings(level="error"))
    office.tell(notice())
    office.tell(notice("end", kind=NoticeKind.RECOVERED, level=Level.INFO, at=START + MINUTE))
    office.wait(MINUTE)
    office.tell(notice())
    assert [each.id for each in slack.sent] == ["end", "n"]
    # One message, which the later notice does not take back.
    assert office.log.thread("slack", "inc-1") == slack.shown[1]


def test_of_many_workers_at_one_conversation_one_makes_the_message() -> None:
    class SlowChannel(ListedChannel):
        def send(self, notice: Notice, thread: Thread | None) -> Thread | None:
            threading.Event().wait(0.01)
            return super().send(notice, thread)

    slack = SlowChannel("slack")
    office = Office(slack)

    def work(number: int) -> None:
        while office.tell(notice(f"n-{number}")).outcome is None:
            threading.Event().wait(0.001)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(12)))
    assert sorted(each.id for each in slack.sent) == sorted(f"n-{n}" for n in range(12))
    assert [shown for shown in slack.shown if shown is None] == [None]


def test_a_channel_that_cannot_change_a_message_is_never_asked_to() -> None:
    webhook = ListedChannel("slack", threads=False)
    office = Office(webhook)
    office.tell(notice())
    office.tell(notice("later"))
    assert webhook.shown == [None, None]


def test_what_was_suppressed_is_told_nobody() -> None:
    slack = ListedChannel("slack")
    office = Office(slack)
    office.log.record(notice(), "silence night")
    told = deliver("n", "slack", office.courier).text
    assert told == "nobody is to be told: silence night"
    assert slack.sent == []


def test_what_was_withheld_and_is_posted_after_the_silence_is_told() -> None:
    office = Office(ListedChannel("slack"))
    office.log.record(notice(), "silence night")
    assert office.tell(notice()).outcome is Outcome.DELIVERED


@pytest.mark.parametrize("via", ["gone", "slack"])
def test_what_nobody_knows_is_no_reason_to_come_again(via: str) -> None:
    office = Office(ListedChannel("slack"))
    if via == "gone":
        office.log.record(notice())
    passed = deliver("n", via, office.courier)
    assert (passed.outcome, passed.again_in) == (None, None)


# Refused for now


def test_a_refused_notice_comes_again_with_growing_pauses() -> None:
    slack = ListedChannel("slack", DOWN, DOWN, DOWN)
    office = Office(slack)
    pauses = []
    while (passed := office.tell(notice())).outcome is Outcome.WAITING:
        assert passed.again_in is not None
        pauses.append(passed.again_in.total_seconds())
        office.wait(passed.again_in)
    assert pauses == [5, 10, 20]
    assert slack.sent == [notice()]
    assert office.stands() == Delivery(
        "slack", Outcome.DELIVERED, office.clock(), tries=4, detail=""
    )


@pytest.mark.parametrize(("after", "pause"), [(30.0, 30), (0.0, 1), (86_400.0, 3600), (-5.0, 1)])
def test_a_channel_that_asks_for_time_gets_it_within_reason(after: float, pause: int) -> None:
    office = Office(ListedChannel("slack", ChannelError("429", retryable=True, after=after)))
    passed = office.tell(notice())
    assert passed.again_in == timedelta(seconds=pause)
    assert passed.channel_rests
    early = office.tell(notice())  # delivered twice, too early
    assert early.outcome is None
    assert early.again_in == max(timedelta(seconds=pause), timedelta(seconds=2))


def test_what_is_refused_too_often_is_given_up_and_put_aside() -> None:
    office = Office(ListedChannel("slack", *[DOWN] * 50))
    tries = 0
    while (passed := office.tell(notice(level=Level.ERROR))).outcome is Outcome.WAITING:
        tries += 1
        office.wait(passed.again_in or MINUTE)
    assert (tries + 1, passed.outcome) == (MOST_TRIES, Outcome.GIVEN_UP)
    assert office.clock() - START < timedelta(hours=2)
    [(event, why)] = office.dead_letters.kept
    assert event == {"notice_id": "n", "channels": ["slack"]}
    assert why == "slack did not take it: refused 12 times, at last: HTTP 503"
    assert office.tell(notice()).text == "given up before"


def test_what_kills_every_worker_is_given_up_too() -> None:
    office = Office(ListedChannel("slack", *[RuntimeError("bug")] * 50))
    for _ in range(MOST_TRIES):
        with pytest.raises(RuntimeError):
            office.tell(notice(level=Level.ERROR))
        office.wait(2 * MINUTE)
    passed = office.tell(notice(level=Level.ERROR))
    assert passed.outcome is Outcome.GIVEN_UP
    assert passed.text == "tried 12 times; nobody knows how it ended"


def test_after_a_bug_the_conversation_is_free_again() -> None:
    slack = ListedChannel("slack", RuntimeError("bug"))
    office = Office(slack)
    with pytest.raises(RuntimeError):
        office.tell(notice())
    assert office.tell(notice("another")).outcome is Outcome.DELIVERED


def test_what_nobody_could_try_for_a_day_is_no_news_any_more() -> None:
    slack, pager = ListedChannel("slack"), ListedChannel("pager")
    office = Office(slack, pager, pager=settings(escalation_only=True))
    office.wait(timedelta(hours=25))
    assert office.tell(notice()).outcome is Outcome.GIVEN_UP
    assert (slack.sent, office.handed_on) == ([], [])
    assert len(office.dead_letters.kept) == 1


def test_a_notice_whose_dead_letter_cannot_be_kept_is_not_given_up() -> None:
    office = Office(ListedChannel("slack", REVOKED, REVOKED))
    office.dead_letters.errors.append(StoreError("the queue is gone", retryable=True))
    with pytest.raises(StoreError):
        office.tell(notice())
    office.wait(2 * MINUTE)
    assert office.tell(notice()).outcome is Outcome.GIVEN_UP


# Told by another channel


def test_a_critical_notice_goes_to_the_next_channel_which_says_so() -> None:
    slack, pager = ListedChannel("slack", REVOKED), ListedChannel("pager")
    office = Office(slack, pager, pager=settings(escalation_only=True))
    assert office.tell(notice()).text == "token_revoked; pager tells it instead"
    assert office.handed_on == [("n@pager", "pager")]
    assert deliver("n@pager", "pager", office.courier).outcome is Outcome.DELIVERED
    [told] = pager.sent
    assert told.lines == ("slack did not take this: token_revoked", "It is sick.")
    assert (told.headline, told.thread) == (notice().headline, "inc-1")
    assert office.stands() == Delivery(
        "slack", Outcome.GIVEN_UP, START, 1, "token_revoked; pager tells it instead"
    )


@pytest.mark.parametrize(
    ("told", "falls_back"),
    [
        (notice(), True),
        (notice(level=Level.ERROR), False),
        (notice(level=Level.WARNING, kind=NoticeKind.ESCALATED, to=("slack",)), True),
    ],
)
def test_what_must_arrive_falls_back(told: Notice, falls_back: bool) -> None:
    office = Office(
        ListedChannel("slack", REVOKED), ListedChannel("pager"),
        pager=settings(escalation_only=True),
    )  # fmt: skip
    office.tell(told)
    assert bool(office.handed_on) is falls_back


def test_where_every_other_channel_has_it_anyway_the_record_says_that() -> None:
    office = Office(ListedChannel("slack", REVOKED), ListedChannel("telegram"))
    assert office.tell(notice()).text == "token_revoked; told anyway by telegram"
    assert office.handed_on == []


def test_where_no_other_channel_is_left_everybody_is_told_once() -> None:
    office = Office(ListedChannel("slack", *[DOWN] * 3, REVOKED))
    told = notice(kind=NoticeKind.ESCALATED, to=("slack",))
    for _ in range(4):
        passed = office.tell(told)
        office.wait(MINUTE)
    assert passed.text == "token_revoked; sns tells it instead, to everybody"
    assert [each.lines[0] for each in office.topic.posted] == [
        "slack did not take this: token_revoked"
    ]
    record = office.log.get("n@sns")
    assert record is not None
    assert record.delivered_via == ("sns",)


def test_everybody_is_told_while_the_only_channel_is_still_tried() -> None:
    office = Office(ListedChannel("slack", *[DOWN] * 5))
    told = notice(kind=NoticeKind.ESCALATED, to=("slack",))
    while (passed := office.tell(told)).outcome is Outcome.WAITING:
        office.wait(passed.again_in or MINUTE)
    assert passed.outcome is Outcome.DELIVERED
    [put_up] = office.topic.posted
    assert put_up.lines[0] == "slack has not taken this so far: HTTP 503"


def test_who_read_it_on_the_topic_does_not_read_it_there_again() -> None:
    office = Office(ListedChannel("slack", REVOKED))
    office.log.record(notice())
    office.log.end("n", Delivery("sns", Outcome.DELIVERED, START))
    passed = office.tell(notice())
    assert passed.text == "token_revoked; there is no other channel than sns, where it was told"
    assert office.topic.posted == []


def test_a_topic_that_is_down_too_is_told_in_the_record() -> None:
    office = Office(ListedChannel("slack", REVOKED))
    office.topic.is_down = True
    told = office.tell(notice()).text
    assert told.startswith("token_revoked; there is no other channel, and sns did not take it")


def test_a_critical_notice_reaches_another_channel_within_two_minutes() -> None:
    slack, pager = ListedChannel("slack", *[DOWN] * 6), ListedChannel("pager")
    office = Office(slack, pager, pager=settings(escalation_only=True))
    while not office.handed_on:
        passed = office.tell(notice())
        assert passed.outcome is Outcome.WAITING
        office.wait(passed.again_in or MINUTE)
    assert office.clock() - START <= 2 * MINUTE
    assert deliver("n@pager", "pager", office.courier).outcome is Outcome.DELIVERED
    assert pager.sent[0].lines[0] == "slack has not taken this so far: HTTP 503"
    while office.tell(notice()).outcome is not Outcome.DELIVERED:  # and slack is still tried
        office.wait(5 * MINUTE)
    assert (len(slack.sent), len(pager.sent)) == (1, 1)


def test_a_critical_notice_does_not_wait_for_a_channel_that_rests_for_long() -> None:
    busy = ChannelError("429", retryable=True, after=3600)
    office = Office(
        ListedChannel("slack", busy), ListedChannel("pager"), pager=settings(escalation_only=True)
    )
    assert office.tell(notice()).text == "429; pager tells it instead"
    assert office.handed_on == [("n@pager", "pager")]


def test_the_next_channel_is_the_one_after_and_at_the_end_the_first() -> None:
    last = ListedChannel("last", REVOKED)
    first, second = ListedChannel("first"), ListedChannel("second")
    quiet = settings(escalation_only=True)
    office = Office(first, second, last, first=quiet, second=quiet)
    office.tell(notice(), "last")
    assert office.handed_on == [("n@first", "first")]


def test_a_stand_in_that_fails_too_hands_on_to_the_next() -> None:
    quiet = settings(escalation_only=True)
    slack, pager = ListedChannel("slack", REVOKED), ListedChannel("pager", REVOKED)
    phone = ListedChannel("phone")
    office = Office(slack, pager, phone, pager=quiet, phone=quiet)
    office.tell(notice())
    deliver("n@pager", "pager", office.courier)
    deliver("n@phone", "phone", office.courier)
    assert phone.sent[0].lines[0] == "pager did not take this: token_revoked"
    assert office.handed_on == [("n@pager", "pager"), ("n@phone", "phone")]


def test_when_all_have_failed_it_ends() -> None:
    quiet = settings(escalation_only=True)
    office = Office(ListedChannel("slack", REVOKED), ListedChannel("pager", REVOKED), pager=quiet)
    office.tell(notice())
    passed = deliver("n@pager", "pager", office.courier)
    assert passed.text == "token_revoked; sns tells it instead, to everybody"
    assert len(office.handed_on) == 1


def test_two_that_fail_are_stood_in_for_once() -> None:
    quiet = settings(escalation_only=True)
    pager = ListedChannel("pager")
    office = Office(
        ListedChannel("slack", REVOKED), ListedChannel("telegram", REVOKED), pager, pager=quiet
    )
    for via in ("slack", "telegram"):
        office.tell(notice(), via)
    for id, via in office.handed_on:
        deliver(id, via, office.courier)
    assert len(pager.sent) == 1


def test_a_channel_that_cannot_be_set_up_is_one_that_does_not_take_it() -> None:
    office = Office(slack=settings())
    passed = office.tell(notice())
    assert passed.outcome is Outcome.GIVEN_UP
    assert passed.text.startswith("slack: its token cannot be read")


def test_what_a_channel_answers_is_one_short_line_in_the_record() -> None:
    error = ChannelError("bad\n\x1b[31m<!channel>" + "x" * 5000, retryable=False)
    office = Office(ListedChannel("slack", error))
    office.tell(notice(level=Level.INFO))
    stands = office.stands()
    assert stands is not None
    assert stands.detail.startswith("bad [31m<!channel>x")
    assert len(stands.detail) <= 300


# Trying a channel


def test_a_try_goes_through_the_channel_now_whatever_its_level() -> None:
    pager = ListedChannel("pager")
    office = Office(pager, pager=settings(escalation_only=True, level="critical"))
    [tried] = try_channels(["pager"], office.courier)
    assert (tried.channel, tried.ok, tried.text) == ("pager", True, "delivered")
    assert office.log.query(producer="notify_test")[0].delivered_via == ("pager",)


def test_a_try_that_fails_is_told_at_once_and_leaves_nothing_behind() -> None:
    office = Office(ListedChannel("slack", ChannelError("HTTP 503", retryable=True, after=60)))
    [tried, unknown] = try_channels(["slack", "slcak"], office.courier)
    assert (tried.ok, tried.text) == (False, "refused 1 times, at last: HTTP 503")
    assert unknown.text == "there is no such channel; there are: slack"
    assert (office.handed_on, office.dead_letters.kept) == ([], [])


def test_a_try_goes_on_from_what_an_earlier_one_has_sent() -> None:
    half = Thread("slack", "inc-1", "C1/1.0", START)
    refused = PartlyDeliveredError(ChannelError("HTTP 503", retryable=True), half)
    slack = ListedChannel("slack", refused)
    office = Office(slack)
    office.tell(notice())
    assert office.log.thread("slack", "inc-1") == half
