"""The hub as it is served on one machine: real sockets, a real machine behind them, a real end."""

import contextlib
import http.client
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from autorecovery.config import Configuration, Ingest, loads
from autorecovery.errors import ConfigurationError
from autorecovery.models.incident import EntryKind, Incident
from autorecovery.models.notice import Notice, NoticeKind
from autorecovery.models.reason import IncidentState, Level, Reason, Verdict
from autorecovery.scripts import Script
from local_runtime import up
from local_runtime.hub import Delivery, access_of, hub_of, open_history, tell_silences
from local_runtime.local_responses import quiet_the_runner
from local_runtime.machine import Machine, assemble, host_name
from local_runtime.web_server import redacted
from tests.hub_world import SECOND, batch_content, monitor_content

PROJECT = Path(__file__).resolve().parents[2]
TOKEN, OPERATOR = "a-token-of-agent-1-0123456789", "the-operators-token-0123456789"
RULES = """
rules:
  cpu:
    when: { metric: cpu_usage_active, critical: 90, period: 1s }
    autonomy: auto
    recover: [{ run: touch, verify: { within: 20s, healthy_for: 1s } }]
"""
MINUTE = timedelta(minutes=1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(
    port: int, method: str, path: str, content: Any = None, headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    body = content if isinstance(content, bytes | None) else json.dumps(content)
    connection.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
    answer = connection.getresponse()
    told = json.loads(answer.read())
    connection.close()
    return answer.status, told


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Yield the port of everything that `make up` starts, with tokens."""
    folder, port = tmp_path_factory.mktemp("home"), free_port()
    config = folder / "config.yaml"
    config.write_text(
        "ingest: { operator_token: env:OPERATOR, max_body_kb: 64,"
        " hosts: { agent_1: { token: env:TOKEN } } }"
    )
    variables = {
        **os.environ, "AUTORECOVERY_CONFIG": str(config), "AUTORECOVERY_HOME": str(folder),
        "PORT": str(port), "TOKEN": TOKEN, "OPERATOR": OPERATOR,
    }  # fmt: skip
    quiet_the_runner()
    with up.running(variables) as running:
        thread = up.serve_in_thread(running.server)
        wait_until(lambda: running.server.started)
        yield port
        running.server.should_exit = True
        thread.join()


def wait_until(is_so: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_batches_come_in_and_are_read_again_over_http(served: int) -> None:
    content = batch_content(datetime.now(UTC), host="agent_1", key="over-http")
    status, told = ask(served, "POST", "/api/v1/ingest", content, bearer(TOKEN))
    assert (status, told["accepted"]) == (202, 15)
    status, told = ask(
        served, "GET", "/monitoring/metrics?host=agent_1&limit=5", headers=bearer(OPERATOR)
    )
    assert (status, len(told["metrics"])) == (200, 5)


def test_what_is_written_in_no_encoding_is_refused(served: int) -> None:
    for body in (b"\xff\xfe{", b"\x00" * 100, b'"\xed\xa0\x80"'):
        status, told = ask(served, "POST", "/api/v1/ingest", body, bearer(TOKEN))
        assert (status, told["reason"][:8]) == (400, "not JSON")


def test_more_than_is_allowed_is_not_even_read(served: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served, timeout=10)
    connection.putrequest("POST", "/monitor_info")
    connection.putheader("Content-Length", str(10**12))
    connection.endheaders()
    with contextlib.suppress(OSError):
        for _ in range(40):
            connection.send(b"[" * 4096)
    answer = connection.getresponse()
    assert answer.status == 413
    assert json.loads(answer.read())["resultMessage"] == "the body is larger than 64 KB"
    connection.close()


@pytest.mark.parametrize("name", ["hub.example.com", "127.0.0.1.example.com", "", "[::2]"])
def test_who_calls_it_by_another_name_is_not_answered(served: int, name: str) -> None:
    headers = {"Host": name, **bearer(OPERATOR)}
    assert ask(served, "GET", "/monitoring/metrics", headers=headers)[0] == 421


def test_a_token_in_a_path_is_in_no_log(served: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    written = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
    content = monitor_content(agent_id="agent_1", ser_get_datetime=written, container_stats=[])
    assert ask(served, "POST", f"/monitor_info/{TOKEN}", content)[0] == 200
    assert ask(served, "POST", f"//monitor_info/{TOKEN}/x%0a", content)[0] in (403, 404)
    assert "/monitor_info/…" in caplog.text
    assert TOKEN not in caplog.text


def test_a_path_is_shown_without_token_and_on_one_line() -> None:
    assert redacted("/monitor_info/abc/def") == "/monitor_info/…"
    assert redacted("/health\n2026 INFO all is well") == "/health?2026 INFO all is well"


def test_nobody_listens_to_the_network_without_a_token() -> None:
    with pytest.raises(ConfigurationError, match=r"set ingest.operator_token first"):
        access_of(Ingest(), {}, address="0.0.0.0")
    guarded = Ingest.model_validate({"operator_token": "env:OPERATOR"})
    assert not access_of(guarded, {"OPERATOR": OPERATOR}, address="0.0.0.0").is_open
    named = Ingest.model_validate({"server_names": ["hub.example.com"]})
    assert not access_of(named, {}, address="127.0.0.1").is_open


@pytest.mark.slow
def test_the_program_starts_and_ends_with_a_signal(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "config.yaml").write_text("service: shop\n")
    variables = {**os.environ, "AUTORECOVERY_HOME": str(tmp_path), "PORT": str(port)}
    variables["AUTORECOVERY_CONFIG"] = str(tmp_path / "config.yaml")
    process = subprocess.Popen(
        [sys.executable, "-m", "local_runtime.up"], cwd=PROJECT, env=variables,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == (f"listening on http://127.0.0.1:{port} — Ctrl-C ends it\n")
    wait_until(lambda: _is_healthy(port))
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 0
    process.stdout.close()
    assert (tmp_path / "data" / "automation.db").exists()


def _is_healthy(port: int) -> bool:
    try:
        return ask(port, "GET", "/health")[0] == 200
    except OSError:
        return False


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "ingest: the token of the operator: env:OPERATOR: the variable is not set"),
        ({"OPERATOR": "short"}, "ingest: the token of the operator has fewer than 16 characters"),
    ],
)
def test_a_token_that_lets_nobody_in_is_told_at_once(
    variables: dict[str, str], message: str
) -> None:
    settings = Ingest.model_validate({"operator_token": "env:OPERATOR"})
    with pytest.raises(ConfigurationError) as caught:
        access_of(settings, variables, address="127.0.0.1")
    assert str(caught.value).startswith(message)


def test_a_port_that_is_none_is_told() -> None:
    assert up.main({"PORT": "http", "AUTORECOVERY_CONFIG": str(PROJECT / "config.yaml")}) == 3


# From what a host sends to what is done about it


class Around:
    """This machine with its hub."""

    def __init__(self, folder: Path, rules: str) -> None:
        script = Script("touch", "Leave a trace.", 5 * SECOND, (), f"echo ran >> '{folder}/ran'")
        configuration: Configuration = loads(rules, "test", {}).configuration
        self.folder = folder
        self.notices: list[Notice] = []
        self.history = open_history({"AUTORECOVERY_HOME": str(folder)})
        self.machine: Machine = assemble(
            configuration, {"touch": script}, folder, self.notices.append, os.environ,
            history=self.history,
        )  # fmt: skip
        self.deliver = Delivery(self.machine.triage)
        access = access_of(configuration.ingest, {}, address="127.0.0.1")
        self.hub = hub_of(configuration, self.machine, self.history, access, self.deliver)
        self._sent = 0

    def send(self, host: str, cpu: float, interval: int = 1) -> None:
        """Have a host send one batch."""
        from autorecovery.web.hub import take_batch

        self._sent += 1
        now = datetime.now(UTC)
        sample = {"at": now.isoformat(), "metrics": {"cpu_usage_active": cpu}}
        content = batch_content(
            now, host=host, key=str(self._sent), samples=[sample], interval_seconds=interval
        )
        take_batch(json.dumps(content).encode(), "", self.hub)

    @property
    def incident(self) -> Incident:
        return self.machine.incidents.recent(1)[0]

    def has_run(self) -> bool:
        return (self.folder / "ran").exists()

    def close(self) -> None:
        self.machine.close()
        self.history.engine.dispose()


@pytest.fixture
def around(tmp_path: Path) -> Iterator[Around]:
    quiet_the_runner()
    around = Around(tmp_path, RULES)
    yield around
    around.close()


def test_what_this_machine_sends_is_healed_and_proved_on_what_it_sends_next(
    around: Around,
) -> None:
    around.send(host_name(), 99)
    wait_until(around.has_run)
    end = time.monotonic() + 20
    while not around.incident.is_closed:
        assert time.monotonic() < end
        around.send(host_name(), 5)
        time.sleep(0.3)
    attempt = around.machine.memory.attempts.last_on(around.incident.target)
    assert attempt is not None and attempt.verdict is Verdict.VERIFIED
    kinds = [notice.kind for notice in around.notices]
    assert kinds == [NoticeKind.OPENED, NoticeKind.RECOVERED]


def test_of_a_host_that_only_sends_people_are_told_and_why_nothing_is_run(around: Around) -> None:
    around.send("db-7", 99)
    wait_until(lambda: around.incident.state is IncidentState.HANDED_OVER)
    assert around.incident.held_for is Reason.NO_WAY_TO_RUN
    assert str(Reason.NO_WAY_TO_RUN) in " ".join(around.notices[0].lines)
    assert not around.has_run()
    story = around.machine.incidents.timeline(around.incident.id)
    decided = next(entry for entry in story if entry.kind is EntryKind.DECIDED)
    assert str(Reason.NO_WAY_TO_RUN) in decided.text


def test_a_host_that_falls_silent_is_an_incident_of_its_own_until_it_sends_again(
    around: Around,
) -> None:
    around.send("db-7", 10, interval=120)
    now, began = datetime.now(UTC), datetime.now(UTC) - 60 * MINUTE
    assert tell_silences(around.history, around.deliver, now + 5 * MINUTE, began) == 0
    assert tell_silences(around.history, around.deliver, now + 7 * MINUTE, began) == 1
    assert tell_silences(around.history, around.deliver, now + 8 * MINUTE, began) == 0
    wait_until(lambda: around.notices)
    assert around.incident.rule_name == "unruled:Host Silence"
    assert around.incident.level is Level.CRITICAL
    assert "nothing was heard of db-7 for 7m" in " ".join(around.incident.evidence)
    around.send("db-7", 10)
    assert tell_silences(around.history, around.deliver, now + SECOND, began) == 1
    host = around.history.host("db-7")
    assert host is not None and not host.is_silent


def test_nobody_is_silent_because_the_hub_was_away(around: Around) -> None:
    around.send("db-7", 10)
    later = datetime.now(UTC) + 60 * MINUTE
    assert tell_silences(around.history, around.deliver, later, later - MINUTE) == 0
    assert tell_silences(around.history, around.deliver, later + 4 * MINUTE, later) == 1


def test_a_rule_says_how_bad_a_silence_is(tmp_path: Path) -> None:
    quiet_the_runner()
    around = Around(tmp_path, "rules: { gone: { when: { state: silent, level: warning } } }")
    try:
        around.send("db-7", 10)
        now = datetime.now(UTC)
        tell_silences(around.history, around.deliver, now + 4 * MINUTE, now - 60 * MINUTE)
        assert (around.incident.rule_name, around.incident.level) == ("gone", Level.WARNING)
    finally:
        around.close()
