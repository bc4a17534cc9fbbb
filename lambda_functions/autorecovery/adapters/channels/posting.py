"""One HTTP request with a JSON body; what it is sent to may be secret, and is told to nobody."""

import json
import logging
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import urllib3

from autorecovery.adapters.secrets import Secret
from autorecovery.errors import ChannelError, SecretError

TIMEOUT_SECONDS = 10

LONGEST_PAUSE_SECONDS = 86_400.0

MOST_BYTES = 65_536
"""Of an answer: more than any service says about one message."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    text: str
    retry_after: float | None = None
    date: str = ""
    """The server's time, as HTTP writes it."""

    @property
    def content(self) -> dict[str, Any]:
        """Return the JSON object that it is; empty where it is none."""
        try:
            content = json.loads(self.text)
        except (ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}


class Posting:
    """Posts JSON, once per call."""

    def __init__(self, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        # Below that level it logs paths, which carry tokens.
        logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=min(3, timeout_seconds), read=timeout_seconds),
            retries=False,
        )

    def post(self, url: str, body: object, service: str) -> Answer:
        """Return the answer; ChannelError, which names the service only, where none came."""
        return self._ask("POST", url, json.dumps(body).encode(), service)

    def reach(self, url: str, service: str) -> Answer:
        """Return what the server of this address says at its front door; nothing is posted."""
        parts = urlsplit(url)
        return self._ask("HEAD", f"{parts.scheme}://{parts.netloc}/", None, service)

    def _ask(self, method: str, url: str, body: bytes | None, service: str) -> Answer:
        if not url.lower().startswith(("https://", "http://")):
            raise _no_address(service)
        try:
            with self._pool.request(
                method, url, body=body, redirect=False, preload_content=False,
                headers={"Content-Type": "application/json; charset=utf-8"},
            ) as answer:  # fmt: skip
                text = answer.read(MOST_BYTES).decode("utf-8", "replace")
                after = seconds(answer.headers.get("Retry-After"))
                return Answer(answer.status, text, after, answer.headers.get("Date", ""))
        except urllib3.exceptions.LocationValueError:
            raise _no_address(service) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            # Not `from`, and not its text: both carry the address, and so the secret.
            told = f"{service} cannot be reached: {type(error).__name__}"
            raise ChannelError(told, retryable=True) from None


def _no_address(service: str) -> ChannelError:
    told = f"{service}: the address is no URL; correct the secret that holds it"
    return ChannelError(told, retryable=False)


def seconds(told: object) -> float | None:
    """Return how long to wait, where that was told in seconds; at most a day."""
    try:
        return min(max(0.0, float(str(told))), LONGEST_PAUSE_SECONDS)
    except ValueError:
        return None


def value_of(secret: Secret) -> str:
    """Return the secret; ChannelError where it cannot be had."""
    try:
        return secret.value()
    except SecretError as error:
        raise ChannelError(str(error), retryable=error.retryable) from error


def is_another(secret: Secret) -> bool:
    """Return whether a secret that was refused has become another one."""
    try:
        return secret.is_another()
    except SecretError:
        return False
