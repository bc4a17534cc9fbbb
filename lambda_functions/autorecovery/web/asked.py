"""What a reader asks for in the query of an address: read at the door, refused in words."""

from collections.abc import Mapping
from datetime import UTC, datetime

from autorecovery.models.reason import Level
from autorecovery.web.access import RefusedError

Query = Mapping[str, str]

MOST_ROWS = 5000


def check_names(query: Query, *known: str) -> None:
    """RefusedError where something is asked that nobody would hear."""
    for name in query:
        if name not in known:
            raise RefusedError(
                400, f"{name[:60]!r} is not known here; known are {', '.join(known)}"
            )


def limit_of(query: Query, usual: int, most: int = MOST_ROWS) -> int:
    """Return how many rows are wanted."""
    return _whole(query, "limit", usual, most)


def resolution_of(query: Query) -> int | None:
    """Return which resolution is wanted, if one is named."""
    if "resolution" not in query:
        return None
    wanted = _whole(query, "resolution", 0, 3600)
    if wanted not in (1, 10, 60, 3600):
        raise RefusedError(400, "resolution: expected 1, 10, 60 or 3600")
    return wanted


def moment_of(query: Query, name: str, usual: datetime) -> datetime:
    """Return the moment of this name; without a zone it is UTC."""
    if name not in query:
        return usual
    try:
        # In an address a plus is a space.
        moment = datetime.fromisoformat(query[name].strip().replace(" ", "+"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise RefusedError(400, f"{name}: expected a time such as 2026-01-31T12:00:00Z")


def level_of(query: Query) -> Level | None:
    """Return the level that is wanted, if one is."""
    if "level" not in query:
        return None
    try:
        return Level(query["level"].lower())
    except ValueError:
        known = ", ".join(Level)
    raise RefusedError(400, f"level: expected one of {known}")


def _whole(query: Query, name: str, usual: int, most: int) -> int:
    if name not in query:
        return usual
    text = query[name].strip()
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
        raise RefusedError(400, f"{name}: expected a whole number from 1 to {most}")
    return int(text)
