"""Log lines of this machine: kept in SQLite, shipped as the payloads of CloudWatch Logs."""

import base64
import gzip
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from autorecovery.adapters.sqlite.database import Database
from autorecovery.models.signal import LogOrigin, MetricOrigin
from autorecovery.ports import Clock, Datapoint, LogLine

KEPT_FOR = timedelta(days=1)

MAX_LINES = 10_000
"""Lines read of one stream for one look."""


@dataclass(frozen=True, slots=True)
class WrittenLine:
    """A line as it was written, with the identity it keeps however often it is delivered."""

    id: str
    at: datetime
    message: str


class LogStore:
    """Keeps lines, packs them for triage, and reads them again for verification (MetricReader)."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def keep(self, group: str, stream: str, messages: Sequence[str]) -> list[WrittenLine]:
        """Keep the lines under the present time, and return them with their identities."""
        now = self._clock()
        lines = [WrittenLine(uuid.uuid4().hex, now, message) for message in messages]
        with self._database.transaction() as rows:
            rows.executemany(
                "INSERT INTO log_lines (log_group, stream, at, id, message) VALUES (?, ?, ?, ?, ?)",
                [(group, stream, _text(line.at), line.id, line.message) for line in lines],
            )
            rows.execute("DELETE FROM log_lines WHERE at < ?", (_text(now - KEPT_FOR),))
        return lines

    def lines(self, origin: LogOrigin, since: datetime) -> Sequence[LogLine]:
        """See MetricReader.lines."""
        with self._database.transaction() as rows:
            found = rows.execute(
                "SELECT at, message FROM log_lines WHERE log_group = ? AND stream = ? AND at >= ?"
                " ORDER BY at DESC LIMIT ?",
                (origin.group, origin.stream, _text(since), MAX_LINES),
            ).fetchall()
        return [LogLine(datetime.fromisoformat(row["at"]), row["message"]) for row in found[::-1]]

    def datapoints(self, origin: MetricOrigin, since: datetime) -> Sequence[Datapoint]:
        """See MetricReader.datapoints: this machine keeps no CloudWatch metrics."""
        return []


def subscription_payload(
    group: str, stream: str, lines: Sequence[WrittenLine]
) -> dict[str, object]:
    """Return the event that a CloudWatch Logs subscription would deliver for these lines."""
    content = {
        "messageType": "DATA_MESSAGE",
        "owner": "local",
        "logGroup": group,
        "logStream": stream,
        "subscriptionFilters": ["local"],
        "logEvents": [
            {"id": line.id, "timestamp": int(line.at.timestamp() * 1000), "message": line.message}
            for line in lines
        ],
    }
    packed = base64.b64encode(gzip.compress(json.dumps(content).encode())).decode()
    return {"awslogs": {"data": packed}}


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
