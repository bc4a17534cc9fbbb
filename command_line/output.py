"""How answers look: JSON with a version, or text for people."""

import json
import sys
from collections.abc import Sequence
from typing import Any

SCHEMA_VERSION = 1


def print_json(answer: dict[str, Any]) -> None:
    """Print one JSON document."""
    sys.stdout.write(json.dumps({"schema_version": SCHEMA_VERSION, **answer}, indent=2) + "\n")


def print_lines(*lines: str) -> None:
    """Print lines for people; control characters in them reach no terminal."""
    for line in lines:
        sys.stdout.write("".join(c if c.isprintable() else "�" for c in line) + "\n")


def print_table(rows: Sequence[tuple[str, ...]], headings: tuple[str, ...]) -> None:
    """Print rows under headings, each column as wide as it must be."""
    widths = [max(len(cell) for cell in column) for column in zip(headings, *rows, strict=True)]
    for row in (headings, *rows):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print_lines(line.rstrip())
