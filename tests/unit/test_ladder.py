"""Rungs that are no scripts: what is done to a machine from outside, and asking a person."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from autorecovery import people
from autorecovery.dry_run import Nobody
from autorecovery.errors import CommandNotStartedError, CommandUncertainError
from autorecovery.models.actions import InstanceAction
from autorecovery.models.controls import Halt
from autorecovery.models.incident import (
    Attempt,
    CommandState,
    CommandStatus,
    EntryKind,
    Incident,
    attempt_token,
)
from autorecovery.models.notice import NoticeKind
from autorecovery.models.reason import Autonomy, IncidentState, Reason, Verdict
from autorecovery.models.signal import EventOrigin, LogOrigin, MetricOrigin, SignalKind
from autorecovery.ports import Datapoint, LogLine, Presence
from tests.fakes import SUCCEEDED, MeasuredWorld, ScriptedRunner
from tests.response_world import (
    CPU,
    INSTANCE,
    METRIC,
    OPTED_IN,
    RELIEVE,
    RESTART,
    SICK,
    START,
    STREAM,
    WELL,
    World,
    cpu_line,
    incident,
    measured_by_alarm,
    rule,
    signal,
)

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
SUCCESSOR = "i-0fedcba9876543210"
GONE = Presence(exists=False, opted_in=False)
PROOF = {"within": "5m", "healthy_for": "1m"}
REBOOT = {"run": "reboot_instance", "verify": PROOF}
STOP_START = {"run": "stop_start_instance", "verify": PROOF}
REPLACE = {"run": "replace_in_group", "verify": PROOF}
SCALE_OUT = {"run": "scale_out", "verify": PROOF}
ASK = {"run": "ask_human"}


def tried(world: World) -> list[str]:
    return [attempt.script for attempt in world.runner.tries]


def ended(world: World) -> Reason:
    """Return why the response ended, or why a human has it now."""
    text = world.story[-1].text if world.present.is_closed else _handed_over(world)
    return Reason(text.partition(": ")[2])


def _handed_over(world: World) -> str:
    return next(e.text for e in world.story if e.kind is EntryKind.HANDED_OVER)


def last_attempt(world: World) -> Attempt:
    attempt = world.attempts.last_on(INSTANCE)
    assert attempt is not None
    return attempt


def notice_text(world: World, kind: NoticeKind) -> str:
    notice = next(each for each in world.board.posted if each.kind is kind)
    return "\n".join((notice.headline, *notice.lines))


# From outside


def test_a_reboot_follows_a_restart_that_was_seen_to_fail() -> None:
    world = World(measured_by_alarm(rule(RESTART, REBOOT)), cures=("reboot_instance",))
    ending = world.respond()
    assert ending is not None
    assert (ending.reason, ending.verdict) == (Reason.RECOVERED, Verdict.VERIFIED)
    assert tried(world) == ["restart_service", "reboot_instance"]
    told = notice_text(world, NoticeKind.RECOVERED)
    assert "reboot_instance helped" in told
    assert "measured after it was done" in told
    assert "reboot_instance was asked for" in [entry.text for entry in world.story]


def test_a_machine_whose_agent_is_dead_can_still_be_rebooted() -> None:
    world = World(measured_by_alarm(rule(REBOOT)), cures=("reboot_instance",))
    world.directory.answer = replace(OPTED_IN, reachable=False)
    ending = world.respond()
    assert ending is not None
    assert ending.reason is Reason.RECOVERED


def test_an_action_needs_the_opt_in_like_any_script() -> None:
    world = World(measured_by_alarm(rule(REBOOT)))
    world.directory.answer = replace(OPTED_IN, opted_in=False)
    assert world.respond(lasting=HOUR) is None
    assert (tried(world), ended(world)) == ([], Reason.NOT_OPTED_IN)


@pytest.mark.parametrize("action", list(InstanceAction))
def test_an_action_without_an_answer_is_never_repeated_and_says_what_may_be(
    action: InstanceAction,
) -> None:
    world = World(measured_by_alarm(rule({"run": action, "verify": PROOF}, ASK)), cures=())
    world.runner.errors = [CommandUncertainError("no answer")]
    world.runner.is_findable = False
    assert world.respond(lasting=HOUR) is None
    assert len(world.runner.tries) == 1
    assert ended(world) is Reason.MAY_STILL_BE_RUNNING
    told = notice_text(world, NoticeKind.HANDED_OVER)
    assert "was asked for, and nobody knows how it ended" in told
    doubts = {
        "reboot_instance": "may be rebooting",
        "stop_start_instance": "the machine may be stopped",
        "replace_in_group": "may be replacing the machine",
        "scale_out": "may be growing",
    }
    assert doubts[action] in told


def test_a_stop_that_nobody_sees_the_end_of_says_that_the_machine_may_be_stopped() -> None:
    world = World(measured_by_alarm(rule(STOP_START)), cures=())
    world.reader.value_at = lambda moment: None if world.runner.tries else SICK
    world.runner.takes = timedelta(days=1)
    assert world.respond(lasting=HOUR) is None
    assert "the machine may be stopped" in last_attempt(world).status.detail
    assert ended(world) is Reason.MAY_STILL_BE_RUNNING


# What fixes an action before it is sent


class Planner(ScriptedRunner):
    """Counts the machines when the attempt is planned; there is one more each time."""

    planned = 2

    def prepare(self, attempt: Attempt) -> Attempt:
        self.planned += 1
        return replace(attempt, parameters={"capacity": str(self.planned)})


class Refusing(ScriptedRunner):
    def prepare(self, attempt: Attempt) -> Attempt:
        raise CommandNotStartedError("the group is at its maximum of 4", retryable=False)


def test_scaling_out_is_planned_before_it_is_written_down_and_proved_by_the_targets_series() -> (
    None
):
    world = World(measured_by_alarm(rule(SCALE_OUT)), cures=("scale_out",))
    world.runner = Planner(world.clock)
    ending = world.respond()
    assert ending is not None
    assert ending.reason is Reason.RECOVERED
    assert [attempt.parameters for attempt in world.runner.tries] == [{"capacity": "3"}]
    intended = next(entry for entry in world.story if entry.key == "intended 1")
    assert intended.facts["parameters"] == {"capacity": "3"}


def test_a_response_that_lost_its_journal_looks_for_what_was_planned_first() -> None:
    world = World(measured_by_alarm(rule(SCALE_OUT)), cures=())
    looked_for: list[Attempt] = []

    class Looking(Planner):
        def find(self, attempt: Attempt) -> str | None:
            looked_for.append(attempt)
            return super().find(attempt)

    world.runner = Looking(world.clock)
    assert world.respond(lasting=2 * MINUTE) is None
    world.forget()
    world.respond(lasting=HOUR)
    assert len(world.runner.tries) == 1
    [attempt] = looked_for
    assert attempt.parameters == {"capacity": "3"}
    assert attempt.intended_at == world.runner.tries[0].intended_at


def test_what_cannot_be_done_is_handed_over_with_the_words_why() -> None:
    world = World(measured_by_alarm(rule(SCALE_OUT, REBOOT)))
    world.runner = Refusing(world.clock)
    assert world.respond(lasting=HOUR) is None
    assert (tried(world), ended(world)) == ([], Reason.COULD_NOT_START)
    assert "the group is at its maximum of 4" in notice_text(world, NoticeKind.HANDED_OVER)


def test_a_plan_that_fails_in_a_later_life_does_not_say_that_nothing_was_sent() -> None:
    world = World(measured_by_alarm(rule(SCALE_OUT)), cures=())
    assert world.respond(lasting=10 * timedelta(seconds=1)) is None
    world.forget()
    refusing = Refusing(world.clock)
    refusing.sent, refusing.scripts = world.runner.sent, world.runner.scripts
    world.runner = refusing
    world.respond(lasting=HOUR)
    assert last_attempt(world).status.state is CommandState.SUCCEEDED


# Replacement


class Fleet(MeasuredWorld):
    """Measures each machine by itself, as its dimensions or its stream name it."""

    def __init__(self, clock: Any, machines: Mapping[str, Callable[[datetime], float | None]]):
        super().__init__(clock, lambda moment: None)
        self.machines = machines
        self.line_of = cpu_line

    def datapoints(self, origin: MetricOrigin, since: datetime) -> list[Datapoint]:
        self.value_at = self.machines[dict(origin.dimensions)["InstanceId"]]
        return super().datapoints(origin, since)

    def lines(self, origin: LogOrigin, since: datetime) -> list[LogLine]:
        self.value_at = self.machines[origin.stream.partition("/")[0]]
        return super().lines(origin, since)


def replaced(
    opened: Incident, *, old: float | None, new: float | None, successor: str | None = SUCCESSOR
) -> World:
    """Return a world in which the group replaces the machine, and both are measured like this."""
    world = World(opened)
    world.runner.outcome = replace(SUCCEEDED, successor=successor)

    def of_the_old(moment: datetime) -> float | None:
        marked = min(world.runner.sent.values(), default=None)
        return old if marked and moment >= marked else SICK

    world.reader = Fleet(world.clock, {INSTANCE.name: of_the_old, SUCCESSOR: lambda moment: new})
    return world


TEXT_STREAM = LogOrigin("/shop/metrics", f"{INSTANCE.name}/app.log")


def of_stream(stream: LogOrigin) -> Incident:
    return incident(rule(REPLACE), signal(stream))


@pytest.mark.parametrize(
    "opened", [measured_by_alarm(rule(REPLACE)), of_stream(STREAM), of_stream(TEXT_STREAM)]
)
def test_a_replacement_is_proved_by_its_successor(opened: Incident) -> None:
    world = replaced(opened, old=None, new=WELL)
    ending = world.respond()
    assert ending is not None
    assert (ending.reason, ending.verdict) == (Reason.RECOVERED, Verdict.VERIFIED)
    assert SUCCESSOR in notice_text(world, NoticeKind.RECOVERED)
    assert last_attempt(world).status.successor == SUCCESSOR


def test_after_a_replacement_nothing_touches_the_old_machine() -> None:
    world = replaced(measured_by_alarm(rule(REPLACE, REBOOT)), old=None, new=SICK)
    world.later(MINUTE, lambda: setattr(world.directory, "answer", GONE))
    assert world.respond(lasting=HOUR) is None
    assert last_attempt(world).verdict is Verdict.NOT_RECOVERED
    assert (tried(world), ended(world)) == (["replace_in_group"], Reason.NOT_OPTED_IN)
    assert "no such machine is known" in notice_text(world, NoticeKind.HANDED_OVER)


@pytest.mark.parametrize(("new", "successor"), [(None, SUCCESSOR), (WELL, None)])
def test_without_a_successor_that_is_measured_nothing_is_proved(
    new: float | None, successor: str | None
) -> None:
    # The old one looks well: it is drained, and does nothing any more.
    opened = measured_by_alarm(rule(REPLACE, ASK))
    world = replaced(opened, old=WELL, new=new, successor=successor)
    world.respond(lasting=4 * MINUTE)
    assert last_attempt(world).verdict is None
    world.respond(lasting=3 * MINUTE)
    assert last_attempt(world).verdict is Verdict.INCONCLUSIVE


def test_a_series_that_names_no_machine_cannot_be_followed() -> None:
    of_alarm = replace(METRIC, dimensions=(("AutoScalingGroupName", "web"),))
    seen = signal(of_alarm, kind=SignalKind.ALARM, name="cpu high", state="ALARM")
    opened = incident(rule(REPLACE, when={"alarm": "cpu high"}), replace(seen, threshold=95.0))
    world = World(opened)
    world.runner.outcome = replace(SUCCEEDED, successor=SUCCESSOR)
    world.reader.value_at = lambda moment: WELL if world.runner.tries else SICK
    world.respond(lasting=10 * MINUTE)
    assert last_attempt(world).verdict is Verdict.INCONCLUSIVE


def test_what_came_as_an_event_is_read_from_the_successors_metric() -> None:
    opened = incident(rule(REPLACE, when=CPU), signal(EventOrigin("typed")))
    world = replaced(opened, old=None, new=WELL)
    ending = world.respond()
    assert ending is not None
    assert ending.verdict is Verdict.VERIFIED


# A person


def say(world: World, *, approved: bool) -> people.Answer:
    app = people.People(world.incidents, world.controls, Nobody(), world.clock)
    answer = people.decide(world.present, "ann", app, approved=approved)
    world.wake()
    return answer


def ladder(*rungs: Any, autonomy: Autonomy = Autonomy.AUTO, cures: tuple[str, ...] = ()) -> World:
    return World(measured_by_alarm(rule(*rungs, autonomy=autonomy)), cures=cures)


def test_in_the_middle_a_person_is_asked_whether_to_go_on() -> None:
    world = ladder(RESTART, ASK, REBOOT, cures=("reboot_instance",))
    assert world.respond(lasting=12 * MINUTE) is None
    assert world.present.state is IncidentState.ASKING
    assert tried(world) == ["restart_service"]
    question = notice_text(world, NoticeKind.ASKING)
    assert "may reboot_instance be run?" in question
    assert "Tried: restart_service (service=nginx) succeeded; not recovered." in question
    assert say(world, approved=True).changed
    ending = world.respond()
    assert ending is not None
    assert ending.reason is Reason.RECOVERED
    assert tried(world) == ["restart_service", "reboot_instance"]


def test_before_the_first_rung_a_person_is_asked_too() -> None:
    world = ladder(ASK, RESTART, cures=("restart_service",))
    assert world.respond(lasting=MINUTE) is None
    assert "Nothing is run before a person approves" in notice_text(world, NoticeKind.OPENED)
    say(world, approved=True)
    ending = world.respond()
    assert ending is not None
    assert ending.reason is Reason.RECOVERED


def test_a_no_in_the_middle_is_a_hand_over() -> None:
    world = ladder(RESTART, ASK, REBOOT)
    world.respond(lasting=12 * MINUTE)
    say(world, approved=False)
    assert world.respond(lasting=HOUR) is None
    assert (tried(world), ended(world)) == (["restart_service"], Reason.DENIED)
    assert "Not run: reboot_instance." in notice_text(world, NoticeKind.HANDED_OVER)


def test_no_answer_in_the_middle_is_a_hand_over() -> None:
    world = ladder(RESTART, ASK, REBOOT)
    assert world.respond(lasting=HOUR) is None
    assert (tried(world), ended(world)) == (["restart_service"], Reason.APPROVAL_EXPIRED)


def test_a_rule_that_asks_anyway_asks_once() -> None:
    world = ladder(ASK, RESTART, autonomy=Autonomy.ASK, cures=("restart_service",))
    world.respond(lasting=MINUTE)
    say(world, approved=True)
    ending = world.respond()
    assert ending is not None
    assert ending.reason is Reason.RECOVERED
    assert world.told.count(NoticeKind.ASKING) == 1


def test_a_rule_that_only_observes_is_not_made_to_act_by_a_question() -> None:
    world = ladder(ASK, RESTART, autonomy=Autonomy.OBSERVE)
    assert world.respond(lasting=10 * MINUTE) is None
    assert (tried(world), ended(world)) == ([], Reason.AUTONOMY_OBSERVE)


def test_nobody_is_asked_to_go_on_while_another_gate_holds() -> None:
    world = ladder(RESTART, ASK, REBOOT)
    world.later(3 * MINUTE, lambda: world.controls.set_halt(Halt("ops", "deploying", START)))
    assert world.respond(lasting=HOUR) is None
    assert NoticeKind.ASKING not in world.told
    assert ended(world) is Reason.HALTED


def test_only_the_rung_after_the_question_waits_for_the_answer() -> None:
    world = ladder(RESTART, ASK, RELIEVE, REBOOT, cures=("reboot_instance",))
    world.respond(lasting=12 * MINUTE)
    say(world, approved=True)
    ending = world.respond()
    assert ending is not None
    assert ending.reason is Reason.RECOVERED
    assert tried(world) == ["restart_service", "relieve_memory", "reboot_instance"]
    assert world.told.count(NoticeKind.ASKING) == 1


def test_at_the_end_a_human_is_given_the_incident_with_reminders() -> None:
    world = ladder(RESTART, ASK)
    assert world.respond(lasting=HOUR) is None
    assert (tried(world), ended(world)) == (["restart_service"], Reason.HUMAN_WANTED)
    assert NoticeKind.REMINDER in world.told
    assert "Not run" not in notice_text(world, NoticeKind.HANDED_OVER)


def test_a_ladder_that_only_asks_hands_over_at_once_and_needs_no_opt_in() -> None:
    world = ladder(ASK)
    world.directory.answer = GONE
    assert world.respond(lasting=HOUR) is None
    assert ended(world) is Reason.HUMAN_WANTED
    assert "Nothing is run: the ladder asks for a human here." in notice_text(
        world, NoticeKind.OPENED
    )
    assert world.attempts.last_on(INSTANCE) is None


def test_a_question_leaves_no_attempt_behind() -> None:
    world = ladder(RESTART, ASK, REBOOT)
    world.respond(lasting=HOUR)
    last = last_attempt(world)
    assert (last.script, last.token) == ("restart_service", attempt_token(world.opened.id, 1))


# Records


def test_a_status_kept_before_successors_were_known_is_still_read() -> None:
    from autorecovery.models.wire import decode

    old = '{"state": "succeeded", "detail": "", "output": "", "exit_code": 0, "ended_at": null}'
    assert decode(old, CommandStatus) == SUCCEEDED
