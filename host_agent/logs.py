"""The agent's own log: a few lines, rotated. A log that cannot be written never stops the agent."""

import logging
import sys
import time
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path

MOST_BYTES, KEPT = 2_000_000, 5


def log_to(path: Path, level: str) -> Callable[[str, str], None]:
    """Return what writes one line: to the file, and to stderr, which systemd keeps."""
    logger = logging.Logger("host_agent", level)
    # A disk that is full must not end in a traceback for every line.
    logging.raiseExceptions = False
    form = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", _SECONDS)
    form.converter = _utc
    for handler in (logging.StreamHandler(sys.stderr), _file(path)):
        if handler is not None:
            handler.setFormatter(form)
            logger.addHandler(handler)

    def log(name: str, sentence: str) -> None:
        # Names of containers and mounts are somebody else's words: one line stays one line.
        told = "".join(c if c.isprintable() else " " for c in sentence)
        logger.log(logging.getLevelNamesMapping()[name], told)

    return log


_SECONDS = "%Y-%m-%dT%H:%M:%S"


def _file(path: Path) -> RotatingFileHandler | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return RotatingFileHandler(
            path, maxBytes=MOST_BYTES, backupCount=KEPT, encoding="utf-8", errors="replace"
        )
    except OSError as error:
        sys.stderr.write(f"{path}: {error.strerror}; the log goes to stderr only\n")
        return None


def _utc(seconds: float | None) -> time.struct_time:
    return time.gmtime(seconds)
