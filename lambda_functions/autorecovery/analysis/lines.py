"""Which log lines say most about a breach: few, each shape once, the telling ones first. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from autorecovery.ports import LogLine

LOOKED_AT = 2_000
"""Characters of a line that are looked at to judge it; a megabyte of it says no more."""

_NUMBER = re.compile(r"\d+|\b[0-9a-f]{8,64}\b")
_TROUBLE = re.compile(
    r"error|fatal|panic|fail|exception|critical|killed|denied|refused|timed? ?out|cannot|unable"
    r"|no space|out of|exceeded|corrupt|abort|segfault",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Quote:
    """One line, and how many of its shape were written."""

    first: datetime
    text: str
    times: int


@dataclass(frozen=True, slots=True)
class Sign:
    """Words by which a log tells of one kind of trouble, what that means, and what to do."""

    name: str
    words: re.Pattern[str]
    step: str


def _sign(name: str, words: str, step: str) -> Sign:
    return Sign(name, re.compile(words, re.IGNORECASE), step)


SIGNS = (
    _sign(
        "memory ran out",
        r"out of memory|oom-?kill|\boom\b|OutOfMemoryError|cannot allocate memory",
        "See which process grew, and why, before giving it more memory.",
    ),
    _sign(
        "the disk is full",
        r"no space left on device|\bENOSPC\b|disk (?:is )?full|disk quota exceeded",
        "See what fills the disk: logs, cores, temporary files.",
    ),
    _sign(
        "files or sockets ran out",
        r"too many open files|\bEMFILE\b|cannot assign requested address",
        "Count the open files of the process; look for connections that are never closed.",
    ),
    _sign(
        "something it needs does not answer",
        r"connection refused|\bECONNREFUSED\b|no route to host|name or service not known"
        r"|connection timed out|upstream timed out|\bETIMEDOUT\b|could not connect",
        "Check what it connects to, before restarting what cannot connect.",
    ),
    _sign(
        "the pool of connections is used up",
        r"connection pool|too many connections|remaining connection slots",
        "Look for slow queries and for whoever holds the connections.",
    ),
    _sign(
        "a service refuses for the rate of requests",
        r"rate exceeded|too many requests|ThrottlingException|\b429\b",
        "Slow the caller down; a restart makes the rush worse.",
    ),
    _sign(
        "access is denied",
        r"access ?denied|permission denied|\bEACCES\b|not authorized",
        "See what changed in roles, keys or file modes.",
    ),
    _sign(
        "a certificate is not valid",
        r"certificate (?:has expired|is not yet valid|verify failed)|x509:",
        "Check the dates of the certificate and the clock.",
    ),
    _sign(
        "a program crashed",
        r"segfault|segmentation fault|core dumped|\bSIGSEGV\b|panic:|fatal error",
        "Keep the core or the stack trace, and see what was deployed last.",
    ),
    _sign(
        "a disk or file system fails",
        r"I/O error|read-only file system|\bEXT4-fs error\b|\bEIO\b",
        "Treat the volume as suspect: do not restart what writes to it.",
    ),
    _sign(
        "a lock is waited for",
        r"deadlock|lock wait timeout",
        "Find who holds the lock.",
    ),
)
"""One kind of trouble each: all that a rule-based analyst understands of a log."""


def quote(lines: Sequence[LogLine], around: datetime, at_most: int) -> list[Quote]:
    """Return so many lines, oldest first: trouble before all else, then what was written nearest.

    Lines that differ only in numbers are one, counted.
    """
    shapes: dict[str, list[LogLine]] = {}
    for line in lines:
        if line.message.strip():
            shapes.setdefault(_NUMBER.sub("#", line.message[:LOOKED_AT]), []).append(line)

    def telling(group: Sequence[LogLine]) -> tuple[bool, float]:
        near = min(abs((line.at - around).total_seconds()) for line in group)
        return not _tells_of_trouble(group[0].message), near

    chosen = sorted(shapes.values(), key=telling)[:at_most]
    quotes = [Quote(group[0].at, group[0].message, len(group)) for group in chosen]
    return sorted(quotes, key=lambda each: each.first)


def signs_in(texts: Iterable[str]) -> dict[Sign, int]:
    """Return how many of these texts show each sign, the commonest first."""
    beginnings = [text[:LOOKED_AT] for text in texts]
    counts = {sign: sum(1 for text in beginnings if sign.words.search(text)) for sign in SIGNS}
    found = [(sign, count) for sign, count in counts.items() if count]
    return dict(sorted(found, key=lambda pair: -pair[1]))


def _tells_of_trouble(message: str) -> bool:
    return _TROUBLE.search(message[:LOOKED_AT]) is not None
