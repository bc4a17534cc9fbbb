"""One container, whichever engine has it; the engines are stand-ins: see managers.py."""

import pytest

from tests.scripts.machine import Machine
from tests.scripts.managers import install_engine, install_systemd, unit

QUICK = {"grace_seconds": "0", "settle": "0", "within": "2"}
VERSIONS = {"docker": "Docker version 27.0.3", "podman": "podman version 5.0.1"}


@pytest.mark.parametrize("engine", VERSIONS)
@pytest.mark.parametrize(
    ("before", "after", "outcome"),
    [
        ("shop running 11 ", "shop running 22 ", "recovered"),
        ("shop running 11 unhealthy", "shop running 22 healthy", "recovered"),
        ("shop exited 0 ", "shop running 22 ", "recovered"),
        ("shop running 11 ", "shop running 11 ", "failed"),
        ("shop running 11 ", "shop running 22 starting", "failed"),
        ("shop running 11 ", "shop running 22 unhealthy", "failed"),
        ("shop running 11 ", "shop restarting 0 ", "failed"),
        ("shop running 11 ", "shop exited 0 ", "failed"),
    ],
)
def test_a_container_has_recovered_when_it_runs_anew_and_healthy(
    engine: str, before: str, after: str, outcome: str, machine: Machine
) -> None:
    containers = install_engine(machine, engine, VERSIONS[engine])
    containers.knows("shop", before, after)
    run = machine.run("restart_container", container="shop", **{**QUICK, "within": "1"})
    assert (run.code, run.outcome) == (0 if outcome == "recovered" else 1, outcome)
    assert run.result["manager"] == engine
    assert containers.restarts == ["restart -t 0 shop"]


def test_a_container_has_its_time_to_end(machine: Machine) -> None:
    docker = install_engine(machine, "docker", VERSIONS["docker"])
    docker.knows("shop", "/shop running 11 ", "/shop running 22 ")
    run = machine.run("restart_container", container="shop", grace_seconds="30", settle="0")
    assert run.outcome == "recovered"
    assert docker.restarts == ["restart -t 30 shop"]


def test_a_container_that_dies_while_it_settles_is_a_failure(machine: Machine) -> None:
    docker = install_engine(machine, "docker", VERSIONS["docker"])
    docker.knows("shop", "/shop running 11 ", "/shop running 22 ")
    slow = {"grace_seconds": "0", "settle": "1", "within": "2"}
    # Whoever looks at it a fourth time finds it dead.
    machine.install(
        "docker",
        (machine.home / "bin" / "docker").read_text()
        + f'[[ $(grep -c inspect {docker.home}/calls) -ge 4 ]] && echo "/shop exited 0 "'
        + f" >{docker.home}/shop\nexit 0\n",
    )
    run = machine.run("restart_container", container="shop", **slow)
    assert (run.outcome, run.result["state"]) == ("failed", "exited")


@pytest.mark.parametrize("engines", [("docker",), ("podman",), ("docker", "podman")])
def test_a_container_that_does_not_exist_is_refused_and_none_is_made(
    engines: tuple[str, ...], machine: Machine
) -> None:
    installed = [install_engine(machine, name, VERSIONS[name]) for name in engines]
    run = machine.run("restart_container", container="shop", **QUICK)
    assert (run.code, run.outcome) == (64, "refused")
    assert run.message == f"no container 'shop' in {' '.join(engines)}"
    for engine in installed:
        calls = (engine.home / "calls").read_text().split("\n")
        assert {call.partition(" ")[0] for call in calls if call} <= {"--version", "container"}


def test_a_container_that_both_engines_have_is_refused(machine: Machine) -> None:
    both = [install_engine(machine, name, version) for name, version in VERSIONS.items()]
    for engine in both:
        engine.knows("shop", "shop running 11 ", "shop running 22 ")
    run = machine.run("restart_container", container="shop", **QUICK)
    assert (run.code, run.outcome) == (64, "refused")
    assert "known to docker podman: say which" in run.message
    assert [engine.restarts for engine in both] == [[], []]

    forced = machine.run("restart_container", container="shop", manager="podman", **QUICK)
    assert forced.outcome == "recovered"
    assert [len(engine.restarts) for engine in both] == [0, 1]


def test_podman_that_also_answers_as_docker_is_one_engine(machine: Machine) -> None:
    for name in VERSIONS:
        engine = install_engine(machine, name, VERSIONS["podman"])
        engine.knows("shop", "shop running 11 ", "shop running 22 ")
    run = machine.run("restart_container", container="shop", **QUICK)
    assert (run.outcome, run.result["manager"]) == ("recovered", "podman")


def test_a_container_found_by_its_id_only_is_refused(machine: Machine) -> None:
    docker = install_engine(machine, "docker", VERSIONS["docker"])
    docker.knows("4c01", "/shop running 11 ", "/shop running 22 ")
    run = machine.run("restart_container", container="4c01", **QUICK)
    assert (run.outcome, docker.restarts) == ("refused", [])


def test_a_service_of_the_same_name_is_none_of_its_business(machine: Machine) -> None:
    systemd = install_systemd(machine)
    systemd.knows("shop.service", unit("active", 11), unit("active", 22))
    docker = install_engine(machine, "docker", VERSIONS["docker"])
    docker.knows("shop", "/shop running 11 ", "/shop running 22 ")
    run = machine.run("restart_container", container="shop", **QUICK)
    assert (run.outcome, run.result["manager"], systemd.restarts) == ("recovered", "docker", [])


def test_without_an_engine_it_says_so(machine: Machine) -> None:
    run = machine.run("restart_container", container="shop", **QUICK)
    assert (run.code, run.outcome) == (69, "unavailable")
    named = machine.run("restart_container", container="shop", manager="podman", **QUICK)
    assert (named.outcome, named.message) == ("unavailable", "this machine has no 'podman'")


def test_times_that_cannot_fit_are_refused_before_anything_happens(machine: Machine) -> None:
    docker = install_engine(machine, "docker", VERSIONS["docker"])
    docker.knows("shop", "/shop running 11 ", "/shop running 22 ")
    run = machine.run("restart_container", container="shop", grace_seconds="60", within="60")
    assert (run.outcome, docker.restarts) == ("refused", [])
