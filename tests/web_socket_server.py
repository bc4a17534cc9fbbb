"""The server's side of Socket Mode: one WebSocket at a time, made of the standard library."""

import base64
import hashlib
import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Queue
from typing import Any

MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class WebSocketServer:
    """Accepts connections, says hello, and keeps what it is told."""

    def __init__(self) -> None:
        self.url = ""
        self.connected: Queue[socket.socket] = Queue()
        self.told: Queue[dict[str, Any]] = Queue()
        self.refuse_next = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))

    @contextmanager
    def running(self) -> Iterator["WebSocketServer"]:
        self.url = f"ws://127.0.0.1:{self._listening.getsockname()[1]}/link/?ticket=1"
        thread = threading.Thread(target=self._accept, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            self._listening.shutdown(socket.SHUT_RDWR)
            thread.join()
            self._listening.close()

    def next_connection(self) -> socket.socket:
        """Return the next connection that is made."""
        return self.connected.get(timeout=10)

    def send(self, connection: socket.socket, content: dict[str, Any]) -> None:
        """Send a text frame."""
        data = json.dumps(content).encode()
        size = bytes([len(data)]) if len(data) < 126 else b"\x7e" + struct.pack(">H", len(data))
        self._send(connection, bytes([0x80 | TEXT]) + size + data)

    def _send(self, connection: socket.socket, frame: bytes) -> None:
        with self._lock:
            connection.sendall(frame)

    def _ping(self, connection: socket.socket) -> None:
        """Ping until the connection ends, as Slack does; it also keeps the client's loop awake."""
        with suppress(OSError):
            while not self._ended.wait(0.1):
                self._send(connection, bytes([0x80 | PING, 0]))

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(1024)
            if self.refuse_next:
                self.refuse_next -= 1
                connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
                return
            connection.sendall(_welcome(request))
            self.send(connection, {"type": "hello", "num_connections": 1})
            self.connected.put(connection)
            threading.Thread(target=self._ping, args=(connection,), daemon=True).start()
            self._read(connection)

    def _read(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            while len(header := stream.read(2)) == 2:
                size = header[1] & 0x7F
                if size == 126:
                    size = struct.unpack(">H", stream.read(2))[0]
                mask, data = stream.read(4), stream.read(size)
                content = bytes(b ^ mask[i % 4] for i, b in enumerate(data))
                self._take(connection, header[0] & 0x0F, content)

    def _take(self, connection: socket.socket, kind: int, content: bytes) -> None:
        if kind == PING:
            self._send(connection, bytes([0x80 | PONG, len(content)]) + content)
        elif kind == TEXT:
            self.told.put(json.loads(content))


def _welcome(request: bytes) -> bytes:
    key = next(
        line.split(b":")[1].strip()
        for line in request.split(b"\r\n")
        if line.lower().startswith(b"sec-websocket-key")
    )
    accept = base64.b64encode(hashlib.sha1(key + MAGIC.encode()).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
