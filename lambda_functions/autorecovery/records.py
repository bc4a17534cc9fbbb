"""One record of a log line: what it measures, and of whom.

Flat records, nested ones by path, lists of measurements, embedded metric format, and wide records
whose keys are the metrics themselves, as agents write them. What is spoilt is a value here, not an
exception: one spoilt measurement does not take its neighbours along.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from math import inf, isfinite
from typing import Any

import orjson

from autorecovery.config import Fields
from autorecovery.models.rule import LineMatch

TARGET_KEYS = (
    "instance_id", "InstanceId", "instanceId", "instance", "host", "hostname", "Host", "host_name",
    "server", "target",
)  # fmt: skip
METRIC_KEYS = ("metric", "metric_name", "MetricName", "metricName", "name")
VALUE_KEYS = ("value", "Value", "metric_value", "MetricValue")
LIST_KEYS = ("metrics", "measurements", "Metrics")

LONGEST_NAME = 255
"""Characters of a target or a metric; CloudWatch has the same limit."""

DEEPEST = 100
"""Levels of nesting; the events of AWS have fewer than ten."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")

Measured = tuple[str | None, str, float]
"""Target as the record names it (or None), metric, value."""


class UnreadableRecordError(ValueError):
    """A record that claims to be a measurement and is none; the message says why."""


def measurements(
    record: Mapping[str, Any], fields: Fields, watched: Mapping[str, object]
) -> Iterator[Measured | UnreadableRecordError]:
    """Yield what the record measures: nothing, if it does not claim to be a measurement.

    Where it claims to be one and lacks or spoils a part, an error stands in its place.
    """
    target = target_of(record, fields)
    metric, value = at_path(record, fields.metric), at_path(record, fields.value)
    if isinstance(metric, str) and metric and value is not None:
        yield _measured(target, metric, value)
    elif isinstance(record.get("_aws"), dict):
        yield from _embedded(record, target)
    elif (inner := _list_in(record)) is not None:
        yield from _listed(inner, target, fields, watched)
    else:
        metric = metric or first_of(record, METRIC_KEYS)
        value = first_of(record, VALUE_KEYS) if value is None else value
        yield from _flat_or_wide(record, target, metric, value, watched)


def _list_in(record: Mapping[str, Any]) -> list[Any] | None:
    return next((record[key] for key in LIST_KEYS if isinstance(record.get(key), list)), None)


def _listed(
    inner: list[Any], target: str | None, fields: Fields, watched: Mapping[str, object]
) -> Iterator[Measured | UnreadableRecordError]:
    for item in inner:
        if not isinstance(item, dict):
            yield UnreadableRecordError("a list of measurements holds something else")
            continue
        for found in measurements(item, fields, watched):
            if isinstance(found, UnreadableRecordError):
                yield found
            else:
                own, metric, value = found
                yield own or target, metric, value


def _flat_or_wide(
    record: Mapping[str, Any],
    target: str | None,
    metric: object,
    value: object,
    watched: Mapping[str, object],
) -> Iterator[Measured | UnreadableRecordError]:
    if isinstance(metric, str) and metric and value is not None:
        yield _measured(target, metric, value)
        return
    wide = [name for name in watched if name in record]
    for name in wide:
        yield _measured(target, name, record[name])
    if wide:
        return
    named = isinstance(metric, str) and metric != ""
    if value is not None or ("metric" in record and not named):
        yield UnreadableRecordError("a value without the metric it belongs to")
    elif named and any(key in record for key in ("metric", "MetricName")):
        yield UnreadableRecordError(f"{metric!s:.80} without a value")


def _embedded(
    record: Mapping[str, Any], target: str | None
) -> Iterator[Measured | UnreadableRecordError]:
    """Yield the metrics of a record in CloudWatch's embedded metric format."""
    directives = record["_aws"].get("CloudWatchMetrics")
    if not isinstance(directives, list):
        yield UnreadableRecordError("embedded metric format without CloudWatchMetrics")
        return
    for directive in directives:
        definitions = directive.get("Metrics") if isinstance(directive, dict) else None
        if not isinstance(definitions, list):
            yield UnreadableRecordError("embedded metric format without Metrics")
            continue
        for definition in definitions:
            name = definition.get("Name") if isinstance(definition, dict) else None
            if not isinstance(name, str) or name not in record:
                yield UnreadableRecordError(f"embedded metric {name!r:.80} has no value")
                continue
            values = record[name]
            for value in values if isinstance(values, list) else [values]:
                yield _measured(target, name, value)


def _measured(target: str | None, metric: str, value: object) -> Measured | UnreadableRecordError:
    if len(metric) > LONGEST_NAME:
        return UnreadableRecordError(f"a metric's name of {len(metric)} characters")
    try:
        return target, metric, number(value, metric)
    except UnreadableRecordError as error:
        return error


def target_of(record: Mapping[str, Any], fields: Fields) -> str | None:
    """Return whom the record names, or None."""
    named = at_path(record, fields.target) or first_of(record, TARGET_KEYS)
    named = named.strip() if isinstance(named, str) else ""
    return named if 0 < len(named) <= LONGEST_NAME else None


def at_path(record: Any, path: str) -> Any:
    """Return what stands at a path such as `$.host.id`, or None."""
    for key in path[2:].split("."):
        if not isinstance(record, dict):
            return None
        record = record.get(key)
    return record


def first_of(record: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    """Return the value of the first of these keys that the record has."""
    return next((record[key] for key in keys if key in record), None)


def number(value: object, metric: str) -> float:
    """Return a finite number; digits in a string count, truth values and infinities do not."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnreadableRecordError(f"{metric[:80]}: {_shown(value)} is not a number")
    result = float(value)  # an integer beyond any float has become infinite on its way; see as_json
    if not isfinite(result):
        raise UnreadableRecordError(f"{metric[:80]}: {result} is not a finite number")
    return result


def _shown(value: object) -> str:
    kinds = {dict: "an object", list: "a list", bool: str(value).lower(), type(None): "null"}
    return kinds.get(type(value)) or f"{value!r:.40}"


def values_in_line(message: str, metric: str, fields: Fields) -> list[tuple[str | None, float]]:
    """Return what a log line says of one metric, with the target it names, if anything."""
    try:
        content = load_json(message)
        return [
            (found[0], found[2])
            for record in (content if isinstance(content, list) else [content])
            if isinstance(record, dict)
            for found in measurements(record, fields, {metric: None})
            if not isinstance(found, UnreadableRecordError) and found[1] == metric
        ]
    except json.JSONDecodeError:
        return []


# What log rules look for


LineMatcher = Callable[[str, Any], bool]
"""Takes a line and, where it is JSON, the record in it (else None); says whether they match."""


@cache
def matcher_of(match: LineMatch) -> LineMatcher:
    """Return the test of a log line that a log rule describes.

    A field's value is looked for as a word in lines that are not JSON: `ERROR` for level=ERROR.
    """
    if match.field is None:
        search = re.compile(match.pattern or "").search
        return lambda text, record: search(text) is not None
    first, *rest = match.field[2:].split(".")
    equals = match.equals or ""
    word = re.compile(rf"(?<!\w){re.escape(equals)}(?!\w)").search

    def says(text: str, record: Any) -> bool:
        if record is None:
            return word(text) is not None
        found = record.get(first) if isinstance(record, dict) else None
        if found is None:
            return False
        for key in rest:
            found = found.get(key) if isinstance(found, dict) else None
        return found == equals or _as_written(found) == equals

    return says


def _as_written(value: object) -> str:
    """Return a field's value as a person would write it into the configuration."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else ""


def matches_line(message: str, match: LineMatch) -> bool:
    """Return whether a log line, JSON or plain, is what a log rule looks for."""
    matches = matcher_of(match)
    try:
        content = load_json(message) if message.lstrip().startswith(("{", "[")) else None
    except json.JSONDecodeError:
        content = None  # not JSON after all: look at it as text
    records = content if isinstance(content, list) else [content]
    return any(matches(message, record) for record in records if content is None or record)


# JSON


def load_json(text: str | bytes) -> Any:
    """Return parsed JSON; the standard library gets what orjson refuses (NaN, half surrogates).

    Raises json.JSONDecodeError (a ValueError), also for text nested too deeply or not in UTF-8.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            return as_json(json.loads(text))
        except json.JSONDecodeError:
            raise
        except (RecursionError, ValueError) as error:  # too deep, not UTF-8, an endless integer
            raise json.JSONDecodeError(str(error), "", 0) from None


def as_json(thing: object, depth: int = 0) -> Any:
    """Return the same, as strict JSON: text keys, text in UTF-8, no number beyond any float.

    Raises ValueError for what is nested too deeply.
    """
    if depth > DEEPEST:
        raise ValueError("nested too deeply")
    if isinstance(thing, str):
        return thing if thing.isascii() else thing.encode("utf-8", "replace").decode("utf-8")
    if isinstance(thing, dict):
        return {as_json(str(key)): as_json(value, depth + 1) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [as_json(item, depth + 1) for item in thing]
    if isinstance(thing, int) and thing.bit_length() > 1000:
        return inf if thing > 0 else -inf
    return thing if thing is None or isinstance(thing, int | float) else as_json(repr(thing))
