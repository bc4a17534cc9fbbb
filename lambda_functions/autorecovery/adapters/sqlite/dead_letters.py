"""What nobody understood, kept in SQLite, and read back."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from autorecovery.adapters.sqlite.database import Database
from autorecovery.models.letter import Letter, put_aside

MAX_EVENT = 200_000
"""Characters kept of one event."""

KEPT_FOR = timedelta(days=14)
"""As long as the queue on AWS keeps them."""


class SqliteDeadLetters:
    """DeadLetters and DeadLetterBox over a SQLite database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, event: object, why: str, at: datetime) -> None:
        """See DeadLetters.keep."""
        text = json.dumps(event, default=repr)[:MAX_EVENT]
        with self._database.transaction() as rows:
            rows.execute("DELETE FROM dead_letters WHERE at < ?", (_text(at - KEPT_FOR),))
            rows.execute(
                "INSERT INTO dead_letters (at, why, event) VALUES (?, ?, ?)",
                (_text(at), why, text),
            )

    def count(self) -> int:
        """See DeadLetterBox.count."""
        with self._database.transaction() as rows:
            return int(rows.execute("SELECT count(*) FROM dead_letters").fetchone()[0])

    @contextmanager
    def hold(self, at_most: int) -> Iterator[Sequence[Letter]]:
        """See DeadLetterBox.hold. Nobody is kept away: who removes a letter first, removes it."""
        with self._database.transaction() as rows:
            found = rows.execute(
                "SELECT id, at, why, event FROM dead_letters ORDER BY id LIMIT ?", (at_most,)
            ).fetchall()
        yield [_letter(row) for row in found]

    def remove(self, letter: Letter) -> None:
        """See DeadLetterBox.remove."""
        with self._database.transaction() as rows:
            rows.execute("DELETE FROM dead_letters WHERE id = ?", (letter.id,))


def _letter(row: Any) -> Letter:
    event, cut = row["event"], False
    try:
        event = json.loads(event)
    except ValueError:
        cut = True  # the beginning of a JSON text is no JSON
    at = datetime.fromisoformat(row["at"])
    return put_aside(str(row["id"]), at, row["why"], event, cut=cut)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
