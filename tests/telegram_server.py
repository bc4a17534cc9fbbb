"""Telegram's Bot API on this machine: one bot, one chat, and the errors it gives."""

from typing import Any

from tests.local_server import LocalServer, Reply, Request

TOKEN = "123456:good"
CHAT = "-1001234567890"


def refusal(code: int, description: str, **parameters: Any) -> Reply:
    """Return what Telegram answers where it says no."""
    content: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
    return Reply({**content, **({"parameters": parameters} if parameters else {})}, code)


class TelegramServer(LocalServer):
    """A bot that may write to some chats."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = {TOKEN}
        self.chats = {CHAT}
        self.messages: list[dict[str, Any]] = []

    def answer(self, request: Request) -> Reply:
        """See LocalServer.answer."""
        _, bot, method = request.path.split("/")
        if bot.removeprefix("bot") not in self.tokens:
            return refusal(401, "Unauthorized")
        if method == "getMe":
            return Reply({"ok": True, "result": {"id": 1, "is_bot": True, "username": "ar_bot"}})
        content = request.content
        if content["chat_id"] not in self.chats:
            return refusal(400, "Bad Request: chat not found")
        if method == "getChat":
            return Reply({"ok": True, "result": {"id": CHAT, "type": "supergroup", "title": "ops"}})
        if len(content["text"]) > 4096:
            return refusal(400, "Bad Request: message is too long")
        if content.get("parse_mode") and content["text"].count("<") != content["text"].count(">"):
            return refusal(400, "Bad Request: can't parse entities: unclosed start tag")
        self.messages.append(content)
        return Reply({"ok": True, "result": {"message_id": len(self.messages)}})
