"""A person may have a ladder climbed: through the same gates, once, and told who was first."""

from datetime import timedelta
from typing import Any

import pytest

from autorecovery import people
from autorecovery.adapters.sqlite.incident_log import SqliteIncidentLog
from autorecovery.config import Configuration
from autorecovery.errors import CommandNotStartedError
from autorecovery.models.controls import Halt
from autorecovery.models.incident import CommandState, CommandStatus, Entry, EntryKind
from autorecovery.models.notice import NoticeKind
from autorecovery.models.reason import Autonomy, IncidentState, Level, Reason
from autorecovery.people import Answer, People
from autorecovery.ports import DEAF
from tests.fakes import RecordingStarter
from tests.response_world import (
    INSTANCE,
    METRIC,
    RELIEVE,
    RESTART,
    CrashOnce,
    World,
    at_warning,
    incident,
    measured_by_alarm,
    rule,
    signal,
)

MINUTE = timedelta(minutes=1)
BRISK = Configuration.model_validate({"limits": {"cooldown": "1m"}})
FAILS = CommandStatus(CommandState.FAILED, "it did not come up", exit_code=1)


def app_of(world: World, starter: RecordingStarter | None = None) -> People:
    return People(world.incidents, world.controls, starter or RecordingStarter(), world.clock)


def order(world: World, by: str = "ann") -> Answer:
    answer = people.recover(world.present, by, app_of(world))
    world.wake()
    return answer


def handed_over(*, autonomy: Autonomy = Autonomy.AUTO, **more: Any) -> World:
    """Return a world whose only rung did not help, a quarter of an hour ago."""
    world = World(
        measured_by_alarm(rule(RESTART, autonomy=autonomy, **more)),
        cures=(),
        configuration=BRISK,
    )
    assert world.respond(lasting=15 * MINUTE) is None
    assert world.present.state is IncidentState.HANDED_OVER
    return world


def test_after_a_hand_over_a_person_has_the_ladder_climbed_again_and_it_is_verified() -> None:
    world = handed_over()
    world.cures = ("restart_service",)
    world.runner.sent.clear()  # what ran before cured nothing
    assert order(world).changed
    ending = world.respond(lasting=20 * MINUTE)
    assert ending is not None
    assert ending.reason is Reason.RECOVERED
    assert [attempt.token[-3:] for attempt in world.runner.tries] == ["-r1", "-r2"]
    said = [entry.text for entry in world.story if "ann" in entry.text]
    assert said == ["recovery asked for by ann", "the ladder is climbed at the word of ann"]


def test_a_second_climb_that_fails_is_handed_over_again_and_people_hear_of_it() -> None:
    world = handed_over()
    order(world)
    assert world.respond(lasting=20 * MINUTE) is None
    assert world.present.state is IncidentState.HANDED_OVER
    assert world.told.count(NoticeKind.HANDED_OVER) == 2
    assert len(world.runner.tries) == 2
    order(world)
    assert world.respond(lasting=20 * MINUTE) is None
    assert len(world.runner.tries) == 3


def test_the_same_gates_hold_it_and_say_until_when() -> None:
    world = World(measured_by_alarm(rule(RESTART)), cures=())  # a cooldown of a quarter of an hour
    assert world.respond(lasting=12 * MINUTE) is None
    order(world)
    assert world.respond(lasting=MINUTE) is None
    assert len(world.runner.tries) == 1
    assert "still cooling down" in world.board.posted[-1].headline
    assert any("until" in line for line in world.board.posted[-1].lines)


def test_a_halt_holds_a_person_s_word_too() -> None:
    world = handed_over()
    world.controls.set_halt(Halt("bob", "deploying", world.clock()))
    order(world)
    assert world.respond(lasting=MINUTE) is None
    assert len(world.runner.tries) == 1


def test_the_second_who_asks_is_told_who_was_first() -> None:
    world = handed_over()
    assert people.recover(world.present, "ann", app_of(world)).changed
    second = order(world, "bob")
    assert not second.changed
    assert "ann has asked for it already" in second.text
    assert world.respond(lasting=20 * MINUTE) is None
    assert len(world.runner.tries) == 2


@pytest.mark.parametrize("autonomy", list(Autonomy))
def test_the_word_approves_the_first_rung_and_every_further_one_is_asked_about(
    autonomy: Autonomy,
) -> None:
    world = World(measured_by_alarm(rule(RESTART, RELIEVE, autonomy=autonomy)), cures=())
    first = 0
    if autonomy is Autonomy.AUTO:
        world.controls.set_halt(Halt("bob", "so that nothing runs by itself", world.clock()))
    assert world.respond(lasting=35 * MINUTE) is None
    world.controls.set_halt(None)
    assert len(world.runner.tries) == first
    order(world)
    assert world.respond(lasting=15 * MINUTE) is None
    ran = [attempt.script for attempt in world.runner.tries]
    if autonomy is Autonomy.AUTO:
        assert ran == ["restart_service", "relieve_memory"]
    else:
        assert ran == ["restart_service"]
        assert world.present.state is IncidentState.ASKING


def test_a_warning_is_recovered_early_where_a_person_asks() -> None:
    world = World(at_warning(rule(RESTART)))
    world.later(3 * MINUTE, lambda: order(world))
    ending = world.respond()
    assert ending is not None
    assert ending.reason is Reason.RECOVERED
    assert world.runner.tries[0].intended_at - world.opened.opened_at < 4 * MINUTE


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (IncidentState.OPEN, "only just been opened"),
        (IncidentState.ASKING, "approve or deny"),
        (IncidentState.RECOVERING, "being recovered already"),
        (IncidentState.VERIFYING, "being verified already"),
    ],
)
def test_where_something_is_under_way_nothing_is_started_beside_it(
    state: IncidentState, told: str
) -> None:
    world = World(incident(rule(RESTART)))
    world.incidents.move(world.opened.id, state)
    answer = order(world)
    assert (answer.changed, told in answer.text) == (False, True)
    assert not any(entry.kind is EntryKind.ORDERED for entry in world.story)


def test_what_is_closed_or_has_no_ladder_gets_a_clear_answer() -> None:
    world = World(incident(rule()))
    assert "nothing to run" in order(world).text
    world.incidents.close(world.opened.id, Reason.CLOSED_BY_PERSON, world.clock())
    assert "is closed" in order(world).text


@pytest.mark.parametrize("place", ["before", "begun", "after"])
@pytest.mark.parametrize("step", ["decide 2", "intend 2", "send 2.0", "verify 2.0"])
def test_killed_at_any_moment_a_climb_by_hand_sends_at_most_once(place: str, step: str) -> None:
    world = handed_over()
    order(world)
    world.respond(lasting=30 * MINUTE, crash=CrashOnce(f"{place} {step}"))
    assert world.runner.arrived.count(f"{world.opened.id}-r2") <= 1
    assert world.present.state is IncidentState.HANDED_OVER


def test_a_rule_s_ladder_is_climbed_on_a_target_where_nothing_was_measured() -> None:
    world = World(incident(rule(RESTART), signal(METRIC)))
    world.incidents.close(world.opened.id, Reason.CLOSED_BY_PERSON, world.clock())
    starter = RecordingStarter()
    observing = rule(RESTART, autonomy=Autonomy.OBSERVE)
    answer = people.open_by_hand(observing, INSTANCE, "ann", app_of(world, starter))
    assert answer.changed
    [opened] = [i for i in world.incidents.recent(5) if not i.is_closed]
    assert starter.started == [opened.id]
    world.opened = opened
    ending = world.respond(lasting=15 * MINUTE)
    assert ending is not None
    assert ending.reason is Reason.RECOVERED
    assert "recovery asked for by ann" in world.board.posted[0].headline
    assert "unless a gate holds it" in world.board.posted[0].lines[1]


def test_where_an_incident_is_open_on_that_target_its_own_ladder_is_climbed() -> None:
    world = handed_over()
    starter = RecordingStarter()
    answer = people.open_by_hand(rule(RESTART), INSTANCE, "ann", app_of(world, starter))
    assert answer.changed
    assert world.opened.id in answer.text
    assert starter.started == []


def test_a_rule_with_nothing_to_run_opens_nothing_by_hand() -> None:
    world = World(incident(rule(RESTART)))
    answer = people.open_by_hand(rule(name="other"), INSTANCE, "ann", app_of(world))
    assert (answer.changed, "nothing to run" in answer.text) == (False, True)
    assert len(world.incidents.recent(5)) == 1


def test_a_person_s_incident_is_as_bad_as_its_rule_needs() -> None:
    world = World(incident(rule(RESTART)))
    at_warnings = rule(RESTART, name="other", recover_at="warning")
    people.open_by_hand(at_warnings, INSTANCE, "ann", app_of(world))
    assert world.incidents.recent(1)[0].level is Level.WARNING


def test_who_closes_it_while_a_climb_by_hand_goes_on_ends_it() -> None:
    world = handed_over()
    order(world)

    def close() -> None:
        people.close(world.present, "bob", app_of(world))
        world.wake()

    world.clock.at(world.clock() + MINUTE / 4, close)
    ending = world.respond(lasting=20 * MINUTE)
    assert ending is not None
    assert ending.reason is Reason.CLOSED_BY_PERSON
    assert len(world.runner.tries) == 2


def test_a_climb_by_hand_that_a_life_died_over_is_looked_after_by_the_next() -> None:
    world = handed_over()
    order(world)
    world.respond(lasting=timedelta(seconds=2))
    assert world.runner.arrived[-1] == f"{world.opened.id}-r2"
    world.forget()
    world.cures = ("restart_service",)  # whoever looks first sees a healthy machine
    world.respond(lasting=30 * MINUTE)
    assert world.runner.arrived.count(f"{world.opened.id}-r2") == 1
    assert "ended 2" in {entry.key for entry in world.story}
    assert world.controls.ledger("").leases == ()


def test_climbs_at_a_person_s_word_are_few_and_the_execution_stays_within_its_bounds() -> None:
    world = handed_over()
    for _ in range(people.MOST_ORDERS):
        assert order(world).changed
        assert world.respond(lasting=20 * MINUTE) is None
    answer = order(world)
    assert not answer.changed
    assert f"autorecovery recover {world.opened.target.name} cpu" in answer.text


def test_opening_by_hand_is_repeated_where_a_life_died_between_claim_and_order() -> None:
    world = World(incident(rule(RESTART)))
    world.incidents.close(world.opened.id, Reason.CLOSED_BY_PERSON, world.clock())
    dying = People(DyingLog(world.database), world.controls, RecordingStarter(), world.clock)
    with pytest.raises(Died):
        people.open_by_hand(rule(RESTART), INSTANCE, "ann", dying)
    starter = RecordingStarter()
    assert people.open_by_hand(rule(RESTART), INSTANCE, "ann", app_of(world, starter)).changed
    assert len(starter.started) == 1


class Died(BaseException):
    """The process is gone."""


class DyingLog(SqliteIncidentLog):
    """A log whose process dies when it writes a line of a timeline."""

    def record(self, incident_id: str, entry: Entry) -> None:
        raise Died


def test_a_person_s_word_is_heard_while_signals_are_not() -> None:
    world = handed_over()
    world.wake()  # a signal: the next rest is deaf to more of them
    assert world.respond(lasting=MINUTE / 60) is None
    asked = world.clock()
    people.recover(world.present, "ann", app_of(world))
    token = world.incidents.wake_token(world.opened.id)
    assert token is not None
    assert not world.execution.wake(token)
    assert world.execution.wake(token.removeprefix(DEAF))
    assert world.respond(lasting=20 * MINUTE) is None
    assert world.runner.tries[-1].intended_at - asked < MINUTE


def test_what_did_not_run_does_not_hold_what_a_person_asks_for_next() -> None:
    world = World(measured_by_alarm(rule(RESTART)))
    world.runner.errors = [CommandNotStartedError("its group is not whole", retryable=False)]
    assert world.respond(lasting=2 * MINUTE) is None
    order(world)
    ending = world.respond(lasting=25 * MINUTE)
    assert ending is not None
    assert ending.reason is Reason.RECOVERED
