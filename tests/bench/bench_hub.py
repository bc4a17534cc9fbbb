"""The hub: batches taken in a second, the size of 15 days of 100 hosts, and a query of a day.

Seconds are those of the processor: how many others want it at the same time says nothing of us. The
history is filled with rows that were sent and rolled up as always, repeated to the full 15 days.
"""

import gc
import json
import random
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import text

from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.dead_letters import SqliteDeadLetters
from autorecovery.adapters.sqlite.incident_log import SqliteIncidentLog
from autorecovery.config import Ingest, load
from autorecovery.models.readings import CPU, DISK, MEMORY, RECEIVED, SENT, Batch, HostSample
from autorecovery.triage.run import Triage
from local_runtime.history.database import used_bytes
from local_runtime.history.keeper import HistoryKeeper
from local_runtime.hub import MEGABYTE, Delivery
from local_runtime.machine import ThisHost
from tests.bench.ratios import finish
from tests.fakes import RecordingStarter
from tests.hub_world import HubWorld

RATE, HOSTS, ROUNDS = 300, 300, 3
DAYS, FLEET, FILLED = 15, 100, 4
DAY_MS = 50
START = datetime(2026, 3, 2, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
CONFIG = Path(__file__).resolve().parents[2] / "config.yaml"
OTHERS = (
    "cpu_usage_user", "cpu_usage_system", "cpu_usage_iowait", "cpu_usage_steal", "cpu_count",
    "load_1m", "load_5m", "load_15m", "mem_total", "mem_used", "mem_available", "swap_total",
    "swap_used_percent", "disk_inodes_used_percent", "diskio_read_bytes_per_second",
    "diskio_write_bytes_per_second", "net_err_in_per_second", "net_err_out_per_second",
    "net_drop_in_per_second", "net_drop_out_per_second", "pressure_cpu_some_10",
    "pressure_memory_some_10", "pressure_io_some_10",
)  # fmt: skip
STEADY = ("cpu_count", "mem_total", "swap_total", DISK)


class Walk:
    """Metrics as hosts have them: most wander, some stand."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        names = (CPU, MEMORY, DISK, RECEIVED, SENT, *OTHERS)
        self._values = {name: self._chance.uniform(10, 70) for name in names}

    def step(self) -> dict[str, float]:
        """Return the next second's values, to three digits, as agents send them."""
        for name in self._values:
            if name not in STEADY:
                moved = self._values[name] + self._chance.gauss(0, 2)
                self._values[name] = min(max(round(moved, 3), 0), 79)
        return dict(self._values)


def batch(host: str, key: str, walk: Walk, at: datetime) -> dict[str, Any]:
    """Return a batch of fifteen seconds with twenty containers."""
    samples = [
        {"at": (at - (14 - n) * SECOND).isoformat(), "seconds": 1, "metrics": walk.step()}
        for n in range(15)
    ]
    containers = [
        {"name": f"c{n}", "image": "nginx:1.27", "state": "running", "restarts": 0,
         "cpu_host_pct": 1.25, "cpu_cores": 0.05, "mem_bytes": 52428800, "mem_used_percent": 10.2}
        for n in range(20)
    ]  # fmt: skip
    return {
        "schema_version": 1, "host": host, "agent": host, "key": key, "interval_seconds": 15,
        "late": False, "samples": samples, "containers": containers,
    }  # fmt: skip


def with_triage(world: HubWorld, folder: Path) -> None:
    """Have the world's batches go through the real triage, over a real store."""
    database = Database(folder / "core.sqlite3")
    app = Triage(
        configuration=load(CONFIG, {}).configuration,
        incidents=SqliteIncidentLog(database),
        responses=RecordingStarter(),
        targets=ThisHost("here"),
        dead_letters=SqliteDeadLetters(database),
        clock=lambda: world.now,
    )
    object.__setattr__(world.hub, "deliver", Delivery(app))


def ingest_rate(folder: Path) -> tuple[float, float]:
    """Return batches a second of the processor, and of the clock."""
    world = HubWorld(folder, is_open=True)
    with_triage(world, folder)
    world.now = START
    walks = [Walk(number) for number in range(20)]
    rates = []
    for turn in range(ROUNDS + 1):
        world.now += 15 * SECOND
        bodies = [
            json.dumps(batch(f"web-{n}", f"k{turn}", walks[n % 20], world.now))
            for n in range(HOSTS)
        ]
        gc.collect()
        began, cpu = time.perf_counter(), time.process_time()
        for body in bodies:
            answer = world.ask("POST", "/api/v1/ingest", body)
            assert answer.status == 202, answer
        rates.append((HOSTS / (time.process_time() - cpu), HOSTS / (time.perf_counter() - began)))
    world.history.engine.dispose()
    return tuple(median(column) for column in zip(*rates[1:], strict=True))


def fill(world: HubWorld) -> None:
    """Send an hour of some hosts, have it rolled up, and repeat it to the full 15 days."""
    end = START + HOUR
    for number in range(FILLED):
        walk, host = Walk(number), f"web-{number}"
        for minute in range(60):
            at = START + minute * 60 * SECOND
            samples = tuple(HostSample(at + s * SECOND, walk.step()) for s in range(60))
            world.history.keep(Batch(host, str(minute), samples, 60 * SECOND), at)
    HistoryKeeper(world.history, 10**12).roll_up(end + timedelta(minutes=2))
    copied = (
        "INSERT OR IGNORE INTO system_metrics SELECT hostname, resolution,"
        " datetime(timestamp, :back), samples, cpu_percent, memory_percent, disk_percent,"
        " network_received_bytes_per_second, network_sent_bytes_per_second, counted, metric_set,"
        " spreads FROM system_metrics WHERE resolution IN ({}) AND timestamp >= :start"
    )
    start = START.replace(tzinfo=None).isoformat(" ")
    with world.history.changing() as connection:
        for hours in range(1, DAYS * 24):
            # Samples stay until their hour is rolled up: two hours of them at most.
            kept = "1, 10, 60, 3600" if hours == 1 else "10, 60, 3600" if hours < 24 else "60, 3600"
            connection.execute(
                text(copied.format(kept)), {"back": f"-{hours} hours", "start": start}
            )


def cpu_ms(act: Callable[[], object], rounds: int = 15) -> float:
    """Return the milliseconds of the processor that something takes, the middle of several."""
    taken = []
    for _ in range(rounds):
        began = time.process_time()
        act()
        taken.append((time.process_time() - began) * 1000)
    return median(taken)


def told(name: str, *, holds: bool, detail: str) -> bool:
    """Print one measurement, and return whether its bound holds."""
    print(f"{'ok    ' if holds else 'MISSED'} {name}: {detail}")
    return holds


def main() -> None:
    """Measure, print, and exit with 1 where a bound is missed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        by_cpu, by_clock = ingest_rate(folder / "ingest")
        holds = told(
            "ingest with triage, SQLite on disk", holds=by_cpu >= RATE,
            detail=f"{by_cpu:,.0f} batches a second of one core ({by_clock:,.0f} by the clock)"
            f" of 15 samples and 20 containers, at least {RATE}",
        )  # fmt: skip
        world = HubWorld(folder / "size", is_open=True)
        fill(world)
        megabytes = used_bytes(world.history.engine) / FILLED * FLEET / MEGABYTE
        allowed = Ingest().history_mb
        holds &= told(
            f"history of {FLEET} hosts for {DAYS} days", holds=megabytes <= allowed,
            detail=f"{megabytes:,.0f} MB for {len(Walk(0).step())} metrics each, at most {allowed}"
            f" (from {FILLED} hosts in full)",
        )  # fmt: skip
        world.now = START + HOUR
        query = {"host": "web-1", "from": (world.now - 24 * HOUR).isoformat(), "limit": "1440"}

        def a_day() -> None:
            found = world.ask("GET", "/monitoring/metrics", token="", **query)  # type: ignore[arg-type]
            assert len(found.content["metrics"]) == 1440, len(found.content["metrics"])

        a_day()
        taken = cpu_ms(a_day)
        rows = cpu_ms(
            lambda: world.history.rows(
                "web-1", world.now - 24 * HOUR, world.now, limit=1440, metrics={CPU}
            )
        )
        holds &= told(
            "24 h of one host", holds=rows <= DAY_MS,
            detail=f"{rows:.1f} ms for the rows, {taken:.1f} ms with the whole answer as JSON,"
            f" at most {DAY_MS}",
        )  # fmt: skip
        world.history.engine.dispose()
    finish(holds=holds)


if __name__ == "__main__":
    main()
