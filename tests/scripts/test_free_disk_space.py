import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.scripts.machine import FAR_FUTURE, SCRIPTS, Machine, Run

KILOBYTE = 1024
LAST_MONTH = timedelta(days=30)
NOW = timedelta()

HOSTILE_NAMES = [
    b"two words.log.1",
    b"line\nbreak.log.1",
    b"$(touch canary).log.1",
    b"`touch canary`.log.1",
    b"; touch canary;.log.1",
    b"-delete.log.1",
    b"*.log.1",
    b"\xff\xfe latin.log.1",
    b"quote'\".log.1",
]


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "disk"
    folder.mkdir()
    return folder


def put(path: Path | bytes, age: timedelta = LAST_MONTH, kilobytes: int = 8) -> Path:
    """Write a file that was last touched some time ago."""
    file = Path(os.fsdecode(path))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x" * kilobytes * KILOBYTE)
    then = file.stat().st_mtime - age.total_seconds()
    os.utime(file, (then, then))
    return file


def clean(machine: Machine, **values: str) -> Run:
    """Clean a disk that can never be empty enough, so that every way is gone."""
    return machine.run("free_disk_space", until_below="1", **values)


def pretend_capacity(machine: Machine, disk: Path, kilobytes: int) -> None:
    """Install a `df` to which the folder is a whole disk of this size."""
    machine.install(
        "df",
        f"used=$(du -sk {disk} | cut -f1)\n"
        f"printf 'Use%%%%\\n%3d%%%%\\n' $((used * 100 / {kilobytes}))\n",
    )


def test_a_full_disk_is_freed_of_rotated_logs(machine: Machine, disk: Path) -> None:
    pretend_capacity(machine, disk, 1000)
    current = put(disk / "app.log", kilobytes=400)
    rotated = put(disk / "app.log.1", kilobytes=500)
    run = machine.run("free_disk_space", paths=str(disk))
    assert (run.code, run.outcome) == (0, "recovered")
    assert run.result["freed_bytes"] == 500 * KILOBYTE
    assert run.result["deleted_files"] == 1
    assert run.result["used_percent_before"] >= 90 > 50 > run.result["used_percent_after"]
    assert current.exists()
    assert not rotated.exists()


def test_a_disk_with_room_is_left_alone(machine: Machine, disk: Path) -> None:
    pretend_capacity(machine, disk, 1000)
    rotated = put(disk / "app.log.1")
    run = machine.run("free_disk_space", paths=str(disk))
    assert (run.code, run.outcome, run.result["freed_bytes"]) == (0, "unchanged", 0)
    assert rotated.exists()


def test_temporary_files_stay_when_rotated_logs_were_enough(machine: Machine, disk: Path) -> None:
    pretend_capacity(machine, disk, 1000)
    put(disk / "logs" / "app.log.1", kilobytes=800)
    temporary = put(disk / "scratch" / "upload", kilobytes=100)
    run = machine.run("free_disk_space", paths=f"{disk}/logs", temporary_paths=f"{disk}/scratch")
    assert run.outcome == "recovered"
    assert temporary.exists()


def test_what_does_not_suffice_is_a_failure_that_says_how_far_it_got(
    machine: Machine, disk: Path
) -> None:
    put(disk / "app.log.1", kilobytes=64)
    run = clean(machine, paths=str(disk), mount=str(disk))
    assert (run.code, run.outcome) == (1, "failed")
    assert run.result["freed_bytes"] == 64 * KILOBYTE
    assert "not below 1 %" in run.message


def test_nothing_to_free_is_a_failure(machine: Machine, disk: Path) -> None:
    run = clean(machine, paths=str(disk))
    assert (run.code, run.outcome) == (1, "failed")
    assert "nothing could be freed" in run.message


@pytest.mark.parametrize(
    ("name", "age", "deleted"),
    [
        ("app.log.1", LAST_MONTH, True),
        ("app.log.12.gz", LAST_MONTH, True),
        ("app-20260131", LAST_MONTH, True),
        ("app.log-20260131.gz", LAST_MONTH, True),
        ("app.2026-01-31.log", LAST_MONTH, True),
        ("app.log.old", LAST_MONTH, True),
        ("deep/er/app.log.2.xz", LAST_MONTH, True),
        ("app.log.1", NOW, False),
        ("app.log", LAST_MONTH, False),
        ("data.gz", LAST_MONTH, False),
        ("binlog.000123", LAST_MONTH, False),
        ("fonts.cache-7", LAST_MONTH, False),
    ],
)
def test_only_old_rotated_logs_are_deleted_under_paths(
    machine: Machine, disk: Path, name: str, age: timedelta, deleted: bool
) -> None:
    file = put(disk / name, age)
    clean(machine, paths=str(disk))
    assert file.exists() is not deleted


def test_under_temporary_paths_every_old_file_is_deleted(machine: Machine, disk: Path) -> None:
    old = put(disk / "deep" / "upload.bin")
    new = put(disk / "fresh.bin", NOW)
    unpacked_today = put(disk / "unpacked.bin")
    os.utime(unpacked_today, (new.stat().st_mtime, old.stat().st_mtime))
    run = clean(machine, temporary_paths=str(disk), paths=str(disk))
    assert run.result["deleted_files"] == 1
    assert [file.exists() for file in (old, new, unpacked_today)] == [False, True, True]


@pytest.mark.parametrize(("covered", "freed"), [(True, 400 * KILOBYTE), (False, 0)])
def test_journals_are_shortened_where_paths_cover_them(
    machine: Machine, disk: Path, covered: bool, freed: int
) -> None:
    # The place of the journals is fixed, so the script is given another one.
    put(disk / "journal" / "old.journal", kilobytes=400)
    (disk / "elsewhere").mkdir()
    machine.install(
        "journalctl", f'[[ "$*" == --vacuum-time=7d ]] && rm {disk}/journal/old.journal'
    )
    script = SCRIPTS["free_disk_space"]
    moved = replace(script, text=script.text.replace("/var/log/journal", f"{disk}/journal"))
    values = {"until_below": "1", "paths": str(disk if covered else disk / "elsewhere")}
    run = machine.run_unbound(
        moved, script.environment(values, not_after=FAR_FUTURE, attempt="attempt-1")
    )
    assert (run.outcome, run.result["freed_bytes"]) == ("failed", freed)
    assert run.result["problems"] == ""


def test_hostile_names_are_only_names(machine: Machine, disk: Path) -> None:
    files = [put(os.fsencode(disk) + b"/" + name.replace(b"/", b"")) for name in HOSTILE_NAMES]
    mark = machine.set_trap()
    run = clean(machine, paths=str(disk))
    assert run.result["deleted_files"] == len(HOSTILE_NAMES)
    assert not any(file.exists() for file in files)
    assert not mark.exists()


def test_links_lead_nowhere(machine: Machine, disk: Path, tmp_path: Path) -> None:
    outside = put(tmp_path / "outside" / "precious.log.1")
    (disk / "folder").symlink_to(outside.parent)
    (disk / "linked.log.1").symlink_to(outside)
    run = clean(machine, paths=str(disk), temporary_paths=str(disk))
    assert run.result["deleted_files"] == 0
    assert outside.exists()
    assert (disk / "linked.log.1").is_symlink()


def test_a_file_with_another_name_frees_nothing_and_is_not_counted_as_freed(
    machine: Machine, disk: Path, tmp_path: Path
) -> None:
    rotated = put(disk / "app.log.1")
    (tmp_path / "kept").hardlink_to(rotated)
    run = clean(machine, paths=str(disk))
    assert (run.result["deleted_files"], run.result["freed_bytes"]) == (1, 0)


def test_a_path_that_is_a_link_is_refused(machine: Machine, disk: Path, tmp_path: Path) -> None:
    rotated = put(disk / "app.log.1")
    (tmp_path / "alias").symlink_to(disk)
    run = clean(machine, paths=f"{tmp_path.resolve()}/alias")
    assert (run.code, run.outcome) == (64, "refused")
    assert "is a link to" in run.message
    assert rotated.exists()


@pytest.mark.parametrize("path", ["/etc", "/usr/lib", "/var", "/var/lib", "/root", "/boot"])
def test_where_nothing_can_be_missed_nothing_is_deleted(machine: Machine, path: str) -> None:
    run = clean(machine, temporary_paths=path)
    assert (run.code, run.outcome) == (64, "refused")
    assert run.message == f"nothing is ever deleted in {path}"


def test_all_paths_are_checked_before_the_first_file_goes(machine: Machine, disk: Path) -> None:
    rotated = put(disk / "app.log.1")
    run = clean(machine, paths=str(disk), temporary_paths="/etc")
    assert run.outcome == "refused"
    assert rotated.exists()


def test_a_path_that_this_machine_lacks_is_passed_over_and_told(
    machine: Machine, disk: Path
) -> None:
    rotated = put(disk / "app.log.1")
    run = clean(machine, paths=f"{disk}/missing,{disk}")
    assert run.result["problems"] == f"there is no {disk}/missing"
    assert not rotated.exists()


def test_doing_it_twice_does_no_harm(machine: Machine, disk: Path) -> None:
    put(disk / "app.log.1")
    assert clean(machine, paths=str(disk)).result["deleted_files"] == 1
    assert clean(machine, paths=str(disk)).result["deleted_files"] == 0
