"""Slack's buttons by Socket Mode, against a server that speaks it: heard, acknowledged, renewed."""

import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from queue import Queue
from typing import Any

import pytest

from autorecovery.config import Configuration
from autorecovery.models.press import Word
from local_runtime.slack_socket import SlackSocket, listen
from tests.channel_world import Vault
from tests.integration.test_web_api import Desk
from tests.local_server import RESET
from tests.slack_presses import payload
from tests.slack_server import CHANNEL, SlackServer, rate_limited, refusal
from tests.web_socket_server import WebSocketServer

# Ending the SDK's threads takes it up to three seconds; sockets it replaced are left to the garbage
# collector.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

APP_TOKEN = "xapp-good"


class Line:
    """Slack, its socket, and what was heard."""

    def __init__(self, slack: SlackServer, server: WebSocketServer) -> None:
        self.slack, self.server, self.vault = slack, server, Vault()
        self.heard: Queue[Any] = Queue()

    def listener(self, hear: Callable[[Any], None] | None = None) -> SlackSocket:
        token, quick = self.vault.keep(APP_TOKEN), {"look_seconds": 0.2, "ping_seconds": 0.2}
        return SlackSocket(token, hear or self.heard.put, self.slack.api, **quick)

    def press(self, connection: socket.socket, number: int = 1) -> None:
        envelope = {
            "type": "interactive", "envelope_id": f"e{number}", "accepts_response_payload": True,
            "payload": {"type": "block_actions", "number": number},
        }  # fmt: skip
        self.server.send(connection, envelope)


@pytest.fixture
def line() -> Iterator[Line]:
    slack, server = SlackServer(), WebSocketServer()
    slack.tokens = {APP_TOKEN}
    with slack.running(), server.running():
        slack.socket_url = server.url
        yield Line(slack, server)


def test_a_press_is_acknowledged_and_heard_also_after_slack_renews_the_connection(
    line: Line,
) -> None:
    listening = line.listener()
    first = line.server.next_connection()
    line.press(first)
    assert line.server.told.get(timeout=5) == {"envelope_id": "e1"}
    assert line.heard.get(timeout=5)["number"] == 1
    line.server.send(first, {"type": "disconnect", "reason": "refresh_requested"})
    second = line.server.next_connection()
    line.press(second, 2)
    assert line.server.told.get(timeout=5) == {"envelope_id": "e2"}
    assert line.heard.get(timeout=5)["number"] == 2
    listening.close()


def test_a_connection_that_breaks_is_made_again(line: Line) -> None:
    listening = line.listener()
    line.server.next_connection().shutdown(socket.SHUT_RDWR)
    line.press(line.server.next_connection(), 2)
    assert line.heard.get(timeout=5)["number"] == 2
    listening.close()


def test_what_is_no_press_is_acknowledged_only(line: Line) -> None:
    listening = line.listener()
    connection = line.server.next_connection()
    envelope = {"type": "events_api", "envelope_id": "e0", "payload": {}}
    line.server.send(connection, envelope)
    assert line.server.told.get(timeout=5) == {"envelope_id": "e0"}
    line.press(connection)
    assert line.heard.get(timeout=5)["number"] == 1
    listening.close()


def test_a_press_that_fails_is_logged_and_others_are_heard(
    line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    def fail_first(payload: Any) -> None:
        line.heard.put(payload)
        if payload["number"] == 1:
            raise RuntimeError("unforeseen")

    listening = line.listener(fail_first)
    connection = line.server.next_connection()
    line.press(connection, 1)
    line.press(connection, 2)
    assert {line.heard.get(timeout=5)["number"] for _ in range(2)} == {1, 2}
    listening.close()
    assert "unforeseen" in caplog.text


def test_trouble_at_the_start_is_waited_for(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    line.slack.refuse("apps.connections.open", refusal("internal_error"), rate_limited("60"), RESET)
    line.server.refuse_next = 1
    listening = line.listener()
    line.press(line.server.next_connection())
    assert line.heard.get(timeout=10)["number"] == 1
    listening.close()
    assert "Slack's buttons are not heard: internal_error" in caplog.text
    assert APP_TOKEN not in caplog.text


def test_a_token_that_is_mended_is_taken_up(line: Line) -> None:
    line.slack.tokens = set()
    listening = line.listener()
    while not line.slack.requests:
        assert not line.slack.laid_out
    line.vault.content["token"] = "xapp-new"
    line.slack.tokens = {"xapp-new"}
    line.vault.now += timedelta(minutes=1)
    line.press(line.server.next_connection())
    assert line.heard.get(timeout=10)["number"] == 1
    listening.close()


def test_it_can_be_ended_while_slack_is_away(line: Line) -> None:
    line.slack.tokens = set()
    line.listener().close()


# What is listened to


def configuration(**channels: dict[str, Any]) -> Configuration:
    return Configuration.model_validate({"notify": {"channels": channels}})


def test_without_an_app_token_nobody_listens(line: Line) -> None:
    bot = {"channel": CHANNEL, "token": "env:T"}
    desk = Desk(line.slack)
    assert listen(configuration(ops={"slack": bot}), line.vault.secrets, desk.people) == ()


def test_one_app_is_listened_to_once_and_a_press_decides(line: Line) -> None:
    bot = {"channel": CHANNEL, "token": "env:T", "app_token": "env:APP"}
    other = {**bot, "channel": "C0THER00"}
    desk = Desk(line.slack)
    vault = Vault({"APP": APP_TOKEN})
    secrets = type(vault.secrets)({"env": vault.read}, lambda: vault.now)
    both = configuration(ops={"slack": bot}, others={"slack": other})
    [listening] = listen(both, secrets, desk.people, line.slack.api)
    connection = line.server.next_connection()
    content = payload(Word.APPROVE, desk.subject())
    envelope = {"type": "interactive", "envelope_id": "e1", "payload": content}
    line.server.send(connection, envelope)
    assert line.server.told.get(timeout=5) == {"envelope_id": "e1"}
    listening.close()
    assert desk.approved is True
