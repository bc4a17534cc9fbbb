"""The entry points of the response: what they return, and whom they wake, whatever arrives."""

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

import command_listener
import incident_responder
from autorecovery.adapters.aws.responses import DurableResponses
from autorecovery.adapters.simulated.workflow import live
from autorecovery.adapters.sqlite.attempt_log import SqliteAttemptLog
from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.incident_log import SqliteIncidentLog
from autorecovery.bootstrap.response import response
from autorecovery.errors import ConfigurationError, StoreError
from autorecovery.models.incident import Attempt
from autorecovery.models.reason import Reason
from tests.fakes import RecordingStarter
from tests.integration import aws
from tests.response_world import INSTANCE, RESTART, START, World, incident, rule

EVENTS = Path(__file__).parents[2] / "events"


# incident_responder


def test_the_responder_returns_how_the_incident_ended() -> None:
    world = World(incident(rule(RESTART)))
    event = {"incident_id": world.opened.id}
    answer = live(
        lambda flow: incident_responder.handle(event, flow, world.response),
        world.execution, world.clock, "run",
    )  # fmt: skip
    assert answer == {
        "incident": world.opened.id,
        "reason": "healthy on fresh data after the script ended",
        "verdict": "verified",
    }
    assert json.loads(json.dumps(answer)) == answer


def test_an_ending_without_a_verdict_says_so() -> None:
    world = World(incident(rule(RESTART)))
    world.incidents.close(world.opened.id, Reason.CLOSED_BY_PERSON, world.clock())
    event = {"incident_id": world.opened.id}
    answer = live(
        lambda flow: incident_responder.handle(event, flow, world.response),
        world.execution, world.clock, "run",
    )  # fmt: skip
    assert answer is not None
    assert answer["verdict"] is None


# command_listener


class Listening:
    """A listener over a store in memory that knows one incident and the command it waits for."""

    def __init__(self, command_id: str, token: str | None = "token-1") -> None:
        database = Database(None)
        self.responses = RecordingStarter()
        self.app = command_listener.Listener(
            SqliteAttemptLog(database), SqliteIncidentLog(database), self.responses
        )
        opened = incident(rule(RESTART))
        self.app.incidents.open(opened)
        if token:
            self.app.incidents.wait_for_wake(opened.id, token)
        attempt = Attempt(
            f"{opened.id}-r1", opened.id, "cpu", INSTANCE, "restart_service", {}, START, START,
            START - START, command_id,
        )  # fmt: skip
        self.app.attempts.intend(attempt)
        self.app.attempts.complete(attempt)


def sample(name: str) -> Any:
    return json.loads((EVENTS / name).read_text())


SAMPLES = sorted(path.name for path in EVENTS.glob("ssm_command_*.json"))


@pytest.mark.parametrize("name", SAMPLES)
def test_every_change_of_a_command_wakes_the_response_that_waits_for_it(name: str) -> None:
    event = sample(name)
    command_id = event["detail"]["command-id"]
    listening = Listening(command_id)
    answer = command_listener.handle(event, listening.app)
    assert answer == {
        "command": command_id, "incident": incident(rule(RESTART)).id, "woken": True,
    }  # fmt: skip
    assert listening.responses.woken == ["token-1"]


def test_there_are_samples_of_commands() -> None:
    assert SAMPLES


def test_a_command_of_somebody_else_wakes_nobody() -> None:
    listening = Listening("command-1")
    answer = command_listener.handle({"detail": {"command-id": "command-2"}}, listening.app)
    assert answer == {"command": "command-2", "incident": None, "woken": False}
    assert listening.responses.woken == []


def test_a_response_that_does_not_wait_is_not_woken() -> None:
    listening = Listening("command-1", token=None)
    answer = command_listener.handle({"detail": {"command-id": "command-1"}}, listening.app)
    assert not answer["woken"]


@pytest.mark.parametrize(
    "event",
    [None, [], "text", {}, {"detail": None}, {"detail": []}, {"detail": {"command-id": 5}}],
)
def test_any_other_event_wakes_nobody(event: Any) -> None:
    listening = Listening("command-1")
    answer = command_listener.handle(event, listening.app)
    assert (answer["incident"], answer["woken"]) == (None, False)


# Starting and waking durable executions


def test_a_response_is_an_execution_named_by_its_incident() -> None:
    with aws.answering("lambda") as (lambda_, stubber):
        request = {
            "FunctionName": "arn:responder:live", "InvocationType": "Event",
            "DurableExecutionName": "inc-1", "Payload": b'{"incident_id": "inc-1"}',
        }  # fmt: skip
        stubber.add_response("invoke", {"StatusCode": 202}, request)
        DurableResponses(lambda_, "arn:responder:live").start("inc-1")


def test_starting_a_response_twice_is_harmless() -> None:
    with aws.answering("lambda") as (lambda_, stubber):
        stubber.add_client_error("invoke", "DurableExecutionAlreadyStartedException")
        DurableResponses(lambda_, "arn:responder:live").start("inc-1")


def test_a_wake_up_answers_the_callback() -> None:
    with aws.answering("lambda") as (lambda_, stubber):
        request = {"CallbackId": "token-1", "Result": b"wake"}
        stubber.add_response("send_durable_execution_callback_success", {}, request)
        DurableResponses(lambda_, "").wake("token-1")


@pytest.mark.parametrize(
    "code",
    ["CallbackTimeoutException", "ResourceNotFoundException", "InvalidParameterValueException"],
)
def test_waking_what_no_longer_waits_is_harmless(code: str) -> None:
    with aws.answering("lambda") as (lambda_, stubber):
        stubber.add_client_error("send_durable_execution_callback_success", code)
        DurableResponses(lambda_, "").wake("token-1")


@pytest.mark.parametrize(
    ("operation", "act"),
    [
        ("invoke", lambda responses: responses.start("inc-1")),
        ("send_durable_execution_callback_success", lambda responses: responses.wake("token-1")),
    ],
)
def test_what_lambda_does_not_take_may_be_delivered_again(operation: str, act: Any) -> None:
    with aws.answering("lambda") as (lambda_, stubber):
        stubber.add_client_error(operation, "TooManyRequestsException")
        with pytest.raises(StoreError, match="TooManyRequestsException") as caught:
            act(DurableResponses(lambda_, "arn:responder:live"))
    assert caught.value.retryable
    unreachable = aws.client("lambda")

    def fail(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://lambda")

    unreachable.meta.events.register("before-call.lambda", fail)
    with pytest.raises(StoreError, match="https://lambda"):
        act(DurableResponses(unreachable, "arn:responder:live"))


def test_no_response_runs_for_real_in_a_dry_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTORECOVERY_DRY_RUN", "true")
    response.cache_clear()
    with pytest.raises(ConfigurationError, match="AUTORECOVERY_DRY_RUN"):
        response()
