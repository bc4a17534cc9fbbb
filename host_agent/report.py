"""The report of one look: for people, as JSON, as CSV."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from host_agent.batch import condition_document, container_document, moment_text
from host_agent.containers import Container
from host_agent.levels import RANK, Condition, Level, Limit
from host_agent.limits import METRICS
from host_agent.look import Look
from host_agent.service import container_values

SHAPES = {Level.OK: "●", Level.WARNING: "▲", Level.CRITICAL: "◆"}
"""Levels are told by word and shape, never by colour alone; ■ is a value that was not read."""

UNREAD = "■"

NAMES = {metric: name.replace("_", " ") for name, metric in METRICS.items()}


@dataclass(frozen=True, slots=True)
class Row:
    """One value against its limit."""

    metric: str
    name: str
    """The mount or container; empty for the host."""
    value: float
    limit: Limit

    @property
    def level(self) -> Level:
        """The level of the value by itself."""
        return self.limit.level(self.value)

    @property
    def title(self) -> str:
        """What people call it."""
        kind = NAMES.get(self.metric, self.metric)
        if kind.startswith("container "):
            return f"container {self.name} {kind.removeprefix('container ')}"
        return f"{kind} {self.name}".strip()


def text(look: Look) -> str:
    """Return the report for people."""
    at = datetime.fromtimestamp(look.sample.at, UTC)
    parts = [
        [
            f"host      {look.host}",
            f"platform  {look.platform}",
            f"time      {at:%Y-%m-%d %H:%M:%S} UTC",
        ],
        list(_row_lines(rows(look))),
        list(_fact_lines(look)),
        list(_container_lines(look.containers)),
        list(_process_lines(look)),
        list(_other_conditions(look.conditions)),
        [f"{UNREAD} not read  {name}: {why}" for name, why in sorted((look.unread or {}).items())],
        [verdict(look)],
    ]
    lines = "\n\n".join("\n".join(part) for part in parts if part)
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in lines) + "\n"


def rows(look: Look) -> list[Row]:
    """Return every value that has a limit: the host's, its mounts', its containers'."""
    found = []
    for metric, value in look.sample.metrics.items():
        limit = look.limit(metric)
        if limit and not metric.startswith("disk_"):
            found.append(Row(metric, "", value, limit))
    for mount, values in look.sample.mounts.items():
        for metric, value in values.items():
            limit = look.limit(metric, mount)
            if limit:
                found.append(Row(metric, mount, value, limit))
    for metric, name, value in container_values(look.containers):
        limit = look.limit(metric, name)
        if limit:
            found.append(Row(metric, name, value, limit))
    return found


def worst_level(look: Look) -> Level:
    """Return the worst level of all that was seen."""
    levels = [each.level for each in rows(look)] + [each.level for each in look.conditions]
    return max(levels, key=RANK.__getitem__, default=Level.OK)


def verdict(look: Look) -> str:
    """Return the last line: all in one sentence."""
    level = worst_level(look)
    if level is Level.OK:
        which = "every value that was read" if look.unread else "every value"
        return f"{SHAPES[level]} {level}: {which} is within its limit"
    wrong = [each for each in look.conditions if each.level is not Level.OK]
    wrong.sort(key=lambda each: -RANK[each.level])
    more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    return f"{SHAPES[level]} {level}: {'; '.join(each.words for each in wrong[:3])}{more}"


def document(look: Look) -> dict[str, Any]:
    """Return the report as JSON has it."""
    return {
        "host": look.host,
        "platform": look.platform,
        "at": moment_text(look.sample.at),
        "level": worst_level(look),
        "verdict": verdict(look),
        "metrics": dict(look.sample.metrics),
        "cores": list(look.sample.cores),
        "mounts": {name: dict(each) for name, each in look.sample.mounts.items()},
        "disks": {name: dict(each) for name, each in look.sample.disks.items()},
        "interfaces": {name: dict(each) for name, each in look.sample.interfaces.items()},
        "temperatures": dict(look.sample.temperatures),
        "limits": [
            {
                "metric": each.metric, "name": each.name, "value": each.value,
                "warning": each.limit.warning, "critical": each.limit.critical,
                "level": each.level,
            }
            for each in rows(look)
        ],
        "containers": [container_document(each) for each in look.containers],
        "conditions": [condition_document(each) for each in look.conditions],
        "processes": [asdict(each) for each in look.processes],
        "unread": dict(look.unread or {}),
    }  # fmt: skip


CSV_HEADINGS = ("at", "host", "metric", "name", "value", "warning", "critical", "level")


def csv_lines(look: Look, *, headings: bool = True) -> str:
    """Return every value as a line, with its limit and level where it has one."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if headings:
        writer.writerow(CSV_HEADINGS)
    at = moment_text(look.sample.at)
    judged = {(each.metric, each.name): each for each in rows(look)}
    for metric, name, value in _all_values(look):
        row = judged.get((metric, name))
        limits = (row.limit.warning, row.limit.critical, row.level) if row else ("", "", "")
        writer.writerow((at, _cell(look.host), metric, _cell(name), round(value, 3), *limits))
    return out.getvalue()


def _all_values(look: Look) -> Iterator[tuple[str, str, float]]:
    for metric, value in look.sample.metrics.items():
        yield metric, "", value
    for objects in (look.sample.mounts, look.sample.disks, look.sample.interfaces):
        for name, values in objects.items():
            for metric, value in values.items():
                yield metric, name, value
    yield from container_values(look.containers)


def _cell(content: str) -> str:
    """Return a name that no spreadsheet takes for a formula."""
    return f"'{content}" if content.startswith(("=", "+", "-", "@", "\t", "\r")) else content


def _row_lines(found: Iterable[Row]) -> Iterator[str]:
    listed = list(found)
    width = max((len(each.title) for each in listed), default=0)
    for each in listed:
        yield (
            f"{SHAPES[each.level]} {each.level:<8}  {each.title:<{width}}  {each.value:5.1f} %"
            f"   limit {each.limit.warning:g} %, critical above {each.limit.critical:g} %"
        )


def _fact_lines(look: Look) -> Iterator[str]:
    """Tell what has no limit, in the units that people use."""
    metrics = look.sample.metrics
    yield (
        "load      "
        + " ".join(
            f"{metrics[name]:.2f}" for name in ("load_1m", "load_5m", "load_15m") if name in metrics
        )
        + f" on {metrics.get('cpu_count', 0):.0f} processors"
    )
    shares = [
        f"{name} {metrics[f'cpu_usage_{name}']:.1f} %"
        for name in ("user", "system", "iowait", "steal")
        if f"cpu_usage_{name}" in metrics
    ]
    if shares:
        yield "cpu       " + ", ".join(shares)
    if look.sample.cores:
        yield "cores     " + " ".join(f"{core:.0f} %" for core in look.sample.cores)
    yield f"memory    {_memory(metrics)}; swap {_swap(metrics)}"
    if "diskio_read_bytes_per_second" in metrics:
        read, written = (metrics[f"diskio_{way}_bytes_per_second"] for way in ("read", "write"))
        yield f"disk i/o  {size(read)}/s read, {size(written)}/s written"
    for name, values in look.sample.interfaces.items():
        if "net_bytes_recv_per_second" in values:
            yield _network_line(name, values)
    pressure = [
        f"{resource} {metrics[f'psi_{resource}_some_percent']:.1f} %"
        for resource in ("cpu", "io", "memory")
        if f"psi_{resource}_some_percent" in metrics
    ]
    if pressure:
        yield "pressure  " + ", ".join(pressure) + " of the last 10 s somebody waited"
    for name, degrees in look.sample.temperatures.items():
        yield f"sensor    {name} {degrees:.0f} °C"


def _memory(metrics: Mapping[str, float]) -> str:
    return f"{size(metrics['mem_available'])} available of {size(metrics['mem_total'])}"


def _swap(metrics: Mapping[str, float]) -> str:
    if not metrics.get("swap_total"):
        return "none"
    return f"{size(metrics['swap_used'])} used of {size(metrics['swap_total'])}"


def _network_line(name: str, values: Any) -> str:
    wrong = sum(value for key, value in values.items() if key.startswith(("net_err", "net_drop")))
    return (
        f"network   {name}: {size(values['net_bytes_recv_per_second'])}/s in,"
        f" {size(values['net_bytes_sent_per_second'])}/s out, {wrong:.1f}/s errors and drops"
    )


def _container_lines(containers: Iterable[Container]) -> Iterator[str]:
    for each in sorted(containers, key=lambda c: (c.state != "running", c.name)):
        told = [each.state, *_circumstances(each)]
        line = f"container {each.name} ({each.image}): {', '.join(told)}"
        if each.state == "running":
            line += f"; cpu {_share(each)}; memory {_held(each)}"
        yield line
        for name, why in each.unread.items():
            yield f"{UNREAD} not read  {name} of container {each.name}: {why}"


def _circumstances(container: Container) -> Iterator[str]:
    if container.health:
        yield container.health
    if container.exit_code is not None:
        yield f"exit code {container.exit_code}"
    if container.oom_killed:
        yield "out of memory"
    if container.restarts:
        yield f"{container.restarts} restarts"
    if container.stale:
        yield "stale"


def _share(container: Container) -> str:
    if container.cpu_host_pct is None or container.cpu_cores is None:
        return "not known yet"
    return f"{container.cpu_host_pct:.1f} % of the host, {container.cpu_cores:.2f} cores"


def _held(container: Container) -> str:
    if container.mem_used is None:
        return "not known"
    if container.mem_limit is None:
        return f"{size(container.mem_used)}, limit: none"
    return (
        f"{size(container.mem_used)}, {container.mem_used_percent or 0:.1f} % of its limit"
        f" {size(container.mem_limit)}"
    )


def _process_lines(look: Look) -> Iterator[str]:
    for each in look.processes:
        cores = "" if each.cpu_cores is None else f"{each.cpu_cores:.2f} cores, "
        yield f"process   {each.pid} {each.name}: {cores}{size(each.memory_bytes)}"


def _other_conditions(conditions: Iterable[Condition]) -> Iterator[str]:
    for each in conditions:
        if each.kind != "limit":
            yield f"{SHAPES[each.level]} {each.level:<8}  {each.words}"


def size(count: float) -> str:
    """Return bytes as people read them."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} PiB"
