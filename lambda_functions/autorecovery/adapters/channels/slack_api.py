"""Slack's Web API with one token: a call is answered, or fails in our words."""

import logging
from http.client import HTTPException
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from autorecovery.adapters.channels.posting import seconds
from autorecovery.adapters.secrets import Secret
from autorecovery.errors import ChannelError, SecretError

SLACK = "https://slack.com/api/"

TIMEOUT_SECONDS = 10

UNAUTHORISED = frozenset(
    {"invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive"}
)
"""Slack does not take the token; after a rotation there may be another one."""

_FOR_NOW = frozenset(
    {
        "ratelimited", "rate_limited", "internal_error", "fatal_error", "request_timeout",
        "service_unavailable", "team_added_to_org", "external_channel_migrating",
    }
)  # fmt: skip

_RENEW = "install the app to the workspace again and put its token where the configuration says"

_FIXES = {
    "invalid_auth": f"Slack does not know the token; {_RENEW}",
    "not_authed": f"there is no token; {_RENEW}",
    "token_revoked": f"the token was revoked; {_RENEW}",
    "token_expired": f"the token has expired; {_RENEW}",
    "account_inactive": f"the bot was removed from the workspace; {_RENEW}",
    "channel_not_found": (
        "there is no such channel, or it is private and the bot is not in it; invite the bot there"
        " (/invite @bot), or correct `channel`"
    ),
    "is_archived": "the channel is archived; unarchive it, or choose another `channel`",
    "not_in_channel": "the bot is not in the channel; invite it there: /invite @bot",
    "missing_scope": "the app lacks a scope; add it in OAuth & Permissions, and install it again",
    "restricted_action": "the workspace does not let the bot post there; ask its administrator",
    "not_allowed_token_type": f"this is not a bot's token (xoxb-…); {_RENEW}",
}  # fmt: skip
"""What is wrong and what to do about it, by Slack's error."""

_QUIET = logging.Logger("slack_sdk", logging.CRITICAL)
"""Whoever calls hears of every failure from us; the SDK need not log it as well."""


class SlackRefusal(ChannelError):
    """Slack answered, and said no; `code` is its word for why."""

    def __init__(
        self, code: str, told: str, *, retryable: bool = False, after: float | None = None
    ) -> None:
        super().__init__(told, retryable=retryable, after=after)
        self.code = code


class SlackApi:
    """Calls Slack once per call: who called decides whether, and when, to call again."""

    def __init__(
        self, token: Secret, base_url: str = SLACK, timeout_seconds: int = TIMEOUT_SECONDS
    ) -> None:
        self._token = token
        self._base_url = base_url
        self._timeout = timeout_seconds

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Return what Slack answers; SlackRefusal where it says no, ChannelError without a word.

        A token that Slack does not take is fetched anew, once.
        """
        try:
            return self._call(method, arguments)
        except SlackRefusal as refusal:
            if refusal.code not in UNAUTHORISED or not self._is_another_token():
                raise
        return self._call(method, arguments)

    def scopes(self) -> frozenset[str]:
        """Return what the token may do, as Slack tells with any answer; of a bad token, why."""
        self.call("auth.test")  # takes up a rotated token
        headers = self._answer("auth.test", {}).headers
        told = next((v for k, v in headers.items() if k.lower() == "x-oauth-scopes"), "")
        return frozenset(scope.strip() for scope in told.split(",") if scope.strip())

    def _is_another_token(self) -> bool:
        try:
            return self._token.is_another()
        except SecretError:
            return False

    def _call(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        data = self._answer(method, arguments).data
        return data if isinstance(data, dict) else {}

    def _answer(self, method: str, arguments: dict[str, Any]) -> Any:
        try:
            token = self._token.value()
        except SecretError as error:
            raise ChannelError(str(error), retryable=error.retryable) from error
        client = WebClient(
            token, base_url=self._base_url, timeout=self._timeout, retry_handlers=[],
            logger=_QUIET,
        )  # fmt: skip
        try:
            return client.api_call(method, json=arguments)
        except SlackApiError as error:
            raise _refusal(method, error.response) from error
        except (SlackClientError, OSError, HTTPException) as error:
            raise ChannelError(f"Slack cannot be reached: {_why(error)}", retryable=True) from error
        except (ValueError, LookupError, AttributeError) as error:
            # What the SDK raises where an answer is JSON of another shape, or in no known charset.
            raise ChannelError("Slack: its answer makes no sense", retryable=True) from error


def _refusal(method: str, answer: Any) -> SlackRefusal:
    data = answer.data if isinstance(answer.data, dict) else {}
    code = str(data.get("error") or "")
    if answer.status_code == 429:
        after = _seconds(answer.headers)
        wait = f"for {after:g} s" if after is not None else "for a while"
        told = f"Slack wants to be left alone {wait}"
        return SlackRefusal("ratelimited", told, retryable=True, after=after)
    if answer.status_code >= 500 or not _is_word(code):
        told = f"Slack: HTTP {answer.status_code} without a usable answer"
        return SlackRefusal("", told, retryable=True)
    if code in _FOR_NOW:
        return SlackRefusal(code, f"Slack: {code}", retryable=True)
    needed = str(data.get("needed", ""))[:200] if code == "missing_scope" else ""
    detail = "; ".join(part for part in (needed, _FIXES.get(code, "")) if part)
    return SlackRefusal(code, f"Slack refused {method}: {code}{f' ({detail})' if detail else ''}")


def _is_word(code: str) -> bool:
    """Return whether this is an error of Slack's; the SDK puts pages of HTML in its place."""
    return 0 < len(code) <= 80 and code.replace("_", "").isalnum() and code.isascii()


def _seconds(headers: Any) -> float | None:
    return seconds(next((v for k, v in headers.items() if k.lower() == "retry-after"), None))


def _why(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return str(reason)[:200] or type(reason).__name__
