"""When something was observed. A time that cannot be is no time: it would outlive every window."""

from datetime import UTC, datetime, timedelta

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)

MAX_AHEAD = timedelta(hours=2)
"""How far the clock of a machine may be ahead of ours; CloudWatch Logs takes no line beyond."""


def read_moment(text: object, now: datetime) -> datetime | None:
    """Return the moment an ISO text names, in UTC; real events have `+0000`, or no zone (UTC)."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return _possible(aware.astimezone(UTC), now)
    except (ValueError, OverflowError):
        return None


def moment_of(milliseconds: object, now: datetime) -> datetime | None:
    """Return the moment so many milliseconds after 1970."""
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return None
    try:
        return _possible(datetime.fromtimestamp(milliseconds / 1000, UTC), now)
    except (ValueError, OverflowError, OSError):
        return None


def _possible(moment: datetime, now: datetime) -> datetime | None:
    return moment if EARLIEST <= moment <= now + MAX_AHEAD else None
