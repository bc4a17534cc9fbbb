"""Space and inodes of each mount that holds data of its own."""

import os

import psutil

RELIST_SECONDS = 10.0

READ_ONLY_IMAGES = frozenset({"squashfs", "iso9660", "udf", "erofs", "cramfs"})
"""File systems that are full by nature."""


class Mounts:
    """Reads the mounts; lists them anew every few seconds, and at once when one has vanished."""

    def __init__(
        self, skip: frozenset[str] = frozenset(), also: frozenset[str] = frozenset()
    ) -> None:
        """`also` are mounts in memory or over the network, which are left out unless named."""
        self._skip, self._also = skip, also
        self._listed: list[str] = []
        self._due = 0.0

    def read(self, monotonic: float, unread: dict[str, str]) -> dict[str, dict[str, float]]:
        """Return size and use by mount point; one that cannot be read is told in `unread`."""
        if monotonic >= self._due:
            self._listed = self._list()
            self._due = monotonic + RELIST_SECONDS
        found = {}
        for mount in self._listed:
            try:
                found[mount] = _space(os.statvfs(mount))
            except FileNotFoundError:
                self._due = 0.0  # it vanished: that is no error
            except OSError as error:
                unread[f"mount {mount}"] = f"{error.strerror}; see `mount` and `dmesg`"
        return found

    def _list(self) -> list[str]:
        """Return one mount point for each device, the shortest: others show the same space."""
        by_device: dict[str, str] = {}
        for mount in sorted(psutil.disk_partitions(all=False), key=lambda m: len(m.mountpoint)):
            if mount.fstype not in READ_ONLY_IMAGES and mount.mountpoint not in self._skip:
                by_device.setdefault(mount.device, mount.mountpoint)
        # Inside a container the root is no device of its own; its space is still worth watching.
        return sorted({*(by_device.values() or ("/",)), *self._also})


def _space(stat: os.statvfs_result) -> dict[str, float]:
    """Return sizes as `df` counts them: what only root may fill is not free."""
    used = (stat.f_blocks - stat.f_bfree) * stat.f_frsize
    free = stat.f_bavail * stat.f_frsize
    values: dict[str, float] = {
        "disk_total": stat.f_blocks * stat.f_frsize, "disk_used": used, "disk_free": free,
    }  # fmt: skip
    if used + free:
        values["disk_used_percent"] = 100 * used / (used + free)
    if stat.f_files:  # some file systems make inodes as they need them
        values["disk_inodes_total"] = stat.f_files
        values["disk_inodes_used"] = stat.f_files - stat.f_ffree
        values["disk_inodes_used_percent"] = 100 * (stat.f_files - stat.f_ffree) / stat.f_files
    return values
