"""A dead letter given to whom it was meant for, once more: harmless, and honest where it fails."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from autorecovery.adapters.aws.letter_shapes import read_message
from autorecovery.adapters.simulated.clock import VirtualClock
from autorecovery.adapters.simulated.workflow import Execution, live
from autorecovery.adapters.sqlite.attempt_log import SqliteAttemptLog
from autorecovery.adapters.sqlite.controls import SqliteControls
from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.dead_letters import SqliteDeadLetters
from autorecovery.adapters.sqlite.incident_log import SqliteIncidentLog
from autorecovery.config import loads
from autorecovery.errors import StoreError
from autorecovery.models.incident import EntryKind
from autorecovery.models.letter import Destination, Letter
from autorecovery.models.notice import NoticeKind
from autorecovery.models.reason import Reason
from autorecovery.replay import Addressees, replay, timed
from autorecovery.response.run import respond
from autorecovery.response.stage import Response
from autorecovery.triage.run import Triage, triage
from metric_processor import handle
from tests.dead_letter_messages import failed_invocation, message, notification, sample, sns_alarm
from tests.fakes import (
    FixedDirectory,
    ListedNotices,
    MeasuredWorld,
    RecordingStarter,
    ScriptedRunner,
)
from tests.response_world import OPTED_IN, SICK

KEPT_AT = datetime(2026, 1, 15, 3, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
CLOSED = Reason.CLOSED_BY_PERSON

CONFIGURATION = """
rules:
  cpu-overload:
    when: { metric: CPUUtilization, warning: 80, critical: 95 }
    autonomy: auto
    recover: [{ run: restart_service, with: { service: nginx }, verify: { within: 5m } }]
"""


class ListedBox:
    """DeadLetterBox in a list."""

    def __init__(self, *letters: Letter) -> None:
        self.letters = list(letters)

    def count(self) -> int:
        return len(self.letters)

    @contextmanager
    def hold(self, at_most: int) -> Iterator[Sequence[Letter]]:
        yield self.letters[:at_most]

    def remove(self, letter: Letter) -> None:
        self.letters.remove(letter)


class ReplayedWorld:
    """Triage, responses and a machine that stays sick, over one store."""

    def __init__(self, now: datetime) -> None:
        database = Database(None)
        self.clock = VirtualClock(now)
        self.incidents = SqliteIncidentLog(database)
        self.board, self.runner = ListedNotices(), ScriptedRunner(self.clock)
        self.letters = SqliteDeadLetters(database)
        self.executions: dict[str, Execution] = {}
        self.starts: list[str] = []
        configuration = loads(CONFIGURATION, "test", {}).configuration
        self.response = Response(
            configuration=configuration,
            incidents=self.incidents,
            attempts=SqliteAttemptLog(database),
            commands=self.runner,
            targets=FixedDirectory(OPTED_IN),
            metrics=MeasuredWorld(self.clock, lambda at: SICK),
            controls=SqliteControls(database),
            budget=SqliteControls(database),
            noticeboard=self.board,
            responses=RecordingStarter(),
            clock=self.clock,
        )
        self.triage = Triage(
            configuration=configuration,
            incidents=self.incidents,
            responses=self,
            targets=FixedDirectory(OPTED_IN),
            dead_letters=self.letters,
            clock=self.clock,
        )

    def start(self, incident_id: str) -> None:
        self.starts.append(incident_id)
        self.executions.setdefault(incident_id, Execution())

    def wake(self, token: str) -> None:
        for execution in self.executions.values():
            execution.wake(token)

    def live(self, lasting: timedelta) -> None:
        """Live every response that was started for so long."""
        for incident_id, execution in self.executions.items():
            live(
                lambda flow, i=incident_id: respond(i, flow, self.response),  # type: ignore[misc]
                execution, self.clock, incident_id, until=self.clock() + lasting,
            )  # fmt: skip

    def addressees(self, status: str = "RUNNING") -> Addressees:
        def start_response(incident_id: str) -> str:
            self.start(incident_id)
            return status

        return Addressees(
            triage=lambda event: handle(event, self.triage),
            command_ends=lambda event: None,
            start_response=start_response,
            incidents=self.incidents,
        )


def letter(event: object, destination: Destination = Destination.TRIAGE) -> Letter:
    return Letter("letter-1", KEPT_AT, "somebody", "something failed", event, destination)


TYPED = {"metric": "CPUUtilization", "value": 99, "instance_id": "i-0a1b2c3d4e5f67890"}


@pytest.fixture
def fresh() -> ReplayedWorld:
    """Return a world that has just heard of the sample events."""
    return ReplayedWorld(datetime(2026, 1, 15, 3, 6, tzinfo=UTC))


# Triage


def test_what_failed_once_is_processed_and_then_removed(fresh: ReplayedWorld) -> None:
    failed = read_message(message(failed_invocation(sample("alarm_lambda_cpu_high"))))
    box = ListedBox(failed)
    came = replay(failed, box, fresh.addressees())
    assert (came.done, box.letters) == (True, [])
    assert "opened: cpu-overload on instance/i-0a1b2c3d4e5f67890, first breach" in came.text


def test_replayed_twice_it_is_one_incident_one_response_and_one_script(
    fresh: ReplayedWorld,
) -> None:
    failed = read_message(message(failed_invocation(sample("alarm_lambda_cpu_high"))))
    for _ in range(2):
        assert replay(failed, ListedBox(failed), fresh.addressees()).done
    fresh.live(timedelta(minutes=30))
    again = replay(failed, ListedBox(failed), fresh.addressees())
    assert "updated" in again.text
    assert len(fresh.incidents.recent(10)) == len(fresh.starts) == len(fresh.runner.arrived) == 1


def test_what_a_topic_could_not_deliver_is_the_same_incident_as_what_it_delivered(
    fresh: ReplayedWorld,
) -> None:
    triage(sample("alarm_sns_cpu_high"), fresh.triage)
    undelivered = read_message(message(notification(sns_alarm())))
    assert replay(undelivered, ListedBox(undelivered), fresh.addressees()).done
    assert len(fresh.incidents.recent(10)) == 1


def test_a_letter_of_a_closed_incident_opens_nothing(fresh: ReplayedWorld) -> None:
    failed = letter(sample("alarm_lambda_cpu_high"))
    replay(failed, ListedBox(failed), fresh.addressees())
    fresh.incidents.close(fresh.incidents.recent(1)[0].id, CLOSED, KEPT_AT)
    came = replay(failed, ListedBox(failed), fresh.addressees())
    assert Reason.ALREADY_HANDLED in came.text
    assert len(fresh.starts) == 1


@pytest.mark.parametrize("event", [sample("alarm_lambda_cpu_high"), TYPED, [TYPED]])
def test_an_old_letter_is_told_of_and_never_acted_upon(event: object) -> None:
    world = ReplayedWorld(KEPT_AT + HOUR)
    old = letter(event)
    assert replay(old, ListedBox(old), world.addressees()).done
    (incident,) = world.incidents.recent(10)
    assert incident.held_for is Reason.STALE_EVENT
    world.live(timedelta(minutes=5))
    assert NoticeKind.OPENED in [notice.kind for notice in world.board.posted]
    assert world.runner.tries == []
    decided = [e for e in world.incidents.timeline(incident.id) if e.kind is EntryKind.DECIDED]
    assert Reason.STALE_EVENT in decided[0].text


def test_a_letter_that_is_fresh_enough_is_acted_upon(fresh: ReplayedWorld) -> None:
    new = letter(sample("alarm_lambda_cpu_high"))
    replay(new, ListedBox(new), fresh.addressees())
    fresh.live(timedelta(minutes=5))
    assert len(fresh.runner.arrived) == 1


def test_a_letter_that_fails_again_stays_and_says_why(fresh: ReplayedWorld) -> None:
    def fail(event: object) -> dict[str, Any]:
        raise StoreError("MetricProcessor failed: StoreError: throttled", retryable=True)

    failing = letter(sample("alarm_lambda_cpu_high"))
    box = ListedBox(failing)
    came = replay(failing, box, replace(fresh.addressees(), triage=fail))
    assert (came.done, box.letters) == (False, [failing])
    assert came.text == "it stays: MetricProcessor failed: StoreError: throttled"


def test_what_is_still_not_understood_is_one_letter_as_before(fresh: ReplayedWorld) -> None:
    fresh.letters.keep({"kind": "order"}, "unknown shape", KEPT_AT)
    with fresh.letters.hold(10) as (before,):
        came = replay(before, fresh.letters, fresh.addressees())
    with fresh.letters.hold(10) as (after,):
        assert (after.event, after.id != before.id) == (before.event, True)
    assert not came.done
    assert "still not understood" in came.text


def test_what_cannot_be_replayed_goes_nowhere(fresh: ReplayedWorld) -> None:
    cut = replace(letter('{"beg'), obstacle="it is only a beginning")
    box = ListedBox(cut)
    came = replay(cut, box, fresh.addressees())
    assert (came.done, came.text) == (False, "it cannot be replayed: it is only a beginning")
    assert (box.letters, fresh.letters.count()) == ([cut], 0)


def test_a_letter_that_cannot_be_removed_is_told_to_stay(fresh: ReplayedWorld) -> None:
    class Stuck(ListedBox):
        def remove(self, letter: Letter) -> None:
            raise StoreError("removing: AccessDenied", retryable=False)

    stuck = letter(sample("alarm_lambda_cpu_high"))
    came = replay(stuck, Stuck(stuck), fresh.addressees())
    assert (came.done, came.text) == (False, "it stays: removing: AccessDenied")


# Values without a time


SNS_TEXT = json.dumps({"Type": "Notification", "Message": json.dumps(TYPED)})


@pytest.mark.parametrize(
    "event",
    [
        TYPED,
        [TYPED],
        {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": json.dumps(TYPED)}}]},
        {"Records": [{"eventSource": "aws:sqs", "body": json.dumps([TYPED])}]},
        {"Records": [{"eventSource": "aws:sqs", "body": SNS_TEXT}]},
    ],
)
def test_a_value_without_a_time_is_as_old_as_its_letter_in_whatever_envelope(event: object) -> None:
    world = ReplayedWorld(KEPT_AT + HOUR)
    for _ in range(2):
        old = letter(event)
        assert replay(old, ListedBox(old), world.addressees()).done
    (incident,) = world.incidents.recent(10)
    assert (incident.breached_at, incident.held_for) == (KEPT_AT, Reason.STALE_EVENT)


@pytest.mark.parametrize(
    "event",
    [
        {**TYPED, "time": "2026-01-15T03:04:00Z"},
        {**TYPED, "timestamp": "2026-01-15T03:04:00Z"},
        sample("alarm_sns_cpu_high"),
        sample("alarm_sqs_cpu_high"),
        sample("alarm_eventbridge_cpu_high"),
        sample("cpu_high"),
        {"Records": [5, {}, {"Sns": {"Message": "text"}}, {"body": "[" * 100_000}]},
        {"Records": None},
        "text",
        None,
    ],
)
def test_any_other_event_is_replayed_as_it_was(event: object) -> None:
    assert timed(event, KEPT_AT) == event


# Responses and ends of commands


def opened(world: ReplayedWorld) -> str:
    triage(sample("alarm_lambda_cpu_high"), world.triage)
    return world.incidents.recent(1)[0].id


def of_response(incident_id: str) -> Letter:
    return letter({"incident_id": incident_id}, Destination.RESPONSE)


def test_a_response_that_failed_to_start_is_started_by_its_incident(fresh: ReplayedWorld) -> None:
    lost = of_response(opened(fresh))
    box = ListedBox(lost)
    assert replay(lost, box, fresh.addressees()).done
    assert box.letters == []
    assert set(fresh.starts) == {fresh.incidents.recent(1)[0].id}


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "STOPPED"])
def test_a_response_that_has_ended_badly_stays_and_says_what_is_left_to_do(
    fresh: ReplayedWorld, status: str
) -> None:
    lost = of_response(opened(fresh))
    box = ListedBox(lost)
    came = replay(lost, box, fresh.addressees(status))
    assert (came.done, box.letters) == (False, [lost])
    assert f"({status}) and cannot be started again" in came.text


def test_a_response_of_a_closed_incident_is_not_started(fresh: ReplayedWorld) -> None:
    lost = of_response(opened(fresh))
    fresh.incidents.close(fresh.incidents.recent(1)[0].id, CLOSED, KEPT_AT)
    fresh.starts.clear()
    assert replay(lost, ListedBox(lost), fresh.addressees()).done
    assert fresh.starts == []


def test_a_response_of_an_unknown_incident_is_not_started(fresh: ReplayedWorld) -> None:
    forged = of_response("inc-20260115-030412-deadbeef")
    came = replay(forged, ListedBox(forged), fresh.addressees())
    assert (came.done, fresh.starts) == (False, [])
    assert "no incident inc-20260115-030412-deadbeef is known here" in came.text


def test_the_end_of_a_command_is_given_to_who_listens(fresh: ReplayedWorld) -> None:
    heard: list[object] = []
    event = sample("ssm_command_success")
    ended = letter(event, Destination.COMMAND_END)
    to = replace(fresh.addressees(), command_ends=heard.append)
    assert replay(ended, ListedBox(ended), to).done
    assert heard == [event]
