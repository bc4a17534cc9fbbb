"""Which network interfaces are this host's own, and which only carry its containers' traffic."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

VIRTUAL = (
    "br-", "bridge", "cali", "cbr", "cni", "docker", "dummy", "flannel", "gre", "ifb", "kube",
    "lo", "lxc", "nerdctl", "podman", "sit", "tailscale", "tap", "tun", "veth", "virbr", "vnet",
    "wg",
)  # fmt: skip


def watched_interfaces(names: Iterable[str], *, virtual: bool) -> list[str]:
    """Return the interfaces to read: those with a device behind them, unless all are wanted.

    Where none has one, as inside a container, it is all but those whose names say virtual.
    """
    listed = sorted(names)
    if virtual:
        return listed
    physical = [name for name in listed if _has_device(name)]
    return physical or [name for name in listed if not name.startswith(VIRTUAL)]


@lru_cache(maxsize=256)
def _has_device(name: str) -> bool:
    return Path(f"/sys/class/net/{name}/device").exists()
