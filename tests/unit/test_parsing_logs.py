"""Log batches: every kind of line, counted, and built into a signal only where it matters."""

import base64
import gzip
import json
import time
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from autorecovery.config import Configuration, Fields, loads
from autorecovery.models.rule import LineMatch
from autorecovery.models.signal import SignalKind, TargetKind
from autorecovery.records import as_json, load_json, matches_line, values_in_line
from autorecovery.triage.parsing import Findings, Watch, parse

NOW = datetime(2026, 1, 15, 3, 5, tzinfo=UTC)
STAMP = int(NOW.timestamp() * 1000)
WEB_1, WEB_2 = "i-0a1b2c3d4e5f67890", "i-0123456789abcdef0"

RULES = """
sources:
  logs:
    - group: /nested
      fields: { target: $.host.id, metric: $.what.name, value: $.what.value }
rules:
  cpu: { when: { metric: cpu, warning: 80, critical: 95 } }
  free: { when: { metric: free, warning: 10, direction: below } }
  both: { when: { metric: cpu, warning: 1, direction: below } }
  field: { when: { log: { field: $.level, equals: ERROR }, count: 2 per 1m } }
  deep: { when: { log: { field: $.http.status, equals: 500 }, count: 2 per 1m } }
  pattern: { when: { log: { pattern: "out of \\\\w+" }, count: 2 per 1m } }
"""
WATCH = Watch.compile(
    (configuration := loads(RULES, "config.yaml", {}).configuration).rules.values(),
    configuration.sources.logs,
)


def payload(content: object, *, compress: bool = True) -> dict[str, Any]:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return {
        "awslogs": {"data": base64.b64encode(gzip.compress(text) if compress else text).decode()}
    }


def read(
    *messages: object,
    stream: str = "app",
    group: str = "/shop",
    concerned: Collection[str] = (),
    timestamp: object = STAMP,
) -> Findings:
    """Return what a batch of these messages says; what is no text becomes JSON."""
    events = [
        {
            "id": f"id-{number}",
            "timestamp": timestamp,
            "message": message if isinstance(message, str) else json.dumps(message),
        }
        for number, message in enumerate(messages)
    ]
    batch = {"logGroup": group, "logStream": stream, "owner": "1", "logEvents": events}
    return parse(payload(batch), WATCH, NOW, lambda: concerned)


def flat(value: object, metric: object = "cpu", target: object = "web-1") -> dict[str, object]:
    return {"instance_id": target, "metric": metric, "value": value}


def counts(findings: Findings) -> tuple[int, int, int]:
    """Return how many were built into signals, counted as healthy, and refused."""
    return len(findings.signals), findings.quiet, findings.rejected


# The payload


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ({"awslogs": None}, "log payload: no data"),
        ({"awslogs": {"data": 5}}, "log payload: no data"),
        ({"awslogs": {"data": "%%%"}}, "log payload: not base64"),
        ({"awslogs": {"data": "ä"}}, "log payload: not base64"),
        (payload(b"{}", compress=False), "log payload: not gzip"),
        (payload(b"{"), "log payload: not JSON"),
        (payload(b"\xff\xfe"), "log payload: not JSON"),
        (payload([]), "log payload: not a JSON object"),
        (payload({}), "log payload: no logEvents, logGroup or logStream"),
        (payload({"logEvents": [], "logGroup": 1, "logStream": ""}), "log payload: no logEvents"),
        (payload(b"[" * 100_000), "log payload: not JSON"),
    ],
)
def test_a_payload_that_cannot_be_opened_is_kept_whole(event: dict[str, Any], why: str) -> None:
    findings = parse(event, WATCH, NOW, tuple)
    assert findings.rejections[0].why.startswith(why)
    assert findings.strangers[0][0] == event["awslogs"]


def cut(whole: bytes) -> dict[str, Any]:
    return {"awslogs": {"data": base64.b64encode(whole).decode()}}


def test_gzip_data_that_ends_early_or_goes_on_is_refused() -> None:
    whole = gzip.compress(b"{}")
    for data, why in ((whole[:-9], "ends too early"), (whole + whole, "something follows")):
        findings = parse(cut(data), WATCH, NOW, tuple)
        assert why in findings.rejections[0].why


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b" " * 50_000_000, "more than 33554432 bytes when decompressed"),
        (b"[" + b"{}," * 1_100_000 + b"{}]", "more than 1000000 objects"),
    ],
)
def test_a_bomb_is_refused_before_it_goes_off(content: bytes, why: str) -> None:
    bomb = payload(content)
    started = time.perf_counter()
    findings = parse(bomb, WATCH, NOW, tuple)
    assert time.perf_counter() - started < 2
    assert why in findings.rejections[0].why


def test_an_empty_batch_asks_nobody() -> None:
    def nobody() -> Collection[str]:
        raise AssertionError("asked")

    batch = {"logGroup": "/shop", "logStream": "app", "logEvents": []}
    assert parse(payload(batch), WATCH, NOW, nobody).seen == 0


# Healthy lines


def test_healthy_lines_are_counted_and_never_built() -> None:
    assert counts(read(*(flat(40) for _ in range(9)))) == (0, 9, 0)


@pytest.mark.parametrize(
    ("value", "metric", "is_quiet"),
    [
        (79.9, "cpu", True), (80, "cpu", False), (1, "cpu", False), (2, "cpu", True),
        (11, "free", True), (10, "free", False), ("40", "cpu", True), ("97", "cpu", False),
        (10**30, "other", True),
    ],
)  # fmt: skip
def test_only_a_value_that_breaks_no_rule_is_quiet(
    value: object, metric: str, is_quiet: bool
) -> None:
    found = read(flat(40), flat(value, metric), flat(value, metric))
    assert counts(found) == ((0, 3, 0) if is_quiet else (2, 1, 0))


def test_a_healthy_line_of_a_concerned_target_is_built() -> None:
    lines = (flat(40), flat(40, target="web-2"), flat(40, metric="other"))
    assert counts(read(*lines, concerned={"web-1"})) == (1, 2, 0)
    assert counts(read(flat(40), stream=WEB_1, concerned={WEB_1})) == (1, 0, 0)


@pytest.mark.parametrize("named", ["web-1", " web-1 ", "web-1\t"])
def test_a_concerned_target_is_known_however_its_name_is_spaced(named: str) -> None:
    assert counts(read(flat(40), flat(40, target=named), concerned={"web-1"})) == (2, 0, 0)


@pytest.mark.parametrize("nobody", ["", "  ", None, 7, ["web-1"], "x" * 300])
def test_a_healthy_value_of_nobody_is_refused_by_the_quick_look_too(nobody: object) -> None:
    assert counts(read(flat(40, target=nobody), stream="fleet")) == (0, 0, 1)


def test_nested_lines_are_read_where_the_source_says() -> None:
    healthy = {"host": {"id": "web-1"}, "what": {"name": "cpu", "value": 40}}
    sick = {"host": {"id": "web-1"}, "what": {"name": "cpu", "value": 97}}
    found = read(healthy, sick, healthy, {"host": 5, "what": []}, group="/nested")
    assert (counts(found), found.ignored) == ((1, 2, 0), 1)
    assert found.signals[0].target.key == "host/web-1"


# What a line may hold


@pytest.mark.parametrize(
    "record",
    [
        flat(97),
        {"host": "web-1", "metric_name": "cpu", "metric_value": "97"},
        {"hostname": " web-1 ", "MetricName": "cpu", "Value": 97.0},
        {"host": "web-1", "cpu": 97, "other": "text"},
        {"metrics": [{"instance_id": "web-1", "metric": "cpu", "value": 97}]},
        {"instance_id": "web-1", "measurements": [{"name": "cpu", "value": 97}]},
        {
            "_aws": {"CloudWatchMetrics": [{"Metrics": [{"Name": "cpu"}]}]},
            "cpu": 97,
            "host": "web-1",
        },
        [flat(97)],
    ],
)
def test_a_measurement_is_found_in_whatever_shape(record: object) -> None:
    (signal,) = read(record).signals
    assert (signal.kind, signal.name, signal.value) == (SignalKind.METRIC, "cpu", 97)
    assert (signal.target.key, signal.id, signal.at) == ("host/web-1", "id-0", NOW)


def test_several_measurements_of_a_line_are_told_apart() -> None:
    arrays = {
        "_aws": {"CloudWatchMetrics": [{"Metrics": [{"Name": "cpu"}]}]},
        "cpu": [96, 97],
        "host": "web-1",
    }
    assert [signal.id for signal in read(arrays).signals] == ["id-0", "id-0.1"]
    assert [signal.id for signal in read([flat(96), flat(97)]).signals] == ["id-0", "id-0.1"]


def test_one_spoilt_measurement_leaves_its_neighbours_alone() -> None:
    found = read({"host": "web-1", "metrics": [flat(97), flat("much"), 5, {"metric": "cpu"}]})
    assert counts(found) == (1, 0, 3)


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (flat(True), "cpu: true is not a number"),
        (flat(None), "cpu without a value"),
        (flat("abc"), "cpu: 'abc' is not a number"),
        (flat("1_000"), "cpu: '1_000' is not a number"),
        (flat("nan"), "cpu: 'nan' is not a number"),
        (flat("9" * 400), "cpu: inf is not a finite number"),
        (flat([1]), "cpu: a list is not a number"),
        (flat({}), "cpu: an object is not a number"),
        (flat(1, metric=None), "a value without the metric it belongs to"),
        (flat(1, metric=""), "a value without the metric it belongs to"),
        (flat(1, metric=5), "a value without the metric it belongs to"),
        (flat(1, metric="m" * 300), "a metric's name of 300 characters"),
        (flat(97, target=None), "a measurement of nobody: no target in line or stream"),
        (flat(97, target=["web-1"]), "a measurement of nobody: no target in line or stream"),
        (flat(97, target="x" * 300), "a measurement of nobody: no target in line or stream"),
        (flat(97, target="  "), "a measurement of nobody: no target in line or stream"),
        ({"_aws": {}, "host": "web-1"}, "embedded metric format without CloudWatchMetrics"),
        ({"_aws": {"CloudWatchMetrics": [5]}}, "embedded metric format without Metrics"),
        (
            {"_aws": {"CloudWatchMetrics": [{"Metrics": [{"Name": "cpu"}]}]}},
            "embedded metric 'cpu' has no value",
        ),
        ([5], "JSON, but not an object"),
    ],
)
def test_a_spoilt_measurement_is_refused_with_the_reason(record: object, why: str) -> None:
    found = read(record)
    assert counts(found) == (0, 0, 1)
    assert found.rejections[0].why == why


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", "1" * 400])
def test_numbers_beyond_json_are_refused(value: str) -> None:
    line = f'{{"instance_id": "web-1", "metric": "cpu", "value": {value}}}'
    found = read(line)
    assert counts(found) == (0, 0, 1)
    assert "finite" in found.rejections[0].why


def test_an_unknown_unit_changes_nothing() -> None:
    assert read({**flat(97), "unit": "Furlongs"}).signals[0].value == 97


@pytest.mark.parametrize(
    "message",
    ["", "  ", "plain text", "97", "[2026-01-15 03:04:05] started", "[]", {"level": "INFO"}, {}],
)
def test_a_line_that_claims_to_be_nothing_is_ignored_and_counted(message: object) -> None:
    found = read(message)
    assert (counts(found), found.ignored) == ((0, 0, 0), 1)


def test_broken_json_is_refused() -> None:
    assert read('{"instance_id": ').rejections[0].why.startswith("broken JSON: ")
    assert read('{"a":' * 500).rejections[0].why.startswith("broken JSON: ")


def test_lists_in_lists_without_end_are_counted() -> None:
    deep = '{"metrics": [' * 480 + json.dumps(flat(97)) + "]}" * 480
    assert sum(counts(read(deep))) == 1


@pytest.mark.parametrize("timestamp", [None, True, "now", -1, 10**30, STAMP + 3 * 3_600_000])
def test_a_breach_without_a_usable_time_is_refused(timestamp: object) -> None:
    found = read(flat(97), timestamp=timestamp)
    assert counts(found) == (0, 0, 1)
    assert found.rejections[0].why == "a log event without a usable timestamp"


def test_a_clock_somewhat_ahead_is_believed() -> None:
    ahead = STAMP + 3_600_000
    assert read(flat(97), timestamp=ahead).signals[0].at == NOW + timedelta(hours=1)


@pytest.mark.parametrize("event", [None, 5, "text", {}, {"message": 5}, {"message": None}])
def test_a_log_event_without_a_message_is_refused(event: object) -> None:
    batch = {"logGroup": "/shop", "logStream": "app", "logEvents": [event]}
    found = parse(payload(batch), WATCH, NOW, tuple)
    assert [rejection.why for rejection in found.rejections] == ["a log event without a message"]


@pytest.mark.parametrize("identity", [None, 5, "", "x" * 300])
def test_a_line_without_a_name_is_named_by_what_it_says(identity: object) -> None:
    event = {"id": identity, "timestamp": STAMP, "message": json.dumps(flat(97))}
    batch = {"logGroup": "/shop", "logStream": "app", "logEvents": [event]}
    names = {parse(payload(batch), WATCH, NOW, tuple).signals[0].id for _ in range(2)}
    assert len(names) == 1
    assert len(names.pop()) == 16


# Whose line it is


def test_a_line_without_a_target_belongs_to_the_instance_its_stream_names() -> None:
    (signal,) = read({"metric": "cpu", "value": 97}, stream=f"web/{WEB_1}/app").signals
    assert signal.target.key == f"instance/{WEB_1}"
    assert signal.claimed_identity is None


@pytest.mark.parametrize(("named", "claim"), [(WEB_1, None), (WEB_2, WEB_2), ("ip-10-0-0-1", None)])
def test_a_line_cannot_point_at_another_machine_than_its_stream(
    named: str, claim: str | None
) -> None:
    (signal,) = read(flat(97, target=named), stream=WEB_1).signals
    assert (signal.target.key, signal.claimed_identity) == (f"instance/{WEB_1}", claim)


def test_lines_of_a_stream_that_is_no_machine_belong_to_whom_they_name() -> None:
    assert read(flat(97, target=WEB_2)).signals[0].target.key == f"instance/{WEB_2}"


# Log rules


@pytest.mark.parametrize(
    ("message", "rules"),
    [
        ({"level": "ERROR", "host": "web-1"}, ["field"]),
        ({"level": "INFO", "message": "ERROR"}, []),
        ({"http": {"status": 500}}, ["deep"]),
        ({"http": {"status": "500"}}, ["deep"]),
        ({"http": 500}, []),
        ({"http": {"status": True}}, []),
        ({"message": "out of memory"}, ["pattern"]),
        ([{"level": "ERROR"}, {"level": "ERROR"}], ["field", "field"]),
        ([{"a": "out of memory"}, {}], ["pattern"]),
        ("ERROR: something", ["field"]),
        ("NOERRORS at all", []),
        ("[worker] out of memory, code 500", ["deep", "pattern"]),
        ('{"broken": ERROR', ["field"]),
    ],
)
def test_a_log_rule_looks_at_a_field_or_at_the_whole_line(
    message: object, rules: list[str]
) -> None:
    signals = read(message).signals
    assert [signal.rule for signal in signals] == rules
    assert {signal.kind for signal in signals} <= {SignalKind.LOG}


def test_a_healthy_measurement_that_a_log_rule_means_is_not_overlooked() -> None:
    found = read(flat(40), {**flat(40), "level": "ERROR"})
    assert [signal.rule for signal in found.signals] == ["field"]
    assert found.quiet == 2


def test_a_matching_line_of_nobody_belongs_to_its_stream() -> None:
    (signal,) = read("ERROR").signals
    assert (signal.target.kind, signal.target.name) == (TargetKind.RESOURCE, "/shop:app")


# What verification asks of single lines


def test_the_values_of_a_line_are_read_again_with_the_targets_it_names() -> None:
    assert values_in_line(json.dumps(flat(97)), "cpu", Fields()) == [("web-1", 97)]
    assert values_in_line(json.dumps([flat(97), 5, flat("x"), flat(1, "a")]), "cpu", Fields()) == [
        ("web-1", 97)
    ]
    assert values_in_line("no JSON", "cpu", Fields()) == []


@pytest.mark.parametrize(
    ("message", "matches"),
    [
        ('{"level": "ERROR"}', True),
        ('[{"level": "INFO"}, {"level": "ERROR"}]', True),
        ('{"level": "INFO", "text": "ERROR"}', False),
        ("{}", False),
        ("5", False),
        ("ERROR", True),
        ("{ ERROR", True),
    ],
)
def test_a_line_is_matched_again_as_it_was_matched_first(message: str, matches: bool) -> None:
    assert matches_line(message, LineMatch(field="$.level", equals="ERROR")) is matches


def test_truth_values_are_matched_as_they_are_written() -> None:
    match = LineMatch(field="$.failed", equals="true")
    assert matches_line('{"failed": true}', match)
    assert not matches_line('{"failed": {"a": 1}}', match)


def test_half_surrogates_do_not_travel_further() -> None:
    assert load_json('["\\ud800"]') == ["?"]
    assert as_json(("\ud800", 10**400, -(10**400))) == ["?", float("inf"), float("-inf")]


def test_the_defaults_of_a_configuration_watch_nothing() -> None:
    assert Watch.compile(Configuration().rules.values()).quiet == {}
