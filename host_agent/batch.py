"""Batches: what is sent to the hub, every few seconds. Their format is told in docs/agent.md."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from host_agent.containers import Container
from host_agent.host import Sample
from host_agent.levels import Condition
from host_agent.processes import Process

SCHEMA_VERSION = 1
DIGITS = 3
MOST_SAMPLES = 300
"""Of one batch: a hub that asks for longer intervals gets a coarser resolution."""

Document = dict[str, Any]


class Span:
    """Least, greatest, mean and last of one metric over some time."""

    __slots__ = ("count", "last", "least", "most", "total")

    def __init__(self) -> None:
        self.count, self.total = 0, 0.0
        self.least = self.most = self.last = 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self.least = min(self.least, value) if self.count else value
        self.most = max(self.most, value) if self.count else value
        self.count += 1
        self.total += value
        self.last = value

    def mean(self) -> float:
        """Return the mean; there is at least one value."""
        return self.total / self.count

    def summary(self) -> dict[str, float]:
        """Return all of it, rounded."""
        return {
            "last": _short(self.last),
            "min": _short(self.least),
            "mean": _short(self.mean()),
            "max": _short(self.most),
            "count": self.count,
        }


Spans = dict[str, Span]


class Batch:
    """Gathers samples until it is closed as a document."""

    def __init__(self, resolution: int = 1) -> None:
        self._resolution = resolution
        self._samples: list[Document] = []
        self._open: Spans = {}
        self._open_count = 0
        self._summary: Spans = {}
        self._objects: dict[str, dict[str, Spans]] = {"mounts": {}, "disks": {}, "interfaces": {}}
        self._last: Sample | None = None
        self._conditions: dict[tuple[object, ...], Condition] = {}

    @property
    def is_empty(self) -> bool:
        """Whether nothing was added yet."""
        return self._last is None

    def add(self, sample: Sample, conditions: Iterable[Condition] = ()) -> None:
        """Count one sample, and what is to be told of it."""
        self._last = sample
        self._open_count += 1
        _add(self._open, sample.metrics)
        _add(self._summary, sample.metrics)
        for kind, objects in (
            ("mounts", sample.mounts), ("disks", sample.disks), ("interfaces", sample.interfaces),
        ):  # fmt: skip
            for name, values in objects.items():
                _add(self._objects[kind].setdefault(name, {}), values)
        if self._open_count >= self._resolution and len(self._samples) < MOST_SAMPLES:
            self._end_sample(sample)
        self.tell(conditions)

    def tell(self, conditions: Iterable[Condition]) -> None:
        """Have these conditions told: what happened once each, of what lasts the latest word."""
        for each in conditions:
            happened = (each.words, each.since) if each.momentary else ()
            self._conditions[each.kind, each.metric, each.name, *happened] = each

    def close(
        self,
        *,
        host: str,
        agent: str,
        interval: int,
        containers: Iterable[Container] = (),
        processes: Iterable[Process] = (),
        unread: Mapping[str, str] | None = None,
        key: str = "",
    ) -> Document:
        """Return the whole document. There is at least one sample."""
        last = self._last
        assert last is not None
        if self._open_count:
            self._end_sample(last)
        self._samples[-1] |= self._details(last)
        return {
            "schema_version": SCHEMA_VERSION,
            "host": host,
            "agent": agent,
            "key": key or secrets.token_hex(16),
            "interval_seconds": interval,
            "samples": self._samples,
            "summary": {name: span.summary() for name, span in self._summary.items()},
            "containers": [container_document(each) for each in containers],
            "conditions": [condition_document(each) for each in self._conditions.values()],
            "processes": [_rounded(asdict(each)) for each in processes],
            "unread": {**last.unread, **(unread or {})},
        }

    def _end_sample(self, sample: Sample) -> None:
        metrics = {name: _short(span.mean()) for name, span in self._open.items()}
        self._samples.append(
            {"at": moment_text(sample.at), "seconds": self._open_count, "metrics": metrics}
        )
        self._open, self._open_count = {}, 0

    def _details(self, last: Sample) -> Document:
        """Return what is told once in a batch, with the last sample: means over the batch."""
        details: Document = {
            kind: {
                name: {metric: _short(span.mean()) for metric, span in spans.items()}
                for name, spans in objects.items()
            }
            for kind, objects in self._objects.items()
        }
        # A mount that vanished during the batch is not told as if it were there.
        details["mounts"] = {
            name: values for name, values in details["mounts"].items() if name in last.mounts
        }
        details["cores"] = [_short(each) for each in last.cores]
        details["temperatures"] = _rounded(last.temperatures)
        return details


def container_document(container: Container) -> Document:
    """Return one container as batches and reports tell it: what is unknown is absent."""
    document = _rounded(asdict(container))
    document |= {f"{name}_per_second": value for name, value in document.pop("rates").items()}
    read_at = document.pop("read_at")
    if read_at is not None:
        document["read_at"] = moment_text(read_at)
    known = {name: value for name, value in document.items() if value not in (None, {})}
    if container.mem_limit is None and "details" not in container.unread:
        known["mem_limit"] = "none"
    return known


def condition_document(condition: Condition) -> Document:
    """Return one condition as batches and reports tell it."""
    document = _rounded(asdict(condition))
    document["since"] = moment_text(condition.since)
    return {name: value for name, value in document.items() if value not in (None, "")}


def moment_text(at: float) -> str:
    """Return a moment in UTC, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _add(spans: Spans, values: Mapping[str, float]) -> None:
    for name, value in values.items():
        span = spans.get(name)
        if span is None:
            span = spans[name] = Span()
        span.add(value)


def _short(value: float) -> float:
    rounded = round(value, DIGITS)
    return int(rounded) if rounded == int(rounded) else rounded


def _rounded(content: Mapping[str, Any]) -> Document:
    return {
        name: _short(value) if isinstance(value, float)
        else _rounded(value) if isinstance(value, Mapping)
        else value
        for name, value in content.items()
    }  # fmt: skip
