"""Many incidents are few messages: those alike, those of one machine, what comes and goes, and what
is simply too much. Nothing of it is lost, whoever dies when.
"""

from dataclasses import replace
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
from autorecovery.models.controls import DeclaredWindow, WindowKind
from autorecovery.models.group import is_group
from autorecovery.models.incident import Ending, Entry, EntryKind, Incident
from autorecovery.models.limits import MaintenanceWindow
from autorecovery.models.notice import Notice, NoticeKind
from autorecovery.models.reason import Autonomy, Level, Reason
from autorecovery.models.rule import Rule
from autorecovery.models.signal import MetricOrigin, SignalKind, Target, TargetKind
from autorecovery.ports import Presence
from autorecovery.response.company import company_in
from autorecovery.response.run import run
from autorecovery.response.stage import Response
from tests.fakes import FixedDirectory, ListedNotices, MeasuredWorld, ScriptedRunner
from tests.response_world import RESTART, SICK, START, WELL, CrashOnce, incident, rule, signal

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


class Crowd:
    """Many machines, one store, one clock; incidents and groups live on journals of their own."""

    def __init__(
        self,
        notify: dict[str, Any] | None = None,
        rules: dict[str, Any] | None = None,
        **limits: Any,
    ) -> None:
        self.clock = VirtualClock(START)
        content = {"limits": limits, "notify": notify or {}, "rules": rules or {}}
        database = Database(None)
        self.incidents = SqliteIncidentLog(database)
        self.controls = SqliteControls(database)
        self.board, self.runner = ListedNotices(), ScriptedRunner(self.clock)
        self.well_from = START + 400 * HOUR
        self.reader = MeasuredWorld(self.clock, self.value_at)
        self.lives: dict[str, Execution] = {}
        self.response = Response(
            configuration=Configuration.model_validate(content),
            incidents=self.incidents,
            attempts=SqliteAttemptLog(database),
            commands=self.runner,
            targets=FixedDirectory(Presence(exists=True, opted_in=True, fleet=1000)),
            metrics=self.reader,
            controls=self.controls,
            budget=self.controls,
            noticeboard=self.board,
            responses=self,
            clock=self.clock,
        )

    def value_at(self, moment: Any) -> float:
        return WELL if moment >= self.well_from else SICK

    def start(self, incident_id: str) -> None:
        """See ResponseStarter.start."""
        self.lives.setdefault(incident_id, Execution())

    def wake(self, token: str) -> None:
        """See ResponseStarter.wake."""
        self.lives[token.rpartition("/")[0]].wake(token)

    def falls_sick(
        self, number: int, crash: CrashOnce | None = None, of: Rule | None = None
    ) -> Incident:
        target = Target.named(f"i-{number:017x}")
        origin = MetricOrigin("AWS/EC2", "CPUUtilization", (("InstanceId", target.name),))
        seen = signal(
            origin,
            target,
            self.clock(),
            id=f"event {number} {self.clock()}",
            kind=SignalKind.METRIC,
        )
        opened = incident(of or rule(RESTART), seen, opened_at=self.clock())
        self.incidents.open(opened)
        self.lives[opened.id] = Execution()
        self.live(opened.id, crash)
        return opened

    def live(self, incident_id: str, crash: CrashOnce | None = None) -> Ending | None:
        """Let this incident's response go as far as it can at this moment."""
        return live(
            lambda flow: run(incident_id, flow, self.response),
            self.lives[incident_id], self.clock, incident_id, until=self.clock(),
            crash=crash or (lambda place: False),
        )  # fmt: skip

    def pass_time(self, lasting: timedelta, step: timedelta = MINUTE / 4) -> None:
        end = self.clock() + lasting
        while self.clock() < end:
            self.clock.advance(self.clock() + step)
            for execution in list(self.lives):
                self.live(execution)

    @property
    def storms(self) -> list[Notice]:
        return [notice for notice in self.board.posted if notice.kind is NoticeKind.STORM]

    def story(self, incident_id: str) -> list[Entry]:
        return list(self.incidents.timeline(incident_id))


def told_of(crowd: Crowd, opened: Incident) -> bool:
    """Return whether people heard of this incident: by itself, or in a message that counts it."""
    if any(notice.incident_id == opened.id for notice in crowd.board.posted):
        return True
    company = company_in(crowd.story(opened.id))
    return company is not None and any(n.conversation == company.group.id for n in crowd.storms)


def test_the_first_leaves_at_once_and_those_who_follow_are_one_message() -> None:
    crowd = Crowd()
    opened = [crowd.falls_sick(number) for number in range(40)]
    assert [notice.incident_id for notice in crowd.board.posted] == [opened[0].id]
    crowd.pass_time(25 * SECOND, 5 * SECOND)
    assert crowd.storms == [], "they are gathered"
    crowd.pass_time(15 * SECOND, 5 * SECOND)
    [storm] = crowd.storms
    assert "40 machines have the same trouble: cpu" in storm.headline
    assert storm.level is Level.CRITICAL
    assert storm.lines[-1] == "and 30 more"
    assert all(told_of(crowd, each) for each in opened)


def test_nothing_is_run_on_those_in_the_crowd() -> None:
    crowd = Crowd(fleet={"at_once": {"hosts": 100, "percent": 100}, "hosts": "100 per 1h"})
    for number in range(40):
        crowd.falls_sick(number)
    crowd.pass_time(3 * MINUTE)
    assert 0 < len(crowd.runner.tries) <= 4


def test_who_comes_later_waits_for_the_interval() -> None:
    crowd = Crowd()
    for number in range(6):
        crowd.falls_sick(number)
    crowd.pass_time(MINUTE)
    crowd.falls_sick(6)
    crowd.pass_time(4 * MINUTE)
    assert len(crowd.storms) == 1
    crowd.pass_time(MINUTE)
    assert len(crowd.storms) == 2
    assert "7 machines" in crowd.storms[1].headline
    assert crowd.storms[0].conversation == crowd.storms[1].conversation


def test_a_group_that_stays_open_is_told_again_after_the_repeat() -> None:
    crowd = Crowd({"group": {"repeat": "1h"}, "reminders": ["9d"]})
    for number in range(12):
        crowd.falls_sick(number)
    crowd.pass_time(10 * MINUTE)
    before = len(crowd.storms)
    crowd.pass_time(70 * MINUTE, MINUTE)
    assert len(crowd.storms) - before == 1
    assert "12 of 12 still open" in crowd.storms[-1].lines[0]


def test_a_group_that_churns_for_days_is_told_less_and_less_often() -> None:
    crowd = Crowd({"at_most": "100 per 10m"})
    for number in range(3 * 24 * 12):
        crowd.falls_sick(number % 50_000)
        crowd.clock.advance(crowd.clock() + 5 * MINUTE)
        [group] = [each for each in crowd.lives if is_group(each)] or [""]
        if group:
            crowd.live(group)
    first_day = [n for n in crowd.storms if n.at < START + 24 * HOUR]
    last_day = [n for n in crowd.storms if n.at >= START + 48 * HOUR]
    assert 24 <= len(last_day) < len(first_day) * 2 / 3


def test_it_is_told_once_that_the_last_of_them_is_over() -> None:
    crowd = Crowd()
    opened = [crowd.falls_sick(number) for number in range(8)]
    crowd.pass_time(4 * MINUTE)
    crowd.well_from = crowd.clock()
    crowd.pass_time(20 * MINUTE)
    assert all(crowd.incidents.get(each.id).is_closed for each in opened)  # type: ignore[union-attr]
    over = [notice for notice in crowd.storms if "over on all 8" in notice.headline]
    assert len(over) == 1
    assert over[0].level is Level.INFO
    group = company_in(crowd.story(opened[7].id)).group  # type: ignore[union-attr]
    assert not crowd.incidents.goes_on(group.id)
    assert crowd.incidents.open_groups() == []


def test_of_one_alone_nothing_is_gathered_and_its_end_is_told() -> None:
    crowd = Crowd()
    crowd.falls_sick(1)
    crowd.pass_time(3 * MINUTE)
    assert crowd.board.posted[0].kind is NoticeKind.OPENED
    assert crowd.storms == []
    assert not any(is_group(each) for each in crowd.lives)


def test_the_next_after_one_that_is_over_is_news_at_once() -> None:
    crowd = Crowd()
    first = crowd.falls_sick(1, of=rule())
    crowd.incidents.close(first.id, Reason.CLOSED_BY_PERSON, crowd.clock())
    crowd.pass_time(MINUTE)
    second = crowd.falls_sick(2, of=rule())
    assert crowd.board.posted[-1].incident_id == second.id


@pytest.mark.parametrize("place", ["begun announce", "after announce"])
def test_the_first_is_told_at_once_also_where_it_dies_meanwhile(place: str) -> None:
    crowd = Crowd()
    opened = crowd.falls_sick(1, CrashOnce(place), of=rule())
    crowd.live(opened.id)
    assert {notice.incident_id for notice in crowd.board.posted} == {opened.id}
    assert not any(is_group(execution) for execution in crowd.lives)


def test_trouble_long_after_the_last_is_news_again() -> None:
    crowd = Crowd()
    for number in range(4):
        crowd.falls_sick(number)
        crowd.clock.advance(crowd.clock() + 11 * MINUTE)
    assert crowd.storms == []
    assert len({notice.incident_id for notice in crowd.board.posted}) == 4


def test_each_group_of_machines_is_told_by_itself() -> None:
    crowd = Crowd()
    for number in range(6):
        crowd.falls_sick(number, of=rule(RESTART, name="cpu" if number % 2 else "memory"))
    crowd.pass_time(MINUTE)
    assert sorted(notice.headline for notice in crowd.storms) == [
        "[CRITICAL] 3 machines have the same trouble: cpu",
        "[CRITICAL] 3 machines have the same trouble: memory",
    ]


@pytest.mark.parametrize("place", ["begun announce", "after announce"])
def test_dying_while_telling_leaves_nobody_unannounced(place: str) -> None:
    crowd = Crowd()
    opened = [crowd.falls_sick(number, CrashOnce(place)) for number in range(8)]
    crowd.pass_time(2 * MINUTE)
    assert all(told_of(crowd, each) for each in opened)


@pytest.mark.parametrize("place", ["begun look 1", "after look 1", "before look 1"])
def test_a_group_that_dies_while_telling_repeats_at_most_the_message_in_flight(place: str) -> None:
    crowd = Crowd()
    opened = [crowd.falls_sick(number) for number in range(8)]
    [group] = [each for each in crowd.lives if is_group(each)]
    crash = CrashOnce(place)
    for _ in range(16):
        crowd.clock.advance(crowd.clock() + 5 * SECOND)
        crowd.live(group, crash)
    assert crash.place is None, "it died there"
    assert 1 <= len(crowd.storms) <= 2
    assert all(told_of(crowd, each) for each in opened)


def test_while_the_board_is_down_the_storm_is_told_as_soon_as_it_is_back() -> None:
    crowd = Crowd()
    crowd.board.is_down = True
    for number in range(8):
        crowd.falls_sick(number)
    crowd.pass_time(2 * MINUTE)
    crowd.board.is_down = False
    crowd.pass_time(2 * MINUTE)
    assert "8 machines" in crowd.storms[0].headline


def test_that_it_is_over_is_told_again_where_the_board_was_down() -> None:
    crowd = Crowd()
    for number in range(8):
        crowd.falls_sick(number)
    crowd.pass_time(3 * MINUTE)
    crowd.well_from = crowd.clock()
    crowd.board.is_down = True
    crowd.pass_time(8 * MINUTE)
    crowd.board.is_down = False
    crowd.pass_time(HOUR, MINUTE)
    assert sum("over on all" in notice.headline for notice in crowd.storms) == 1


def test_an_echo_makes_no_storm() -> None:
    crowd = Crowd()
    for number in range(4):
        opened = crowd.falls_sick(number)
        crowd.incidents.close(opened.id, Reason.ECHO, crowd.clock())
    crowd.falls_sick(9)
    assert crowd.storms == []


def test_who_falls_sick_after_a_group_was_told_as_over_is_news_again() -> None:
    crowd = Crowd()
    for number in range(8):
        crowd.falls_sick(number)
    crowd.pass_time(3 * MINUTE)
    crowd.well_from = crowd.clock()
    crowd.pass_time(8 * MINUTE)
    assert any("over on all" in notice.headline for notice in crowd.storms)
    crowd.well_from = START + 400 * HOUR
    late = crowd.falls_sick(9)
    assert crowd.board.posted[-1].incident_id == late.id


# Too much at once


def test_a_hundred_rules_at_once_are_ten_messages_that_count_them_all() -> None:
    crowd = Crowd()
    opened = []
    for number in range(300):
        opened.append(crowd.falls_sick(number, of=rule(name=f"rule-{number % 100}")))
    crowd.pass_time(10 * MINUTE)
    assert len(crowd.board.posted) <= 10
    [everything] = {n.conversation for n in crowd.storms if "told together" in n.headline}
    newest = [n for n in crowd.storms if n.conversation == everything][-1]
    counted = int(newest.headline.split()[1].replace(",", ""))
    alone = {n.incident_id for n in crowd.board.posted if n.kind is not NoticeKind.STORM}
    own = [n for n in crowd.storms if n.conversation != everything]
    assert counted + len(alone) + sum(int(n.target.split()[0]) for n in own) >= len(opened)


def test_what_was_told_with_everything_ends_when_all_of_it_is_over() -> None:
    crowd = Crowd({"at_most": "2 per 1h"})
    for number in range(30):
        crowd.falls_sick(number, of=rule(name=f"rule-{number % 5}"))
    crowd.pass_time(8 * MINUTE)
    crowd.well_from = crowd.clock()
    crowd.pass_time(3 * HOUR, MINUTE)
    assert crowd.incidents.open_incidents() == []
    assert crowd.incidents.open_groups() == []
    assert crowd.storms[-1].level is Level.INFO


def test_a_silence_that_began_meanwhile_leaves_no_group_open_for_ever() -> None:
    crowd = Crowd()
    for number in range(8):
        crowd.falls_sick(number, of=rule())
    crowd.pass_time(2 * MINUTE)
    silence(crowd, 60)
    crowd.well_from = crowd.clock()
    crowd.pass_time(2 * HOUR, MINUTE)
    assert crowd.incidents.open_groups() == []


def test_a_question_is_asked_however_much_was_told_before() -> None:
    crowd = Crowd({"at_most": "1 per 10m"})
    for number in range(3):
        asks = rule(RESTART, name=f"rule-{number}", autonomy=Autonomy.ASK)
        crowd.falls_sick(number, of=asks)
    asked = [n for n in crowd.board.posted if n.kind is NoticeKind.ASKING]
    assert len(asked) == 3


# What comes and goes


def test_what_comes_and_goes_is_told_once_and_once_more_when_it_is_calm() -> None:
    crowd = Crowd(flapping="3 per 1h")
    for _ in range(9):
        opened = crowd.falls_sick(1, of=rule())
        crowd.incidents.close(opened.id, Reason.HEALTHY_BY_ITSELF, crowd.clock())
        crowd.pass_time(4 * MINUTE, MINUTE)
    flapping = [n for n in crowd.board.posted if any("comes and goes" in x for x in n.lines)]
    assert len(flapping) == 1
    told_until_then = len(crowd.board.posted)
    crowd.pass_time(2 * HOUR, MINUTE)
    [calm] = crowd.board.posted[told_until_then:]
    assert "calm again, it came 7 times" in calm.headline


# One machine that is down


def test_a_machine_that_is_down_explains_what_else_is_wrong_there() -> None:
    names = [f"trouble-{number}" for number in range(11)]
    down = rule(name="stopped", when={"state": "stopped"})
    crowd = Crowd(rules={"stopped": {"when": {"state": "stopped"}}})
    parent = crowd.falls_sick(1, of=down)
    crowd.clock.advance(crowd.clock() + SECOND)
    children = [crowd.falls_sick(1, of=rule(RESTART, name=name)) for name in names]
    crowd.pass_time(MINUTE)
    assert crowd.board.posted[0].incident_id == parent.id
    [household] = crowd.storms
    assert "11 more incidents on i-00000000000000001 (stopped)" in household.headline
    assert all(told_of(crowd, child) for child in children)
    others = [n for n in crowd.board.posted[1:] if n.kind is not NoticeKind.STORM]
    assert {n.kind for n in others} <= {NoticeKind.RECOVERED, NoticeKind.HANDED_OVER}


def test_nothing_is_run_on_a_container_whose_host_is_down() -> None:
    crowd = Crowd(rules={"stopped": {"when": {"state": "stopped"}}})
    host = crowd.falls_sick(1, of=rule(name="stopped", when={"state": "stopped"}))
    crowd.clock.advance(crowd.clock() + SECOND)
    container = Target(TargetKind.CONTAINER, f"{host.target.name}/nginx")
    seen = replace(signal(), id="oom", target=container, at=crowd.clock())
    opened = incident(rule(RESTART, name="container-unhealthy"), seen, opened_at=crowd.clock())
    crowd.incidents.open(opened)
    crowd.start(opened.id)
    crowd.pass_time(MINUTE)
    assert crowd.runner.tries == []
    decisions = [e.facts["gates"] for e in crowd.story(opened.id) if e.kind is EntryKind.DECIDED]
    assert any(Reason.PARENT_DOWN in str(gates) for gates in decisions)
    assert "1 more incident on" in crowd.storms[0].headline


# Silence


def silence(crowd: Crowd, minutes: float, **narrower: Any) -> None:
    now = crowd.clock()
    content = {"name": "deploy", "from": now, "until": now + minutes * MINUTE, **narrower}
    window = MaintenanceWindow.model_validate(content)
    crowd.controls.declare(DeclaredWindow(window, "ann", now, WindowKind.SILENCE, "deploy"))


def test_in_a_silence_nobody_is_told_and_the_incident_says_why() -> None:
    crowd = Crowd()
    silence(crowd, 30)
    opened = crowd.falls_sick(1, of=rule())
    crowd.pass_time(10 * MINUTE, MINUTE)
    assert crowd.board.posted == []
    assert all("silence 'deploy' until" in why for _, why in crowd.board.withheld)
    assert any("silence 'deploy'" in entry.text for entry in crowd.story(opened.id))


def test_after_the_silence_what_is_still_open_is_told_once() -> None:
    crowd = Crowd()
    silence(crowd, 30)
    crowd.falls_sick(1, of=rule())
    crowd.pass_time(50 * MINUTE, MINUTE)
    assert [notice.kind for notice in crowd.board.posted] == [NoticeKind.REMINDER]


def test_what_healed_in_the_silence_is_told_to_nobody() -> None:
    crowd = Crowd()
    silence(crowd, 30)
    crowd.falls_sick(1, of=rule())
    crowd.pass_time(3 * MINUTE)
    crowd.well_from = crowd.clock()
    crowd.pass_time(3 * HOUR, MINUTE)
    assert crowd.board.posted == []


def test_a_silence_of_another_rule_silences_nothing() -> None:
    crowd = Crowd()
    silence(crowd, 30, rules=("memory",))
    crowd.falls_sick(1)
    assert len(crowd.board.posted) >= 1


def test_a_recurring_silence_of_the_configuration_holds() -> None:
    window = {"name": "nightly", "cron": "0 12 * * *", "lasting": "1h"}
    crowd = Crowd({"silences": [window]})
    crowd.falls_sick(1, of=rule())
    assert crowd.board.posted == []


# Escalation


CHAIN = {
    "channels": {"phone": {"telegram": {"chat": "1", "token": "env:T"}, "escalation_only": True}},
    "escalation": [{"after": "10m", "to": ["phone"]}, {"after": "1h", "to": ["phone"]}],
    "reminders": ["9d"],
}


def escalations(crowd: Crowd) -> list[Notice]:
    return [notice for notice in crowd.board.posted if notice.kind is NoticeKind.ESCALATED]


def test_what_stays_open_is_escalated_step_by_step_with_the_present_facts() -> None:
    crowd = Crowd(CHAIN)
    crowd.falls_sick(1, of=rule())
    crowd.pass_time(9 * MINUTE, MINUTE)
    assert escalations(crowd) == []
    crowd.pass_time(3 * MINUTE, MINUTE)
    [first] = escalations(crowd)
    assert first.to == ("phone",)
    assert any("Fresh data" in line and "97" in line for line in first.lines)
    crowd.pass_time(2 * HOUR, MINUTE)
    assert len(escalations(crowd)) == 2


def test_what_somebody_is_on_or_what_is_over_is_not_escalated() -> None:
    crowd = Crowd(CHAIN)
    mine, healed = (crowd.falls_sick(n, of=rule(name=f"rule-{n}")) for n in (1, 2))
    word = Entry("acknowledged", crowd.clock(), EntryKind.ACKNOWLEDGED, "ann is on it")
    crowd.incidents.record(mine.id, word)
    crowd.incidents.close(healed.id, Reason.CLOSED_BY_PERSON, crowd.clock())
    crowd.pass_time(2 * HOUR, MINUTE)
    assert escalations(crowd) == []


def test_many_alike_are_escalated_in_one_message() -> None:
    crowd = Crowd(CHAIN)
    for number in range(12):
        crowd.falls_sick(number, of=rule())
    crowd.pass_time(12 * MINUTE, MINUTE)
    assert len(escalations(crowd)) == 2  # of the first, which was told by itself, and of the rest
    assert any("12 machines" in notice.headline for notice in escalations(crowd))
