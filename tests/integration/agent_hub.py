"""A hub for the agent's tests: a real HTTP server that answers as it is told to."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FakeHub:
    """Keeps what it was sent; `answers` are used up one by one, then all is well."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.batches: list[dict[str, Any]] = []
        """Those that it took."""
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.wish = b'{"next_in_seconds": 7}'
        self.hangs = threading.Event()
        """While it is set, nobody gets an answer."""
        self.closes = False
        self.over = threading.Event()

    def refuse(self, status: int, times: int = 1, body: bytes = b"", **headers: str) -> None:
        """Answer the next requests with this."""
        self.answers += [(status, headers, body)] * times


@contextlib.contextmanager
def fake_hub() -> Iterator[FakeHub]:
    """Have a hub listen meanwhile."""

    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            hub.requests.append((self.path, dict(self.headers.items())))
            while hub.hangs.is_set() and not hub.over.wait(0.02):
                pass
            if hub.closes:
                self.close_connection = True
                return
            status, headers, body = hub.answers.pop(0) if hub.answers else (202, {}, hub.wish)
            if status < 300:
                hub.batches.append(json.loads(content))
            with contextlib.suppress(OSError):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        server.daemon_threads = True
        hub = FakeHub(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            hub.over.set()
            server.shutdown()
            thread.join()
