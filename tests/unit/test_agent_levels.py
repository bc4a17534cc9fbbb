"""Levels: above the limit, for long enough, until it is well below; from file and environment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from host_agent.entries import SettingsError
from host_agent.levels import Condition, Level, Limit, Limits, Watch
from host_agent.limits import limits_of
from host_agent.settings import read_settings, settings_of

OK, WARNING, CRITICAL = Level.OK, Level.WARNING, Level.CRITICAL


def seen(limit: Limit, *values: float) -> list[Level]:
    """Return the level after each value, one every second; OK where nothing is told."""
    watch = Watch(Limits({"m": limit}, {}))
    told = [watch.see([("m", "", value)], 1000.0 + n, float(n)) for n, value in enumerate(values)]
    return [conditions[0].level if conditions else OK for conditions in told]


@pytest.mark.parametrize(
    ("value", "level"),
    [(79.9, OK), (80.0, OK), (80.1, WARNING), (95.0, WARNING), (95.1, CRITICAL), (100, CRITICAL)],
)
def test_above_the_limit_is_a_warning_and_above_95_critical(value: float, level: Level) -> None:
    assert seen(Limit.derived(80), value) == [level]
    assert Limit.derived(80).level(value) is level


def test_a_warning_lasts_until_the_value_is_below_where_it_clears() -> None:
    assert seen(Limit.derived(80), 81, 79, 70, 69.9, 75) == [WARNING, WARNING, WARNING, OK, OK]


def test_what_is_critical_does_not_flap_around_its_limit() -> None:
    assert seen(Limit.derived(80), 96, 94.5, 93, 90, 96, 60) == [
        CRITICAL, CRITICAL, WARNING, WARNING, CRITICAL, OK,
    ]  # fmt: skip


def test_a_value_must_stay_above_for_as_long_as_the_limit_asks() -> None:
    limit = Limit.derived(80, lasting=3)
    assert seen(limit, 85, 85, 85, 85, 85) == [OK, OK, OK, WARNING, WARNING]
    assert seen(limit, 85, 85, 60, 85, 85) == [OK] * 5


def test_each_level_must_last_by_itself() -> None:
    assert seen(Limit.derived(80, lasting=3), 85, 85, 85, 97, 97, 97, 97) == [
        OK, OK, OK, WARNING, WARNING, WARNING, CRITICAL,
    ]  # fmt: skip


def test_a_gap_is_neither_well_nor_worse() -> None:
    watch = Watch(Limits({"m": Limit.derived(80)}, {}))
    watch.see([("m", "", 90.0)], 1000.0, 0.0)
    assert watch.see([], 1001.0, 1.0) == []
    assert watch.see([("m", "", 75.0)], 1002.0, 2.0)[0].level is WARNING


def test_the_end_of_a_problem_is_told_once() -> None:
    watch = Watch(Limits({"m": Limit.derived(80)}, {}))
    watch.see([("m", "", 90.0)], 1000.0, 0.0)
    ended: list[Condition] = watch.see([("m", "", 10.0)], 1001.0, 1.0)
    assert [(each.level, each.since) for each in ended] == [(OK, 1001.0)]
    assert watch.see([("m", "", 10.0)], 1002.0, 2.0) == []


def test_the_problems_of_what_is_gone_end_with_it() -> None:
    watch = Watch(Limits({"disk": Limit.derived(90), "cpu": Limit.derived(80)}, {}))
    watch.see([("disk", "/data", 99.0), ("disk", "/", 99.0), ("cpu", "", 99.0)], 1000.0, 0.0)
    ended = watch.keep_only(("disk",), {"/"}, 1001.0)
    assert [(each.name, each.level) for each in ended] == [("/data", OK)]
    assert watch.keep_only(("disk",), {"/"}, 1002.0) == []
    assert watch.see([("disk", "/", 99.0)], 1003.0, 3.0)[0].level is CRITICAL


def test_a_clock_that_was_set_shortens_no_duration() -> None:
    watch = Watch(Limits({"m": Limit.derived(80, lasting=60)}, {}))
    watch.see([("m", "", 90.0)], 1000.0, 0.0)
    assert watch.see([("m", "", 90.0)], 99_000.0, 1.0) == []


@pytest.mark.parametrize(
    ("warning", "critical", "clear_below"),
    [(80, 95, 70), (10, 95, 5), (20, 95, 10), (97, 98.5, 87), (0, 95, 0)],
)
def test_what_is_not_said_follows_from_the_warning(
    warning: float, critical: float, clear_below: float
) -> None:
    assert Limit.derived(warning) == Limit(warning, critical, clear_below)


def test_without_any_word_cpu_memory_disk_and_inodes_have_their_usual_limits() -> None:
    found = {metric: limit.warning for metric, limit in limits_of({}).by_metric.items()}
    assert found == {
        "cpu_usage_active": 80,
        "mem_used_percent": 85,
        "disk_used_percent": 90,
        "disk_inodes_used_percent": 90,
    }


def test_a_mount_and_a_container_may_have_limits_of_their_own() -> None:
    limits = limits_of(
        {
            "disk": {"warning": 70, "for_seconds": 30},
            "mounts": {"/data": {"disk": 97}},
            "containers": {"db": {"memory": {"warning": 95}}},
        }
    )
    assert limits.of("disk_used_percent", "/") == Limit(70, 95, 60, 30)
    assert limits.of("disk_used_percent", "/data") == Limit(97, 98.5, 87, 30)
    assert limits.of("container_mem_used_percent", "db") == Limit(95, 97.5, 85)
    assert limits.of("container_mem_used_percent", "web") is None


@pytest.mark.parametrize(
    ("variable", "metric"),
    [
        ("CPU_THRESHOLD", "cpu_usage_active"),
        ("MEMORY_THRESHOLD", "mem_used_percent"),
        ("DISK_THRESHOLD", "disk_used_percent"),
    ],
)
def test_the_environment_sets_a_warning_limit_and_the_rest_follows(
    variable: str, metric: str
) -> None:
    file = {name: {"warning": 60, "critical": 90, "clear_below": 55} for name in ("cpu", "memory")}
    limit = limits_of(file, {variable: "10"}).of(metric)
    assert limit is not None
    assert (limit.warning, limit.clear_below) == (10, 5)
    assert limit.level(11) is WARNING


def test_a_critical_limit_below_the_one_of_the_environment_is_forgotten() -> None:
    limit = limits_of({"cpu": {"warning": 10, "critical": 20}}, {"CPU_THRESHOLD": "80"})
    assert limit.of("cpu_usage_active") == Limit(80, 95, 70)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"limit": {}}, "limit: unknown; did you mean limits?"),
        ({"hub": {"adress": "x"}}, "hub.adress: unknown; known are url"),
        ({"limits": {"cpus": 1}}, "limits.cpus: unknown; did you mean cpu?"),
        ({"limits": {"cpu": "high"}}, "limits.cpu: expected a number or a table"),
        ({"limits": {"cpu": {"warning": True}}}, "limits.cpu.warning: expected a number"),
        ({"limits": {"swap": {"critical": 9}}}, "limits.swap.warning: expected a number"),
        (
            {"limits": {"cpu": {"warning": 80, "critical": 70}}},
            "limits.cpu: expected clear_below (70) ≤ warning (80) ≤ critical (70)",
        ),
        (
            {"limits": {"mounts": {"/": {"cpu": 1}}}},
            'limits.mounts."/".cpu: unknown; known are disk, inodes',
        ),
        ({"containers": {"expected": {"web": -1}}}, "web: expected a whole number from 0"),
        ({"hub": {"ship_every_seconds": 0}}, "ship_every_seconds: expected a whole number from 1"),
        ({"agent": {"skip_mounts": "/"}}, "skip_mounts: expected a list of texts"),
        ({"hub": {"token_file": "/nowhere/token"}}, "hub.token_file: /nowhere/token: No such file"),
        ({"agent": []}, "agent: expected a table"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_place(
    document: Mapping[str, Any], told: str
) -> None:
    with pytest.raises(SettingsError) as error:
        settings_of(document, {}, Path())
    assert str(error.value).startswith(told)


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"CPU_THRESHOLD": "much"}, "environment: CPU_THRESHOLD: expected a number from 0 to 100"),
        ({"DISK_THRESHOLD": "101"}, "environment: DISK_THRESHOLD: expected a number from 0 to 100"),
        ({"LOG_LEVEL": "loud"}, "environment: LOG_LEVEL: expected one of DEBUG, INFO"),
    ],
)
def test_a_mistake_in_the_environment_is_told(
    variables: Mapping[str, str], told: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError) as error:
        read_settings({**variables, "AUTORECOVERY_HOME": str(tmp_path)})
    assert str(error.value).startswith(told)


def test_an_env_file_stands_in_for_variables_that_are_not_set(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "# a trial\nexport CPU_THRESHOLD='10'\nMEMORY_THRESHOLD=20\n"
        "LOG_LEVEL=debug\nDATABASE_URL=sqlite:///./data/automation.db\n"
    )
    found = read_settings({"AUTORECOVERY_HOME": str(tmp_path), "MEMORY_THRESHOLD": "30"})
    cpu, memory = (found.limits.of(name) for name in ("cpu_usage_active", "mem_used_percent"))
    assert cpu and memory
    assert (cpu.warning, memory.warning, found.log_level) == (10, 30, "DEBUG")


def test_the_file_is_found_in_the_home_and_told_where_it_is_broken(tmp_path: Path) -> None:
    home = {"AUTORECOVERY_HOME": str(tmp_path)}
    (tmp_path / "agent.toml").write_text('[agent]\nhost = "web-1"\n[limits]\ncpu = 70\n')
    found = read_settings(home)
    assert (found.host, found.agent) == ("web-1", "web-1")
    assert found.spool == tmp_path / "data" / "spool"
    (tmp_path / "agent.toml").write_text("[agent\n")
    with pytest.raises(SettingsError, match=r"agent\.toml: .*line 1"):
        read_settings(home)


def test_a_token_comes_from_the_environment_or_a_file_and_is_never_shown(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret-of-a-file\n")
    document = {"hub": {"token_file": str(tmp_path / "token")}}
    assert settings_of(document, {}, tmp_path).token == "secret-of-a-file"
    found = settings_of(document, {"AUTORECOVERY_TOKEN": "secret-of-the-environment"}, tmp_path)
    assert found.token == "secret-of-the-environment"
    assert "secret" not in repr(found)
