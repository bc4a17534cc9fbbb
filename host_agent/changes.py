"""What happened to containers between two rounds: ends, restarts, sickness, too few of them."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

from host_agent.containers import Container
from host_agent.levels import Condition, Level

HOUR = 3600.0
ENDED = ("exited", "dead")


class Changes:
    """Compares each round with the last one; the first tells only what is wrong already."""

    def __init__(
        self, *, restarts_per_hour: int = 3, expected: Mapping[str, int] | None = None
    ) -> None:
        """`expected` says how many containers of a name (or pattern) must run."""
        self._most_restarts = restarts_per_hour
        self._expected = expected or {}
        self._before: dict[str, Container] = {}
        self._restarts: dict[str, deque[float]] = {}
        self._lasting: dict[tuple[str, str], Condition] = {}

    def see(self, containers: Iterable[Container], at: float, monotonic: float) -> list[Condition]:
        """Return what happened, what lasts, and once what has ended."""
        now = {each.id: each for each in containers}
        happened: list[Condition] = []
        lasting: list[Condition] = []
        for each in now.values():
            before = self._before.get(each.id)
            if before is not None and not each.stale:
                happened += _happened(before, each, at)
                self._count_restarts(before, each, monotonic)
            lasting += self._lasts(each, at, monotonic)
        lasting += self._missing(now.values(), at)
        self._before = now
        for gone in self._restarts.keys() - now.keys():
            del self._restarts[gone]
        return happened + self._with_ends(lasting, at)

    def _count_restarts(self, before: Container, now: Container, monotonic: float) -> None:
        if (before.restarts is None and before.started_at is None) or now.started_at is None:
            return
        by_engine = (now.restarts or 0) - (before.restarts or 0)
        by_hand = int(before.started_at is not None and now.started_at != before.started_at)
        times = self._restarts.setdefault(now.id, deque(maxlen=1000))
        times.extend([monotonic] * max(by_engine, by_hand))

    def _lasts(self, each: Container, at: float, monotonic: float) -> list[Condition]:
        found = []
        if each.health == "unhealthy":
            words = f"container {each.name} is unhealthy by its own check"
            found.append(Condition("container_unhealthy", Level.WARNING, words, at, name=each.name))
        times = self._restarts.get(each.id, deque())
        while times and monotonic - times[0] > HOUR:
            times.popleft()
        if len(times) > self._most_restarts:
            words = f"container {each.name} was started anew {len(times)} times within an hour"
            found.append(
                Condition(
                    "container_restarting", Level.WARNING, words, at,
                    name=each.name, value=len(times), limit=self._most_restarts,
                )
            )  # fmt: skip
        return found

    def _missing(self, containers: Iterable[Container], at: float) -> list[Condition]:
        running = [each.name for each in containers if each.state == "running"]
        found = []
        for pattern, wanted in self._expected.items():
            count = sum(fnmatchcase(name, pattern) for name in running)
            if count < wanted:
                words = f"{count} of {wanted} containers {pattern} are running"
                level = Level.WARNING if count else Level.CRITICAL
                found.append(
                    Condition(
                        "containers_missing", level, words, at,
                        name=pattern, value=count, limit=wanted,
                    )
                )  # fmt: skip
        return found

    def _with_ends(self, lasting: list[Condition], at: float) -> list[Condition]:
        """Return them with the moment each began, and those that have ended as OK."""
        before = self._lasting
        self._lasting = {}
        for each in lasting:
            known = before.get((each.kind, each.name))
            began = known.since if known and known.level is each.level else each.since
            self._lasting[each.kind, each.name] = replace(each, since=began)
        ended = [
            Condition(each.kind, Level.OK, f"no longer: {each.words}", at, name=each.name)
            for key, each in before.items()
            if key not in self._lasting
        ]
        return [*self._lasting.values(), *ended]


def _happened(before: Container, now: Container, at: float) -> list[Condition]:
    """Return what happened to one container since the last round."""
    found = []
    if now.oom_killed and (not before.oom_killed or before.started_at != now.started_at):
        words = f"container {now.name} was killed: it ran out of memory"
        found.append(
            Condition("container_oom", Level.CRITICAL, words, at, name=now.name, momentary=True)
        )
    if now.state != before.state:
        found.append(_changed(before, now, at))
    return found


def _changed(before: Container, now: Container, at: float) -> Condition:
    words = f"container {now.name}: {before.state}, now {now.state}"
    level = Level.OK
    if now.state in ENDED:
        level = Level.WARNING
        words += f" with exit code {'unknown' if now.exit_code is None else now.exit_code}"
        if now.exit_code == 137:
            words += " (killed: by hand, or out of memory)"
    return Condition("container_state", level, words, at, name=now.name, momentary=True)
