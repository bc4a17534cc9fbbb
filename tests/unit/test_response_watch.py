"""The long wait: warnings that may become worse, and incidents that a human has taken over."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from autorecovery.config import Configuration
from autorecovery.errors import ReadError
from autorecovery.models.incident import Entry, EntryKind
from autorecovery.models.notice import NoticeKind
from autorecovery.models.reason import IncidentState, Level, Reason, Verdict
from autorecovery.models.signal import EventOrigin, MetricOrigin, SignalKind
from tests.response_world import (
    CPU,
    METRIC,
    RESTART,
    SICK,
    WELL,
    World,
    at_warning,
    incident,
    measured_by_alarm,
    rule,
    signal,
)

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
OPERATIONS = 3_000
"""What one durable execution may hold."""


def durable_operations(world: World) -> int:
    """Return how many operations the journal stands for: a wait is a callback and its step."""
    return sum(2 if operation.until else 1 for operation in world.execution.journal)


# Warnings


def test_a_warning_waits_until_it_is_bad_enough_and_then_recovers() -> None:
    world = World(at_warning(rule(RESTART)))

    def worsen() -> None:
        world.incidents.raise_level(world.opened.id, Level.CRITICAL, world.clock())
        world.wake()

    world.later(40 * MINUTE, worsen)
    ending = world.respond()
    assert ending is not None
    assert ending.reason is Reason.RECOVERED
    attempt = world.runner.tries[0]
    assert attempt.intended_at == world.opened.opened_at + 40 * MINUTE
    assert world.told == [
        NoticeKind.OPENED, NoticeKind.REMINDER, NoticeKind.REMINDER, NoticeKind.RECOVERED,
    ]  # fmt: skip
    assert "got worse, critical now" in world.board.posted[2].headline


def test_a_wake_up_that_was_lost_only_delays() -> None:
    world = World(at_warning(rule(RESTART)))

    def worsen() -> None:
        world.incidents.raise_level(world.opened.id, Level.CRITICAL, world.clock())

    world.later(40 * MINUTE, worsen)
    ending = world.respond()
    assert ending is not None
    assert 40 * MINUTE <= world.runner.tries[0].intended_at - world.opened.opened_at <= 50 * MINUTE


def test_a_warning_that_gets_healthy_is_closed_by_itself() -> None:
    world = World(at_warning(rule(RESTART)))
    well = world.opened.opened_at + 20 * MINUTE
    world.reader.value_at = lambda moment: WELL if moment >= well else 85.0
    ending = world.respond()
    assert ending is not None
    assert (ending.reason, ending.verdict) == (Reason.HEALTHY_BY_ITSELF, Verdict.SELF_HEALED)
    assert world.runner.tries == []
    assert world.told == [NoticeKind.OPENED, NoticeKind.REMINDER, NoticeKind.CLOSED]


def test_a_warning_between_the_limits_stays_open() -> None:
    world = World(at_warning(rule(RESTART)))
    world.reader.value_at = lambda moment: 75.0
    assert world.respond(lasting=DAY) is None
    assert not world.present.is_closed


def test_a_warning_that_a_person_closes_is_over() -> None:
    world = World(at_warning(rule(RESTART)))
    world.later(
        HOUR,
        lambda: (
            world.incidents.close(world.opened.id, Reason.CLOSED_BY_PERSON, world.clock()),
            world.wake(),
        ),
    )
    ending = world.respond()
    assert ending is not None
    assert ending.reason is Reason.CLOSED_BY_PERSON
    assert world.told[-1] is NoticeKind.CLOSED
    assert world.clock() == world.opened.opened_at + HOUR


# Handed over


def handed_over() -> World:
    return World(measured_by_alarm(rule()))


def test_people_are_reminded_less_and_less_often() -> None:
    world = handed_over()
    world.respond(lasting=4 * DAY)
    told = [notice.at for notice in world.board.posted if notice.kind is NoticeKind.REMINDER]
    since = world.opened.opened_at
    waits = [after - before for before, after in pairwise([since, *told])]
    assert waits == [15 * MINUTE, HOUR, 4 * HOUR, DAY, DAY, DAY]


def test_the_last_wait_between_reminders_repeats() -> None:
    often = Configuration.model_validate({"notify": {"reminders": ["2h"]}})
    world = World(measured_by_alarm(rule()), configuration=often)
    world.respond(lasting=DAY)
    assert world.told.count(NoticeKind.REMINDER) == 12


def test_every_reminder_is_on_the_timeline_with_the_present_facts() -> None:
    world = handed_over()
    world.respond(lasting=20 * MINUTE)
    reminded = [entry for entry in world.story if entry.kind is EntryKind.REMINDED]
    assert [entry.text for entry in reminded] == ["still open: 14 datapoints, 97"]


def test_after_a_long_silence_of_ours_one_reminder_makes_up_for_all_that_were_missed() -> None:
    world = handed_over()
    world.respond(lasting=MINUTE)
    world.clock.advance(world.clock() + 3 * DAY)
    world.respond(lasting=HOUR)
    assert world.told.count(NoticeKind.REMINDER) == 1


def test_it_is_closed_when_it_is_healthy_again() -> None:
    world = handed_over()
    well = world.opened.opened_at + 7 * HOUR
    world.reader.value_at = lambda moment: WELL if moment >= well else SICK
    ending = world.respond()
    assert ending is not None
    assert (ending.reason, ending.verdict) == (Reason.HEALTHY_BY_ITSELF, Verdict.SELF_HEALED)
    assert world.clock() - well < 2 * HOUR
    assert world.present.state is IncidentState.CLOSED
    assert "datapoints, 20" in " ".join(world.board.posted[-1].lines)


def test_what_was_tried_before_is_not_called_self_healed() -> None:
    world = World(incident(rule(RESTART)), cures=())
    well = world.opened.opened_at + HOUR
    world.reader.value_at = lambda moment: WELL if moment >= well else SICK
    ending = world.respond()
    assert ending is not None
    assert (ending.reason, ending.verdict) == (Reason.HEALTHY_BY_ITSELF, Verdict.NOT_RECOVERED)


def test_a_target_that_was_healthy_and_fell_silent_is_not_healthy() -> None:
    world = handed_over()
    begins, ends = world.opened.opened_at + 2 * HOUR, world.opened.opened_at + 2 * HOUR + 3 * MINUTE

    def healthy_and_then_gone(moment: datetime) -> float | None:
        return SICK if moment < begins else WELL if moment < ends else None

    world.reader.value_at = healthy_and_then_gone
    world.later(2 * HOUR + 20 * MINUTE, world.wake)
    assert world.respond(lasting=DAY) is None


def test_a_metric_of_long_periods_can_prove_health_too() -> None:
    slow = signal(
        MetricOrigin("AWS/EC2", "CPUUtilization", METRIC.dimensions, "Average", 3600),
        kind=SignalKind.ALARM,
        state="ALARM",
    )
    world = World(incident(rule(when={**CPU, "period": "1h"}), slow))
    well = world.opened.opened_at + 2 * HOUR
    world.reader.value_at = lambda moment: WELL if moment >= well else SICK
    ending = world.respond()
    assert ending is not None
    assert ending.reason is Reason.HEALTHY_BY_ITSELF


def test_what_cannot_be_read_again_is_over_when_its_own_signal_says_so() -> None:
    seen = signal(EventOrigin("composite"), kind=SignalKind.ALARM, name="all", state="ALARM")
    world = World(incident(rule(when={"alarm": "all"}), seen))

    def say_ok() -> None:
        entry = Entry("signal ok", world.clock(), EntryKind.SIGNALLED, "OK", {"state": "OK"})
        world.incidents.record(world.opened.id, entry)
        world.wake()

    assert world.respond(lasting=HOUR) is None
    world.later(2 * HOUR, say_ok)
    ending = world.respond()
    assert ending is not None
    assert ending.reason is Reason.HEALTHY_BY_ITSELF
    assert world.clock() == world.opened.opened_at + 2 * HOUR


def test_an_alarm_that_rang_again_after_its_ok_stays_open() -> None:
    seen = signal(EventOrigin("composite"), kind=SignalKind.ALARM, name="all", state="ALARM")
    world = World(incident(rule(when={"alarm": "all"}), seen))
    for minutes, state in ((1, "OK"), (2, "ALARM")):
        at = world.opened.opened_at + timedelta(minutes=minutes)
        entry = Entry(f"signal {state}", at, EntryKind.SIGNALLED, state, {"state": state})
        world.incidents.record(world.opened.id, entry)
    assert world.respond(lasting=HOUR) is None


def test_a_source_that_cannot_be_read_leaves_it_open() -> None:
    world = handed_over()
    world.reader.error = ReadError("throttled")
    assert world.respond(lasting=DAY) is None
    assert "no data" in " ".join(world.board.posted[-1].lines)


# How much a watch costs


def test_a_year_long_watch_stays_within_what_an_execution_may_hold() -> None:
    world = handed_over()
    world.reader.error = ReadError("nothing to read")
    assert world.respond(lasting=366 * DAY) is None
    assert durable_operations(world) < OPERATIONS / 2
    assert world.told.count(NoticeKind.REMINDER) > 360


def test_a_target_that_signals_all_the_time_does_not_use_a_watch_up() -> None:
    world = handed_over()
    world.reader.error = ReadError("nothing to read")

    def wake_again() -> None:
        world.wake()
        world.clock.at(world.clock() + MINUTE, wake_again)

    world.clock.at(world.clock(), wake_again)
    world.respond(lasting=7 * DAY)
    assert durable_operations(world) < OPERATIONS / 4


@pytest.mark.parametrize("after", [MINUTE, HOUR, 3 * DAY])
def test_a_wake_up_is_heard_at_once_however_long_the_watch(after: timedelta) -> None:
    world = handed_over()
    well = world.opened.opened_at + after
    world.reader.value_at = lambda moment: WELL if moment >= well else SICK
    world.later(after + 4 * MINUTE, lambda: world.hear("OK"))
    assert world.respond() is not None
    assert world.clock() <= world.opened.opened_at + after + 4 * MINUTE
