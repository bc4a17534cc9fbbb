"""The memory of notices in SQLite, readable with `sqlite3` too.

notifications   sent_at, channel (the producer), delivered_via, level, title, message, outcome
deliveries      how each notice stands in each channel
threads         the message that stands for a conversation in a channel, and whose turn it is
fanned_out      per channel of this machine, up to where it was asked what is for it
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from autorecovery.adapters.sqlite.database import Database
from autorecovery.models.delivery import Delivery, Outcome, Record, Thread, Turn, keepable
from autorecovery.models.notice import Notice
from autorecovery.models.reason import Level
from autorecovery.models.wire import decode, encode

if TYPE_CHECKING:
    import sqlite3

SCHEMA = """
CREATE TABLE IF NOT EXISTS notifications (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, sent_at TEXT NOT NULL,
    channel TEXT NOT NULL, delivered_via TEXT NOT NULL DEFAULT '', level TEXT NOT NULL,
    title TEXT NOT NULL, message TEXT NOT NULL, outcome TEXT NOT NULL,
    suppressed TEXT NOT NULL, content TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS notifications_by_time ON notifications (sent_at);
CREATE INDEX IF NOT EXISTS notifications_by_channel ON notifications (channel, level, sent_at);
CREATE TABLE IF NOT EXISTS deliveries (
    notice_id TEXT NOT NULL, via TEXT NOT NULL, outcome TEXT NOT NULL, at TEXT NOT NULL,
    tries INTEGER NOT NULL, detail TEXT NOT NULL DEFAULT '', again_at TEXT,
    PRIMARY KEY (notice_id, via));
CREATE INDEX IF NOT EXISTS deliveries_by_channel ON deliveries (via, outcome);
CREATE TABLE IF NOT EXISTS threads (
    via TEXT NOT NULL, conversation TEXT NOT NULL, content TEXT, turn TEXT, turn_ends TEXT,
    PRIMARY KEY (via, conversation));
CREATE TABLE IF NOT EXISTS fanned_out (via TEXT PRIMARY KEY, up_to INTEGER NOT NULL);
"""

KEPT_FOR = timedelta(days=400)


class SqliteNoticeLog:
    """NoticeLog over a SQLite database, which also knows what is due in each channel."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.transaction() as rows:
            for statement in SCHEMA.split(";"):
                rows.execute(statement)

    def record(self, notice: Notice, suppressed: str = "") -> None:
        """See NoticeLog.record."""
        kept = keepable(notice)
        with self._database.transaction() as rows:
            if not suppressed:  # what was kept from people gets a new number: it is due from now on
                rows.execute(
                    "DELETE FROM notifications WHERE id = ? AND suppressed <> ''", (kept.id,)
                )
            rows.execute(
                "INSERT OR IGNORE INTO notifications (id, sent_at, channel, level, title, message,"
                " outcome, suppressed, content) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    kept.id, _text(kept.at), kept.producer, kept.level, kept.headline,
                    "\n".join(kept.lines), Record(kept, (), suppressed).outcome, suppressed,
                    encode(kept, Notice),
                ),
            )  # fmt: skip

    def get(self, notice_id: str) -> Record | None:
        """See NoticeLog.get."""
        with self._database.transaction() as rows:
            row = rows.execute("SELECT * FROM notifications WHERE id = ?", (notice_id,)).fetchone()
            return _record(row, rows) if row else None

    def query(
        self,
        *,
        producer: str | None = None,
        level: Level | None = None,
        since: datetime | None = None,
        limit: int = 100,
    ) -> Sequence[Record]:
        """See NoticeLog.query."""
        with self._database.transaction() as rows:
            found = rows.execute(
                "SELECT * FROM notifications WHERE channel = coalesce(?, channel)"
                " AND level = coalesce(?, level) AND sent_at >= ?"
                " ORDER BY sent_at DESC, number DESC LIMIT ?",
                (producer, level, _text(since) if since else "", limit),
            ).fetchall()
            return [_record(row, rows) for row in found]

    def begin(self, notice_id: str, via: str, at: datetime, patience: timedelta) -> Delivery | None:
        """See NoticeLog.begin."""
        with self._database.transaction() as rows:
            known = _delivery_in(rows, notice_id, via)
            if known is not None and not _may_begin(known, at, patience):
                return None
            begun = Delivery(via, Outcome.SENDING, at, tries=known.tries + 1 if known else 1)
            return begun if _write(rows, notice_id, begun) else None

    def end(self, notice_id: str, delivery: Delivery) -> None:
        """See NoticeLog.end."""
        with self._database.transaction() as rows:
            _write(rows, notice_id, delivery)

    def thread(self, via: str, conversation: str) -> Thread | None:
        """See NoticeLog.thread."""
        with self._database.transaction() as rows:
            return _thread_in(rows, via, conversation)

    def keep_thread(self, thread: Thread) -> None:
        """See NoticeLog.keep_thread."""
        with self._database.transaction() as rows:
            rows.execute(
                "INSERT OR REPLACE INTO threads (via, conversation, content) VALUES (?, ?, ?)",
                (thread.via, thread.conversation, encode(thread, Thread)),
            )

    def take_turn(
        self, via: str, conversation: str, at: datetime, patience: timedelta
    ) -> Turn | None:
        """See NoticeLog.take_turn."""
        ends = _text(at + patience)
        with self._database.transaction() as rows:
            taken = rows.execute(
                "INSERT INTO threads (via, conversation, turn, turn_ends) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET turn = excluded.turn, turn_ends = excluded.turn_ends"
                " WHERE turn IS NULL OR turn_ends <= ?",
                (via, conversation, ends, ends, _text(at)),
            )
            if not taken.rowcount:
                return None
            return Turn(via, conversation, ends, _thread_in(rows, via, conversation))

    def turn_ends(self, via: str, conversation: str) -> datetime | None:
        """See NoticeLog.turn_ends."""
        with self._database.transaction() as rows:
            row = rows.execute(
                "SELECT turn_ends FROM threads WHERE via = ? AND conversation = ?",
                (via, conversation),
            ).fetchone()
        return datetime.fromisoformat(row["turn_ends"]) if row and row["turn_ends"] else None

    def give_back_turn(self, turn: Turn) -> None:
        """See NoticeLog.give_back_turn."""
        with self._database.transaction() as rows:
            rows.execute(
                "UPDATE threads SET turn = NULL, turn_ends = NULL"
                " WHERE via = ? AND conversation = ? AND turn = ?",
                (turn.via, turn.conversation, turn.token),
            )

    # What is due: only on one machine, where no queue knows it

    def follow(self, channels: Sequence[str]) -> None:
        """See to it that each of these channels is told what is recorded from now on, or before.

        One that is new here begins with the next notice; one that is not named is forgotten.
        """
        with self._database.transaction() as rows:
            known = rows.execute("SELECT via FROM fanned_out").fetchall()
            for via in {row["via"] for row in known}.difference(channels):
                rows.execute("DELETE FROM fanned_out WHERE via = ?", (via,))
            rows.executemany(
                "INSERT OR IGNORE INTO fanned_out (via, up_to)"
                " SELECT ?, coalesce(max(number), 0) FROM notifications",
                [(via,) for via in channels],
            )

    def due(
        self,
        via: str,
        at: datetime,
        patience: timedelta,
        may_concern: Callable[[Notice], bool],
        at_most: int = 100,
    ) -> list[str]:
        """Return what may be delivered through this channel now, oldest first.

        That is what `may_concern` it of all that was recorded, and is not over.
        """
        with self._database.transaction() as rows:
            self._fan_out(rows, via, may_concern)
            found = rows.execute(
                "SELECT notice_id FROM deliveries JOIN notifications ON id = notice_id"
                " WHERE via = ? AND ((deliveries.outcome = 'waiting'"
                " AND coalesce(again_at, '') <= ?) OR (deliveries.outcome = 'sending' AND at <= ?))"
                " ORDER BY number LIMIT ?",
                (via, _text(at), _text(at - patience), at_most),
            ).fetchall()
        return [row["notice_id"] for row in found]

    def put_off(self, notice_id: str, via: str, until: datetime) -> None:
        """See to it that what nobody began yet is not due before then."""
        with self._database.transaction() as rows:
            rows.execute(
                "UPDATE deliveries SET again_at = ? WHERE notice_id = ? AND via = ? AND tries = 0",
                (_text(until), notice_id, via),
            )

    def drop(self, notice_id: str, via: str) -> None:
        """Forget that a notice might be for this channel; harmless where it was begun."""
        with self._database.transaction() as rows:
            rows.execute(
                "DELETE FROM deliveries WHERE notice_id = ? AND via = ? AND tries = 0",
                (notice_id, via),
            )

    def forget_before(self, at: datetime) -> None:
        """Delete what is older than it has to be kept."""
        with self._database.transaction() as rows:
            before = (_text(at - KEPT_FOR),)
            rows.execute(
                "DELETE FROM deliveries WHERE notice_id IN"
                " (SELECT id FROM notifications WHERE sent_at < ?)",
                before,
            )
            rows.execute("DELETE FROM notifications WHERE sent_at < ?", before)

    def _fan_out(
        self, rows: "sqlite3.Connection", via: str, may_concern: Callable[[Notice], bool]
    ) -> None:
        new = rows.execute(
            "SELECT number, id, suppressed, content FROM notifications"
            " WHERE number > (SELECT up_to FROM fanned_out WHERE via = ?) ORDER BY number",
            (via,),
        ).fetchall()
        for row in new:
            notice = decode(row["content"], Notice)
            if not row["suppressed"] and may_concern(notice):
                rows.execute(
                    "INSERT OR IGNORE INTO deliveries (notice_id, via, outcome, at, tries)"
                    " VALUES (?, ?, ?, ?, 0)",
                    (row["id"], via, Outcome.WAITING, _text(notice.at)),
                )
        if new:
            rows.execute("UPDATE fanned_out SET up_to = ? WHERE via = ?", (new[-1]["number"], via))


def _may_begin(known: Delivery, at: datetime, patience: timedelta) -> bool:
    if known.outcome is Outcome.WAITING:
        return known.again_at is None or known.again_at <= at
    return known.outcome is Outcome.SENDING and known.at <= at - patience


def _write(rows: "sqlite3.Connection", notice_id: str, delivery: Delivery) -> bool:
    """Write a delivery of a known notice down, and what it means for the notice as a whole."""
    row = rows.execute("SELECT * FROM notifications WHERE id = ?", (notice_id,)).fetchone()
    if row is None:
        return False
    rows.execute(
        "INSERT OR REPLACE INTO deliveries (notice_id, via, outcome, at, tries, detail, again_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            notice_id, delivery.via, delivery.outcome, _text(delivery.at), delivery.tries,
            delivery.detail, _text(delivery.again_at) if delivery.again_at else None,
        ),
    )  # fmt: skip
    record = _record(row, rows)
    rows.execute(
        "UPDATE notifications SET delivered_via = ?, outcome = ? WHERE id = ?",
        (", ".join(record.delivered_via), record.outcome, notice_id),
    )
    return True


def _record(row: Mapping[str, Any], rows: "sqlite3.Connection") -> Record:
    found = rows.execute(
        "SELECT * FROM deliveries WHERE notice_id = ? AND tries > 0 ORDER BY via", (row["id"],)
    ).fetchall()
    deliveries = tuple(_delivery(each) for each in found)
    return Record(decode(row["content"], Notice), deliveries, row["suppressed"])


def _delivery_in(rows: "sqlite3.Connection", notice_id: str, via: str) -> Delivery | None:
    row = rows.execute(
        "SELECT * FROM deliveries WHERE notice_id = ? AND via = ?", (notice_id, via)
    ).fetchone()
    return _delivery(row) if row else None


def _delivery(row: Mapping[str, Any]) -> Delivery:
    return Delivery(
        row["via"], Outcome(row["outcome"]), datetime.fromisoformat(row["at"]), row["tries"],
        row["detail"], datetime.fromisoformat(row["again_at"]) if row["again_at"] else None,
    )  # fmt: skip


def _thread_in(rows: "sqlite3.Connection", via: str, conversation: str) -> Thread | None:
    row = rows.execute(
        "SELECT content FROM threads WHERE via = ? AND conversation = ?", (via, conversation)
    ).fetchone()
    return decode(row["content"], Thread) if row and row["content"] else None


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
