"""Where something can go wrong, and what does: by dice, or from a list."""

import random
from collections import Counter
from collections.abc import Sequence

from tests.prove.schedule import Disturbance, Schedule

DIES_BEFORE, DIES_AFTER = "dies before", "dies after"
REFUSED, ANSWER_LOST = "refused", "done, but the answer is lost"
MEANWHILE = "something else happens meanwhile"


class Troubles:
    """Says at each place what goes wrong there, and keeps what it said."""

    def __init__(self, schedule: Schedule) -> None:
        self._dice = random.Random(schedule.seed)
        self._chance = schedule.chance
        self._listed = {(d.actor, d.call, d.nth): d.what for d in schedule.disturbances}
        self._calls: Counter[tuple[str, str]] = Counter()
        self.calm = False
        self.next: str | None = None
        """What is to go wrong at the next place where it can."""
        self.happened: list[Disturbance] = []
        self.places: list[tuple[str, str, int, tuple[str, ...]]] = []
        """Every place that was passed, with what could go wrong there."""
        self.is_noted = False

    def at(self, actor: str, call: str, choices: Sequence[str]) -> str | None:
        """Return what goes wrong this time, if anything."""
        self._calls[actor, call] += 1
        nth = self._calls[actor, call]
        if self.is_noted:
            self.places.append((actor, call, nth, tuple(choices)))
        what = self._listed.get((actor, call, nth))
        if what is None and not self.calm and self._chance:
            what = self._dice.choice(choices) if self._dice.random() < self._chance else None
        if what is None and self.next in choices:
            what, self.next = self.next, None
        if what is not None and what in choices:
            self.happened.append(Disturbance(actor, call, nth, what))
            return what
        return None
