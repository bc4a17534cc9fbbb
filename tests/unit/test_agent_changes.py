"""What happens to containers between two rounds is a condition of its own."""

from dataclasses import replace

from host_agent.changes import Changes
from host_agent.containers import Container
from host_agent.levels import Condition, Level

WEB = Container(
    "docker", "a" * 64, "web", "nginx:1", "running", restarts=0, oom_killed=False,
    started_at="2026-01-15T03:00:00Z",
)  # fmt: skip


def told(changes: Changes, *rounds: Container | tuple[Container, ...]) -> list[Condition]:
    """Return what is told in the last of these rounds, ten seconds apart."""
    found: list[Condition] = []
    for number, each in enumerate(rounds):
        containers = each if isinstance(each, tuple) else (each,)
        found = changes.see(containers, 1000.0 + 10 * number, 10.0 * number)
    return found


def levels(conditions: list[Condition]) -> list[tuple[str, Level]]:
    return [(each.kind, each.level) for each in conditions]


def test_the_first_round_tells_of_no_change() -> None:
    assert told(Changes(), replace(WEB, state="exited", exit_code=1)) == []


def test_an_end_is_told_with_its_exit_code() -> None:
    found = told(Changes(), WEB, replace(WEB, state="exited", exit_code=3))
    assert levels(found) == [("container_state", Level.WARNING)]
    assert found[0].words == "container web: running, now exited with exit code 3"
    assert found[0].momentary


def test_an_exit_code_of_137_is_not_called_an_oom_kill_without_the_engines_word() -> None:
    found = told(Changes(), WEB, replace(WEB, state="exited", exit_code=137))
    assert levels(found) == [("container_state", Level.WARNING)]
    assert "killed: by hand, or out of memory" in found[0].words


def test_running_out_of_memory_is_critical_at_once() -> None:
    found = told(Changes(), WEB, replace(WEB, state="exited", exit_code=137, oom_killed=True))
    assert ("container_oom", Level.CRITICAL) in levels(found)


def test_the_same_oom_kill_is_told_once_and_the_next_one_again() -> None:
    killed = replace(WEB, oom_killed=True)
    again = replace(killed, started_at="2026-01-15T04:00:00Z")
    changes = Changes()
    assert len(told(changes, WEB, killed)) == 1
    assert told(changes, killed) == []
    assert levels(told(changes, again)) == [("container_oom", Level.CRITICAL)]


def test_sickness_lasts_until_it_is_over() -> None:
    sick = replace(WEB, health="unhealthy")
    changes = Changes()
    first, second = told(changes, sick)[0], told(changes, sick)[0]
    assert (first.kind, first.level) == ("container_unhealthy", Level.WARNING)
    assert second.since == first.since
    assert levels(told(changes, replace(WEB, health="healthy"))) == [
        ("container_unhealthy", Level.OK)
    ]


def test_too_many_restarts_within_an_hour_are_told_and_forgotten_after_it() -> None:
    changes = Changes(restarts_per_hour=3)
    changes.see([WEB], 0.0, 0.0)
    assert changes.see([replace(WEB, restarts=3)], 1.0, 1.0) == []
    found = changes.see([replace(WEB, restarts=4)], 2.0, 2.0)
    assert levels(found) == [("container_restarting", Level.WARNING)]
    assert (found[0].value, found[0].limit) == (4, 3)
    assert levels(changes.see([replace(WEB, restarts=4)], 3700.0, 3700.0)) == [
        ("container_restarting", Level.OK)
    ]


def test_a_restart_by_hand_counts_though_the_engine_does_not_count_it() -> None:
    started = [replace(WEB, started_at=f"2026-01-15T03:0{n}:00Z") for n in range(3)]
    found = told(Changes(restarts_per_hour=1), *started)
    assert levels(found) == [("container_restarting", Level.WARNING)]


def test_a_container_that_is_stale_has_not_changed() -> None:
    stale = replace(WEB, state="exited", stale=True)
    assert told(Changes(), WEB, stale) == []


def test_fewer_than_expected_is_a_warning_and_none_at_all_is_critical() -> None:
    other = replace(WEB, id="b" * 64, name="web-2")
    changes = Changes(expected={"web*": 2})
    assert told(changes, (WEB, other)) == []
    assert levels(told(changes, WEB)) == [("containers_missing", Level.WARNING)]
    gone = told(changes, replace(WEB, state="exited"))
    assert ("containers_missing", Level.CRITICAL) in levels(gone)
    assert "0 of 2 containers web* are running" in [each.words for each in gone]
    assert ("containers_missing", Level.OK) in levels(told(changes, (WEB, other)))
