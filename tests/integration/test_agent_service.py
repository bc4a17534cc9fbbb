"""The service and its commands as people run them: processes, signals, a hub, an engine."""

import contextlib
import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from host_agent.containers import Container
from host_agent.host import Sample, moment
from host_agent.install import cron_line, systemd_unit, unreachable
from host_agent.latest import Latest, Snapshot
from host_agent.levels import Condition, Level
from host_agent.openmetrics import ExposureError, exposition, serve
from host_agent.rounds import Rounds
from host_agent.service import Agent
from host_agent.settings import read_settings, settings_of
from tests.integration.agent_hub import FakeHub, fake_hub
from tests.integration.recorded_engine import RecordedEngine, listening

pytestmark = pytest.mark.slow  # real seconds pass: rates need two samples

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with fake_hub() as found:
        found.wish = b'{"next_in_seconds": 1}'
        yield found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def configure(home: Path, hub: FakeHub | None = None, more: str = "") -> None:
    address = f'[hub]\nurl = "{hub.url}"\nship_every_seconds = 1\n' if hub else ""
    sockets = f'[containers]\nsockets = ["{home}/engine.sock"]\nevery_seconds = 1\n'
    (home / "agent.toml").write_text('[agent]\nhost = "web-1"\n' + address + sockets + more)


def agent(home: Path, *words: str, **variables: str) -> "subprocess.Popen[str]":
    environment = {
        name: value for name, value in os.environ.items() if not name.endswith("_THRESHOLD")
    }
    environment |= {"AUTORECOVERY_HOME": str(home), "PYTHONPATH": str(PROJECT), **variables}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "host_agent", *words],
        env=environment,
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def once(home: Path, *words: str, **variables: str) -> tuple[int, str, str]:
    process = agent(home, "once", *words, **variables)
    output, errors = process.communicate(timeout=20)
    return process.returncode, output, errors


def wait_for(condition: Any, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def test_the_service_ships_samples_and_containers_and_ends_with_the_last_batch(
    hub: FakeHub, home: Path
) -> None:
    configure(home, hub)
    with listening(RecordedEngine(), home / "engine.sock"):
        process = agent(home, "run", AUTORECOVERY_TOKEN="token-of-web-1")
        wait_for(lambda: any(len(each["containers"]) == 5 for each in hub.batches[1:]))
        resident = psutil.Process(process.pid).memory_info().rss
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 0, errors
    assert resident < 40e6
    for batch in hub.batches[-2:]:
        assert ("container_unhealthy", "sick") in [
            (each["kind"], each.get("name")) for each in batch["conditions"]
        ]
    first = hub.batches[0]
    assert (first["host"], first["late"], first["schema_version"]) == ("web-1", False, 1)
    moments = [each["at"] for batch in hub.batches for each in batch["samples"]]
    assert moments == sorted(set(moments)), "each second once, in order"
    assert "agent_tick_ms" in hub.batches[-1]["samples"][-1]["metrics"]
    log = (home / "logs" / "automation.log").read_text()
    assert "INFO watching web-1" in log
    assert log.rstrip().endswith("INFO stopped")
    assert "token-of-web-1" not in log


def test_an_agent_killed_during_an_outage_delivers_what_it_kept_when_it_is_back(
    hub: FakeHub, home: Path
) -> None:
    configure(home, hub)
    hub.refuse(503, times=1000, Retry_After="1")
    process = agent(home, "run")
    wait_for(lambda: len(list((home / "data" / "spool").glob("*.json"))) >= 2)
    process.kill()
    process.communicate()
    kept = sorted((home / "data" / "spool").glob("*.json"))
    keys = [json.loads(path.read_text())["key"] for path in kept]
    hub.answers.clear()
    process = agent(home, "run")
    wait_for(lambda: len(hub.batches) >= len(kept) + 1)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)
    assert [each["key"] for each in hub.batches][: len(kept)] == keys


def test_on_a_full_disk_the_agent_still_tells_of_it(hub: FakeHub, home: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(home)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        configure(home, hub, f'[limits.mounts."{home}"]\ndisk = 90\n')
        file = home / "agent.toml"
        file.write_text(f'[agent]\nalso_mounts = ["{home}"]\n' + file.read_text()[8:])
        with (home / "filling").open("wb", buffering=0) as big, contextlib.suppress(OSError):
            while True:
                big.write(b"x" * 1024)
        hub.refuse(503, Retry_After="1")  # so that it has to keep one for a while
        process = agent(home, "run")
        wait_for(lambda: len(hub.batches) >= 2)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=10)
    finally:
        subprocess.run(["umount", "-l", str(home)], check=False)
    assert "Traceback" not in errors
    told = [each for batch in hub.batches for each in batch["conditions"]]
    assert (str(home), "CRITICAL") in [(each.get("name"), each["level"]) for each in told]


def test_a_hung_engine_and_a_hung_hub_delay_no_sample(home: Path, hub: FakeHub) -> None:
    configure(home, hub)
    engine = RecordedEngine()
    engine.delay["containers"] = 60
    hub.hangs.set()
    settings = read_settings({"AUTORECOVERY_HOME": str(home)})
    from host_agent.delivery import shipper_of

    watched = Agent(settings, {}, lambda *_: None, shipper_of(settings, lambda *_: None))
    with listening(engine, home / "engine.sock"):
        thread = threading.Thread(target=watched.run)
        thread.start()
        moments = set()
        end = time.monotonic() + 3.5
        while time.monotonic() < end:
            if watched.latest.snapshot:
                moments.add(watched.latest.snapshot.sample.at)
            time.sleep(0.05)
        watched.stop.set()
        hub.over.set()
        thread.join(10)
    assert len(moments) >= 3
    assert watched.latest.snapshot
    assert watched.latest.snapshot.missed_ticks == 0


def test_a_round_that_fails_unforeseen_is_told_and_the_next_one_is_tried(home: Path) -> None:
    settings = settings_of({"containers": {"sockets": ["\x00"], "every_seconds": 1}}, {}, home)
    rounds = Rounds(settings, {})
    rounds.start()
    wait_for(lambda: rounds.found.number >= 2)
    rounds.stop()
    rounds.wait(5)
    assert rounds.found.unread


def test_a_real_load_makes_the_service_tell_a_warning_and_then_critical(
    hub: FakeHub, home: Path
) -> None:
    """Bounded: as many busy processes as processors, for a few seconds, limits of 10 and 20."""
    limits = "[limits]\ncpu = { warning = 70, critical = 20, for_seconds = 1 }\n"
    configure(home, hub, limits)
    spinning = "import time\nend = time.time() + 8\nwhile time.time() < end: sum(range(1000))"
    process = agent(home, "run", CPU_THRESHOLD="10")
    busy = [subprocess.Popen([sys.executable, "-c", spinning]) for _ in range(os.cpu_count() or 1)]
    try:

        def told() -> list[str]:
            return [
                each["level"]
                for batch in list(hub.batches)
                for each in batch["conditions"]
                if each.get("metric") == "cpu_usage_active"
            ]

        wait_for(lambda: "CRITICAL" in told())
        wait_for(lambda: hub.batches[-1]["processes"])
    finally:
        for each in busy:
            each.kill()
            each.wait()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
    assert "CRITICAL cpu_usage_active is" in (home / "logs" / "automation.log").read_text()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[hub]\nurl = 'http://hub.example.com'\ntoken = 'x'\n", "in the clear"),
        ("[metrics]\nport = 9105\naddress = '0.0.0.0'\n", "set metrics.token"),
        ("[hub]\nurl = 5\n", "url: expected text"),
    ],
)
def test_settings_that_cannot_be_used_end_the_service_with_a_reason(
    home: Path, content: str, told: str
) -> None:
    (home / "agent.toml").write_text(content)
    process = agent(home, "run")
    _, errors = process.communicate(timeout=10)
    assert (process.returncode, told in errors) == (3, True), errors


def test_one_look_prints_every_value_against_its_limit_and_a_verdict(home: Path) -> None:
    configure(home)
    with listening(RecordedEngine(), home / "engine.sock"):
        code, output, errors = once(home, "--processes")
    assert (code, errors) == (0, "")
    assert output.startswith("host      web-1\nplatform  ")
    assert "container web (scratchbox:1): running; cpu " in output
    assert "container oom (scratchbox:1): exited, exit code 137, out of memory" in output
    assert "process   " in output
    assert output.splitlines()[-1].split()[1].rstrip(":") in ("OK", "WARNING", "CRITICAL")


def test_the_same_as_json_and_csv(home: Path) -> None:
    _, output, _ = once(home, "--json")
    found = json.loads(output)
    assert (found["schema_version"], found["level"] in set(Level)) == (1, True)
    _, output, _ = once(home, "--csv")
    rows = list(csv.DictReader(io.StringIO(output)))
    assert "mem_used_percent" in {row["metric"] for row in rows}


def test_a_limit_of_the_environment_decides_the_exit_code_when_asked(home: Path) -> None:
    assert once(home, "--fail-on", "warning", MEMORY_THRESHOLD="0")[0] == 5
    assert once(home, MEMORY_THRESHOLD="0")[0] == 0


def test_watching_prints_again_and_again(home: Path) -> None:
    process = agent(home, "once", "--json", "--watch", "0.5")
    assert process.stdout
    found = [json.loads(process.stdout.readline())["at"] for _ in range(3)]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert found == sorted(set(found))
    assert process.returncode == 130


def test_a_look_for_cron_is_shipped_behind_what_waited(hub: FakeHub, home: Path) -> None:
    configure(home, hub)
    hub.refuse(503)
    assert once(home, "--ship", "--quiet")[:2] == (0, "")
    assert hub.batches == []
    assert once(home, "--ship", "--quiet")[:2] == (0, "")
    assert [each["interval_seconds"] for each in hub.batches] == [300, 300]


def test_a_log_that_cannot_be_written_stops_nothing(home: Path) -> None:
    (home / "logs").write_text("this is no folder")
    code, output, errors = once(home, "--ship")
    assert code == 0
    assert "the log goes to stderr only" in errors
    assert output


SNAPSHOT = Snapshot(
    Sample(
        1_768_446_252.0,
        {"cpu_usage_active": 12.5, "disk_used_percent": 40.0},
        (10.0, 15.0),
        {"/": {"disk_used_percent": 40.0}, '/a"b\\c\n': {"disk_used_percent": 1.0}},
        {},
        {"eth0": {"net_bytes_recv_per_second": 1000.0}},
    ),
    (Container("docker", "a" * 64, "web", "nginx", "running", cpu_cores=0.5, restarts=2),),
    (Condition("limit", Level.CRITICAL, "", 0.0, "disk_used_percent", "/", 99.0, 95.0),),
    waiting=3,
)


def test_openmetrics_has_one_type_for_each_family_and_ends_as_it_must() -> None:
    lines = exposition(SNAPSHOT).splitlines()
    types = [line for line in lines if line.startswith("# TYPE")]
    assert len(types) == len(set(types))
    assert lines[-1] == "# EOF"
    assert "autorecovery_cpu_usage_active 12.5" in lines
    assert 'autorecovery_disk_used_percent{mount="/a\\"b\\\\c "} 1' in lines
    assert (
        'autorecovery_container_cpu_cores{container="web",image="nginx",id="aaaaaaaaaaaa"} 0.5'
        in lines
    )
    assert "autorecovery_batches_waiting 3" in lines


def get(port: int, path: str = "/metrics", **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_endpoint_answers_to_this_hosts_names_and_to_the_token() -> None:
    latest = Latest()
    server = serve(latest, "127.0.0.1", 0, "secret")
    port, token = server.server_port, {"Authorization": "Bearer secret"}
    try:
        assert get(port)[0] == 401
        assert get(port, Authorization="Bearer wrong")[0] == 401
        assert get(port, **token) == (503, "no sample yet\n")
        latest.snapshot = SNAPSHOT
        assert get(port, **token)[1].endswith("# EOF\n")
        assert get(port, "/", **token)[0] == 404
        assert get(port, Host="evil.example.com", **token)[0] == 421
        assert get(port, Host=f"localhost:{port}", **token)[0] == 200
    finally:
        server.shutdown()
        server.server_close()


def test_the_endpoint_is_not_opened_to_the_network_without_a_token() -> None:
    with pytest.raises(ExposureError, match=r"set metrics\.token"):
        serve(Latest(), "0.0.0.0", 0, "")


def test_the_unit_lets_the_agent_look_and_nothing_else(tmp_path: Path) -> None:
    unit = systemd_unit(groups=("docker",), python="/opt/autorecovery/bin/python")
    for line in (
        "NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet=", "DynamicUser=yes",
        "SupplementaryGroups=docker",
        "ExecStart=/opt/autorecovery/bin/python -m host_agent run"
        " --config /etc/autorecovery/agent.toml",
    ):  # fmt: skip
        assert line in unit.splitlines()
    checker = shutil.which("systemd-analyze")
    if checker is None:
        pytest.skip("systemd-analyze is not here: the unit is not checked by systemd itself")
    file = tmp_path / "autorecovery-agent.service"
    file.write_text(systemd_unit())
    done = subprocess.run([checker, "verify", str(file)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_cron_line_has_a_schedule_a_user_and_a_command() -> None:
    fields = cron_line(python="/opt/my python").split(maxsplit=6)
    assert fields[:6] == ["*/5", "*", "*", "*", "*", "root"]
    assert "'/opt/my python' -m host_agent once --ship --quiet" in fields[6]


def test_a_python_in_somebodys_home_is_found_out(tmp_path: Path) -> None:
    python = tmp_path / "closed" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    for folder in (tmp_path / "closed" / "bin", tmp_path / "closed"):
        folder.chmod(0o755)
    opened = unreachable(str(python))
    (tmp_path / "closed").chmod(0o700)
    assert unreachable(str(python)) in (opened, tmp_path / "closed")
    assert unreachable("/usr/bin/env") is None


def test_the_command_line_offers_the_agent_without_loading_it() -> None:
    asking = "import sys; from command_line.main import app; print('psutil' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", asking], capture_output=True, text=True, cwd=PROJECT, check=True
    )
    assert done.stdout == "False\n"


def test_the_command_prints_what_it_would_install(home: Path) -> None:
    command = [str(Path(sys.executable).parent / "autorecovery"), "agent"]
    done = subprocess.run(
        [*command, "install", "--dry-run", "--config", "/etc/a b.toml"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--config '/etc/a b.toml'" in done.stdout
    done = subprocess.run(
        [*command, "once", "--json"],
        capture_output=True,
        text=True,
        check=True,
        cwd=home,
        env={**os.environ, "AUTORECOVERY_HOME": str(home)},
    )
    assert json.loads(done.stdout)["metrics"]


def test_the_agent_runs_with_no_more_than_psutil() -> None:
    """What the command line and the core bring along would double its memory."""
    asking = (
        "import sys; import host_agent.__main__, host_agent.service, host_agent.delivery,"
        " host_agent.openmetrics; print([m for m in sys.modules if m.split('.')[0] in"
        " ('typer', 'click', 'pydantic', 'yaml', 'boto3', 'autorecovery', 'command_line')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", asking], capture_output=True, text=True, cwd=PROJECT, check=True
    )
    assert done.stdout == "[]\n"


def test_moments_of_both_clocks_are_of_now() -> None:
    wall, monotonic = moment()
    assert abs(wall - time.time()) < 1
    assert abs(monotonic - time.monotonic()) < 1
