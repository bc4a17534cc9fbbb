"""Every text in every sample event, one by one in an attacker's hand."""

import base64
import binascii
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

EVENTS = Path(__file__).resolve().parents[1] / "events"
NO_EVENTS = ("local_env",)

MARK = "injected"
PLAIN = MARK
"""Passes every pattern that names of services pass: shows a way that a pattern would hide."""
HOSTILE = (
    f"'\"; $(touch {MARK}) `touch {MARK}` ${{{MARK}}} {{{{ {MARK} }}}} | & > < *\n{MARK}\r\n\\"
)
"""Would do harm wherever a text is not only passed on."""

KEY, INSIDE = "«key»", "«inside»"
"""Steps of a path: the name of an entry itself, and what a text carries as JSON or packed lines."""

Field = tuple[str | int, ...]
"""Where a text stands in an event."""


def samples() -> dict[str, Any]:
    """Return every sample event by its name."""
    paths = sorted(EVENTS.glob("*.json"))
    return {p.stem: json.loads(p.read_text("utf-8")) for p in paths if p.stem not in NO_EVENTS}


def texts_of(value: object) -> Iterator[Field]:
    """Yield where a text stands in an event, in envelopes and packed lines too, and every key."""
    if isinstance(value, str):
        inner = _unpacked(value)
        if inner is None:
            yield ()
        else:
            yield from ((INSIDE, *path) for path in texts_of(inner))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield (key, KEY)
            yield from ((key, *path) for path in texts_of(item))
    elif isinstance(value, list):
        # Of many lines the first and the last: those between are read alike.
        for index in sorted({0, len(value) - 1} if value else ()):
            yield from ((index, *path) for path in texts_of(value[index]))


def planted(value: Any, path: Field, text: str) -> Any:
    """Return the event with this text in that place, packed again as it was."""
    if not path:
        return text
    step, *rest = path
    if step == INSIDE:
        return _packed(planted(_unpacked(value), tuple(rest), text), like=value)
    if isinstance(value, list):
        return [planted(v, tuple(rest), text) if i == step else v for i, v in enumerate(value)]
    if rest == [KEY]:
        # Several entries may be renamed: each keeps a name of its own.
        return {(f"{text}{key}" if key == step else key): item for key, item in value.items()}
    return {k: planted(v, tuple(rest), text) if k == step else v for k, v in value.items()}


def _unpacked(text: str) -> Any:
    """Return what a text carries: JSON, or packed lines; None where it is only a text."""
    try:
        content = json.loads(text)
    except ValueError:
        return _unzipped(text)
    return content if isinstance(content, dict | list) else None


def _unzipped(text: str) -> Any:
    try:
        return json.loads(gzip.decompress(base64.b64decode(text, validate=True)))
    except (binascii.Error, OSError, EOFError, ValueError):
        return None


def _packed(content: Any, like: str) -> str:
    text = json.dumps(content)
    if _unzipped(like) is None:
        return text
    return base64.b64encode(gzip.compress(text.encode(), 1)).decode()
