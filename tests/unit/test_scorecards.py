"""How well a script serves a rule; one that helps too seldom is asked about from then on."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autorecovery import people
from autorecovery.config import Configuration
from autorecovery.models.history import Case
from autorecovery.models.incident import Attempt, CommandState, CommandStatus, Judgement
from autorecovery.models.notice import NoticeKind
from autorecovery.models.reason import Autonomy, IncidentState, Reason, Verdict
from autorecovery.models.scorecard import Scorecard, scorecards, wilson
from autorecovery.models.signal import Target
from autorecovery.people import People
from tests.fakes import RecordingStarter
from tests.response_world import (
    INSTANCE,
    RESTART,
    START,
    CrashOnce,
    World,
    measured_by_alarm,
    rule,
)

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
OVER = CommandStatus(CommandState.SUCCEEDED, exit_code=0)


def attempt(
    number: int, verdict: Verdict | None, *, at: datetime = START, took: float = 2
) -> Attempt:
    judgement = Judgement(verdict, at + took * MINUTE, "proof") if verdict else None
    return Attempt(
        f"inc-{number}-r1", f"inc-{number}", "cpu", INSTANCE, "restart_service", {}, at, at,
        MINUTE, status=OVER, judgement=judgement,
    )  # fmt: skip


def card(attempts: list[Attempt], cases: list[Case] | None = None) -> Scorecard:
    [only] = scorecards("cpu", attempts, cases or [], START + 48 * HOUR)
    return only


def case(number: int, at: datetime, ended: Reason | None, target: Target = INSTANCE) -> Case:
    return Case(f"inc-{number}", target.key, at, ended, at + HOUR if ended else None)


# The record


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # Checked against R: prop.test(x, n, correct = FALSE)$conf.int
    [(0, 0, 0, 1), (0, 5, 0, 0.4345), (5, 5, 0.5655, 1), (8, 10, 0.4902, 0.9433)],
)
def test_the_interval_is_wilsons(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson(successes, trials) == pytest.approx((low, high), abs=2e-4)


@given(st.integers(1, 500), st.data())
def test_the_interval_holds_the_share_and_narrows_with_trials(
    trials: int, data: st.DataObject
) -> None:
    successes = data.draw(st.integers(0, trials))
    low, high = wilson(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1
    wider_low, wider_high = wilson(successes, trials)
    narrow_low, narrow_high = wilson(successes * 10, trials * 10)
    assert narrow_high - narrow_low < wider_high - wider_low


def test_only_verdicts_that_say_something_count() -> None:
    verdicts = [
        Verdict.VERIFIED, Verdict.VERIFIED, Verdict.NOT_RECOVERED, Verdict.INCONCLUSIVE, None,
    ]  # fmt: skip
    found = card([attempt(number, verdict) for number, verdict in enumerate(verdicts)])
    assert (found.verified, found.attempts, found.unclear) == (2, 3, 2)
    assert found.rate == pytest.approx(2 / 3)


def test_a_script_of_which_nobody_knows_whether_it_ran_earns_no_credit() -> None:
    lost = replace(attempt(1, Verdict.VERIFIED), status=CommandStatus(CommandState.UNKNOWN))
    found = card([lost])
    assert (found.attempts, found.unclear) == (0, 1)


def test_the_time_to_recover_is_from_opened_to_verified_by_nearest_rank() -> None:
    attempts = [attempt(n, Verdict.VERIFIED, took=n) for n in range(1, 11)]
    cases = [case(n, START - MINUTE, Reason.RECOVERED) for n in range(1, 11)]
    found = card(attempts, cases)
    assert (found.recovery_p50, found.recovery_p90) == (6 * MINUTE, 10 * MINUTE)


def test_trouble_that_is_back_within_a_day_is_counted() -> None:
    back, elsewhere = START + 20 * HOUR, Target.named("web-2")
    cases = [
        case(1, START - MINUTE, Reason.RECOVERED),
        case(2, back, Reason.RECOVERED),
        case(3, back + 30 * HOUR, None),
        case(4, START + HOUR, None, elsewhere),
        case(5, START + HOUR, Reason.ECHO),
    ]
    verified = [attempt(1, Verdict.VERIFIED), attempt(2, Verdict.VERIFIED, at=back)]
    assert card(verified, cases).relapsed == 1


def test_what_heals_untouched_is_the_baseline() -> None:
    cases = [
        case(1, START, Reason.RECOVERED),  # touched
        case(2, START, Reason.HEALTHY_BY_ITSELF),
        case(3, START, Reason.CLOSED_BY_PERSON),
        case(4, START, None),  # open for longer than a day
        case(5, START + 47 * HOUR, None),  # nobody knows yet
        case(6, START, Reason.ECHO),
    ]
    found = card([attempt(1, Verdict.VERIFIED)], cases)
    assert (found.held, found.self_healed) == (3, 1)
    assert found.self_heal_rate == pytest.approx(1 / 3)


# Demotion


def world_that_failed(times: int, *, autonomy: Autonomy = Autonomy.AUTO) -> World:
    """Return a world in which the script failed so often before, elsewhere, and fails again."""
    config = {"limits": {"demotion": {"percent": 20, "attempts": 5}}}
    world = World(
        measured_by_alarm(rule(RESTART, autonomy=autonomy)),
        cures=(),
        configuration=Configuration.model_validate(config),
    )
    for number in range(times):
        past = attempt(number, Verdict.NOT_RECOVERED, at=START - (number + 1) * 24 * HOUR)
        world.attempts.intend(past)
        world.attempts.complete(past)
    return world


def test_a_script_that_helps_too_seldom_is_demoted_and_people_hear_of_it_once() -> None:
    world = world_that_failed(4)
    world.respond(lasting=20 * MINUTE)
    demotion = world.controls.demotion("restart_service", "cpu")
    assert demotion is not None
    assert (demotion.verified, demotion.attempts) == (0, 5)
    assert world.told.count(NoticeKind.DEMOTED) == 1
    notice = next(n for n in world.board.posted if n.kind is NoticeKind.DEMOTED)
    assert "autorecovery promote restart_service cpu" in notice.next_steps[-1]


@pytest.mark.parametrize("place", ["before", "begun", "after"])
def test_dying_while_demoting_costs_no_announcement(place: str) -> None:
    world = world_that_failed(4)
    world.respond(lasting=20 * MINUTE, crash=CrashOnce(f"{place} appraise 1"))
    assert world.told.count(NoticeKind.DEMOTED) == 1


def test_few_attempts_say_nothing() -> None:
    world = world_that_failed(3)
    world.respond(lasting=20 * MINUTE)
    assert world.controls.demotion("restart_service", "cpu") is None
    assert NoticeKind.DEMOTED not in world.told


def test_a_demoted_script_is_asked_about_where_the_rule_would_act() -> None:
    world = world_that_failed(4)
    world.respond(lasting=20 * MINUTE)
    later = World(measured_by_alarm(rule(RESTART)), configuration=world.configuration)
    later.controls = world.controls
    assert later.respond(lasting=5 * MINUTE) is None
    assert later.present.state is IncidentState.ASKING
    app = People(later.incidents, later.controls, RecordingStarter(), later.clock)
    people.decide(later.present, "ann", app, approved=True)
    later.wake()
    ending = later.respond()
    assert ending is not None
    assert ending.reason is Reason.RECOVERED


def test_only_a_person_promotes_and_what_was_before_counts_no_more() -> None:
    world = world_that_failed(4)
    world.respond(lasting=20 * MINUTE)
    app = People(world.incidents, world.controls, RecordingStarter(), world.clock)
    assert people.promote("restart_service", "cpu", "ann", app).changed
    assert not people.promote("restart_service", "cpu", "bob", app).changed
    later = world_that_failed(4)
    later.controls = world.controls
    later.clock.advance(world.clock() + MINUTE)
    later.respond(lasting=20 * MINUTE)
    assert later.controls.demotion("restart_service", "cpu") is None


def test_promoting_what_was_never_demoted_changes_nothing() -> None:
    world = world_that_failed(0)
    app = People(world.incidents, world.controls, RecordingStarter(), world.clock)
    answer = people.promote("restart_service", "cpu", "ann", app)
    assert (answer.changed, "is not demoted" in answer.text) == (False, True)
    assert world.controls.promotion("restart_service", "cpu") is None
