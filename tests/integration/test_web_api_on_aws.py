"""`web_api` as it is wired on AWS: with its configuration, its table and its secret in moto."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autorecovery.bootstrap.web import web_api
from autorecovery.config import Configuration, dump
from autorecovery.errors import ConfigurationError
from tests.slack_server import CHANNEL

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import json
from datetime import datetime, timedelta, UTC
from autorecovery.adapters.aws.controls import DynamoDbControls
from autorecovery.adapters.aws.incident_log import DynamoDbIncidentLog
from autorecovery.models.incident import Entry, EntryKind, attempt_token
from autorecovery.models.press import Subject, Word
from tests.integration import aws
from tests.response_world import RESTART, incident, rule
from tests.slack_presses import SIGNING_SECRET, form, http_event, payload, signed

now = datetime.now(UTC)
with aws.table() as dynamodb:
    aws.client("ssm").put_parameter(Name="/ar/signing", Value=SIGNING_SECRET, Type="SecureString")
    log, opened = DynamoDbIncidentLog(dynamodb, aws.TABLE), incident(rule(RESTART))
    log.open(opened)
    attempt = attempt_token(opened.id, 1)
    facts = {"attempt": attempt, "until": (now + timedelta(minutes=30)).isoformat()}
    log.record(opened.id, Entry("asked 1", now, EntryKind.ASKED, "asked", facts))
    import web_api
    body = form(payload(Word.APPROVE, Subject(opened.id, attempt)))
    first = web_api.lambda_handler(http_event(body, signed(body, now)), None)
    forged = web_api.lambda_handler(http_event(body, {}), None)
    decision = DynamoDbControls(dynamodb, aws.TABLE).approval(attempt)
print(json.dumps([first["statusCode"], forged["statusCode"], decision.approved, decision.by]))
"""


@pytest.mark.slow
def test_a_signed_press_is_written_to_the_table_and_a_forged_one_is_not(tmp_path: Path) -> None:
    code = tmp_path / "code"
    shutil.copytree(ROOT / "lambda_functions", code, ignore=shutil.ignore_patterns("*.egg-info"))
    bot = {"channel": CHANNEL, "token": "ssm:/ar/token", "signing_secret": "ssm:/ar/signing"}
    made = Configuration.model_validate({"notify": {"channels": {"ops": {"slack": bot}}}})
    (code / "autorecovery_config.json").write_text(json.dumps(dump(made)), encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], text=True, capture_output=True, check=False, timeout=60,
        env={
            **os.environ, "PYTHONPATH": f"{code}:{ROOT}", "TABLE_NAME": "incidents",
            "AWS_DEFAULT_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        },
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout.splitlines()[-1])
    assert told == [200, 401, True, "ann (Slack U024BE7LH)"]


def test_in_a_dry_run_no_button_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTORECOVERY_DRY_RUN", "true")
    with pytest.raises(ConfigurationError, match="no button is heard"):
        web_api()
