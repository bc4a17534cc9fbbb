"""What one answer for statistics says, in Docker's words and in Podman's."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

ABSURD_BYTES = 1 << 50
"""A petabyte of memory in one container is a counter that ran below zero."""

LONGEST_WAY = 3.0
"""Seconds between the counting and the reading of an answer, at most."""


def counted(usage: Mapping[str, Any]) -> dict[str, float]:
    """Return the counters: processor seconds, bytes through networks and disks."""
    counters: dict[str, float] = {}
    spent = _path(usage, "cpu_stats", "cpu_usage", "total_usage")
    if spent is not None:
        counters["cpu_seconds"] = spent / 1e9
    networks = usage.get("networks")
    if isinstance(networks, dict):  # absent where it shares the host's network
        counters["net_bytes_recv"] = sum(_path(n, "rx_bytes") or 0 for n in networks.values())
        counters["net_bytes_sent"] = sum(_path(n, "tx_bytes") or 0 for n in networks.values())
    blocks = _blocks(usage)
    if blocks is not None:
        counters["blkio_read_bytes"] = blocks.get("read", 0.0)
        counters["blkio_write_bytes"] = blocks.get("write", 0.0)
    return counters


def memory_of(usage: Mapping[str, Any], unread: dict[str, str]) -> float | None:
    """Return the bytes it holds, without the file cache that the kernel can take back at once."""
    used = _path(usage, "memory_stats", "usage")
    if not used:
        unread["memory"] = (
            "the engine tells no memory: the memory cgroup is off;"
            " boot with cgroup_enable=memory (and swapaccount=1)"
        )
        return None
    held = used - _reclaimable(usage)
    if not 0 <= held < ABSURD_BYTES:
        unread["memory"] = f"the engine told {used:.0f} bytes, which cannot be"
        return None
    return held


def taken_at(usage: Mapping[str, Any], at: float, monotonic: float) -> float:
    """Return when it was counted, on the monotonic clock; `at` is the same now on the wall clock.

    The engine's own moment is exact, and an answer may wait a second on its way. Where the two
    clocks do not agree, ours counts.
    """
    try:
        waited = at - datetime.fromisoformat(str(usage.get("read"))).timestamp()
    except (ValueError, OverflowError):
        return monotonic
    return monotonic - waited if 0 <= waited <= LONGEST_WAY else monotonic


def _reclaimable(usage: Mapping[str, Any]) -> float:
    """Return the inactive file cache (cgroup 1 and 2 name it differently), else all the cache."""
    for name in ("total_inactive_file", "inactive_file", "cache"):
        found = _path(usage, "memory_stats", "stats", name)
        if found is not None:
            return found
    return 0.0  # Podman does not tell; its number includes the cache


def _blocks(usage: Mapping[str, Any]) -> dict[str, float] | None:
    entries = (usage.get("blkio_stats") or {}).get("io_service_bytes_recursive")
    if not isinstance(entries, list):
        return None
    sums: dict[str, float] = {}
    for entry in entries:
        if isinstance(entry, dict):
            kind = str(entry.get("op", "")).lower()
            sums[kind] = sums.get(kind, 0.0) + (_path(entry, "value") or 0.0)
    return sums


def _path(content: Any, *keys: str) -> float | None:
    for key in keys:
        if not isinstance(content, dict):
            return None
        content = content.get(key)
    if isinstance(content, bool) or not isinstance(content, int | float):
        return None
    return float(content)
