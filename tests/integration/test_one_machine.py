"""The one-machine mode: real responses in real time, over a real file, with a program that dies."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from autorecovery.config import Configuration, Notify, loads
from autorecovery.config.notify import Grouping
from autorecovery.models.group import GroupKind, Word
from autorecovery.models.incident import EntryKind
from autorecovery.models.notice import Notice, NoticeKind
from autorecovery.models.reason import IncidentState, Level, Reason
from autorecovery.scripts import Script
from autorecovery.triage.run import triage
from command_line import answers
from local_runtime.local_responses import quiet_the_runner
from local_runtime.log_store import subscription_payload
from local_runtime.machine import Machine, assemble

GROUP, STREAM = "/shop/metrics", "app"
LONG_ENOUGH, SECOND = timedelta(seconds=20), timedelta(seconds=1)

CONFIGURATION = """
sources: { logs: [{ group: /shop/metrics, fields: { target: $.host } }] }
rules:
  cpu:
    when: { metric: cpu, critical: 90, period: 1s }
    autonomy: auto
    recover: [{ run: touch, verify: { within: 3s, healthy_for: 1s } }]
"""


@pytest.fixture(autouse=True)
def _quiet() -> None:
    quiet_the_runner()


def configuration() -> Configuration:
    return loads(CONFIGURATION, "test", {}).configuration


def scripts(folder: Path, body: str = "") -> dict[str, Script]:
    text = f"echo ran >> '{folder}/ran'; {body}"
    return {"touch": Script("touch", "Leave a trace.", timedelta(seconds=5), (), text)}


def write(machine: Machine, value: float, host: str = "") -> None:
    line = json.dumps({"host": host or machine.name, "metric": "cpu", "value": value})
    lines = machine.log_store.keep(GROUP, STREAM, [line])
    triage(subscription_payload(GROUP, STREAM, lines), machine.triage)


def runs(folder: Path) -> int:
    path = folder / "ran"
    return len(path.read_text().splitlines()) if path.exists() else 0


def wait_for(folder: Path, name: str) -> None:
    end = time.monotonic() + 15
    while not (folder / name).exists():
        assert time.monotonic() < end, f"{name} never appeared"
        time.sleep(0.05)


def test_a_breach_is_announced_healed_and_verified_on_fresh_lines(tmp_path: Path) -> None:
    notices: list[Notice] = []
    machine = assemble(configuration(), scripts(tmp_path), tmp_path, notices.append, os.environ)
    try:
        write(machine, 99)
        incident = machine.incidents.recent(1)[0]
        wait_for(tmp_path, "ran")
        end = time.monotonic() + 15
        while not machine.incidents.recent(1)[0].is_closed:
            assert time.monotonic() < end, [e.text for e in machine.incidents.timeline(incident.id)]
            time.sleep(0.2)
            write(machine, 5)
    finally:
        machine.close()
    assert runs(tmp_path) == 1
    assert [notice.kind for notice in notices] == [NoticeKind.OPENED, NoticeKind.RECOVERED]


def test_what_needs_aws_is_handed_over_in_words(tmp_path: Path) -> None:
    text = CONFIGURATION.replace("run: touch", "run: reboot_instance")
    notices: list[Notice] = []
    machine = assemble(
        loads(text, "test", {}, scripts(tmp_path)).configuration,
        scripts(tmp_path), tmp_path, notices.append, os.environ,
    )  # fmt: skip
    try:
        write(machine, 99)
        end = time.monotonic() + 10
        while machine.incidents.recent(1)[0].state is not IncidentState.HANDED_OVER:
            assert time.monotonic() < end
            time.sleep(0.05)
    finally:
        machine.close()
    told = "\n".join((notices[-1].headline, *notices[-1].lines))
    assert str(Reason.COULD_NOT_START) in told
    assert "reboot_instance is done through AWS only, and this is one machine" in told


def test_a_line_that_names_another_host_runs_nothing_here(tmp_path: Path) -> None:
    notices: list[Notice] = []
    machine = assemble(configuration(), scripts(tmp_path), tmp_path, notices.append, os.environ)
    try:
        write(machine, 99, host="somebody-else")
        incident = machine.incidents.recent(1)[0]
        assert incident.held_for is Reason.NOT_OPTED_IN
        end = time.monotonic() + 10
        while machine.incidents.recent(1)[0].state is not IncidentState.HANDED_OVER:
            assert time.monotonic() < end
            time.sleep(0.05)
    finally:
        machine.close()
    assert runs(tmp_path) == 0
    assert "has not opted in" in " ".join(notices[0].lines)


def test_a_recovery_asked_for_on_the_command_line_is_run_by_the_program_beside_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "config.yaml").write_text(
        "rules: { load: { when: { metric: load, warning: 50, critical: 90 },"
        " autonomy: observe, recover: [ { run: noop } ] } }"
    )
    shipped = {"noop": replace(scripts(tmp_path)["touch"], name="noop")}
    machine = assemble(configuration(), shipped, tmp_path, lambda notice: None, os.environ)
    try:
        answers.recover(
            machine.name, "load", None, {"AUTORECOVERY_HOME": str(tmp_path)},
            tmp_path / "config.yaml", as_json=False,
        )  # fmt: skip
        wait_for(tmp_path, "ran")
        assert machine.incidents.recent(1)[0].rule_name == "load"
    finally:
        machine.close()
    assert runs(tmp_path) == 1


DYING = """
import json, os, sys, time
sys.path[:0] = [{root!r}, {code!r}]
from pathlib import Path
from tests.integration import test_one_machine as here
folder = Path({folder!r})
here.quiet_the_runner()
machine = here.assemble(
    here.configuration(), here.scripts(folder, {body!r}), folder, lambda notice: None, os.environ
)
here.write(machine, 99)
time.sleep(60)
"""


@pytest.mark.slow
def test_a_program_killed_after_the_script_began_never_runs_it_again(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    code = DYING.format(
        root=str(root), code=str(root / "lambda_functions"), folder=str(tmp_path), body="sleep 1"
    )
    dying = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    wait_for(tmp_path, "ran")
    dying.kill()
    dying.wait()

    notices: list[Notice] = []
    machine = assemble(configuration(), scripts(tmp_path), tmp_path, notices.append, os.environ)
    try:
        assert machine.take_up_open_incidents() == 1
        incident = machine.incidents.recent(1)[0]
        end = time.monotonic() + 60
        while machine.incidents.recent(1)[0].state is not IncidentState.HANDED_OVER:
            assert time.monotonic() < end, [e.text for e in machine.incidents.timeline(incident.id)]
            write(machine, 99)  # still sick
            time.sleep(0.5)
    finally:
        timeline = machine.incidents.timeline(incident.id)
        machine.close()
    assert runs(tmp_path) == 1
    assert [notice.kind for notice in notices] == [
        NoticeKind.HANDED_OVER
    ]  # the first one was told before
    assert [entry.kind for entry in timeline].count(EntryKind.OPENED) == 1
    assert "nobody knows whether it ran" in " ".join(notices[0].lines)


def test_a_group_that_was_not_told_when_the_program_ended_is_told_by_the_next(
    tmp_path: Path,
) -> None:
    content = configuration().model_copy(update={"notify": Notify(group=Grouping(wait=SECOND))})
    notices: list[Notice] = []
    first = assemble(content, scripts(tmp_path), tmp_path, notices.append, os.environ)
    group, _ = first.incidents.join_group(
        GroupKind.ALIKE, "cpu", "inc-1", first.response.clock(), timedelta(minutes=9)
    )
    words = [
        Word(f"inc-{n}", f"web-{n}", "cpu", Level.CRITICAL, NoticeKind.OPENED, "99", group.began)
        for n in range(3)
    ]
    for word in words:
        first.response.telling.join(group, word)
    first.close()
    assert notices == []
    second = assemble(content, scripts(tmp_path), tmp_path, notices.append, os.environ)
    try:
        second.take_up_open_incidents()
        end = time.monotonic() + 15
        while not notices:
            assert time.monotonic() < end, "nobody was told"
            time.sleep(0.1)
    finally:
        second.close()
    assert "3 machines have the same trouble: cpu" in notices[0].headline
