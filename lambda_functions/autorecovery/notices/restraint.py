"""What keeps people from being told: silences, and that they were told so much already."""

from dataclasses import dataclass
from datetime import datetime

from autorecovery.config import Configuration
from autorecovery.errors import StoreError
from autorecovery.models.controls import WindowKind
from autorecovery.models.fleet import FleetAllowance, Lease
from autorecovery.models.limits import MaintenanceWindow
from autorecovery.models.notice import Notice, NoticeKind
from autorecovery.models.reason import Level
from autorecovery.ports import Clock, Controls, FleetBudget

NEVER_TOO_MUCH = frozenset({NoticeKind.ASKING, NoticeKind.ESCALATED, NoticeKind.DEMOTED})
"""What wants an answer is put up however much was told before."""

BOOK = "#notices"
"""The book that counts what was told lately; no group of machines has such a name."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence that holds now."""

    name: str
    until: datetime

    def __str__(self) -> str:
        """Return it as the record of a notice has it."""
        return f"silence {self.name!r} until {self.until:%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True)
class Restraint:
    """Answers whether people may be told now."""

    configuration: Configuration
    controls: Controls
    budget: FleetBudget
    clock: Clock

    def silence_over(self, rule_name: str, target_name: str) -> Silence | None:
        """Return the silence that holds over this rule on this target longest, if one does."""
        return next(iter(self.silences({(rule_name, target_name)}).values()), None)

    def silences(self, of: set[tuple[str, str]]) -> dict[tuple[str, str], Silence]:
        """Return, for each of these rules and targets that is silenced now, by which silence."""
        now, found = self.clock(), {}
        declared = (each.window for each in self.controls.windows(WindowKind.SILENCE))
        open_now = [
            (window, end)
            for window in (*self.configuration.notify.silences, *declared)
            if (end := window.ends(now)) is not None
        ]
        for key in of:
            if held := [(end, window) for window, end in open_now if window.concerns(*key)]:
                found[key] = _longest(held)
        return found

    def is_too_much(self, notice: Notice) -> bool:
        """Return whether people were told so much lately that this must be told with other things.

        What is put up counts, also where it is never too much. Raises StoreError where that cannot
        be found out, unless it is news too bad to wait for a book.
        """
        limit, now = self.configuration.notify.at_most, self.clock()
        allowed = FleetAllowance(at_once=limit.count, starts=limit.count, window=limit.window)
        never = notice.kind in NEVER_TOO_MUCH
        try:
            refusal = self.budget.reserve(BOOK, Lease(notice.id, notice.id, now, now), allowed, now)
        except StoreError:
            if never or (notice.kind is NoticeKind.OPENED and notice.level is Level.CRITICAL):
                return False
            raise
        return refusal is not None and not never


def _longest(held: list[tuple[datetime, MaintenanceWindow]]) -> Silence:
    end, window = max(held, key=lambda each: each[0])
    return Silence(window.name, end)
