"""The hosts that send to this machine's hub: where their measurements are read again, and who
among them nothing can be run on."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from math import inf

from autorecovery.models.durations import write_duration
from autorecovery.models.readings import HOSTS_LOG, HostSample, KnownHost, Row
from autorecovery.models.rule import SILENT
from autorecovery.models.signal import SILENCE_EVENT, LogOrigin, MetricOrigin, Target
from autorecovery.ports import (
    Clock,
    Datapoint,
    HostHistory,
    LogLine,
    MetricReader,
    Presence,
    TargetDirectory,
)
from autorecovery.web.lines import means, measured_line

MOST_SECONDS = 7200
"""Of samples read again of one host."""


class HostsAround:
    """TargetDirectory of this machine, and of those that send to it."""

    def __init__(self, here: TargetDirectory, history: HostHistory) -> None:
        self._here = here
        self._history = history

    def look_up(self, target: Target) -> Presence:
        """See TargetDirectory.look_up."""
        known = self._here.look_up(target)
        if known.exists or self._history.host(target.host) is None:
            return known
        return replace(known, exists=True, only_sends=True)


class HistoryReader:
    """MetricReader that finds the lines of hosts in their history, and all others in the log."""

    def __init__(self, log: MetricReader, history: HostHistory, clock: Clock) -> None:
        self._log = log
        self._history = history
        self._clock = clock

    def datapoints(self, origin: MetricOrigin, since: datetime) -> Sequence[Datapoint]:
        """See MetricReader.datapoints."""
        return self._log.datapoints(origin, since)

    def lines(self, origin: LogOrigin, since: datetime) -> Sequence[LogLine]:
        """See MetricReader.lines; a line is the mean of one interval, as triage had it."""
        if origin.group != HOSTS_LOG:
            return self._log.lines(origin, since)
        host = self._history.host(origin.stream)
        if host is None:
            return []
        until = self._clock() + timedelta(minutes=5)
        rows = self._history.rows(origin.stream, since, until, limit=MOST_SECONDS, seconds=1)
        return list(_lines(rows, host))


def silences(
    hosts: Sequence[KnownHost], now: datetime, heard_from: datetime
) -> Iterator[tuple[KnownHost, bool]]:
    """Yield whose silence, or end of it, is news. Nobody is blamed for what we were not there to
    hear: our own ears were opened at `heard_from`."""
    for host in hosts:
        heard = replace(host, heard_at=max(host.heard_at, heard_from))
        if not host.is_silent and now > heard.silent_from:
            yield host, True
        elif host.is_silent and now <= host.silent_from:
            yield host, False


def silence_event(host: KnownHost, now: datetime, *, silent: bool) -> dict[str, object]:
    """Return the event that tells triage of a silence, or of the end of one."""
    state = SILENT if silent else "running"
    ago = timedelta(seconds=int((now - host.heard_at).total_seconds()))
    told = (
        f"nothing was heard of {host.name} for {write_duration(ago)}; it sends every"
        f" {write_duration(host.interval)}"
        if silent
        else f"{host.name} sends again"
    )
    return {
        "id": f"{host.name}-{state}-{host.heard_at.timestamp():.0f}",
        "detail-type": SILENCE_EVENT,
        "source": "autorecovery.hub",
        "time": now.isoformat(),
        "detail": {"host": host.name, "state": state, "told": told},
    }


def _lines(rows: Sequence[Row], host: KnownHost) -> Iterator[LogLine]:
    seconds = max(int(host.interval.total_seconds()), 1)
    for _, group in groupby(rows, key=lambda row: int(row.at.timestamp()) // seconds):
        samples = [_sample(row) for row in group]
        yield LogLine(samples[-1].at, measured_line(host.name, means(samples)))


def _sample(row: Row) -> HostSample:
    metrics = {name: spread.mean for name, spread in row.spreads.items() if spread.mean < inf}
    return HostSample(row.at, metrics)
