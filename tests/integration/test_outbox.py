"""Delivery on one machine: over real HTTP, each channel alone, and by a program that is killed."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.dead_letters import SqliteDeadLetters
from autorecovery.adapters.sqlite.notice_log import SqliteNoticeLog
from autorecovery.config import Configuration, loads
from autorecovery.models.delivery import Outcome
from autorecovery.models.notice import Notice, NoticeKind
from autorecovery.models.reason import Level
from autorecovery.triage.run import triage
from local_runtime.local_responses import quiet_the_runner
from local_runtime.log_store import subscription_payload
from local_runtime.machine import DATABASE, assemble, utc_now
from local_runtime.outbox import Outbox
from local_runtime.post_office import ChannelOf, courier
from tests.integration.http_channel import HttpChannel, serving

NOTICES = 5
SECOND = timedelta(seconds=1)


def configuration(*names: str, **more: Any) -> Configuration:
    channels = {name: {"webhook": {"url": "env:HOOK"}, **more} for name in names}
    return Configuration.model_validate({"notify": {"channels": channels}})


def notice(number: int, **more: Any) -> Notice:
    content: dict[str, Any] = {
        "incident_id": f"inc-{number}", "kind": NoticeKind.OPENED, "level": Level.ERROR,
        "headline": "[ERROR] sick", "lines": ("It is sick.",), "at": utc_now(),
    }  # fmt: skip
    return Notice(id=f"n-{number}", **{**content, **more})


class Running:
    """An outbox over the state of a folder."""

    def __init__(
        self,
        folder: Path,
        channel: ChannelOf,
        *names: str,
        patience: timedelta = SECOND,
        **settings: Any,
    ) -> None:
        self.database = Database(folder / DATABASE)
        self.log = SqliteNoticeLog(self.database)
        app = courier(configuration(*names, **settings), self.database, channel, utc_now)
        self.outbox = Outbox(self.log, replace(app, patience=patience))

    def close(self) -> None:
        self.outbox.close()
        self.database.close()

    def until(self, stands: Callable[["Running"], bool]) -> None:
        end = time.monotonic() + 15
        while not stands(self):
            assert time.monotonic() < end, self.log.query()
            time.sleep(0.02)

    def outcome(self, notice_id: str, via: str) -> Outcome | None:
        record = self.log.get(notice_id)
        delivery = record.delivery(via) if record else None
        return delivery.outcome if delivery else None


def follow(folder: Path, *names: str) -> SqliteNoticeLog:
    """Return the log of a machine whose channels are known already."""
    log = SqliteNoticeLog(Database(folder / DATABASE))
    log.follow(names)
    return log


def test_what_any_process_records_is_delivered_in_its_order(tmp_path: Path) -> None:
    log = follow(tmp_path, "chat")
    for number in range(NOTICES):
        log.record(notice(number))
    with serving() as service:
        running = Running(tmp_path, lambda name: HttpChannel(name, service.port), "chat")
        try:
            service.wait_for(lambda arrived: len(arrived) >= NOTICES)
            log.record(notice(NOTICES))  # as `autorecovery notify send` does beside it
            service.wait_for(lambda arrived: len(arrived) > NOTICES)
            running.until(lambda all: all.outcome(f"n-{NOTICES}", "chat") is Outcome.DELIVERED)
        finally:
            running.close()
    assert service.arrived == [f"n-{number}" for number in range(NOTICES + 1)]


def test_a_channel_that_fails_keeps_no_other_from_being_told(tmp_path: Path) -> None:
    hanging = threading.Event()

    def never(notice_id: str) -> tuple[int, dict[str, str]]:
        hanging.wait(10)
        return 500, {}

    with serving(never) as sick, serving() as well:
        ports = {"sick": sick.port, "well": well.port}
        log = follow(tmp_path, "sick", "well")
        log.record(notice(0))
        log.record(notice(1))
        channel: ChannelOf = lambda name: HttpChannel(name, ports[name])  # noqa: E731
        running = Running(tmp_path, channel, "sick", "well")
        try:
            sick.wait_for(lambda arrived: len(arrived) == 1)
            well.wait_for(lambda arrived: arrived == ["n-0", "n-1"])
            hanging.set()
            running.until(lambda all: all.outcome("n-1", "sick") is Outcome.GIVEN_UP)
            assert SqliteDeadLetters(running.database).count() == 2
        finally:
            running.close()


def test_an_end_without_its_beginning_waits_aside_for_it(tmp_path: Path) -> None:
    log = follow(tmp_path, "pager")
    end = notice(0, kind=NoticeKind.RECOVERED, level=Level.INFO)

    def due(later: timedelta) -> list[str]:
        return log.due("pager", utc_now() + later, SECOND, lambda each: True)

    with serving() as service:
        channel: ChannelOf = lambda name: HttpChannel(name, service.port)  # noqa: E731
        running = Running(tmp_path, channel, "pager", level="error")
        try:
            log.record(end)
            assert due(SECOND) == ["n-0"]
            running.until(lambda _: due(SECOND) == [])
            assert due(timedelta(seconds=32)) == ["n-0"]
        finally:
            running.close()
    assert service.arrived == []


def test_a_channel_that_asks_to_be_left_alone_is(tmp_path: Path) -> None:
    times: list[float] = []

    def busy_once(notice_id: str) -> tuple[int, dict[str, str]]:
        times.append(time.monotonic())
        return (429, {"Retry-After": "1"}) if len(times) == 1 else (200, {})

    log = follow(tmp_path, "chat")
    log.record(notice(0))
    log.record(notice(1))
    with serving(busy_once) as service:
        running = Running(tmp_path, lambda name: HttpChannel(name, service.port), "chat")
        try:
            service.wait_for(lambda arrived: len(arrived) == 3)
        finally:
            running.close()
    assert service.arrived == ["n-0", "n-0", "n-1"]
    assert times[1] - times[0] >= 1


def test_a_channel_that_cannot_be_set_up_gives_up_and_the_program_goes_on(tmp_path: Path) -> None:
    def broken(name: str) -> HttpChannel:
        raise ValueError("a bug in its set-up")

    log = follow(tmp_path, "chat")
    log.record(notice(0))
    running = Running(tmp_path, broken, "chat", patience=timedelta())
    try:
        running.until(lambda all: all.outcome("n-0", "chat") is Outcome.SENDING)
    finally:
        running.close()


def test_an_incident_is_told_on_the_console_and_through_each_channel(tmp_path: Path) -> None:
    quiet_the_runner()
    channels = "notify: { channels: { chat: { webhook: { url: 'env:HOOK' } } } }"
    rules = "rules: { cpu: { when: { metric: cpu, critical: 90, period: 1s } } }"
    sources = "sources: { logs: [{ group: /shop/metrics, fields: { target: $.host } }] }"
    configured = loads("\n".join((channels, rules, sources)), "test", {}).configuration
    shown: list[Notice] = []
    with serving() as service:
        machine = assemble(
            configured, {}, tmp_path, shown.append, os.environ,
            lambda name: HttpChannel(name, service.port),
        )  # fmt: skip
        try:
            line = json.dumps({"host": machine.name, "metric": "cpu", "value": 99})
            lines = machine.log_store.keep("/shop/metrics", "app", [line])
            triage(subscription_payload("/shop/metrics", "app", lines), machine.triage)
            service.wait_for(lambda arrived: len(arrived) >= 1)
            log = SqliteNoticeLog(machine.memory.database)
            end = time.monotonic() + 10
            while log.query()[-1].delivered_via != ("chat", "console"):
                assert time.monotonic() < end, log.query()
                time.sleep(0.02)
        finally:
            machine.close()
    assert service.arrived[0] == shown[0].id


# A program that is killed

DYING = """
import sys, time
sys.path[:0] = [{root!r}, {code!r}]
from pathlib import Path
from tests.integration import test_outbox as here
log = here.follow(Path({folder!r}), "chat")
for number in range(here.NOTICES):
    log.record(here.notice(number))
running = here.Running(
    Path({folder!r}), lambda name: here.HttpChannel(name, {port}), "chat"
)
time.sleep(60)
"""


@pytest.fixture
def silent() -> Iterator[threading.Event]:
    """Return what the service waits for before it answers to the third notice the first time."""
    answered = threading.Event()
    yield answered
    answered.set()


def test_a_program_killed_in_mid_delivery_loses_nothing_and_repeats_one_notice_at_most(
    tmp_path: Path, silent: threading.Event
) -> None:
    def third_hangs(notice_id: str) -> tuple[int, dict[str, str]]:
        if notice_id == "n-2" and not silent.is_set():
            silent.wait(30)
        return 200, {}

    root = Path(__file__).resolve().parents[2]
    with serving(third_hangs) as service:
        code = DYING.format(
            root=str(root), code=str(root / "lambda_functions"), folder=str(tmp_path),
            port=service.port,
        )  # fmt: skip
        dying = subprocess.Popen([sys.executable, "-c", code], env=dict(os.environ))
        service.wait_for(lambda arrived: arrived == ["n-0", "n-1", "n-2"], 30)
        dying.kill()
        dying.wait()
        silent.set()
        follow(tmp_path, "chat").record(notice(NOTICES))  # while nothing runs
        running = Running(tmp_path, lambda name: HttpChannel(name, service.port), "chat")
        try:
            last = f"n-{NOTICES}"
            running.until(lambda all: all.outcome(last, "chat") is Outcome.DELIVERED)
            running.until(lambda all: all.outcome("n-2", "chat") is Outcome.DELIVERED)
            time.sleep(1.5)  # whoever would repeat another one does it now
            outcomes = {each.outcome for each in running.log.query()}
        finally:
            running.close()
    counts = {f"n-{n}": service.arrived.count(f"n-{n}") for n in range(NOTICES + 1)}
    assert counts == {"n-0": 1, "n-1": 1, "n-2": 2, "n-3": 1, "n-4": 1, "n-5": 1}
    assert outcomes == {"delivered"}
