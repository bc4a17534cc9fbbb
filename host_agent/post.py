"""One batch to the hub by HTTP, and what its answer means for the batch."""

import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 10.0
PATH = "/api/v1/ingest"
MOST_ANSWER = 64 << 10


class Fate(StrEnum):
    """What becomes of a batch."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    """It will never be taken: it is given up."""
    WAITS = "waits"
    """The hub is away, busy, or does not let us in: it is kept and tried again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of sending one batch."""

    fate: Fate
    why: str = ""
    again_in: float | None = None
    """Seconds until the next one, as the hub wishes."""
    resolution: int | None = None
    """Seconds between samples, as the hub wishes."""


Post = Callable[[dict[str, Any]], Outcome]


class HubError(ValueError):
    """No hub can be reached at such an address; says why."""


def poster(
    url: str,
    token: str,
    *,
    ca_file: str = "",
    allow_plain_http: bool = False,
    timeout: float = TIMEOUT_SECONDS,
) -> Post:
    """Return what sends a batch to the hub at `url`; HubError where it must not be tried."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise HubError(f"{url}: expected an address such as https://hub.example.com")
    is_near = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme == "http" and token and not is_near and not allow_plain_http:
        raise HubError(
            f"{url}: the token would cross the network in the clear; use https"
            " (or, on a network of your own, hub.allow_plain_http)"
        )
    path = parts.path.rstrip("/") + PATH

    def connect() -> http.client.HTTPConnection:
        assert parts.hostname
        if parts.scheme == "http":
            return http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
        import ssl

        context = ssl.create_default_context(cafile=ca_file or None)
        return http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=timeout, context=context
        )

    def post(batch: dict[str, Any]) -> Outcome:
        body = json.dumps(batch, separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": str(batch.get("key"))}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        connection = connect()
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            return _outcome(
                answer.status, answer.headers.get("Retry-After"), answer.read(MOST_ANSWER)
            )
        except (OSError, http.client.HTTPException) as error:
            return Outcome(Fate.WAITS, f"{url}: {error or type(error).__name__}")
        finally:
            connection.close()

    return post


def _outcome(status: int, retry_after: str | None, body: bytes) -> Outcome:
    content = _content(body)
    if 200 <= status < 300:
        again_in = _number(content.get("next_in_seconds"))
        resolution = _number(content.get("resolution_seconds"))
        return Outcome(Fate.DELIVERED, "", again_in, int(resolution) if resolution else None)
    why = f"HTTP {status}: {str(content.get('reason') or content.get('message') or '')[:200]}"
    if status in (400, 409, 413, 415, 422):
        return Outcome(Fate.REFUSED, why)
    if status in (401, 403):
        why += " (is AUTORECOVERY_TOKEN this host's token?)"
    return Outcome(Fate.WAITS, why, _number(retry_after))


def _content(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _number(value: object) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return min(max(number, 1.0), 3600.0) if number == number else None
