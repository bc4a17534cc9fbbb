"""Scripts on this machine: real bash, real processes, a real database."""

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from autorecovery.adapters.sqlite.database import Database
from autorecovery.errors import CommandNotStartedError, CommandUncertainError
from autorecovery.models.actions import InstanceAction
from autorecovery.models.incident import Attempt, CommandState, CommandStatus
from autorecovery.models.signal import Target
from autorecovery.scripts import Parameter, Script
from local_runtime.bash_commands import BashCommandRunner

HOST = Target.named("web-1")
WORD = Parameter("word", "^[a-z$();]{1,20}$", "A word.")


def now() -> datetime:
    return datetime.now(UTC)


def script(name: str, text: str, seconds: float = 5, *parameters: Parameter) -> Script:
    return Script(name, name, timedelta(seconds=seconds), parameters, text)


SCRIPTS = {
    each.name: each
    for each in (
        script("say", 'echo "{\\"word\\":\\"$SSM_word\\"}"', 5, WORD),
        script("fail", "echo broken >&2; exit 3"),
        script("late", "exit 75"),
        script("sleepy", "sleep 60 & echo $! >&2; wait", 0.3),
        script("slow", "sleep 60"),
    )
}


class Ends:
    """Hears which incidents' commands ended."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._event = threading.Event()

    def __call__(self, incident_id: str) -> None:
        self.heard.append(incident_id)
        self._event.set()

    def wait(self) -> None:
        assert self._event.wait(10), "no command ended"


@pytest.fixture
def ends() -> Ends:
    return Ends()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "state.sqlite3")
    yield database
    database.close()


@pytest.fixture
def runner(database: Database, ends: Ends) -> Iterator[BashCommandRunner]:
    runner = BashCommandRunner(database, SCRIPTS, dict(os.environ), now, ends)
    yield runner
    runner.stop()


def attempt(name: str, token: str = "inc-1-r1", **parameters: str) -> Attempt:
    moment = now()
    return Attempt(
        token=token, incident_id="inc-1", rule_name="rule", target=HOST, script=name,
        parameters=parameters, intended_at=moment, not_after=moment + timedelta(minutes=2),
        time_limit=timedelta(seconds=5),
    )  # fmt: skip


def test_a_script_runs_with_its_values_as_variables_and_its_end_is_heard(
    runner: BashCommandRunner, ends: Ends
) -> None:
    command = runner.start(attempt("say", word="$(id)"))
    ends.wait()
    status = runner.status(command, HOST)
    assert (status.state, status.exit_code) == (CommandState.SUCCEEDED, 0)
    assert status.output == '{"word":"$(id)"}\n'
    assert ends.heard == ["inc-1"]


@pytest.mark.parametrize(
    ("name", "state", "exit_code"),
    [("fail", CommandState.FAILED, 3), ("late", CommandState.NOT_RUN, 75)],
)
def test_an_exit_code_says_whether_it_failed_or_never_began(
    runner: BashCommandRunner, ends: Ends, name: str, state: CommandState, exit_code: int
) -> None:
    command = runner.start(attempt(name))
    ends.wait()
    status = runner.status(command, HOST)
    assert (status.state, status.exit_code) == (state, exit_code)


def test_a_script_that_takes_too_long_is_ended_with_its_whole_family(
    runner: BashCommandRunner, ends: Ends
) -> None:
    command = runner.start(attempt("sleepy"))
    ends.wait()
    status = runner.status(command, HOST)
    assert (status.state, status.detail) == (CommandState.FAILED, "it took too long and was ended")
    child = int(status.output.split()[-1])
    assert not _is_alive(child)


def test_the_same_attempt_is_never_started_twice(runner: BashCommandRunner, ends: Ends) -> None:
    runner.start(attempt("say", word="a"))
    with pytest.raises(CommandUncertainError, match="started before"):
        runner.start(attempt("say", word="a"))
    ends.wait()
    assert ends.heard == ["inc-1"]


@pytest.mark.parametrize(
    ("refused", "says"),
    [
        (attempt("nonsense"), "no script nonsense"),
        (attempt("say", word="A"), "does not match"),
        (attempt("say", wrod="a"), "did you mean 'word'"),
    ],
)
def test_what_cannot_be_run_is_refused_and_leaves_no_trace(
    runner: BashCommandRunner, refused: Attempt, says: str
) -> None:
    with pytest.raises(CommandNotStartedError, match=says):
        runner.start(refused)
    assert runner.find(refused) is None


def test_a_command_of_an_earlier_program_is_found_and_unknown_but_its_end_stays_known(
    database: Database, runner: BashCommandRunner, ends: Ends
) -> None:
    done = runner.start(attempt("say", "inc-1-r1", word="a"))
    ends.wait()
    running = runner.start(attempt("slow", "inc-1-r2"))
    assert runner.status(running, HOST) == CommandStatus(CommandState.RUNNING)

    later = BashCommandRunner(database, SCRIPTS, dict(os.environ), now, ends)
    assert later.find(attempt("slow", "inc-1-r2")) == running
    assert later.status(running, HOST).state is CommandState.RUNNING
    runner.stop()
    database_without_its_end(database, running)
    orphan = later.status(running, HOST)
    assert (orphan.state, orphan.ended_at is not None) == (CommandState.UNKNOWN, True)
    assert later.status(done, HOST).state is CommandState.SUCCEEDED
    assert later.status("inc-9-r9", HOST).state is CommandState.UNKNOWN


def database_without_its_end(database: Database, command: str) -> None:
    with database.transaction() as rows:
        rows.execute("UPDATE commands SET status = NULL WHERE id = ?", (command,))


def _is_alive(pid: int) -> bool:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return False
        if state in "ZX":
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("action", list(InstanceAction))
def test_what_is_done_through_aws_is_refused_in_words(
    action: str, runner: BashCommandRunner
) -> None:
    with pytest.raises(CommandNotStartedError, match=f"{action} is done through AWS only"):
        runner.prepare(attempt(action))
    with pytest.raises(LookupError):
        runner.time_limit(action)


def test_stopping_while_others_start_joins_none_that_was_not_started(
    runner: BashCommandRunner,
) -> None:
    def start(number: int) -> None:
        runner.start(attempt("slow", f"inc-{number}-r1"))

    with ThreadPoolExecutor(4) as pool:
        started = [pool.submit(start, number) for number in range(8)]
        while not all(each.done() for each in started):
            runner.stop()
    assert [each.exception() for each in started] == [None] * 8
