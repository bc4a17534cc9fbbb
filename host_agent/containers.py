"""Containers as one engine tells of them: what they are, how they are, what they use."""

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from host_agent.counters import Counters
from host_agent.engine import Engine
from host_agent.exchange import Failed
from host_agent.lines import EngineError
from host_agent.usage import counted, memory_of, taken_at

BUDGET_SECONDS = 2.1
"""For one round of questions. What is not answered by then is stale; the host goes on anyway."""

INSPECT_SECONDS = 10.0
MOST_CONTAINERS = 500
NAME_LENGTH = 128


@dataclass(frozen=True, slots=True)
class Container:
    """One container. A value that could not be read is None, and `unread` says why."""

    engine: str
    id: str
    name: str
    image: str
    state: str
    """running · exited · created · paused · restarting · removing · dead"""
    health: str | None = None
    """healthy · unhealthy · starting; None where its image has no health check."""
    restarts: int | None = None
    """By the engine, since it was made."""
    oom_killed: bool | None = None
    exit_code: int | None = None
    """Of its last end; None while it has not ended."""
    started_at: str | None = None
    cpu_host_pct: float | None = None
    """Of all the host's processors together: 0 to 100."""
    cpu_cores: float | None = None
    mem_used: float | None = None
    """Bytes, without what the kernel can take back at once."""
    mem_limit: float | None = None
    """None: it has no limit, or none is known (see `unread`)."""
    mem_used_percent: float | None = None
    """Of its limit, so None without one."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """Bytes per second: net_bytes_recv, net_bytes_sent, blkio_read_bytes, blkio_write_bytes."""
    stale: bool = False
    """The engine did not answer in time: these are the values of `read_at`."""
    read_at: float | None = None
    """When the engine last answered for it; seconds since the epoch."""
    unread: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of questions found."""

    containers: tuple[Container, ...]
    trouble: str = ""
    """Why the engine could not be asked, and what helps."""


class Containers:
    """Asks one engine about all its containers, and remembers counters and last answers."""

    def __init__(
        self,
        engine: Engine,
        processors: int,
        *,
        name: str = "docker",
        budget: float = BUDGET_SECONDS,
    ) -> None:
        self._engine, self._processors, self._name, self._budget = engine, processors, name, budget
        self._counters = Counters()
        self._known: dict[str, Container] = {}
        self._looked: dict[str, tuple[float, str]] = {}
        self._young: set[str] = set()
        """What has run, or been ended, for seconds only: it may have been started anew."""

    def round(self, at: float) -> Round:
        """Return all containers, stopped ones too; it takes no longer than the budget."""
        deadline = time.monotonic() + self._budget
        try:
            listed = self._engine.ask([LIST], deadline)[LIST]
        except EngineError as error:
            return self._stale(str(error))
        if not isinstance(listed, list):
            self._engine.close()
            why = listed.why if isinstance(listed, Failed) else "its list of containers is none"
            return self._stale(f"{self._engine.path}: {why}")
        self._young.clear()
        seen = [each for each in map(self._listed, listed[:MOST_CONTAINERS]) if each]
        answers = self._ask(seen, deadline)
        found = tuple(self._read_or_say_why(each, answers, at) for each in seen)
        self._known = {each.id: each for each in found}
        self._forget()
        more = len(listed) - MOST_CONTAINERS
        return Round(found, f"{more} containers more are not read" if more > 0 else "")

    def close(self) -> None:
        """Hang up."""
        self._engine.close()

    def _stale(self, trouble: str) -> Round:
        return Round(tuple(replace(each, stale=True) for each in self._known.values()), trouble)

    def _listed(self, entry: Any) -> Container | None:
        """Return what the list says of one; None for what is no container."""
        if not isinstance(entry, dict) or not isinstance(entry.get("Id"), str):
            return None
        names = entry.get("Names") or [entry["Id"][:12]]
        name = str(names[0]).lstrip("/")[:NAME_LENGTH]
        status = str(entry.get("Status", ""))
        if "second" in status:
            self._young.add(entry["Id"])
        health = _HEALTH.search(status)
        return Container(
            engine=self._name,
            id=entry["Id"],
            name=name,
            image=str(entry.get("Image", ""))[:NAME_LENGTH],
            state=str(entry.get("State", "unknown")).lower()[:20],
            health=health[1].replace("health: ", "") if health else None,
        )

    def _ask(self, seen: Iterable[Container], deadline: float) -> dict[str, Any]:
        """Ask for statistics of what runs, and look closer at what has changed.

        Who was read longest ago is asked first: with little time, each gets its turn.
        """
        moment = time.monotonic()
        waiting = sorted(seen, key=self._read_before)
        closer = [_details(each) for each in waiting if self._is_due(each, moment)]
        usage = [_usage(each) for each in waiting if each.state == "running"]
        try:
            return self._engine.ask(closer + usage, deadline)
        except EngineError as error:
            failed = Failed(str(error), late=True)
            return dict.fromkeys(closer + usage, failed)

    def _read_before(self, container: Container) -> float:
        known = self._known.get(container.id)
        return known.read_at or 0.0 if known else 0.0

    def _is_due(self, container: Container, moment: float) -> bool:
        last = self._looked.get(container.id)
        signature = f"{container.state} {container.health}"
        if container.id in self._young:
            return True
        return last is None or last[1] != signature or moment - last[0] >= INSPECT_SECONDS

    def _read_or_say_why(
        self, container: Container, answers: Mapping[str, Any], at: float
    ) -> Container:
        """Return the container as it was answered for; one bad answer never loses the others."""
        try:
            return self._read(container, answers, at)
        except (TypeError, AttributeError, ValueError, LookupError) as error:
            why = f"the engine's answer makes no sense: {error}"
            return replace(container, unread={"usage": why})

    def _read(self, container: Container, answers: Mapping[str, Any], at: float) -> Container:
        known = self._known.get(container.id)
        container = self._with_details(container, answers.get(_details(container)), known)
        if container.state != "running":
            return replace(container, read_at=at)
        usage = answers.get(_usage(container))
        if isinstance(usage, dict) and isinstance(usage.get("cpu_stats"), dict):
            return self._with_usage(container, usage, at)
        late = isinstance(usage, Failed) and usage.late
        if late and known:
            return _keep_usage(container, known)
        why = usage.why if isinstance(usage, Failed) else "no statistics came"
        return replace(container, stale=late, unread={**container.unread, "usage": why})

    def _with_details(
        self, container: Container, details: Any, known: Container | None
    ) -> Container:
        if not isinstance(details, dict) or not isinstance(details.get("State"), dict):
            return _keep_details(container, known)
        self._looked[container.id] = (time.monotonic(), f"{container.state} {container.health}")
        state = details["State"]
        ended = container.state in ("exited", "dead")
        limit = _number((details.get("HostConfig") or {}).get("Memory"))
        return replace(
            container,
            health=(_health(state) or container.health) if container.state == "running" else None,
            restarts=_count(details.get("RestartCount")),
            oom_killed=bool(state.get("OOMKilled")),
            exit_code=_count(state.get("ExitCode")) if ended else None,
            started_at=_moment(state.get("StartedAt")),
            mem_limit=limit or None,
        )

    def _with_usage(self, container: Container, usage: dict[str, Any], at: float) -> Container:
        counters = counted(usage)
        # One that was started anew counts from zero: another life, another name for its counters.
        life = f"{container.id} {container.started_at}"
        rates = self._counters.rates(life, counters, taken_at(usage, time.time(), time.monotonic()))
        cores = rates.pop("cpu_seconds", None)
        unread = dict(container.unread)
        used = memory_of(usage, unread)
        limit = container.mem_limit
        return replace(
            container,
            cpu_cores=cores,
            cpu_host_pct=None if cores is None else min(100.0, 100 * cores / self._processors),
            mem_used=used,
            mem_used_percent=100 * used / limit if used is not None and limit else None,
            rates=rates,
            read_at=at,
            unread=unread,
        )

    def _forget(self) -> None:
        self._counters.keep_only({f"{c.id} {c.started_at}" for c in self._known.values()})
        for gone in self._looked.keys() - self._known.keys():
            del self._looked[gone]


LIST = "/containers/json?all=1"

_HEALTH = re.compile(r"\((health: starting|healthy|unhealthy)\)")


def _details(container: Container) -> str:
    return f"/containers/{container.id}/json"


def _usage(container: Container) -> str:
    return f"/containers/{container.id}/stats?stream=0&one-shot=1"


def _keep_details(container: Container, known: Container | None) -> Container:
    """Return what was known of it: it is inspected seldom."""
    if known is None:
        return replace(container, unread={"details": "not inspected yet"})
    return replace(
        container,
        health=container.health or (known.health if known.state == container.state else None),
        restarts=known.restarts,
        oom_killed=known.oom_killed,
        exit_code=known.exit_code if container.state in ("exited", "dead") else None,
        started_at=known.started_at,
        mem_limit=known.mem_limit,
    )


def _keep_usage(container: Container, known: Container) -> Container:
    return replace(
        container,
        cpu_cores=known.cpu_cores,
        cpu_host_pct=known.cpu_host_pct,
        mem_used=known.mem_used,
        mem_used_percent=known.mem_used_percent,
        rates=known.rates,
        read_at=known.read_at,
        stale=True,
    )


def _health(state: Mapping[str, Any]) -> str | None:
    health = state.get("Health") or state.get("Healthcheck")  # Podman's older word
    status = health.get("Status") if isinstance(health, dict) else None
    return str(status) if status and status != "none" else None


def _moment(text: object) -> str | None:
    """Return a moment as the engine wrote it; None for its way to say never."""
    if not isinstance(text, str) or text.startswith("0001-"):
        return None
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return None
    return text


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
