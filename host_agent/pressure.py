"""Pressure stall information: which share of time work waited for a resource."""

from pathlib import Path

RESOURCES = ("cpu", "io", "memory")
FOLDER = Path("/proc/pressure")


def read_pressure(unread: dict[str, str], folder: Path = FOLDER) -> dict[str, float]:
    """Return the averages of the last 10 s in percent, as the kernel keeps them."""
    found: dict[str, float] = {}
    for resource in RESOURCES:
        try:
            with (folder / resource).open(encoding="ascii") as lines:
                found |= _averages(resource, lines.read())
        except OSError as error:
            unread["pressure"] = f"{error.strerror}: boot with psi=1 on kernel 4.20 or newer"
            return {}
    return found


def _averages(resource: str, text: str) -> dict[str, float]:
    """Read `some avg10=0.12 avg60=… total=…`, and the same of `full`."""
    averages = {}
    for line in text.splitlines():
        share, _, rest = line.partition(" avg10=")
        if rest and (resource, share) != ("cpu", "full"):  # of a whole host it is always 0
            averages[f"psi_{resource}_{share}_percent"] = float(rest.split(" ", 1)[0])
    return averages
