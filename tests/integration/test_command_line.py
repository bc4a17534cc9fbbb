"""The command as people and scripts use it: a real process, its output and its exit code."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from autorecovery.adapters.aws import clients
from autorecovery.adapters.aws.functions import DeployedFunction
from autorecovery.adapters.sqlite.attempt_log import SqliteAttemptLog
from autorecovery.adapters.sqlite.controls import SqliteControls
from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.dead_letters import SqliteDeadLetters
from autorecovery.adapters.sqlite.incident_log import SqliteIncidentLog
from autorecovery.adapters.sqlite.mailbox import Mailbox
from autorecovery.config import load
from autorecovery.dry_run import rehearse
from autorecovery.models.controls import Demotion
from autorecovery.models.incident import (
    Attempt,
    CommandState,
    CommandStatus,
    Entry,
    EntryKind,
    Incident,
    Judgement,
)
from autorecovery.models.reason import Level, Reason, Verdict
from autorecovery.models.signal import TYPED, Signal, SignalKind, Target
from command_line import dead_letters
from command_line.failures import Failure
from command_line.initial import Inventory, _with_inventory
from command_line.stores import addressees
from local_runtime.machine import DATABASE
from tests.integration import aws

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 1, 15, 3, 5, tzinfo=UTC)


def run(
    *arguments: str, home: Path | None = None, stdin: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Return what one call of the command did."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AUTORECOVERY", "AWS"))}
    if home is not None:
        kept["AUTORECOVERY_HOME"] = str(home)
    return subprocess.run(
        [sys.executable, "-m", "command_line.main", *arguments],
        cwd=ROOT, env={**kept, **variables}, input=stdin, text=True, capture_output=True,
        timeout=30, check=False,
    )  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return the state of a machine that has had one incident."""
    database = Database(tmp_path / DATABASE)
    log = SqliteIncidentLog(database)
    target = Target.named("web-1")
    signal = Signal("s-1", SignalKind.METRIC, target, "cpu", NOW, TYPED, value=99.0)
    incident = Incident(
        id="inc-20260115-030500-0badcafe", rule_name="cpu", rule=None, target=target,
        level=Level.CRITICAL, signal=signal, opened_at=NOW, breached_at=NOW,
        evidence=("cpu\x1b[31m 99",),
    )  # fmt: skip
    log.open(incident)
    gates = {
        "stale event": "open; measured 3s ago",
        "autonomy": "the rule only observes; autonomy: observe",
    }
    log.record(
        incident.id,
        Entry("decided 1", NOW, EntryKind.DECIDED, "hold restart_service", {"gates": gates}),
    )
    database.close()
    return tmp_path


def test_help_names_every_exit_code_and_loads_neither_boto3_nor_the_core() -> None:
    code = (
        "import sys, command_line.main as m\n"
        "try: m.app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = [n for n in ('boto3', 'pydantic', 'autorecovery') if n in sys.modules]\n"
        "print(heavy, file=sys.stderr)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True, check=True
    )
    assert answer.stderr.strip() == "[]"
    assert "3 configuration invalid" in " ".join(answer.stdout.split())


def test_a_valid_configuration_is_said_to_be_valid() -> None:
    answer = run("validate", "-c", "command_line/template.yaml")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "valid, 11 rules; none acts by itself" in answer.stdout


def test_a_broken_configuration_ends_with_code_three_and_the_place(tmp_path: Path) -> None:
    broken = tmp_path / "config.yaml"
    broken.write_text("rules:\n  cpu:\n    when: { metric: x, warnin: 3 }\n")
    answer = run("validate", "-c", str(broken), "--json")
    assert answer.returncode == 3
    assert (
        answer.stderr
        == "config.yaml:3:24: rules.cpu.when.warnin: unknown key; did you mean 'warning'?\n"
    )
    assert json.loads(answer.stdout)["problems"][0]["line"] == 3


def test_config_says_which_variable_set_a_value() -> None:
    answer = run("config", "--json", "-c", "command_line/template.yaml", ALARM_THRESHOLD_CPU="70")
    values = json.loads(answer.stdout)["values"]
    assert values["rules.cpu-overload.when.warning"] == {
        "value": 70.0,
        "origin": "ALARM_THRESHOLD_CPU",
    }
    assert values["rules.cpu-overload.when.critical"]["origin"] == "file"
    assert values["limits.max_event_age"]["origin"] == "file"
    assert values["log_level"]["origin"] == "default"


def test_sending_a_sample_event_tells_what_would_be_told_and_run() -> None:
    answer = run("send", "events/cpu_high.json", "-c", "command_line/template.yaml")
    assert answer.returncode == 0
    assert "It would run: restart_service (service=nginx)." in answer.stdout
    assert (
        "opened: cpu-overload on instance/i-0a1b2c3d4e5f67890, critical: first breach"
        in answer.stdout
    )


@pytest.mark.parametrize(
    ("ladder", "says"),
    [
        (
            "[{ run: reboot_instance }]",
            "DRY RUN, would ask AWS for reboot_instance of instance/i-0a1b2c3d4e5f67890",
        ),
        ("[{ run: ask_human }, { run: reboot_instance }]", "may reboot_instance be run?"),
        ("[{ run: ask_human }]", "Nothing is run: the ladder asks for a human here."),
    ],
)
def test_rungs_that_are_no_scripts_are_rehearsed_too(
    ladder: str, says: str, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "rules: { cpu: { when: { metric: CPUUtilization, warning: 80, critical: 90 },"
        f" autonomy: auto, recover: {ladder} }} }}"
    )
    answer = run("send", "events/cpu_high.json", "-c", str(config))
    assert answer.returncode == 0, answer.stderr
    assert says in answer.stdout


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "says"),
    [
        (("send", "-"), "{", 2, "-:1:2: not JSON"),
        (("send", "no/such/file"), "", 4, "cannot be read"),
        (("validate", "-c", "no/such/file"), "", 3, "cannot be read"),
        (("nonsense",), "", 2, "No such command"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence_with_its_code(
    arguments: tuple[str, ...], stdin: str, code: int, says: str
) -> None:
    answer = run(*arguments, stdin=stdin)
    assert answer.returncode == code
    assert says in answer.stderr
    assert "Traceback" not in answer.stderr


def test_incidents_are_listed_and_shown_from_this_machines_state(home: Path) -> None:
    listed = json.loads(run("incidents", "list", "--json", home=home).stdout)
    assert [incident["id"] for incident in listed["incidents"]] == ["inc-20260115-030500-0badcafe"]
    assert "inc-20260115-030500-0badcafe" in run("incidents", "list", home=home).stdout
    shown = json.loads(run("incidents", "show", "0badcafe", "--json", home=home).stdout)
    assert shown["timeline"][0]["text"] == "hold restart_service"


def test_canaries_are_listed_only_where_everything_is_wanted(home: Path) -> None:
    database = Database(home / DATABASE)
    log = SqliteIncidentLog(database)
    [first] = log.recent(1)
    log.open(replace(first, id="inc-20260115-040000-0ca7a47e", rule_name="canary"))
    database.close()
    assert "canary" not in run("incidents", "list", home=home).stdout
    assert "canary" in run("incidents", "list", "--all", home=home).stdout


def test_explain_gives_every_gates_answer_and_lets_no_escape_code_reach_the_terminal(
    home: Path,
) -> None:
    answer = run("explain", "last", home=home)
    assert "autonomy     the rule only observes" in answer.stdout
    assert "\x1b" not in answer.stdout


def test_an_unknown_incident_and_a_machine_without_state_are_told_apart(
    home: Path, tmp_path: Path
) -> None:
    assert run("explain", "inc-nothing", home=home).returncode == 5
    nothing = run("incidents", "list", home=tmp_path / "elsewhere")
    assert (nothing.returncode, nothing.stdout) == (4, "")
    assert "no incidents yet" in nothing.stderr


def test_init_writes_a_valid_file_once(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    assert run("init", str(path)).returncode == 0
    assert run("validate", "-c", str(path)).returncode == 0
    again = run("init", str(path))
    assert (again.returncode, "--force" in again.stderr) == (2, True)


def test_adopted_alarms_become_rules_that_only_observe(tmp_path: Path) -> None:
    template = (ROOT / "command_line" / "template.yaml").read_text()
    hostile = 'a "quoted" [name] with * and: colons'
    inventory = Inventory({"i-0a1b2c3d4e5f67890": "web\n1"}, ("plain", hostile))
    path = tmp_path / "config.yaml"
    path.write_text(_with_inventory(template, inventory))
    configuration = load(path, {}).configuration
    event = {"AlarmName": hostile, "NewStateValue": "ALARM", "StateChangeTime": NOW.isoformat()}
    told: list[str] = []
    app = rehearse(event, configuration, {}, lambda: NOW, told.append)
    from autorecovery.triage.run import triage

    assert [incident.rule for incident in triage(event, app).incidents] == ["adopted-2"]
    assert configuration.rules["adopted-2"].autonomy == "observe"


def test_halt_and_resume_are_one_flag_that_says_who_and_why(tmp_path: Path) -> None:
    halted = run("halt", "--why", "deploying", home=tmp_path, AUTORECOVERY_USER="ann")
    assert "nothing is run until" in halted.stdout
    resumed = run("resume", home=tmp_path)
    assert "halted by ann" in resumed.stdout
    assert "deploying" in resumed.stdout
    assert json.loads(run("resume", "--json", home=tmp_path).stdout)["was_halted"] is False


def test_a_maintenance_window_is_added_listed_and_ended(tmp_path: Path) -> None:
    weekly = ("--cron", "0 2 * * 1", "--timezone", "Europe/Berlin", "--for", "1h")
    assert run("maintenance", "add", "weekly", *weekly, home=tmp_path).returncode == 0
    assert run("maintenance", "add", "now", "--for", "2h", home=tmp_path).returncode == 0
    listed = run("maintenance", "list", home=tmp_path).stdout
    assert "from '0 2 * * 1' Europe/Berlin on, each time for 1h" in listed
    assert "open" in listed
    assert run("maintenance", "end", "now", home=tmp_path).returncode == 0
    assert run("maintenance", "end", "now", home=tmp_path).returncode == 5


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--for", "soon"), "expected a duration"),
        (("--for", "1h", "--cron", "never"), "expected a cron expression"),
        (("--for", "1h", "--cron", "0 2 * * *", "--timezone", "Mars"), "expected a time zone"),
    ],
)
def test_a_window_that_cannot_be_is_refused(
    tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    answer = run("maintenance", "add", "x", *arguments, home=tmp_path)
    assert answer.returncode == 2
    assert says in answer.stderr


def test_an_open_question_is_answered_once_and_says_by_whom(home: Path) -> None:
    database = Database(home / DATABASE)
    log = SqliteIncidentLog(database)
    facts = {"attempt": "inc-20260115-030500-0badcafe-r1", "until": "2999-01-01T00:00:00+00:00"}
    question = Entry("asked 1", NOW, EntryKind.ASKED, "asked whether to run it", facts)
    log.record("inc-20260115-030500-0badcafe", question)
    database.close()
    approved = run("approve", "last", home=home, AUTORECOVERY_USER="ann")
    assert (approved.returncode, "approved by ann" in approved.stdout) == (0, True)
    denied = run("deny", "last", home=home, AUTORECOVERY_USER="bob")
    assert (denied.returncode, "ann approved it already" in denied.stderr) == (5, True)


def test_an_incident_is_acknowledged_and_closed_by_hand(home: Path) -> None:
    assert run("ack", "last", home=home).returncode == 0
    assert run("close", "last", home=home).returncode == 0
    again = run("close", "last", "--json", home=home)
    assert (again.returncode, json.loads(again.stdout)["changed"]) == (5, False)


def test_a_recovery_by_hand_names_a_rule_that_there_is(home: Path, tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(
        "rules: { load: { when: { metric: load, warning: 1 }, recover_at: warning,"
        " recover: [ { run: noop } ] } }"
    )
    unknown = run("recover", "web-1", "lode", "-c", str(config), home=home)
    assert (unknown.returncode, "its rules: load" in unknown.stderr) == (2, True)
    for odd in ("", "web 1; rm -rf /", "x" * 3000):
        assert run("recover", odd, "load", "-c", str(config), home=home).returncode == 2
    asked = run("recover", "web-1", "load", "-c", str(config), home=home, AUTORECOVERY_USER="ann")
    assert (asked.returncode, "recovery asked for by ann" in asked.stdout) == (0, True)
    again = run("recover", "last", "--json", home=home, AUTORECOVERY_USER="bob")
    assert (again.returncode, json.loads(again.stdout)["changed"]) == (5, False)


def test_scorecards_show_each_script_s_record_and_promote_lifts_a_demotion(home: Path) -> None:
    database = Database(home / DATABASE)
    [incident] = SqliteIncidentLog(database).recent(1)
    tried = Attempt(
        f"{incident.id}-r1", incident.id, incident.rule_name, incident.target, "restart_service",
        {}, incident.opened_at, incident.opened_at, timedelta(minutes=2),
        status=CommandStatus(CommandState.SUCCEEDED, exit_code=0),
        judgement=Judgement(Verdict.VERIFIED, incident.opened_at + timedelta(minutes=3), "proof"),
    )  # fmt: skip
    attempts = SqliteAttemptLog(database)
    attempts.intend(tried)
    attempts.complete(tried)
    words = SqliteControls(database)
    words.demote(Demotion("restart_service", incident.rule_name, NOW, 1, 6, 0.03, incident.id))
    database.close()
    shown = run("scorecards", "--within", "365d", home=home)
    assert "restart_service" in shown.stdout
    assert "1 of 1" in shown.stdout
    assert "asks: demoted" in shown.stdout
    told = json.loads(run("scorecards", "--within", "365d", "--json", home=home).stdout)
    assert told["scorecards"][0]["recovery_seconds"] == {"p50": 180, "p90": 180}
    assert run("promote", "restart_service", incident.rule_name, home=home).returncode == 0
    assert run("promote", "restart_service", incident.rule_name, home=home).returncode == 5


@pytest.mark.parametrize("forged", ["inc-20260115-030500-deadbeef", "'; rm -rf /", "../../etc"])
def test_a_forged_id_gets_a_clear_answer(home: Path, forged: str) -> None:
    answer = run("approve", forged, home=home)
    assert (answer.returncode, "no incident" in answer.stderr) == (5, True)


# Dead letters


@pytest.fixture
def dead(tmp_path: Path) -> Path:
    """Return the state of a machine that put three events aside, one of them too long."""
    database = Database(tmp_path / DATABASE)
    store, lately = SqliteDeadLetters(database), datetime.now(UTC)
    alarm = json.loads((ROOT / "events" / "alarm_sns_cpu_high.json").read_text())
    store.keep(alarm, "it came before its rule", lately)
    store.keep({"kind": "order\x1b[31m"}, "unknown shape with keys: kind", lately)
    store.keep({"long": "x" * 300_000}, "too long", lately)
    database.close()
    return tmp_path


def incidents_of(folder: Path) -> list[Incident]:
    database = Database(folder / DATABASE)
    found = list(SqliteIncidentLog(database).recent(10))
    database.close()
    return found


def test_dead_letters_are_listed_with_their_reasons_and_stay(dead: Path) -> None:
    for _ in range(2):
        answer = run("dead-letters", "list", home=dead)
        assert (answer.returncode, answer.stderr) == (0, "")
        assert answer.stdout.splitlines()[1].startswith(f"1       {datetime.now(UTC):%Y-}")
        assert "unknown shape with keys: kind" in answer.stdout
    told = json.loads(run("dead-letters", "list", "--json", home=dead).stdout)
    assert [letter["id"] for letter in told["letters"]] == ["1", "2", "3"]
    assert told["about"] == 3
    assert "a sample: 2 of about 3" in run("dead-letters", "list", "--limit", "2", home=dead).stdout


def test_a_dead_letter_is_shown_whole_and_no_escape_code_reaches_the_terminal(dead: Path) -> None:
    shown = run("dead-letters", "show", "2", home=dead).stdout
    assert "why:  unknown shape with keys: kind" in shown
    assert '  "kind": "order' in shown
    assert "\x1b" not in shown
    told = json.loads(run("dead-letters", "show", "2", "--json", home=dead).stdout)["letter"]
    assert (told["event"], told["obstacle"]) == ({"kind": "order\x1b[31m"}, None)


def test_a_replayed_letter_opens_its_incident_once_and_is_stale(dead: Path) -> None:
    replay = ("dead-letters", "replay", "1", "-c", "command_line/template.yaml")
    answer = run(*replay, home=dead)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "held: cpu-overload on instance/i-0a1b2c3d4e5f67890" in answer.stdout
    (incident,) = incidents_of(dead)
    assert incident.held_for is Reason.STALE_EVENT
    again = run(*replay, home=dead)
    assert (again.returncode, "no dead letter '1'" in again.stderr) == (5, True)


def test_what_a_replay_opens_is_left_for_the_program_that_watches_this_machine(dead: Path) -> None:
    run("dead-letters", "replay", "1", "-c", "command_line/template.yaml", home=dead)
    (incident,) = incidents_of(dead)
    database = Database(dead / DATABASE)
    assert Mailbox(database).collect() == [("start", incident.id)]
    database.close()


def test_all_letters_are_replayed_and_those_that_stay_are_told(dead: Path) -> None:
    replay = ("dead-letters", "replay", "--all", "-c", "command_line/template.yaml")
    answer = run(*replay, home=dead)
    assert answer.returncode == 5
    assert "not done: 2 of 3 letters" in answer.stderr
    assert "2: it is still not understood; triage put it aside again" in answer.stdout
    assert "3: it cannot be replayed: it was too long to be kept whole" in answer.stdout
    left = json.loads(run("dead-letters", "list", "--json", home=dead).stdout)["letters"]
    assert [letter["id"] for letter in left] == ["3", "4"]
    told = json.loads(run(*replay, "--json", home=dead).stdout)["replayed"]
    assert [each["done"] for each in told] == [False, False]


def test_a_letter_is_discarded_only_if_all_that_are_named_exist(dead: Path) -> None:
    missing = run("dead-letters", "discard", "2", "9", home=dead)
    assert (missing.returncode, "no dead letter '9'" in missing.stderr) == (5, True)
    assert run("dead-letters", "discard", "2", "3", home=dead).returncode == 0
    told = json.loads(run("dead-letters", "list", "--json", home=dead).stdout)
    assert [letter["id"] for letter in told["letters"]] == ["1"]
    run("dead-letters", "discard", "1", home=dead)
    assert run("dead-letters", "list", home=dead).stdout == "no dead letters\n"


@pytest.mark.parametrize("arguments", [(), ("1", "--all")])
def test_a_replay_says_what_it_is_to_replay(dead: Path, arguments: tuple[str, ...]) -> None:
    answer = run("dead-letters", "replay", *arguments, home=dead)
    assert (answer.returncode, "--all" in answer.stderr) == (2, True)


@pytest.mark.parametrize("forged", ["0", "11", "-1'", "'; rm -rf /", "1 OR 1=1", "ffffffff"])
def test_a_letter_that_does_not_exist_gets_a_clear_answer(dead: Path, forged: str) -> None:
    answer = run("dead-letters", "show", "--", forged, home=dead)
    assert (answer.returncode, "no dead letter" in answer.stderr) == (5, True)


# Dead letters of a deployed stack


STACK = {
    "Resources": {
        "Queue": {"Type": "AWS::SQS::Queue"},
        "Incidents": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "AttributeDefinitions": [
                    {"AttributeName": "pk", "AttributeType": "S"},
                    {"AttributeName": "sk", "AttributeType": "S"},
                ],
                "KeySchema": [
                    {"AttributeName": "pk", "KeyType": "HASH"},
                    {"AttributeName": "sk", "KeyType": "RANGE"},
                ],
                "BillingMode": "PAY_PER_REQUEST",
            },
        },
    },
    "Outputs": {
        "TableName": {"Value": {"Ref": "Incidents"}},
        "DeadLetterQueueUrl": {"Value": {"Ref": "Queue"}},
        "MetricProcessorArn": {"Value": "arn:triage"},
        "CommandListenerArn": {"Value": "arn:listener"},
        "IncidentResponderArn": {"Value": "arn:responder:live"},
    },
}


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Yield SQS and the dead-letter queue of a deployed stack named `shop`."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", aws.REGION)
    clients._session.cache_clear()
    with mock_aws():
        cloudformation = aws.client("cloudformation")
        cloudformation.create_stack(StackName="shop", TemplateBody=json.dumps(STACK))
        outputs = cloudformation.describe_stacks(StackName="shop")["Stacks"][0]["Outputs"]
        (url,) = (o["OutputValue"] for o in outputs if o["OutputKey"] == "DeadLetterQueueUrl")
        yield aws.client("sqs"), url
    clients._session.cache_clear()


def test_letters_of_a_stack_are_found_by_what_the_list_shows_of_their_ids(
    deployed: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    sqs, url = deployed
    for number in range(12):
        sqs.send_message(
            QueueUrl=url,
            MessageBody=json.dumps(
                {"why": "odd", "at": NOW.isoformat(), "event": {"number": number}}
            ),
        )
    dead_letters.list_waiting("shop", {}, limit=20, as_json=False)
    listed = capsys.readouterr().out.splitlines()[1:]
    assert len(listed) == 12
    for line in listed[:3]:
        dead_letters.show(line.split()[0], "shop", {}, as_json=True)
        assert "number" in json.loads(capsys.readouterr().out)["letter"]["event"]
    dead_letters.discard([listed[0].split()[0]], "shop", {}, as_json=False)
    capsys.readouterr()
    dead_letters.list_waiting("shop", {}, limit=5, as_json=False)
    assert "a sample: 5 of about 11" in capsys.readouterr().out


def test_letters_of_a_stack_are_given_to_its_functions(deployed: Any) -> None:
    to = addressees("shop", {}, ROOT / "no such file")  # a stack has a configuration of its own
    assert isinstance(to.triage, DeployedFunction)
    assert isinstance(to.command_ends, DeployedFunction)
    assert (to.triage._arn, to.command_ends._arn) == ("arn:triage", "arn:listener")
    assert to.incidents.get("inc-20260115-030412-deadbeef") is None


def test_a_stack_that_is_missing_or_too_old_is_told_apart(deployed: Any) -> None:
    with pytest.raises(Failure, match="cannot be read") as missing:
        dead_letters.list_waiting("elsewhere", {}, limit=1, as_json=False)
    old = {**STACK, "Outputs": {"TableName": {"Value": "x"}}}
    aws.client("cloudformation").create_stack(StackName="old", TemplateBody=json.dumps(old))
    with pytest.raises(Failure, match="no output DeadLetterQueueUrl") as outdated:
        dead_letters.list_waiting("old", {}, limit=1, as_json=False)
    assert missing.value.exit_code == outdated.value.exit_code == 4


def test_a_store_that_refuses_ends_with_a_sentence_and_code_four(home: Path) -> None:
    (home / DATABASE).write_bytes(b"not a database, whatever its name says" * 100)
    answer = run("dead-letters", "list", home=home)
    assert (answer.returncode, answer.stderr) == (4, "SQLite: file is not a database\n")
