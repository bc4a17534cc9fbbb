"""Triage of a subscription payload of 10,000 lines, against the least that reading it can cost.

The floor decompresses the payload and parses with orjson every line, and the document around them,
without which there are no lines. A second floor leaves that document out: gunzip and lines alone.
"""

import base64
import gzip
import json
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from autorecovery.config import load
from autorecovery.ports import Presence
from autorecovery.triage.run import Triage, triage
from tests.bench.ratios import finish, median_ratio, report
from tests.fakes import FixedDirectory, ListedDeadLetters, RecordingStarter, WatchedIncidentLog

LINES, HOSTS, ROUNDS, BOUND = 10_000, 40, 31, 3.0
NOW = datetime(2026, 1, 15, 3, 5, tzinfo=UTC)
CONFIG = Path(__file__).resolve().parents[2] / "config.yaml"
METRICS = ("CPUUtilization", "mem_used_percent", "disk_used_percent", "NetworkIn", "queue_depth")


def payload(breaching: int) -> dict[str, Any]:
    """Return the event of a log batch in which so many lines break a rule."""
    chance = random.Random(7)
    sick = set(chance.sample(range(LINES), breaching))
    started = int(NOW.timestamp() * 1000) - LINES
    batch = {
        "messageType": "DATA_MESSAGE",
        "owner": "111122223333",
        "logGroup": "/shop/metrics",
        "logStream": "fleet/app",
        "subscriptionFilters": ["shop"],
        "logEvents": [
            {"id": f"{number:056d}", "timestamp": started + number, "message": message}
            for number, message in enumerate(line(n, chance, n in sick) for n in range(LINES))
        ],
    }
    data = base64.b64encode(gzip.compress(json.dumps(batch).encode(), 6)).decode()
    return {"awslogs": {"data": data}}


def line(number: int, chance: random.Random, is_sick: bool) -> str:
    """Return one flat line, as applications write them."""
    metric = METRICS[0] if is_sick else METRICS[number % len(METRICS)]
    record = {
        "timestamp": f"2026-01-15T03:04:{number % 60:02d}.000Z",
        "instance_id": f"i-{number % HOSTS:017x}",
        "metric": metric,
        "value": 97.5 if is_sick else round(chance.uniform(1, 79), 1),
        "unit": "Percent",
    }
    return json.dumps(record)


def floor(compressed: bytes, *, with_document: bool) -> Callable[[], float]:
    """Return a timer of the least work: gunzip, and orjson on every line."""
    messages = [e["message"] for e in orjson.loads(gzip.decompress(compressed))["logEvents"]]

    def run() -> float:
        started = time.perf_counter()
        content = gzip.decompress(compressed)
        if with_document:
            for event in orjson.loads(content)["logEvents"]:
                orjson.loads(event["message"])
        else:
            for message in messages:
                orjson.loads(message)
        return time.perf_counter() - started

    return run


def product(event: dict[str, Any], app: Triage) -> float:
    """Return the seconds that triage takes for the event."""
    started = time.perf_counter()
    outcome = triage(event, app)
    seconds = time.perf_counter() - started
    assert outcome.signals == LINES, outcome
    return seconds


def application() -> tuple[Triage, WatchedIncidentLog]:
    """Return triage over fakes, with the rules that are shipped."""
    incidents = WatchedIncidentLog()
    app = Triage(
        configuration=load(CONFIG, {}).configuration,
        incidents=incidents,
        responses=RecordingStarter(),
        targets=FixedDirectory(Presence(exists=True, opted_in=True)),
        dead_letters=ListedDeadLetters(),
        clock=lambda: NOW,
    )
    return app, incidents


def main() -> None:
    """Measure, print, and exit with 1 where a bound is missed or a store saw healthy lines."""
    holds = True
    for breaching in (0, 20):
        event = payload(breaching)
        compressed = base64.b64decode(event["awslogs"]["data"])
        app, incidents = application()
        triage(event, app)
        seen = incidents.calls[:]
        run = partial(product, event, app)
        ratio, measured, least = median_ratio(run, floor(compressed, with_document=True), ROUNDS)
        strict, _, _ = median_ratio(run, floor(compressed, with_document=False), ROUNDS)
        name = f"triage of {LINES:,} lines, {breaching} of them breaching"
        detail = (
            f"{measured * 1e3:.1f} ms against {least * 1e3:.1f} ms; {strict:.2f} times gunzip and"
            f" lines alone; calls of the store: {len(seen)}"
        )
        holds &= report(name, ratio, BOUND, detail)
        holds &= breaching > 0 or seen == ["open_incidents"]
    finish(holds=holds)


if __name__ == "__main__":
    main()
