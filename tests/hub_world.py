"""A hub over a real database in a folder, asked as an HTTP API would ask."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.notice_log import SqliteNoticeLog
from autorecovery.config import Ingest
from autorecovery.errors import StoreError
from autorecovery.models.readings import Batch, HostSample
from autorecovery.web.access import Access
from autorecovery.web.hub import Hub
from autorecovery.web.hub_routes import hub_routes
from autorecovery.web.routes import serve
from local_runtime.history.keeper import HistoryKeeper
from local_runtime.hub import open_history

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
OPERATOR = "operator-token-0123456789"
TOKENS = {"web-1": "token-of-web-1-0123456789", "web-2": "token-of-web-2-0123456789"}


@dataclass(frozen=True)
class KeptToken:
    """A token that is known."""

    text: str

    def value(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    content: dict[str, Any]


class HubWorld:
    """A hub, what it handed to triage, and a clock that stands."""

    def __init__(self, folder: Path, *, is_open: bool = False, **settings: Any) -> None:
        self.now = NOON
        self.settings = Ingest.model_validate(settings)
        self.history = open_history({"AUTORECOVERY_HOME": str(folder)})
        self.notices = SqliteNoticeLog(Database(None))
        self.delivered: list[dict[str, Any]] = []
        self.failures: list[Exception] = []
        self.triage_is_away = False
        kept = {} if is_open else {name: KeptToken(text) for name, text in TOKENS.items()}
        access = Access(
            kept,
            None if is_open else KeptToken(OPERATOR),
            [ip_network(each) for each in self.settings.allow_from],
            is_open,
        )
        self.hub = Hub(
            self.settings, access, self.history, self.history, self.notices, self._deliver,
            lambda: self.now,
        )  # fmt: skip
        self._api = serve([hub_routes(self.hub)], self.failures.append)

    def _deliver(self, event: dict[str, Any]) -> None:
        if self.triage_is_away:
            raise StoreError("away", retryable=True)
        self.delivered.append(event)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = "",
        *,
        token: str = "",
        headers: Mapping[str, str] | None = None,
        source: str = "203.0.113.9",
        **query: str,
    ) -> Answer:
        """Return the answer to one request."""
        sent = {"authorization": f"Bearer {token}"} if token else {}
        found = self._api.resolve(
            {
                "version": "2.0",
                "rawPath": path,
                "rawQueryString": urlencode(query),
                "queryStringParameters": query,
                "headers": {**sent, **(headers or {})},
                "requestContext": {
                    "stage": "$default",
                    "http": {"method": method, "path": path, "sourceIp": source},
                },
                "body": body if isinstance(body, str) else json.dumps(body),
                "isBase64Encoded": False,
            },
            None,  # type: ignore[arg-type]  # nobody asks for the context
        )
        return Answer(found["statusCode"], json.loads(found["body"]))

    def send(self, content: Any, token: str | None = None) -> Answer:
        """Send a batch, with the token of its host unless said."""
        own = TOKENS.get(content.get("host", ""), "") if isinstance(content, dict) else ""
        return self.ask("POST", "/api/v1/ingest", content, token=own if token is None else token)

    def read(self, path: str, **query: str) -> Answer:
        """Ask as the operator."""
        return self.ask("GET", path, token=OPERATOR, **query)  # type: ignore[arg-type]

    def keeper(self, most_bytes: int = 10**9) -> HistoryKeeper:
        """Return who keeps the history in shape."""
        return HistoryKeeper(self.history, most_bytes)


def batch_content(at: datetime = NOON, key: str = "k1", **more: Any) -> dict[str, Any]:
    """Return a batch as agents send it: fifteen seconds, the last of them at `at`."""
    samples = [
        {
            "at": (at - (14 - second) * SECOND).isoformat(timespec="milliseconds"),
            "seconds": 1,
            "metrics": {"cpu_usage_active": 10 + second, "mem_used_percent": 40},
        }
        for second in range(15)
    ]
    return {
        "schema_version": 1, "host": "web-1", "agent": "web-1", "key": key, "late": False,
        "sent_at": at.isoformat(), "interval_seconds": 15, "samples": samples, "containers": [],
        "conditions": [], "processes": [], "unread": {}, "summary": {}, **more,
    }  # fmt: skip


def monitor_content(**more: Any) -> dict[str, Any]:
    """Return what an agent of `/monitor_info` sends at noon."""
    written = "2026-03-02 12:00:00"
    container = {
        "engine_type": "docker", "agent_id": "web-1", "node_name": "n1",
        "container_name": "nginx", "status": "running", "con_cpu_percent": 1050.25,
        "con_memory_usage": 50.2, "con_memory_percent": 0.6, "con_get_datetime": written,
    }  # fmt: skip
    return {
        "engine_type": "docker", "agent_id": "web-1", "ser_cpu_count": 4,
        "ser_cpu_percent": 45.2, "ser_memory_total": 8192, "ser_memory_used": 4096,
        "ser_memory_percent": 50.0, "ser_get_datetime": written, "container_stats": [container],
        **more,
    }  # fmt: skip


def measured(
    values: Mapping[int, float], host: str = "web-1", metric: str = "cpu_usage_active",
    key: str = "k", start: datetime = NOON,
) -> Batch:  # fmt: skip
    """Return a batch with one value at each of these seconds after the start."""
    samples = tuple(
        HostSample(start + second * SECOND, {metric: value}) for second, value in values.items()
    )
    return Batch(host, key, samples, 15 * SECOND)
