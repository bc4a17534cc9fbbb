"""A local server that speaks the Bedrock runtime's Converse, from recorded answers."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

RECORDED = Path(__file__).parent / "converse"


@dataclass
class Recording:
    """What the server answers next, and what it was asked."""

    status: int = 200
    body: bytes = b"{}"
    error: str = ""
    """The name of the exception, as its header tells it."""
    seconds: float = 0.0
    hangs_up: bool = False
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def plays(self, name: str, seconds: float = 0.0) -> "Recording":
        """Answer with this recording from now on."""
        recorded = json.loads((RECORDED / f"{name}.json").read_text("utf-8"))
        self.status, self.error = recorded["status"], recorded.get("error", "")
        body = recorded["body"]
        self.body = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.seconds = seconds
        return self


@contextmanager
def converse() -> Iterator[tuple[str, Recording]]:
    """Yield the address of the server, and what it answers."""
    recording = Recording()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            recording.asked.append((unquote(self.path), json.loads(self.rfile.read(size))))
            threading.Event().wait(recording.seconds)
            if recording.hangs_up:
                self.close_connection = True
                return
            self.send_response(recording.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(recording.body)))
            if recording.error:
                self.send_header("x-amzn-ErrorType", recording.error)
            self.end_headers()
            self.wfile.write(recording.body)

        def log_message(self, format: str, *args: object) -> None:
            return

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            return  # the caller has hung up: that is what some tests are about

    server = Quiet(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", recording
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
