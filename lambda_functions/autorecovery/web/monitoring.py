"""What the hub tells readers: hosts as they are, their history, and the record of notices."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from autorecovery.analysis.trends import MONTH, WEEK, TooShort, trends
from autorecovery.models.delivery import Record
from autorecovery.models.digest import Trend
from autorecovery.models.readings import CPU, DISK, MEMORY, RECEIVED, SENT, KnownHost, Row, Spread
from autorecovery.web.access import RefusedError
from autorecovery.web.asked import (
    Query,
    check_names,
    level_of,
    limit_of,
    moment_of,
    resolution_of,
)
from autorecovery.web.hub import Hub

Answer = dict[str, Any]

COLUMNS = {
    "cpu_percent": CPU,
    "memory_percent": MEMORY,
    "disk_percent": DISK,
    "network_received_bytes_per_second": RECEIVED,
    "network_sent_bytes_per_second": SENT,
}


def current_metrics(query: Query, hub: Hub) -> Answer:
    """Return every host, or one, as it told itself last."""
    check_names(query, "host")
    name = query.get("host")
    found = hub.history.hosts() if name is None else [hub.history.host(name)]
    hosts = [host for host in found if host is not None]
    if name is not None and not hosts:
        raise RefusedError(404, "no such host has sent anything")
    now = hub.clock()
    return {"timestamp": now.isoformat(), "hosts": [_host(host, now) for host in hosts]}


def metrics_history(query: Query, hub: Hub) -> Answer:
    """Return the history of a host, or of all, oldest first."""
    check_names(query, "limit", "host", "from", "to", "resolution", "metric")
    until = moment_of(query, "to", hub.clock() + timedelta(seconds=1))
    since = moment_of(query, "from", until - timedelta(hours=1))
    if since >= until:
        raise RefusedError(400, "from: expected a time before `to`")
    metric = query.get("metric")
    wanted = {metric} if metric else set(COLUMNS.values())
    rows = hub.history.rows(
        query.get("host"), since, until, limit=limit_of(query, 3600),
        seconds=resolution_of(query), metrics=wanted,
    )  # fmt: skip
    return {"metrics": [_row(row, metric) for row in rows]}


def host_trends(query: Query, hub: Hub) -> Answer:
    """Return where each metric with a limit is heading, or what is missing to say so."""
    check_names(query, "span")
    spans = {"week": WEEK, "month": MONTH}
    span = query.get("span", "week")
    if span not in spans:
        raise RefusedError(400, f"span: expected one of {', '.join(spans)}")
    found = trends(hub.history, hub.limits, hub.clock(), spans[span])
    return {"span": span, "trends": [_trend(each) for each in found]}


def notifications(query: Query, hub: Hub) -> Answer:
    """Return the record of notices, newest first; `channel` is the one that composed them."""
    check_names(query, "channel", "level", "limit")
    records = hub.notices.query(
        producer=query.get("channel"), level=level_of(query), limit=limit_of(query, 100, 1000)
    )
    return {"notifications": [_notice(record) for record in records]}


def _host(host: KnownHost, now: datetime) -> Answer:
    return {
        "hostname": host.name,
        "timestamp": host.at.isoformat() if host.at else None,
        "heard_at": host.heard_at.isoformat(),
        "interval_seconds": int(host.interval.total_seconds()),
        "silent": now > host.silent_from,
        "agent": host.agent,
        **{column: host.metrics.get(metric) for column, metric in COLUMNS.items()},
        "metrics": dict(host.metrics),
        **host.details,
    }


def _row(row: Row, metric: str | None) -> Answer:
    told: Answer = {
        "timestamp": row.at.isoformat(),
        "hostname": row.host,
        "resolution_seconds": row.seconds,
        "samples": row.samples,
    }
    if metric is not None:
        return told | {"metric": metric, **_spread(row.spreads.get(metric))}
    return told | _means(row.spreads)


def _means(spreads: Mapping[str, Spread]) -> Answer:
    return {
        column: round(spreads[metric].mean, 3) if metric in spreads else None
        for column, metric in COLUMNS.items()
    }


def _spread(spread: Spread | None) -> Answer:
    if spread is None:
        return {"min": None, "mean": None, "max": None, "p95": None}
    return {
        "min": round(spread.least, 3), "mean": round(spread.mean, 3),
        "max": round(spread.most, 3), "p95": round(spread.p95, 3),
    }  # fmt: skip


def _trend(each: Trend | TooShort) -> Answer:
    told: Answer = {"hostname": each.target, "metric": each.metric}
    if isinstance(each, TooShort):
        return told | {"unknown": str(each)}
    return told | {
        "value": round(each.value, 3),
        "change_per_day": round(each.change_per_day, 4),
        "limit": each.limit,
        "days_left": None if each.days_left is None else round(each.days_left, 1),
    }


def _notice(record: Record) -> Answer:
    notice = record.notice
    return {
        "id": notice.id,
        "sent_at": notice.at.isoformat(),
        "channel": notice.producer,
        "delivered_via": list(record.delivered_via),
        "level": str(notice.level),
        "title": notice.headline,
        "message": "\n".join(notice.lines),
        "outcome": record.outcome,
    }
