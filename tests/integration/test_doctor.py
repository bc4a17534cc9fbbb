"""`doctor`: each thing that keeps people from being told, with its fix, against real servers."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from autorecovery.adapters.channels.posting import Posting
from autorecovery.adapters.secrets import Secrets, local_readers
from autorecovery.config import Configuration
from command_line.checkup import machine, mail, model
from command_line.checkup.finding import Finding, Mark, looked_at
from command_line.doctor import Visit, findings
from tests.integration import aws
from tests.local_server import LocalServer
from tests.slack_server import CHANNEL, SlackServer, refusal
from tests.slack_server import TOKEN as SLACK_TOKEN
from tests.telegram_server import CHAT, TelegramServer
from tests.telegram_server import TOKEN as TELEGRAM_TOKEN

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

SLACK = {"slack": {"channel": CHANNEL, "token": "env:SLACK"}}
TELEGRAM = {"telegram": {"chat": CHAT, "token": "env:TELEGRAM"}}


class Practice:
    """Slack and Telegram on this machine, and a configuration that names them."""

    def __init__(self, slack: SlackServer, telegram: TelegramServer, home: Path) -> None:
        self.slack, self.telegram = slack, telegram
        self.variables = {
            "SLACK": SLACK_TOKEN, "TELEGRAM": TELEGRAM_TOKEN, "HOOK": f"{slack.address}/s3cr3t",
            "APP": "xapp-1", "AUTORECOVERY_HOME": str(home),
        }  # fmt: skip

    def look(self, more: dict[str, Any] | None = None, **channels: Any) -> list[Finding]:
        """Return what is found about these channels."""
        content = {"notify": {"channels": channels}, **(more or {})}
        visit = Visit(
            Configuration.model_validate(content),
            Secrets(local_readers(self.variables), lambda: NOW),
            self.variables,
            posting=Posting(1),
            slack_url=self.slack.api,
            telegram_url=self.telegram.address,
        )
        return list(findings(visit))

    def wrong(self, **channels: Any) -> dict[str, str]:
        """Return what is to be mended, with its fix, by what it is about."""
        return {
            f.subject: f"{f.text} {f.fix}" for f in self.look(**channels) if f.mark is Mark.WRONG
        }


@pytest.fixture
def practice(tmp_path: Path) -> Iterator[Practice]:
    slack, telegram = SlackServer(), TelegramServer()
    slack.tokens |= {"xapp-1"}
    with slack.running(), telegram.running():
        yield Practice(slack, telegram, tmp_path / "state")


def about(found: list[Finding], subject: str) -> list[tuple[Mark, str]]:
    return [(f.mark, f.text) for f in found if f.subject == subject]


def test_where_all_is_well_every_check_says_so(practice: Practice) -> None:
    found = practice.look(ops=SLACK, phone=TELEGRAM)
    assert {f.mark for f in found} == {Mark.WELL}
    assert about(found, "channel ops") == [
        (Mark.WELL, "Slack takes the token"), (Mark.WELL, f"the bot may write to {CHANNEL}"),
    ]  # fmt: skip
    assert practice.slack.messages == {}
    assert practice.telegram.messages == []


def test_a_revoked_token_is_told_and_other_channels_are_looked_at(practice: Practice) -> None:
    practice.slack.tokens = set()
    practice.slack.refuse("auth.test", refusal("token_revoked"))
    found = practice.look(ops=SLACK, phone=TELEGRAM)
    [(mark, text)] = about(found, "channel ops")
    assert mark is Mark.WRONG
    assert "token_revoked (the token was revoked; install the app" in text
    assert [mark for mark, _ in about(found, "channel phone")] == [Mark.WELL, Mark.WELL]


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        (None, "there is no such channel"),
        ({"id": CHANNEL, "is_archived": True, "is_member": True}, "unarchive it"),
        ({"id": CHANNEL, "is_archived": False, "is_member": False}, "/invite @NAME"),
    ],
)
def test_a_channel_that_the_bot_cannot_write_to_is_told(
    channel: dict[str, Any] | None, words: str, practice: Practice
) -> None:
    practice.slack.channel = channel
    assert words in practice.wrong(ops=SLACK)["channel ops"]


def test_a_bot_that_may_write_without_joining_need_not_join(practice: Practice) -> None:
    practice.slack.scopes = "chat:write,chat:write.public,channels:read"
    practice.slack.channel = {"id": CHANNEL, "is_archived": False, "is_member": False}
    assert practice.wrong(ops=SLACK) == {}


def test_a_missing_scope_is_named(practice: Practice) -> None:
    practice.slack.scopes = "channels:read"
    assert "lacks the scope chat:write" in practice.wrong(ops=SLACK)["channel ops"]


def test_what_the_scopes_do_not_show_is_told_as_unseen(practice: Practice) -> None:
    practice.slack.refuse("conversations.info", refusal("missing_scope", needed="channels:read"))
    found = practice.look(ops=SLACK)
    assert about(found, "channel ops")[1] == (
        Mark.UNSEEN, f"whether the bot is in {CHANNEL} cannot be seen",
    )  # fmt: skip


def test_an_app_token_that_slack_does_not_take_is_told(practice: Practice) -> None:
    bot = {"slack": {**SLACK["slack"], "app_token": "env:APP"}}
    assert practice.wrong(ops=bot) == {}
    practice.variables["APP"] = "xapp-old"
    assert "invalid_auth" in practice.wrong(ops=bot)["channel ops"]


def test_a_telegram_chat_that_is_gone_is_told(practice: Practice) -> None:
    practice.telegram.chats = set()
    assert "correct `chat`" in practice.wrong(phone=TELEGRAM)["channel phone"]
    practice.telegram.tokens = set()
    assert "@BotFather" in practice.wrong(phone=TELEGRAM)["channel phone"]


def test_of_a_webhook_only_its_server_is_looked_at(practice: Practice) -> None:
    found = practice.look(hook={"webhook": {"url": "env:HOOK"}})
    [(mark, text)] = about(found, "channel hook")
    assert mark is Mark.UNSEEN
    assert "only a message can show" in text
    assert [request.path for request in practice.slack.requests] == ["/"]


def test_a_webhook_whose_server_is_gone_is_told_without_its_address(practice: Practice) -> None:
    practice.variables["HOOK"] = "http://127.0.0.1:1/s3cr3t"
    told = practice.wrong(hook={"webhook": {"url": "env:HOOK"}})["channel hook"]
    assert "cannot be reached" in told
    assert "s3cr3t" not in told


def test_a_secret_that_cannot_be_had_is_told_once(practice: Practice) -> None:
    del practice.variables["SLACK"]
    wrong = practice.wrong(ops=SLACK)
    assert list(wrong) == ["channel ops, token"]
    assert "set SLACK where this runs" in wrong["channel ops, token"]


def test_apprise_is_looked_at_as_far_as_it_can_be(practice: Practice) -> None:
    found = practice.look(other={"apprise": {"url": "env:HOOK"}})
    [(mark, _)] = about(found, "channel other")
    assert mark is Mark.UNSEEN


# On a stack


def test_a_stack_cannot_read_variables_and_files(practice: Practice) -> None:
    configuration = Configuration.model_validate({"notify": {"channels": {"ops": SLACK}}})
    visit = Visit(
        configuration, Secrets({}, lambda: NOW), {}, "AutoRecovery", {}, Posting(1),
        practice.slack.api,
    )  # fmt: skip
    found = list(findings(visit))
    [(mark, text)] = about(found, "channel ops, token")
    assert mark is Mark.WRONG
    assert "the functions of a stack have neither" in text
    assert about(found, "channel ops") == []


@pytest.mark.parametrize(
    ("outputs", "mark", "words"),
    [
        ({}, Mark.WRONG, "deploy it again"),
        ({"SlackActionsUrl": "https://a/slack/actions"}, Mark.UNSEEN, "https://a/slack/actions"),
    ],
)
def test_where_slack_must_send_buttons_is_told(
    outputs: dict[str, str], mark: Mark, words: str, practice: Practice
) -> None:
    bot = {"channel": CHANNEL, "token": "vault:S", "signing_secret": "vault:S"}
    bot = {key: value.replace("vault", "ssm") for key, value in bot.items()}
    configuration = Configuration.model_validate({"notify": {"channels": {"ops": {"slack": bot}}}})
    secrets = Secrets({"ssm": lambda place: SLACK_TOKEN}, lambda: NOW)
    visit = Visit(configuration, secrets, {}, "AutoRecovery", outputs, slack_url=practice.slack.api)
    last = [f for f in findings(visit) if f.subject == "channel ops"][-1]
    assert last.mark is mark
    assert words in last.fix


# Mail


def subscriptions(*states: tuple[str, str]) -> list[Finding]:
    topic = "arn:aws:sns:eu-west-1:123456789012:notices"
    answer = {
        "Subscriptions": [
            {"Endpoint": endpoint, "SubscriptionArn": state, "Protocol": "email"}
            for endpoint, state in states
        ]
    }
    with aws.answering("sns") as (client, stubber):
        stubber.add_response("list_subscriptions_by_topic", answer, {"TopicArn": topic})
        return list(mail.look_at_topic("mail", ("ann@example.com",), topic, client))


def test_a_confirmed_address_is_well() -> None:
    [finding] = subscriptions(("ann@example.com", "arn:aws:sns:eu-west-1:1:notices:1"))
    assert finding.mark is Mark.WELL


def test_an_address_that_never_confirmed_is_told() -> None:
    [finding] = subscriptions(("ann@example.com", "PendingConfirmation"))
    assert finding.text == "ann@example.com has not confirmed, and gets nothing"
    assert "--notification-endpoint ann@example.com" in finding.fix


def test_an_address_that_unsubscribed_is_told() -> None:
    for found in (subscriptions(), subscriptions(("ann@example.com", "Deleted"))):
        assert found[0].mark is Mark.WRONG
        assert "not subscribed any more" in found[0].text


def test_an_address_added_by_hand_is_looked_at_too() -> None:
    found = subscriptions(("ann@example.com", "arn:x"), ("bob@example.com", "PendingConfirmation"))
    assert found[1].text.startswith("bob@example.com has not confirmed")


def ses(account: dict[str, Any], *identities: bool | None) -> list[Finding]:
    """Return what is found of SES; `identities` are its answers one after the other."""
    settings = {"from": "ops@example.com", "to": ["ann@example.org"]}
    report = (
        Configuration.model_validate({"notify": {"channels": {"mail": {"ses": settings}}}})
        .notify.channels["mail"]
        .ses
    )
    assert report
    with aws.answering("sesv2") as (client, stubber):
        stubber.add_response("get_account", account)
        for verified in identities:
            if verified is None:
                stubber.add_client_error("get_email_identity", "NotFoundException")
            else:
                stubber.add_response("get_email_identity", {"VerifiedForSendingStatus": verified})
        return list(looked_at("mail", lambda: mail.look_at_ses("mail", report, client)))


OPEN = {"ProductionAccessEnabled": True, "SendingEnabled": True}
SANDBOX = {"ProductionAccessEnabled": False, "SendingEnabled": True}


def test_an_ses_that_sends_to_anybody_is_well() -> None:
    assert {f.mark for f in ses(OPEN, True)} == {Mark.WELL}


def test_a_verified_domain_is_enough() -> None:
    assert {f.mark for f in ses(OPEN, None, True)} == {Mark.WELL}


def test_a_sender_that_is_not_verified_is_told() -> None:
    found = ses(OPEN, False, None)
    assert found[0].text == "the sender ops@example.com is not verified"
    assert "create-email-identity --email-identity ops@example.com" in found[0].fix


def test_in_the_sandbox_each_recipient_must_be_verified() -> None:
    assert {f.mark for f in ses(SANDBOX, True, True)} == {Mark.WELL}
    found = ses(SANDBOX, True, None, None)
    assert found[-1].text == "in the SES sandbox the recipient ann@example.org is not verified"
    assert "production access" in found[-1].fix


def test_an_account_that_may_not_send_is_told() -> None:
    found = ses({**OPEN, "SendingEnabled": False}, True)
    assert found[0].text == "SES sends nothing for this account"


def test_what_you_may_not_look_at_is_unseen() -> None:
    with aws.answering("sesv2") as (client, stubber):
        stubber.add_client_error("get_account", "AccessDeniedException")
        report: Any = None
        [finding] = looked_at("mail", lambda: mail.look_at_ses("mail", report, client))
    assert (finding.mark, finding.fix) == (Mark.UNSEEN, "allow yourself GetAccount")


# The model

NAME = "anthropic.claude-sonnet-4-20250514-v1:0"
GOOD = {
    "modelId": NAME, "agreementAvailability": {"status": "AVAILABLE"},
    "authorizationStatus": "AUTHORIZED", "entitlementAvailability": "AVAILABLE",
    "regionAvailability": "AVAILABLE",
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, ""),
        ({"regionAvailability": "NOT_AVAILABLE"}, "set analysis.region"),
        ({"agreementAvailability": {"status": "NOT_AVAILABLE"}}, "use-case form"),
        ({"authorizationStatus": "NOT_AUTHORIZED"}, "SCP"),
        ({"entitlementAvailability": "NOT_AVAILABLE"}, "model catalog"),
    ],
)
def test_access_to_a_model_is_looked_at(change: dict[str, Any], words: str) -> None:
    with aws.answering("bedrock") as (client, stubber):
        stubber.add_response(
            "get_foundation_model_availability", {**GOOD, **change}, {"modelId": NAME}
        )
        [finding] = model.look_at_model(NAME, client)
    assert finding.mark is (Mark.WRONG if change else Mark.WELL)
    assert words in finding.fix


def test_of_an_inference_profile_each_model_is_looked_at_once() -> None:
    arn = f"arn:aws:bedrock:eu-west-1::foundation-model/{NAME}"
    profile = {
        "inferenceProfileName": "EU", "inferenceProfileArn": "arn:aws:bedrock:x", "type":
        "SYSTEM_DEFINED", "inferenceProfileId": f"eu.{NAME}", "status": "ACTIVE",
        "models": [{"modelArn": arn}, {"modelArn": arn.replace("west-1", "north-1")}],
    }  # fmt: skip
    with aws.answering("bedrock") as (client, stubber):
        stubber.add_response(
            "get_inference_profile", profile, {"inferenceProfileIdentifier": f"eu.{NAME}"}
        )
        stubber.add_response("get_foundation_model_availability", GOOD, {"modelId": NAME})
        [finding] = model.look_at_model(f"eu.{NAME}", client)
    assert finding.mark is Mark.WELL
    assert "no text was generated" in finding.text


@pytest.mark.parametrize(
    ("name", "call"),
    [(f"eu.{NAME}", "get_inference_profile"), (NAME, "get_foundation_model_availability")],
)
def test_a_model_that_does_not_exist_is_told(name: str, call: str) -> None:
    with aws.answering("bedrock") as (client, stubber):
        stubber.add_client_error(call, "ResourceNotFoundException")
        [finding] = model.look_at_model(name, client)
    assert finding.mark is Mark.WRONG
    assert "aws bedrock list-" in finding.fix


# The machine


@pytest.mark.parametrize(("seconds", "mark"), [(5, Mark.WELL), (-59, Mark.WELL), (61, Mark.WRONG)])
def test_a_clock_that_is_off_is_told(seconds: int, mark: Mark) -> None:
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    [finding] = machine.look_at_clock(date, NOW)
    assert finding.mark is mark


def test_a_server_that_does_not_tell_the_time_shows_nothing() -> None:
    for date in ("", "soon"):
        [finding] = machine.look_at_clock(date, NOW)
        assert finding.mark is Mark.UNSEEN


def test_a_folder_that_can_be_written_is_well_and_is_not_made(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "yet"
    [finding] = machine.look_at_folder(folder)
    assert finding.mark is Mark.WELL
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    [finding] = machine.look_at_folder(tmp_path / "file" / "state")
    assert finding.mark is Mark.WRONG
    assert "AUTORECOVERY_HOME" in finding.fix


# The command


def run(folder: Path, *more: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AUTORECOVERY", "AWS"))}
    return subprocess.run(
        [sys.executable, "-m", "command_line.main", "doctor", "-c", "config.yaml", *more],
        cwd=folder, text=True, capture_output=True, timeout=60, check=False,
        env={**kept, "PYTHONPATH": f"{ROOT}:{ROOT / 'lambda_functions'}", **variables},
    )  # fmt: skip


def test_the_command_says_what_needs_fixing_and_ends_with_5(tmp_path: Path) -> None:
    hook = "notify: { channels: { hook: { webhook: { url: 'env:HOOK' } } } }\n"
    (tmp_path / "config.yaml").write_text(hook, encoding="utf-8")
    bad = run(tmp_path)
    assert bad.returncode == 5
    assert "✖ channel hook, url: env:HOOK: the variable is not set; set HOOK" in bad.stdout
    assert bad.stderr == "1 thing needs fixing\n"
    server = LocalServer()
    with server.running():
        good = run(tmp_path, "--json", HOOK=f"{server.address}/s3cr3t")
    assert (good.returncode, good.stderr) == (0, "")
    content = json.loads(good.stdout)
    assert content["schema_version"] == 1
    assert {each["mark"] for each in content["findings"]} == {"well", "unseen"}
    assert "s3cr3t" not in good.stdout


def test_a_stack_that_cannot_be_read_is_told_and_the_rest_is_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("rules: {}\n", encoding="utf-8")
    bad = run(tmp_path, "--stack", "None", AWS_CONFIG_FILE="none", AWS_EC2_METADATA_DISABLED="true")
    assert bad.returncode == 5
    assert "✖ stack: stack 'None' cannot be read" in bad.stdout


def test_an_invalid_configuration_is_the_first_thing_to_mend(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("rulez: {}\n", encoding="utf-8")
    run_ = run(tmp_path)
    assert run_.returncode == 5
    assert "✖ configuration:" in run_.stdout
    assert "→ autorecovery validate -c config.yaml" in run_.stdout
