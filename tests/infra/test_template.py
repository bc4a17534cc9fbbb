"""The template as a whole."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from infra.configuration import PROJECT, Deployment
from tests.infra.conftest import Synthesize
from tests.infra.template import SNAPSHOT, Synthesized, scrub, strings

STATEFUL = {
    "AWS::DynamoDB::Table": "IncidentsTable7D5FD327",
    "AWS::KMS::Key": "RawAlarmsKeyA0BCA51F",
}


def test_the_template_is_the_snapshot(synthesized: Synthesized) -> None:
    # Changed on purpose? python -m tests.infra.template, and read the difference.
    assert scrub(synthesized.template) == SNAPSHOT.read_text("utf-8")


@pytest.mark.parametrize(("kind", "id"), STATEFUL.items())
def test_what_holds_state_keeps_its_identity(kind: str, id: str, synthesized: Synthesized) -> None:
    # Another logical id is another resource: the old one would be deleted, or left behind.
    kept = [each for each in synthesized.of_type(kind) if not each.startswith("Analyst")]
    assert kept == [id]


def test_what_waits_in_a_queue_keeps_its_identity(synthesized: Synthesized) -> None:
    assert sorted(synthesized.of_type("AWS::SQS::Queue")) == [
        "AnalystDeadLettersF25D661C", "AnalystQueue5C4D52CF",
        "ChannelsmailF0F4236B", "Channelsopsslack2E25F046", "ChannelspagerAB90EABE",
        "DeadLettersQueue631681B1",
    ]  # fmt: skip


def test_incidents_outlive_the_stack_and_can_be_restored(synthesized: Synthesized) -> None:
    (table,) = synthesized.of_type("AWS::DynamoDB::Table").values()
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")
    properties = table["Properties"]
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    assert [key["AttributeName"] for key in properties["KeySchema"]] == ["pk", "sk"]
    (index,) = properties["GlobalSecondaryIndexes"]
    assert index["IndexName"] == "recent"
    assert [key["AttributeName"] for key in index["KeySchema"]] == ["recent_pk", "recent_sk"]
    assert index["Projection"] == {"ProjectionType": "ALL"}


def test_nothing_has_a_physical_name(synthesized: Synthesized) -> None:
    named = {
        "TableName", "QueueName", "TopicName", "FunctionName", "AlarmName", "RoleName",
        "DashboardName",
    }  # fmt: skip
    about = ("AWS::Lambda::Permission", "AWS::Lambda::Version", "AWS::Lambda::Alias",
             "AWS::Lambda::EventInvokeConfig", "AWS::Lambda::EventSourceMapping")  # fmt: skip
    for resource in synthesized.template["Resources"].values():
        if resource["Type"] not in about:
            assert not named & set(resource.get("Properties", {}))


def test_cfn_lint_finds_no_error(synthesized: Synthesized, tmp_path: Path) -> None:
    path = tmp_path / "AutoRecovery.template.json"
    path.write_text(json.dumps(synthesized.template), encoding="utf-8")
    # W3005 is how the CDK writes dependencies.
    run = subprocess.run(
        [str(Path(sys.executable).with_name("cfn-lint")), "--ignore-checks", "W3005", "--", path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stdout) == (0, "")


def test_the_shipped_configuration_passes_every_check(
    another: Synthesize, shipped: Deployment
) -> None:
    # cdk-nag fails the synth on every error that is not accepted with a reason.
    made = another(shipped)
    assert set(made.of_type("AWS::SSM::Document"))
    for script in shipped.scripts.values():
        assert [id for id in made.of_type("AWS::SSM::Document") if script.sha256[:10] in id]


def test_every_accepted_finding_has_a_reason() -> None:
    source = "".join(path.read_text("utf-8") for path in sorted((PROJECT / "infra").glob("*.py")))
    assert "Validations.of(scope).acknowledge" in source
    assert len(re.findall(r"\.acknowledge\(", source)) == 1  # `accept` takes a reason


def test_no_secret_and_no_account_is_written_down(synthesized: Synthesized) -> None:
    text = "\n".join(strings(synthesized.template))
    assert not re.search(r"\b\d{12}\b", text)


def test_one_dashboard_shows_what_happens(synthesized: Synthesized) -> None:
    (dashboard,) = synthesized.properties("AWS::CloudWatch::Dashboard")
    body = "".join(strings(dashboard["DashboardBody"]))
    for shown in ("Incidents", "Dead letters", "DurableExecutionFailed", "CPUUtilization"):
        assert shown in body


# What is refused


def _run_app(folder: Path, config: str) -> subprocess.CompletedProcess[str]:
    """Run the app as `cdk` does, on this configuration."""
    path = folder / "config.yaml"
    path.write_text(config, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "infra.app", "--config", str(path)],
        capture_output=True, text=True, check=False, cwd=PROJECT,
        env={"PYTHONPATH": "lambda_functions:.", "CDK_OUTDIR": str(folder / "out")},
    )  # fmt: skip


def test_a_broken_configuration_is_refused_with_line_and_column(tmp_path: Path) -> None:
    run = _run_app(tmp_path, "service: shop\nrules:\n  cpu:\n    wehn: { metric: x }\n")
    assert run.returncode == 3
    assert "config.yaml:4:5: rules.cpu.wehn: unknown key; did you mean 'when'?" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_rule_of_which_no_alarm_can_be_made_is_refused(tmp_path: Path) -> None:
    run = _run_app(
        tmp_path,
        "rules: { r: { when: { metric: CPUUtilization, critical: 1, statistic: p99 } } }",
    )
    assert run.returncode == 3
    assert "rules.r.when: p99 needs `instances`" in run.stderr
    assert "Traceback" not in run.stderr
