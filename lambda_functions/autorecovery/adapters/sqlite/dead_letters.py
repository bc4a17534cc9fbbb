"""What nobody understood, kept in SQLite."""

import json
from datetime import UTC, datetime

from autorecovery.adapters.sqlite.database import Database

MAX_EVENT = 200_000
"""Characters kept of one event."""


class SqliteDeadLetters:
    """DeadLetters over a SQLite database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, event: object, why: str, at: datetime) -> None:
        """See DeadLetters.keep."""
        text = json.dumps(event, default=repr)[:MAX_EVENT]
        with self._database.transaction() as rows:
            rows.execute(
                "INSERT INTO dead_letters (at, why, event) VALUES (?, ?, ?)",
                (at.astimezone(UTC).isoformat(), why, text),
            )

    def kept(self) -> list[tuple[str, str]]:
        """Return reason and event of everything kept, oldest first."""
        with self._database.transaction() as rows:
            found = rows.execute("SELECT why, event FROM dead_letters ORDER BY id").fetchall()
        return [(row["why"], row["event"]) for row in found]
