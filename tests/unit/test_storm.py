"""The same trouble on many machines at once: nothing is run, and one message tells of all."""

from datetime import timedelta
from typing import Any

import pytest

from autorecovery.adapters.simulated.clock import VirtualClock
from autorecovery.adapters.simulated.workflow import Execution, live
from autorecovery.adapters.sqlite.attempt_log import SqliteAttemptLog
from autorecovery.adapters.sqlite.controls import SqliteControls
from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.incident_log import SqliteIncidentLog
from autorecovery.config import Configuration
from autorecovery.models.incident import Ending, Entry, EntryKind, Incident
from autorecovery.models.notice import Notice, NoticeKind
from autorecovery.models.reason import Level, Reason
from autorecovery.models.signal import MetricOrigin, SignalKind, Target
from autorecovery.ports import Presence
from autorecovery.response.run import respond
from autorecovery.response.stage import Response
from tests.fakes import FixedDirectory, ListedNotices, MeasuredWorld, ScriptedRunner
from tests.response_world import RESTART, SICK, START, WELL, CrashOnce, incident, rule, signal

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


class Crowd:
    """Many machines, one store, one clock; each incident lives on its own journal."""

    def __init__(self, **limits: Any) -> None:
        self.clock = VirtualClock(START)
        database = Database(None)
        self.incidents = SqliteIncidentLog(database)
        self.controls = SqliteControls(database)
        self.board, self.runner = ListedNotices(), ScriptedRunner(self.clock)
        self.well_from = START + 400 * HOUR
        self.reader = MeasuredWorld(self.clock, self.value_at)
        self.lives: dict[str, Execution] = {}
        self.response = Response(
            configuration=Configuration.model_validate({"limits": limits}),
            incidents=self.incidents,
            attempts=SqliteAttemptLog(database),
            commands=self.runner,
            targets=FixedDirectory(Presence(exists=True, opted_in=True, fleet=1000)),
            metrics=self.reader,
            controls=self.controls,
            budget=self.controls,
            noticeboard=self.board,
            clock=self.clock,
        )

    def value_at(self, moment: Any) -> float:
        return WELL if moment >= self.well_from else SICK

    def falls_sick(self, number: int, crash: CrashOnce | None = None) -> Incident:
        target = Target.named(f"i-{number:017x}")
        origin = MetricOrigin("AWS/EC2", "CPUUtilization", (("InstanceId", target.name),))
        seen = signal(origin, target, self.clock(), id=f"event {number}", kind=SignalKind.METRIC)
        opened = incident(rule(RESTART), seen, opened_at=self.clock())
        self.incidents.open(opened)
        self.lives[opened.id] = Execution()
        self.live(opened.id, crash)
        return opened

    def live(self, incident_id: str, crash: CrashOnce | None = None) -> Ending | None:
        """Let this incident's response go as far as it can at this moment."""
        return live(
            lambda flow: respond(incident_id, flow, self.response),
            self.lives[incident_id], self.clock, incident_id, until=self.clock(),
            crash=crash or (lambda place: False),
        )  # fmt: skip

    def pass_time(self, lasting: timedelta, step: timedelta = MINUTE / 4) -> None:
        end = self.clock() + lasting
        while self.clock() < end:
            self.clock.advance(self.clock() + step)
            for incident_id in self.lives:
                self.live(incident_id)

    @property
    def storms(self) -> list[Notice]:
        return [notice for notice in self.board.posted if notice.kind is NoticeKind.STORM]

    def story(self, incident_id: str) -> list[Entry]:
        return list(self.incidents.timeline(incident_id))


def told_of(crowd: Crowd, opened: Incident) -> bool:
    """Return whether people heard of this incident: on its own, or as one of many."""
    own = any(notice.incident_id == opened.id for notice in crowd.board.posted)
    folded = any("told as one of many" in entry.text for entry in crowd.story(opened.id))
    return own or (folded and bool(crowd.storms))


def test_many_at_once_are_one_message_and_nothing_is_run_on_those_in_the_crowd() -> None:
    crowd = Crowd(fleet={"at_once": {"hosts": 100, "percent": 100}, "hosts": "100 per 1h"})
    opened = [crowd.falls_sick(number) for number in range(40)]
    crowd.pass_time(3 * MINUTE)
    assert all(told_of(crowd, each) for each in opened)
    assert len(crowd.runner.tries) <= 4
    assert len(crowd.storms) == 2  # at once, and after a minute when it had grown
    assert "5 machines have the same trouble: cpu" in crowd.storms[0].headline
    assert "40 machines have the same trouble" in crowd.storms[1].headline
    assert crowd.storms[0].level is Level.CRITICAL
    assert "and 30 more" in crowd.storms[1].lines[0]
    on_its_own = [n for n in crowd.board.posted if n.kind is not NoticeKind.STORM]
    assert {n.incident_id for n in on_its_own} <= {each.id for each in opened[:4]}


def test_a_storm_reminds_once_for_all() -> None:
    crowd = Crowd()
    for number in range(12):
        crowd.falls_sick(number)
    crowd.pass_time(3 * MINUTE)
    before = len(crowd.storms)
    crowd.pass_time(30 * MINUTE, MINUTE)
    assert len(crowd.storms) - before == 1
    assert "12 of them still open" in crowd.storms[-1].lines[0]


def test_it_is_told_once_that_the_last_of_them_is_over() -> None:
    crowd = Crowd()
    opened = [crowd.falls_sick(number) for number in range(8)]
    crowd.pass_time(4 * MINUTE)
    crowd.well_from = crowd.clock()
    crowd.pass_time(20 * MINUTE)
    assert all(crowd.incidents.get(each.id).is_closed for each in opened)  # type: ignore[union-attr]
    over = [notice for notice in crowd.storms if "over on all 8 machines" in notice.headline]
    assert len(over) == 1
    assert over[0].level is Level.INFO


def test_a_few_are_told_each_on_its_own() -> None:
    crowd = Crowd()
    opened = [crowd.falls_sick(number) for number in range(4)]
    crowd.pass_time(MINUTE)
    assert crowd.storms == []
    assert {n.incident_id for n in crowd.board.posted} == {each.id for each in opened}


def test_trouble_one_after_the_other_is_no_storm() -> None:
    crowd = Crowd()
    for number in range(8):
        crowd.falls_sick(number)
        crowd.clock.advance(crowd.clock() + 2 * MINUTE)
    assert crowd.storms == []


@pytest.mark.parametrize("place", ["begun announce", "after announce"])
def test_dying_while_telling_leaves_nobody_unannounced(place: str) -> None:
    crowd = Crowd()
    opened = [crowd.falls_sick(number, CrashOnce(place)) for number in range(8)]
    crowd.pass_time(2 * MINUTE)
    assert all(told_of(crowd, each) for each in opened)


def test_while_the_board_is_down_the_storm_is_told_as_soon_as_it_is_back() -> None:
    crowd = Crowd()
    crowd.board.is_down = True
    for number in range(8):
        crowd.falls_sick(number)
    crowd.board.is_down = False
    crowd.pass_time(2 * MINUTE)
    assert "8 machines" in crowd.storms[0].headline


def test_who_died_while_telling_is_replaced_after_a_minute() -> None:
    crowd = Crowd()
    for number in range(4):
        crowd.falls_sick(number)
    storm = crowd.incidents.join_storm("cpu", crowd.clock(), 10 * MINUTE)
    lost = Entry("telling 0", crowd.clock(), EntryKind.NOTIFIED, "", {"by": "one that is gone"})
    crowd.incidents.record(storm.id, lost)
    crowd.falls_sick(9)
    assert crowd.storms == []
    crowd.pass_time(2 * MINUTE)
    assert len(crowd.storms) >= 1


def test_an_echo_makes_no_storm() -> None:
    crowd = Crowd()
    for number in range(4):
        opened = crowd.falls_sick(number)
        crowd.incidents.close(opened.id, Reason.ECHO, crowd.clock())
    crowd.falls_sick(9)
    assert crowd.storms == []


def test_who_falls_sick_after_a_storm_was_told_as_over_is_told_in_another() -> None:
    crowd = Crowd()
    for number in range(8):
        crowd.falls_sick(number)
    crowd.pass_time(3 * MINUTE)
    crowd.well_from = crowd.clock()
    crowd.pass_time(2 * MINUTE)
    assert any("over on all" in notice.headline for notice in crowd.storms)
    before = len(crowd.board.posted)
    crowd.well_from = START + 400 * HOUR
    late = crowd.falls_sick(9)
    crowd.pass_time(MINUTE)
    assert told_of(crowd, late)
    assert len(crowd.board.posted) > before


def test_what_began_and_healed_while_the_board_was_down_is_told_when_it_is_back() -> None:
    crowd = Crowd()
    crowd.board.is_down = True
    opened = [crowd.falls_sick(number) for number in range(8)]
    crowd.pass_time(2 * MINUTE)
    crowd.well_from = crowd.clock()
    crowd.pass_time(3 * MINUTE)
    crowd.board.is_down = False
    crowd.pass_time(2 * HOUR, 5 * MINUTE)
    assert {each.id for each in opened} <= {notice.incident_id for notice in crowd.board.posted}


def test_that_it_is_over_is_told_again_where_the_board_was_down() -> None:
    crowd = Crowd()
    for number in range(8):
        crowd.falls_sick(number)
    crowd.pass_time(3 * MINUTE)
    crowd.well_from = crowd.clock()
    crowd.board.is_down = True
    crowd.pass_time(4 * MINUTE)
    crowd.board.is_down = False
    crowd.pass_time(HOUR, 5 * MINUTE)
    assert sum("over on all" in notice.headline for notice in crowd.storms) == 1
