"""The fleet's budget: who is under recovery, and how many were. Pure; stores make it atomic."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from autorecovery.models.reason import Reason


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to recover one target, given back at the end, and gone by itself if nobody does."""

    token: str
    """The attempt's token: asking twice for the same attempt is asking once."""
    host: str
    """The machine that is touched: a container and its host share it."""
    taken_at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class FleetAllowance:
    """How much recovery one group of machines is allowed."""

    at_once: int
    starts: int
    window: timedelta


@dataclass(frozen=True, slots=True)
class Ledger:
    """The book of one group: leases that are out, and when machines were last begun with."""

    leases: tuple[Lease, ...] = ()
    starts: tuple[tuple[str, datetime], ...] = ()

    def running(self, now: datetime) -> tuple[Lease, ...]:
        """Return the leases that are out; a lease whose time is over is not."""
        return tuple(lease for lease in self.leases if lease.until > now)

    def refusal(self, lease: Lease, allowed: FleetAllowance, now: datetime) -> Reason | None:
        """Return why this lease cannot be given now, or None where it can."""
        out = self.running(now)
        if any(each.token == lease.token for each in out):
            return None
        if any(each.host == lease.host for each in out):
            return Reason.HOST_BUSY
        if len(out) >= allowed.at_once:
            return Reason.FLEET_BUSY
        recent = [token for token, at in self.starts if now - at < allowed.window]
        if lease.token not in recent and len(recent) >= allowed.starts:
            return Reason.FLEET_SPENT
        return None

    def lets_go(self, reason: Reason, lease: Lease, allowed: FleetAllowance) -> datetime | None:
        """Return when this refusal ends at the latest, should nobody else come in between."""
        if reason is Reason.HOST_BUSY:
            return max((out.until for out in self.leases if out.host == lease.host), default=None)
        if reason is Reason.FLEET_BUSY:
            return min((out.until for out in self.leases), default=None)
        newest = sorted((at for _, at in self.starts), reverse=True)[: allowed.starts]
        return newest[-1] + allowed.window if newest else None

    def give(self, lease: Lease, allowed: FleetAllowance, now: datetime) -> "Ledger":
        """Return the book with this lease in it, and without what no longer matters."""
        out = tuple(each for each in self.running(now) if each.token != lease.token)
        kept = {token: at for token, at in self.starts if now - at < allowed.window}
        kept.setdefault(lease.token, now)
        return Ledger((*out, lease), tuple(kept.items()))

    def take_back(self, token: str) -> "Ledger":
        """Return the book without this lease; the start stays counted."""
        return Ledger(tuple(each for each in self.leases if each.token != token), self.starts)
