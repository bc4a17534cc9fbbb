"""The fleet's budget and the kill switch, as the response uses them."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from autorecovery.adapters.sqlite.controls import SqliteControls
from autorecovery.config import Configuration
from autorecovery.models.controls import DeclaredWindow, Halt, WindowKind
from autorecovery.models.fleet import FleetAllowance, Lease, Ledger
from autorecovery.models.incident import Attempt, EntryKind
from autorecovery.models.limits import AtOnce, MaintenanceWindow
from autorecovery.models.notice import NoticeKind
from autorecovery.models.reason import Reason
from autorecovery.models.signal import Target, TargetKind
from autorecovery.response.budget import pause_for_turn
from tests.fakes import ScriptedRunner
from tests.response_world import INSTANCE, RESTART, START, World, incident, rule, signal

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
ALLOWED = FleetAllowance(at_once=2, starts=3, window=HOUR)


def lease(token: str, host: str, minutes: float = 10) -> Lease:
    return Lease(token, host, START, START + minutes * MINUTE)


def world(**limits: object) -> World:
    return World(
        incident(rule(RESTART)), configuration=Configuration.model_validate({"limits": limits})
    )


def handed_over(here: World) -> str:
    """Return what people were told when it was handed over."""
    notice = next(each for each in here.board.posted if each.kind is NoticeKind.HANDED_OVER)
    return "\n".join((notice.headline, *notice.lines))


# The book


def test_the_book_says_when_a_refusal_ends_at_the_latest() -> None:
    book = Ledger().give(lease("a", "h1", 10), ALLOWED, START)
    book = book.give(lease("b", "h2", 20), ALLOWED, START + MINUTE)
    wanted = lease("c", "h2")
    assert book.lets_go(Reason.HOST_BUSY, wanted, ALLOWED) == START + 20 * MINUTE
    assert book.lets_go(Reason.FLEET_BUSY, wanted, ALLOWED) == START + 10 * MINUTE
    two = FleetAllowance(3, 2, HOUR)
    assert book.lets_go(Reason.FLEET_SPENT, wanted, two) == START + HOUR
    one = FleetAllowance(3, 1, HOUR)
    assert book.lets_go(Reason.FLEET_SPENT, wanted, one) == START + MINUTE + HOUR


def test_a_book_gives_until_as_many_are_out_as_allowed_and_again_when_one_comes_back() -> None:
    book = Ledger().give(lease("a", "h1"), ALLOWED, START).give(lease("b", "h2"), ALLOWED, START)
    assert book.refusal(lease("c", "h3"), ALLOWED, START) is Reason.FLEET_BUSY
    assert book.take_back("a").refusal(lease("c", "h3"), ALLOWED, START) is None


def test_two_attempts_never_share_a_machine_and_one_attempt_may_ask_twice() -> None:
    book = Ledger().give(lease("a", "h1"), ALLOWED, START)
    assert book.refusal(lease("b", "h1"), ALLOWED, START) is Reason.HOST_BUSY
    assert book.refusal(lease("a", "h1"), ALLOWED, START) is None
    assert len(book.give(lease("a", "h1"), ALLOWED, START).leases) == 1


def test_a_lease_that_nobody_gives_back_is_gone_when_its_time_is_over() -> None:
    book = Ledger().give(lease("a", "h1", minutes=10), ALLOWED, START)
    later = START + 10 * MINUTE
    assert book.refusal(lease("b", "h1"), ALLOWED, later) is None
    assert [each.token for each in book.give(lease("b", "h1", 20), ALLOWED, later).leases] == ["b"]


def test_starts_stay_counted_after_a_lease_came_back_until_the_window_has_passed() -> None:
    book = Ledger()
    for token in ("a", "b", "c"):
        book = book.give(lease(token, token), ALLOWED, START).take_back(token)
    assert book.refusal(lease("d", "d"), ALLOWED, START + 59 * MINUTE) is Reason.FLEET_SPENT
    assert book.refusal(lease("d", "d", 999), ALLOWED, START + HOUR) is None


@pytest.mark.parametrize(
    ("fleet", "allowed"), [(0, 1), (1, 1), (9, 1), (20, 2), (29, 2), (30, 3), (1000, 3)]
)
def test_the_stricter_of_percent_and_number_holds_and_one_is_always_allowed(
    fleet: int, allowed: int
) -> None:
    assert AtOnce(hosts=3, percent=10).allowed(fleet) == allowed


def test_a_container_and_its_host_are_one_machine() -> None:
    assert Target(TargetKind.CONTAINER, "web-1/nginx").host == Target.named("web-1").host


# In a response


def test_the_budget_is_taken_before_the_script_and_given_back_after_the_verdict() -> None:
    here = world()
    taken: list[int] = []

    class CountingRunner(ScriptedRunner):
        def start(self, attempt: Attempt) -> str:
            taken.append(len(here.controls.ledger("").leases))
            return super().start(attempt)

    here.runner = CountingRunner(here.clock)
    ending = here.respond()
    assert ending is not None
    assert (ending.reason, taken) == (Reason.RECOVERED, [1])
    assert here.controls.ledger("").leases == ()
    assert len(here.controls.ledger("").starts) == 1


def test_a_machine_that_is_being_recovered_already_is_left_alone() -> None:
    here = world()
    here.controls.reserve("", lease("inc-other-r1", INSTANCE.name, 60), ALLOWED, START)
    assert here.respond(lasting=HOUR) is None
    assert here.runner.tries == []
    held = next(n for n in here.board.posted if n.kind is NoticeKind.HANDED_OVER)
    assert any(Reason.HOST_BUSY in line for line in held.lines)


@pytest.mark.parametrize(("host", "of_many"), [(INSTANCE.name, 3), ("i-other", 1)])
def test_it_waits_for_its_turn_while_others_are_under_recovery(host: str, of_many: int) -> None:
    here = world(fleet={"at_once": {"hosts": of_many}})
    here.controls.reserve("", lease("inc-other-r1", host, 60), ALLOWED, START)
    here.later(4 * MINUTE, lambda: here.controls.give_back("", "inc-other-r1"))
    ending = here.respond()
    assert ending is not None
    assert ending.reason is Reason.RECOVERED
    [tried] = here.runner.tries
    assert START + 4 * MINUTE <= tried.intended_at < START + 7 * MINUTE
    waited = [e.text for e in here.story if e.key.startswith("decided 1 turn")]
    assert waited[-1].startswith("run restart_service")


def test_a_turn_that_does_not_come_while_the_evidence_is_fresh_is_a_humans() -> None:
    here = world()
    here.controls.reserve("", lease("inc-other-r1", INSTANCE.name, 600), ALLOWED, START)
    assert here.respond(lasting=20 * MINUTE) is None
    assert "too old" in handed_over(here)
    assert len(here.execution.journal) < 120


def test_who_is_halted_while_waiting_for_a_turn_waits_no_more() -> None:
    here = world()
    here.controls.reserve("", lease("inc-other-r1", INSTANCE.name, 600), ALLOWED, START)
    here.later(2 * MINUTE, lambda: here.controls.set_halt(Halt("ops", "stop", START)))
    here.later(3 * MINUTE, lambda: here.controls.give_back("", "inc-other-r1"))
    assert here.respond(lasting=20 * MINUTE) is None
    assert here.runner.tries == []
    assert "halted" in handed_over(here)


def test_whoever_is_quicker_gets_the_budget_and_the_other_holds() -> None:
    here = world()

    class Contended(SqliteControls):
        def reserve(
            self, group: str, lease_: Lease, allowed: FleetAllowance, now: datetime
        ) -> Reason | None:
            super().reserve("", lease("inc-other-r1", INSTANCE.name, 60), ALLOWED, START)
            return super().reserve(group, lease_, allowed, now)

    here.controls = Contended(here.database)
    assert here.respond(lasting=HOUR) is None
    assert here.runner.tries == []


def test_while_halted_people_are_told_and_nothing_is_run() -> None:
    here = world()
    here.controls.set_halt(Halt("ops", "deploying", START))
    assert here.respond(lasting=HOUR) is None
    assert here.runner.tries == []
    assert "everything is halted" in handed_over(here)


def test_a_halt_between_the_decision_and_the_sending_still_stops_it() -> None:
    here = world()

    class HaltedMeanwhile(SqliteControls):
        def reserve(
            self, group: str, lease_: Lease, allowed: FleetAllowance, now: datetime
        ) -> Reason | None:
            self.set_halt(Halt("ops", "wait", START))
            return super().reserve(group, lease_, allowed, now)

    here.controls = HaltedMeanwhile(here.database)
    assert here.respond(lasting=HOUR) is None
    assert here.runner.tries == []
    assert here.controls.ledger("").leases == ()


def test_after_a_halt_nothing_old_is_acted_on() -> None:
    here = world()
    here.controls.set_halt(Halt("ops", "deploying", START))
    here.later(10 * MINUTE, lambda: here.controls.set_halt(None))
    assert here.respond(lasting=6 * HOUR) is None
    assert here.runner.tries == []


def test_a_window_declared_without_a_deploy_holds_until_it_is_ended() -> None:
    here = world()
    window = MaintenanceWindow.model_validate(
        {
            "name": "disk swap",
            "from": START - HOUR,
            "until": START + HOUR,
            "targets": [INSTANCE.name],
        }
    )
    here.controls.declare(DeclaredWindow(window, "ops", START))
    assert here.respond(lasting=HOUR) is None
    assert here.runner.tries == []
    there = world()
    there.controls.declare(DeclaredWindow(window, "ops", START))
    assert there.controls.end_window(WindowKind.MAINTENANCE, "disk swap")
    ending = there.respond()
    assert ending is not None
    assert ending.reason is Reason.RECOVERED


def test_the_same_trouble_on_many_machines_is_told_and_not_restarted_away() -> None:
    here = world(correlated={"targets": 3, "within": "5m"})
    for number in range(2):
        target = Target.named(f"i-{number:017x}")
        seen = replace(signal(), id=f"event-{number}", target=target)
        here.incidents.open(incident(rule(RESTART), seen))
    assert here.respond(lasting=HOUR) is None
    assert here.runner.tries == []
    assert "many machines at once" in next(
        entry.text for entry in here.story if entry.kind is EntryKind.HANDED_OVER
    )


def test_signals_that_come_all_the_time_do_not_wear_the_wait_for_a_turn_out() -> None:
    here = world()
    here.controls.reserve("", lease("inc-other-r1", INSTANCE.name, 600), ALLOWED, START)

    def signal_again() -> None:
        here.wake()
        here.clock.at(here.clock() + timedelta(seconds=5), signal_again)

    here.clock.at(here.clock(), signal_again)
    assert here.respond(lasting=30 * MINUTE) is None
    assert "too old" in handed_over(here)
    assert pause_for_turn(10_000) > timedelta(days=365)


def test_a_machine_that_flaps_is_seen_however_many_others_are_sick_over_the_day() -> None:
    here = world(flapping="3 per 24h")
    here.incidents.close(here.opened.id, Reason.CLOSED_BY_PERSON, START)
    for number in range(210):
        ago = timedelta(minutes=6 * number + 6)
        seen = replace(
            signal(), id=f"event-{number}", at=START - ago,
            target=INSTANCE if number in (205, 208) else Target.named(f"i-{number:017x}"),
        )  # fmt: skip
        other = incident(rule(RESTART), seen, opened_at=START - ago)
        here.incidents.open(other)
        here.incidents.close(other.id, Reason.CLOSED_BY_PERSON, START)
    again = incident(rule(RESTART), replace(signal(), id="again"))
    here.incidents.open(again)
    here.opened = again
    assert here.respond(lasting=HOUR) is None
    assert here.runner.tries == []
    assert "nothing is run by itself" in here.board.posted[0].lines[1]
    assert any("comes and goes" in e.text for e in here.story if e.kind is EntryKind.HANDED_OVER)
