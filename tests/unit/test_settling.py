"""A recovered target whose alarm still rings is watched in silence: the alarm would not tell."""

from datetime import datetime, timedelta

from autorecovery.models.fleet import FleetAllowance, Lease
from autorecovery.models.notice import NoticeKind
from autorecovery.models.reason import IncidentState, Reason
from tests.response_world import (
    INSTANCE,
    RESTART,
    SICK,
    START,
    WELL,
    World,
    incident,
    measured_by_alarm,
    rule,
)

MINUTE = timedelta(minutes=1)
ONE = FleetAllowance(at_once=1, starts=9, window=timedelta(hours=1))


def ringing() -> World:
    return World(measured_by_alarm(rule(RESTART)))


def recovered_at(world: World) -> datetime:
    return next(n.at for n in world.board.posted if n.kind is NoticeKind.RECOVERED)


def test_people_hear_at_once_and_the_incident_stays_open_while_the_alarm_rings() -> None:
    world = ringing()
    assert world.respond(lasting=10 * MINUTE) is None
    assert world.told == [NoticeKind.OPENED, NoticeKind.RECOVERED]
    assert world.present.state is IncidentState.SETTLING
    ending = world.respond()
    assert ending is not None
    assert ending.reason is Reason.RECOVERED
    assert world.clock() - recovered_at(world) >= 15 * MINUTE
    assert world.told == [NoticeKind.OPENED, NoticeKind.RECOVERED]


def test_it_is_closed_as_soon_as_the_alarm_says_ok() -> None:
    world = ringing()
    world.later(6 * MINUTE, lambda: world.hear("OK"))
    ending = world.respond()
    assert ending is not None
    assert world.clock() - world.opened.opened_at < 7 * MINUTE


def test_it_waits_for_every_alarm_that_rang() -> None:
    world = ringing()
    world.later(MINUTE, lambda: world.hear("ALARM", "cpu very high"))
    world.later(6 * MINUTE, lambda: world.hear("OK"))
    assert world.respond(lasting=10 * MINUTE) is None
    world.later(12 * MINUTE, lambda: world.hear("OK", "cpu very high"))
    assert world.respond(lasting=10 * MINUTE) is not None


def test_a_relapse_that_the_alarm_cannot_tell_of_is_handed_over() -> None:
    world = ringing()
    healthy_until = world.opened.opened_at + 9 * MINUTE
    cured = world.value_at
    world.reader.value_at = lambda moment: SICK if moment > healthy_until else cured(moment)
    assert world.respond(lasting=30 * MINUTE) is None
    assert world.present.state is IncidentState.HANDED_OVER
    assert world.told[:3] == [NoticeKind.OPENED, NoticeKind.RECOVERED, NoticeKind.HANDED_OVER]
    assert "sick again soon after it was verified" in world.board.posted[2].headline
    assert len(world.runner.tries) == 1
    world.reader.value_at = lambda moment: WELL
    world.hear("OK")
    ending = world.respond()
    assert ending is not None
    assert ending.reason is Reason.HEALTHY_BY_ITSELF
    assert world.told[-1] is NoticeKind.CLOSED


def test_without_an_alarm_nobody_waits() -> None:
    world = World(incident(rule(RESTART)))
    assert world.respond(lasting=8 * MINUTE) is not None


def test_one_good_minute_does_not_close_what_was_handed_over_while_its_alarm_rings() -> None:
    world = World(measured_by_alarm(rule()))
    good_from = world.opened.opened_at + 20 * MINUTE
    world.reader.value_at = lambda moment: WELL if moment > good_from else SICK
    assert world.respond(lasting=30 * MINUTE) is None
    assert not world.present.is_closed
    assert world.respond(lasting=30 * MINUTE) is not None


def test_what_healed_before_a_script_ran_is_watched_too_while_its_alarm_rings() -> None:
    world = ringing()
    sick_again = world.opened.opened_at + 12 * MINUTE
    world.controls.reserve("", Lease("other", INSTANCE.name, world.clock(), sick_again), ONE, START)
    world.reader.value_at = lambda moment: (
        WELL if world.opened.opened_at + MINUTE < moment < sick_again else SICK
    )
    assert world.respond(lasting=11 * MINUTE) is None
    assert world.present.state is IncidentState.SETTLING
    world.respond(lasting=5 * MINUTE)
    assert world.told[-1] is NoticeKind.HANDED_OVER
    assert world.runner.tries == []
    assert "sick again" in world.board.posted[-1].headline
