"""A service that takes messages by HTTP, and a channel that speaks to it: for tests of delivery."""

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from autorecovery.errors import ChannelError
from autorecovery.models.delivery import Thread
from autorecovery.models.notice import Notice

Answer = Callable[[str], tuple[int, dict[str, str]]]
"""Takes the id of a notice; returns status and headers, perhaps late."""


class Service:
    """What arrived, in its order."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.arrived: list[str] = []
        self.changed = threading.Condition()

    def note(self, notice_id: str) -> None:
        with self.changed:
            self.arrived.append(notice_id)
            self.changed.notify_all()

    def wait_for(self, is_enough: Callable[[list[str]], bool], seconds: float = 15) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: is_enough(self.arrived), seconds), self.arrived


@contextmanager
def serving(answer: Answer = lambda notice_id: (200, {})) -> Iterator[Service]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            notice_id = str(json.loads(body)["id"])
            service.note(notice_id)
            status, headers = answer(notice_id)
            self.send_response(status)
            for name, value in {"Content-Length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Be silent."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Be silent about a client that died."""

    with Server(("127.0.0.1", 0), Handler) as server:
        service = Service(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()


class HttpChannel:
    """Channel over such a service; it answers as chats do: 200, 429 with Retry-After, or no."""

    def __init__(self, name: str, port: int) -> None:
        self.name, self._port = name, port

    def send(self, notice: Notice, thread: Thread | None) -> Thread | None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        try:
            connection.request("POST", "/", json.dumps({"id": notice.id}))
            answer = connection.getresponse()
            answer.read()
        except OSError as error:
            raise ChannelError(str(error), retryable=True) from error
        finally:
            connection.close()
        if answer.status != 200:
            after = answer.headers.get("Retry-After")
            raise ChannelError(
                f"HTTP {answer.status}",
                retryable=answer.status in (429, 503),
                after=float(after) if after else None,
            )
        return Thread(self.name, notice.thread, notice.id, notice.at)
