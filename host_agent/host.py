"""One sample of this host: processors, memory, disks, network, pressure, temperatures."""

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from host_agent.counters import Counters, Shares
from host_agent.interfaces import watched_interfaces
from host_agent.mounts import Mounts
from host_agent.pressure import read_pressure

Values = Mapping[str, float]
Objects = Mapping[str, Values]

SELDOM = 10.0
"""Seconds between readings of what hardly changes: temperatures."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What was read at one moment. A value that could not be read is absent, and `unread` says why.

    Rates are per second since the sample before, so the first has none.
    """

    at: float
    """Seconds since the epoch, by this host's clock."""
    metrics: Values
    cores: tuple[float, ...] = ()
    """Percent active, of each processor."""
    mounts: Objects = field(default_factory=dict)
    disks: Objects = field(default_factory=dict)
    interfaces: Objects = field(default_factory=dict)
    temperatures: Values = field(default_factory=dict)
    """Degrees Celsius by sensor."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """What could not be read: why, and what helps."""


class Host:
    """Reads this host. It remembers the counters of the last sample, and nothing else."""

    def __init__(
        self,
        *,
        virtual_interfaces: bool = False,
        skip_mounts: Iterable[str] = (),
        also_mounts: Iterable[str] = (),
    ) -> None:
        self._virtual = virtual_interfaces
        self._mounts = Mounts(frozenset(skip_mounts), frozenset(also_mounts))
        self._shares = Shares()
        self._disks = Counters()
        self._networks = Counters()
        self._temperatures: dict[str, float] = {}
        self._temperatures_due = 0.0

    def sample(self, at: float, monotonic: float) -> Sample:
        """Return what this host is doing; it takes about a millisecond."""
        unread: dict[str, str] = {}
        metrics: dict[str, float] = {}
        cores = self._processors(metrics)
        _memory(metrics)
        metrics |= read_pressure(unread)
        mounts = self._mounts.read(monotonic, unread)
        metrics |= _fullest(mounts)
        disks = self._disk_rates(monotonic, unread)
        metrics |= _totals(disks, "diskio_read_bytes_per_second", "diskio_write_bytes_per_second")
        interfaces = self._network_rates(monotonic)
        metrics |= _totals(interfaces, *_NETWORK_TOTALS)
        temperatures = self._read_temperatures(monotonic)
        return Sample(at, metrics, cores, mounts, disks, interfaces, temperatures, unread)

    def _processors(self, metrics: dict[str, float]) -> tuple[float, ...]:
        """Add the total's shares, and return each core's.

        Waiting for disks is no activity of the processor; what the hypervisor took away (steal) is.
        """
        times = [_kinds(each) for each in psutil.cpu_times(percpu=True)]
        total = {kind: sum(each[kind] for each in times) for kind in times[0]}
        shares = self._shares.percents("all", total)
        if shares:
            metrics["cpu_usage_active"] = _active(shares)
            for kind in ("user", "system", "iowait", "steal"):
                metrics[f"cpu_usage_{kind}"] = shares.get(kind, 0.0)
        metrics["cpu_count"] = len(times)
        metrics["load_1m"], metrics["load_5m"], metrics["load_15m"] = os.getloadavg()
        each = [self._shares.percents(str(number), core) for number, core in enumerate(times)]
        return tuple(_active(core) for core in each) if all(each) else ()

    def _disk_rates(self, monotonic: float, unread: dict[str, str]) -> dict[str, dict[str, float]]:
        counters = psutil.disk_io_counters(perdisk=True, nowrap=False) or {}
        if not counters:
            unread["diskio"] = "this kernel shows no disks in /proc/diskstats"
        whole = {name: each for name, each in counters.items() if _is_whole_disk(name)}
        self._disks.keep_only(set(whole))
        rates = {}
        for name, each in whole.items():
            read = self._disks.rates(name, _disk_counters(each), monotonic)
            busy = read.pop("busy", None)
            rates[name] = {f"diskio_{key}_per_second": value for key, value in read.items()}
            if busy is not None:
                rates[name]["diskio_busy_percent"] = min(100.0, busy / 10)
        return rates

    def _network_rates(self, monotonic: float) -> dict[str, dict[str, float]]:
        counters = psutil.net_io_counters(pernic=True, nowrap=False)
        watched = watched_interfaces(counters, virtual=self._virtual)
        self._networks.keep_only(set(watched))
        return {
            name: {
                f"net_{key}_per_second": value
                for key, value in self._networks.rates(
                    name, _network_counters(counters[name]), monotonic
                ).items()
            }
            for name in watched
        }

    def _read_temperatures(self, monotonic: float) -> dict[str, float]:
        if monotonic >= self._temperatures_due:
            self._temperatures_due = monotonic + SELDOM
            self._temperatures = {
                f"{chip}/{sensor.label or number}": sensor.current
                for chip, sensors in psutil.sensors_temperatures().items()
                for number, sensor in enumerate(sensors)
                if sensor.current is not None
            }
        return self._temperatures


def moment() -> tuple[float, float]:
    """Return now by this host's clock, and by the one that never jumps."""
    return time.time(), time.monotonic()


def _kinds(times: "psutil._ntp.scputimes") -> dict[str, float]:
    """Return the kinds of time; a guest's is within `user` and `nice` already."""
    kinds: dict[str, float] = times._asdict()
    kinds.pop("guest", None)
    kinds.pop("guest_nice", None)
    return kinds


def _active(shares: Values) -> float:
    return max(0.0, 100 - shares["idle"] - shares.get("iowait", 0.0))


def _memory(metrics: dict[str, float]) -> None:
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    metrics["mem_total"] = memory.total
    metrics["mem_available"] = memory.available
    metrics["mem_used"] = memory.total - memory.available
    metrics["mem_used_percent"] = 100 * (memory.total - memory.available) / memory.total
    metrics["swap_total"], metrics["swap_used"] = swap.total, swap.used
    if swap.total:  # a host without swap uses no share of it
        metrics["swap_used_percent"] = 100 * swap.used / swap.total


def _fullest(mounts: Mapping[str, Values]) -> dict[str, float]:
    """Return the highest shares of any mount: a host is as full as its fullest disk."""
    highest = {}
    for name in ("disk_used_percent", "disk_inodes_used_percent"):
        found = [mount[name] for mount in mounts.values() if name in mount]
        if found:
            highest[name] = max(found)
    return highest


_NETWORK_TOTALS = tuple(
    f"net_{key}_per_second"
    for key in ("bytes_recv", "bytes_sent", "err_in", "err_out", "drop_in", "drop_out")
)


def _totals(objects: Mapping[str, Values], *names: str) -> dict[str, float]:
    """Return the sums over all objects; none where no object has a value yet."""
    found = {name: [each[name] for each in objects.values() if name in each] for name in names}
    return {name: sum(values) for name, values in found.items() if values}


def _is_whole_disk(name: str) -> bool:
    """Return whether it is a disk, not a part of one nor a loop: each byte is counted once."""
    return Path(f"/sys/block/{name.replace('/', '!')}").exists() and not name.startswith(
        ("loop", "ram", "dm-", "md", "zram")
    )


def _disk_counters(counters: "psutil._ntp.sdiskio") -> dict[str, float]:
    return {
        "read_bytes": counters.read_bytes,
        "write_bytes": counters.write_bytes,
        "reads": counters.read_count,
        "writes": counters.write_count,
        "busy": getattr(counters, "busy_time", 0),
    }


def _network_counters(counters: "psutil._ntp.snetio") -> dict[str, float]:
    return {
        "bytes_recv": counters.bytes_recv,
        "bytes_sent": counters.bytes_sent,
        "packets_recv": counters.packets_recv,
        "packets_sent": counters.packets_sent,
        "err_in": counters.errin,
        "err_out": counters.errout,
        "drop_in": counters.dropin,
        "drop_out": counters.dropout,
    }
