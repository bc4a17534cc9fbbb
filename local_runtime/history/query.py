"""Rows of a span of time, at the finest resolution that was kept for it and is not too much."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from local_runtime.history.schema import SYSTEM_METRICS

RESOLUTIONS = (1, 10, 60, 3600)

_T = SYSTEM_METRICS.c


def read_rows(
    connection: Connection,
    host: str | None,
    since: datetime,
    until: datetime,
    *,
    limit: int,
    seconds: int | None = None,
) -> Sequence[Any]:
    """Return the newest rows of this span, oldest first; see HostHistory.rows."""
    sizes = (seconds,) if seconds else _fitting(since, until, limit)
    for size in sizes:
        found = _newest(connection, host, since, until, limit, size)
        if found and (size == sizes[-1] or _reaches_back(found, since, until, limit, size)):
            return found
    told = [_newest(connection, host, since, until, limit, size) for size in sizes]
    if any(told) or seconds:
        return max(told, key=_span)
    # Too young for roll-ups: what there is of samples.
    return _newest(connection, host, since, until, limit, RESOLUTIONS[0])


def _fitting(since: datetime, until: datetime, limit: int) -> tuple[int, ...]:
    # A day asked for a second too late is still a day of minutes.
    wanted = 0.99 * (until - since).total_seconds() / limit
    return tuple(size for size in RESOLUTIONS if size >= wanted) or RESOLUTIONS[-1:]


def _reaches_back(
    found: Sequence[Any], since: datetime, until: datetime, limit: int, size: int
) -> bool:
    """Return whether a finer resolution tells as much of the span as a coarser one would."""
    missing = (found[0].timestamp - since).total_seconds()
    return len(found) >= limit or missing <= max(2 * size, 0.02 * (until - since).total_seconds())


def _span(found: Sequence[Any]) -> float:
    if not found:
        return -1.0
    first, last = found[0], found[-1]
    return float((last.timestamp - first.timestamp).total_seconds() + last.resolution)


def _newest(
    connection: Connection,
    host: str | None,
    since: datetime,
    until: datetime,
    limit: int,
    size: int,
) -> Sequence[Any]:
    wanted = select(SYSTEM_METRICS).where(
        _T.resolution == size, _T.timestamp >= since, _T.timestamp < until
    )
    if host is not None:
        wanted = wanted.where(_T.hostname == host)
    newest = connection.execute(wanted.order_by(_T.timestamp.desc()).limit(limit)).all()
    return newest[::-1]
