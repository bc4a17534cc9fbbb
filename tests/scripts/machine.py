"""A machine for the scripts to run on: only the tools they may rely on, and nothing else."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from autorecovery.scripts import Script, shipped_scripts

SCRIPTS = shipped_scripts(Path(__file__).parents[2] / "recovery_scripts")

# What a recovery script may expect of a machine besides bash and the managers it asks for.
TOOLS = ("awk", "df", "du", "find", "getconf", "id", "sleep", "timeout", "tr")

FAR_FUTURE = datetime(2100, 1, 1, tzinfo=UTC)
BASH = shutil.which("bash") or "/bin/bash"


@dataclass(frozen=True)
class Run:
    """What one run of a script left behind."""

    code: int
    result: dict[str, Any]
    stderr: str

    @property
    def outcome(self) -> object:
        return self.result["outcome"]

    @property
    def message(self) -> str:
        return str(self.result["message"])


class Machine:
    """Runs rendered scripts with a PATH of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._bin = home / "bin"
        self._bin.mkdir()
        for tool in TOOLS:
            self.link(tool, shutil.which(tool) or f"/usr/bin/{tool}")

    def link(self, name: str, target: Path | str) -> None:
        """Install a tool that exists elsewhere."""
        (self._bin / name).symlink_to(target)

    def install(self, name: str, text: str) -> Path:
        """Install a bash script as a tool, in place of one that is there."""
        path = self._bin / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!{BASH}\nPATH=/usr/bin:/bin\n{text}")
        path.chmod(0o755)
        return path

    def set_trap(self) -> Path:
        """Install a `touch` that leaves a mark wherever it is called; gives the mark."""
        mark = self.home / "touched"
        self.install("touch", f": >{mark}\n")
        return mark

    def remove(self, name: str) -> None:
        (self._bin / name).unlink()

    def run(self, name: str, **values: str) -> Run:
        """Run a script as the local runner does, with values that were bound first."""
        script = SCRIPTS[name]
        variables = script.environment(values, not_after=FAR_FUTURE, attempt="attempt-1")
        run = self.run_unbound(script, variables)
        assert run.result["attempt"] == "attempt-1"
        return run

    def run_unbound(self, script: Script, variables: Mapping[str, str]) -> Run:
        """Run a script with whatever variables, and hold it to its one line of JSON."""
        done = subprocess.run(
            [BASH, self.store(script)],
            env={"PATH": str(self._bin), **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            check=False,
        )
        lines = done.stdout.decode("ascii").splitlines()
        assert len(lines) == 1, done
        result = json.loads(lines[0])
        assert result["script"] == script.name
        return Run(done.returncode, result, done.stderr.decode("utf-8", "replace"))

    def store(self, script: Script) -> Path:
        path = self.home / f"{script.name}.sh"
        path.write_text(script.text)
        return path

    @property
    def path(self) -> str:
        return str(self._bin)


def tool_of_this_environment(name: str) -> Path:
    """Return a program that was installed next to the Python that runs the tests."""
    return Path(sys.executable).parent / name


def eventually(holds: Callable[[], bool], within_seconds: float = 10.0) -> None:
    """Wait for something a real process does."""
    deadline = time.monotonic() + within_seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
