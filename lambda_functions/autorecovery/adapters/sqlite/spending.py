"""What models cost by the day, in SQLite."""

from datetime import date

from autorecovery.adapters.sqlite.database import Database
from autorecovery.ports import Reservation

SCHEMA = """
CREATE TABLE IF NOT EXISTS spending (
    token TEXT PRIMARY KEY, day TEXT NOT NULL, micro_usd INTEGER NOT NULL,
    settled INTEGER NOT NULL DEFAULT 0);
"""


class SqliteSpending:
    """SpendingLog over a SQLite database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.transaction() as rows:
            rows.execute(SCHEMA)

    def reserve(self, wanted: Reservation, limit_micro_usd: int) -> bool:
        """See SpendingLog.reserve."""
        with self._database.transaction() as rows:
            known = rows.execute("SELECT 1 FROM spending WHERE token = ?", (wanted.token,))
            if known.fetchone():
                return True
            if self.spent(wanted.day) + wanted.micro_usd > limit_micro_usd:
                return False
            rows.execute(
                "INSERT INTO spending (token, day, micro_usd) VALUES (?, ?, ?)",
                (wanted.token, wanted.day.isoformat(), wanted.micro_usd),
            )
        return True

    def settle(self, reservation: Reservation, spent_micro_usd: int) -> None:
        """See SpendingLog.settle."""
        with self._database.transaction() as rows:
            rows.execute(
                "UPDATE spending SET micro_usd = ?, settled = 1 WHERE token = ? AND settled = 0",
                (spent_micro_usd, reservation.token),
            )

    def spent(self, day: date) -> int:
        """See SpendingLog.spent."""
        with self._database.transaction() as rows:
            found = rows.execute(
                "SELECT COALESCE(SUM(micro_usd), 0) AS spent FROM spending WHERE day = ?",
                (day.isoformat(),),
            ).fetchone()
        return int(found["spent"])
