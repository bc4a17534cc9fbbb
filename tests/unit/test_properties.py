"""No input whatsoever makes triage raise, or lose a line uncounted."""

import base64
import copy
import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.dead_letters import SqliteDeadLetters
from autorecovery.config import load
from autorecovery.ports import Presence
from autorecovery.triage.outcome import Outcome
from autorecovery.triage.run import Triage, triage
from tests.fakes import FixedDirectory, RecordingStarter, WatchedIncidentLog

PROJECT = Path(__file__).resolve().parents[2]
CONFIGURATION = load(PROJECT / "config.yaml", {}).configuration
NOW = datetime(2026, 1, 15, 3, 5, tzinfo=UTC)
WEB_1 = "i-0a1b2c3d4e5f67890"
SAMPLES = {
    path.stem: json.loads(path.read_text("utf-8"))
    for path in sorted((PROJECT / "events").glob("*.json"))
}

# The same inputs on every machine: what fails in CI fails at the desk.
steady = settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def application() -> Triage:
    """Return triage with an empty memory."""
    return Triage(
        configuration=CONFIGURATION,
        incidents=WatchedIncidentLog(),
        responses=RecordingStarter(),
        targets=FixedDirectory(Presence(exists=True, opted_in=True)),
        dead_letters=SqliteDeadLetters(Database(None)),
        clock=lambda: NOW,
    )


def see(event: object, app: Triage | None = None) -> Outcome:
    """Return what triage makes of an event; its answer is JSON whatever the event is."""
    outcome = triage(event, app or application())
    assert outcome.failures == []
    json.dumps(outcome.as_dict()).encode()
    return outcome


def counted(outcome: Outcome) -> int:
    return outcome.signals + outcome.rejected + outcome.ignored


def payload(content: object) -> dict[str, Any]:
    """Return a subscription event that carries this document."""
    text = json.dumps(content, default=repr).encode()
    return {"awslogs": {"data": base64.b64encode(gzip.compress(text, 1)).decode()}}


def batch(*events: object, stream: str = "app") -> dict[str, Any]:
    return payload(
        {"logGroup": "/shop/metrics", "logStream": stream, "owner": "1", "logEvents": list(events)}
    )


def line(message: object, number: int = 0) -> dict[str, Any]:
    return {"id": f"{number:056d}", "timestamp": 1768446240000 + number, "message": message}


# Every sample, spoilt at every place


SPOILS: tuple[Any, ...] = (
    None, True, -1, 10**400, 1e308, float("nan"), "", "\ud800", "x" * 5000, "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+14:00", [], {}, [None, 5, "a", []], {"a": None, "attributes": {"a": 1}},
    {1: 2, None: 3},
)  # fmt: skip
TURNS = 4


def spoilt(event: Any) -> Iterator[Any]:
    """Yield the event with each of its values replaced by a share of the spoils."""
    for turn, place in enumerate(places(event, ())):
        for spoil in SPOILS[turn % TURNS :: TURNS]:
            yield replaced(event, place, spoil)


def places(value: Any, place: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    yield place
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(part, (*place, key))


def replaced(event: Any, place: tuple[Any, ...], spoil: Any) -> Any:
    if not place:
        return spoil
    event = copy.copy(event)
    event[place[0]] = replaced(event[place[0]], place[1:], spoil)
    return event


def opened(event: Any) -> Any:
    """Return the alarm inside an SNS or SQS envelope: its inside is worth spoiling too."""
    records = event.get("Records") or [{}]
    text = records[0].get("Sns", {}).get("Message") or records[0].get("body") or ""
    content = json.loads(text) if text.startswith("{") else event
    return json.loads(content["Message"]) if "Message" in content else content


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_spoilt_anywhere_is_counted_and_raises_nothing(name: str) -> None:
    app = application()
    for event in spoilt(opened(SAMPLES[name])):
        assert counted(see(event, app)) >= 1, event


def test_a_log_batch_spoilt_anywhere_is_counted_and_raises_nothing() -> None:
    content = {
        "messageType": "DATA_MESSAGE",
        "owner": "111122223333",
        "logGroup": "/shop/metrics",
        "logStream": "app",
        "subscriptionFilters": ["shop"],
        "logEvents": [line(json.dumps({"instance_id": WEB_1, "metric": "a", "value": 1}))],
    }
    app = application()
    for document in spoilt(content):
        events = document.get("logEvents") if isinstance(document, dict) else None
        if events != []:
            assert counted(see(payload(document), app)) >= 1, document


def test_a_line_spoilt_anywhere_is_counted_and_raises_nothing() -> None:
    embedded = {
        "_aws": {"CloudWatchMetrics": [{"Metrics": [{"Name": "CPUUtilization"}]}], "Timestamp": 1},
        "CPUUtilization": [97, 98],
        "InstanceId": WEB_1,
    }
    flat = {"instance_id": WEB_1, "metric": "CPUUtilization", "value": 97, "level": "ERROR"}
    listed = {"instance_id": WEB_1, "metrics": [{"metric": "mem_used_percent", "value": "99"}]}
    wide = {"host": "web-1", "mem_used_percent": 99, "disk_used_percent": 40}
    app = application()
    for record in (embedded, flat, listed, wide, [flat, wide]):
        for strange in spoilt(record):
            assert counted(see(batch(line(json.dumps(strange, default=repr))), app)) >= 1, strange


# Whatever anybody can think of


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
words = st.sampled_from(
    ["instance_id", "metric", "value", "CPUUtilization", "mem_used_percent", "metrics", "_aws",
     "level", "ERROR", WEB_1, "i-0123456789abcdef0", "CloudWatchMetrics", "Metrics", "Name", "host",
     "97", "nan"]
)  # fmt: skip
likely = st.recursive(
    words | st.none() | st.booleans() | st.floats() | st.integers(-200, 200),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=5),
    max_leaves=10,
)
messages = st.text(max_size=60) | likely.map(json.dumps) | anything.map(json.dumps)
keys = st.sampled_from(
    ["awslogs", "Records", "detail", "detail-type", "alarmData", "AlarmName", "NewStateValue",
     "metric", "value", "source", "time", "data", "Sns", "Message", "configuration", "state"]
)  # fmt: skip


@steady
@given(anything | st.dictionaries(keys, anything, max_size=4) | st.binary(max_size=9))
def test_no_event_whatsoever_makes_triage_raise(event: object) -> None:
    assert counted(see(event)) >= 1


@steady
@given(st.lists(messages, max_size=8), st.sampled_from(["app", WEB_1]))
def test_no_line_is_lost_uncounted(texts: list[str], stream: str) -> None:
    events = [line(text, number) for number, text in enumerate(texts)]
    assert counted(see(batch(*events, stream=stream))) >= len(texts)


@steady
@given(st.lists(st.floats(allow_nan=True) | st.integers() | st.booleans() | st.none(), max_size=9))
def test_a_line_of_one_measurement_is_counted_exactly_once(values: list[Any]) -> None:
    records = [{"instance_id": WEB_1, "metric": "CPUUtilization", "value": v} for v in values]
    outcome = see(batch(*(line(json.dumps(r), n) for n, r in enumerate(records))))
    assert counted(outcome) == len(values)


@steady
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=9), st.integers(0, 8))
def test_the_quick_look_and_the_closer_one_agree(values: list[float], cut: int) -> None:
    """A line that a log rule might mean is looked at closely; otherwise it says the same."""
    plain = [{"instance_id": WEB_1, "metric": "disk_used_percent", "value": v} for v in values]
    closer = [{"other": 1, "host": r.pop("instance_id"), **r} for r in copy.deepcopy(plain)]
    quick = see(batch(*(line(json.dumps(r), n) for n, r in enumerate(plain))))
    slow = see(batch(*(line(json.dumps(r), n) for n, r in enumerate(closer))))
    assert quick.as_dict() == slow.as_dict()


@steady
@given(st.lists(messages, min_size=1, max_size=4), st.lists(messages, max_size=4))
def test_bad_lines_do_not_touch_the_rest_of_the_batch(before: list[str], after: list[str]) -> None:
    good = {"instance_id": "i-00000000000000001", "metric": "disk_used_percent", "value": 99}
    texts = [*before, json.dumps(good), *after]
    outcome = see(batch(*(line(text, number) for number, text in enumerate(texts))))
    found = [(touched.rule, touched.target) for touched in outcome.incidents]
    assert ("disk-full", "instance/i-00000000000000001") in found
