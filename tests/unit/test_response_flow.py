"""The response to one incident on the simulated workflow: who is told, what is run, how it ends."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from autorecovery.adapters.sqlite.controls import SqliteControls
from autorecovery.adapters.sqlite.incident_log import SqliteIncidentLog
from autorecovery.errors import (
    CommandNotStartedError,
    CommandUncertainError,
    ReadError,
    StoreError,
)
from autorecovery.models.fleet import FleetAllowance, Lease
from autorecovery.models.incident import (
    Attempt,
    CommandState,
    CommandStatus,
    Entry,
    EntryKind,
    Incident,
)
from autorecovery.models.notice import Notice, NoticeKind
from autorecovery.models.reason import Autonomy, IncidentState, Level, Reason, Verdict
from autorecovery.models.signal import EventOrigin, LogOrigin, SignalKind, Target
from autorecovery.notices.restraint import BOOK
from autorecovery.ports import LogLine, Presence
from autorecovery.response.finish import TELL_AGAIN
from autorecovery.response.recover import POLLS, SEND_TRIES, pause_between_polls
from tests.fakes import FixedDirectory, ListedNotices, MeasuredWorld, ScriptedRunner
from tests.response_world import (
    CPU,
    INSTANCE,
    OPTED_IN,
    RELIEVE,
    RESTART,
    SICK,
    START,
    WELL,
    CrashOnce,
    World,
    incident,
    measured_by_alarm,
    rule,
    signal,
)

HOUR = timedelta(hours=1)


def two_rungs() -> Incident:
    return incident(rule(RESTART, RELIEVE))


# The good way


@pytest.mark.parametrize("opened", [incident(rule(RESTART)), measured_by_alarm(rule(RESTART))])
def test_the_right_script_is_run_once_verified_on_fresh_data_and_told(opened: Incident) -> None:
    world = World(opened)
    ending = world.respond()
    assert ending is not None
    assert (ending.reason, ending.verdict) == (Reason.RECOVERED, Verdict.VERIFIED)
    assert [attempt.script for attempt in world.runner.tries] == ["restart_service"]
    assert world.told == [NoticeKind.OPENED, NoticeKind.RECOVERED]
    assert world.present.state is IncidentState.CLOSED


def test_the_story_is_told_in_order() -> None:
    world = World(incident(rule(RESTART)))
    world.respond()
    assert [entry.key for entry in world.story] == [
        "told opened", "decided 1", "intended 1", "started 1", "ended 1", "verified 1",
        f"told recovered by {world.opened.id}-r1", "closed",
    ]  # fmt: skip


def test_the_attempt_that_is_kept_knows_its_command_its_end_and_its_verdict() -> None:
    world = World(incident(rule(RESTART)))
    world.respond()
    attempt = world.attempts.of_command(f"command of {world.opened.id}-r1")
    assert attempt is not None
    assert attempt.status.state is CommandState.SUCCEEDED
    assert attempt.status.ended_at is not None
    assert attempt.verdict is Verdict.VERIFIED
    assert attempt == world.attempts.last_on(INSTANCE)


def test_the_notice_leaves_before_anything_is_looked_at_or_run() -> None:
    world = World(incident(rule(RESTART)))
    order: list[str] = []

    class Board(ListedNotices):
        def post(self, notice: Notice) -> None:
            order.append("told")

    class Directory(FixedDirectory):
        def look_up(self, target: Target) -> Presence:
            order.append("looked up")
            return super().look_up(target)

    class Reader(MeasuredWorld):
        def lines(self, origin: LogOrigin, since: datetime) -> list[LogLine]:
            order.append("measured")
            return super().lines(origin, since)

    class Runner(ScriptedRunner):
        def start(self, attempt: Attempt) -> str:
            order.append("run")
            return super().start(attempt)

    world.board, world.directory = Board(), Directory(OPTED_IN)
    world.reader, world.runner = Reader(world.clock, world.value_at), Runner(world.clock)
    world.respond(lasting=HOUR)
    assert order[:4] == ["told", "looked up", "measured", "run"]


def test_a_response_that_nothing_is_known_of_fails_loudly() -> None:
    world = World(incident(rule(RESTART)))
    world.opened = replace(world.opened, id="inc-unknown")
    with pytest.raises(LookupError, match="inc-unknown"):
        world.respond()


# The ladder


def test_the_next_rung_runs_only_after_the_last_was_seen_to_fail() -> None:
    world = World(two_rungs(), cures=("relieve_memory",))
    ending = world.respond()
    assert ending is not None
    assert ending.reason is Reason.RECOVERED
    assert [attempt.script for attempt in world.runner.tries] == [
        "restart_service",
        "relieve_memory",
    ]
    first, second = world.runner.tries
    assert second.intended_at - first.intended_at > timedelta(minutes=5)
    assert world.told == [NoticeKind.OPENED, NoticeKind.RECOVERED]


def test_after_the_last_rung_a_human_takes_over_and_is_told_what_was_tried() -> None:
    world = World(two_rungs(), cures=())
    assert world.respond(lasting=HOUR) is None
    assert world.present.state is IncidentState.HANDED_OVER
    assert world.told[:2] == [NoticeKind.OPENED, NoticeKind.HANDED_OVER]
    text = "\n".join(world.board.posted[1].lines)
    assert "restart_service" in text
    assert "relieve_memory" in text
    assert str(Reason.LADDER_EXHAUSTED) in world.board.posted[1].headline


def test_without_fresh_data_the_outcome_is_unclear_and_nothing_more_is_run() -> None:
    world = World(two_rungs())
    world.reader.value_at = lambda moment: None
    assert world.respond(lasting=HOUR) is None
    assert len(world.runner.tries) == 1
    assert _attempt(world).verdict is Verdict.INCONCLUSIVE
    assert str(Reason.UNCLEAR_OUTCOME) in world.board.posted[1].headline


def test_a_source_that_cannot_be_read_is_no_data() -> None:
    world = World(two_rungs())
    world.reader.error = ReadError("throttled")
    assert world.respond(lasting=HOUR) is None
    assert _attempt(world).verdict is Verdict.INCONCLUSIVE


def test_data_from_before_the_end_of_the_command_never_counts() -> None:
    world = World(incident(rule(RESTART)), cures=())
    world.runner.takes = timedelta(minutes=2)

    def healthy_only_while_the_script_runs(moment: Any) -> float:
        begun = min(world.runner.sent.values(), default=None)
        return WELL if begun and begun <= moment < begun + world.runner.takes else SICK

    world.reader.value_at = healthy_only_while_the_script_runs
    assert world.respond(lasting=HOUR) is None
    assert _attempt(world).verdict is Verdict.NOT_RECOVERED


def test_a_script_that_succeeds_does_not_make_a_target_healthy() -> None:
    world = World(incident(rule(RESTART)), cures=())
    world.respond(lasting=HOUR)
    assert _attempt(world).status.state is CommandState.SUCCEEDED
    assert _attempt(world).verdict is Verdict.NOT_RECOVERED


def test_a_script_that_fails_while_the_target_gets_healthy_is_verified() -> None:
    world = World(incident(rule(RESTART)))
    world.runner.outcome = CommandStatus(CommandState.FAILED, "exit code 1", exit_code=1)
    ending = world.respond()
    assert ending is not None
    assert ending.reason is Reason.RECOVERED


def test_a_burst_of_errors_is_over_when_the_stream_goes_on_without_them() -> None:
    when = {"log": {"field": "$.level", "equals": "ERROR"}, "count": "3 per 1m"}
    seen = signal(kind=SignalKind.LOG, name="/shop/metrics", value=None)
    world = World(incident(rule(RESTART, when=when), seen))
    world.reader.line_of = lambda value: (
        '{"level": "ERROR"}' if value == SICK else '{"level": "INFO"}'
    )
    ending = world.respond()
    assert ending is not None
    assert ending.reason is Reason.RECOVERED


# Sending at most once


def test_a_script_that_did_not_run_is_handed_over_without_verification() -> None:
    world = World(two_rungs(), cures=())
    world.runner.outcome = CommandStatus(CommandState.NOT_RUN, "it arrived too late")
    assert world.respond(lasting=HOUR) is None
    assert len(world.runner.tries) == 1
    assert _attempt(world).judgement is None
    assert str(Reason.COULD_NOT_START) in world.board.posted[1].headline


def test_a_lost_answer_is_found_by_its_token_and_followed() -> None:
    world = World(incident(rule(RESTART)))
    lost = CommandUncertainError("read timeout")
    world.runner.errors, world.runner.lost_in_transit = [lost], [lost]
    ending = world.respond()
    assert ending is not None
    assert ending.reason is Reason.RECOVERED
    assert len(world.runner.tries) == 1


def test_a_lost_answer_that_is_never_found_is_unknown_and_closed_if_healthy() -> None:
    world = World(incident(rule(RESTART)))
    lost = CommandUncertainError("read timeout")
    world.runner.errors, world.runner.lost_in_transit = [lost], [lost]
    world.runner.is_findable = False
    ending = world.respond()
    assert ending is not None
    assert ending.reason is Reason.RECOVERED
    assert _attempt(world).status.state is CommandState.UNKNOWN
    assert len(world.runner.tries) == 1


def test_a_lost_answer_that_is_never_found_goes_to_a_human_if_sick() -> None:
    world = World(two_rungs(), cures=())
    world.runner.errors = [CommandUncertainError("read timeout")]
    assert world.respond(lasting=HOUR) is None
    assert len(world.runner.tries) == 1
    assert str(Reason.MAY_STILL_BE_RUNNING) in world.board.posted[1].headline


def test_an_unknown_script_is_judged_only_after_it_could_no_longer_run() -> None:
    world = World(incident(rule(RESTART)), cures=())
    world.reader.value_at = lambda moment: WELL if world.runner.tries else SICK
    world.runner.errors = [CommandUncertainError("read timeout")]
    world.respond()
    attempt = _attempt(world)
    assert attempt.status.ended_at is not None
    assert attempt.status.ended_at >= attempt.not_after + attempt.time_limit
    lease = world.controls.ledger("").leases
    assert [each.token for each in lease] == []


def test_the_search_for_a_lost_command_survives_a_store_that_cannot_be_read() -> None:
    world = World(incident(rule(RESTART)), cures=())

    class Unreadable(ScriptedRunner):
        def find(self, attempt: Attempt) -> str | None:
            raise ReadError("throttled")

    world.runner = Unreadable(world.clock)
    world.runner.errors = [CommandUncertainError("read timeout")]
    world.respond(lasting=HOUR)
    assert _attempt(world).status.state is CommandState.UNKNOWN


def test_a_send_that_certainly_did_not_arrive_is_made_again() -> None:
    world = World(incident(rule(RESTART)))
    world.runner.errors = [CommandNotStartedError("throttled", retryable=True)] * 2
    ending = world.respond()
    assert ending is not None
    assert ending.reason is Reason.RECOVERED
    moments = len(world.runner.tries), len(world.runner.sent)
    assert moments == (3, 1)


def test_sending_ends_after_a_few_tries() -> None:
    world = World(incident(rule(RESTART)))
    world.runner.errors = [CommandNotStartedError("throttled", retryable=True)] * 99
    world.respond(lasting=HOUR)
    assert len(world.runner.tries) == SEND_TRIES
    assert str(Reason.COULD_NOT_START) in world.board.posted[1].headline


def test_a_refused_send_is_not_repeated() -> None:
    world = World(incident(rule(RESTART)))
    world.runner.errors = [CommandNotStartedError("no such instance", retryable=False)] * 2
    world.respond(lasting=HOUR)
    assert len(world.runner.tries) == 1
    assert _attempt(world).status == CommandStatus(
        CommandState.NOT_RUN, "no such instance", ended_at=_attempt(world).status.ended_at
    )


def test_a_send_that_was_interrupted_is_never_repeated() -> None:
    world = World(incident(rule(RESTART)))
    ending = world.respond(crash=CrashOnce("after send 1.0"))
    assert ending is not None
    assert ending.reason is Reason.RECOVERED
    assert len(world.runner.tries) == 1


def test_a_script_that_is_not_shipped_is_handed_over() -> None:
    world = World(incident(rule(RESTART)))

    class Empty(ScriptedRunner):
        def time_limit(self, script: str) -> timedelta:
            raise KeyError(script)

    world.runner = Empty(world.clock)
    world.runner.errors = [CommandNotStartedError("no script restart_service", retryable=False)]
    world.respond(lasting=HOUR)
    assert _attempt(world).status.state is CommandState.NOT_RUN


def test_a_command_nobody_hears_of_again_is_unknown() -> None:
    world = World(two_rungs(), cures=())

    class Silent(ScriptedRunner):
        def status(self, command_id: str, target: Target) -> CommandStatus:
            raise ReadError("GetCommandInvocation: ThrottlingException")

    world.runner = Silent(world.clock)
    world.respond(lasting=HOUR)
    assert _attempt(world).status.state is CommandState.UNKNOWN
    assert "ThrottlingException" in _attempt(world).status.detail
    assert len(world.runner.tries) == 1


@pytest.mark.parametrize(
    ("reported", "trusted"), [(timedelta(seconds=3), True), (timedelta(minutes=-10), False)]
)
def test_an_end_before_the_beginning_is_not_believed(reported: timedelta, trusted: bool) -> None:
    world = World(incident(rule(RESTART)))
    end = world.opened.opened_at + reported
    world.runner.outcome = CommandStatus(CommandState.SUCCEEDED, ended_at=end)
    world.respond()
    assert (_attempt(world).status.ended_at == end) is trusted


def test_the_end_of_the_command_wakes_the_response() -> None:
    world = World(incident(rule(RESTART)))
    world.runner.takes = timedelta(seconds=70)
    world.later(timedelta(seconds=71), world.wake)
    world.respond()
    ended = next(entry.at for entry in world.story if entry.key == "ended 1")
    assert ended == world.opened.opened_at + timedelta(seconds=71)


def test_a_target_that_signals_all_the_time_does_not_wear_the_response_out() -> None:
    world = World(incident(rule(RESTART)))
    world.runner.takes = timedelta(seconds=100)
    for tenth in range(1, 3000):
        world.later(timedelta(seconds=tenth / 10), world.wake)
    world.respond()
    assert len(world.execution.journal) < 150


@pytest.mark.parametrize(("minutes", "most"), [(2, 25), (15, 50), (60 * 24, 110)])
def test_even_a_script_of_hours_takes_few_looks(minutes: int, most: int) -> None:
    spent, polls = timedelta(), 0
    while spent < timedelta(minutes=minutes):
        spent += pause_between_polls(polls, spent)
        polls += 1
    assert polls <= most
    assert pause_between_polls(0, timedelta()) == POLLS[0]


# Gates


def test_a_rule_that_only_observes_tells_once_and_runs_nothing() -> None:
    world = World(incident(rule(RESTART, autonomy=Autonomy.OBSERVE)))
    assert world.respond(lasting=timedelta(minutes=10)) is None
    assert world.runner.tries == []
    assert world.told == [NoticeKind.OPENED]
    assert world.present.state is IncidentState.HANDED_OVER
    assert world.story[-1].text == f"handed to a human: {Reason.AUTONOMY_OBSERVE}"


@pytest.mark.parametrize(
    ("of", "reason"), [(None, Reason.NO_RULE), (rule(), Reason.NOTHING_TO_RUN)]
)
def test_where_nothing_can_be_run_people_are_told_once(of: Any, reason: Reason) -> None:
    world = World(incident(of))
    assert world.respond(lasting=timedelta(minutes=10)) is None
    assert world.told == [NoticeKind.OPENED]
    assert world.story[-1].text == f"handed to a human: {reason}"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Presence(exists=True, opted_in=False), Reason.NOT_OPTED_IN),
        (Presence(exists=False, opted_in=False), Reason.NOT_OPTED_IN),
        (ReadError("DescribeInstances: RequestLimitExceeded"), Reason.OPT_IN_UNKNOWN),
    ],
)
def test_only_machines_known_to_have_opted_in_are_touched(answer: Any, reason: Reason) -> None:
    world = World(incident(rule(RESTART)))
    world.directory.answer = answer
    world.respond(lasting=timedelta(minutes=10))
    assert world.runner.tries == []
    assert str(reason) in world.board.posted[1].headline


def test_another_machines_line_never_starts_a_recovery() -> None:
    seen = signal(claimed_identity="i-0ffffffffffffffff")
    opened = incident(rule(RESTART), seen, held_for=Reason.WRONG_IDENTITY)
    world = World(opened)
    world.respond(lasting=timedelta(minutes=10))
    assert world.runner.tries == []
    assert world.told == [NoticeKind.OPENED]


def test_an_old_breach_is_not_acted_on() -> None:
    world = World(incident(rule(RESTART), breached_at=START - timedelta(minutes=16)))
    world.respond(lasting=timedelta(minutes=10))
    assert world.runner.tries == []
    assert str(Reason.STALE_EVENT) in world.board.posted[1].headline


@pytest.mark.parametrize(("minutes_ago", "runs"), [(1, False), (14, False), (15, True)])
def test_a_target_cools_down_between_recoveries(minutes_ago: int, runs: bool) -> None:
    world = World(incident(rule(RESTART)))
    world.attempts.intend(
        Attempt(
            token="inc-other-r1", incident_id="inc-other", rule_name="memory", target=INSTANCE,
            script="relieve_memory", parameters={},
            intended_at=world.clock() - timedelta(minutes=minutes_ago),
            not_after=world.clock(), time_limit=timedelta(minutes=2),
        )
    )  # fmt: skip
    world.respond(lasting=timedelta(minutes=10))
    assert bool(world.runner.tries) is runs


def test_a_target_that_got_healthy_meanwhile_is_left_alone() -> None:
    world = World(incident(rule(RESTART), signal(at=START - timedelta(minutes=2))), cures=())
    world.clock.advance(START)
    world.reader.value_at = lambda moment: WELL if moment > START - timedelta(seconds=90) else SICK
    ending = world.respond()
    assert ending is not None
    assert (ending.reason, ending.verdict) == (Reason.HEALTHY_BY_ITSELF, Verdict.SELF_HEALED)
    assert world.runner.tries == []
    assert world.told == [NoticeKind.OPENED, NoticeKind.CLOSED]


def test_an_incident_that_a_person_closed_is_left_alone() -> None:
    world = World(incident(rule(RESTART)))
    world.incidents.close(world.opened.id, Reason.CLOSED_BY_PERSON, world.clock())
    ending = world.respond()
    assert ending is not None
    assert (ending.reason, ending.verdict) == (Reason.CLOSED_BY_PERSON, None)
    assert world.runner.tries == []


def test_every_gate_is_asked_and_written_down() -> None:
    world = World(incident(rule(RESTART)))
    world.respond()
    decided = next(entry for entry in world.story if entry.kind is EntryKind.DECIDED)
    assert list(decided.facts["gates"]) == [
        "open", "still sick", "halt", "stale event", "identity", "way to run", "opt-in",
        "maintenance", "correlation", "parent", "flapping", "autonomy", "script", "cooldown",
        "attempts", "fleet", "reach",
    ]  # fmt: skip


# Trouble around it


def test_when_nobody_can_be_told_the_recovery_goes_on_and_the_timeline_says_so() -> None:
    world = World(incident(rule(RESTART)))
    world.board.is_down = True
    ending = world.respond()
    assert ending is not None
    assert ending.reason is Reason.RECOVERED
    untold = [entry for entry in world.story if entry.kind is EntryKind.NOTIFIED]
    assert [entry.facts["delivered"] for entry in untold] == [False] * (2 + len(TELL_AGAIN))
    assert untold[0].text == "nobody could be told: the board is down"


def test_what_nobody_heard_of_is_told_again_after_it_is_over() -> None:
    world = World(incident(rule(RESTART)))
    world.board.is_down = True
    world.later(timedelta(minutes=10), lambda: setattr(world.board, "is_down", False))
    world.respond()
    assert world.told == [NoticeKind.RECOVERED]
    assert "it took 1m" in world.board.posted[0].lines[-1]  # and not the time nobody could be told
    assert world.present.is_closed


def test_a_hand_over_that_was_foretold_to_nobody_is_told() -> None:
    world = World(incident(rule(RESTART, autonomy=Autonomy.OBSERVE)))
    world.board = FailingOnce()
    world.respond(lasting=timedelta(minutes=1))
    assert world.told == [NoticeKind.HANDED_OVER]


class FailingOnce(ListedNotices):
    """A board that does not take its first notice."""

    def __init__(self) -> None:
        super().__init__()
        self.is_down = True

    def post(self, notice: Notice) -> None:
        try:
            super().post(notice)
        finally:
            self.is_down = False


def test_a_decision_that_a_store_kept_waiting_is_not_acted_on() -> None:
    world = World(incident(rule(RESTART)))
    troubles = [StoreError("throttled", retryable=True) for _ in range(14)]

    class Gone(SqliteControls):
        def reserve(
            self, group: str, lease: Lease, allowed: FleetAllowance, now: datetime
        ) -> Reason | None:
            if troubles and group != BOOK:
                raise troubles.pop()
            return super().reserve(group, lease, allowed, now)

    world.controls = Gone(world.database)
    world.respond(lasting=HOUR)
    assert world.runner.tries == []
    assert str(Reason.COULD_NOT_START) in world.board.posted[1].headline


def test_a_store_that_is_gone_for_a_while_delays_and_repeats_nothing() -> None:
    world = World(incident(rule(RESTART)))
    troubles = [StoreError("throttled", retryable=True) for _ in range(5)]

    class Unreliable(SqliteIncidentLog):
        def record(self, incident_id: str, entry: Entry) -> None:
            if troubles:
                raise troubles.pop()
            super().record(incident_id, entry)

    world.incidents = Unreliable(world.database)
    ending = world.respond()
    assert ending is not None
    assert ending.reason is Reason.RECOVERED
    assert len(world.runner.tries) == 1


def test_an_event_that_cannot_be_read_again_is_inconclusive_and_then_over_on_its_own_ok() -> None:
    seen = signal(EventOrigin("composite"), kind=SignalKind.ALARM, name="all", state="ALARM")
    when = {"alarm": "all"}
    world = World(incident(rule(RESTART, when=when), seen))

    def alarm_says_ok() -> None:
        entry = Entry("signal ok", world.clock(), EntryKind.SIGNALLED, "OK", {"state": "OK"})
        world.incidents.record(world.opened.id, entry)
        world.wake()

    world.later(timedelta(minutes=30), alarm_says_ok)
    ending = world.respond()
    assert ending is not None
    assert (ending.reason, ending.verdict) == (Reason.HEALTHY_BY_ITSELF, Verdict.INCONCLUSIVE)
    assert len(world.runner.tries) == 1


def test_an_incident_that_is_ruled_by_its_level_alone_waits_for_it() -> None:
    eager = rule(RESTART, when=CPU, recover_at="warning")
    world = World(replace(incident(eager), level=Level.WARNING))
    assert world.respond() is not None
    assert len(world.runner.tries) == 1


def _attempt(world: World) -> Attempt:
    attempt = world.attempts.last_on(INSTANCE)
    assert attempt is not None
    return attempt


def test_a_machine_whose_clock_is_days_ahead_is_judged_all_the_same() -> None:
    world = World(incident(rule(RESTART)))
    world.runner.outcome = CommandStatus(
        CommandState.SUCCEEDED, exit_code=0, ended_at=START + timedelta(days=2)
    )
    ending = world.respond(lasting=timedelta(minutes=20))
    assert ending is not None
    assert ending.reason is Reason.RECOVERED


def test_good_news_that_was_lost_is_told_again_though_people_had_heard_the_bad() -> None:
    world = World(incident(rule(RESTART)))
    world.later(timedelta(seconds=10), lambda: setattr(world.board, "is_down", True))
    world.later(timedelta(minutes=10), lambda: setattr(world.board, "is_down", False))
    world.respond()
    assert world.told == [NoticeKind.OPENED, NoticeKind.RECOVERED]
