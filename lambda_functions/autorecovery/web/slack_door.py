"""The door at which Slack knocks: who is let in, by signature, and what is done then."""

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qs

from slack_sdk.signature import Clock as SlackClock
from slack_sdk.signature import SignatureVerifier

from autorecovery.config.notify import SlackBot
from autorecovery.errors import ChannelError, SecretError
from autorecovery.people import People
from autorecovery.ports import Clock
from autorecovery.web.slack_actions import press

MOST_BYTES = 1_000_000
"""Of a body: Slack's are far below, and nothing larger is worth a signature."""


class SigningSecret(Protocol):
    """One app's signing secret."""

    def value(self) -> str:
        """Return it; SecretError where it cannot be had."""

    def is_another(self) -> bool:
        """Return whether it has been rotated."""


@dataclass(frozen=True)
class SlackDoor:
    """Hears presses of buttons that Slack vouches for."""

    bots: Sequence[tuple[SlackBot, SigningSecret]]
    app: People
    clock: Clock
    say: Callable[[str, Mapping[str, Any]], None]
    """Say something at a response_url; ChannelError where it was not taken."""
    report: Callable[[str, dict[str, Any]], None]

    def knock(self, headers: Mapping[str, str], body: str, *, is_base64: bool) -> int:
        """Return the HTTP status for this request, once what it asks for is done."""
        raw = _bytes(body, is_base64=is_base64)
        if raw is None:
            return 400
        vouched = [bot for bot, secret in self.bots if self._is_signed(raw, headers, secret)]
        if not vouched:
            self.report("refused: no valid signature", {})
            return 401
        payload = _payload(raw)
        if payload is None:
            return 400
        self.hear(payload, vouched)
        return 200

    def hear(self, payload: object, vouched: Sequence[SlackBot]) -> None:
        """Act on a payload of Slack's, and tell Slack what came of it."""
        said = press(payload, vouched, self.app)
        if said is None:
            self.report("nothing to act on", {})
            return
        told = {"said": said.content["text"][:300]}
        try:
            self.say(said.url, said.content)
        except ChannelError as error:
            told["not_shown"] = str(error)  # what was decided stands; the next notice shows it
        self.report("a button was pressed", told)

    def _is_signed(self, raw: bytes, headers: Mapping[str, str], secret: SigningSecret) -> bool:
        try:
            if self._is_valid(raw, headers, secret.value()):
                return True
            return secret.is_another() and self._is_valid(raw, headers, secret.value())
        except SecretError as error:
            self.report(f"cannot verify: {error}", {})
            return False

    def _is_valid(self, raw: bytes, headers: Mapping[str, str], secret: str) -> bool:
        verifier = SignatureVerifier(secret, _At(self.clock))
        try:
            return verifier.is_valid_request(raw, dict(headers))
        except (ValueError, TypeError):
            return False  # a timestamp that is no number, a signature that is not ASCII


class _At(SlackClock):
    """The verifier's clock, told by ours."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self._clock().timestamp()


def _bytes(body: str, *, is_base64: bool) -> bytes | None:
    """Return the body as it was sent: the signature is over these very bytes."""
    if len(body) > 2 * MOST_BYTES:
        return None
    try:
        raw = base64.b64decode(body, validate=True) if is_base64 else body.encode()
    except (binascii.Error, ValueError):
        return None
    return raw if len(raw) <= MOST_BYTES else None


def _payload(raw: bytes) -> object | None:
    try:
        form = parse_qs(raw.decode("utf-8"), strict_parsing=True, max_num_fields=10)
        payload: object = json.loads(form["payload"][0])
    except (ValueError, KeyError, RecursionError):
        return None
    return payload
