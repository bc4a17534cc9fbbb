"""The hub's database, as DATABASE_URL names it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, insert
from sqlalchemy.dialects.mysql import insert as mysql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.schema import Table
from sqlalchemy.sql.dml import Insert

from autorecovery.errors import ConfigurationError, StoreError
from local_runtime.history.schema import METADATA

DEFAULT_URL = "sqlite:///./data/automation.db"
BUSY_SECONDS = 10


def database_url(variables: Mapping[str, str]) -> URL:
    """Return where the history is kept; ConfigurationError where that is no address.

    Without DATABASE_URL it is `data/automation.db` in AUTORECOVERY_HOME, or here.
    """
    given = variables.get("DATABASE_URL", "").strip()
    home = variables.get("AUTORECOVERY_HOME", "").strip()
    if not given and home:
        return make_url("sqlite://").set(database=str(Path(home) / "data" / "automation.db"))
    try:
        url = make_url(given or DEFAULT_URL)
    except ArgumentError:
        # The address itself may carry a password: it is not repeated.
        raise ConfigurationError(f"DATABASE_URL is no address such as {DEFAULT_URL}") from None
    return url.set(drivername="mysql+pymysql") if url.drivername in ("mysql", "mariadb") else url


def open_database(url: URL) -> Engine:
    """Return the database with its tables, which are made where they are missing."""
    is_sqlite = url.get_backend_name() == "sqlite"
    if is_sqlite and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    try:
        engine = create_engine(url, pool_pre_ping=not is_sqlite, hide_parameters=True)
    except (NoSuchModuleError, ModuleNotFoundError, ArgumentError) as error:
        raise ConfigurationError(
            f"DATABASE_URL: {url.drivername} cannot be used here ({error}); for MySQL and MariaDB"
            " install the extra `mysql`"
        ) from error
    if is_sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", lambda connection: _begin(connection))
    with storing():
        METADATA.create_all(engine)
    return engine


def _prepare_sqlite(connection: Any, record: object) -> None:
    connection.isolation_level = None  # we begin transactions ourselves
    for pragma in (
        f"busy_timeout = {BUSY_SECONDS * 1000}",
        "auto_vacuum = INCREMENTAL",  # only heard by a new file
        "journal_mode = WAL",
        # A crash of the program loses nothing; one of the machine, the last moments.
        "synchronous = NORMAL",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Yield a connection whose work is kept as a whole, or not at all."""
    with (
        storing(),
        engine.connect().execution_options(writes=True) as connection,
        connection.begin(),
    ):
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Yield a connection that sees one state of everything."""
    with storing(), engine.connect() as connection:
        yield connection


@contextmanager
def storing() -> Iterator[None]:
    """Say in our words what a database says."""
    try:
        yield
    except DBAPIError as error:
        raise StoreError(f"history: {error.orig}", retryable=True) from error
    except SQLAlchemyError as error:
        raise StoreError(f"history: {type(error).__name__}", retryable=False) from error


def insert_new(connection: Connection, table: Table) -> Insert:
    """Return what inserts rows, and passes over those whose key is there already."""
    return _insert_new(connection.dialect.name, table)


def insert_or_update(connection: Connection, table: Table) -> Insert:
    """Return what inserts rows, and changes those whose key is there already."""
    return _insert_or_update(connection.dialect.name, table)


@cache  # making a statement takes longer than running it
def _insert_new(dialect: str, table: Table) -> Insert:
    if dialect == "sqlite":
        return sqlite_insert(table).on_conflict_do_nothing()
    return insert(table).prefix_with("IGNORE")


@cache
def _insert_or_update(dialect: str, table: Table) -> Insert:
    others = [column.name for column in table.columns if not column.primary_key]
    if dialect == "sqlite":
        made = sqlite_insert(table)
        return made.on_conflict_do_update(set_={name: made.excluded[name] for name in others})
    given = mysql_insert(table)
    return given.on_duplicate_key_update({name: given.inserted[name] for name in others})


def used_bytes(engine: Engine) -> int:
    """Return how many bytes the content of a SQLite database takes, without what is free."""
    with reading(engine) as connection:
        pages, free, size = (
            int(connection.exec_driver_sql(f"PRAGMA {name}").scalar() or 0)
            for name in ("page_count", "freelist_count", "page_size")
        )
    return (pages - free) * size
