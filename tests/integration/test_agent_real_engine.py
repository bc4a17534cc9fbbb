"""A real Docker, where one runs or can be started: the same promises without recorded answers.

Its image is made here from a static busybox; nothing is pulled.
"""

import contextlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from host_agent.changes import Changes
from host_agent.containers import Container, Containers, Round
from host_agent.engine import Engine
from host_agent.levels import Condition, Level

pytestmark = pytest.mark.slow

IMAGE = "autorecovery-agent-test:1"
TOOLS = ("sh", "sleep", "tail", "false")


class Docker:
    """The command line of one engine; every container it made is removed at the end."""

    def __init__(self, socket: str) -> None:
        self.socket = socket
        self._made: list[str] = []

    def __call__(self, *words: str, given: bytes | None = None, check: bool = True) -> str:
        done = subprocess.run(
            ["docker", "-H", f"unix://{self.socket}", *words],
            input=given,
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert not check or not done.returncode, done.stderr.decode()
        return done.stdout.decode().strip()

    def run(self, *command: str, options: tuple[str, ...] = ()) -> str:
        """Start a container, and return its name."""
        name = f"agent-test-{uuid.uuid4().hex[:12]}"
        self._made.append(name)
        self("run", "-d", "--name", name, "--network", "none", *options, IMAGE, *command)
        return name

    def clear(self) -> None:
        """Remove what was made."""
        for name in self._made:
            self("rm", "-f", name, check=False)


@pytest.fixture(scope="module")
def docker() -> Iterator[Docker]:
    busybox = shutil.which("busybox")
    if not busybox or not shutil.which("docker"):
        pytest.skip("no docker and no static busybox here: only recorded answers were tested")
    with engine_socket() as socket:
        found = Docker(socket)
        found("import", "-", IMAGE, given=image_of(busybox))
        try:
            found.run("/bin/sleep", "0")
        except AssertionError as error:
            pytest.skip(f"no container can be started here: {error}")
        yield found
        found.clear()
        found("rmi", "-f", IMAGE, check=False)


@contextlib.contextmanager
def engine_socket() -> Iterator[str]:
    """The socket of the engine that runs, else of one started for these tests."""
    running = "/var/run/docker.sock"
    if Path(running).exists() and os.access(running, os.W_OK):
        yield running
        return
    daemon = shutil.which("dockerd")
    if not daemon or os.geteuid() != 0:
        pytest.skip(
            "no Docker runs here and none can be started: only recorded answers were tested"
        )
    with tempfile.TemporaryDirectory(prefix="engine") as folder:
        words = [daemon, "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"]
        words += ["-H", f"unix://{folder}/s", "--pidfile", f"{folder}/pid", "--bridge=none"]
        words += ["--iptables=false", "--ip6tables=false", "--storage-driver=vfs", "--group=root"]
        with Path(folder, "log").open("wb") as log:
            process = subprocess.Popen(words, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 30
            while not Path(folder, "s").exists() or Docker(f"{folder}/s")("ps", check=False) == "":
                if process.poll() is not None or time.monotonic() > deadline:
                    told = Path(folder, "log").read_text()[-300:]
                    pytest.skip(f"dockerd does not start here: {told}")
                time.sleep(0.2)
            yield f"{folder}/s"
        finally:
            process.terminate()
            process.wait(30)


def image_of(busybox: str) -> bytes:
    """Return a file system with nothing but busybox in it."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.add(busybox, "bin/busybox", filter=lambda member: member)
        for tool in TOOLS:
            link = tarfile.TarInfo(f"bin/{tool}")
            link.type, link.linkname, link.mode = tarfile.SYMTYPE, "busybox", 0o777
            archive.addfile(link)
    return content.getvalue()


@pytest.fixture
def watching(docker: Docker) -> Iterator[Containers]:
    found = Containers(Engine(docker.socket), os.cpu_count() or 1)
    yield found
    found.close()


def named(found: Round, name: str) -> Container:
    return next(each for each in found.containers if each.name == name)


def wait_until(
    watching: Containers, name: str, holds: Callable[[Container], bool], seconds: float = 15
) -> Container:
    deadline = time.monotonic() + seconds
    while True:
        found = named(watching.round(time.time()), name)
        if holds(found):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.3)


def test_a_busy_container_with_a_limit_is_seen_as_it_is(
    docker: Docker, watching: Containers
) -> None:
    options = ("--memory", "64m", "--cpus", "0.5")
    busy = docker.run("/bin/sh", "-c", "while :; do :; done", options=options)
    wait_until(watching, busy, lambda each: each.cpu_cores is not None)
    time.sleep(2)
    found = wait_until(watching, busy, lambda each: not each.stale)
    assert (found.state, found.mem_limit) == ("running", 64 << 20)
    assert found.cpu_cores == pytest.approx(0.5, abs=0.25)
    assert found.mem_used is not None and 0 < found.mem_used < 64 << 20


def test_no_limit_is_told_as_none_and_memory_all_the_same(
    docker: Docker, watching: Containers
) -> None:
    name = docker.run("/bin/sleep", "600")
    found = wait_until(watching, name, lambda each: each.mem_used is not None)
    assert (found.mem_limit, found.mem_used_percent, dict(found.unread)) == (None, None, {})


def test_an_end_an_oom_kill_and_sickness_are_told(docker: Docker, watching: Containers) -> None:
    failed = docker.run("/bin/sh", "-c", "exit 3")
    killed = docker.run("/bin/tail", "/dev/zero", options=("--memory", "8m"))
    check = ("--health-cmd", "/bin/false", "--health-interval", "1s", "--health-retries", "1")
    sick = docker.run("/bin/sleep", "600", options=check)
    assert wait_until(watching, failed, lambda each: each.state == "exited").exit_code == 3
    ended = wait_until(watching, killed, lambda each: each.state == "exited")
    assert ended.exit_code == 137
    if not ended.oom_killed:
        pytest.skip("this kernel's memory limit is not enforced for containers")
    wait_until(watching, sick, lambda each: each.health == "unhealthy")


def test_a_restart_is_no_spike_and_is_counted(docker: Docker, watching: Containers) -> None:
    busy = docker.run("/bin/sh", "-c", "while :; do :; done", options=("--cpus", "0.3"))
    wait_until(watching, busy, lambda each: each.cpu_cores is not None)
    changes = Changes(restarts_per_hour=0)
    changes.see(watching.round(time.time()).containers, time.time(), time.monotonic())
    docker("restart", "-t", "0", busy)
    shares: list[float | None] = []
    told: list[Condition] = []
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and not told:
        found = watching.round(time.time())
        shares.append(named(found, busy).cpu_cores)
        seen = changes.see(found.containers, time.time(), time.monotonic())
        told = [each for each in seen if each.kind == "container_restarting"]
        time.sleep(0.3)
    assert all(share is None or 0 <= share < 1.0 for share in shares), shares
    assert [(each.name, each.level) for each in told] == [(busy, Level.WARNING)]
