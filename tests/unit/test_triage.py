"""Triage as a whole: what deliveries, in any number and order, make of incidents."""

import base64
import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from autorecovery.config import loads
from autorecovery.errors import ReadError, StoreError
from autorecovery.models.incident import EntryKind, Incident
from autorecovery.models.reason import Action, Level, Reason
from autorecovery.ports import OpenIncident, Presence
from autorecovery.triage.outcome import Outcome
from autorecovery.triage.run import SORTS, Triage, triage
from tests.fakes import FixedDirectory, ListedDeadLetters, RecordingStarter, WatchedIncidentLog

NOW = datetime(2026, 1, 15, 3, 5, tzinfo=UTC)
WEB_1, WEB_2 = "i-0a1b2c3d4e5f67890", "i-0123456789abcdef0"

RULES = """
rules:
  cpu:
    when: { metric: CPUUtilization, warning: 80, critical: 95, sustained: 3 within 5m }
    recover: [{ run: restart_service, with: { service: nginx } }]
  disk:
    when: { metric: disk_used_percent, warning: 85, critical: 95 }
    recover: [{ run: free_disk_space }]
  memory:
    when: { metric: mem_used_percent, warning: 90 }
  errors:
    when: { log: { field: $.level, equals: ERROR }, count: 3 per 1m }
    recover: [{ run: restart_service, with: { service: nginx } }]
  stopped:
    when: { state: stopped }
"""


class StumblingStarter(RecordingStarter):
    """ResponseStarter that fails as often as it has errors laid out."""

    def __init__(self, *errors: StoreError) -> None:
        super().__init__()
        self.errors = list(errors)

    def start(self, incident_id: str) -> None:
        if self.errors:
            raise self.errors.pop(0)
        super().start(incident_id)


class LateIncidentLog(WatchedIncidentLog):
    """IncidentLog whose list of open incidents lags behind, as an index may."""

    def open_incidents(self) -> Sequence[OpenIncident]:
        return ()


@dataclass
class World:
    """Triage with an empty memory, and a clock that is set by hand."""

    answer: Presence | Exception = field(default_factory=lambda: Presence(True, True))
    starter: RecordingStarter = field(default_factory=RecordingStarter)
    letters: ListedDeadLetters = field(default_factory=ListedDeadLetters)
    incidents: WatchedIncidentLog = field(default_factory=WatchedIncidentLog)
    now: datetime = NOW

    def __post_init__(self) -> None:
        self.app = Triage(
            configuration=loads(RULES, "config.yaml", {}).configuration,
            incidents=self.incidents,
            responses=self.starter,
            targets=FixedDirectory(self.answer),
            dead_letters=self.letters,
            clock=lambda: self.now,
        )

    def sees(self, event: object) -> Outcome:
        """Return what triage made of one delivery."""
        return triage(event, self.app)

    def open_ones(self) -> Sequence[OpenIncident]:
        return self.incidents.open_incidents()

    def only(self) -> Incident:
        """Return the one incident that is open."""
        (holder,) = self.open_ones()
        found = self.incidents.get(holder.incident_id)
        assert found is not None
        return found

    def waits(self) -> None:
        """Let the response of the one open incident wait under the token `wait`."""
        self.incidents.wait_for_wake(self.only().id, "wait")


def delivery(*lines: dict[str, Any], stream: str = "app", first: int = 0) -> dict[str, Any]:
    """Return a log batch; `at` of a line is seconds before NOW, ids count from `first`."""
    events = []
    for number, line in enumerate(lines, first):
        at = NOW - timedelta(seconds=line.get("at", 0))
        record = {key: value for key, value in line.items() if key != "at"}
        stamp = int(at.timestamp() * 1000)
        events.append({"id": f"id-{number}", "timestamp": stamp, "message": json.dumps(record)})
    batch = {"logGroup": "/shop", "logStream": stream, "owner": "1", "logEvents": events}
    return {
        "awslogs": {"data": base64.b64encode(gzip.compress(json.dumps(batch).encode())).decode()}
    }


def cpu(value: float, at: float = 0, host: str = WEB_1) -> dict[str, Any]:
    return {"instance_id": host, "metric": "CPUUtilization", "value": value, "at": at}


def disk(value: float, at: float = 0, host: str = WEB_1) -> dict[str, Any]:
    return {"instance_id": host, "metric": "disk_used_percent", "value": value, "at": at}


def alarm(state: str = "ALARM", at: datetime = NOW, **more: Any) -> dict[str, Any]:
    """Return an SNS alarm on the disk of web-1 that says nothing of rules."""
    return {
        "AlarmName": "disk",
        "AlarmArn": "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:disk",
        "NewStateValue": state,
        "StateChangeTime": at.isoformat(),
        "Trigger": {
            "MetricName": "disk_used_percent",
            "Namespace": "CWAgent",
            "Threshold": 95,
            "Dimensions": [{"name": "InstanceId", "value": WEB_1}],
        },
        **more,
    }


def told(outcome: Outcome) -> list[tuple[str, Action, Reason]]:
    return [(touched.rule, touched.action, touched.reason) for touched in outcome.incidents]


# Healthy lines


@pytest.mark.parametrize("count", [1, 1000])
def test_healthy_lines_write_nothing_and_cost_one_read(count: int) -> None:
    world = World()
    outcome = world.sees(delivery(*(cpu(40) for _ in range(count)), {"level": "INFO"}))
    assert (outcome.signals, outcome.ignored, outcome.incidents) == (count, 1, [])
    assert world.incidents.calls == ["open_incidents"]


def test_a_healthy_line_of_an_open_incident_wakes_its_response_and_closes_nothing() -> None:
    world = World()
    world.sees(delivery(disk(97, at=60)))
    world.waits()
    outcome = world.sees(delivery(disk(40), disk(41, host=WEB_2), first=1))
    assert told(outcome) == [("disk", Action.CLEARED, Reason.HEALTHY_SIGNAL)]
    assert world.starter.woken == ["wait"]
    assert not world.only().is_closed


def test_a_value_between_limit_and_clearing_value_says_nothing() -> None:
    world = World()
    world.sees(delivery(disk(97, at=60)))
    world.waits()
    assert told(world.sees(delivery(disk(80), first=1))) == []
    assert world.starter.woken == []


def test_a_breach_after_a_healthy_line_of_the_same_delivery_outweighs_it() -> None:
    world = World()
    world.sees(delivery(disk(97, at=60)))
    world.waits()
    assert told(world.sees(delivery(disk(40, at=20), disk(97, at=10), first=1))) == [
        ("disk", Action.UPDATED, Reason.STILL_BREACHING)
    ]
    assert told(world.sees(delivery(disk(97, at=9), disk(40, at=8), disk(41, at=7), first=4))) == [
        ("disk", Action.UPDATED, Reason.STILL_BREACHING),
        ("disk", Action.CLEARED, Reason.HEALTHY_SIGNAL),
    ]


def test_of_several_healthy_lines_the_newest_speaks_in_whatever_order_they_come() -> None:
    world = World()
    world.sees(delivery(disk(97, at=60)))
    lines = (disk(40, at=5), disk(41, at=50), disk(97, at=10))
    assert told(world.sees(delivery(*lines, first=1))) == [
        ("disk", Action.UPDATED, Reason.STILL_BREACHING),
        ("disk", Action.CLEARED, Reason.HEALTHY_SIGNAL),
    ]


def test_ok_of_an_alarm_is_written_down_and_wakes_the_response() -> None:
    world = World()
    world.sees(alarm(at=NOW - timedelta(minutes=2)))
    world.waits()
    outcome = world.sees(alarm("OK"))
    assert told(outcome) == [("disk", Action.CLEARED, Reason.HEALTHY_SIGNAL)]
    assert world.starter.woken == ["wait"]
    kinds = [entry.kind for entry in world.incidents.timeline(world.only().id)]
    assert kinds == [EntryKind.OPENED, EntryKind.SIGNALLED]


def test_ok_without_an_open_incident_opens_nothing() -> None:
    world = World()
    assert told(world.sees(alarm("OK"))) == []
    assert world.open_ones() == []


def test_missing_data_of_an_alarm_is_no_news() -> None:
    world = World()
    world.sees(alarm(at=NOW - timedelta(minutes=2)))
    world.waits()
    assert told(world.sees(alarm("INSUFFICIENT_DATA"))) == []
    assert world.starter.woken == []


# Breaches


def test_the_first_breach_opens_an_incident_and_starts_its_response() -> None:
    world = World()
    outcome = world.sees(delivery(disk(97)))
    assert told(outcome) == [("disk", Action.OPENED, Reason.FIRST_BREACH)]
    assert world.starter.started == [world.only().id]
    assert world.open_ones()[0].started


def test_breaches_are_counted_over_deliveries() -> None:
    world = World()
    assert told(world.sees(delivery(cpu(97, at=120), cpu(98, at=60)))) == []
    assert told(world.sees(delivery(cpu(99), first=2))) == [
        ("cpu", Action.OPENED, Reason.FIRST_BREACH)
    ]


def test_the_same_delivery_again_counts_no_breach_twice() -> None:
    world = World()
    twice = delivery(cpu(97, at=120), cpu(98, at=60))
    assert [told(world.sees(twice)) for _ in range(3)] == [[], [], []]


def test_breaches_outside_the_window_are_forgotten() -> None:
    world = World()
    world.sees(delivery(cpu(97, at=900), cpu(98, at=840)))
    assert told(world.sees(delivery(cpu(99), first=2))) == []


def test_the_level_is_the_worst_that_lasted() -> None:
    world = World()
    world.sees(delivery(cpu(85, at=120), cpu(99, at=60), cpu(85)))
    assert world.only().level is Level.WARNING


def test_the_same_delivery_again_changes_nothing() -> None:
    world = World()
    first = world.sees(delivery(disk(97)))
    again = world.sees(delivery(disk(97)))
    assert told(again) == [("disk", Action.UPDATED, Reason.STILL_BREACHING)]
    assert [i.id for i in again.incidents] == [i.id for i in first.incidents]
    assert len(world.starter.started) == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([delivery(disk(97))], delivery(disk(97))),
        (
            [delivery(cpu(97, at=120), cpu(98, at=60)), delivery(cpu(99), first=2)],
            delivery(cpu(97, at=120), cpu(98, at=60)),
        ),
        ([alarm()], alarm()),
    ],
    ids=["the only delivery", "the earlier of two deliveries", "an alarm"],
)
def test_what_comes_again_after_the_incident_was_closed_opens_nothing(
    before: list[dict[str, Any]], after: dict[str, Any]
) -> None:
    world = World()
    for event in before:
        world.sees(event)
    world.incidents.close(world.only().id, Reason.CLOSED_BY_PERSON, world.now)
    (touched,) = world.sees(after).incidents
    assert (touched.action, touched.reason) == (Action.UPDATED, Reason.ALREADY_HANDLED)
    assert world.open_ones() == []


def test_a_new_breach_after_the_incident_was_closed_opens_another() -> None:
    world = World()
    world.sees(delivery(disk(97, at=60)))
    world.incidents.close(world.only().id, Reason.CLOSED_BY_PERSON, world.now)
    assert told(world.sees(delivery(disk(97), first=1))) == [
        ("disk", Action.OPENED, Reason.FIRST_BREACH)
    ]


def test_an_open_incident_that_gets_worse_rises_and_wakes_its_response() -> None:
    world = World()
    world.sees(delivery(disk(90, at=60)))
    world.waits()
    outcome = world.sees(delivery(disk(97), first=1))
    assert told(outcome) == [("disk", Action.UPDATED, Reason.WORSE)]
    assert world.starter.woken == ["wait"]
    assert (world.only().level, world.only().breached_at) == (Level.CRITICAL, NOW)


def test_worse_is_counted_like_any_breach_before_the_level_rises() -> None:
    world = World()
    world.sees(delivery(*(cpu(85, at=120 - second) for second in range(3))))
    outcome = world.sees(delivery(cpu(99, at=30), first=10))
    assert [(i.level, i.reason) for i in outcome.incidents] == [
        (Level.WARNING, Reason.STILL_BREACHING)
    ]
    outcome = world.sees(delivery(cpu(99, at=20), cpu(99, at=10), first=11))
    assert [(i.level, i.reason) for i in outcome.incidents] == [(Level.CRITICAL, Reason.WORSE)]


def test_a_response_that_waits_for_nothing_is_not_woken() -> None:
    world = World()
    world.sees(delivery(disk(90, at=60)))
    world.sees(delivery(disk(97), first=1))
    assert world.starter.woken == []


def test_matching_lines_are_counted_like_breaches() -> None:
    world = World()
    line = {"instance_id": WEB_1, "level": "ERROR"}
    world.sees(delivery({**line, "at": 20}, {**line, "at": 10}))
    assert world.open_ones() == []
    world.sees(delivery(line, first=2))
    assert world.only().key == ("errors", f"instance/{WEB_1}")


def test_a_typed_value_is_meant_and_waits_for_no_second_one() -> None:
    world = World()
    event = {"metric": "CPUUtilization", "value": 97, "instance_id": WEB_1}
    assert told(world.sees(event)) == [("cpu", Action.OPENED, Reason.FIRST_BREACH)]


# Held incidents


@pytest.mark.parametrize(
    ("answer", "event", "reason"),
    [
        (Presence(exists=True, opted_in=False), delivery(disk(97)), Reason.NOT_OPTED_IN),
        (Presence(exists=True, opted_in=True), delivery(disk(97, at=901)), Reason.STALE_EVENT),
        (Presence(exists=True, opted_in=True), delivery(
            {"instance_id": WEB_1, "metric": "mem_used_percent", "value": 99}
        ), Reason.NOTHING_TO_RUN),
        (Presence(exists=True, opted_in=True), alarm(
            AlarmDescription="autorecovery:rule=gone level=critical"
        ), Reason.NO_RULE),
        (Presence(exists=True, opted_in=True), delivery(
            disk(97, host=WEB_2), stream=WEB_1
        ), Reason.WRONG_IDENTITY),
    ],
)  # fmt: skip
def test_an_incident_without_a_recovery_to_expect_is_held_and_told(
    answer: Presence, event: dict[str, Any], reason: Reason
) -> None:
    world = World(answer)
    (touched,) = world.sees(event).incidents
    assert (touched.action, touched.reason) == (Action.HELD, reason)
    assert touched.target == f"instance/{WEB_1}"
    assert world.only().held_for is reason
    assert world.starter.started == [touched.id]


def test_a_directory_that_does_not_answer_holds_nothing_back_yet() -> None:
    world = World(ReadError("no answer"))
    assert told(world.sees(delivery(disk(97)))) == [("disk", Action.OPENED, Reason.FIRST_BREACH)]


def test_a_line_that_names_another_machine_does_not_spoil_honest_ones() -> None:
    world = World()
    world.sees(delivery(disk(96, at=20), disk(99, at=10, host=WEB_2), stream=WEB_1))
    forged, honest = sorted(world.incidents.recent(5), key=lambda each: each.held_for is None)
    assert (honest.held_for, honest.signal.value) == (None, 96)
    assert (forged.held_for, forged.signal.value) == (Reason.WRONG_IDENTITY, 99)


# What nobody understands


def test_unknown_events_are_kept_and_each_sort_is_told_of_once() -> None:
    world = World()
    outcome = world.sees([{"kind": "order"}, 5, {"awslogs": {"data": "%"}}])
    assert outcome.rejected == 3
    assert {incident.action for incident in outcome.incidents} == {Action.HELD}
    assert len({incident.target for incident in outcome.incidents}) == 3
    assert [event for event, _ in world.letters.kept] == [{"kind": "order"}, 5, {"data": "%"}]
    world.now += timedelta(minutes=1)
    assert told(world.sees({"kind": "invoice"}))[0][1:] == (Action.UPDATED, Reason.STILL_BREACHING)


def test_thousands_of_unknown_shapes_are_few_incidents() -> None:
    world = World()
    for number in range(200):
        world.sees({f"key{number}": 1})
    assert len(world.incidents.open_incidents()) <= SORTS


def test_very_many_unknown_events_are_counted_and_the_first_are_kept() -> None:
    world = World()
    outcome = world.sees([{"kind": number} for number in range(1000)])
    assert (outcome.rejected, len(world.letters.kept), len(outcome.rejections)) == (1000, 20, 20)


def test_dead_letters_that_cannot_be_kept_are_a_failure_and_keep_nobody_waiting() -> None:
    world = World(letters=ListedDeadLetters(StoreError("full", retryable=True)))
    outcome = world.sees([{"kind": "order"}, delivery(disk(97))])
    assert outcome.failures == ["full"]
    assert {touched.rule for touched in outcome.incidents} == {"disk", "unruled:unreadable event"}


# Crashes


def test_a_crash_between_claim_and_start_is_mended_by_the_next_breach() -> None:
    world = World(starter=StumblingStarter(StoreError("gone", retryable=True)))
    crashed = world.sees(delivery(disk(97)))
    assert (crashed.failures, crashed.incidents) == (["gone"], [])
    assert told(world.sees(delivery(disk(97)))) == [
        ("disk", Action.UPDATED, Reason.RESPONSE_RESTARTED)
    ]
    assert world.starter.started == [world.only().id]


def test_a_crash_between_claim_and_start_is_mended_by_a_healthy_line_too() -> None:
    world = World(starter=StumblingStarter(StoreError("gone", retryable=True)))
    world.sees(delivery(disk(97, at=10)))
    assert told(world.sees(delivery(disk(40), first=1))) == [
        ("disk", Action.CLEARED, Reason.HEALTHY_SIGNAL)
    ]
    assert world.starter.started == [world.only().id]


def test_an_incident_that_the_list_of_open_ones_does_not_show_yet_is_joined() -> None:
    world = World(incidents=LateIncidentLog())
    world.sees(delivery(disk(97, at=1)))
    assert told(world.sees(delivery(disk(97), first=1))) == [
        ("disk", Action.UPDATED, Reason.STILL_BREACHING)
    ]
    assert len(world.starter.started) == 1


def test_trouble_with_one_incident_keeps_no_other_waiting() -> None:
    world = World(starter=StumblingStarter(StoreError("gone", retryable=True)))
    outcome = world.sees(delivery(disk(97), disk(97, host=WEB_2)))
    assert outcome.failures == ["gone"]
    assert [touched.target for touched in outcome.incidents] == [f"instance/{WEB_2}"]


# The answer


def test_the_answer_is_plain_json() -> None:
    answer = World().sees(delivery(disk(97), {"metric": "cpu"}, {"level": "INFO"})).as_dict()
    assert json.loads(json.dumps(answer)) == answer
    assert list(answer) == ["signals", "rejected", "ignored", "incidents"]
    assert list(answer["incidents"][0]) == ["id", "rule", "target", "level", "action", "reason"]


# What is known of open incidents


def test_the_list_of_open_incidents_is_read_once_a_second_however_much_is_delivered() -> None:
    world = World()
    for number in range(5):
        world.sees(delivery(cpu(40), first=number))
    assert world.incidents.calls == ["open_incidents"]
    world.now += timedelta(seconds=1)
    world.sees(delivery(cpu(40)))
    assert world.incidents.calls == ["open_incidents"] * 2


def test_a_clock_that_was_set_back_makes_no_list_last() -> None:
    world = World()
    world.sees(delivery(cpu(40)))
    world.now -= timedelta(hours=1)
    world.sees(delivery(cpu(40, at=7200)))
    assert world.incidents.calls == ["open_incidents"] * 2


def test_an_alarm_asks_for_its_own_claim_alone() -> None:
    world = World()
    event = {"detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2",
             "id": "1", "time": NOW.isoformat(),
             "detail": {"instance-id": WEB_1, "state": "running"}}  # fmt: skip
    world.sees(event)
    assert world.incidents.calls == ["holder"]


def test_a_claim_opened_elsewhere_after_the_list_was_read_is_joined() -> None:
    world = World()
    world.sees(delivery(cpu(40)))
    elsewhere = replace(world.app)
    triage(delivery(disk(97, at=1)), elsewhere)
    assert told(world.sees(delivery(disk(97), first=1))) == [
        ("disk", Action.UPDATED, Reason.STILL_BREACHING)
    ]


def test_a_typed_healthy_value_wakes_though_the_list_was_read_long_ago() -> None:
    world = World()
    world.sees(delivery(cpu(40)))
    triage(delivery(disk(97, at=1)), replace(world.app))
    world.waits()
    world.now += timedelta(minutes=1)
    world.sees({"instance_id": WEB_1, "metric": "disk_used_percent", "value": 10})
    assert world.starter.woken == ["wait"]


def test_what_a_state_says_is_remembered_though_the_list_does_not_show_its_incident() -> None:
    def change(state: str) -> dict[str, Any]:
        return {
            "detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2",
            "id": state, "time": NOW.isoformat(), "detail": {"instance-id": WEB_1, "state": state},
        }  # fmt: skip

    world = World()
    world.sees(delivery(cpu(40)))
    triage(change("stopped"), replace(world.app))
    assert told(world.sees(change("running"))) == [
        ("stopped", Action.CLEARED, Reason.HEALTHY_SIGNAL)
    ]
    kinds = [entry.kind for entry in world.incidents.timeline(world.only().id)]
    assert kinds[-1] is EntryKind.SIGNALLED
