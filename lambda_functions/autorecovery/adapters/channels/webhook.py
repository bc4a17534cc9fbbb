"""A Slack-compatible incoming webhook: each notice is a message of its own.

Slack answers in plain text, Mattermost in JSON; both say `ok` in a body or with the status alone.
"""

from collections.abc import Callable
from typing import Any

from autorecovery.adapters.channels.posting import Answer, Posting, is_another, value_of
from autorecovery.adapters.channels.slack import SHORT, Message
from autorecovery.adapters.secrets import Secret
from autorecovery.errors import ChannelError
from autorecovery.models.delivery import Thread
from autorecovery.models.notice import Notice

_NEW = "make a new webhook and put its address where the configuration says"

_FIXES = {
    "no_service": f"the webhook was removed or switched off; {_NEW}",
    "no_active_hooks": f"the webhook was switched off; {_NEW}",
    "no_team": f"the workspace is gone; {_NEW}",
    "invalid_token": f"the address is not one of a webhook; {_NEW}",
    "team_disabled": f"the workspace is disabled; {_NEW}",
    "channel_not_found": f"its channel was deleted; {_NEW}",
    "channel_is_archived": "its channel is archived; unarchive it, or make a new webhook",
    "action_prohibited": "the workspace does not allow it; ask its administrator",
    "posting_to_general_channel_denied": "the workspace keeps #general for others; choose another",
}  # fmt: skip


class WebhookChannel:
    """Channel over an incoming webhook, which can neither change a message nor answer in it."""

    def __init__(
        self, name: str, url: Secret, form: Callable[[Notice], Message], posting: Posting
    ) -> None:
        self.name = name
        self._url = url
        self._form = form
        self._posting = posting

    def send(self, notice: Notice, thread: Thread | None) -> None:
        """See Channel.send."""
        message = self._form(notice)
        body: dict[str, Any] = {"text": message.text}
        if message.blocks:
            body["blocks"] = list(message.blocks)
        answer = self._post(body)
        if answer.status == 400 and (message.blocks or len(message.text) > SHORT):
            answer = self._post({"text": message.text[:SHORT]})
        if answer.status >= 300:
            raise _refusal(answer)

    def _post(self, body: dict[str, Any]) -> Answer:
        answer = self._posting.post(value_of(self._url), body, "the webhook")
        if answer.status in (401, 403, 404, 410) and is_another(self._url):
            answer = self._posting.post(value_of(self._url), body, "the webhook")
        return answer


def _refusal(answer: Answer) -> ChannelError:
    if answer.status == 429:
        told = "the webhook wants to be left alone for a while"
        return ChannelError(told, retryable=True, after=answer.retry_after)
    if answer.status >= 500:
        return ChannelError(f"the webhook: HTTP {answer.status}", retryable=True)
    code = _word(answer)
    detail = _FIXES.get(code, _NEW if answer.status in (403, 404, 410) else "")
    said = f"{answer.status} {code}".rstrip()
    return ChannelError(
        f"the webhook refused it: {said}{f' ({detail})' if detail else ''}", retryable=False
    )


def _word(answer: Answer) -> str:
    """Return Slack's plain word for why, or the id that Mattermost gives; nothing else is shown."""
    told = answer.text.strip() or ""
    if answer.content:
        told = str(answer.content.get("id", ""))
    known = len(told) <= 120 and told.replace("_", "").replace(".", "").isalnum()
    return told if known and told.isascii() else ""
