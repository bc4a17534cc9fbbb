"""The service: a sample every second, batches to the hub, a word in the log when levels change."""

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from host_agent.batch import Batch
from host_agent.changes import Changes
from host_agent.containers import Container
from host_agent.host import Host, Sample, moment
from host_agent.kills import Kills
from host_agent.latest import Latest, Snapshot
from host_agent.levels import Condition, Level, Watch
from host_agent.limits import CONTAINER_METRICS
from host_agent.processes import Process, Processes
from host_agent.rounds import Rounds
from host_agent.settings import Settings
from host_agent.ship import Log, Shipper
from host_agent.ticker import Ticker

PROCESSES_EVERY = 10.0
MOUNT_METRICS = ("disk_used_percent", "disk_inodes_used_percent")
MOST_TOLD = 100
"""Different failures of a sample that are logged; each of them once."""
LAST_WORDS = 3.0
"""Seconds in which the last batch may still reach the hub when the agent is stopped."""


class Agent:
    """Samples, judges, gathers, ships. `run` returns when `stop` is set."""

    def __init__(
        self,
        settings: Settings,
        variables: Mapping[str, str],
        log: Log,
        shipper: Shipper | None = None,
    ) -> None:
        """Without a shipper nothing leaves this host; `latest` is there all the same."""
        self.stop = threading.Event()
        self.latest = Latest()
        self._settings, self._log, self._shipper = settings, log, shipper
        self._host = host_of(settings)
        self._watch = Watch(settings.limits)
        self._changes = Changes(
            restarts_per_hour=settings.restarts_per_hour, expected=settings.expected
        )
        self._rounds = Rounds(settings, variables)
        self._seen_round = 0
        self._kills = Kills()
        self._processes = Largest()
        self._batch = Batch(settings.resolution)
        self._conditions: dict[tuple[str, str, str], Condition] = {}
        self._tick_ms: float | None = None
        self._due = 0.0
        self._told: set[str] = set()

    def run(self) -> None:
        """Sample every second until stopped; then hand over what is gathered."""
        ticker = Ticker(1.0, self.stop, moment)
        ticker.start()
        self._due = moment()[1] + self._interval()
        self._rounds.start()
        if self._shipper:
            self._shipper.start()
        self._try_tick(ticker)
        while ticker.wait():
            self._try_tick(ticker)
        self._rounds.stop()
        self._ship()
        if self._shipper:
            self._shipper.stop(LAST_WORDS)
        self._rounds.wait(LAST_WORDS)

    def _try_tick(self, ticker: Ticker) -> None:
        """Do one tick; what goes wrong in it is told once, and costs this second only."""
        try:
            self._tick(ticker)
        except Exception as error:  # noqa: BLE001 - the boundary of one second's work
            told = f"a sample failed: {type(error).__name__}: {error}"
            if told not in self._told and len(self._told) < MOST_TOLD:
                self._told.add(told)
                self._log("ERROR", told)

    def _tick(self, ticker: Ticker) -> None:
        started = time.perf_counter()
        jump = ticker.jumped()
        if jump:
            self._log("WARNING", f"the clock of this host was set by {jump:+.0f} s")
        at, monotonic = moment()
        sample = self._with_own_cost(self._host.sample(at, monotonic))
        conditions = self._judge(sample, at, monotonic)
        self._batch.add(sample, conditions)
        self._publish(sample, ticker)
        if monotonic >= self._due:
            self._ship()
            self._due = monotonic + self._interval()
        self._tick_ms = 1000 * (time.perf_counter() - started)

    def _with_own_cost(self, sample: Sample) -> Sample:
        """Add what the tick before took: this one is not over."""
        if self._tick_ms is None:
            return sample
        return replace(sample, metrics={**sample.metrics, "agent_tick_ms": self._tick_ms})

    def _judge(self, sample: Sample, at: float, monotonic: float) -> list[Condition]:
        values = host_values(sample)
        conditions = self._watch.see(values, at, monotonic)
        conditions += self._watch.keep_only(MOUNT_METRICS, _mounts_there(sample), at)
        killed = self._kills.new(monotonic)
        if killed:
            words = f"the kernel killed {killed} process(es): out of memory"
            conditions.append(
                Condition("oom_kill", Level.CRITICAL, words, at, value=killed, momentary=True)
            )
        found = self._rounds.found
        if found.number != self._seen_round:
            self._seen_round = found.number
            conditions += self._watch.see(container_values(found.containers), at, monotonic)
            conditions += self._changes.see(found.containers, at, monotonic)
            running = {c.name for c in found.containers if c.state == "running"}
            conditions += self._watch.keep_only(CONTAINER_METRICS.values(), running, at)
        self._processes.look(near=self._watch.is_near(values), monotonic=monotonic)
        self._remember(conditions)
        return conditions

    def _remember(self, conditions: Iterable[Condition]) -> None:
        """Keep what lasts, and log what has changed."""
        for each in conditions:
            key = (each.kind, each.metric, each.name)
            before = self._conditions.get(key)
            if each.momentary or (before.level if before else Level.OK) is not each.level:
                self._log("INFO" if each.level is Level.OK else each.level, each.words)
            if each.level is Level.OK or each.momentary:
                self._conditions.pop(key, None)
            else:
                self._conditions[key] = each

    def _publish(self, sample: Sample, ticker: Ticker) -> None:
        self.latest.snapshot = Snapshot(
            sample,
            self._rounds.found.containers,
            tuple(self._conditions.values()),
            self._shipper.waiting if self._shipper else 0,
            self._shipper.dropped if self._shipper else 0,
            ticker.missed,
            {**sample.unread, **self._rounds.found.unread},
        )

    def _interval(self) -> int:
        wished = self._shipper.interval if self._shipper else None
        return int(min(max(wished or self._settings.ship_every, 1), 300))

    def _ship(self) -> None:
        """Close the batch and begin the next; also without a hub, which keeps it small."""
        wished = self._shipper.resolution if self._shipper else None
        batch, self._batch = self._batch, Batch(wished or self._settings.resolution)
        if self._shipper is None or batch.is_empty:
            return
        found = self._rounds.found
        batch.tell(self._conditions.values())  # what lasts is in every batch
        self._shipper.offer(
            batch.close(
                host=self._settings.host,
                agent=self._settings.agent,
                interval=self._interval(),
                containers=found.containers,
                processes=self._processes.found,
                unread={**found.unread, **self._own_trouble()},
            )
        )

    def _own_trouble(self) -> dict[str, str]:
        """Return what the hub should know of this agent's own deliveries."""
        if self._shipper is None or not (self._shipper.dropped or self._shipper.trouble):
            return {}
        dropped = f"{self._shipper.dropped} batches were given up" if self._shipper.dropped else ""
        return {"spool": "; ".join(each for each in (self._shipper.trouble, dropped) if each)}


class Largest:
    """The largest processes while a limit is near: two looks for shares, then one at times."""

    def __init__(self) -> None:
        self.found: list[Process] = []
        self._looks = 0
        self._due = 0.0
        self._processes = Processes()

    def look(self, *, near: bool, monotonic: float) -> None:
        """Look, if there is reason to and it is time."""
        if not near:
            if self._looks:
                self.found, self._looks, self._due = [], 0, 0.0
                self._processes = Processes()
            return
        if monotonic >= self._due:
            self.found = self._processes.largest(monotonic)
            self._looks += 1
            self._due = monotonic + (1.0 if self._looks == 1 else PROCESSES_EVERY)


def host_of(settings: Settings) -> Host:
    """Return the reader of this host that the settings ask for."""
    return Host(
        virtual_interfaces=settings.virtual_interfaces,
        skip_mounts=settings.skip_mounts,
        also_mounts=settings.also_mounts,
    )


def host_values(sample: Sample) -> list[tuple[str, str, float]]:
    """Return what of a sample may have limits: metric, object, value."""
    values = [
        (metric, "", value)
        for metric, value in sample.metrics.items()
        if not metric.startswith("disk_")  # the mounts themselves are judged
    ]
    for mount, each in sample.mounts.items():
        values += [(metric, mount, value) for metric, value in each.items()]
    return values


def _mounts_there(sample: Sample) -> set[str]:
    """Return the mounts that are there, also those that could not be read just now."""
    failing = {name.removeprefix("mount ") for name in sample.unread if name.startswith("mount ")}
    return {*sample.mounts, *failing}


def container_values(containers: Iterable[Container]) -> list[tuple[str, str, float]]:
    """Return what of containers may have limits; stale values are no news."""
    values: list[tuple[str, str, Any]] = []
    for each in containers:
        if not each.stale:
            values.append((CONTAINER_METRICS["cpu"], each.name, each.cpu_host_pct))
            values.append((CONTAINER_METRICS["memory"], each.name, each.mem_used_percent))
    return [(metric, name, value) for metric, name, value in values if value is not None]
