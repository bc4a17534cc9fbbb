"""One clock and one agenda for everything: who comes next, who dies, who is interrupted by whom.

No threads. A call into the world may be slow, and then something else that is due happens before it
goes on: that is how two runs race between a read and a write.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any, TypeVar

from autorecovery.adapters.simulated.workflow import CrashedError
from tests.prove.schedule import CALM_AFTER, START
from tests.prove.trouble import ANSWER_LOST, DIES_AFTER, DIES_BEFORE, MEANWHILE, REFUSED, Troubles

T = TypeVar("T")

SLOWEST_CALL = timedelta(seconds=20)
"""How long one call may take while something else happens."""

DEEPEST = 3
"""How many runs may be in the middle of a call at the same time."""


class MachineDiedError(BaseException):
    """The one machine loses its power: everything that runs on it is gone."""


@dataclass(order=True)
class Due:
    """Something that is due."""

    at: datetime
    order: int
    actor: str = field(compare=False)
    act: Callable[[], None] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the trace."""

    at: datetime
    who: str
    what: str


class Engine:
    """The agenda, the clock, and every boundary between our code and the world."""

    def __init__(self, troubles: Troubles, *, one_machine: bool) -> None:
        self.now = START
        self.troubles = troubles
        self.one_machine = one_machine
        self.wall_offset = timedelta()
        self.trace: list[Line] = []
        self.is_traced = False
        self.actors: list[str] = []
        self.begun: dict[str, datetime] = {}
        """By actor: when the step it is in began."""
        self.out_of_order: set[str] = set()
        """Ports that do not work at all just now."""
        self._agenda: list[Due] = []
        self._order = count()

    def clock(self) -> datetime:
        """Return the true time."""
        return self.now

    def wall_clock(self) -> datetime:
        """Return the time that our code is told."""
        return self.now + self.wall_offset

    @property
    def actor(self) -> str:
        """Return whose code runs just now."""
        return self.actors[-1] if self.actors else "world"

    def note(self, what: str, who: str | None = None) -> None:
        """Add a line to the trace."""
        self.trace.append(Line(self.now, who or self.actor, what))

    def at(self, moment: datetime, actor: str, act: Callable[[], None]) -> None:
        """Let an actor do something then."""
        heapq.heappush(self._agenda, Due(moment, next(self._order), actor, act))

    def after(self, seconds: float, actor: str, act: Callable[[], None]) -> None:
        """Let an actor do something in so many seconds."""
        self.at(self.now + timedelta(seconds=seconds), actor, act)

    def forget(self, concerns: Callable[[str], bool]) -> None:
        """Strike everything that these actors were about to do."""
        self._agenda = [due for due in self._agenda if not concerns(due.actor)]
        heapq.heapify(self._agenda)

    def is_idle(self, but_for: str) -> bool:
        """Return whether nobody is due but actors of this sort."""
        return all(due.actor.startswith(but_for) for due in self._agenda)

    def run(self, until: datetime, is_over: Callable[[], bool], died: Callable[[], None]) -> None:
        """Let everything happen that is due until then, or until it is over."""
        while self._agenda and self._agenda[0].at <= until:
            self.troubles.calm = self.now - START >= CALM_AFTER
            if self.troubles.calm:
                self.out_of_order.clear()
            try:
                self._run_one(heapq.heappop(self._agenda))
            except MachineDiedError:
                self.actors.clear()
                died()
            if is_over():
                return
        self.now = max(self.now, until)

    def cross(
        self, call: str, act: Callable[[], T], fails: Callable[[str], Exception] | None = None
    ) -> T:
        """Return what the call into the world returned, unless something goes wrong with it."""
        what = self.troubles.at(self.actor, call, _choices(fails is not None))
        if self.is_traced or what:
            self.note(f"{call}{f' ({what})' if what else ''}")
        if what == DIES_BEFORE:
            self.die(call)
        if fails and (what == REFUSED or call.partition(".")[0] in self.out_of_order):
            raise fails("refused")
        if what == MEANWHILE:
            self._meanwhile()
        result = act()
        if what == DIES_AFTER:
            self.die(call)
        if what == ANSWER_LOST and fails:
            raise fails("the answer was lost")
        return result

    def crashes(self, place: str) -> bool:
        """Return whether a workflow dies at this place of its own."""
        if place.startswith("begun "):
            self.begun[self.actor] = self.now
        dies = self.troubles.at(self.actor, place, ("dies",)) is not None
        if dies:
            self.note(f"dies {place}")
            if self.one_machine:
                raise MachineDiedError(place)
        return dies

    def die(self, place: str) -> None:
        """Let whoever runs die here; on one machine, everybody."""
        if self.one_machine:
            raise MachineDiedError(place)
        raise CrashedError(place)

    def _run_one(self, due: Due) -> None:
        self.now = max(self.now, due.at)
        self.actors.append(due.actor)
        depth = len(self.actors)
        due.act()
        del self.actors[depth - 1 :]

    def _meanwhile(self) -> None:
        """Let the next thing happen that is due soon, of somebody who is not busy."""
        if len(self.actors) >= DEEPEST or self.troubles.calm:
            return
        held: list[Due] = []
        while self._agenda and self._agenda[0].at <= self.now + SLOWEST_CALL:
            due = heapq.heappop(self._agenda)
            if due.actor not in self.actors:
                self._run_one(due)
                break
            held.append(due)
        for due in held:
            heapq.heappush(self._agenda, due)


class Boundary:
    """A port, every call of which may die, fail or be overtaken."""

    def __init__(
        self, engine: Engine, name: str, port: Any, fails: Callable[[str], Exception] | None
    ) -> None:
        self._engine, self._name, self._port, self._fails = engine, name, port, fails

    def __getattr__(self, method: str) -> Any:
        """Return the port's method, crossing the boundary."""
        target = getattr(self._port, method)
        place = f"{self._name}.{method}"
        return lambda *args, **named: self._engine.cross(
            place, lambda: target(*args, **named), self._fails
        )


def _choices(can_fail: bool) -> Sequence[str]:
    return _ALL if can_fail else _SURE


_SURE = (DIES_BEFORE, DIES_AFTER, MEANWHILE)
_ALL = (DIES_BEFORE, DIES_AFTER, MEANWHILE, MEANWHILE, REFUSED, ANSWER_LOST)
