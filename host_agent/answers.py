"""HTTP answers as they arrive, piece by piece: a length or chunks, and a bound on both."""

MOST_BYTES = 16 << 20
MOST_HEADERS = 64 << 10
HEX_DIGITS = b"0123456789abcdefABCDEF"


class AnswerError(Exception):
    """What came is no HTTP answer, or one beyond all bounds."""


class Answer:
    """Grows with `take` until it is whole."""

    def __init__(self) -> None:
        self.status = 0
        self.body = b""
        self.closes = False
        """Whether the connection ends with this answer."""
        self._received = bytearray()
        self._start = 0
        self._length: int | None = None
        self._chunked = False

    @property
    def has_begun(self) -> bool:
        """Whether anything of it has arrived."""
        return bool(self._received)

    def take(self, received: bytes) -> bool:
        """Return whether the answer is whole now; no bytes at all mean that the line was closed."""
        self._received += received
        if len(self._received) > MOST_BYTES:
            raise AnswerError("the answer is too long")
        if not self._start and not self._read_head():
            if not received:
                raise AnswerError("it was closed before an answer")
            return False
        return self._read_body(ended=not received)

    def _read_head(self) -> bool:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            if len(self._received) > MOST_HEADERS:
                raise AnswerError("no end of the headers")
            return False
        lines = bytes(self._received[:end]).decode("latin-1").split("\r\n")
        self.status = _status(lines[0])
        headers = dict(_header(line) for line in lines[1:])
        self.closes = headers.get("connection", "").lower() == "close"
        self._chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        length = headers.get("content-length", "")
        if length.isdigit():
            self._length = int(length)
        self._start = end + 4
        return True

    def _read_body(self, *, ended: bool) -> bool:
        if self._chunked:
            return self._read_chunks(ended=ended)
        if self._length is None:
            return self._read_to_the_end(ended=ended)
        if len(self._received) - self._start < self._length:
            if ended:
                raise AnswerError("it was closed within an answer")
            return False
        self.body = bytes(self._received[self._start : self._start + self._length])
        return True

    def _read_to_the_end(self, *, ended: bool) -> bool:
        self.closes = True
        self.body = bytes(self._received[self._start :])
        return ended

    def _read_chunks(self, *, ended: bool) -> bool:
        at = self._start
        pieces: list[bytes] = []
        while (line_end := self._received.find(b"\r\n", at)) >= 0:
            size = _size(self._received[at:line_end])
            if len(self._received) < line_end + 2 + size + 2:
                break
            if size == 0:
                self.body = b"".join(pieces)
                return True
            pieces.append(bytes(self._received[line_end + 2 : line_end + 2 + size]))
            at = line_end + 2 + size + 2
        if ended:
            raise AnswerError("it was closed within an answer")
        return False


def _status(line: str) -> int:
    parts = line.split(" ", 2)
    if not parts[0].startswith("HTTP/1.") or len(parts) < 2 or not parts[1].isdigit():
        raise AnswerError("it does not speak HTTP")
    return int(parts[1])


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()


def _size(line: bytearray) -> int:
    digits = bytes(line).split(b";")[0].strip()
    # Only digits: what int() also takes, such as a sign, would let the reading run backwards.
    if not 0 < len(digits) <= 8 or digits.strip(HEX_DIGITS):
        raise AnswerError("a chunk without a size")
    return int(digits, 16)
