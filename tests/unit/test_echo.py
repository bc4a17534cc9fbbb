"""What is told late of trouble that is over opens no second conversation; what is real does."""

from datetime import datetime, timedelta

import pytest

from autorecovery.models.incident import Ending, Incident
from autorecovery.models.notice import NoticeKind
from autorecovery.models.reason import Reason
from autorecovery.models.signal import EventOrigin, SignalKind
from tests.response_world import METRIC, RESTART, SICK, START, WELL, World, incident, rule, signal

MINUTE = timedelta(minutes=1)
FIXED = START + 10 * MINUTE


def after_a_recovery(measured: datetime, *, kind: SignalKind = SignalKind.ALARM) -> World:
    """Return a world in which a first incident was recovered at FIXED; a second one now follows."""
    world = World(_rung(START, SignalKind.ALARM))
    world.incidents.close(world.opened.id, Reason.RECOVERED, FIXED)
    second = _rung(measured, kind)
    world.clock.advance(second.opened_at)
    world.opened = second
    world.incidents.open(second)
    world.reader.value_at = lambda moment: WELL
    return world


def _rung(measured: datetime, kind: SignalKind) -> Incident:
    seen = signal(METRIC, at=measured, id=f"{measured}", kind=kind, name="cpu high", state="ALARM")
    return incident(rule(RESTART), seen, opened_at=max(measured, FIXED) + timedelta(seconds=5))


def test_an_alarm_that_decays_after_the_fix_is_closed_without_a_word() -> None:
    world = after_a_recovery(FIXED + 2 * MINUTE)
    assert world.respond() == Ending(world.opened.id, Reason.ECHO)
    assert (world.told, world.runner.tries) == ([], [])
    assert world.present.is_closed
    assert "told late of trouble that is over" in world.story[-1].text


def test_lines_that_come_late_are_an_echo_too() -> None:
    world = after_a_recovery(FIXED - MINUTE, kind=SignalKind.METRIC)
    assert world.respond() == Ending(world.opened.id, Reason.ECHO)


def test_lines_measured_after_the_fix_are_told_at_once() -> None:
    world = after_a_recovery(FIXED + MINUTE, kind=SignalKind.METRIC)
    world.respond(lasting=MINUTE / 60)
    assert world.told[0] is NoticeKind.OPENED


def test_an_alarm_after_the_fix_is_told_as_soon_as_one_sample_breaches() -> None:
    world = after_a_recovery(FIXED + 30 * MINUTE / 60)
    world.reader.value_at = lambda moment: WELL if moment < FIXED + MINUTE else SICK
    world.respond(lasting=4 * MINUTE)
    assert world.told[0] is NoticeKind.OPENED
    told = world.board.posted[0].at
    assert told - world.opened.opened_at <= 3 * MINUTE


def test_an_alarm_is_watched_for_as_long_as_it_may_remember_and_a_relapse_is_told() -> None:
    world = after_a_recovery(FIXED + MINUTE)
    world.reader.value_at = lambda moment: WELL if moment < FIXED + 10 * MINUTE else SICK
    assert world.respond(lasting=8 * MINUTE) is None
    assert world.told == []
    world.respond(lasting=5 * MINUTE)
    assert world.told[0] is NoticeKind.OPENED


def test_where_no_data_comes_people_are_told_all_the_same() -> None:
    world = after_a_recovery(FIXED + MINUTE)
    world.reader.value_at = lambda moment: None
    world.respond(lasting=6 * MINUTE)
    assert world.told[0] is NoticeKind.OPENED


def test_an_alarm_long_after_the_fix_is_new_trouble() -> None:
    world = after_a_recovery(FIXED + 16 * MINUTE)
    world.respond(lasting=MINUTE / 60)
    assert world.told[0] is NoticeKind.OPENED


@pytest.mark.parametrize("ended", [Reason.CLOSED_BY_PERSON, None])
def test_only_what_ended_well_can_have_an_echo(ended: Reason | None) -> None:
    world = World(_rung(FIXED, SignalKind.ALARM))
    earlier = _rung(START, SignalKind.ALARM)
    if ended:
        world.incidents.close(world.opened.id, ended, FIXED)
        world.opened = incident(rule(RESTART), signal(METRIC, at=FIXED, id="again"))
        world.incidents.open(world.opened)
    assert earlier.id != world.opened.id
    world.reader.value_at = lambda moment: WELL
    world.respond(lasting=MINUTE / 60)
    assert world.told[0] is NoticeKind.OPENED


def test_what_cannot_be_measured_again_is_never_called_an_echo() -> None:
    world = World(incident(None, signal(EventOrigin("aws.health"), kind=SignalKind.ALARM)))
    world.incidents.close(world.opened.id, Reason.HEALTHY_BY_ITSELF, FIXED)
    world.opened = incident(
        None, signal(EventOrigin("aws.health"), kind=SignalKind.ALARM, id="two", at=FIXED)
    )
    world.incidents.open(world.opened)
    world.respond(lasting=MINUTE / 60)
    assert world.told[0] is NoticeKind.OPENED


def test_an_echo_does_not_count_as_the_incident_coming_and_going() -> None:
    world = after_a_recovery(FIXED + 2 * MINUTE)
    world.respond()
    cases = world.incidents.cases("cpu", START, 9)
    assert [case.ended for case in cases] == [Reason.ECHO, Reason.RECOVERED]
