"""An OpenMetrics endpoint: what is known at present, for Prometheus and its kin.

On loopback unless told otherwise, and then only with a token.
"""

import hmac
import ipaddress
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from host_agent.containers import Container
from host_agent.latest import Latest, Snapshot
from host_agent.levels import RANK

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PREFIX = "autorecovery_"
NEAR_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})


class ExposureError(ValueError):
    """The endpoint must not be opened like this; says why."""


def serve(latest: Latest, address: str, port: int, token: str) -> ThreadingHTTPServer:
    """Open the endpoint and serve it in a thread; `shutdown` and `server_close` end it."""
    is_near = address == "localhost" or ipaddress.ip_address(address).is_loopback
    if not is_near and not token:
        raise ExposureError(
            f"metrics.address {address} is not this host alone: set metrics.token as well"
        )
    server = _Server((address, port), _Answering)
    server.latest, server.token, server.is_near = latest, token, is_near
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    latest: Latest
    token: str
    is_near: bool

    def answer(self, path: str, headers: Mapping[str, str]) -> tuple[int, str]:
        """Return status and body for a GET."""
        # A page in somebody's browser must not read this through a name that leads here.
        if self.is_near and _without_port(headers.get("Host", "")) not in NEAR_NAMES:
            return 421, "this name is not served here\n"
        given = headers.get("Authorization", "").removeprefix("Bearer ").strip()
        if self.token and not hmac.compare_digest(given.encode(), self.token.encode()):
            return 401, "a token is needed: Authorization: Bearer …\n"
        if path.split("?")[0] != "/metrics":
            return 404, "only /metrics is here\n"
        snapshot = self.latest.snapshot
        return (503, "no sample yet\n") if snapshot is None else (200, exposition(snapshot))


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10
    server: _Server

    def do_GET(self) -> None:
        """Answer `GET /metrics`."""
        given = {name.title(): value for name, value in self.headers.items()}
        status, body = self.server.answer(self.path, given)
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", CONTENT_TYPE if status == 200 else "text/plain")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet: a scrape every few seconds is no news."""


def _without_port(host: str) -> str:
    return host if host.endswith("]") else host.rsplit(":", 1)[0]


def exposition(snapshot: Snapshot) -> str:
    """Return the snapshot in OpenMetrics text; everything is a gauge, as it was read."""
    families: dict[str, list[str]] = {}
    for name, labels, value in _values(snapshot):
        family = PREFIX + name
        families.setdefault(family, []).append(f"{family}{_labels(labels)} {value:.10g}")
    lines = []
    for family, found in families.items():
        lines.append(f"# TYPE {family} gauge")
        lines += found
    return "\n".join([*lines, "# EOF"]) + "\n"


def _values(snapshot: Snapshot) -> Iterator[tuple[str, dict[str, str], float]]:
    sample = snapshot.sample
    for name, value in sample.metrics.items():
        if not name.startswith("disk_"):  # a family has one set of labels: the mounts have it
            yield name, {}, value
    for number, core in enumerate(sample.cores):
        yield "cpu_core_usage_active", {"core": str(number)}, core
    yield from _of_objects("mount", "", sample.mounts)
    yield from _of_objects("device", "device_", sample.disks)
    yield from _of_objects("interface", "interface_", sample.interfaces)
    for sensor, degrees in sample.temperatures.items():
        yield "temperature_celsius", {"sensor": sensor}, degrees
    for container in snapshot.containers:
        yield from _of_container(container)
    for each in snapshot.conditions:
        labels = {"kind": each.kind, "metric": each.metric, "name": each.name}
        yield "condition_level", labels, RANK[each.level]
    yield "batches_waiting", {}, snapshot.waiting
    yield "batches_dropped", {}, snapshot.dropped
    yield "agent_ticks_missed", {}, snapshot.missed_ticks


def _of_objects(
    label: str, prefix: str, objects: Mapping[str, Mapping[str, float]]
) -> Iterator[tuple[str, dict[str, str], float]]:
    names = dict.fromkeys(name for values in objects.values() for name in values)
    for name in names:
        for each, values in objects.items():
            if name in values:
                yield prefix + name, {label: each}, values[name]


def _of_container(container: Container) -> Iterator[tuple[str, dict[str, str], float]]:
    labels = {"container": container.name, "image": container.image, "id": container.id[:12]}
    known: dict[str, float | None] = {
        "running": container.state == "running",
        "stale": container.stale,
        "restarts": container.restarts,
        "oom_killed": container.oom_killed,
        "exit_code": container.exit_code,
        "cpu_host_pct": container.cpu_host_pct,
        "cpu_cores": container.cpu_cores,
        "mem_used_bytes": container.mem_used,
        "mem_limit_bytes": container.mem_limit,
        "mem_used_percent": container.mem_used_percent,
        "healthy": None if container.health is None else container.health == "healthy",
        **{f"{name}_per_second": value for name, value in container.rates.items()},
    }
    for name, value in known.items():
        if value is not None:
            yield f"container_{name}", labels, value


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_quoted(value)}"' for name, value in labels.items()) + "}"


def _quoted(text: str) -> str:
    safe = "".join(c if c.isprintable() else " " for c in text)
    return safe.replace("\\", "\\\\").replace('"', '\\"')
