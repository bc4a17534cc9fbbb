"""One look at this host: two samples a second apart, and all that a report tells of them."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace

from host_agent.changes import Changes
from host_agent.containers import Container
from host_agent.host import Sample, moment
from host_agent.levels import Condition, Limit, Limits, Watch
from host_agent.processes import Process, Processes
from host_agent.rounds import Found, Rounds
from host_agent.service import container_values, host_of, host_values
from host_agent.settings import Settings

BETWEEN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen."""

    host: str
    platform: str
    limits: Limits
    sample: Sample
    containers: tuple[Container, ...] = ()
    conditions: tuple[Condition, ...] = ()
    processes: tuple[Process, ...] = ()
    unread: Mapping[str, str] | None = None

    def limit(self, metric: str, name: str = "") -> Limit | None:
        """Return the limit of this metric of this object."""
        return self.limits.of(metric, name)


class Onlooker:
    """Looks at this host, again and again if asked."""

    def __init__(self, settings: Settings, variables: Mapping[str, str]) -> None:
        self._settings = settings
        self._host = host_of(settings)
        self._rounds = Rounds(settings, variables)
        self._processes = Processes()
        self._changes = Changes(
            restarts_per_hour=settings.restarts_per_hour, expected=settings.expected
        )

    def close(self) -> None:
        """Hang up on the engines."""
        self._rounds.close()

    def prepare(self, *, processes: bool = False) -> None:
        """Take the first sample: rates need two."""
        self._host.sample(*moment())
        self._rounds.once()
        if processes:
            self._processes.largest(moment()[1])

    def look(self, *, processes: bool = False) -> Look:
        """Return what is seen now. One look knows no durations: each value counts by itself."""
        found = self._rounds.once()
        at, monotonic = moment()
        sample = self._host.sample(at, monotonic)
        return Look(
            self._settings.host,
            platform_text(),
            self._settings.limits,
            sample,
            found.containers,
            tuple(self._conditions(sample, found, at, monotonic)),
            tuple(self._processes.largest(monotonic)) if processes else (),
            {**sample.unread, **found.unread},
        )

    def _conditions(
        self, sample: Sample, found: Found, at: float, monotonic: float
    ) -> list[Condition]:
        at_once = Watch(_at_once(self._settings.limits))
        values = host_values(sample) + container_values(found.containers)
        return at_once.see(values, at, monotonic) + self._changes.see(
            found.containers, at, monotonic
        )


def platform_text() -> str:
    """Return which system this is, as people say it."""
    try:
        name = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        name = "Linux"
    return f"{name}, kernel {platform.release()}, {platform.machine()}"


def _at_once(limits: Limits) -> Limits:
    return Limits(
        {key: replace(limit, lasting=0.0) for key, limit in limits.by_metric.items()},
        {key: replace(limit, lasting=0.0) for key, limit in limits.by_object.items()},
    )
