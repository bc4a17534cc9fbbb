"""CloudWatch Logs subscription payloads: the one hot path of the product.

Most lines are healthy. They are decoded, compared with the interval in which no rule is broken,
counted, and forgotten; only what may matter is built into a signal.
"""

import base64
import binascii
import json
import zlib
from collections.abc import Callable, Collection
from functools import reduce
from math import inf
from operator import getitem, itemgetter
from typing import Any, NamedTuple

import orjson

from autorecovery.config import Fields
from autorecovery.models.signal import (
    INSTANCE_ID,
    LogOrigin,
    Signal,
    SignalKind,
    Target,
    TargetKind,
)
from autorecovery.records import (
    LONGEST_NAME,
    UnreadableRecordError,
    load_json,
    measurements,
    target_of,
)
from autorecovery.triage.parsing.findings import Parser, bounded, excerpt, fingerprint
from autorecovery.triage.parsing.moments import moment_of

MAX_DECOMPRESSED = 32 * 1024 * 1024
"""Bytes. A payload of Logs is at most 1 MB compressed and decompresses to a few times of that; a
bomb to a thousand times."""

MAX_OBJECTS = 1_000_000
"""Objects and lists. An empty one takes three bytes of JSON and up to a hundred of memory."""

LONGEST_ID = 200
"""Characters of a log event's id; real ones have 56."""

EVERYTHING = (-inf, inf)
"""The interval in which a metric without a rule is quiet."""


def read_subscription(payload: object, parser: Parser) -> None:
    """Add to the findings what one subscription payload (the value of `awslogs`) says."""
    findings = parser.findings
    try:
        content = _decode(payload)
    except ValueError as error:
        findings.meet_stranger(f"log payload: {error}", payload)
        return
    if content.get("messageType") == "CONTROL_MESSAGE":
        findings.ignored += 1
        return
    events = content.get("logEvents")
    group, stream = content.get("logGroup"), content.get("logStream")
    if not isinstance(events, list) or not isinstance(group, str) or not isinstance(stream, str):
        findings.meet_stranger("log payload: no logEvents, logGroup or logStream", payload)
        return
    account = content.get("owner")
    _Reader(group, stream, account if isinstance(account, str) else "", parser).read(events)


def _decode(payload: object) -> dict[str, Any]:
    data = payload.get("data") if isinstance(payload, dict) else None
    if not isinstance(data, str):
        raise ValueError("no data")
    try:
        compressed = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not base64") from None
    text = _decompress(compressed)
    if len(text) > 3 * MAX_OBJECTS and text.count(b"{") + text.count(b"[") > MAX_OBJECTS:
        raise ValueError(f"more than {MAX_OBJECTS} objects")
    try:
        content = load_json(text)
    except json.JSONDecodeError:
        raise ValueError("not JSON") from None
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")
    return content


def _decompress(compressed: bytes) -> bytes:
    inflate = zlib.decompressobj(wbits=31)  # 31: a gzip header is required
    try:
        content = inflate.decompress(compressed, MAX_DECOMPRESSED)
    except zlib.error:
        raise ValueError("not gzip") from None
    if inflate.unconsumed_tail:
        raise ValueError(f"more than {MAX_DECOMPRESSED} bytes when decompressed")
    if not inflate.eof:
        raise ValueError("gzip data ends too early")
    if inflate.unused_data:
        raise ValueError("something follows the gzip data")
    return content


class _Reader:
    """Reads the lines of one log stream."""

    def __init__(self, group: str, stream: str, account: str, parser: Parser) -> None:
        self._origin = LogOrigin(group, stream)
        self._account = account
        self._parser = parser
        self._watch = parser.watch
        self._findings = parser.findings
        self._fields = parser.watch.fields.get(group) or Fields()
        self._instance = _instance_named_by(stream)
        # What the quick look may count without a closer one; the closer look adds to both.
        self._quiet = dict(self._watch.quiet)
        self._calm: set[str] = set()
        self._concerned: Collection[str] = ()

    def read(self, events: list[Any]) -> None:
        """Read every line; the quick look answers for nearly all of them."""
        if not events:
            return
        self._concerned = self._parser.concerned()
        matchers = [rule.matches for rule in self._watch.line_rules]
        name_of, metric_of, value_of = map(
            _getter, (self._fields.target, self._fields.metric, self._fields.value)
        )
        all_calm = self._instance is not None and self._instance not in self._concerned
        loads, quiet_of, calm, is_calm = orjson.loads, self._quiet, self._calm, self._is_calm
        quiet = 0
        for event in events:
            try:
                message = event["message"]
                record = loads(message)
                low, high = quiet_of[metric_of(record)]
                value = value_of(record)
                # NaN, and whatever is no number, is not between them.
                if (
                    low < value < high
                    and (value.__class__ is float or value.__class__ is int)
                    and (all_calm or (name := name_of(record)) in calm or is_calm(name))
                ):
                    for matches in matchers:
                        if matches(message, record):
                            break
                    else:
                        quiet += 1
                        continue
            except (KeyError, TypeError, ValueError):
                pass  # not the common line: the closer look says what it is
            self._look_closer(event)
        self._findings.quiet += quiet

    def _is_calm(self, name: object) -> bool:
        """Return whether this names a target without an open incident, and remember it if so."""
        if not isinstance(name, str) or not 0 < len(name.strip()) <= LONGEST_NAME:
            return False
        if self._instance is not None or name.strip() in self._concerned:
            return False
        self._calm.add(name)
        return True

    def _look_closer(self, event: Any) -> None:
        message = event.get("message") if isinstance(event, dict) else None
        if not isinstance(message, str):
            self._findings.reject("a log event without a message", event)
            return
        text = message.strip()
        if not text:
            self._findings.ignored += 1
            return
        line = _Line(text, event)
        try:
            content = load_json(text) if text[0] in "{[" else None
        except json.JSONDecodeError as error:
            self._read_text(line, broken=error.msg)
            return
        if content is None:
            self._read_text(line)
        elif isinstance(content, list):
            for index, record in enumerate(content):
                self._read_record(line, record, index)
            self._findings.ignored += not content
        else:
            self._read_record(line, content)

    def _read_text(self, line: "_Line", broken: str = "") -> None:
        """Read a line of plain text; many begin with a bracket and are no broken JSON."""
        if self._match(line, None):
            return
        if broken and line.text[0] == "{":
            self._findings.reject(f"broken JSON: {broken}", line.text)
        else:
            self._findings.ignored += 1

    def _read_record(self, line: "_Line", record: Any, index: int = 0) -> None:
        if not isinstance(record, dict):
            self._findings.reject("JSON, but not an object", line.text)
            return
        found = self._match(line, record, index) + self._measure(line, record, index)
        self._findings.ignored += not found

    def _match(self, line: "_Line", record: dict[str, Any] | None, index: int = 0) -> int:
        """Return how many log rules the line, or the record in it, is meant by."""
        matching = [
            rule
            for rule in self._watch.line_rules
            # A pattern looks at the whole line, however many records it holds.
            if (rule.by_field or index == 0) and rule.matches(line.text, record)
        ]
        named = target_of(record, self._fields) if record and matching else None
        for rule in matching:
            self._add(line, named, SignalKind.LOG, self._origin.group, part=index, rule=rule.name)
        return len(matching)

    def _measure(self, line: "_Line", record: dict[str, Any], index: int) -> int:
        """Return how many measurements, spoilt ones included, the record holds."""
        try:
            found = list(measurements(record, self._fields, self._watch.quiet))
        except RecursionError:
            found = [UnreadableRecordError("nested too deeply")]
        for part, measured in enumerate(found):
            if isinstance(measured, UnreadableRecordError):
                self._findings.reject(str(measured), line.text)
            elif measured[0] is None and self._instance is None:
                why = "a measurement of nobody: no target in line or stream"
                self._findings.reject(why, line.text)
            elif not self._is_quiet(*measured):
                named, metric, value = measured
                self._add(line, named, SignalKind.METRIC, metric, value, part=index + part)
        return len(found)

    def _is_quiet(self, named: str | None, metric: str, value: float) -> bool:
        """Return whether nobody needs to hear of this measurement, and count it if so."""
        name = self._instance or named
        if metric not in self._quiet:
            self._quiet[metric] = EVERYTHING
        if name in self._concerned and metric in self._watch.quiet:
            return False
        if named is not None:
            self._calm.add(named)
        low, high = self._quiet[metric]
        if not low < value < high:
            return False
        self._findings.quiet += 1
        return True

    def _add(
        self,
        line: "_Line",
        named: str | None,
        kind: SignalKind,
        name: str,
        value: float | None = None,
        *,
        part: int,
        rule: str | None = None,
    ) -> None:
        at = moment_of(line.event.get("timestamp"), self._parser.now)
        if at is None:
            self._findings.reject("a log event without a usable timestamp", line.text)
            return
        self._findings.signals.append(
            Signal(
                id=self._identity(line, part),
                kind=kind,
                target=self._target(named),
                name=name,
                at=at,
                origin=self._origin,
                value=value,
                evidence=excerpt(line.text),
                rule=rule,
                claimed_identity=self._conflict(named),
            )
        )

    def _identity(self, line: "_Line", part: int) -> str:
        """Return the log event's own id, or what stands for it; parts of a line are told apart."""
        given = line.event.get("id")
        if not isinstance(given, str) or not 0 < len(given) <= LONGEST_ID:
            given = fingerprint(self._origin, line.event.get("timestamp"), line.text)
        return f"{given}.{part}" if part else given

    def _target(self, named: str | None) -> Target:
        """Return whose line it is: the stream's instance, whoever the line names, or the stream."""
        if self._instance is not None:
            return Target(TargetKind.INSTANCE, self._instance, self._account)
        if named is not None:
            return Target.named(named, self._account)
        name = bounded(f"{self._origin.group}:{self._origin.stream}")
        return Target(TargetKind.RESOURCE, name, self._account)

    def _conflict(self, named: str | None) -> str | None:
        """Return the other instance that a line names where its stream names this one."""
        if self._instance is None or named is None or named == self._instance:
            return None
        return named if INSTANCE_ID.fullmatch(named) else None


class _Line(NamedTuple):
    """One log event whose message deserves a closer look."""

    text: str
    event: dict[str, Any]


def _instance_named_by(stream: str) -> str | None:
    return next((part for part in stream.split("/") if INSTANCE_ID.fullmatch(part)), None)


def _getter(path: str) -> Callable[[Any], Any]:
    """Return what reads a path such as `$.host.id` fast; it raises where a key is missing."""
    keys = path[2:].split(".")
    if len(keys) == 1:
        return itemgetter(keys[0])
    return lambda record: reduce(getitem, keys, record)
