"""Batches on disk: in order, bounded, and readable whenever the agent is killed."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from host_agent.spool import MOST_IN_MEMORY, Spool

PROJECT = Path(__file__).resolve().parents[2]


def batch(number: int, size: int = 100) -> dict[str, Any]:
    return {"number": number, "filling": "x" * size}


def drained(spool: Spool) -> list[int]:
    """Take out everything, and return the numbers in order."""
    found = []
    while (oldest := spool.oldest()) is not None:
        found.append(oldest["number"])
        spool.remove_oldest()
    return found


def test_batches_come_out_as_they_went_in_also_after_a_restart(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", 10_000)
    for number in range(5):
        spool.put(batch(number))
    assert spool.oldest() == batch(0)
    spool.remove_oldest()
    again = Spool(tmp_path / "spool", 10_000)
    again.put(batch(5))
    assert drained(again) == [1, 2, 3, 4, 5]
    assert list((tmp_path / "spool").iterdir()) == []


def test_when_it_is_full_the_oldest_are_given_up_and_counted(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 2000)
    for number in range(50):
        spool.put(batch(number))
    kept = [path.stat().st_size for path in tmp_path.iterdir()]
    assert sum(kept) <= 2000
    assert spool.dropped == 50 - len(kept)
    assert drained(spool) == list(range(spool.dropped, 50))


def test_a_file_that_became_unreadable_is_passed_over(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 10_000)
    for number in range(4):
        spool.put(batch(number))
    files = sorted(tmp_path.iterdir())
    files[0].write_bytes(b"\x00\xff")
    files[1].write_text("[1]")
    files[2].unlink()
    assert drained(spool) == [3]
    assert spool.dropped == 3


def test_what_was_not_finished_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / "0000000000000007.part").write_text('{"number"')
    spool = Spool(tmp_path, 10_000)
    assert (spool.oldest(), list(tmp_path.iterdir())) == (None, [])


WRITING = """
import sys
from pathlib import Path
from host_agent.spool import Spool
spool = Spool(Path(sys.argv[1]), 1 << 20)
number = 0
while True:
    spool.put({"number": number, "filling": "x" * 20_000})
    print(number, flush=True)
    number += 1
"""


def test_an_agent_killed_at_any_moment_leaves_whole_batches_in_order(tmp_path: Path) -> None:
    chance = random.Random(7)
    for attempt in range(5):
        folder = tmp_path / str(attempt)
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITING, str(folder)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
        )
        assert writer.stdout
        writer.stdout.readline()
        time.sleep(chance.uniform(0, 0.1))
        writer.send_signal(signal.SIGKILL)
        told = writer.stdout.read().split()
        writer.wait()
        writer.stdout.close()
        spool = Spool(folder, 1 << 20)
        found = drained(spool)
        assert spool.dropped == 0, "an unreadable batch"
        assert found == list(range(found[0], found[0] + len(found)))
        assert not told or found[-1] >= int(told[-1]), "what was told as kept is kept"


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk on which nothing more can be written."""
    mount = tmp_path / "full"
    mount.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(mount)],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.decode().strip()}")
    (mount / "filling").write_bytes(b"x" * (64 << 10))
    yield mount
    subprocess.run(["umount", "-l", str(mount)], capture_output=True, check=False)


def test_on_a_full_disk_batches_wait_in_memory_and_the_reason_is_told(full_disk: Path) -> None:
    spool = Spool(full_disk / "spool", 1 << 20)
    for number in range(MOST_IN_MEMORY + 5):
        spool.put(batch(number))
    assert spool.trouble.endswith("No space left on device")
    assert (len(spool), spool.dropped) == (MOST_IN_MEMORY, 5)
    assert list((full_disk / "spool").glob("*.part")) == []
    assert drained(spool) == list(range(5, MOST_IN_MEMORY + 5))


def test_when_there_is_room_again_they_are_written_down_in_order(full_disk: Path) -> None:
    spool = Spool(full_disk / "spool", 1 << 20)
    spool.put(batch(0))
    spool.put(batch(1))
    (full_disk / "filling").unlink()
    spool.put(batch(2))
    assert spool.trouble == ""
    kept = [json.loads(each.read_text()) for each in sorted((full_disk / "spool").iterdir())]
    assert [each["number"] for each in kept] == [0, 1, 2]
    assert drained(spool) == [0, 1, 2]
