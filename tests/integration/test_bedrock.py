"""Converse as Bedrock speaks it, good and bad; and what an incident is told of each."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore.config import Config

from autorecovery.adapters.aws import clients
from autorecovery.adapters.aws.bedrock import BedrockModel
from autorecovery.errors import AnalysisError
from autorecovery.models.analysis import RULE_BASED
from autorecovery.ports import Prompt
from tests.analysis_world import MODEL, AnalysisWorld
from tests.converse_server import Recording, converse

PROMPT = Prompt("Be brief.", "The evidence: …", "report_analysis", {"type": "object"}, 800)
PROFILE = "arn:aws:bedrock:eu-west-1:111122223333:application-inference-profile/abc123"


@pytest.fixture
def server() -> Iterator[tuple[str, Recording]]:
    with converse() as started:
        yield started


def model(address: str, name: str = MODEL, seconds: float = 5) -> BedrockModel:
    def client() -> Any:
        return botocore.session.get_session().create_client(
            "bedrock-runtime", region_name="eu-west-1", endpoint_url=address,
            aws_access_key_id="test", aws_secret_access_key="test",
            config=Config(read_timeout=seconds, retries={"total_max_attempts": 1}),
        )  # fmt: skip

    return BedrockModel(cache(client), name)


def test_a_question_is_one_call_with_one_tool_it_must_use_and_a_limit(
    server: tuple[str, Recording],
) -> None:
    address, recording = server
    recording.plays("good")
    reply = model(address).ask(PROMPT)
    ((path, body),) = recording.asked
    assert path == f"/model/{MODEL}/converse"
    assert body["inferenceConfig"] == {"maxTokens": 800}
    assert body["toolConfig"]["toolChoice"] == {"tool": {"name": "report_analysis"}}
    (tool,) = body["toolConfig"]["tools"]
    assert tool["toolSpec"]["inputSchema"] == {"json": {"type": "object"}}
    assert body["system"] == [{"text": "Be brief."}]
    assert body["messages"] == [{"role": "user", "content": [{"text": "The evidence: …"}]}]
    assert (reply.stopped, reply.input_tokens, reply.output_tokens) == ("tool_use", 1873, 412)
    assert isinstance(reply.content, dict)
    assert reply.content["did_recovery_work"] == "yes"


def test_a_profile_is_asked_by_its_arn(server: tuple[str, Recording]) -> None:
    address, recording = server
    recording.plays("good")
    model(address, PROFILE).ask(PROMPT)
    assert recording.asked[0][0] == f"/model/{PROFILE}/converse"


@pytest.mark.parametrize(
    ("name", "stopped"),
    [
        ("refused", "end_turn"), ("guardrail", "guardrail_intervened"),
        ("filtered", "content_filtered"), ("another_tool", "tool_use"), ("empty", "end_turn"),
    ],
)  # fmt: skip
def test_an_answer_without_the_tool_has_no_content(
    name: str, stopped: str, server: tuple[str, Recording]
) -> None:
    address, recording = server
    recording.plays(name)
    reply = model(address).ask(PROMPT)
    assert (reply.content, reply.stopped) == (None, stopped)


@pytest.mark.parametrize(
    ("name", "told", "billed"),
    [
        ("throttled", "ThrottlingException (too many requests just now)", False),
        ("access_denied", "AccessDeniedException (access is denied", False),
        ("wants_profile", "ValidationException (the request is not valid; a model may", False),
        ("no_such_model", "ResourceNotFoundException (no such model or profile", False),
        ("model_timeout", "ModelTimeoutException", True),
        ("internal", "InternalServerException", True),
        ("no_json", "did not say what it used", True),
        ("without_usage", "did not say what it used", True),
    ],
)
def test_a_failure_says_what_it_was_and_whether_it_may_cost(
    name: str, told: str, billed: bool, server: tuple[str, Recording]
) -> None:
    address, recording = server
    recording.plays(name)
    with pytest.raises(AnalysisError) as failure:
        model(address).ask(PROMPT)
    assert told in str(failure.value)
    assert failure.value.billed is billed
    assert len(recording.asked) == 1  # and is not asked again


def test_a_slow_model_is_waited_for_no_longer_than_configured(
    server: tuple[str, Recording],
) -> None:
    address, recording = server
    recording.plays("good", seconds=0.5)
    with pytest.raises(AnalysisError, match="no answer in time") as failure:
        model(address, seconds=0.1).ask(PROMPT)
    assert failure.value.billed


def test_a_call_that_breaks_off_may_have_cost_something(server: tuple[str, Recording]) -> None:
    address, recording = server
    recording.hangs_up = True
    with pytest.raises(AnalysisError, match="ConnectionClosedError") as failure:
        model(address).ask(PROMPT)
    assert failure.value.billed


def test_where_nobody_listens_nothing_is_paid() -> None:
    with pytest.raises(AnalysisError, match="not asked") as failure:
        model("http://127.0.0.1:9").ask(PROMPT)
    assert not failure.value.billed


def test_without_a_region_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    clients._session.cache_clear()
    try:
        asked = BedrockModel(lambda: clients.bedrock_once(None, 5), MODEL)
        with pytest.raises(AnalysisError, match="not asked"):
            asked.ask(PROMPT)
    finally:
        clients._session.cache_clear()


def test_the_client_asks_once_in_its_own_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    client = clients.bedrock_once("eu-central-1", 20)
    assert client.meta.region_name == "eu-central-1"
    config: Any = client.meta.config
    assert (config.read_timeout, config.retries["total_max_attempts"]) == (20, 1)


# What an incident is told


def analysed(name: str, server: tuple[str, Recording]) -> Any:
    address, recording = server
    recording.plays(name)
    world = AnalysisWorld(model=model(address))
    world.investigate()
    (analysis,) = world.analyses()
    return analysis


def test_a_good_answer_is_told_without_the_claim_that_has_no_evidence(
    server: tuple[str, Recording],
) -> None:
    analysis = analysed("good", server)
    assert (analysis.by, analysis.dropped) == (MODEL, 1)
    (cause,) = analysis.likely_causes
    assert cause.evidence_ids == ("E1", "E2")
    assert analysis.cost_usd == pytest.approx(0.011799)


@pytest.mark.parametrize(
    "name",
    [
        "refused", "guardrail", "filtered", "truncated", "empty", "malformed_types",
        "missing_fields", "unknown_ids", "another_tool", "without_usage", "no_json", "throttled",
        "access_denied", "wants_profile", "no_such_model", "model_timeout", "internal",
    ],
)  # fmt: skip
def test_any_other_answer_leaves_it_to_the_rules_with_the_reason(
    name: str, server: tuple[str, Recording]
) -> None:
    analysis = analysed(name, server)
    assert analysis.by == RULE_BASED
    assert analysis.why_not_model.startswith(f"{MODEL}: ")
    assert analysis.summary
