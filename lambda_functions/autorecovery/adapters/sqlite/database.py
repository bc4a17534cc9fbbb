"""One SQLite file (or memory), shared by the adapters of this folder."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autorecovery.errors import StoreError

BUSY_SECONDS = 10.0
"""How long to wait for another process to finish its transaction."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS incidents (
    id TEXT PRIMARY KEY, rule_name TEXT NOT NULL, target_key TEXT NOT NULL, content TEXT NOT NULL,
    state TEXT NOT NULL, level TEXT NOT NULL, level_rank INTEGER NOT NULL, opened_at TEXT NOT NULL,
    breached_at TEXT NOT NULL, started INTEGER NOT NULL DEFAULT 0, wake_token TEXT);
CREATE UNIQUE INDEX IF NOT EXISTS one_open_incident
    ON incidents (rule_name, target_key) WHERE state <> 'closed';
CREATE INDEX IF NOT EXISTS incidents_by_time ON incidents (opened_at);
CREATE INDEX IF NOT EXISTS incidents_by_rule ON incidents (rule_name, opened_at);
CREATE TABLE IF NOT EXISTS endings (
    incident_id TEXT PRIMARY KEY, why TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS groups (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, began TEXT NOT NULL,
    first TEXT NOT NULL, joined TEXT NOT NULL, ended INTEGER NOT NULL DEFAULT 0, wake_token TEXT,
    look_until TEXT);
CREATE INDEX IF NOT EXISTS groups_by_name ON groups (kind, name, began);
CREATE TABLE IF NOT EXISTS timeline (
    incident_id TEXT NOT NULL, key TEXT NOT NULL, at TEXT NOT NULL, content TEXT NOT NULL,
    PRIMARY KEY (incident_id, key));
CREATE TABLE IF NOT EXISTS sightings (
    rule_name TEXT NOT NULL, target_key TEXT NOT NULL, id TEXT NOT NULL, at TEXT NOT NULL,
    level TEXT NOT NULL, PRIMARY KEY (rule_name, target_key, id));
CREATE TABLE IF NOT EXISTS attempts (
    token TEXT PRIMARY KEY, target_key TEXT NOT NULL, command_id TEXT, intended_at TEXT NOT NULL,
    content TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS attempts_by_target ON attempts (target_key, intended_at);
CREATE INDEX IF NOT EXISTS attempts_by_command ON attempts (command_id);
CREATE TABLE IF NOT EXISTS dead_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, why TEXT NOT NULL, event TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS log_lines (
    log_group TEXT NOT NULL, stream TEXT NOT NULL, at TEXT NOT NULL, id TEXT NOT NULL,
    message TEXT NOT NULL, PRIMARY KEY (log_group, stream, at, id));
"""


class Database:
    """A connection that several threads may use in turn; one transaction at a time."""

    def __init__(self, path: Path | None, busy_seconds: float = BUSY_SECONDS) -> None:
        """Open the file, and create it where it does not exist; None keeps everything in memory."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        with _storing():
            self._connection = sqlite3.connect(
                path or ":memory:",
                timeout=busy_seconds,
                isolation_level=None,
                check_same_thread=False,
            )
            self._connection.row_factory = sqlite3.Row
            if path is not None:
                self._connection.execute("PRAGMA journal_mode=WAL")
                self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.executescript(SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection inside a transaction that no other process can interleave.

        Inside a transaction it is that one: all of it is kept, or nothing.
        """
        with self._lock, _storing():
            if self._connection.in_transaction:
                yield self._connection
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # Also after a COMMIT that failed: the next transaction must be able to begin.
                self._connection.rollback()
                raise

    def close(self) -> None:
        """Close the connection; what was committed stays."""
        with self._lock:
            self._connection.close()


@contextmanager
def _storing() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"SQLite: {error}", retryable="locked" in str(error)) from error
