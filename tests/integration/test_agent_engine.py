"""Container engines over a unix socket: recorded answers of Docker and Podman, all troubles."""

import grp  # noqa: F401 - loaded before a test gives up the right to read it
import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from host_agent.containers import Container, Containers, Round
from host_agent.engine import Engine
from host_agent.exchange import Failed
from host_agent.lines import EngineError
from host_agent.sockets import how_to_allow, usual_sockets
from tests.integration.recorded_engine import RecordedEngine, listening


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "engine.sock"


@pytest.fixture
def engine(path: Path) -> Iterator[RecordedEngine]:
    with listening(RecordedEngine(), path) as found:
        yield found


_OPEN: list[Containers] = []


def watching(path: Path, budget: float = 2.1) -> Containers:
    _OPEN.append(found := Containers(Engine(str(path)), 2, budget=budget))
    return found


@pytest.fixture(autouse=True)
def _hang_up() -> Iterator[None]:
    yield
    while _OPEN:
        _OPEN.pop().close()


def rounds(containers: Containers, count: int = 2, pause: float = 0.25) -> Round:
    """Return the last of several rounds: shares and rates need two."""
    found = containers.round(time.time())
    for _ in range(count - 1):
        time.sleep(pause)
        found = containers.round(time.time())
    return found


def named(found: Round, name: str) -> Container:
    return next(each for each in found.containers if each.name == name)


def test_running_and_stopped_containers_are_told(engine: RecordedEngine, path: Path) -> None:
    found = rounds(watching(path))
    assert {each.name: each.state for each in found.containers} == {
        "web": "running", "unlimited": "running", "sick": "running",
        "failed": "exited", "oom": "exited",
    }  # fmt: skip
    web = named(found, "web")
    assert (web.image, web.restarts, web.oom_killed) == ("scratchbox:1", 0, False)
    assert not found.trouble


def test_cpu_is_told_in_cores_and_as_share_of_the_host(engine: RecordedEngine, path: Path) -> None:
    web = named(rounds(watching(path), pause=0.5), "web")
    assert web.cpu_cores == pytest.approx(0.5, rel=0.3)
    assert web.cpu_host_pct == pytest.approx(25.0, rel=0.3)


def test_memory_counts_no_reclaimable_cache(engine: RecordedEngine, path: Path) -> None:
    memory = engine.usage("web")["memory_stats"]
    memory["usage"], memory["stats"]["total_inactive_file"] = 48 << 20, 16 << 20
    web = named(rounds(watching(path)), "web")
    assert (web.mem_used, web.mem_limit, web.mem_used_percent) == (32 << 20, 64 << 20, 50.0)


@pytest.mark.parametrize(
    ("stats", "held"),
    [({"inactive_file": 1000}, 9000), ({"cache": 2000}, 8000), ({}, 10000), (None, 10000)],
    ids=["cgroup 2", "only cache", "nothing", "podman"],
)
def test_each_way_to_tell_the_cache_is_understood(
    engine: RecordedEngine, path: Path, stats: Any, held: int
) -> None:
    engine.usage("web")["memory_stats"] = {"usage": 10000, "stats": stats, "limit": 1 << 30}
    assert named(rounds(watching(path)), "web").mem_used == held


def test_without_a_limit_there_is_no_share_of_it(engine: RecordedEngine, path: Path) -> None:
    free = named(rounds(watching(path)), "unlimited")
    assert free.mem_used
    assert (free.mem_limit, free.mem_used_percent) == (None, None)


@pytest.mark.parametrize("told", [{}, {"usage": 0}, {"usage": 1 << 62}, {"usage": "much"}])
def test_memory_that_cannot_be_read_is_unknown_and_says_why(
    engine: RecordedEngine, path: Path, told: dict[str, Any]
) -> None:
    engine.usage("web")["memory_stats"] = told
    web = named(rounds(watching(path)), "web")
    assert web.mem_used is None
    assert web.unread["memory"]
    assert web.cpu_cores is not None


def test_health_exit_codes_and_oom_kills_are_told(engine: RecordedEngine, path: Path) -> None:
    found = rounds(watching(path))
    assert named(found, "sick").health == "unhealthy"
    assert named(found, "web").health is None
    assert (named(found, "failed").exit_code, named(found, "failed").oom_killed) == (3, False)
    assert (named(found, "oom").exit_code, named(found, "oom").oom_killed) == (137, True)
    assert named(found, "web").exit_code is None


def test_network_and_disks_are_rates_and_a_hosts_own_network_is_none(
    engine: RecordedEngine, path: Path
) -> None:
    web = engine.usage("web")
    web["networks"] = {"eth0": {"rx_bytes": 0, "tx_bytes": 0}}
    web["blkio_stats"]["io_service_bytes_recursive"] = [{"op": "Read", "value": 0}]
    containers = watching(path)
    containers.round(time.time())
    web["networks"]["eth0"] = {"rx_bytes": 10000, "tx_bytes": 500}
    web["blkio_stats"]["io_service_bytes_recursive"] = [{"op": "read", "value": 4096}]
    time.sleep(0.3)
    found = containers.round(time.time())
    rates = named(found, "web").rates
    assert rates["net_bytes_recv"] == pytest.approx(20 * rates["net_bytes_sent"])
    assert rates["blkio_read_bytes"] > 0
    assert "net_bytes_recv" not in named(found, "unlimited").rates


def test_a_restart_is_a_gap_and_never_a_spike(engine: RecordedEngine, path: Path) -> None:
    containers = watching(path)
    rounds(containers)
    engine.restart("web")
    engine.named("web")["State"] = "restarting"
    containers.round(time.time())
    engine.named("web")["State"] = "running"
    first = named(containers.round(time.time()), "web")
    assert (first.cpu_cores, first.restarts) == (None, 1)
    time.sleep(0.3)
    second = named(containers.round(time.time()), "web")
    assert second.cpu_cores == pytest.approx(0.5, rel=0.4)


def test_a_restart_between_two_rounds_is_counted_at_the_next(
    engine: RecordedEngine, path: Path
) -> None:
    engine.multiply("web", 1)
    containers = watching(path)
    rounds(containers)
    engine.restart("web-0")
    found = named(containers.round(time.time()), "web-0")
    assert (found.cpu_cores, found.restarts) == (None, 1)


def test_a_counter_that_went_back_is_a_gap_though_nobody_saw_a_restart(
    engine: RecordedEngine, path: Path
) -> None:
    engine.multiply("web", 1)
    containers = watching(path)
    rounds(containers)
    engine.restart("web-0")
    engine.named("web-0")["Status"] = "Up 2 hours"
    assert named(containers.round(time.time()), "web-0").cpu_cores is None


def test_twenty_containers_fit_into_one_round(engine: RecordedEngine, path: Path) -> None:
    engine.multiply("web", 20)
    engine.delay["stats"] = 0.5  # Docker answers at its next round, up to a second later
    containers = watching(path)
    started = time.monotonic()
    found = containers.round(time.time())
    assert time.monotonic() - started < 2.1
    assert len(found.containers) == 20
    assert not any(each.stale for each in found.containers)


def test_a_slow_daemon_makes_its_containers_stale_within_the_budget(
    engine: RecordedEngine, path: Path
) -> None:
    containers = watching(path, budget=0.5)
    before = named(rounds(containers), "web")
    engine.delay[f"{before.id}/stats"] = 5
    started = time.monotonic()
    found = containers.round(time.time())
    assert time.monotonic() - started < 1.0
    stale = named(found, "web")
    assert (stale.stale, stale.cpu_cores, stale.read_at) == (True, before.cpu_cores, before.read_at)
    assert not named(found, "unlimited").stale


class Noting(Engine):
    """Notes the questions in the order in which they are put."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.questions: list[str] = []

    def ask(self, paths: Iterable[str], deadline: float) -> dict[str, Any]:
        self.questions = list(paths)
        return super().ask(self.questions, deadline)


def test_who_was_not_answered_for_is_asked_first_the_next_time(
    engine: RecordedEngine, path: Path
) -> None:
    noting = Noting(str(path))
    _OPEN.append(containers := Containers(noting, 2, budget=0.4))
    rounds(containers)
    slow = engine.named("web")["Id"]
    engine.delay[f"{slow}/stats"] = 5
    containers.round(time.time())
    engine.delay.clear()
    containers.round(time.time())
    assert slow in noting.questions[0]


def test_a_daemon_that_hangs_holds_nobody_longer_than_the_budget(
    engine: RecordedEngine, path: Path
) -> None:
    containers = watching(path, budget=0.4)
    rounds(containers)
    engine.delay["/containers/json"] = 30
    started = time.monotonic()
    found = containers.round(time.time())
    assert time.monotonic() - started < 0.9
    assert found.trouble.endswith("it did not answer in time")
    assert [each.stale for each in found.containers] == [True] * 5
    engine.delay.clear()
    assert not containers.round(time.time()).trouble


def test_a_daemon_that_drips_is_cut_off_as_well(tmp_path: Path) -> None:
    """A timeout for each byte would never end; the deadline is for the whole answer."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "drip.sock"))
        server.listen()
        over = threading.Event()

        def drip() -> None:
            line, _ = server.accept()
            with line:
                while not over.wait(0.05):
                    try:
                        line.sendall(b"H")
                    except OSError:
                        return

        dripping = threading.Thread(target=drip)
        dripping.start()
        started = time.monotonic()
        with pytest.raises(EngineError, match="did not answer in time"):
            Engine(str(tmp_path / "drip.sock")).ask(["/x"], time.monotonic() + 0.4)
        assert time.monotonic() - started < 0.9
        over.set()
        dripping.join()


def test_a_daemon_that_takes_no_connections_does_not_hold_us(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "full.sock"))
        server.listen(0)
        lines: list[socket.socket] = []
        with pytest.raises(BlockingIOError):
            while len(lines) < 100:
                lines.append(line := socket.socket(socket.AF_UNIX))
                line.setblocking(False)
                line.connect(str(tmp_path / "full.sock"))
        started = time.monotonic()
        with pytest.raises(EngineError, match="overloaded or hangs"):
            Engine(str(tmp_path / "full.sock")).ask(["/x"], time.monotonic() + 1)
        assert time.monotonic() - started < 0.5
        for line in lines:
            line.close()


@pytest.mark.parametrize(
    "raw",
    [
        b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"cpu_stats"',
        b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" + b'{"cpu_stats":[1,2,3]',
        b'HTTP/1.1 200 OK\r\nContent-Length: 41\r\n\r\n{"cpu_stats":{},"memory_stats":[],"x":1} ',
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"\x00\xff" * 10,
        b"",
    ],
)
def test_an_answer_that_is_none_costs_one_container_and_not_the_others(
    engine: RecordedEngine, path: Path, raw: bytes
) -> None:
    containers = watching(path)
    rounds(containers)
    engine.raw[f"{engine.named('web')['Id']}/stats"] = raw
    found = rounds(containers)
    web = named(found, "web")
    assert web.cpu_cores is None
    assert web.state == "running"
    assert named(found, "unlimited").cpu_cores is not None
    assert not found.trouble


@pytest.mark.parametrize("listed", [{"message": "x"}, "text", [1, None, {"Id": 7}, {}], None])
def test_a_list_that_is_none_makes_no_containers(
    engine: RecordedEngine, path: Path, listed: Any
) -> None:
    engine.answers["/containers/json?all=1"] = listed
    found = watching(path).round(time.time())
    assert found.containers == ()


@pytest.mark.parametrize(
    "details",
    [
        {},
        {"State": []},
        {"State": {"StartedAt": 5}, "HostConfig": []},
        {"State": {}, "HostConfig": 1},
        [],
        "x",
    ],
)
def test_an_inspection_that_makes_no_sense_loses_no_container(
    engine: RecordedEngine, path: Path, details: Any
) -> None:
    engine.answers[f"/containers/{engine.named('web')['Id']}/json"] = details
    found = rounds(watching(path))
    assert len(found.containers) == 5
    assert named(found, "unlimited").cpu_cores is not None


def test_an_answer_without_end_is_refused(engine: RecordedEngine, path: Path) -> None:
    engine.raw["stats"] = b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000
    asking = Engine(str(path))
    found = asking.ask(["/x/stats"], time.monotonic() + 2)
    asking.close()
    assert found["/x/stats"] == Failed("the connection broke: no end of the headers")


@pytest.mark.parametrize(
    ("newest", "oldest", "spoken"),
    [
        ("1.41", "1.12", "1.41"),
        ("1.51", "1.24", "1.44"),
        ("1.60", "1.50", "1.50"),
        ("x", "", "1.44"),
    ],
)
def test_a_version_that_both_speak_is_used(
    engine: RecordedEngine, path: Path, newest: str, oldest: str, spoken: str
) -> None:
    engine.answers["/version"] = {"ApiVersion": newest, "MinAPIVersion": oldest}
    watching(path).round(time.time())
    assert f"/v{spoken}/containers/json?all=1" in engine.asked


def test_an_engine_that_was_restarted_is_asked_again(path: Path) -> None:
    containers = watching(path, budget=1.0)
    with listening(RecordedEngine(), path):
        assert len(rounds(containers).containers) == 5
    path.unlink()
    found = containers.round(time.time())
    assert found.trouble
    assert all(each.stale for each in found.containers)
    with listening(RecordedEngine(), path):
        found = rounds(containers, 3)
    assert (found.trouble, [each.stale for each in found.containers]) == ("", [False] * 5)


def test_lines_that_the_engine_closes_while_they_are_idle_are_dialed_again(
    engine: RecordedEngine, path: Path
) -> None:
    """Podman's service ends after seconds without a question."""
    engine.hangs_up = True
    containers = watching(path)
    for _ in range(4):
        found = rounds(containers)
        assert not found.trouble
        assert [each.stale for each in found.containers] == [False] * 5
        assert named(found, "web").unread == {}


def test_where_nobody_listens_it_says_so(path: Path) -> None:
    found = watching(path).round(time.time())
    assert found.trouble == f"{path}: nobody listens there; is the engine running?"


def test_a_socket_that_is_not_ours_is_told_with_the_way_in(path: Path, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may open any socket: permission denied cannot be shown as root")
    with listening(RecordedEngine(), path):
        path.chmod(0)
        assert "permission denied. Let the agent's user" in watching(path).round(0).trouble


def test_permission_denied_is_seen_by_a_user_without_rights(path: Path, tmp_path: Path) -> None:
    """The same as above where the tests run as root: a child gives its rights up."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    with listening(RecordedEngine(), path):
        path.chmod(0o600)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:  # only system calls from here on
            try:
                for folder in (tmp_path, *tmp_path.parents[:3]):
                    folder.chmod(0o755)
                os.setgroups([])
                os.setuid(65534)
                os.write(writing, watching(path).round(0).trouble.encode())
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            told = pipe.read()
        os.waitpid(child, 0)
    assert "permission denied. Let the agent's user into the socket's group" in told
    assert "usermod -aG docker nobody" in told


def test_the_way_in_is_a_group_and_never_the_world(path: Path) -> None:
    path.touch()
    told = how_to_allow(str(path))
    assert "usermod -aG" in told
    assert "never make it world-writable" in told
    assert "chmod" not in told


def test_the_usual_sockets_are_found_once_each(tmp_path: Path) -> None:
    (tmp_path / "podman").mkdir()
    (tmp_path / "podman" / "podman.sock").touch()
    (tmp_path / "docker.sock").touch()
    told = f"unix://{tmp_path / 'docker.sock'}"
    found = usual_sockets({"XDG_RUNTIME_DIR": str(tmp_path), "DOCKER_HOST": told})
    assert found.count(str(tmp_path / "docker.sock")) == 1
    assert str(tmp_path / "podman" / "podman.sock") in found


def test_podman_is_understood_though_it_tells_less(path: Path) -> None:
    """No statistics for what does not run (an empty answer), an empty health, no cache, its own
    name for the network."""
    with listening(RecordedEngine("podman"), path):
        found = rounds(watching(path))
    free, failed = named(found, "free"), named(found, "failed")
    assert (free.state, free.health, free.mem_used) == ("running", None, 53248)
    assert free.cpu_cores == pytest.approx(0.5, rel=0.4)
    assert "net_bytes_recv" in free.rates
    assert (failed.state, failed.exit_code, failed.cpu_cores) == ("exited", 3, None)
    assert not found.trouble
