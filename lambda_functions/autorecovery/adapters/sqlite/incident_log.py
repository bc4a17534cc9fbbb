"""The memory of incidents in SQLite; in memory it also serves dry runs and simulations."""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from autorecovery.adapters.sqlite.database import Database
from autorecovery.models.group import Group, GroupKind, is_group
from autorecovery.models.history import Case
from autorecovery.models.incident import Breach, Entry, Incident, Sighting
from autorecovery.models.reason import IncidentState, Level, Reason
from autorecovery.models.wire import decode, encode
from autorecovery.ports import Claim, OpenIncident


class SqliteIncidentLog:
    """IncidentLog over a SQLite database: a unique index holds the claims."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self, candidate: Incident) -> Claim:
        """See IncidentLog.open."""
        with self._database.transaction() as rows:
            used = _row(rows, "SELECT * FROM incidents WHERE id = ?", candidate.id)
            holder = used or _row(
                rows,
                "SELECT * FROM incidents"
                " WHERE rule_name = ? AND target_key = ? AND state <> 'closed'",
                *candidate.key,
            )
            if holder is not None:
                return Claim(_incident(holder), won=False, started=bool(holder["started"]))
            rows.execute(
                "INSERT INTO incidents (id, rule_name, target_key, content, state, level,"
                " level_rank, opened_at, breached_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    candidate.id, *candidate.key, encode(candidate, Incident), candidate.state,
                    candidate.level, candidate.level.rank, _text(candidate.opened_at),
                    _text(candidate.breached_at),
                ),
            )  # fmt: skip
            return Claim(candidate, won=True, started=False)

    def mark_started(self, incident_id: str) -> None:
        """See IncidentLog.mark_started."""
        self._execute("UPDATE incidents SET started = 1 WHERE id = ?", incident_id)

    def raise_level(self, incident_id: str, level: Level, at: datetime) -> bool:
        """See IncidentLog.raise_level."""
        return self._execute(
            "UPDATE incidents SET level = ?, level_rank = ?, breached_at = ?"
            " WHERE id = ? AND level_rank < ? AND state <> 'closed'",
            level, level.rank, _text(at), incident_id, level.rank,
        )  # fmt: skip

    def get(self, incident_id: str) -> Incident | None:
        """See IncidentLog.get."""
        with self._database.transaction() as rows:
            row = _row(rows, "SELECT * FROM incidents WHERE id = ?", incident_id)
        return _incident(row) if row else None

    def move(self, incident_id: str, state: IncidentState) -> None:
        """See IncidentLog.move."""
        self._execute(
            "UPDATE incidents SET state = ? WHERE id = ? AND state <> 'closed'", state, incident_id
        )

    def close(self, incident_id: str, why: Reason, at: datetime) -> bool:
        """See IncidentLog.close."""
        with self._database.transaction() as rows:
            closed = rows.execute(
                "UPDATE incidents SET state = 'closed' WHERE id = ? AND state <> 'closed'",
                (incident_id,),
            ).rowcount
            if closed:
                rows.execute(
                    "INSERT INTO endings (incident_id, why, at) VALUES (?, ?, ?)",
                    (incident_id, why, _text(at)),
                )
        return closed > 0

    def holder(self, rule_name: str, target_key: str) -> OpenIncident | None:
        """See IncidentLog.holder."""
        with self._database.transaction() as rows:
            row = _row(
                rows,
                f"SELECT {_IN_SHORT} FROM incidents"
                " WHERE rule_name = ? AND target_key = ? AND state <> 'closed'",
                rule_name, target_key,
            )  # fmt: skip
        return _in_short(row) if row else None

    def open_incidents(self) -> Sequence[OpenIncident]:
        """See IncidentLog.open_incidents."""
        with self._database.transaction() as rows:
            found = rows.execute(
                f"SELECT {_IN_SHORT} FROM incidents WHERE state <> 'closed'"
            ).fetchall()
        return [_in_short(row) for row in found]

    def recent(self, limit: int) -> Sequence[Incident]:
        """See IncidentLog.recent."""
        with self._database.transaction() as rows:
            found = rows.execute(
                "SELECT * FROM incidents ORDER BY opened_at DESC, id DESC LIMIT ?", (limit,)
            ).fetchall()
        return [_incident(row) for row in found]

    def cases(self, rule_name: str, since: datetime, at_most: int) -> Sequence[Case]:
        """See IncidentLog.cases."""
        return self._cases("rule_name = ? AND opened_at >= ?", rule_name, _text(since), at_most)

    def cases_on(
        self, rule_name: str, target_key: str, since: datetime, at_most: int
    ) -> Sequence[Case]:
        """See IncidentLog.cases_on."""
        of_target = "rule_name = ? AND target_key = ? AND opened_at >= ?"
        return self._cases(of_target, rule_name, target_key, _text(since), at_most)

    def _cases(self, condition: str, *values: object) -> list[Case]:
        statement = (
            "SELECT id, target_key, opened_at, why, at FROM incidents"
            " LEFT JOIN endings ON endings.incident_id = incidents.id"
            f" WHERE {condition} ORDER BY opened_at DESC, id DESC LIMIT ?"
        )
        with self._database.transaction() as rows:
            found = rows.execute(statement, values).fetchall()
        return [_case(row) for row in found]

    def join_group(
        self, kind: GroupKind, name: str, who: str, now: datetime, quiet: timedelta
    ) -> tuple[Group, bool]:
        """See IncidentLog.join_group."""
        with self._database.transaction() as rows:
            row = _row(
                rows,
                "SELECT * FROM groups WHERE kind = ? AND name = ? AND NOT ended AND joined >= ?"
                " ORDER BY began DESC LIMIT 1",
                kind, name, _text(now - quiet),
            )  # fmt: skip
            group = _group(row) if row else Group(kind, name, now)
            while row is None and _row(rows, "SELECT 1 FROM groups WHERE id = ?", group.id):
                # One of the same name and moment was ended: nobody tells that one any more.
                group = replace(group, began=group.began + timedelta.resolution)
            rows.execute(
                "INSERT INTO groups (id, kind, name, began, first, joined)"
                " VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET joined = excluded.joined",
                (group.id, kind, name, _text(group.began), who, _text(now)),
            )
        return group, row is None or row["first"] == who

    def goes_on(self, group_id: str, now: datetime | None = None) -> bool:
        """See IncidentLog.goes_on."""
        with self._database.transaction() as rows:
            row = _row(rows, "SELECT ended, look_until FROM groups WHERE id = ?", group_id)
        until = row["look_until"] if row and now else None
        overdue = until is not None and now is not None and _text(now) > until
        return not (row and row["ended"]) and not overdue

    def expect_look(self, group_id: str, until: datetime) -> None:
        """See IncidentLog.expect_look."""
        self._execute("UPDATE groups SET look_until = ? WHERE id = ?", _text(until), group_id)

    def end_group(self, group: Group) -> None:
        """See IncidentLog.end_group."""
        self._execute("UPDATE groups SET ended = 1 WHERE id = ?", group.id)

    def open_groups(self) -> list[Group]:
        """Return the groups that were not ended: whoever told them may be gone."""
        with self._database.transaction() as rows:
            found = rows.execute("SELECT * FROM groups WHERE NOT ended ORDER BY began").fetchall()
        return [_group(row) for row in found]

    def record(self, incident_id: str, entry: Entry) -> None:
        """See IncidentLog.record."""
        self._execute(
            "INSERT OR IGNORE INTO timeline (incident_id, key, at, content) VALUES (?, ?, ?, ?)",
            incident_id, entry.key, _text(entry.at), encode(entry, Entry),
        )  # fmt: skip

    def timeline(self, incident_id: str) -> Sequence[Entry]:
        """See IncidentLog.timeline."""
        with self._database.transaction() as rows:
            found = rows.execute(
                "SELECT content FROM timeline WHERE incident_id = ? ORDER BY at, rowid",
                (incident_id,),
            ).fetchall()
        return [decode(row["content"], Entry) for row in found]

    def remember_sightings(
        self, breach: Breach, window: timedelta, at_most: int
    ) -> Sequence[Sighting]:
        """See IncidentLog.remember_sightings."""
        key = breach.key
        with self._database.transaction() as rows:
            rows.executemany(
                "INSERT OR IGNORE INTO sightings (rule_name, target_key, id, at, level)"
                " VALUES (?, ?, ?, ?, ?)",
                [(*key, s.id, _text(s.at), s.level) for s in breach.sightings],
            )
            found = rows.execute(
                "SELECT id, at, level FROM sightings WHERE rule_name = ? AND target_key = ?"
                " ORDER BY at DESC, id DESC",
                key,
            ).fetchall()
            known = [
                Sighting(r["id"], datetime.fromisoformat(r["at"]), Level(r["level"])) for r in found
            ]
            kept = [s for s in known if s.at > known[0].at - window][:at_most]
            rows.executemany(
                "DELETE FROM sightings WHERE rule_name = ? AND target_key = ? AND id = ?",
                [(*key, s.id) for s in known[len(kept) :]],
            )
        return kept

    def wait_for_wake(self, incident_id: str, token: str) -> None:
        """See IncidentLog.wait_for_wake."""
        table = "groups" if is_group(incident_id) else "incidents"
        self._execute(f"UPDATE {table} SET wake_token = ? WHERE id = ?", token, incident_id)

    def wake_token(self, incident_id: str) -> str | None:
        """See IncidentLog.wake_token."""
        table = "groups" if is_group(incident_id) else "incidents"
        with self._database.transaction() as rows:
            row = _row(rows, f"SELECT wake_token FROM {table} WHERE id = ?", incident_id)
        return row["wake_token"] if row else None

    def _execute(self, statement: str, *values: object) -> bool:
        with self._database.transaction() as rows:
            return rows.execute(statement, values).rowcount > 0


def _row(rows: sqlite3.Connection, statement: str, *values: object) -> sqlite3.Row | None:
    row: sqlite3.Row | None = rows.execute(statement, values).fetchone()
    return row


_IN_SHORT = "id, rule_name, target_key, level, started"


def _in_short(row: sqlite3.Row) -> OpenIncident:
    return OpenIncident(
        row["id"], row["rule_name"], row["target_key"], Level(row["level"]), bool(row["started"])
    )


def _incident(row: sqlite3.Row) -> Incident:
    """Return what was opened, with what has changed since."""
    return replace(
        decode(row["content"], Incident),
        state=IncidentState(row["state"]),
        level=Level(row["level"]),
        breached_at=datetime.fromisoformat(row["breached_at"]),
    )


def _group(row: sqlite3.Row) -> Group:
    return Group(GroupKind(row["kind"]), row["name"], datetime.fromisoformat(row["began"]))


def _case(row: sqlite3.Row) -> Case:
    return Case(
        row["id"], row["target_key"], datetime.fromisoformat(row["opened_at"]),
        Reason(row["why"]) if row["why"] else None,
        datetime.fromisoformat(row["at"]) if row["at"] else None,
    )  # fmt: skip


def _text(moment: datetime) -> str:
    """Return a moment as text that sorts by time."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
