"""The configured channels, as they are really wired: the right adapter, the right rendering."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from autorecovery.adapters.channels.posting import Posting
from autorecovery.adapters.secrets import Secrets
from autorecovery.adapters.sqlite.attempt_log import SqliteAttemptLog
from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.incident_log import SqliteIncidentLog
from autorecovery.adapters.sqlite.notice_log import SqliteNoticeLog
from autorecovery.channels import Channels, heard_over_a_socket, heard_over_http
from autorecovery.config import Configuration
from autorecovery.delivery.report import Archive
from autorecovery.errors import ChannelError, ConfigurationError
from autorecovery.models.notice import Notice, NoticeKind, Question
from autorecovery.models.press import Subject, Word
from autorecovery.ports import Channel
from tests.channel_world import INCIDENT, NOW, notice
from tests.local_server import LocalServer
from tests.slack_server import CHANNEL, SlackServer
from tests.slack_server import TOKEN as SLACK_TOKEN
from tests.telegram_server import CHAT, TelegramServer
from tests.telegram_server import TOKEN as TELEGRAM_TOKEN


class Post:
    """Mailer that keeps what it was given."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Sequence[str], str]] = []

    def send(self, mail_from: str, to: Sequence[str], subject: str, text: str, html: str) -> None:
        self.sent.append((mail_from, to, subject))


def archive() -> Archive:
    """Return a memory in which nothing ever happened."""
    database = Database(None)
    return Archive(
        SqliteIncidentLog(database), SqliteAttemptLog(database), SqliteNoticeLog(database),
        lambda incident, since: [], lambda: NOW,
    )  # fmt: skip


class Wired:
    """All services on this machine, and what makes the channels to them."""

    def __init__(self, slack: SlackServer, telegram: TelegramServer) -> None:
        self.slack, self.telegram, self.post = slack, telegram, Post()
        content = {
            "ops": {
                "slack": {"channel": CHANNEL, "token": "env:SLACK", "signing_secret": "env:SIGN"}
            },
            "hook": {"webhook": {"url": "env:HOOK"}},
            "phone": {"telegram": {"chat": CHAT, "token": "env:TELEGRAM"}},
            "mail": {"ses": {"from": "ops@example.com", "to": ["ann@example.com"]}},
            "other": {"apprise": {"url": "env:OTHER"}},
        }
        self.secrets = {
            "SLACK": SLACK_TOKEN, "TELEGRAM": TELEGRAM_TOKEN, "HOOK": f"{slack.address}/response",
            "OTHER": "nonsense",
        }  # fmt: skip
        self.channels = Channels(
            Configuration.model_validate({"notify": {"channels": content}}),
            Secrets({"env": lambda place: self.secrets[place]}, lambda: NOW),
            mailer=lambda: self.post,
            archive=archive(),
            buttons=heard_over_http,
            slack_url=slack.api,
            telegram_url=telegram.address,
            posting=Posting(1),
        )

    def named(self, name: str) -> Channel:
        return self.channels.named(name)


@pytest.fixture
def wired() -> Iterator[Wired]:
    slack, telegram = SlackServer(), TelegramServer()
    with slack.running(), telegram.running():
        yield Wired(slack, telegram)


def question(**more: Any) -> Notice:
    attempt = Question(f"{INCIDENT}-r1", NOW)
    return notice(NoticeKind.ASKING, question=attempt, **more)


def test_a_question_in_slack_has_buttons_that_say_what_web_reads(wired: Wired) -> None:
    wired.named("ops").send(question(), None)
    [head] = wired.slack.heads
    elements = [e for block in head["blocks"] for e in block.get("elements", ()) if "value" in e]
    assert {e["action_id"] for e in elements} == set(Word)
    for element in elements:
        assert Subject.read(element["value"]) == Subject(INCIDENT, f"{INCIDENT}-r1")


def test_an_analysis_in_slack_only_adds_to_the_thread(wired: Wired) -> None:
    told = wired.named("ops")
    thread = told.send(question(), None)
    before = dict(wired.slack.heads[0])
    told.send(notice(NoticeKind.ANALYSED, 1), thread)
    assert wired.slack.heads == [before]
    assert len(wired.slack.replies) == 2


def test_a_webhook_and_a_telegram_chat_get_their_own_forms(wired: Wired) -> None:
    wired.named("hook").send(notice(), None)
    assert "web-1" in wired.slack.responses[0]["text"]
    wired.named("phone").send(notice(), None)
    assert wired.telegram.messages[0]["parse_mode"] == "HTML"


def test_mail_is_made_by_whoever_can_gather_reports(wired: Wired) -> None:
    wired.named("mail").send(notice(kind=NoticeKind.MESSAGE), None)
    wired.named("mail").send(notice(kind=NoticeKind.DIGEST), None)
    senders, to, subjects = zip(*wired.post.sent, strict=True)
    assert set(senders) == {"ops@example.com"}
    assert to[0] == ("ann@example.com",)
    assert "quiet" in subjects[1]


def test_apprise_gets_the_text(wired: Wired) -> None:
    with pytest.raises(ChannelError, match="env:OTHER"):
        wired.named("other").send(notice(), None)


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_a_log_line_calls_nobody_through_apprise(wired: Wired) -> None:
    service = LocalServer()
    with service.running():
        host = service.address.removeprefix("http://")
        wired.secrets["OTHER"] = f"mmost://{host}/3ccdd113474722377935511fc85d3dd4"
        line = "ERROR @all <@&42> <!here> please ask ann@example.com"
        wired.named("other").send(notice(headline="@here is sick", evidence=(line,)), None)
    [request] = service.requests
    text = request.content["text"]
    assert not [call for call in ("@all", "@here", "<@&", "<!here") if call in text]
    assert "ann@example.com" in text


def test_a_channel_that_is_not_configured_is_told(wired: Wired) -> None:
    with pytest.raises(ConfigurationError, match="there is no channel 'none'"):
        wired.named("none")


def test_buttons_are_heard_where_somebody_listens(wired: Wired) -> None:
    bot = wired.channels.configuration.notify.channels["ops"].slack
    assert bot is not None
    assert heard_over_http(bot)
    assert not heard_over_a_socket(bot)
