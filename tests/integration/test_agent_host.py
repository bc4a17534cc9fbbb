"""The host's own values: psutil on this machine, real mounts, a real load."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from host_agent.host import Host, Sample, moment
from host_agent.interfaces import watched_interfaces
from host_agent.kills import Kills
from host_agent.levels import Level, Watch
from host_agent.limits import limits_of
from host_agent.mounts import Mounts
from host_agent.pressure import read_pressure
from host_agent.processes import Processes
from host_agent.service import host_values


def two_samples(host: Host, seconds: float = 0.3) -> tuple[Sample, Sample]:
    first = host.sample(*moment())
    time.sleep(seconds)
    return first, host.sample(*moment())


def test_the_first_sample_has_no_rates_and_the_second_has_all() -> None:
    first, second = two_samples(Host())
    rates = {
        "cpu_usage_active", "cpu_usage_user", "cpu_usage_system", "cpu_usage_iowait",
        "cpu_usage_steal",
    }  # fmt: skip
    assert not rates & first.metrics.keys()
    assert rates <= second.metrics.keys()
    assert not any(name.endswith("_per_second") for name in first.metrics)
    assert len(second.cores) == psutil.cpu_count()
    assert {"mem_used_percent", "mem_available", "load_1m", "swap_used"} <= first.metrics.keys()


def test_every_share_is_between_0_and_100() -> None:
    _, sample = two_samples(Host())
    shares = {name: value for name, value in sample.metrics.items() if "percent" in name}
    shares |= {name: value for name, value in sample.metrics.items() if "cpu_usage" in name}
    assert shares
    assert {name: value for name, value in shares.items() if not 0 <= value <= 100} == {}


def test_no_value_is_negative() -> None:
    _, sample = two_samples(Host())
    objects = [*sample.mounts.values(), *sample.disks.values(), *sample.interfaces.values()]
    for values in (sample.metrics, *objects):
        assert {name: value for name, value in values.items() if value < 0} == {}


def test_memory_agrees_with_what_the_kernel_says() -> None:
    sample = Host().sample(*moment())
    lines = dict(
        line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines() if line
    )
    assert sample.metrics["mem_total"] == int(lines["MemTotal"].split()[0]) * 1024
    assert sample.metrics["mem_available"] == pytest.approx(
        int(lines["MemAvailable"].split()[0]) * 1024, rel=0.2
    )


def test_a_disk_is_as_full_as_df_says() -> None:
    sample = Host().sample(*moment())
    mount, values = next(iter(sample.mounts.items()))
    told = subprocess.run(
        ["df", "--output=pcent", mount], capture_output=True, text=True, check=True
    ).stdout.split()[-1]
    assert abs(values["disk_used_percent"] - float(told.rstrip("%"))) <= 1.0
    assert sample.metrics["disk_used_percent"] == max(
        each["disk_used_percent"] for each in sample.mounts.values()
    )


def test_loopback_and_bridges_are_left_out_unless_asked_for() -> None:
    assert "lo" not in watched_interfaces(["lo", "docker0", "ens5x", "veth1"], virtual=False)
    assert watched_interfaces(["lo", "docker0", "zz9"], virtual=False) == ["zz9"]
    assert watched_interfaces(["lo", "docker0"], virtual=True) == ["docker0", "lo"]


def test_a_kernel_without_pressure_says_how_to_get_it(tmp_path: Path) -> None:
    unread: dict[str, str] = {}
    assert read_pressure(unread, tmp_path) == {}
    assert "psi=1" in unread["pressure"]


def test_pressure_is_read_as_the_kernel_writes_it(tmp_path: Path) -> None:
    line = (
        "some avg10=1.50 avg60=1.00 avg300=0.50 total=1\nfull avg10=0.25 avg60=0 avg300=0 total=1"
    )
    for name in ("cpu", "io", "memory"):
        (tmp_path / name).write_text(line)
    found = read_pressure({}, tmp_path)
    assert found["psi_memory_full_percent"] == 0.25
    assert found["psi_cpu_some_percent"] == 1.5
    assert "psi_cpu_full_percent" not in found


def test_kills_by_the_kernel_are_counted_from_the_start_of_the_agent(tmp_path: Path) -> None:
    file = tmp_path / "vmstat"
    file.write_text("pgfault 1\noom_kill 7\nnuma_hit 2\n")
    kills = Kills(file)
    assert kills.new(0.0) == 0
    file.write_text("pgfault 1\noom_kill 9\nnuma_hit 2\n")
    assert [kills.new(1.0), kills.new(10.0), kills.new(20.0)] == [0, 2, 0]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a megabyte."""
    mount = tmp_path / "disk"
    mount.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=100", "tmpfs", str(mount)],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.decode().strip()}")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], capture_output=True, check=False)


def test_a_disk_that_is_full_is_told_as_critical(small_disk: Path) -> None:
    with (small_disk / "big").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    sample = Host(also_mounts=[str(small_disk)]).sample(*moment())
    conditions = Watch(limits_of({})).see(host_values(sample), *moment())
    found = [each for each in conditions if each.name == str(small_disk)]
    assert [(each.metric, each.level, each.value) for each in found] == [
        ("disk_used_percent", Level.CRITICAL, 100.0)
    ]


def test_inodes_run_out_though_there_is_space(small_disk: Path) -> None:
    for number in range(96):
        (small_disk / str(number)).touch()
    mount = Mounts(also=frozenset({str(small_disk)})).read(0.0, {})[str(small_disk)]
    assert mount["disk_used_percent"] < 10
    assert mount["disk_inodes_used_percent"] > 95


def test_a_mount_that_vanishes_is_no_longer_told_and_no_error(small_disk: Path) -> None:
    mounts = Mounts(also=frozenset({str(small_disk)}))
    unread: dict[str, str] = {}
    assert str(small_disk) in mounts.read(0.0, unread)
    subprocess.run(["umount", str(small_disk)], check=True)
    small_disk.rmdir()
    assert str(small_disk) not in mounts.read(1.0, unread)
    assert unread == {}
    small_disk.mkdir()


def test_mounts_of_the_same_device_are_told_once_and_a_skipped_one_never() -> None:
    devices = [each.device for each in psutil.disk_partitions(all=False)]
    found = Mounts().read(0.0, {})
    assert len(found) <= max(1, len(set(devices)))
    first = next(iter(found))
    assert first not in Mounts(skip=frozenset({first})).read(0.0, {}) or first == "/"


SPINNING = "import time\nend = time.time() + {}\nwhile time.time() < end: sum(range(1000))"


def spin(seconds: float) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", SPINNING.format(seconds)])


def test_a_busy_process_is_among_the_largest_without_its_command_line() -> None:
    processes = Processes()
    busy = spin(4)
    try:
        time.sleep(0.3)
        processes.largest(time.monotonic())
        time.sleep(1.0)
        found = {each.pid: each for each in processes.largest(time.monotonic(), 10)}
    finally:
        busy.kill()
        busy.wait()
    assert busy.pid in found
    share = found[busy.pid].cpu_cores
    assert share is not None and 0.05 < share <= 1.2
    assert "sum(range" not in repr(found)


def test_a_bounded_load_is_seen_as_a_warning_and_then_as_critical() -> None:
    """Limits of 10 and 20: a few busy processes for a few seconds pass both anywhere."""
    processors = os.cpu_count() or 1
    # Above 10 with one process out of ten processors, above 20 with all.
    limits = limits_of({"cpu": {"critical": 20, "for_seconds": 0.4}}, {"CPU_THRESHOLD": "10"})
    host, watch = Host(), Watch(limits)
    host.sample(*moment())
    levels: list[Level] = []
    busy = [spin(6) for _ in range(processors)]
    try:
        deadline = time.monotonic() + 5
        while Level.CRITICAL not in levels and time.monotonic() < deadline:
            threading.Event().wait(0.25)
            at, monotonic = moment()
            sample = host.sample(at, monotonic)
            found = watch.see(host_values(sample), at, monotonic)
            levels += [each.level for each in found if each.metric == "cpu_usage_active"]
    finally:
        for each in busy:
            each.kill()
            each.wait()
    assert Level.CRITICAL in levels
