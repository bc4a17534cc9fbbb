"""The hub's API, from the request to what is stored, delivered and answered."""

import base64
import gzip
import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from autorecovery.models.notice import Notice, NoticeKind
from autorecovery.models.reason import Level
from autorecovery.web.openapi import document
from local_runtime.history.database import reading
from tests.hub_world import (
    NOON,
    OPERATOR,
    SECOND,
    TOKENS,
    HubWorld,
    batch_content,
    monitor_content,
)

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
HOSTS_TOKEN = TOKENS["web-1"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[HubWorld]:
    world = HubWorld(tmp_path, max_containers=50)
    yield world
    assert world.failures == []  # whatever was asked, nothing crashed
    world.history.engine.dispose()


def is_empty(world: HubWorld) -> bool:
    """Return whether nothing at all was kept, and nothing was delivered."""
    with reading(world.history.engine) as connection:
        counts = [
            connection.execute(text(f"SELECT count(*) FROM {table}")).scalar()
            for table in ("hosts", "system_metrics", "ingested", "server", "container")
        ]
    return not any(counts) and world.delivered == []


def lines(event: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the log events of a delivery."""
    content = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
    assert (content["logGroup"], content["logStream"]) == ("/autorecovery/hosts", "web-1")
    events: list[dict[str, Any]] = content["logEvents"]
    return events


# What hosts send


def test_a_batch_is_kept_delivered_and_answered_with_when_to_send_again(world: HubWorld) -> None:
    answer = world.send(batch_content())
    assert (answer.status, answer.content) == (
        202, {"accepted": 15, "repeated": False, "late": False, "next_in_seconds": 15},
    )  # fmt: skip
    (line,) = lines(world.delivered[0])
    assert json.loads(line["message"]) == {
        "host": "web-1", "cpu_usage_active": 17.0, "mem_used_percent": 40.0,
    }  # fmt: skip
    assert line["timestamp"] == NOON.timestamp() * 1000


def test_conditions_that_a_host_found_are_lines_of_their_own(world: HubWorld) -> None:
    condition = {"kind": "container_oom", "name": "nginx", "level": "CRITICAL"}
    world.send(batch_content(conditions=[condition]))
    messages = [json.loads(line["message"]) for line in lines(world.delivered[0])]
    assert messages[1] == {"host": "web-1", "condition": condition}
    assert len({line["id"] for line in lines(world.delivered[0])}) == 2


def test_the_same_batch_again_changes_nothing(world: HubWorld) -> None:
    world.send(batch_content())
    again = world.send(batch_content())
    assert (again.status, again.content["repeated"]) == (202, True)
    assert len(world.delivered) == 1


def test_a_batch_that_triage_could_not_take_is_sent_again_and_delivered_then(
    world: HubWorld,
) -> None:
    world.triage_is_away = True
    assert world.send(batch_content()).status == 503
    world.triage_is_away = False
    assert world.send(batch_content()).status == 202
    assert len(world.delivered) == 1
    assert len(world.read("/monitoring/metrics", resolution="1").content["metrics"]) == 15


def test_a_batch_without_samples_is_a_sign_of_life(world: HubWorld) -> None:
    assert world.send(batch_content(samples=[])).status == 202
    (host,) = world.read("/monitoring/metrics/current").content["hosts"]
    assert (host["hostname"], host["silent"], host["timestamp"]) == ("web-1", False, None)


@pytest.mark.parametrize(
    "late", [batch_content(late=True), batch_content(NOON - 20 * MINUTE, sent_at=NOON.isoformat())]
)
def test_a_late_batch_is_history_and_nobody_acts_on_it(
    world: HubWorld, late: dict[str, Any]
) -> None:
    answer = world.send(late)
    assert (answer.status, answer.content["late"]) == (202, True)
    assert world.delivered == []
    assert world.history.rows("web-1", NOON - DAY, NOON + MINUTE, limit=100)


def test_a_clock_that_is_behind_is_made_good(world: HubWorld) -> None:
    answer = world.send(batch_content(NOON - 20 * MINUTE))
    assert (answer.status, answer.content["late"]) == (202, False)
    (line,) = lines(world.delivered[0])
    assert line["timestamp"] == NOON.timestamp() * 1000
    (host,) = world.read("/monitoring/metrics/current").content["hosts"]
    assert (host["timestamp"], host["clock_behind_seconds"]) == (NOON.isoformat(), 1200)


WRONG_TOKENS = {
    "none": ("", 401, "no token"),
    "nobody's": ("x" * 30, 401, "this token is nobody's"),
    "of another host": (TOKENS["web-2"], 403, "this is not the token of web-1"),
    "of the operator": (OPERATOR, 401, "this token is nobody's"),
}


@pytest.mark.parametrize(("token", "status", "reason"), WRONG_TOKENS.values(), ids=WRONG_TOKENS)
def test_who_is_not_that_host_is_not_heard(
    world: HubWorld, token: str, status: int, reason: str
) -> None:
    answer = world.send(batch_content(), token)
    assert answer.status == status
    assert answer.content["reason"].startswith(reason)
    assert is_empty(world)


def test_a_host_that_is_not_configured_is_not_heard(world: HubWorld) -> None:
    assert world.send(batch_content(host="web-3"), HOSTS_TOKEN).status == 403
    assert is_empty(world)


def changed(**changes: Any) -> dict[str, Any]:
    """Return a batch whose one sample is changed."""
    sample = {"at": NOON.isoformat(), "metrics": {"cpu_usage_active": 1}}
    return batch_content(samples=[{**sample, **changes}])


WRONG_BODIES: dict[str, tuple[Any, int, str]] = {
    "nothing": ("", 400, "not JSON"),
    "no JSON": ("{", 400, "not JSON"),
    "no number": ('{"a": NaN}', 400, "not JSON"),
    "no object": ([], 422, "expected a JSON object"),
    "an empty object": ({}, 422, "schema_version"),
    "another version": (batch_content(schema_version=2), 422, "schema_version"),
    "a host that is no name": (batch_content(host="../web"), 422, "host"),
    "a host that is a number": (batch_content(host=7), 422, "host"),
    "no key": (batch_content(key=""), 422, "key"),
    "an interval of text": (batch_content(interval_seconds="15"), 422, "interval_seconds"),
    "an endless interval": (batch_content(interval_seconds=10**9), 422, "interval_seconds"),
    "a value of text": (changed(metrics={"cpu": "high"}), 422, "samples.0.metrics.cpu"),
    "a truth value": (changed(metrics={"cpu": True}), 422, "samples.0.metrics.cpu"),
    "an infinite value": ('{"samples": [{"metrics": {"cpu": 1e999}}]}', 400, "not JSON"),
    "a metric that is no name": (changed(metrics={"a b": 1}), 422, "samples.0.metrics.a b"),
    "many metrics": (changed(metrics={f"m{n}": n for n in range(301)}), 422, "samples.0.metrics"),
    "a time without zone": (changed(at="2026-03-02T12:00:00"), 422, "samples.0.at"),
    "a future date": (
        changed(at=(NOON + 6 * MINUTE).isoformat()), 422,
        "samples.at: 2026-03-02T12:06:00+00:00 lies 6m in the future; is the host's clock right?",
    ),
    "a clock in the future": (
        batch_content(samples=[], sent_at=(NOON + DAY).isoformat()), 422,
        "sent_at: 2026-03-03T12:00:00+00:00 lies 1d in the future",
    ),
    "long ago": (changed(at=(NOON - 16 * DAY).isoformat()), 422, "samples.at"),
    "many containers": (batch_content(containers=[{}] * 51), 422, "containers: 51 are too many"),
    "a million containers": (
        batch_content(containers=[{}] * 1_000_000), 413, "the body is larger than 1024 KB",
    ),
    "something deep": (
        json.dumps(batch_content()).replace('"unread": {}', f'"x": {"[" * 900}{"]" * 900}'),
        422, "",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("body", "status", "reason"), WRONG_BODIES.values(), ids=WRONG_BODIES)
def test_what_is_wrong_with_a_batch_is_said_and_nothing_is_kept(
    world: HubWorld, body: Any, status: int, reason: str
) -> None:
    answer = world.send(body, HOSTS_TOKEN)
    assert (answer.status, answer.content["reason"][: len(reason)]) == (status, reason)
    assert is_empty(world)


def test_pages_in_browsers_are_not_heard(world: HubWorld) -> None:
    answer = world.ask(
        "POST", "/api/v1/ingest", batch_content(), token=HOSTS_TOKEN,
        headers={"origin": "https://example.com"},
    )  # fmt: skip
    assert answer.status == 403
    assert is_empty(world)


# What the agents of /monitor_info send

SUCCESS = {
    "data": "", "pageInfo": {}, "resultCode": "0", "resultMessage": "Success", "success": True,
}  # fmt: skip


def test_an_agent_is_answered_in_its_envelope_and_its_rows_are_kept(world: HubWorld) -> None:
    answer = world.ask("POST", f"/monitor_info/{HOSTS_TOKEN}", monitor_content())
    assert (answer.status, answer.content) == (200, SUCCESS)
    with reading(world.history.engine) as connection:
        servers = connection.execute(text("SELECT * FROM server")).mappings().all()
        containers = connection.execute(text("SELECT * FROM container")).mappings().all()
    expected = monitor_content()
    (container,) = expected.pop("container_stats")
    assert [dict(row) for row in servers] == [{"id": 1, **expected}]
    assert [dict(row) for row in containers] == [{"id": 1, **container}]


def test_what_an_agent_says_is_history_and_goes_to_triage(world: HubWorld) -> None:
    world.ask("POST", f"/monitor_info/{HOSTS_TOKEN}", monitor_content())
    (line,) = lines(world.delivered[0])
    assert json.loads(line["message"])["cpu_usage_active"] == 45.2
    (row,) = world.read("/monitoring/metrics").content["metrics"]
    assert (row["cpu_percent"], row["memory_percent"]) == (45.2, 50.0)


def test_a_network_that_is_allowed_stands_in_for_a_token(tmp_path: Path) -> None:
    world = HubWorld(tmp_path, allow_from=["10.0.0.0/8"])
    near = world.ask("POST", "/monitor_info", monitor_content(), source="10.1.2.3")
    far = world.ask("POST", "/monitor_info", monitor_content(), source="192.0.2.1")
    assert (near.status, far.status) == (200, 401)
    # Of ours a token is asked wherever they are.
    assert world.ask("POST", "/api/v1/ingest", batch_content(), source="10.1.2.3").status == 401


def test_times_without_a_zone_are_those_of_the_configured_one(tmp_path: Path) -> None:
    ahead = monitor_content(ser_get_datetime="2026-03-02 13:00:00", container_stats=[])
    told = {}
    for zone in ("UTC", "Europe/Berlin"):
        world = HubWorld(tmp_path / zone.replace("/", ""), timezone=zone)
        told[zone] = world.ask("POST", f"/monitor_info/{HOSTS_TOKEN}", ahead)
    assert (told["UTC"].status, told["Europe/Berlin"].status) == (422, 200)
    assert "is ingest.timezone (UTC) that of the agents?" in told["UTC"].content["resultMessage"]


def test_arrival_decides_what_is_stale(world: HubWorld) -> None:
    slow = monitor_content(ser_get_datetime="2026-03-02 11:00:00", container_stats=[])
    world.ask("POST", f"/monitor_info/{HOSTS_TOKEN}", slow)
    (line,) = lines(world.delivered[0])
    assert line["timestamp"] == NOON.timestamp() * 1000


def test_how_often_an_agent_sends_is_seen_from_what_it_sends(world: HubWorld) -> None:
    for minutes in (0, 10):
        world.now = NOON + minutes * MINUTE
        written = f"{world.now:%Y-%m-%d %H:%M:%S}"
        content = monitor_content(ser_get_datetime=written, container_stats=[])
        world.ask("POST", f"/monitor_info/{HOSTS_TOKEN}", content)
    host = world.history.host("web-1")
    assert host is not None
    assert host.silent_from == NOON + 40 * MINUTE


WRONG_MONITORED: dict[str, tuple[Any, int, str]] = {
    "no JSON": ("{", 400, "not JSON"),
    "something missing": ({"agent_id": "web-1"}, 422, "engine_type: Field required"),
    "a truth value": (monitor_content(ser_cpu_percent=True), 422, "ser_cpu_percent"),
    "a word": (monitor_content(ser_cpu_percent="high"), 422, "ser_cpu_percent"),
    "a long name": (monitor_content(engine_type="x" * 51), 422, "engine_type"),
    "too large a number": (monitor_content(ser_memory_total=2**40), 422, "ser_memory_total"),
    "no time": (monitor_content(ser_get_datetime="noon"), 422, "ser_get_datetime"),
    "a future date": (
        monitor_content(ser_get_datetime="2027-03-02 12:00:00"), 422, "ser_get_datetime",
    ),
    "many containers": (monitor_content(container_stats=[{}] * 51), 422, "container_stats: 51"),
    "a million containers": (monitor_content(container_stats=[{}] * 10**6), 413, "the body"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("body", "status", "reason"), WRONG_MONITORED.values(), ids=WRONG_MONITORED
)
def test_an_agent_is_told_what_is_wrong_in_its_envelope(
    world: HubWorld, body: Any, status: int, reason: str
) -> None:
    answer = world.ask("POST", f"/monitor_info/{HOSTS_TOKEN}", body)
    assert answer.status == status
    assert answer.content["resultMessage"].startswith(reason)
    assert {**answer.content, "resultMessage": ""} == {
        **SUCCESS, "resultCode": str(status), "resultMessage": "", "success": False,
    }  # fmt: skip
    assert is_empty(world)


def test_an_agent_with_the_token_of_another_is_not_heard(world: HubWorld) -> None:
    answer = world.ask("POST", f"/monitor_info/{TOKENS['web-2']}", monitor_content())
    assert (answer.status, answer.content["resultCode"]) == (403, "403")
    assert is_empty(world)


# What readers ask


def test_anybody_may_ask_whether_it_is_well(world: HubWorld) -> None:
    answer = world.ask("GET", "/health")
    assert answer.content == {"status": "healthy", "timestamp": NOON.isoformat()}


@pytest.mark.parametrize("path", sorted(set(document()["paths"])))
def test_every_route_that_reads_takes_the_operators_token(world: HubWorld, path: str) -> None:
    if "get" not in document()["paths"][path] or path == "/health":
        return
    told = [world.ask("GET", path, token=token).status for token in ("", HOSTS_TOKEN, OPERATOR)]
    assert told == [401, 401, 200]


def test_the_present_state_of_a_host_is_all_that_it_said_last(world: HubWorld) -> None:
    world.send(batch_content(containers=[{"name": "nginx"}]))
    (host,) = world.read("/monitoring/metrics/current", host="web-1").content["hosts"]
    assert (host["cpu_percent"], host["memory_percent"], host["disk_percent"]) == (24, 40, None)
    assert host["containers"] == [{"name": "nginx"}]
    assert world.read("/monitoring/metrics/current", host="web-9").status == 404
    world.now = NOON + 4 * MINUTE
    (host,) = world.read("/monitoring/metrics/current").content["hosts"]
    assert host["silent"]


def test_history_is_told_from_when_to_when(world: HubWorld) -> None:
    world.send(batch_content())
    found = world.read(
        "/monitoring/metrics", host="web-1", to=(NOON - 2 * SECOND).isoformat(),
        limit="3", **{"from": (NOON - MINUTE).isoformat()},
    ).content["metrics"]  # fmt: skip
    assert [row["cpu_percent"] for row in found] == [19, 20, 21]
    (row,) = world.read(
        "/monitoring/metrics", metric="mem_used_percent", limit="1"
    ).content["metrics"]  # fmt: skip
    assert {key: row[key] for key in ("metric", "min", "mean", "max", "p95")} == {
        "metric": "mem_used_percent", "min": 40, "mean": 40, "max": 40, "p95": 40,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"limit": "0"}, "limit: expected a whole number from 1 to 5000"),
        ({"limit": "1e3"}, "limit: expected"),
        ({"from": "yesterday"}, "from: expected a time such as"),
        ({"from": "2026-03-02T13:00:00Z"}, "from: expected a time before `to`"),
        ({"resolution": "5"}, "resolution: expected 1, 10, 60 or 3600"),
        ({"hots": "web-1"}, "'hots' is not known here; known are limit, host"),
    ],
)
def test_what_cannot_be_asked_is_said(world: HubWorld, query: dict[str, str], reason: str) -> None:
    answer = world.read("/monitoring/metrics", **query)
    assert answer.status == 400
    assert answer.content["reason"].startswith(reason)


def test_the_record_of_notices_is_told_by_channel_and_level(world: HubWorld) -> None:
    for number, level in enumerate((Level.INFO, Level.CRITICAL)):
        world.notices.record(notice(f"n{number}", level, NOON + number * SECOND))
    found = world.read("/monitoring/notifications", level="CRITICAL").content["notifications"]
    assert [(each["id"], each["level"], each["title"]) for each in found] == [
        ("n1", "critical", "headline")
    ]
    (newest,) = world.read("/monitoring/notifications", limit="1").content["notifications"]
    assert newest["id"] == "n1"
    nobodys = world.read("/monitoring/notifications", channel="nobody").content
    assert nobodys == {"notifications": []}
    assert world.read("/monitoring/notifications", level="loud").status == 400


def notice(identity: str, level: Level, at: datetime) -> Notice:
    return Notice(
        id=identity, incident_id="", kind=NoticeKind.MESSAGE, level=level, at=at,
        headline="headline", lines=("line",),
    )  # fmt: skip


def test_on_this_machine_alone_nobody_needs_a_token(tmp_path: Path) -> None:
    world = HubWorld(tmp_path, is_open=True)
    assert world.send(batch_content(), "").status == 202
    assert world.ask("POST", "/monitor_info", monitor_content()).status == 200
    assert world.ask("GET", "/monitoring/metrics").status == 200
    # A token that is nobody's is a mistake wherever it is said.
    assert world.send(batch_content(key="k2"), "x" * 30).status == 401


def test_what_is_not_there_is_not_found(world: HubWorld) -> None:
    assert world.ask("GET", "/").status == 404
