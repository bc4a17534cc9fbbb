"""A small real web service with a real bug: one request makes it burn a processor core.

Run as `python service.py PORT`. The runaway work ends by itself after BOUND seconds.
"""

import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BOUND = 30.0


class Handler(BaseHTTPRequestHandler):
    """Answers `/`, and falls into a loop on `/runaway`."""

    def do_GET(self) -> None:
        """Answer a request."""
        if self.path == "/runaway":
            threading.Thread(target=_spin, daemon=True).start()
        body = b"ok\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet: the demo measures from outside."""


def _spin() -> None:
    end = time.monotonic() + BOUND
    while time.monotonic() < end:
        sum(i * i for i in range(10_000))


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
