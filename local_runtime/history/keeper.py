"""Keeps the history in shape: samples become minutes and hours, and what is old goes.

1 s for an hour, 10 s for a day, 60 s for 15 days, hours for 400 days; and never more bytes than are
allowed: then the oldest of the finest goes first.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from local_runtime.history.database import (
    insert_or_update,
    reading,
    used_bytes,
)
from local_runtime.history.packing import pack_spreads, unpack_row, unpack_values
from local_runtime.history.schema import (
    CONTAINER,
    HOSTS,
    INGESTED,
    ROLLUPS_DUE,
    SERVER,
    SYSTEM_METRICS,
)
from local_runtime.history.spreads import merged, spreads_of
from local_runtime.history.store import (
    COLUMNS,
    FINEST,
    HOUR,
    MINUTE,
    SqlHostHistory,
    floored,
    naive,
)

KEPT_FOR = {
    FINEST: timedelta(hours=1),
    10: timedelta(days=1),
    MINUTE: timedelta(days=15),
    HOUR: timedelta(days=400),
}
GRACE = timedelta(seconds=75)
"""After the end of a span: a batch of the longest usual interval has come by then."""

KEYS_KEPT_FOR = timedelta(days=1)
MONITORED_KEPT_FOR = timedelta(days=15)
"""Rows of `server` and `container`, by the times that their agents gave them."""

_T = SYSTEM_METRICS.c
_COARSER = {MINUTE: (10, MINUTE), HOUR: (HOUR,)}
_COUNTED = {MINUTE: 1, HOUR: 2}
"""What a sample is marked with, once it is in its minute and once in its hour too."""

Sample = tuple[datetime, Mapping[str, float]]


class HistoryKeeper:
    """Rolls up, prunes and bounds one history."""

    def __init__(self, history: SqlHostHistory, most_bytes: int) -> None:
        self._history = history
        self._engine = history.engine
        self._most_bytes = most_bytes

    def tend(self, now: datetime) -> None:
        """Do all that is due."""
        self.roll_up(now)
        self.prune(now)
        self.bound()

    def roll_up(self, now: datetime) -> int:
        """Roll up every span that is over; return how many there were."""
        before = naive(now - GRACE)
        due = [
            (host, size, start)
            for size in (MINUTE, HOUR)
            for host, start in self._due(size, before - timedelta(seconds=size))
        ]
        for host, size, start in due:
            with self._history.changing() as connection:
                self._roll_up(connection, host, size, start)
        return len(due)

    def prune(self, now: datetime) -> None:
        """Delete what is older than it has to be kept."""
        for host in self._hosts():
            with self._history.changing() as connection:
                for size, kept_for in KEPT_FOR.items():
                    self._delete(connection, host, size, naive(now - kept_for))
        with self._history.changing() as connection:
            connection.execute(delete(INGESTED).where(INGESTED.c.at < naive(now - KEYS_KEPT_FOR)))
            before = naive(now - MONITORED_KEPT_FOR)
            connection.execute(delete(SERVER).where(SERVER.c.ser_get_datetime < before))
            connection.execute(delete(CONTAINER).where(CONTAINER.c.con_get_datetime < before))

    def bound(self) -> int:
        """Delete the oldest of the finest until the rest fits; return how often that took.

        Only of SQLite: elsewhere nobody can tell what deleting has freed, and ages are the bound.
        """
        if self._engine.dialect.name != "sqlite":
            return 0
        rounds = 0
        while used_bytes(self._engine) > self._most_bytes and self._shed():
            rounds += 1
        with self._history.changing() as connection:
            connection.exec_driver_sql("PRAGMA incremental_vacuum(2000)")
        return rounds

    def _due(self, size: int, before: datetime) -> list[tuple[str, datetime]]:
        columns = ROLLUPS_DUE.c
        wanted = select(columns.hostname, columns.start).where(
            columns.resolution == size, columns.start <= before
        )
        with reading(self._engine) as connection:
            return [(row.hostname, row.start) for row in connection.execute(wanted)]

    def _hosts(self) -> list[str]:
        with reading(self._engine) as connection:
            return list(connection.execute(select(HOSTS.c.hostname)).scalars())

    def _roll_up(self, connection: Connection, host: str, size: int, start: datetime) -> None:
        """Add the samples of a span that are not in it yet, and mark them."""
        within = (
            _T.hostname == host,
            _T.resolution == FINEST,
            _T.timestamp >= start,
            _T.timestamp < start + timedelta(seconds=size),
            _T.counted < _COUNTED[size],
        )
        found = connection.execute(select(SYSTEM_METRICS).where(*within))
        samples = [self._sample(row, connection) for row in found]
        for coarser in _COARSER[size]:
            for begin, group in _spans(samples, coarser):
                self._add(connection, host, coarser, begin, group)
        connection.execute(update(SYSTEM_METRICS).where(*within).values(counted=_COUNTED[size]))
        columns = ROLLUPS_DUE.c
        connection.execute(
            delete(ROLLUPS_DUE).where(
                columns.hostname == host, columns.resolution == size, columns.start == start
            )
        )

    def _sample(self, row: Any, connection: Connection) -> Sample:
        names = self._history.sets.names_of(row.metric_set, connection)
        return row.timestamp, dict(zip(names, unpack_values(row.spreads), strict=True))

    def _add(
        self,
        connection: Connection,
        host: str,
        size: int,
        start: datetime,
        samples: list[Mapping[str, float]],
    ) -> None:
        spreads, count = spreads_of(samples), len(samples)
        known = connection.execute(
            select(SYSTEM_METRICS).where(
                _T.hostname == host, _T.resolution == size, _T.timestamp == start
            )
        ).first()
        if known is not None:
            names = self._history.sets.names_of(known.metric_set, connection)
            before = unpack_row(known.spreads, names, None, is_raw=False)
            spreads = merged(before, known.samples, spreads, count)
            count += known.samples
        connection.execute(
            insert_or_update(connection, SYSTEM_METRICS),
            {
                "hostname": host, "resolution": size, "timestamp": start, "samples": count,
                "counted": 0,
                "metric_set": self._history.sets.number_of(tuple(spreads), connection),
                "spreads": pack_spreads(list(spreads.values())),
                **{c: round(spreads[m].mean, 3) if m in spreads else None
                   for c, m in COLUMNS.items()},
            },
        )  # fmt: skip

    def _delete(self, connection: Connection, host: str, size: int, before: datetime) -> int:
        wanted = delete(SYSTEM_METRICS).where(
            _T.hostname == host, _T.resolution == size, _T.timestamp < before
        )
        if size == FINEST:
            wanted = wanted.where(_T.counted == _COUNTED[HOUR])
        return connection.execute(wanted).rowcount

    def _shed(self) -> bool:
        """Delete the oldest tenth of the finest roll-ups that there are; False without any."""
        for size in (10, MINUTE, HOUR):
            with self._history.changing() as connection:
                first, last = connection.execute(
                    select(func.min(_T.timestamp), func.max(_T.timestamp)).where(
                        _T.resolution == size
                    )
                ).one()
                if first is None:
                    continue
                before = first + (last - first) / 10 + timedelta(seconds=size)
                if connection.execute(
                    delete(SYSTEM_METRICS).where(_T.resolution == size, _T.timestamp < before)
                ).rowcount:
                    return True
        return False


def _spans(
    samples: Iterable[Sample], size: int
) -> Iterator[tuple[datetime, list[Mapping[str, float]]]]:
    groups: dict[datetime, list[Mapping[str, float]]] = {}
    for at, metrics in samples:
        groups.setdefault(floored(at, size), []).append(metrics)
    yield from groups.items()
