"""A person's word to climb a rule's ladder: an entry of the timeline, numbered from 1."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from autorecovery.models.incident import Entry, EntryKind


@dataclass(frozen=True, slots=True)
class Order:
    """By whose word a ladder is climbed, whatever the incident's level or the rule's autonomy."""

    number: int
    """Counted from 1 in its incident; it numbers the climb that follows, too."""
    by: str
    at: datetime

    @property
    def entry(self) -> Entry:
        """Return its line of the timeline; of two with the same number the first one stands."""
        text = f"recovery asked for by {self.by}"
        return Entry(f"order {self.number}", self.at, EntryKind.ORDERED, text, {"by": self.by})

    @property
    def followed(self) -> str:
        """Return the key of the entry that says that it was taken up."""
        return f"following order {self.number}"

    @property
    def over(self) -> str:
        """Return the key of the entry that says that its climb ended without a cure."""
        return f"handed over after order {self.number}"


def orders_in(story: Sequence[Entry]) -> list[Order]:
    """Return the orders of a timeline by their numbers."""
    entries = (entry for entry in story if entry.kind is EntryKind.ORDERED)
    orders = [Order(int(e.key.removeprefix("order ")), str(e.facts["by"]), e.at) for e in entries]
    return sorted(orders, key=lambda order: order.number)


def next_order(story: Sequence[Entry]) -> Order | None:
    """Return the first order whose climb is not over: one that a life died over is taken up again.

    What that life has begun is looked after then, and not begun again.
    """
    keys = {entry.key for entry in story}
    return next((order for order in orders_in(story) if order.over not in keys), None)
