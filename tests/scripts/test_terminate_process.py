import os
import pwd
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from tests.scripts.machine import BASH, FAR_FUTURE, SCRIPTS, Machine

ME = pwd.getpwuid(os.getuid()).pw_name
SOMEBODY_ELSE = next(user.pw_name for user in pwd.getpwall() if user.pw_uid != os.getuid())

Process = subprocess.Popen[str]
Start = Callable[..., Process]


@pytest.fixture
def name() -> str:
    return f"victim-{uuid4().hex[:7]}"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a process of a name; it waits for its input, which never comes."""
    with ExitStack() as processes:

        def start_process(name: str, preparation: str = "") -> Process:
            program = tmp_path / name  # the kernel names a process after its file
            program.write_text(f"#!{BASH}\n{preparation}\necho ready\nread -r _\n")
            program.chmod(0o755)
            process = processes.enter_context(
                subprocess.Popen(
                    [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            )
            processes.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            return process

        yield start_process


def test_all_processes_of_the_name_end(machine: Machine, start: Start, name: str) -> None:
    victims = [start(name), start(name)]
    run = machine.run("terminate_process", process=name, user=ME)
    assert (run.code, run.outcome, run.result["killed"]) == (0, "recovered", 0)
    assert set(run.result["pids"].split()) == {str(victim.pid) for victim in victims}
    assert [victim.wait() for victim in victims] == [-15, -15]


def test_one_that_ignores_the_request_is_killed(machine: Machine, start: Start, name: str) -> None:
    victim = start(name, "trap '' TERM")
    run = machine.run("terminate_process", process=name, user=ME, grace="1")
    assert (run.code, run.outcome, run.result["killed"]) == (0, "recovered", 1)
    assert victim.wait() == -9


def test_no_such_process_is_no_failure(machine: Machine, name: str) -> None:
    run = machine.run("terminate_process", process=name, user=ME)
    assert (run.code, run.outcome) == (0, "unchanged")
    assert run.message == f"no process '{name}' of {ME} was running"


def test_the_processes_of_others_are_left_alone(machine: Machine, start: Start, name: str) -> None:
    process = start(name)
    run = machine.run("terminate_process", process=name, user=SOMEBODY_ELSE)
    assert (run.code, run.outcome) == (0, "unchanged")
    assert process.poll() is None


def test_a_name_that_only_begins_alike_is_left_alone(
    machine: Machine, start: Start, name: str
) -> None:
    process = start(name)
    run = machine.run("terminate_process", process=name[:-1], user=ME)
    assert run.outcome == "unchanged"
    assert process.poll() is None


@pytest.mark.parametrize("process", ["sshd", "systemd", "systemd-logind", "amazon-ssm-agen"])
def test_what_keeps_the_machine_reachable_is_never_ended(machine: Machine, process: str) -> None:
    run = machine.run("terminate_process", process=process, user="root")
    assert (run.code, run.outcome) == (64, "refused")


def test_an_unknown_user_is_refused(machine: Machine, name: str) -> None:
    run = machine.run("terminate_process", process=name, user="nobody-of-that-name")
    assert (run.code, run.outcome) == (64, "refused")


def test_whoever_started_the_script_is_spared(machine: Machine, tmp_path: Path, name: str) -> None:
    script = SCRIPTS["terminate_process"]
    ancestor = tmp_path / name
    ancestor.write_text(f'#!{BASH}\n{BASH} "$1"\necho survived\n')
    ancestor.chmod(0o755)
    done = subprocess.run(
        [ancestor, machine.store(script)],
        env={"PATH": machine.path}
        | script.environment({"process": name, "user": ME}, not_after=FAR_FUTURE, attempt="a"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"outcome":"unchanged"' in done.stdout
    assert done.stdout.endswith("survived\n")
