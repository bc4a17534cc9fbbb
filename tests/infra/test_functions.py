"""What the template says of a function, against what the function expects."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from autorecovery.settings import ResponseSettings, SenderSettings, Settings, TriageSettings
from tests.infra.template import Synthesized

SETTINGS: dict[str, type[Settings]] = {
    "MetricProcessor": TriageSettings,
    "IncidentResponder": ResponseSettings,
    "CommandListener": Settings,
    "NoticeSender": SenderSettings,
    "IncidentAnalyst": Settings,
    "WebApi": Settings,
}


SET_BY_LAMBDA = {"AWS_LAMBDA_FUNCTION_NAME"}


def test_these_functions_exist_under_these_names(synthesized: Synthesized) -> None:
    assert set(synthesized.of_type("AWS::Lambda::Function")) == set(SETTINGS)


@pytest.mark.parametrize("function", SETTINGS)
def test_the_stack_sets_every_variable_the_function_reads(
    function: str, synthesized: Synthesized
) -> None:
    resource = synthesized.template["Resources"][function]
    variables = {*resource["Properties"]["Environment"]["Variables"], *SET_BY_LAMBDA}
    assert {name.upper() for name in SETTINGS[function].model_fields} <= variables


def test_a_dry_run_can_be_asked_of_every_function(synthesized: Synthesized) -> None:
    # `sam local invoke --env-vars` overrides only what a template declares.
    for function in synthesized.properties("AWS::Lambda::Function"):
        assert function["Environment"]["Variables"]["AUTORECOVERY_DRY_RUN"] == "false"


def test_every_function_has_the_configured_size(synthesized: Synthesized) -> None:
    for function in synthesized.properties("AWS::Lambda::Function"):
        assert (function["MemorySize"], function["Timeout"]) == (1024, 90)
        assert (function["Architectures"], function["Runtime"]) == (["arm64"], "python3.13")


def test_the_functions_share_one_asset(synthesized: Synthesized) -> None:
    codes = [json.dumps(f["Code"]) for f in synthesized.properties("AWS::Lambda::Function")]
    assert len(set(codes)) == 1


def test_the_template_says_where_the_code_is(synthesized: Synthesized) -> None:
    # `sam local invoke -t cdk.out/AutoRecovery.template.json` looks for it there.
    for function in synthesized.of_type("AWS::Lambda::Function").values():
        assert function["Metadata"]["aws:asset:property"] == "Code"
        assert function["Metadata"]["aws:asset:path"].startswith("asset.")


def test_every_function_has_a_log_group_that_forgets(synthesized: Synthesized) -> None:
    groups = synthesized.of_type("AWS::Logs::LogGroup")
    used = {
        f["LoggingConfig"]["LogGroup"]["Ref"]
        for f in synthesized.properties("AWS::Lambda::Function")
    }
    assert used == set(groups)
    assert {group["Properties"]["RetentionInDays"] for group in groups.values()} == {30}


@pytest.mark.slow
def test_every_handler_can_be_imported_from_the_asset_alone(
    synthesized: Synthesized, host_asset: Path
) -> None:
    handlers = [f["Handler"] for f in synthesized.properties("AWS::Lambda::Function")]
    program = (
        "import importlib, sys; sys.path.insert(0, sys.argv[1])\n"
        "for handler in sys.argv[2:]:\n"
        "    module, name = handler.split('.')\n"
        "    assert callable(getattr(importlib.import_module(module), name)), handler\n"
    )
    # Isolated and without site-packages: nothing but the standard library and the asset.
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", program, str(host_asset), *handlers],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, "")


# The durable function


def test_the_responder_is_durable_for_a_year(synthesized: Synthesized) -> None:
    responder = synthesized.template["Resources"]["IncidentResponder"]["Properties"]
    assert responder["DurableConfig"] == {
        "ExecutionTimeout": 365 * 24 * 3600,
        "RetentionPeriodInDays": 30,
    }


def test_versions_outlive_their_deployment(synthesized: Synthesized) -> None:
    (version,) = synthesized.of_type("AWS::Lambda::Version").values()
    assert (version["DeletionPolicy"], version["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_triage_starts_responses_by_the_alias(synthesized: Synthesized) -> None:
    ((alias, resource),) = synthesized.of_type("AWS::Lambda::Alias").items()
    triage = synthesized.template["Resources"]["MetricProcessor"]["Properties"]
    assert resource["Properties"]["Name"] == "live"
    assert triage["Environment"]["Variables"]["INCIDENT_RESPONDER"] == {"Ref": alias}


def test_the_responder_knows_the_name_and_the_hash_of_every_document(
    synthesized: Synthesized,
) -> None:
    variables = synthesized.template["Resources"]["IncidentResponder"]["Properties"]["Environment"]
    parts = variables["Variables"]["RECOVERY_DOCUMENTS"]["Fn::Join"][1]
    text = "".join(part if isinstance(part, str) else part["Ref"] for part in parts)
    documents = synthesized.of_type("AWS::SSM::Document")
    known = ResponseSettings._read_json(text)
    assert sorted(known) == ["noop", "restart_service"]
    assert sorted(each["name"] for each in known.values()) == sorted(documents)
    assert all(each["sha256"][:10] in each["name"] for each in known.values())
    for resource in documents.values():
        assert resource["DeletionPolicy"] == "Retain"
        assert "Name" not in resource["Properties"]
