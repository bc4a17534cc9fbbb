"""What people said while the system runs, and the fleet's book, in SQLite."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from autorecovery.adapters.sqlite.database import Database
from autorecovery.models.controls import (
    Approval,
    DeclaredWindow,
    Demotion,
    Halt,
    Promotion,
    WindowKind,
)
from autorecovery.models.fleet import FleetAllowance, Lease, Ledger
from autorecovery.models.reason import Reason
from autorecovery.models.wire import decode, encode

T = TypeVar("T")

SCHEMA = """
CREATE TABLE IF NOT EXISTS controls (
    kind TEXT NOT NULL, name TEXT NOT NULL, content TEXT NOT NULL, PRIMARY KEY (kind, name));
"""


_WORDS = {WindowKind.MAINTENANCE: "window", WindowKind.SILENCE: "silence"}


class SqliteControls:
    """Controls and FleetBudget over a SQLite database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.transaction() as rows:
            rows.execute(SCHEMA)

    def halt(self) -> Halt | None:
        """See Controls.halt."""
        return self._get("halt", "", Halt)

    def set_halt(self, halt: Halt | None) -> None:
        """See Controls.set_halt."""
        if halt is None:
            self._remove("halt", "")
        else:
            self._put("halt", "", halt, Halt)

    def windows(self, kind: WindowKind) -> Sequence[DeclaredWindow]:
        """See Controls.windows."""
        return self._all(_WORDS[kind], DeclaredWindow)

    def declare(self, window: DeclaredWindow) -> None:
        """See Controls.declare."""
        self._put(_WORDS[window.kind], window.window.name, window, DeclaredWindow)

    def end_window(self, kind: WindowKind, name: str) -> bool:
        """See Controls.end_window."""
        return self._remove(_WORDS[kind], name)

    def approve(self, approval: Approval) -> Approval:
        """See Controls.approve."""
        self._put_new("approval", approval.attempt, approval, Approval)
        return self.approval(approval.attempt) or approval

    def approval(self, attempt: str) -> Approval | None:
        """See Controls.approval."""
        return self._get("approval", attempt, Approval)

    def demote(self, demotion: Demotion) -> Demotion:
        """See Controls.demote."""
        name = _trust_of(demotion.script, demotion.rule_name)
        self._put_new("demotion", name, demotion, Demotion)
        return self._get("demotion", name, Demotion) or demotion

    def demotion(self, script: str, rule_name: str) -> Demotion | None:
        """See Controls.demotion."""
        return self._get("demotion", _trust_of(script, rule_name), Demotion)

    def promote(self, promotion: Promotion) -> bool:
        """See Controls.promote."""
        name = _trust_of(promotion.script, promotion.rule_name)
        with self._database.transaction():
            self._put("promotion", name, promotion, Promotion)
            return self._remove("demotion", name)

    def promotion(self, script: str, rule_name: str) -> Promotion | None:
        """See Controls.promotion."""
        return self._get("promotion", _trust_of(script, rule_name), Promotion)

    def reserve(
        self, group: str, lease: Lease, allowed: FleetAllowance, now: datetime
    ) -> Reason | None:
        """See FleetBudget.reserve."""
        with self._database.transaction():
            ledger = self.ledger(group)
            refusal = ledger.refusal(lease, allowed, now)
            if refusal is None:
                self._put("fleet", group, ledger.give(lease, allowed, now), Ledger)
        return refusal

    def give_back(self, group: str, token: str) -> None:
        """See FleetBudget.give_back."""
        with self._database.transaction():
            self._put("fleet", group, self.ledger(group).take_back(token), Ledger)

    def ledger(self, group: str) -> Ledger:
        """See FleetBudget.ledger."""
        return self._get("fleet", group, Ledger) or Ledger()

    def _get(self, kind: str, name: str, of: type[T]) -> T | None:
        with self._database.transaction() as rows:
            row = rows.execute(
                "SELECT content FROM controls WHERE kind = ? AND name = ?", (kind, name)
            ).fetchone()
        return decode(row["content"], of) if row else None

    def _all(self, kind: str, of: type[T]) -> list[T]:
        with self._database.transaction() as rows:
            found = rows.execute(
                "SELECT content FROM controls WHERE kind = ? ORDER BY name", (kind,)
            ).fetchall()
        return [decode(row["content"], of) for row in found]

    def _put(self, kind: str, name: str, value: object, of: type) -> None:
        with self._database.transaction() as rows:
            rows.execute(
                "INSERT OR REPLACE INTO controls (kind, name, content) VALUES (?, ?, ?)",
                (kind, name, encode(value, of)),
            )

    def _put_new(self, kind: str, name: str, value: object, of: type) -> bool:
        with self._database.transaction() as rows:
            written = rows.execute(
                "INSERT OR IGNORE INTO controls (kind, name, content) VALUES (?, ?, ?)",
                (kind, name, encode(value, of)),
            )
        return written.rowcount > 0

    def _remove(self, kind: str, name: str) -> bool:
        with self._database.transaction() as rows:
            removed = rows.execute("DELETE FROM controls WHERE kind = ? AND name = ?", (kind, name))
        return removed.rowcount > 0


def _trust_of(script: str, rule_name: str) -> str:
    return f"{script}|{rule_name}"
