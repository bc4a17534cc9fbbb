"""The process may die anywhere: nothing runs twice, and everything comes to an end."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from autorecovery.errors import CommandNotStartedError, CommandUncertainError
from autorecovery.models.controls import Halt
from autorecovery.models.incident import CommandState, CommandStatus
from autorecovery.models.notice import NoticeKind
from autorecovery.models.reason import IncidentState, Level, Reason, Verdict
from tests.response_world import (
    INSTANCE,
    RELIEVE,
    RESTART,
    WELL,
    CrashOnce,
    World,
    incident,
    measured_by_alarm,
    rule,
)

LONG = timedelta(minutes=45)
"""Long enough for the first reminder."""

FAST = {**RESTART, "verify": {"within": "3m", "healthy_for": "1m"}}
NEXT = {**RELIEVE, "verify": {"within": "3m", "healthy_for": "1m"}}


def _cured_by_the_first_rung() -> World:
    return World(measured_by_alarm(rule(FAST, NEXT)))


def _cured_by_the_second_rung() -> World:
    return World(measured_by_alarm(rule(FAST, NEXT)), cures=("relieve_memory",))


def _never_cured() -> World:
    return World(measured_by_alarm(rule(FAST)), cures=())


def _throttled_once() -> World:
    world = _cured_by_the_first_rung()
    world.runner.errors = [CommandNotStartedError("throttled", retryable=True)]
    return world


def _answer_lost() -> World:
    world = _cured_by_the_first_rung()
    lost = CommandUncertainError("read timeout")
    world.runner.errors, world.runner.lost_in_transit = [lost], [lost]
    return world


def _worse_after_a_while() -> World:
    world = World(replace(measured_by_alarm(rule(FAST)), level=Level.WARNING))

    def worsen() -> None:
        world.incidents.raise_level(world.opened.id, Level.CRITICAL, world.clock())
        world.wake()

    world.later(timedelta(minutes=10), worsen)
    return world


WORLDS = (
    _cured_by_the_first_rung, _cured_by_the_second_rung, _never_cured, _throttled_once,
    _answer_lost, _worse_after_a_while,
)  # fmt: skip


@pytest.mark.parametrize("world_of", WORLDS)
def test_wherever_it_dies_nothing_is_sent_twice_and_it_comes_to_an_end(
    world_of: Callable[[], World],
) -> None:
    for place in _places(world_of()):
        world = world_of()
        ending = world.respond(lasting=LONG, crash=CrashOnce(place))
        assert ending is not None or world.present.state is IncidentState.HANDED_OVER, place
        assert _most(Counter(world.runner.arrived)) <= 1, place
        told = Counter(notice.headline for notice in world.board.posted)
        assert sum(told.values()) - len(told) <= 1, (place, told)


@pytest.mark.parametrize("world_of", WORLDS)
def test_even_if_it_dies_everywhere_once_it_comes_to_an_end(world_of: Callable[[], World]) -> None:
    died: set[str] = set()

    def everywhere(place: str) -> bool:
        is_new = place not in died
        died.add(place)
        return is_new

    world = world_of()
    ending = world.respond(lasting=LONG, crash=everywhere)
    assert ending is not None or world.present.state is IncidentState.HANDED_OVER
    assert _most(Counter(world.runner.arrived)) <= 1


@pytest.mark.parametrize("place", ["before intend 1", "begun intend 1", "after intend 1"])
def test_dying_before_anything_was_sent_costs_no_recovery(place: str) -> None:
    world = _cured_by_the_first_rung()
    ending = world.respond(crash=CrashOnce(place))
    assert ending is not None
    assert ending.reason is Reason.RECOVERED
    assert len(world.runner.sent) == 1


def test_dying_just_before_the_request_left_is_unknown_and_nothing_is_sent() -> None:
    world = _never_cured()
    world.respond(lasting=LONG, crash=CrashOnce("begun send 1.0"))
    assert world.runner.tries == []
    assert str(Reason.MAY_STILL_BE_RUNNING) in world.board.posted[1].headline


# A new journal over the same store: the one-machine mode, killed and started again.


@pytest.mark.parametrize("seconds", [0, 3, 100, 1000])
@pytest.mark.parametrize("world_of", WORLDS)
def test_a_response_that_starts_over_runs_nothing_again(
    world_of: Callable[[], World], seconds: int
) -> None:
    world = world_of()
    world.respond(lasting=timedelta(seconds=seconds))
    world.forget()
    ending = world.respond(lasting=LONG)
    assert ending is not None or world.present.state is IncidentState.HANDED_OVER
    assert _most(Counter(world.runner.arrived)) <= 1
    told = Counter(notice.kind for notice in world.board.posted)
    assert told[NoticeKind.OPENED] == 1
    assert told[NoticeKind.HANDED_OVER] <= 1


def test_what_an_earlier_life_sent_is_found_verified_and_closed() -> None:
    world = _cured_by_the_first_rung()
    world.respond(lasting=timedelta(seconds=2))
    world.forget()
    ending = world.respond()
    assert ending is not None
    assert (ending.reason, ending.verdict) == (Reason.RECOVERED, Verdict.VERIFIED)
    assert len(world.runner.tries) == 1


def test_what_an_earlier_life_sent_is_looked_after_whatever_the_gates_say_by_now() -> None:
    world = _never_cured()
    world.respond(lasting=timedelta(seconds=2))
    world.forget()
    world.controls.set_halt(Halt("Kim", "just in case", world.clock()))
    world.respond(lasting=LONG)
    assert "ended 1" in {entry.key for entry in world.story}
    assert str(Reason.RESPONSE_LOST) in world.board.posted[1].headline
    assert len(world.runner.tries) == 1


def test_what_an_earlier_life_handed_over_stays_with_the_human() -> None:
    world = _never_cured()
    world.respond(lasting=LONG)
    assert world.present.state is IncidentState.HANDED_OVER
    world.forget()
    world.reader.value_at = lambda moment: WELL
    ending = world.respond()
    assert ending is not None
    assert ending.reason is Reason.HEALTHY_BY_ITSELF  # and not by a script that was seen to fail
    assert world.told.count(NoticeKind.HANDED_OVER) == 1
    assert len(world.runner.tries) == 1


def test_the_verdict_of_an_earlier_life_stands() -> None:
    world = _never_cured()
    with pytest.raises(PowerCut):
        world.respond(crash=cut_the_power_before("give back 1"))
    world.forget()
    world.reader.value_at = lambda moment: WELL
    ending = world.respond()
    assert ending is not None
    assert (ending.reason, ending.verdict) == (Reason.HEALTHY_BY_ITSELF, Verdict.NOT_RECOVERED)
    assert str(Reason.RESPONSE_LOST) in world.board.posted[1].headline


class PowerCut(BaseException):
    """The whole process is gone, its journal too."""


def cut_the_power_before(step: str) -> Callable[[str], bool]:
    """Return a crash that no replay follows."""

    def crash(place: str) -> bool:
        if place == f"before {step}":
            raise PowerCut
        return False

    return crash


def test_what_an_earlier_life_sent_in_vain_goes_to_a_human_not_to_the_next_rung() -> None:
    world = World(incident(rule(RESTART, RELIEVE)), cures=())
    world.respond(lasting=timedelta(seconds=2))
    world.forget()
    world.respond(lasting=LONG)
    assert [attempt.script for attempt in world.runner.tries] == ["restart_service"]
    assert str(Reason.RESPONSE_LOST) in world.board.posted[1].headline


def test_what_an_earlier_life_may_have_sent_is_unknown_where_it_cannot_be_found() -> None:
    world = World(incident(rule(RESTART, RELIEVE)), cures=())
    world.respond(lasting=timedelta(seconds=2))
    world.forget()
    world.runner.is_findable = False
    world.respond(lasting=LONG)
    attempt = world.attempts.last_on(INSTANCE)
    assert attempt is not None
    assert attempt.status.state is CommandState.UNKNOWN
    assert len(world.runner.tries) == 1


def test_what_an_earlier_life_sent_and_was_interrupted_is_unknown() -> None:
    world = World(incident(rule(RESTART, RELIEVE)), cures=())
    world.respond(lasting=timedelta(seconds=2))
    world.forget()
    world.runner.outcome = CommandStatus(CommandState.UNKNOWN, "nobody watched it")
    world.respond(lasting=LONG)
    assert str(Reason.MAY_STILL_BE_RUNNING) in world.board.posted[1].headline
    assert len(world.runner.tries) == 1


def test_reminders_go_on_where_an_earlier_life_left_off() -> None:
    world = World(incident(rule()))
    world.respond(lasting=timedelta(hours=2))
    assert world.told == [NoticeKind.OPENED, NoticeKind.REMINDER, NoticeKind.REMINDER]
    world.forget()
    world.respond(lasting=timedelta(hours=2))
    assert world.told.count(NoticeKind.REMINDER) == 2
    world.respond(lasting=timedelta(hours=2))
    assert world.told.count(NoticeKind.REMINDER) == 3


def _places(world: World) -> list[str]:
    """Return every kind of place at which this response can die, and each that follows a notice."""
    found: list[str] = []
    seen: Counter[str] = Counter()
    told = 0

    def note(place: str) -> bool:
        nonlocal told
        kind = place.rstrip("0123456789")
        seen[kind] += 1
        if seen[kind] == 1 or told != len(world.board.posted):
            found.append(place)
        told = len(world.board.posted)
        return False

    world.respond(lasting=LONG, crash=note)
    return list(dict.fromkeys(found))


def _most(counter: Counter[str]) -> int:
    return max(counter.values(), default=0)


def test_what_an_earlier_life_began_on_the_second_rung_is_looked_after_too() -> None:
    world = World(incident(rule(RESTART, RELIEVE)), cures=())
    world.respond(lasting=timedelta(minutes=5, seconds=10))
    assert [attempt.script for attempt in world.runner.tries] == [
        "restart_service", "relieve_memory",
    ]  # fmt: skip
    world.forget()
    world.respond(lasting=LONG)
    assert len(world.runner.tries) == 2
    assert "ended 2" in {entry.key for entry in world.story}
    assert str(Reason.RESPONSE_LOST) in world.board.posted[1].headline
    assert world.controls.ledger("").leases == ()


def test_who_closes_it_between_the_decision_and_the_sending_still_stops_it() -> None:
    world = _never_cured()

    def close_before_sending(place: str) -> bool:
        if place == "before send 1.0":
            closed = Reason.CLOSED_BY_PERSON
            world.incidents.close(world.opened.id, closed, world.clock())
        return False

    ending = world.respond(crash=close_before_sending)
    assert ending is not None
    assert ending.reason is Reason.CLOSED_BY_PERSON
    assert world.runner.tries == []
    assert NoticeKind.HANDED_OVER not in world.told
