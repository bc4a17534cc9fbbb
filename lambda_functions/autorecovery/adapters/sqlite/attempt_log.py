"""The memory of what was run where, in SQLite."""

from collections.abc import Sequence
from datetime import UTC, datetime

from autorecovery.adapters.sqlite.database import Database
from autorecovery.models.incident import Attempt
from autorecovery.models.signal import Target
from autorecovery.models.wire import decode, encode


class SqliteAttemptLog:
    """AttemptLog over a SQLite database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def intend(self, attempt: Attempt) -> bool:
        """See AttemptLog.intend."""
        content = encode(attempt, Attempt)
        with self._database.transaction() as rows:
            rows.execute(
                "INSERT OR IGNORE INTO attempts (token, target_key, intended_at, content)"
                " VALUES (?, ?, ?, ?)",
                (
                    attempt.token, attempt.target.key,
                    attempt.intended_at.astimezone(UTC).isoformat(timespec="microseconds"),
                    content,
                ),
            )  # fmt: skip
            standing = rows.execute(
                "SELECT content FROM attempts WHERE token = ?", (attempt.token,)
            ).fetchone()
        # Written by this very intention a moment ago, by a life that died before it could remember?
        return bool(standing["content"] == content)

    def complete(self, attempt: Attempt) -> None:
        """See AttemptLog.complete."""
        with self._database.transaction() as rows:
            rows.execute(
                "UPDATE attempts SET content = ?, command_id = ? WHERE token = ?",
                (encode(attempt, Attempt), attempt.command_id, attempt.token),
            )

    def last_on(self, target: Target) -> Attempt | None:
        """See AttemptLog.last_on."""
        return self._one(
            "SELECT content FROM attempts WHERE target_key = ? ORDER BY intended_at DESC LIMIT 1",
            target.key,
        )

    def recent_on(self, target: Target, since: datetime) -> Sequence[Attempt]:
        """See AttemptLog.recent_on."""
        with self._database.transaction() as rows:
            found = rows.execute(
                "SELECT content FROM attempts WHERE target_key = ? AND intended_at >= ?"
                " ORDER BY intended_at DESC",
                (target.key, since.astimezone(UTC).isoformat(timespec="microseconds")),
            ).fetchall()
        return [decode(row["content"], Attempt) for row in found]

    def of_rule(self, rule_name: str, since: datetime) -> Sequence[Attempt]:
        """See AttemptLog.of_rule."""
        with self._database.transaction() as rows:
            found = rows.execute(
                "SELECT content FROM attempts WHERE intended_at >= ?"
                " AND json_extract(content, '$.rule_name') = ?",
                (since.astimezone(UTC).isoformat(timespec="microseconds"), rule_name),
            ).fetchall()
        attempts = [decode(row["content"], Attempt) for row in found]
        return [attempt for attempt in attempts if attempt.status.is_over]

    def of_command(self, command_id: str) -> Attempt | None:
        """See AttemptLog.of_command."""
        return self._one("SELECT content FROM attempts WHERE command_id = ?", command_id)

    def _one(self, statement: str, value: str) -> Attempt | None:
        with self._database.transaction() as rows:
            row = rows.execute(statement, (value,)).fetchone()
        return decode(row["content"], Attempt) if row else None
