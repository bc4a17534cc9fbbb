"""The tables of the hub's database, and the statements that make them."""

from collections.abc import Iterator

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
)
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

METADATA = MetaData()

_TO_THE_SECOND = sqlite.DATETIME(truncate_microseconds=True)  # type: ignore[no-untyped-call]
_MOMENT = DateTime().with_variant(_TO_THE_SECOND, "sqlite")
_NUMBER = BigInteger().with_variant(Integer(), "sqlite")
"""Of a row: SQLite counts up by itself only what is called INTEGER."""
_TEXT = Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")


def _table(name: str, *columns: Column[object] | Index) -> Table:
    return Table(name, METADATA, *columns, mysql_charset="utf8mb4")


def _ordered_table(name: str, *columns: Column[object]) -> Table:
    """Return a table that is kept in the order of its key: a host's rows lie together."""
    return Table(name, METADATA, *columns, mysql_charset="utf8mb4", sqlite_with_rowid=False)


SYSTEM_METRICS = _ordered_table(
    "system_metrics",
    Column("hostname", String(255), primary_key=True),
    Column("resolution", Integer, primary_key=True, autoincrement=False),
    Column("timestamp", _MOMENT, primary_key=True),
    Column("samples", Integer, nullable=False),
    Column("cpu_percent", Double),
    Column("memory_percent", Double),
    Column("disk_percent", Double),
    Column("network_received_bytes_per_second", Double),
    Column("network_sent_bytes_per_second", Double),
    Column("counted", SmallInteger, nullable=False),
    Column("metric_set", Integer, nullable=False),
    Column("spreads", LargeBinary, nullable=False),
)
"""Columns of people are means; `spreads` has all that was measured, see `packing`."""

METRIC_SETS = _table(
    "metric_sets",
    Column("id", Integer, primary_key=True),
    Column("fingerprint", String(64), nullable=False, unique=True),
    Column("names", _TEXT, nullable=False),
)
"""Which metrics, in which order, the packed numbers are of."""

HOSTS = _table(
    "hosts",
    Column("hostname", String(255), primary_key=True),
    Column("heard_at", _MOMENT, nullable=False),
    Column("interval_seconds", Integer, nullable=False),
    Column("agent", String(100), nullable=False),
    Column("is_silent", Boolean, nullable=False),
    Column("latest_at", _MOMENT),
    Column("latest", _TEXT, nullable=False),
)

INGESTED = _ordered_table(
    "ingested",
    Column("hostname", String(255), primary_key=True),
    Column("batch", String(100), primary_key=True),
    Column("at", _MOMENT, nullable=False),
    Column("delivered", Boolean, nullable=False),
)

ROLLUPS_DUE = _ordered_table(
    "rollups_due",
    Column("hostname", String(255), primary_key=True),
    Column("resolution", Integer, primary_key=True, autoincrement=False),
    Column("start", _MOMENT, primary_key=True),
)

SERVER = _table(
    "server",
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("engine_type", String(50)),
    Column("agent_id", String(100)),
    Column("ser_cpu_count", Integer),
    Column("ser_cpu_percent", Numeric(5, 2, asdecimal=False)),
    Column("ser_memory_total", Integer),
    Column("ser_memory_used", Integer),
    Column("ser_memory_percent", Numeric(5, 2, asdecimal=False)),
    Column("ser_get_datetime", _MOMENT),
    Index("server_by_agent", "agent_id", "ser_get_datetime"),
)

CONTAINER = _table(
    "container",
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("engine_type", String(50)),
    Column("agent_id", String(100)),
    Column("node_name", String(100)),
    Column("container_name", String(100)),
    Column("status", String(50)),
    Column("con_cpu_percent", Numeric(7, 2, asdecimal=False)),
    Column("con_memory_usage", Numeric(10, 2, asdecimal=False)),
    Column("con_memory_percent", Numeric(5, 2, asdecimal=False)),
    Column("con_get_datetime", _MOMENT),
    Index("container_by_agent", "agent_id", "con_get_datetime"),
)

DIALECTS = {"mysql": mysql.dialect, "sqlite": sqlite.dialect}


def statements(dialect: str) -> Iterator[str]:
    """Yield the statements that make every table, in the words of this dialect."""
    spoken = DIALECTS[dialect]()
    for table in METADATA.sorted_tables:
        yield str(CreateTable(table).compile(dialect=spoken)).strip()
        for index in sorted(table.indexes, key=lambda each: str(each.name)):
            yield str(CreateIndex(index).compile(dialect=spoken)).strip()
