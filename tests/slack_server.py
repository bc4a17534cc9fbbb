"""Slack's Web API on this machine: tokens, channels, messages, and the errors it documents."""

from collections.abc import Mapping
from typing import Any

from tests.local_server import LocalServer, Reply, Request

TOKEN = "xoxb-good"
CHANNEL = "C024BE91L"

Message = dict[str, Any]


def refusal(error: str, **more: Any) -> Reply:
    """Return what Slack answers where it says no: HTTP 200, and a word."""
    return Reply({"ok": False, "error": error, **more})


def rate_limited(seconds: str = "30") -> Reply:
    """Return what Slack answers where it is asked too often."""
    return Reply({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": seconds})


class SlackServer(LocalServer):
    """One workspace with one channel."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = {TOKEN}
        self.scopes = "chat:write,channels:read"
        self.channel: dict[str, Any] | None = {
            "id": CHANNEL, "name": "ops", "is_archived": False, "is_member": True,
        }  # fmt: skip
        self.messages: dict[str, Message] = {}
        self.refused: dict[str, list[Reply]] = {}
        self.responses: list[dict[str, Any]] = []
        self.socket_url = ""
        """What is POSTed to a response_url of ours."""

    @property
    def api(self) -> str:
        """Return the base URL of the Web API."""
        return f"{self.address}/api/"

    def refuse(self, method: str, *replies: Reply) -> None:
        """Answer the next calls of this method with these, one each."""
        self.refused.setdefault(method, []).extend(replies)

    @property
    def heads(self) -> list[Message]:
        """Return the messages of the channel, as they now stand."""
        return [m for m in self.messages.values() if "thread_ts" not in m]

    @property
    def replies(self) -> list[Message]:
        """Return the messages in threads."""
        return [m for m in self.messages.values() if "thread_ts" in m]

    def answer(self, request: Request) -> Reply:
        """See LocalServer.answer."""
        _, _, name = request.path.rpartition("/")
        if request.path.startswith("/response"):
            self.responses.append(request.content)
            return Reply("ok")
        if laid_out := self.refused.get(name):
            return laid_out.pop(0)
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return refusal("invalid_auth")
        return getattr(self, name.replace(".", "_"))(request.content)  # type: ignore[no-any-return]

    def auth_test(self, content: Mapping[str, Any]) -> Reply:
        told = {"ok": True, "team": "Shop", "user": "autorecovery", "bot_id": "B1", "user_id": "U1"}
        return Reply(told, headers={"x-oauth-scopes": self.scopes})

    def apps_connections_open(self, content: Mapping[str, Any]) -> Reply:
        return Reply({"ok": True, "url": self.socket_url})

    def conversations_info(self, content: Mapping[str, Any]) -> Reply:
        if self.channel is None or content["channel"] != self.channel["id"]:
            return refusal("channel_not_found")
        return Reply({"ok": True, "channel": self.channel})

    def chat_postMessage(self, content: Mapping[str, Any]) -> Reply:
        if (why := self._why_not(content)) is not None:
            return why
        ts = f"1700000000.{len(self.messages):06d}"
        self.messages[ts] = dict(content)
        return Reply({"ok": True, "channel": content["channel"], "ts": ts, "message": {}})

    def chat_update(self, content: Mapping[str, Any]) -> Reply:
        if (why := self._why_not(content)) is not None:
            return why
        if content["ts"] not in self.messages:
            return refusal("message_not_found")
        self.messages[content["ts"]].update(content)
        return Reply({"ok": True, "channel": content["channel"], "ts": content["ts"]})

    def _why_not(self, content: Mapping[str, Any]) -> Reply | None:
        if self.channel is None or content["channel"] != self.channel["id"]:
            return refusal("channel_not_found")
        if self.channel["is_archived"]:
            return refusal("is_archived")
        if not content.get("text") and not content.get("blocks"):
            return refusal("no_text")
        if len(content.get("text", "")) > 40_000:
            return refusal("msg_too_long")
        return None if len(content.get("blocks", ())) <= 50 else refusal("invalid_blocks")
