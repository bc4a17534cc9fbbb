"""A container engine on a unix socket that replays answers recorded from real ones."""

import contextlib
import copy
import json
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).resolve().parents[1] / "recorded"


class RecordedEngine:
    """Containers made from a recorded one; tests change what it will answer."""

    def __init__(self, kind: str = "docker") -> None:
        self.answers: dict[str, Any] = json.loads((RECORDED / kind / "answers.json").read_text())
        self.started = time.time()
        self.asked: list[str] = []
        self.delay: dict[str, float] = {}
        """Seconds before the answer to what contains this text."""
        self.raw: dict[str, bytes] = {}
        """What is written to the socket instead of an answer, for what contains this text."""
        self.hangs_up = False
        """Whether it closes a connection after an answer without a word."""
        self.cores = 0.5
        """How busy each running container is."""

    @property
    def containers(self) -> list[dict[str, Any]]:
        """What the list answers."""
        found: list[dict[str, Any]] = self.answers["/containers/json?all=1"]
        return found

    def named(self, name: str) -> dict[str, Any]:
        """Return the list's entry of a container."""
        return next(each for each in self.containers if each["Names"] == [f"/{name}"])

    def details(self, name: str) -> dict[str, Any]:
        """Return what inspection of a container answers."""
        found: dict[str, Any] = self.answers[f"/containers/{self.named(name)['Id']}/json"]
        return found

    def usage(self, name: str) -> dict[str, Any]:
        """Return what the statistics of a container answer, before the clock is put in."""
        found: dict[str, Any] = self.answers[f"/containers/{self.named(name)['Id']}/stats"]
        return found

    def keep_only(self, *names: str) -> None:
        """Remove all other containers."""
        self.answers["/containers/json?all=1"] = [self.named(name) for name in names]

    def multiply(self, name: str, count: int) -> None:
        """Have so many copies of one container, and no others."""
        model, details, usage = self.named(name), self.details(name), self.usage(name)
        self.answers["/containers/json?all=1"] = []
        for number in range(count):
            entry, own = copy.deepcopy(model), copy.deepcopy(details)
            entry["Id"] = own["Id"] = f"{number:064x}"
            entry["Status"] = "Up 2 hours"
            entry["Names"], own["Name"] = [f"/{name}-{number}"], f"/{name}-{number}"
            self.containers.append(entry)
            self.answers[f"/containers/{entry['Id']}/json"] = own
            self.answers[f"/containers/{entry['Id']}/stats"] = copy.deepcopy(usage)

    def stop(self, name: str, exit_code: int = 0, *, oom: bool = False) -> None:
        """End a container."""
        self.named(name).update(State="exited", Status=f"Exited ({exit_code}) 1 second ago")
        state = self.details(name)["State"]
        state.update(Status="exited", Running=False, ExitCode=exit_code, OOMKilled=oom)

    def restart(self, name: str, at: str = "2026-11-21T12:00:00.5Z") -> None:
        """Start a container anew: its counters begin at zero."""
        self.named(name)["Status"] = "Up Less than a second"
        self.details(name)["RestartCount"] += 1
        self.details(name)["State"]["StartedAt"] = at
        self.usage(name)["cpu_stats"]["cpu_usage"]["total_usage"] = 0
        self.started = time.time()

    def answer(self, path: str) -> tuple[int, bytes]:
        """Return status and body for one path."""
        self.asked.append(path)
        known = "/" + path.split("/", 2)[2] if path.startswith("/v1") else path
        found = self.answers.get(known.split("?stream")[0])
        if found is None:
            return 404, json.dumps({"message": f"No such container: {known}"}).encode()
        if isinstance(found, dict) and found.get("cpu_stats", {}).get("system_cpu_usage"):
            found = self._now(found)
        return (200, b"") if found == "" else (200, json.dumps(found).encode())

    def _now(self, usage: dict[str, Any]) -> dict[str, Any]:
        """Return the statistics as they are now: time has passed for their counters."""
        now, moment = copy.deepcopy(usage), time.time()
        spent = int((moment - self.started) * self.cores * 1e9)
        now["cpu_stats"]["cpu_usage"]["total_usage"] += spent
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment))
        now["read"] = f"{seconds}.{int(moment % 1 * 1e9):09d}Z"
        return now


@contextlib.contextmanager
def listening(engine: RecordedEngine, path: Path) -> Iterator[RecordedEngine]:
    """Have the engine answer on this socket meanwhile."""
    with _Server(str(path), _Answering) as server:
        server.engine, server.over, server.lines = engine, threading.Event(), []
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield engine
        finally:
            server.over.set()
            server.shutdown()
            thread.join()
            for line in server.lines:  # an engine that ends hangs up
                with contextlib.suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    engine: RecordedEngine
    over: threading.Event
    lines: list[socket.socket]


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "Docker/20.10.24 (linux)"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.lines.append(self.connection)

    def address_string(self) -> str:
        return "unix"

    def do_GET(self) -> None:
        for part, seconds in self.server.engine.delay.items():
            if part in self.path:
                self.server.over.wait(seconds)
        raw = [raw for part, raw in self.server.engine.raw.items() if part in self.path]
        with contextlib.suppress(OSError):
            if raw:
                self.close_connection = True
                self.wfile.write(raw[0])
            else:
                self._send(*self.server.engine.answer(self.path))
                self.close_connection = self.server.engine.hangs_up

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if "stats" in self.path:  # in pieces, as both engines send them
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(body), body) if body else b"")
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def main(path: str, count: int) -> None:
    """Serve so many busy containers until ended: for benchmarks, in a process of its own."""
    engine = RecordedEngine()
    engine.multiply("web", count)
    with listening(engine, Path(path)):
        threading.Event().wait()


if __name__ == "__main__":
    import sys

    main(sys.argv[1], int(sys.argv[2]))
