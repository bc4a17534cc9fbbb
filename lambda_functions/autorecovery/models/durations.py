"""Durations, counts and rates as people write them: `15m`, `3 within 5m`, `10 per 5m`."""

import re
from datetime import timedelta

LONGEST = timedelta(days=365)

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?[smhd]\s*)+")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhd])")
_COUNT = re.compile(r"([0-9]{1,9})\s+(within|per)\s+(.+)")


def read_duration(text: object) -> timedelta:
    """Return what `90s`, `15m`, `1h 30m` or `2d` says; ValueError for anything else."""
    if isinstance(text, timedelta):
        return text
    if not isinstance(text, str) or not _DURATION.fullmatch(text.strip()):
        raise ValueError("expected a duration such as 90s, 15m, 1h 30m or 2d")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    if seconds > LONGEST.total_seconds():
        raise ValueError("expected a duration of at most 365d")
    if seconds % 1:
        raise ValueError("expected whole seconds")
    return timedelta(seconds=seconds)


def write_duration(span: timedelta) -> str:
    """Return the duration as people write it, whole seconds being the finest: `1h 30m`."""
    seconds = max(0, round(span.total_seconds()))
    parts = []
    for unit in "dhms":
        amount, seconds = divmod(seconds, _UNITS[unit])
        if amount:
            parts.append(f"{amount}{unit}")
    return " ".join(parts) or "0s"


def read_count(text: object, word: str) -> tuple[int, timedelta]:
    """Return count and window of `3 within 5m` or `10 per 5m`, `word` being the middle one."""
    match = _COUNT.fullmatch(text.strip()) if isinstance(text, str) else None
    if not match or match[2] != word or int(match[1]) < 1:
        raise ValueError(f"expected a count and a window such as '3 {word} 5m'")
    return int(match[1]), read_duration(match[3])
