"""The memory of hosts in SQL: every batch as it comes, one transaction each."""

import json
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, insert, select, update

from autorecovery.models.readings import CPU, DISK, MEMORY, RECEIVED, SENT, Batch, KnownHost, Row
from local_runtime.history.database import insert_new, insert_or_update, reading, writing
from local_runtime.history.packing import Names, fingerprint, pack_values, storable, unpack_row
from local_runtime.history.query import read_rows
from local_runtime.history.schema import (
    CONTAINER,
    HOSTS,
    INGESTED,
    METRIC_SETS,
    ROLLUPS_DUE,
    SERVER,
    SYSTEM_METRICS,
)

FINEST = 1
MINUTE, HOUR = 60, 3600

COLUMNS = {
    "cpu_percent": CPU,
    "memory_percent": MEMORY,
    "disk_percent": DISK,
    "network_received_bytes_per_second": RECEIVED,
    "network_sent_bytes_per_second": SENT,
}
"""What people read with SQL, and the metric that it is."""

# Made once: making a statement takes longer than running it.
_THIS_BATCH = (INGESTED.c.hostname == bindparam("host"), INGESTED.c.batch == bindparam("key"))
_IS_DELIVERED = select(INGESTED.c.delivered).where(*_THIS_BATCH)
_SET_DELIVERED = update(INGESTED).where(*_THIS_BATCH).values(delivered=True)
_ONE_HOST = select(HOSTS).where(HOSTS.c.hostname == bindparam("host"))

MOST_DETAILS = 1_000_000
"""Characters kept of what a host tells beside its metrics."""


class SqlHostHistory:
    """HostHistory and MonitorTables over a database. Times are kept in UTC, to the second."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.sets = MetricSets()
        # One writer at a time is all that SQLite has; waiting here is quicker than asking it again.
        self._lock = threading.Lock()

    @contextmanager
    def changing(self) -> Iterator[Connection]:
        """Yield a connection whose work is kept as a whole, or not at all."""
        with self._lock:
            try:
                with writing(self.engine) as connection:
                    yield connection
            except BaseException:
                self.sets.forget()  # what was numbered is perhaps not written
                raise

    def keep(self, batch: Batch, now: datetime) -> bool:
        """See HostHistory.keep."""
        by_second = _by_second(batch)
        samples = {second: storable(metrics) for second, metrics in by_second.items()}
        with self.changing() as connection:
            known = connection.execute(
                _IS_DELIVERED, {"host": batch.host, "key": batch.key}
            ).first()
            if known is not None:
                return not known.delivered
            # What is late is never delivered: it is as good as delivered.
            connection.execute(
                insert(INGESTED),
                {"hostname": batch.host, "batch": batch.key, "at": naive(now),
                 "delivered": batch.is_late},
            )  # fmt: skip
            if samples:
                self._add_samples(connection, batch.host, samples)
            self._meet(connection, batch, now)
        return not batch.is_late

    def delivered(self, batch: Batch) -> None:
        """See HostHistory.delivered."""
        with self.changing() as connection:
            connection.execute(_SET_DELIVERED, {"host": batch.host, "key": batch.key})

    def host(self, name: str) -> KnownHost | None:
        """See HostHistory.host."""
        with reading(self.engine) as connection:
            row = connection.execute(_ONE_HOST, {"host": name}).first()
        return _known(row) if row else None

    def hosts(self) -> Sequence[KnownHost]:
        """See HostHistory.hosts."""
        with reading(self.engine) as connection:
            return [
                _known(row) for row in connection.execute(select(HOSTS).order_by(HOSTS.c.hostname))
            ]

    def tell_silence(self, host: str, *, silent: bool) -> None:
        """See HostHistory.tell_silence."""
        with self.changing() as connection:
            connection.execute(
                update(HOSTS).where(HOSTS.c.hostname == host).values(is_silent=silent)
            )

    def rows(
        self,
        host: str | None,
        since: datetime,
        until: datetime,
        *,
        limit: int,
        seconds: int | None = None,
        metrics: Collection[str] | None = None,
    ) -> Sequence[Row]:
        """See HostHistory.rows."""
        with reading(self.engine) as connection:
            found = read_rows(
                connection, host, naive(since), naive(until), limit=limit, seconds=seconds
            )
            return [self.sets.row(each, connection, metrics) for each in found]

    def add(self, server: Mapping[str, Any], containers: Sequence[Mapping[str, Any]]) -> None:
        """See MonitorTables.add."""
        with self.changing() as connection:
            connection.execute(insert(SERVER), dict(server))
            if containers:
                connection.execute(insert(CONTAINER), [dict(each) for each in containers])

    def _add_samples(
        self, connection: Connection, host: str, samples: Mapping[datetime, Mapping[str, float]]
    ) -> None:
        connection.execute(
            insert_new(connection, SYSTEM_METRICS),
            [self._raw(host, second, metrics, connection) for second, metrics in samples.items()],
        )
        due = {(size, floored(second, size)) for second in samples for size in (MINUTE, HOUR)}
        connection.execute(
            insert_new(connection, ROLLUPS_DUE),
            [{"hostname": host, "resolution": size, "start": start} for size, start in due],
        )

    def _raw(
        self, host: str, second: datetime, metrics: Mapping[str, float], connection: Connection
    ) -> dict[str, Any]:
        return {
            "hostname": host,
            "resolution": FINEST,
            "timestamp": second,
            "samples": 1,
            "counted": 0,
            "metric_set": self.sets.number_of(tuple(metrics), connection),
            "spreads": pack_values(list(metrics.values())),
            **{column: metrics.get(metric) for column, metric in COLUMNS.items()},
        }

    def _meet(self, connection: Connection, batch: Batch, now: datetime) -> None:
        """Remember the host, and what it says of itself where that is news."""
        known = connection.execute(_ONE_HOST, {"host": batch.host}).first()
        newest = max(batch.samples, key=lambda sample: sample.at, default=None)
        at = naive(newest.at) if newest else None
        is_news = known is None or known.latest_at is None or (at and at >= known.latest_at)
        latest = {"metrics": dict(newest.metrics) if newest else {}, "details": batch.details}
        text = json.dumps(latest)
        if len(text) > MOST_DETAILS:
            text = json.dumps({**latest, "details": {"left_out": "it was too much to be kept"}})
        connection.execute(
            insert_or_update(connection, HOSTS),
            {
                "hostname": batch.host,
                "heard_at": max(naive(now), known.heard_at) if known else naive(now),
                "interval_seconds": int(batch.interval.total_seconds()),
                "agent": batch.agent[:100],
                "is_silent": known.is_silent if known else False,
                "latest_at": at if is_news or known is None else known.latest_at,
                "latest": text if is_news or known is None else known.latest,
            },
        )


class MetricSets:
    """Which metrics a row's packed numbers are of; each set is written down once."""

    def __init__(self) -> None:
        self._numbers: dict[Names, int] = {}
        self._names: dict[int, Names] = {}

    def forget(self) -> None:
        """Read everything anew."""
        self._numbers, self._names = {}, {}

    def number_of(self, names: Names, connection: Connection) -> int:
        """Return the number of this set, which it gets where it is new."""
        if names not in self._numbers:
            mark = fingerprint(names)
            connection.execute(
                insert_new(connection, METRIC_SETS),
                {"fingerprint": mark, "names": json.dumps(names)},
            )
            found = select(METRIC_SETS.c.id).where(METRIC_SETS.c.fingerprint == mark)
            self._numbers[names] = connection.execute(found).scalar_one()
        return self._numbers[names]

    def names_of(self, number: int, connection: Connection) -> Names:
        """Return the metrics of this set, in order."""
        if number not in self._names:
            found = select(METRIC_SETS.c.names).where(METRIC_SETS.c.id == number)
            self._names[number] = tuple(json.loads(connection.execute(found).scalar_one()))
        return self._names[number]

    def row(self, found: Any, connection: Connection, wanted: Collection[str] | None = None) -> Row:
        """Return a row of the table in our words."""
        return Row(
            host=found.hostname,
            at=found.timestamp.replace(tzinfo=UTC),
            seconds=found.resolution,
            samples=found.samples,
            spreads=unpack_row(
                found.spreads, self.names_of(found.metric_set, connection), wanted,
                is_raw=found.resolution == FINEST,
            ),
        )  # fmt: skip


def naive(moment: datetime) -> datetime:
    """Return the moment in UTC and without a zone, as the tables have it."""
    return moment.astimezone(UTC).replace(tzinfo=None, microsecond=0)


def floored(moment: datetime, seconds: int) -> datetime:
    """Return the beginning of the span of so many seconds that a moment lies in."""
    epoch = datetime(1970, 1, 1)  # noqa: DTZ001  # naive, as the tables have it
    return epoch + ((moment - epoch) // timedelta(seconds=seconds)) * timedelta(seconds=seconds)


def _by_second(batch: Batch) -> dict[datetime, Mapping[str, float]]:
    """Return the samples by their second: of two in one second, the later."""
    return {naive(sample.at): sample.metrics for sample in batch.samples if sample.metrics}


def _known(row: Any) -> KnownHost:
    latest = json.loads(row.latest)
    return KnownHost(
        name=row.hostname,
        heard_at=row.heard_at.replace(tzinfo=UTC),
        interval=timedelta(seconds=row.interval_seconds),
        agent=row.agent,
        is_silent=row.is_silent,
        at=row.latest_at.replace(tzinfo=UTC) if row.latest_at else None,
        metrics=latest["metrics"],
        details=latest["details"],
    )
