"""A Telegram chat against a server that speaks the Bot API: parts, plain text, moves, trouble."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from autorecovery.adapters.channels.posting import Posting
from autorecovery.adapters.channels.telegram import TelegramApi, TelegramChannel
from autorecovery.errors import ChannelError
from autorecovery.models.delivery import PartlyDeliveredError, Thread
from autorecovery.models.notice import Notice, NoticeKind
from tests.channel_world import Vault, notice
from tests.local_server import HALF_JSON, HTML, RESET, Reply
from tests.telegram_server import CHAT, TOKEN, TelegramServer, refusal


@pytest.fixture
def telegram() -> Iterator[TelegramServer]:
    server = TelegramServer()
    with server.running():
        yield server


def bold(told: Notice) -> list[str]:
    return [f"<b>{told.headline}</b>"]


def channel(
    telegram: TelegramServer, vault: Vault | None = None, form: Any = bold, chat: str = CHAT
) -> TelegramChannel:
    secret = (vault or Vault()).keep(TOKEN)
    api = TelegramApi(secret, Posting(timeout_seconds=0.3), telegram.address)
    return TelegramChannel("phone", chat, api, form)


def opened(told: TelegramChannel) -> Thread:
    thread = told.send(notice(), None)
    assert thread is not None
    return thread


def test_a_notice_is_a_message_in_html_without_previews(telegram: TelegramServer) -> None:
    opened(channel(telegram))
    [message] = telegram.messages
    assert message["text"] == "<b>[CRITICAL] web-1: opened</b>"
    assert message["parse_mode"] == "HTML"
    assert message["link_preview_options"] == {"is_disabled": True}


def test_what_follows_answers_the_first_message(telegram: TelegramServer) -> None:
    told = channel(telegram)
    thread = opened(told)
    told.send(notice(NoticeKind.RECOVERED, 1), told.send(notice(NoticeKind.ASKING, 1), thread))
    answered = [m.get("reply_parameters", {}).get("message_id") for m in telegram.messages]
    assert answered == [None, 1, 1]


def test_a_long_notice_is_several_messages(telegram: TelegramServer) -> None:
    opened(channel(telegram, form=lambda told: ["one", "two", "three"]))
    assert [m["text"] for m in telegram.messages] == ["one", "two", "three"]


def test_parts_that_were_taken_are_not_sent_again(telegram: TelegramServer) -> None:
    told = channel(telegram, form=lambda told: ["one", "two", "three"])
    ok = Reply({"ok": True, "result": {"message_id": 7}})
    telegram.lay_out(ok, refusal(429, "Too Many Requests: retry after 5", retry_after=5))
    with pytest.raises(PartlyDeliveredError) as caught:
        told.send(notice(), None)
    assert (caught.value.retryable, caught.value.after) == (True, 5)
    thread = told.send(notice(), caught.value.thread)
    assert [m["text"] for m in telegram.messages] == ["two", "three"]
    told.send(notice(), thread)
    assert len(telegram.messages) == 2


def test_html_that_telegram_cannot_read_is_sent_as_plain_text(telegram: TelegramServer) -> None:
    opened(channel(telegram, form=lambda told: ["<b>5 &lt; 6</b> < 7"]))
    [message] = telegram.messages
    assert message["text"] == "5 < 6 < 7"
    assert "parse_mode" not in message


def test_a_group_that_moved_is_followed_and_remembered(telegram: TelegramServer) -> None:
    told = channel(telegram)
    thread = opened(told)
    telegram.chats = {"-100999"}
    moved = refusal(
        400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=-100999
    )
    telegram.lay_out(moved)
    after = told.send(notice(NoticeKind.REMINDER, 1), thread)
    assert after is not None
    assert telegram.messages[-1]["chat_id"] == "-100999"
    assert "reply_parameters" not in telegram.messages[-1]
    told.send(notice(NoticeKind.RECOVERED, 2), after)
    assert telegram.messages[-1]["reply_parameters"]["message_id"] == 2


def test_another_chat_in_the_configuration_begins_anew_there(telegram: TelegramServer) -> None:
    thread = opened(channel(telegram))
    telegram.chats = {"@elsewhere"}
    channel(telegram, chat="@elsewhere").send(notice(NoticeKind.REMINDER, 1), thread)
    assert telegram.messages[-1]["chat_id"] == "@elsewhere"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refusal(401, "Unauthorized"), "@BotFather"),
        (refusal(404, "Not Found"), "@BotFather"),
        (refusal(403, "Forbidden: bot was blocked by the user"), "unblock it"),
        (refusal(403, "Forbidden: bot was kicked from the supergroup chat"), "add it again"),
        (refusal(403, "Forbidden: bot is not a member of the channel chat"), "administrator"),
        (refusal(400, "Bad Request: chat not found"), "correct `chat`"),
        (refusal(400, "Bad Request: not enough rights to send text messages"), "may not write"),
        (refusal(400, "Bad Request: message is too long"), "message is too long"),
    ],
)
def test_trouble_that_stays_is_told_with_its_fix(
    answer: Reply, words: str, telegram: TelegramServer
) -> None:
    telegram.lay_out(answer)
    with pytest.raises(ChannelError, match=words) as caught:
        channel(telegram).send(notice(), None)
    assert not caught.value.retryable
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "after"),
    [
        (refusal(429, "Too Many Requests: retry after 35", retry_after=35), 35.0),
        (Reply({"ok": False, "error_code": 429}, 429, {"Retry-After": "4"}), 4.0),
        (Reply({"ok": False, "parameters": "odd"}, 429), None),
        (refusal(500, "Internal Server Error"), None),
        (HTML, None),
        (HALF_JSON, None),
        (Reply("[]"), None),
        (Reply("[" * 50_000), None),
        (Reply({"ok": True, "result": "odd"}), None),
        (Reply({"ok": True}, after_seconds=0.5), None),
        (RESET, None),
    ],
)
def test_trouble_that_passes_is_worth_another_try(
    answer: Reply, after: float | None, telegram: TelegramServer
) -> None:
    telegram.lay_out(answer)
    with pytest.raises(ChannelError) as caught:
        channel(telegram).send(notice(), None)
    assert (caught.value.retryable, caught.value.after) == (True, after)
    assert TOKEN not in str(caught.value)


def test_a_rotated_token_is_used_at_once(telegram: TelegramServer) -> None:
    vault = Vault()
    told = channel(telegram, vault)
    opened(told)
    telegram.tokens = {"9:new"}
    vault.now += timedelta(minutes=1)
    vault.content["token"] = "9:new"
    told.send(notice(NoticeKind.RECOVERED, 1), None)
    assert len(telegram.messages) == 2
