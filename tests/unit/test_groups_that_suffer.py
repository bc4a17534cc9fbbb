"""Groups that suffer: what is told in them is not lost, not doubled, and not told for ever."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.spending import SqliteSpending
from autorecovery.analysis.run import ASKED_BY, investigate
from autorecovery.analysis.stage import Analyst
from autorecovery.errors import StoreError
from autorecovery.models.group import Group, GroupKind, Word, is_group
from autorecovery.models.incident import Entry, EntryKind
from autorecovery.models.notice import NoticeKind
from autorecovery.models.reason import Level, Reason
from autorecovery.models.signal import Target
from autorecovery.notices.crowd import crowd as compose_crowd
from autorecovery.people import People, acknowledge
from autorecovery.response.company import company_in
from tests.response_world import RESTART, START, incident, rule, signal
from tests.unit.test_groups import CHAIN, HOUR, MINUTE, SECOND, Crowd, escalations, silence


def close(crowd: Crowd, incident_id: str) -> None:
    crowd.incidents.close(incident_id, Reason.CLOSED_BY_PERSON, crowd.clock())
    if token := crowd.incidents.wake_token(incident_id):
        crowd.wake(token)
    crowd.live(incident_id)


def test_who_joins_while_the_first_leaves_is_told_once_and_leaves_no_group_behind() -> None:
    crowd = Crowd()
    first = crowd.falls_sick(1, of=rule())
    crowd.pass_time(MINUTE)
    join = crowd.incidents.join_group

    def join_and_be_overtaken(*args: Any, **kw: Any) -> Any:
        found = join(*args, **kw)
        crowd.incidents.join_group = join  # type: ignore[method-assign]
        close(crowd, first.id)  # the first one is over just then, and ends the group
        return found

    crowd.incidents.join_group = join_and_be_overtaken  # type: ignore[method-assign]
    second = crowd.falls_sick(2, of=rule())
    crowd.pass_time(2 * MINUTE)
    about = [n for n in crowd.board.posted if n.incident_id == second.id]
    close(crowd, second.id)
    crowd.pass_time(2 * HOUR, MINUTE)
    living = [e for e in crowd.lives if is_group(e) and crowd.live(e) is None]
    assert len(about) == 1, [n.headline for n in about]
    assert living == []


def test_members_that_are_told_alone_that_they_are_over_end_the_group() -> None:
    crowd = Crowd({"reminders": ["9d"]})
    for number in range(4):
        crowd.falls_sick(number, of=rule(RESTART))
    crowd.pass_time(MINUTE)
    crowd.well_from = crowd.clock()
    crowd.pass_time(HOUR, MINUTE)
    assert crowd.incidents.open_incidents() == []
    assert crowd.incidents.open_groups() == []
    assert "over on all" in crowd.storms[-1].headline


def test_an_escalation_that_fell_into_a_silence_is_told_after_it() -> None:
    crowd = Crowd(CHAIN)
    crowd.falls_sick(1, of=rule())
    crowd.pass_time(5 * MINUTE)
    silence(crowd, 90)
    crowd.pass_time(12 * HOUR, MINUTE)
    assert len(escalations(crowd)) >= 1


def test_an_escalation_that_nobody_took_is_tried_again() -> None:
    crowd = Crowd(CHAIN)
    crowd.falls_sick(1, of=rule())
    crowd.pass_time(5 * MINUTE)
    crowd.board.is_down = True
    crowd.pass_time(90 * MINUTE, MINUTE)
    crowd.board.is_down = False
    crowd.pass_time(12 * HOUR, MINUTE)
    assert len(escalations(crowd)) >= 1


def test_a_silence_of_the_rule_holds_for_its_group_too() -> None:
    crowd = Crowd({**CHAIN, "group": {"repeat": "1h"}})
    for number in range(12):
        crowd.falls_sick(number, of=rule())
    crowd.pass_time(5 * MINUTE)
    told = len(crowd.board.posted)
    silence(crowd, 6 * 60)
    crowd.pass_time(5 * HOUR, MINUTE)
    assert [n.headline for n in crowd.board.posted[told:]] == []


def test_a_group_all_of_whose_members_are_acknowledged_is_not_escalated() -> None:
    crowd = Crowd(CHAIN)
    opened = [crowd.falls_sick(number, of=rule()) for number in range(6)]
    crowd.pass_time(5 * MINUTE)
    for each in opened:
        word = Entry("acknowledged", crowd.clock(), EntryKind.ACKNOWLEDGED, "ann is on it")
        crowd.incidents.record(each.id, word)
    crowd.pass_time(2 * HOUR, MINUTE)
    assert [n.headline for n in escalations(crowd)] == []


def test_a_stream_of_recoveries_does_not_wear_a_group_out() -> None:
    crowd = Crowd({"reminders": ["9d"]})
    opened = [crowd.falls_sick(number, of=rule()) for number in range(4)]
    crowd.pass_time(2 * MINUTE)
    [group_id] = [e for e in crowd.lives if is_group(e)]
    group = company_in(crowd.story(opened[2].id)).group  # type: ignore[union-attr]
    crowd.lives = {group_id: crowd.lives[group_id]}
    for minute in range(3 * 60):
        word = Word(f"inc-{minute}", f"i-{minute}", "cpu", Level.INFO, NoticeKind.RECOVERED,
                    "healthy again", crowd.clock(), told=True)  # fmt: skip
        crowd.response.telling.join(group, word)
        crowd.pass_time(MINUTE, 15 * SECOND)
    assert len(crowd.lives[group_id].journal) < 400, "at most a look for each of them"


def test_a_group_that_is_looked_at_very_often_hands_on_to_another_execution() -> None:
    crowd = Crowd({"group": {"interval": "10s"}, "at_most": "1000 per 10m", "reminders": ["9d"]})
    for number in range(4):
        crowd.falls_sick(number, of=rule())
    [group_id] = [e for e in crowd.lives if is_group(e)]
    group = company_in(crowd.story(next(iter(crowd.lives))))
    assert group is not None
    crowd.lives = {group_id: crowd.lives[group_id]}
    while len(crowd.lives) == 1:  # woken again and again, it looks again and again
        if token := crowd.incidents.wake_token(group_id):
            crowd.wake(token.removeprefix("deaf:"))
        crowd.pass_time(SECOND, SECOND)
    [_, second] = crowd.lives
    assert second == f"{group_id}-2"
    before = len(crowd.storms)
    crowd.pass_time(12 * HOUR, 5 * MINUTE)
    assert len(crowd.storms) > before, "it is told on"


def test_a_board_that_is_down_for_a_weekend_does_not_wear_a_group_out() -> None:
    crowd = Crowd({"reminders": ["9d"]})
    for number in range(4):
        crowd.falls_sick(number, of=rule())
    [group_id] = [e for e in crowd.lives if is_group(e)]
    crowd.lives = {group_id: crowd.lives[group_id]}
    crowd.board.is_down = True
    crowd.pass_time(48 * HOUR, MINUTE)
    crowd.board.is_down = False
    crowd.pass_time(HOUR, MINUTE)
    assert crowd.storms


def test_who_joins_a_group_whose_teller_is_dead_is_told() -> None:
    crowd = Crowd({"reminders": ["15m", "1h"]})
    for number in range(4):
        crowd.falls_sick(number, of=rule())
    crowd.pass_time(MINUTE)
    [group_id] = [e for e in crowd.lives if is_group(e)]
    dead = crowd.lives.pop(group_id)  # the execution failed: a started name starts nothing again
    lives, start = crowd.lives, crowd.start
    crowd.start = lambda incident_id: None if incident_id == group_id else start(incident_id)  # type: ignore[method-assign]
    crowd.wake = lambda token: None  # type: ignore[method-assign]  # "what is over needs no waking"
    assert dead is not None and lives is crowd.lives
    late = crowd.falls_sick(9, of=rule())
    crowd.pass_time(26 * HOUR, 5 * MINUTE)
    assert any(late.id in (n.incident_id, *n.lines) or late.target.name in str(n.lines)
               for n in crowd.board.posted)  # fmt: skip


def test_a_new_critical_incident_in_a_busy_fleet_is_told_within_the_hour() -> None:
    """One rule that always has somebody open: the group's pauses grow without a bound."""
    crowd = Crowd({"at_most": "100 per 10m", "reminders": ["90d"]})
    number = 0
    crowd.falls_sick(number, of=rule())
    while crowd.clock() < crowd.board.posted[0].at + timedelta(days=3):
        number += 1
        joined = crowd.falls_sick(number, of=rule())
        crowd.lives.pop(joined.id)
        crowd.clock.advance(crowd.clock() + 8 * MINUTE)
        for each in [e for e in crowd.lives if is_group(e)]:
            crowd.live(each)
    gaps = [b.at - a.at for a, b in zip(crowd.storms, crowd.storms[1:], strict=False)]
    assert max(gaps) <= HOUR, f"somebody waited {max(gaps)} to be told"


def test_the_end_of_a_silence_is_noticed_soon() -> None:
    crowd = Crowd({"reminders": ["9d"]})
    silence(crowd, 8 * 60)
    crowd.falls_sick(1, of=rule())
    crowd.pass_time(8 * HOUR, MINUTE)
    crowd.pass_time(10 * MINUTE)
    assert crowd.board.posted


def test_a_message_about_many_names_an_incident_that_exists() -> None:
    group = Group(GroupKind.EVERYTHING, "many rules at once", START)
    inner = Group(GroupKind.ALIKE, "cpu", START)
    words = [
        Word(inner.id, "cpu", "cpu", Level.ERROR, NoticeKind.STORM, "8 open", START, size=8),
        Word("inc-1", "i-1", "memory", Level.ERROR, NoticeKind.OPENED, "sick", START),
    ]
    told = compose_crowd(group, words, many=False, number=0, now=START)
    assert not is_group(told.incident_id)


def test_what_was_passed_to_everything_is_over_there_when_scripts_cured_each() -> None:
    crowd = Crowd(
        {"at_most": "1 per 1h", "reminders": ["9d"], "group": {"repeat": "1h"}},
        fleet={"at_once": {"hosts": 100, "percent": 100}, "hosts": "100 per 1h"},
    )
    crowd.falls_sick(50, of=rule(name="memory"))  # what may be told alone is spent
    opened = [crowd.falls_sick(number, of=rule(RESTART)) for number in range(4)]
    crowd.pass_time(45 * SECOND, 5 * SECOND)
    crowd.well_from = crowd.clock()
    crowd.pass_time(12 * HOUR, MINUTE)
    assert len(opened) == 4
    assert crowd.incidents.open_incidents() == []
    assert crowd.incidents.open_groups() == [], [n.headline for n in crowd.storms[-3:]]


def test_who_relapses_after_its_group_is_over_is_escalated() -> None:
    crowd = Crowd({**CHAIN, "reminders": ["15m"]}, correlated={"targets": 50})
    first = crowd.falls_sick(1, of=rule())
    opened = [crowd.falls_sick(number, of=rule()) for number in (2, 3)]
    crowd.pass_time(2 * MINUTE)
    member = opened[1]
    group = company_in(crowd.story(member.id)).group  # type: ignore[union-attr]
    # Every member says that it is over, as each does that recovers ...
    for each in (first, *opened):
        word = Word(each.id, each.target.name, "cpu", Level.INFO, NoticeKind.RECOVERED,
                    "healthy again", crowd.clock(), told=True)  # fmt: skip
        crowd.response.telling.join(group, word)
    crowd.pass_time(12 * MINUTE)
    assert not crowd.incidents.goes_on(group.id)
    # ... and one of them, still settling, is sick again and handed over: it stays open.
    crowd.pass_time(4 * HOUR, MINUTE)
    assert crowd.incidents.get(member.id).is_closed is False  # type: ignore[union-attr]
    assert [n for n in escalations(crowd) if n.incident_id == member.id]


def test_a_storm_with_its_analyses_is_ten_messages() -> None:
    crowd = Crowd()
    for number in range(300):
        crowd.falls_sick(number, of=rule(name=f"rule-{number % 100}"))
    response = crowd.response
    analyst = Analyst(
        configuration=response.configuration, incidents=crowd.incidents,
        attempts=response.attempts, metrics=crowd.reader, noticeboard=crowd.board,
        spending=SqliteSpending(Database(None)), clock=crowd.clock,
        restraint=response.telling.restraint,
    )  # fmt: skip
    asked = 0
    for _ in range(10):
        crowd.pass_time(MINUTE)
        for told in crowd.board.posted[asked:]:
            if told.kind in ASKED_BY:
                investigate(told.incident_id, told.kind, analyst)
        asked = len(crowd.board.posted)
    kinds = [str(n.kind) for n in crowd.board.posted]
    assert len(kinds) <= 10, kinds


def test_an_analysis_of_what_is_silenced_meanwhile_is_told_to_nobody() -> None:
    crowd = Crowd()
    opened = crowd.falls_sick(1, of=rule())
    silence(crowd, 60)
    response = crowd.response
    analyst = Analyst(
        configuration=response.configuration, incidents=crowd.incidents,
        attempts=response.attempts, metrics=crowd.reader, noticeboard=crowd.board,
        spending=SqliteSpending(Database(None)), clock=crowd.clock,
        restraint=response.telling.restraint,
    )  # fmt: skip
    told = len(crowd.board.posted)
    investigate(opened.id, NoticeKind.OPENED, analyst)
    assert len(crowd.board.posted) == told


def test_a_level_that_rises_after_somebody_said_ack_is_told() -> None:
    crowd = Crowd(CHAIN)
    people = People(crowd.incidents, crowd.controls, crowd, crowd.clock)
    seen = replace(signal(), id="w", target=Target.named("i-00000000000000001"))
    opened = incident(rule(), seen, level=Level.WARNING)
    crowd.incidents.open(opened)
    crowd.start(opened.id)
    crowd.live(opened.id)
    acknowledge(opened, "ann", people)
    told = len(crowd.board.posted)
    crowd.incidents.raise_level(opened.id, Level.CRITICAL, crowd.clock())
    crowd.pass_time(3 * HOUR, MINUTE)
    assert len(crowd.board.posted) > told, "it became critical, and nobody was told"


def test_what_comes_and_goes_and_then_stays_is_escalated() -> None:
    crowd = Crowd(CHAIN, flapping="3 per 1h")
    for _ in range(3):
        opened = crowd.falls_sick(1, of=rule())
        crowd.incidents.close(opened.id, Reason.HEALTHY_BY_ITSELF, crowd.clock())
        crowd.pass_time(4 * MINUTE, MINUTE)
    crowd.falls_sick(1, of=rule())  # and this time it stays
    crowd.pass_time(24 * HOUR, 2 * MINUTE)
    assert escalations(crowd)


def test_the_first_to_flap_stays_open_and_is_escalated() -> None:
    crowd = Crowd(CHAIN, flapping="3 per 1h")
    for _ in range(2):
        opened = crowd.falls_sick(1, of=rule())
        crowd.incidents.close(opened.id, Reason.HEALTHY_BY_ITSELF, crowd.clock())
        crowd.pass_time(4 * MINUTE, MINUTE)
    crowd.falls_sick(1, of=rule())
    crowd.pass_time(24 * HOUR, 2 * MINUTE)
    assert escalations(crowd), [n.headline for n in crowd.board.posted]


def test_who_joins_a_group_that_was_escalated_long_ago_is_escalated_too() -> None:
    crowd = Crowd(CHAIN)
    for number in range(4):
        crowd.falls_sick(number, of=rule())
    crowd.pass_time(HOUR - 5 * MINUTE, MINUTE)
    for number in range(10, 60, 10):  # the group goes on: somebody joins every few minutes
        crowd.falls_sick(number, of=rule())
        crowd.pass_time(8 * MINUTE, MINUTE)
    late = crowd.falls_sick(99, of=rule())
    before = len(escalations(crowd))
    company = company_in(crowd.story(late.id))
    assert company is not None
    crowd.pass_time(6 * HOUR, MINUTE)
    assert len(escalations(crowd)) > before, f"open for 6 h in {company}, escalated to nobody"


def test_a_warning_that_becomes_critical_is_told_soon_where_nothing_is_run() -> None:
    crowd = Crowd()
    seen = replace(signal(), id="w", target=Target.named("i-00000000000000001"))
    opened = incident(rule(), seen, level=Level.WARNING)
    crowd.incidents.open(opened)
    crowd.start(opened.id)
    crowd.live(opened.id)
    crowd.pass_time(6 * HOUR, MINUTE)
    told = len(crowd.board.posted)
    crowd.incidents.raise_level(opened.id, Level.CRITICAL, crowd.clock())
    if token := crowd.incidents.wake_token(opened.id):
        crowd.wake(token.removeprefix("deaf:"))
    crowd.pass_time(15 * MINUTE, MINUTE)
    assert len(crowd.board.posted) > told, "critical for 15 minutes, and nobody was told"


def test_what_a_machine_that_is_back_does_not_explain_any_more_is_told_as_such() -> None:
    crowd = Crowd(rules={"stopped": {"when": {"state": "stopped"}}})
    parent = crowd.falls_sick(1, of=rule(name="stopped", when={"state": "stopped"}))
    crowd.clock.advance(crowd.clock() + SECOND)
    crowd.falls_sick(1, of=rule(name="disk"))
    crowd.pass_time(2 * MINUTE)
    crowd.incidents.close(parent.id, Reason.HEALTHY_BY_ITSELF, crowd.clock())
    crowd.pass_time(MINUTE)
    told = len(crowd.board.posted)
    crowd.pass_time(6 * HOUR, MINUTE)
    later = crowd.board.posted[told:]
    assert not any("(stopped) explains" in n.headline for n in later), "it runs again"


def test_members_that_are_closed_without_a_word_are_told_as_over() -> None:
    crowd = Crowd()
    opened = [crowd.falls_sick(number, of=rule()) for number in range(4)]
    crowd.pass_time(2 * MINUTE)
    crowd.lives = {each: life for each, life in crowd.lives.items() if is_group(each)}
    for each in opened:
        crowd.incidents.close(each.id, Reason.CLOSED_BY_PERSON, crowd.clock())
    crowd.pass_time(HOUR, MINUTE)
    assert "over on all 4" in crowd.storms[-1].headline


def test_who_joined_in_a_silence_is_told_soon_after_it() -> None:
    crowd = Crowd({"reminders": ["9d"]})
    for number in range(4):
        crowd.falls_sick(number, of=rule())
    silence(crowd, 30, rules=("cpu",), targets=tuple(f"i-{n:017x}" for n in range(4)))
    crowd.pass_time(32 * MINUTE, MINUTE)
    crowd.pass_time(15 * MINUTE, MINUTE)
    assert "4 machines" in crowd.storms[-1].headline


def test_bad_news_does_not_wait_for_a_book_that_cannot_be_read() -> None:
    crowd = Crowd()

    def fail(*given: Any) -> Any:
        raise StoreError("throttled", retryable=True)

    crowd.controls.reserve = fail  # type: ignore[assignment, method-assign]
    opened = crowd.falls_sick(1, of=rule())
    assert [notice.incident_id for notice in crowd.board.posted] == [opened.id]
