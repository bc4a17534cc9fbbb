"""The canary: from its event through real triage and response, to a beat or to silence."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from autorecovery.adapters.aws.notices import CanaryAside
from autorecovery.adapters.simulated.clock import VirtualClock
from autorecovery.adapters.simulated.workflow import Execution, live
from autorecovery.adapters.sqlite.attempt_log import SqliteAttemptLog
from autorecovery.adapters.sqlite.controls import SqliteControls
from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.incident_log import SqliteIncidentLog
from autorecovery.config import loads
from autorecovery.models.canary import CANARY, CANARY_EVENT
from autorecovery.models.controls import Halt
from autorecovery.models.incident import CommandState, CommandStatus, Entry, EntryKind, Incident
from autorecovery.models.reason import Reason
from autorecovery.models.signal import Target
from autorecovery.observability import logger, report_entry
from autorecovery.ports import Presence
from autorecovery.response.choose import Footing, choose
from autorecovery.response.run import respond
from autorecovery.response.stage import Response
from autorecovery.triage.outcome import Outcome
from autorecovery.triage.run import Triage, triage
from tests.fakes import (
    SUCCEEDED,
    FixedDirectory,
    ListedDeadLetters,
    ListedNotices,
    MeasuredWorld,
    RecordingStarter,
    ScriptedRunner,
)
from tests.response_world import RELIEVE, incident, rule, signal

START = datetime(2026, 1, 15, 3, 0, tzinfo=UTC)
MACHINE = "i-0a1b2c3d4e5f67890"
FLYING = f"canary: {{ target: {MACHINE}, every: 15m }}"
NOWHERE = "canary: { target: none }"
STRICT = """
limits: { cooldown: 12h, attempts: 1 per 24h, flapping: 2 per 24h, fleet: { hosts: 1 per 24h } }
"""
OPEN_WINDOW = """
maintenance: [{ name: night, from: 2026-01-15T00:00:00Z, until: 2026-01-16T00:00:00Z }]
"""


class Flight:
    """Triage and response over a machine that is well, unless told otherwise."""

    def __init__(self, text: str = FLYING) -> None:
        self.configuration = loads(text, "config.yaml", {}).configuration
        self.clock = VirtualClock(START)
        database = Database(None)
        self.incidents, self.attempts = SqliteIncidentLog(database), SqliteAttemptLog(database)
        self.controls, self.starter = SqliteControls(database), RecordingStarter()
        self.runner = ScriptedRunner(self.clock)
        self.directory = FixedDirectory(Presence(exists=True, opted_in=True, fleet=50))
        self.status_check: float | None = 0.0
        self.reader = MeasuredWorld(self.clock, lambda moment: self.status_check)
        self.people, self.test_channel = ListedNotices(), ListedNotices()

    def send(self, target: str = MACHINE, number: int = 1, at: datetime | None = None) -> Outcome:
        """Return what triage makes of the scheduled event; what it starts, is lived to its end."""
        event = {
            "detail-type": CANARY_EVENT, "source": "autorecovery", "id": f"beat-{number}",
            "time": (at or self.clock()).isoformat(), "account": "111122223333",
            "region": "eu-west-1", "detail": {"target": target},
        }  # fmt: skip
        app = Triage(
            configuration=self.configuration, incidents=self.incidents, responses=self.starter,
            targets=self.directory, dead_letters=ListedDeadLetters(), clock=self.clock,
        )  # fmt: skip
        outcome = triage(event, app)
        for incident_id in self.starter.started:
            self._live(incident_id)
        self.starter.started.clear()
        return outcome

    def _live(self, incident_id: str) -> None:
        ending = live(
            lambda flow: respond(incident_id, flow, self.response), Execution(), self.clock,
            incident_id, until=self.clock() + timedelta(hours=1),
        )  # fmt: skip
        assert ending is not None, "a canary comes to an end, whatever happened"

    @property
    def response(self) -> Response:
        return Response(
            configuration=self.configuration, incidents=self.incidents, attempts=self.attempts,
            commands=self.runner, targets=self.directory, metrics=self.reader,
            controls=self.controls, budget=self.controls, clock=self.clock,
            noticeboard=CanaryAside(self.people, self.test_channel),
            responses=RecordingStarter(),
        )  # fmt: skip

    def known(self) -> list[Incident]:
        return list(self.incidents.recent(1000))

    def beats(self) -> int:
        stories = [self.incidents.timeline(each.id) for each in self.known()]
        return sum(entry.kind is EntryKind.BEAT for story in stories for entry in story)


def test_a_canary_that_went_all_the_way_beats_and_people_hear_nothing() -> None:
    flight = Flight()
    flight.send()
    (bird,) = flight.known()
    assert (bird.rule_name, bird.target.name, bird.is_closed) == (CANARY, MACHINE, True)
    assert list(flight.runner.scripts.values()) == ["noop"]
    assert flight.incidents.timeline(bird.id)[-1].kind is EntryKind.BEAT
    assert flight.people.posted == []
    assert [str(n.kind) for n in flight.test_channel.posted] == ["opened", "recovered"]


def test_without_a_machine_the_canary_goes_up_to_the_decision_and_beats() -> None:
    flight = Flight(NOWHERE)
    flight.directory.answer = Presence(exists=False, opted_in=False)
    flight.send(CANARY)
    assert (flight.beats(), flight.runner.arrived) == (1, [])
    assert flight.known()[0].held_for is Reason.NOT_OPTED_IN
    assert flight.known()[0].is_closed


def fails(flight: Flight) -> None:
    flight.runner.outcome = CommandStatus(CommandState.FAILED, exit_code=1)


def is_not_run(flight: Flight) -> None:
    flight.runner.outcome = CommandStatus(CommandState.NOT_RUN, "undeliverable")


def is_sick(flight: Flight) -> None:
    flight.status_check = 1.0


def measures_nothing(flight: Flight) -> None:
    flight.status_check = None


def tells_nobody(flight: Flight) -> None:
    flight.test_channel.is_down = True


def has_not_opted_in(flight: Flight) -> None:
    flight.directory.answer = Presence(exists=True, opted_in=False)


def cannot_be_reached(flight: Flight) -> None:
    flight.directory.answer = Presence(exists=True, opted_in=True, reachable=False)


@pytest.mark.parametrize(
    "trouble",
    [fails, is_not_run, is_sick, measures_nothing, tells_nobody, has_not_opted_in,
     cannot_be_reached],
)  # fmt: skip
def test_a_canary_that_came_to_grief_is_silent_and_the_next_one_may_fly(trouble: object) -> None:
    flight = Flight()
    assert callable(trouble)
    trouble(flight)
    flight.send()
    assert flight.beats() == 0
    assert flight.people.posted == []
    flight.runner.outcome, flight.status_check = SUCCEEDED, 0.0
    flight.test_channel.is_down = False
    flight.directory.answer = Presence(exists=True, opted_in=True)
    flight.clock.advance(flight.clock() + timedelta(minutes=15))
    flight.send(number=2)
    assert flight.beats() == 1


def test_a_halt_holds_the_canary_which_shows_that_the_path_is_alive() -> None:
    flight = Flight()
    flight.controls.set_halt(Halt("ada", "deploying", START))
    flight.send()
    assert (flight.beats(), flight.runner.arrived) == (1, [])


def test_a_maintenance_window_holds_the_canary_which_shows_that_the_path_is_alive() -> None:
    flight = Flight(FLYING + OPEN_WINDOW)
    flight.send()
    assert (flight.beats(), flight.runner.arrived) == (1, [])


def test_an_event_that_comes_too_late_is_held_and_no_beat() -> None:
    flight = Flight()
    flight.send(at=START - timedelta(hours=1))
    assert (flight.beats(), flight.runner.arrived) == (0, [])
    assert flight.known()[0].is_closed


def test_its_own_regularity_never_holds_a_canary_however_strict_the_limits() -> None:
    flight = Flight(FLYING + STRICT)
    for number in range(40):
        flight.clock.advance(max(flight.clock(), START + number * timedelta(minutes=15)))
        flight.send(number=number)
    assert flight.beats() == len(flight.runner.arrived) == 40


def test_a_canary_takes_nothing_from_the_fleet_and_cools_nobody_down() -> None:
    flight = Flight()
    flight.send()
    assert flight.controls.ledger("").starts == ()
    sick = incident(rule(RELIEVE), signal(target=Target.named(MACHINE), at=flight.clock()))
    flight.incidents.open(sick)
    assert sick.rule is not None
    rung = sick.rule.recover[0]

    def weigh(flow: object) -> object:
        return choose(sick, rung, Footing(1, 1), "", flow, flight.response)  # type: ignore[arg-type]

    decision = live(weigh, Execution(), flight.clock, sick.id)
    assert decision is not None
    held = [gate.gate for gate in decision.gates if gate.holds]  # type: ignore[attr-defined]
    assert "cooldown" not in held


def test_the_same_event_twice_is_one_canary() -> None:
    flight = Flight()
    flight.send(at=START)
    flight.send(at=START)
    assert len(flight.known()) == flight.beats() == 1


@pytest.mark.parametrize("target", ["i-0123456789abcdef0", "none", "*"])
def test_an_event_that_names_another_machine_opens_nothing(target: str) -> None:
    flight = Flight()
    assert flight.send(target).incidents == []
    assert flight.known() == []


def test_an_event_of_a_canary_that_was_switched_off_opens_nothing() -> None:
    flight = Flight("service: shop")
    assert flight.send().incidents == []


def test_a_machine_that_really_stops_breaks_no_rule_of_the_canary() -> None:
    flight = Flight()
    app = Triage(
        configuration=flight.configuration, incidents=flight.incidents, responses=flight.starter,
        targets=flight.directory, dead_letters=ListedDeadLetters(), clock=flight.clock,
    )  # fmt: skip
    stopped = {
        "detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2", "id": "1",
        "time": START.isoformat(), "detail": {"instance-id": MACHINE, "state": "stopped"},
    }  # fmt: skip
    assert triage(stopped, app).incidents == []


def test_notices_of_a_canary_without_a_channel_go_nowhere_and_all_others_to_people() -> None:
    flight = Flight()
    flight.send()
    notice = flight.test_channel.posted[0]
    people = ListedNotices()
    board = CanaryAside(people, None)
    board.post(notice)
    board.post(replace(notice, rule_name="cpu"))
    assert [each.rule_name for each in people.posted] == ["cpu"]


def test_a_beat_is_counted_under_the_name_that_the_alarm_watches(
    capsys: pytest.CaptureFixture[str],
) -> None:
    beat = Entry("beat", START, EntryKind.BEAT, "the path is alive")
    report_entry("inc-1", beat, logger("incident_responder", "ERROR"))
    counted = json.loads(capsys.readouterr().out)
    assert (counted["CanaryBeat"], counted["service"]) == ([1.0], "incident_responder")
    (directive,) = counted["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == ("AutoRecovery", [["service"]])
