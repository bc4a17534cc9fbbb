"""`analyze` and the analysis in `explain`, as people and scripts see them."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.incident_log import SqliteIncidentLog
from autorecovery.adapters.sqlite.spending import SqliteSpending
from autorecovery.analysis.run import investigate
from autorecovery.models.analysis import as_facts
from autorecovery.models.incident import Entry, EntryKind
from autorecovery.models.notice import NoticeKind
from autorecovery.models.signal import Target
from local_runtime.machine import DATABASE
from tests.analysis_world import AnalysisWorld, AnsweringModel
from tests.integration.test_command_line import run
from tests.response_world import RESTART, incident, rule, signal


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return the state of a machine with one open incident that a model has looked into."""
    database = Database(tmp_path / DATABASE)
    seen = signal(target=Target.named("web-1"), at=datetime.now(UTC))
    opened = incident(rule(RESTART), seen)
    SqliteIncidentLog(database).open(opened)
    world = AnalysisWorld(opened, model=AnsweringModel())
    investigate(opened.id, NoticeKind.OPENED, world.analyst)
    (analysis,) = world.analyses()
    entry = Entry("analysis", seen.at, EntryKind.ANALYSED, "analysed", as_facts(analysis))
    SqliteIncidentLog(database).record(opened.id, entry)
    database.close()
    return tmp_path


def test_explain_ends_with_the_analysis_and_its_evidence(home: Path) -> None:
    answer = run("explain", "last", home=home)
    assert answer.returncode == 0
    said = answer.stdout.partition("Analysis of")[2]
    assert "A runaway worker. (medium; E1)" in said
    assert "ps aux" in said
    assert "nothing of this is run by itself" in said
    assert "E1 limits: web-1: CPUUtilization is 97" in said
    assert "By eu.anthropic.claude-test-v1:0; 2000 tokens read, 300 written, 0.0105 USD." in said
    content = json.loads(run("explain", "last", "--json", home=home).stdout)
    assert content["analyses"][0]["likely_causes"][0]["evidence_ids"] == ["E1"]


def test_analyze_reports_the_present_state_by_rules(home: Path, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "none.yaml")
    answer = run("analyze", "--config", nowhere, home=home)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "the whole fleet" in answer.stdout
    assert "1 incidents open, 1 of them critical" in answer.stdout
    assert "By rule-based (no model is configured)." in answer.stdout
    content = json.loads(run("analyze", "--target", "web-2", "--json", home=home).stdout)
    assert content["schema_version"] == 1
    assert content["analysis"]["subject"] == "target web-2"
    assert content["analysis"]["summary"].startswith("0 incidents open")


def test_a_model_that_cannot_be_asked_leaves_the_report_to_rules(
    home: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("analysis: { model: eu.anthropic.claude-test-v1:0, region: eu-west-1 }")
    answer = run(
        "analyze", "--config", str(config), home=home,
        AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="", AWS_EC2_METADATA_DISABLED="true",
        AWS_CONFIG_FILE="/nonexistent", AWS_SHARED_CREDENTIALS_FILE="/nonexistent",
    )  # fmt: skip
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "By rule-based (eu.anthropic.claude-test-v1:0: Converse: not asked" in answer.stdout
    database = Database(home / DATABASE)
    assert SqliteSpending(database).spent(datetime.now(UTC).date()) == 0
    database.close()


def test_a_machine_without_incidents_says_so(tmp_path: Path) -> None:
    answer = run("analyze", home=tmp_path / "nothing")
    assert answer.returncode == 4
    assert "no incidents yet" in answer.stderr


def test_a_wrong_configuration_is_told(home: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("analysis: { daily_usd: -1 }")
    assert run("analyze", "--config", str(config), home=home).returncode == 3
