"""Rounds of questions to the container engines, in a thread of their own."""

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from host_agent.containers import Container, Containers
from host_agent.engine import Engine
from host_agent.host import moment
from host_agent.settings import Settings
from host_agent.sockets import usual_sockets
from host_agent.ticker import Ticker

HALF_A_TICK = 0.5
RELOOK_ROUNDS = 12
"""Rounds between looks for an engine that was not there."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the last round found on all engines."""

    number: int = 0
    """Of the round; a new number means new values."""
    containers: tuple[Container, ...] = ()
    unread: Mapping[str, str] = field(default_factory=dict)


class Rounds:
    """Asks every engine of this host, round after round."""

    def __init__(self, settings: Settings, variables: Mapping[str, str]) -> None:
        self._settings, self._variables = settings, variables
        self._engines: dict[str, Containers] = {}
        self._stop = threading.Event()
        self.found = Found()
        self._thread = threading.Thread(target=self._run, name="containers", daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End after the round that runs."""
        self._stop.set()

    def wait(self, seconds: float) -> None:
        """Give the last round so long to end."""
        self._thread.join(seconds)

    def close(self) -> None:
        """Hang up on every engine; for whoever does its own rounds."""
        for engine in self._engines.values():
            engine.close()

    def once(self) -> Found:
        """Do one round, and return what it found."""
        if not self._settings.containers:
            return self.found
        if self.found.number % RELOOK_ROUNDS == 0:
            self._look_for_engines()
        unread = {} if self._engines else {"containers": _none_here(self._settings.sockets)}
        containers: list[Container] = []
        at = moment()[0]
        for path, engine in self._engines.items():
            found = engine.round(at)
            containers += found.containers
            if found.trouble:
                unread[f"containers of {path}"] = found.trouble
        self.found = Found(self.found.number + 1, tuple(containers), unread)
        return self.found

    def _run(self) -> None:
        # Between two samples, not beside one: both would wait for the same interpreter.
        self._stop.wait(HALF_A_TICK)
        ticker = Ticker(self._settings.container_every, self._stop, moment)
        ticker.start()
        self._try_once()
        while ticker.wait():
            self._try_once()
        self.close()

    def _try_once(self) -> None:
        """Do one round; what nobody foresaw is told as trouble, and the next one is tried."""
        try:
            self.once()
        except Exception as error:  # noqa: BLE001 - the boundary of one round
            why = f"a round failed: {type(error).__name__}: {error}"
            self.found = Found(self.found.number + 1, (), {"containers": why})

    def _look_for_engines(self) -> None:
        for path in self._settings.sockets or usual_sockets(self._variables):
            if path not in self._engines:
                name = "podman" if "podman" in path else "docker"
                processors = os.cpu_count() or 1
                self._engines[path] = Containers(Engine(path), processors, name=name)


def _none_here(sockets: Sequence[str]) -> str:
    looked = ", ".join(sockets) if sockets else "the usual places of Docker and Podman"
    return f"no container engine: no socket in {looked}"
