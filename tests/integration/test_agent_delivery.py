"""Delivery to a real HTTP server: what each answer means, and order through an outage."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from host_agent.batch import moment_text
from host_agent.post import Fate, HubError, Outcome, poster
from host_agent.ship import Shipper
from host_agent.spool import Spool
from tests.integration.agent_hub import FakeHub, fake_hub

TOKEN = "token-of-web-1"


def batch(number: int, age: float = 0.0) -> dict[str, Any]:
    at = moment_text(time.time() - age)
    return {"key": f"{number:032x}", "interval_seconds": 15, "samples": [{"at": at}]}


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with fake_hub() as found:
        yield found


def send(hub: FakeHub, timeout: float = 2.0) -> Outcome:
    return poster(hub.url, TOKEN, timeout=timeout)(batch(1))


class World:
    """A shipper whose pauses are over when the test says so."""

    def __init__(self, hub: FakeHub, folder: Path) -> None:
        self.hub = hub
        self.lines: list[tuple[str, str]] = []
        self.spool = Spool(folder, 1 << 20)
        self.shipper = self.new()

    def new(self) -> Shipper:
        return Shipper(
            poster(self.hub.url, TOKEN, timeout=0.5),
            self.spool,
            lambda *told: self.lines.append(told),
        )

    def offer(self, *batches: dict[str, Any]) -> None:
        for each in batches:
            self.shipper.offer(each)
            self.shipper.flush()

    def later(self) -> None:
        """Let the pause after a failure be over."""
        while self.shipper.step(time.monotonic() + 3600) is not None:
            pass

    def taken(self) -> list[int]:
        return [int(each["key"], 16) for each in self.hub.batches]


@pytest.fixture
def world(hub: FakeHub, tmp_path: Path) -> World:
    return World(hub, tmp_path / "spool")


def test_a_batch_goes_to_the_ingest_route_with_its_key_and_the_token(hub: FakeHub) -> None:
    assert send(hub) == Outcome(Fate.DELIVERED, again_in=7.0)
    path, headers = hub.requests[0]
    assert path == "/api/v1/ingest"
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert headers["Idempotency-Key"] == f"{1:032x}"


def test_the_hub_says_how_soon_and_how_finely_to_send_again(hub: FakeHub) -> None:
    hub.refuse(202, body=b'{"next_in_seconds": 30, "resolution_seconds": 10}')
    assert send(hub) == Outcome(Fate.DELIVERED, "", 30.0, 10)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<html>", b'{"next_in_seconds": "soon"}', b'{"next_in_seconds": NaN}']
)
def test_a_strange_answer_to_a_batch_that_was_taken_changes_nothing(
    hub: FakeHub, body: bytes
) -> None:
    hub.refuse(200, body=body)
    assert send(hub) == Outcome(Fate.DELIVERED)


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
def test_a_batch_that_is_wrong_is_given_up(hub: FakeHub, status: int) -> None:
    hub.refuse(status, body=b'{"reason": "host: not a name"}')
    assert send(hub) == Outcome(Fate.REFUSED, f"HTTP {status}: host: not a name")


@pytest.mark.parametrize("status", [301, 401, 403, 404, 408, 429, 500, 502, 503])
def test_a_hub_that_is_not_ready_for_it_gets_it_later(hub: FakeHub, status: int) -> None:
    hub.refuse(status)
    outcome = send(hub)
    assert outcome.fate is Fate.WAITS
    assert f"HTTP {status}" in outcome.why
    assert ("token" in outcome.why) == (status in (401, 403))


def test_how_long_to_wait_is_the_hubs_word_within_bounds(hub: FakeHub) -> None:
    hub.refuse(429, Retry_After="17")
    hub.refuse(503, Retry_After="999999")
    hub.refuse(503, Retry_After="Wed, 21 Oct 2026 07:28:00 GMT")
    assert [send(hub).again_in for _ in range(3)] == [17.0, 3600.0, None]


def test_a_hub_that_hangs_or_hangs_up_or_is_away_makes_a_batch_wait(hub: FakeHub) -> None:
    hub.hangs.set()
    assert send(hub, timeout=0.2).fate is Fate.WAITS
    hub.hangs.clear()
    hub.closes = True
    assert send(hub).fate is Fate.WAITS
    away = poster("http://127.0.0.1:9", TOKEN)(batch(1))
    assert away.fate is Fate.WAITS
    assert "refused" in away.why


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("hub.example.com", "expected an address such as"),
        ("ftp://hub.example.com", "expected an address such as"),
        ("http://hub.example.com", "the token would cross the network in the clear"),
    ],
)
def test_an_address_that_must_not_be_used_is_refused_at_the_start(url: str, told: str) -> None:
    with pytest.raises(HubError, match=told):
        poster(url, TOKEN)


def test_plain_http_is_for_this_host_or_for_whoever_wants_it() -> None:
    poster("http://127.0.0.1:8080", TOKEN)
    poster("http://hub.lan", TOKEN, allow_plain_http=True)
    poster("http://hub.lan", "")


def test_what_arrives_at_once_touches_no_disk_and_is_not_late(world: World, tmp_path: Path) -> None:
    world.offer(batch(1), batch(2))
    assert world.taken() == [1, 2]
    assert [each["late"] for each in world.hub.batches] == [False, False]
    assert list((tmp_path / "spool").iterdir()) == []
    assert world.shipper.interval == 7.0


def test_through_an_outage_all_are_kept_and_come_in_order_marked_late(world: World) -> None:
    world.hub.refuse(503)
    world.offer(batch(1, age=3600), batch(2, age=1800), batch(3))
    assert (world.taken(), world.shipper.waiting) == ([], 3)
    world.later()
    assert world.taken() == [1, 2, 3]
    assert [each["late"] for each in world.hub.batches] == [True, True, False]
    assert world.shipper.waiting == 0


def test_a_fresh_batch_does_not_overtake_those_that_wait(world: World) -> None:
    world.hub.refuse(503)
    world.offer(batch(1))
    world.shipper.offer(batch(2))
    world.later()
    assert world.taken() == [1, 2]


def test_an_outage_is_logged_once_and_its_end_too(world: World) -> None:
    world.hub.refuse(503, times=4)
    world.offer(batch(1))
    for _ in range(3):
        world.shipper.step(time.monotonic() + 3600)
    world.later()
    assert [level for level, _ in world.lines] == ["WARNING", "INFO"]
    assert world.shipper.trouble == ""


def test_one_bad_batch_does_not_hold_up_the_others(world: World) -> None:
    world.hub.refuse(503)
    world.hub.refuse(422, body=b'{"reason": "samples: too many"}')
    world.offer(batch(1), batch(2))
    world.later()
    assert world.taken() == [2]
    assert world.shipper.refused == 1
    assert any("samples: too many" in told for _, told in world.lines)


def test_a_wrong_token_loses_nothing_once_it_is_right(world: World) -> None:
    world.hub.refuse(401)
    world.offer(batch(1))
    assert "AUTORECOVERY_TOKEN" in world.shipper.trouble
    world.later()
    assert world.taken() == [1]


def test_a_batch_whose_answer_was_lost_is_sent_again_under_the_same_key(world: World) -> None:
    world.hub.closes = True
    world.offer(batch(1))
    world.hub.closes = False
    world.later()
    keys = [headers["Idempotency-Key"] for _, headers in world.hub.requests]
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_a_batch_given_up_while_it_was_on_its_way_takes_no_other_with_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path, len(json.dumps(batch(1))) * 2)
    taken: list[int] = []

    def post(sent: dict[str, Any]) -> Outcome:
        taken.append(int(sent["key"], 16))
        if taken == [1]:
            for number in (2, 3, 4):  # the bound is reached meanwhile: 1 and 2 are given up
                spool.put(batch(number))
        return Outcome(Fate.DELIVERED)

    spool.put(batch(1))
    assert Shipper(post, spool, lambda *_: None).flush()
    assert taken[0] == 1
    assert taken[-2:] == [3, 4]


def test_what_is_not_delivered_at_the_end_waits_on_disk_for_the_next_start(
    world: World, tmp_path: Path
) -> None:
    world.hub.hangs.set()
    world.shipper.start()
    world.shipper.offer(batch(1))
    started = time.monotonic()
    world.shipper.stop(0.2)
    assert time.monotonic() - started < 2
    world.hub.hangs.clear()
    world.spool = Spool(tmp_path / "spool", 1 << 20)
    world.shipper = world.new()
    world.later()
    assert 1 in world.taken()


def test_the_thread_delivers_without_being_pushed(world: World) -> None:
    world.shipper.start()
    for number in range(3):
        world.shipper.offer(batch(number))
    deadline = time.monotonic() + 5
    while len(world.taken()) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    world.shipper.stop(2.0)
    assert world.taken() == [0, 1, 2]
