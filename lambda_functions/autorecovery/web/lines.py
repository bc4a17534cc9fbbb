"""A batch in the shape of a CloudWatch Logs delivery, which is what triage reads of hosts.

One line for what was measured, the mean over the batch: one sighting a batch, however fine its
samples are. One more for each condition that the host found itself.
"""

import base64
import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from math import fsum
from typing import Any

from autorecovery.models.readings import HOSTS_LOG, Batch, HostSample


def delivery_of(batch: Batch, now: datetime) -> dict[str, Any]:
    """Return the event that a log subscription would deliver for this batch."""
    at = min(max((sample.at for sample in batch.samples), default=now), now)
    events = [
        {"id": _identity(batch, number), "timestamp": int(at.timestamp() * 1000), "message": line}
        for number, line in enumerate(_messages(batch))
    ]
    content = {
        "messageType": "DATA_MESSAGE",
        "owner": "",
        "logGroup": HOSTS_LOG,
        "logStream": batch.host,
        "subscriptionFilters": ["hub"],
        "logEvents": events,
    }
    packed = gzip.compress(json.dumps(content).encode(), compresslevel=1)
    return {"awslogs": {"data": base64.b64encode(packed).decode()}}


def measured_line(host: str, metrics: Mapping[str, float]) -> str:
    """Return the line that says what was measured on a host."""
    # The host's own name has the last word, whatever a metric is called.
    return json.dumps({**metrics, "host": host})


def means(samples: Iterable[HostSample]) -> dict[str, float]:
    """Return the mean of each metric over some samples."""
    columns: dict[str, list[float]] = {}
    for sample in samples:
        for name, value in sample.metrics.items():
            columns.setdefault(name, []).append(value)
    return {name: round(fsum(values) / len(values), 3) for name, values in columns.items()}


def _messages(batch: Batch) -> Iterator[str]:
    if measured := means(batch.samples):
        yield measured_line(batch.host, measured)
    for condition in batch.details.get("conditions", ()):
        yield json.dumps({"host": batch.host, "condition": condition})


def _identity(batch: Batch, number: int) -> str:
    """Return the same identity for the same line, however often its batch is sent."""
    whole = "\n".join((batch.host, batch.key))
    return f"{hashlib.sha256(whole.encode()).hexdigest()[:40]}-{number}"
