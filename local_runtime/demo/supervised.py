"""The demo's service under a real supervisord, in a folder of its own."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil

START_SECONDS = 10.0


class SupervisedService:
    """A web service that supervisord starts, and that can be measured and made to misbehave."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "supervisord.conf"
        self.port = _free_port()
        service = Path(__file__).with_name("service.py")
        self.config.write_text(
            _SUPERVISORD.format(
                folder=folder, python=sys.executable, service=service, port=self.port
            )
        )
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._process: psutil.Process | None = None

    def start(self) -> None:
        """Start supervisord, and return once the service answers."""
        self._supervisor = subprocess.Popen(
            [str(Path(sys.executable).with_name("supervisord")), "-n", "-c", str(self.config)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        end = time.monotonic() + START_SECONDS
        while self.response_ms() is None:
            if time.monotonic() > end:
                raise RuntimeError(f"the demo's service did not start; see {self.config.parent}")
            time.sleep(0.1)

    @property
    def pid(self) -> int | None:
        """Return the service's present process id, as supervisord's child."""
        if self._supervisor is None:
            return None
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(self._supervisor.pid).children()
            return children[0].pid if children else None
        return None

    def cpu_percent(self) -> float | None:
        """Return what share of one core it used since the last call; None while it is down."""
        pid = self.pid
        try:
            if pid is None:
                return None
            if self._process is None or self._process.pid != pid:
                self._process = psutil.Process(pid)
                self._process.cpu_percent()  # the first answer is a beginning, not a measurement
                return None
            return self._process.cpu_percent()
        except psutil.NoSuchProcess:
            return None

    def response_ms(self) -> float | None:
        """Return how long the service takes to answer; None where it does not."""
        started = time.perf_counter()
        return (time.perf_counter() - started) * 1000 if self._get("/") else None

    def run_away(self) -> None:
        """Trigger the bug."""
        if not self._get("/runaway"):
            raise RuntimeError("the demo's service does not answer")

    def stop(self) -> None:
        """End supervisord and everything under it, gently and then not."""
        if self._supervisor is None:
            return
        family = _family(self._supervisor.pid)
        self._supervisor.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._supervisor.wait(timeout=5)
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._supervisor.pid, signal.SIGKILL)
        self._supervisor.wait(timeout=5)

    def _get(self, path: str) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def _family(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


_SUPERVISORD = """\
[supervisord]
logfile={folder}/supervisord.log
pidfile={folder}/supervisord.pid
childlogdir={folder}
[unix_http_server]
file={folder}/sock
[supervisorctl]
serverurl=unix://{folder}/sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[program:web]
command={python} {service} {port}
startsecs=0
stopwaitsecs=2
"""
