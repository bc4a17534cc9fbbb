"""A Telegram chat that a bot writes to: HTML, split at Telegram's limit by whoever rendered it."""

import html
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from autorecovery.adapters.channels.posting import (
    Answer,
    Posting,
    is_another,
    seconds,
    value_of,
)
from autorecovery.adapters.secrets import Secret
from autorecovery.errors import ChannelError
from autorecovery.models.delivery import PartlyDeliveredError, Thread
from autorecovery.models.notice import Notice

TELEGRAM = "https://api.telegram.org"

LIMIT = 4096
"""Characters of one message."""

_TAG = re.compile(r"</?[a-z][^>]*>")

_FIXES = (
    ("unauthorized", "Telegram does not know the token; ask @BotFather for one"),
    ("bot was blocked", "whoever it is for has blocked the bot; unblock it, and press Start"),
    ("bot was kicked", "the bot was removed from the group; add it again"),
    ("bot is not a member", "the bot is not in the channel; add it as an administrator"),
    ("chat not found", "there is no such chat, or the bot is not in it; correct `chat`"),
    ("user is deactivated", "that account is gone; correct `chat`"),
    ("can't initiate conversation", "press Start in a chat with the bot once"),
    ("have no rights", "the bot may not write there; let it send messages"),
    ("not enough rights", "the bot may not write there; let it send messages"),
    ("group chat was deactivated", "the group is gone; correct `chat`"),
)  # fmt: skip


class TelegramApi:
    """Calls Telegram's Bot API once per call."""

    def __init__(self, token: Secret, posting: Posting, base_url: str = TELEGRAM) -> None:
        self._token = token
        self._posting = posting
        self._base_url = base_url

    def call(self, method: str, **arguments: Any) -> Answer:
        """Return what Telegram answers; a token that it does not take is fetched anew, once."""
        answer = self._post(method, arguments)
        if answer.status in (401, 404) and is_another(self._token):
            answer = self._post(method, arguments)
        return answer

    def _post(self, method: str, arguments: dict[str, Any]) -> Answer:
        url = f"{self._base_url}/bot{value_of(self._token)}/{method}"
        return self._posting.post(url, arguments, "Telegram")


class TelegramChannel:
    """Channel over one chat. Each notice is messages of its own, the later ones in reply."""

    def __init__(
        self, name: str, chat: str, api: TelegramApi, form: Callable[[Notice], Sequence[str]]
    ) -> None:
        self.name = name
        self._chat = chat
        self._api = api
        self._form = form

    def send(self, notice: Notice, thread: Thread | None) -> Thread | None:
        """See Channel.send. The first message of a conversation is what later ones answer.

        PartlyDeliveredError where only the first of its messages were taken.
        """
        if thread is None or thread.facts.get("chat") != self._chat:
            thread = Thread(self.name, notice.thread, "", notice.at, {"chat": self._chat})
        begun = thread.facts.get("notice") == notice.id
        sent = int(thread.facts["parts"]) if begun else 0
        for number, part in enumerate(list(self._form(notice))[sent:], start=sent + 1):
            try:
                reference = self._tell(part, thread.reference)
            except ChannelError as error:
                raise (error if number == 1 else PartlyDeliveredError(error, thread)) from error
            facts = {**thread.facts, "notice": notice.id, "parts": str(number)}
            thread = replace(thread, reference=reference, facts=facts)
        return thread

    def _tell(self, part: str, reference: str) -> str:
        """Send one message and return the reference of the first one of its conversation."""
        moved_to, _, first = reference.partition("/")
        chat = moved_to or self._chat
        answer = self._send(part, chat, first)
        if moved := _parameters(answer).get("migrate_to_chat_id"):
            # A group that became a supergroup has another id, and old messages stayed behind.
            chat, first = str(moved), ""
            answer = self._send(part, chat, first)
        result = answer.content.get("result")
        if answer.status != 200 or not isinstance(result, dict):
            raise refusal(answer)
        return f"{chat}/{first or result.get('message_id', '')}"

    def _send(self, part: str, chat: str, first: str) -> Answer:
        """Send it as HTML, and where Telegram cannot read that, as plain text."""
        arguments: dict[str, Any] = {
            "chat_id": chat, "link_preview_options": {"is_disabled": True},
        }  # fmt: skip
        if first:
            arguments["reply_parameters"] = {
                "message_id": int(first), "allow_sending_without_reply": True,
            }  # fmt: skip
        answer = self._api.call("sendMessage", text=part, parse_mode="HTML", **arguments)
        if answer.status == 400 and "parse entities" in description(answer):
            plain = html.unescape(_TAG.sub("", part))[:LIMIT]
            answer = self._api.call("sendMessage", text=plain, **arguments)
        return answer


def description(answer: Answer) -> str:
    """Return what Telegram says about a failure, in small letters."""
    return str(answer.content.get("description", ""))[:300].lower()


def refusal(answer: Answer) -> ChannelError:
    """Return in our words why Telegram did not do it."""
    if answer.status == 429:
        after = seconds(_parameters(answer).get("retry_after")) or answer.retry_after
        return ChannelError("Telegram wants to be left alone", retryable=True, after=after)
    if answer.status >= 500 or answer.content.get("ok") is not False:
        told = f"Telegram: HTTP {answer.status} without a usable answer"
        return ChannelError(told, retryable=True)
    said = description(answer)
    if said == "not found":
        said = "unauthorized"  # a token of another shape is a path that does not exist
    fix = next((fix for word, fix in _FIXES if word in said), "")
    shown = "".join(c if c.isprintable() else " " for c in said)
    return ChannelError(
        f"Telegram refused it: {shown}{f' ({fix})' if fix else ''}", retryable=False
    )


def _parameters(answer: Answer) -> dict[str, Any]:
    told = answer.content.get("parameters")
    return told if isinstance(told, dict) else {}
