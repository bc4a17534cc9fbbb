"""The largest processes. Asking costs more than all else together, so it is asked seldom."""

from dataclasses import dataclass

import psutil

from host_agent.counters import Counters

NAME_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Process:
    """One process; its command line stays here, as it may carry secrets."""

    pid: int
    name: str
    memory_bytes: int
    cpu_cores: float | None
    """None at the first look: a share needs two."""


class Processes:
    """Finds the largest processes, and remembers their times for the next look."""

    def __init__(self) -> None:
        self._times = Counters()

    def largest(self, monotonic: float, count: int = 5) -> list[Process]:
        """Return the largest by CPU and the largest by memory, each once."""
        seen = []
        names = set()
        for each in psutil.process_iter(["name", "cpu_times", "memory_info", "create_time"]):
            found = each.info
            if found["cpu_times"] is None or found["memory_info"] is None:
                continue  # it ended meanwhile, or is not ours to see
            key = f"{each.pid} {found['create_time']}"
            names.add(key)
            spent = found["cpu_times"].user + found["cpu_times"].system
            cores = self._times.rates(key, {"cpu": spent}, monotonic).get("cpu")
            name = (found["name"] or "?")[:NAME_LENGTH]
            seen.append(Process(each.pid, name, found["memory_info"].rss, cores))
        self._times.keep_only(names)
        psutil.process_iter.cache_clear()  # it would keep every process in memory
        busy = [each for each in seen if each.cpu_cores]
        by_cpu = sorted(busy, key=lambda p: p.cpu_cores or 0.0, reverse=True)[:count]
        by_memory = sorted(seen, key=lambda p: p.memory_bytes, reverse=True)[:count]
        return list({each.pid: each for each in by_cpu + by_memory}.values())
