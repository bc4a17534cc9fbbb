"""The hub: what hosts send is checked, remembered, and handed to triage. In that order."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from autorecovery.config import Ingest
from autorecovery.models.durations import write_duration
from autorecovery.models.readings import CPU, MEMORY, Batch, HostSample
from autorecovery.ports import Clock, HostHistory, MonitorTables, NoticeLog
from autorecovery.web.access import Access, RefusedError
from autorecovery.web.documents import BatchDocument, MonitorDocument, read_document
from autorecovery.web.lines import delivery_of

MOST_AHEAD = timedelta(minutes=5)
OLDEST = timedelta(days=15)
FIRST_INTERVAL, LONGEST_INTERVAL = timedelta(minutes=5), timedelta(hours=1)
"""Of an agent that does not say how often it sends: at first, and at most."""
SURELY_FRESH = timedelta(seconds=60)
A_REQUEST_TAKES = timedelta(seconds=10)
"""At most, as a rule: what is more is a clock that is off."""


@dataclass(frozen=True)
class Hub:
    """What the routes of the hub work with."""

    settings: Ingest
    access: Access
    history: HostHistory
    tables: MonitorTables
    notices: NoticeLog
    deliver: Callable[[dict[str, Any]], None]
    """Hand an event to triage; StoreError where it should be delivered again."""
    clock: Clock
    limits: Mapping[str, float] = field(default_factory=dict)
    """Of metrics that rules keep from rising."""

    @property
    def most_bytes(self) -> int:
        """Return how large a body may be."""
        return self.settings.max_body_kb * 1024


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch."""

    samples: int
    is_repeated: bool
    is_late: bool


def take_batch(body: bytes, token: str, hub: Hub) -> Taken:
    """Return what became of a batch; RefusedError where nothing of it was kept."""
    document = read_document(BatchDocument, body, hub.settings.max_containers)
    hub.access.check_sender(document.host, token)
    now = hub.clock()
    hint = "is the host's clock right?"
    for sample in document.samples:
        _check_moment("samples.at", sample.at, now, hint)
    if document.sent_at:
        _check_moment("sent_at", document.sent_at, now, hint)
    batch = _batch_of(document, now)
    is_new = _remember(batch, now, hub)
    return Taken(len(batch.samples), not is_new and not batch.is_late, batch.is_late)


def take_monitored(body: bytes, token: str, source: str, hub: Hub) -> None:
    """Keep what an agent of `/monitor_info` says; RefusedError where nothing of it was kept."""
    document = read_document(MonitorDocument, body, hub.settings.max_containers)
    hub.access.check_source(document.agent_id, token, source)
    now = hub.clock()
    zone = ZoneInfo(hub.settings.timezone)
    hint = f"is ingest.timezone ({hub.settings.timezone}) that of the agents?"
    _check_moment("ser_get_datetime", _in_zone(document.ser_get_datetime, zone), now, hint)
    for container in document.container_stats:
        _check_moment("con_get_datetime", _in_zone(container.con_get_datetime, zone), now, hint)
    batch = _batch_of_monitored(document, body, now, hub)
    _remember(batch, now, hub, lambda: hub.tables.add(*_table_rows(document)))


def _remember(
    batch: Batch, now: datetime, hub: Hub, also: Callable[[], None] = lambda: None
) -> bool:
    """Keep a batch and have triage hear of it; return whether that was news."""
    if not hub.history.keep(batch, now):
        return False
    also()
    hub.deliver(delivery_of(batch, now))
    hub.history.delivered(batch)
    return True


def _check_moment(place: str, at: datetime, now: datetime, hint: str) -> None:
    if at > now + MOST_AHEAD:
        ahead = write_duration(timedelta(seconds=int((at - now).total_seconds())))
        raise RefusedError(422, f"{place}: {at.isoformat()} lies {ahead} in the future; {hint}")
    if at < now - OLDEST:
        raise RefusedError(
            422, f"{place}: {at.isoformat()} is more than {write_duration(OLDEST)} ago; {hint}"
        )


def _batch_of(document: BatchDocument, now: datetime) -> Batch:
    interval = timedelta(seconds=document.interval_seconds)
    behind = _clock_is_behind(document, now)
    samples = tuple(HostSample(each.at + behind, each.metrics) for each in document.samples)
    newest = max((sample.at for sample in samples), default=now)
    return Batch(
        host=document.host,
        key=document.key,
        samples=samples,
        interval=interval,
        agent=document.agent,
        is_late=document.late or now - newest > max(SURELY_FRESH, 2 * interval),
        details={**_details(document), "clock_behind_seconds": round(behind.total_seconds())},
    )


def _clock_is_behind(document: BatchDocument, now: datetime) -> timedelta:
    """Return by how much the host's clock is behind ours, beyond what a request takes."""
    behind = now - document.sent_at if document.sent_at else timedelta()
    return behind if abs(behind) > A_REQUEST_TAKES else timedelta()


def _details(document: BatchDocument) -> dict[str, Any]:
    told = document.model_dump(include={"containers", "conditions", "processes", "unread"})
    if not document.samples:
        return told
    newest = max(document.samples, key=lambda sample: sample.at)
    return told | newest.model_dump(exclude={"at", "metrics"})


def _batch_of_monitored(document: MonitorDocument, body: bytes, now: datetime, hub: Hub) -> Batch:
    """Return what it says as a batch. It was measured when it came: only our clock has a zone."""
    metrics = {
        CPU: document.ser_cpu_percent,
        MEMORY: document.ser_memory_percent,
        "cpu_count": float(document.ser_cpu_count),
        "mem_total": document.ser_memory_total * 1048576.0,
        "mem_used": document.ser_memory_used * 1048576.0,
    }
    known = hub.history.host(document.agent_id)
    interval = FIRST_INTERVAL
    if known is not None:
        gap = max(now - known.heard_at, timedelta(seconds=1))
        interval = known.interval if known.is_silent else min(gap, LONGEST_INTERVAL)
    return Batch(
        host=document.agent_id,
        key=f"monitor-{hashlib.sha256(body).hexdigest()[:32]}",
        samples=(HostSample(now, metrics),),
        interval=interval,
        agent="monitor_info",
        details={
            "engine_type": document.engine_type,
            "containers": [each.model_dump(mode="json") for each in document.container_stats],
        },
    )


def _table_rows(document: MonitorDocument) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    containers = [each.model_dump() for each in document.container_stats]
    return document.model_dump(exclude={"container_stats"}), containers


def _in_zone(written: datetime, zone: ZoneInfo) -> datetime:
    return written.replace(tzinfo=zone)
