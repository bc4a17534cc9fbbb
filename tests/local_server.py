"""A real HTTP server on this machine whose answers a test lays out: sockets, not patched calls."""

import json
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: a body that is sent as it is, or as JSON."""

    body: Any = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    after_seconds: float = 0
    cut: bool = False
    """The connection is reset instead."""

    @property
    def content(self) -> bytes:
        """Return what goes over the wire."""
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


RESET = Reply(cut=True)
HTML = Reply("<html><body>502 Bad Gateway</body></html>", 502, {"Content-Type": "text/html"})
HALF_JSON = Reply('{"ok": tr')


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def content(self) -> dict[str, Any]:
        """Return the JSON object that was sent."""
        content: dict[str, Any] = json.loads(self.body or b"{}")
        return content


class LocalServer:
    """Answers each request with what is laid out first, and then as `answer` says."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.laid_out: list[Reply] = []
        self.address = ""

    def lay_out(self, *replies: Reply) -> None:
        """Answer the next requests with these, one each."""
        self.laid_out += replies

    def answer(self, request: Request) -> Reply:
        """Return the answer where none was laid out."""
        return Reply({"ok": True})

    def take(self, request: Request) -> Reply:
        """Return the answer to a request that has come."""
        self.requests.append(request)
        return self.laid_out.pop(0) if self.laid_out else self.answer(request)

    @contextmanager
    def running(self) -> Iterator[str]:
        """Serve until the block ends; yields the address, without a slash at its end."""
        server = _Server(self)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        self.address = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield self.address
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, served: LocalServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.served = served


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        served: LocalServer = self.server.served  # type: ignore[attr-defined]
        reply = served.take(Request(self.path, dict(self.headers), body))
        if reply.after_seconds:
            threading.Event().wait(reply.after_seconds)
        if reply.cut:
            self._reset()
            return
        try:
            self._send(reply)
        except OSError:
            self.close_connection = True  # whoever asked did not wait

    do_GET = do_HEAD = do_POST

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.content)

    def _reset(self) -> None:
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()
        self.close_connection = True

    def finish(self) -> None:
        try:
            super().finish()
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
