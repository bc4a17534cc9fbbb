"""Words from other processes of this machine to the one that lives the responses."""

from autorecovery.adapters.sqlite.database import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS mailbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, content TEXT NOT NULL);
"""


class Mailbox:
    """ResponseStarter that leaves word: whoever lives the responses looks every second."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.transaction() as rows:
            rows.execute(SCHEMA)

    def start(self, incident_id: str) -> None:
        """See ResponseStarter.start."""
        self._leave("start", incident_id)

    def wake(self, token: str) -> None:
        """See ResponseStarter.wake."""
        self._leave("wake", token)

    def collect(self) -> list[tuple[str, str]]:
        """Return what was left since the last time, oldest first: (`start`, id), (`wake`, token).

        A word whose reader dies is lost with the process that it was for; the next one takes up
        every open incident, and reads all facts afresh.
        """
        with self._database.transaction() as rows:
            found = rows.execute("SELECT kind, content FROM mailbox ORDER BY id").fetchall()
            if found:
                rows.execute("DELETE FROM mailbox")
        return [(row["kind"], row["content"]) for row in found]

    def _leave(self, kind: str, content: str) -> None:
        with self._database.transaction() as rows:
            rows.execute("INSERT INTO mailbox (kind, content) VALUES (?, ?)", (kind, content))
