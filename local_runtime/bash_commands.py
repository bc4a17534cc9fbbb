"""Recovery scripts under bash on this machine; what was started is written down before it is."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import psutil

from autorecovery.adapters.sqlite.database import Database
from autorecovery.errors import CommandNotStartedError, CommandUncertainError
from autorecovery.models.actions import is_action
from autorecovery.models.incident import Attempt, CommandState, CommandStatus
from autorecovery.models.signal import Target
from autorecovery.models.wire import decode, encode
from autorecovery.ports import Clock
from autorecovery.scripts import TOO_LATE, Script, ScriptError

SCHEMA = """
CREATE TABLE IF NOT EXISTS commands (
    id TEXT PRIMARY KEY, started_at TEXT NOT NULL, pid INTEGER, born REAL, status TEXT);
"""

KEPT_OUTPUT = 24_000
"""Characters of a script's output; SSM keeps as many."""


class BashCommandRunner:
    """CommandRunner over bash. A command's id is its attempt's token: there can be only one."""

    def __init__(
        self,
        database: Database,
        scripts: Mapping[str, Script],
        variables: Mapping[str, str],
        clock: Clock,
        ended: Callable[[str], None],
    ) -> None:
        """`variables` is the environment of scripts; `ended` hears whose command has ended."""
        self._database = database
        self._scripts = scripts
        self._variables = dict(variables)
        self._clock = clock
        self._ended = ended
        self._watched: dict[str, subprocess.Popen[str]] = {}
        self._watchers: list[threading.Thread] = []
        self._lock = threading.Lock()
        with database.transaction() as rows:
            rows.execute(SCHEMA)

    def time_limit(self, script: str) -> timedelta:
        """See CommandRunner.time_limit."""
        return self._scripts[script].timeout

    def prepare(self, attempt: Attempt) -> Attempt:
        """See CommandRunner.prepare. A script's parameters say it all."""
        if is_action(attempt.script):
            raise CommandNotStartedError(
                f"{attempt.script} is done through AWS only, and this is one machine",
                retryable=False,
            )
        return attempt

    def start(self, attempt: Attempt) -> str:
        """See CommandRunner.start."""
        script, environment = self._prepare(attempt)
        self._write_down(attempt)
        try:
            process = subprocess.Popen(
                ["bash", "-c", script.text, script.name],
                env={**self._variables, **environment},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,  # so that its whole family can be ended with it
            )
        except OSError as error:
            self._forget(attempt)
            raise CommandNotStartedError(f"bash: {error}", retryable=False) from error
        self._watched[attempt.token] = process
        self._remember(attempt, process.pid)
        watcher = threading.Thread(
            target=self._watch, args=(attempt, process, script.timeout), daemon=True
        )
        with self._lock:  # whoever stops all joins no thread that was not started
            watcher.start()
            self._watchers = [each for each in self._watchers if each.is_alive()] + [watcher]
        return attempt.token

    def find(self, attempt: Attempt) -> str | None:
        """See CommandRunner.find."""
        return attempt.token if self._row(attempt.token) else None

    def status(self, command_id: str, target: Target) -> CommandStatus:
        """See CommandRunner.status."""
        row = self._row(command_id)
        if row is None:
            return CommandStatus(CommandState.UNKNOWN, "nothing is known of it")
        if row["status"]:
            return decode(row["status"], CommandStatus)
        if command_id in self._watched:
            return CommandStatus(CommandState.RUNNING)
        return self._status_of_orphan(row)

    def stop(self) -> None:
        """End every script that still runs: nothing outlives the program that watches it."""
        for process in list(self._watched.values()):
            _end_family(process)
        with self._lock:
            watchers = list(self._watchers)
        for watcher in watchers:
            watcher.join()

    def _prepare(self, attempt: Attempt) -> tuple[Script, dict[str, str]]:
        script = self._scripts.get(attempt.script)
        if script is None:
            raise CommandNotStartedError(f"no script {attempt.script}", retryable=False)
        try:
            return script, script.environment(
                attempt.parameters, not_after=attempt.not_after, attempt=attempt.token
            )
        except ScriptError as error:
            raise CommandNotStartedError(str(error), retryable=False) from error

    def _write_down(self, attempt: Attempt) -> None:
        with self._database.transaction() as rows:
            written = rows.execute(
                "INSERT OR IGNORE INTO commands (id, started_at) VALUES (?, ?)",
                (attempt.token, self._clock().isoformat()),
            )
        if not written.rowcount:
            raise CommandUncertainError(f"{attempt.token} was started before")

    def _remember(self, attempt: Attempt, pid: int) -> None:
        """Write down which process it is: a later program can tell whether it still runs."""
        born = None
        with contextlib.suppress(psutil.NoSuchProcess):
            born = psutil.Process(pid).create_time()
        with self._database.transaction() as rows:
            rows.execute(
                "UPDATE commands SET pid = ?, born = ? WHERE id = ?", (pid, born, attempt.token)
            )

    def _status_of_orphan(self, row: Mapping[str, Any]) -> CommandStatus:
        """Return what can be said of a script whose watcher is gone: never how it ended."""
        told = "the program that watched it was interrupted"
        if row["pid"] is None:
            return CommandStatus(CommandState.UNKNOWN, told)
        try:
            process = psutil.Process(row["pid"])
            if row["born"] is not None and process.create_time() == row["born"]:
                return CommandStatus(CommandState.RUNNING, told)
        except psutil.NoSuchProcess:
            pass  # it has ended, which is all that was to be found out
        return CommandStatus(CommandState.UNKNOWN, told, ended_at=self._clock())

    def _forget(self, attempt: Attempt) -> None:
        with self._database.transaction() as rows:
            rows.execute("DELETE FROM commands WHERE id = ?", (attempt.token,))

    def _watch(
        self, attempt: Attempt, process: "subprocess.Popen[str]", time_limit: timedelta
    ) -> None:
        try:
            output, errors = process.communicate(timeout=time_limit.total_seconds())
            status = _status(process.returncode, output, errors, self._clock())
        except subprocess.TimeoutExpired:
            _end_family(process)
            output, errors = process.communicate()
            status = CommandStatus(
                CommandState.FAILED, "it took too long and was ended", _tail(output, errors),
                process.returncode, self._clock(),
            )  # fmt: skip
        with self._database.transaction() as rows:
            rows.execute(
                "UPDATE commands SET status = ? WHERE id = ?",
                (encode(status, CommandStatus), attempt.token),
            )
        del self._watched[attempt.token]
        self._ended(attempt.incident_id)

    def _row(self, command_id: str) -> Mapping[str, Any] | None:
        with self._database.transaction() as rows:
            row = rows.execute("SELECT * FROM commands WHERE id = ?", (command_id,)).fetchone()
        return dict(row) if row else None


def _status(exit_code: int, output: str, errors: str, ended_at: datetime) -> CommandStatus:
    if exit_code == 0:
        return CommandStatus(CommandState.SUCCEEDED, "", output[-KEPT_OUTPUT:], 0, ended_at)
    state = CommandState.NOT_RUN if exit_code == TOO_LATE else CommandState.FAILED
    return CommandStatus(
        state, f"exit code {exit_code}", _tail(output, errors), exit_code, ended_at
    )


def _tail(output: str, errors: str) -> str:
    return f"{output}\n{errors}".strip()[-KEPT_OUTPUT:]


def _end_family(process: "subprocess.Popen[str]") -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it ended by itself meanwhile
