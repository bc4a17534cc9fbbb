import pytest

from tests.scripts.machine import Machine
from tests.scripts.managers import install_engine, install_systemd, unit

QUICK = {"settle": "0", "within": "3"}
SETTLING = {"settle": "1", "within": "2"}


# --- Supervisor, the real one ---


def test_a_program_runs_on_as_a_new_process(supervised: Machine, supervisor_config: str) -> None:
    run = supervised.run(
        "restart_service", service="web", supervisor_config=supervisor_config, **SETTLING
    )
    assert (run.code, run.outcome, run.result["manager"]) == (0, "recovered", "supervisor")
    assert 0 < run.result["old_pid"] != run.result["new_pid"] > 0
    assert run.result["seconds"] >= 1


def test_a_program_that_was_down_is_started(supervised: Machine, supervisor_config: str) -> None:
    run = supervised.run(
        "restart_service", service="dormant", supervisor_config=supervisor_config, **QUICK
    )
    assert (run.code, run.outcome, run.result["old_pid"]) == (0, "recovered", 0)


def test_a_program_that_dies_at_start_is_a_failure(
    supervised: Machine, supervisor_config: str
) -> None:
    run = supervised.run(
        "restart_service", service="broken", supervisor_config=supervisor_config, **SETTLING
    )
    assert (run.code, run.outcome, run.result["state"]) == (1, "failed", "fatal")
    assert "ERROR (spawn error)" in run.message


def test_a_program_that_keeps_dying_is_a_failure(
    supervised: Machine, supervisor_config: str
) -> None:
    run = supervised.run(
        "restart_service", service="flapping", supervisor_config=supervisor_config, **SETTLING
    )
    assert (run.code, run.outcome) == (1, "failed")
    assert "did not stay up" in run.message


def test_a_program_nobody_knows_is_refused(supervised: Machine, supervisor_config: str) -> None:
    run = supervised.run(
        "restart_service", service="nothing", supervisor_config=supervisor_config, **QUICK
    )
    assert (run.code, run.outcome) == (64, "refused")
    assert run.message == "no service 'nothing' known to supervisor"


def test_a_name_that_two_managers_know_is_refused(
    supervised: Machine, supervisor_config: str
) -> None:
    systemd = install_systemd(supervised)
    systemd.knows("web.service", unit("active", 11), unit("active", 22))
    run = supervised.run(
        "restart_service", service="web", supervisor_config=supervisor_config, **QUICK
    )
    assert (run.code, run.outcome) == (64, "refused")
    assert "known to systemd supervisor: say which" in run.message
    assert systemd.restarts == []

    forced = supervised.run("restart_service", service="web", manager="systemd", **QUICK)
    assert (forced.outcome, forced.result["new_pid"]) == ("recovered", 22)


# --- systemd, a stand-in: see managers.py ---


@pytest.mark.parametrize(
    ("before", "after", "outcome"),
    [
        (unit("active", 11), unit("active", 22), "recovered"),
        (unit("failed", 0), unit("active", 22), "recovered"),
        (unit("active", 11), unit("active", 11), "failed"),
        (unit("active", 11), unit("failed", 0), "failed"),
        (unit("active", 11), unit("activating", 22), "failed"),
        (unit("active", 0, "a"), unit("active", 0, "b"), "recovered"),  # without a main process
    ],
)
def test_a_unit_has_recovered_when_it_is_active_and_new(
    machine: Machine, before: str, after: str, outcome: str
) -> None:
    systemd = install_systemd(machine)
    systemd.knows("nginx.service", before, after)
    run = machine.run("restart_service", service="nginx", settle="0", within="1")
    assert (run.code, run.outcome) == (0 if outcome == "recovered" else 1, outcome)
    assert systemd.restarts == ["restart -- nginx.service"]


@pytest.mark.parametrize("service", ["nothing", "reboot.target", "home.mount"])
def test_what_is_no_service_is_not_touched(machine: Machine, service: str) -> None:
    systemd = install_systemd(machine)
    systemd.knows("reboot.target", unit("inactive", 0), unit("active", 0))
    run = machine.run("restart_service", service=service, **QUICK)
    assert (run.code, run.outcome) == (64, "refused")
    assert systemd.restarts == []


# --- Docker and Podman, stand-ins: see managers.py ---


@pytest.mark.parametrize(
    ("after", "outcome"),
    [
        ("/shop running 22 ", "recovered"),
        ("/shop running 22 healthy", "recovered"),
        ("/shop running 22 unhealthy", "failed"),
        ("/shop exited 0 ", "failed"),
    ],
)
def test_a_container_has_recovered_when_it_runs_healthy_and_new(
    machine: Machine, after: str, outcome: str
) -> None:
    docker = install_engine(machine, "docker", "Docker version 27.0.3")
    docker.knows("shop", "/shop running 11 ", after)
    run = machine.run("restart_service", service="shop", settle="0", within="1")
    assert (run.outcome, run.result["manager"]) == (outcome, "docker")
    assert docker.restarts == ["restart shop"]


def test_a_container_found_by_its_id_only_is_refused(machine: Machine) -> None:
    docker = install_engine(machine, "docker", "Docker version 27.0.3")
    docker.knows("4c01", "/shop running 11 ", "/shop running 22 ")
    run = machine.run("restart_service", service="4c01", **QUICK)
    assert (run.outcome, docker.restarts) == ("refused", [])


def test_podman_that_also_answers_as_docker_is_one_manager(machine: Machine) -> None:
    for name in ("docker", "podman"):
        engine = install_engine(machine, name, "podman version 5.0.1")
        engine.knows("shop", "shop running 11 ", "shop running 22 ")
    run = machine.run("restart_service", service="shop", **QUICK)
    assert (run.outcome, run.result["manager"]) == ("recovered", "podman")


# --- What is missing, what makes no sense ---


def test_a_machine_without_any_manager_says_so(machine: Machine) -> None:
    run = machine.run("restart_service", service="web")
    assert (run.code, run.outcome) == (69, "unavailable")
    assert run.message == "none of systemd docker podman supervisor is installed here"


def test_a_forced_manager_that_is_missing_is_named(machine: Machine) -> None:
    run = machine.run("restart_service", service="web", manager="supervisor")
    assert (run.code, run.message) == (69, "this machine has no 'supervisorctl'")


def test_a_missing_tool_is_named(machine: Machine) -> None:
    machine.remove("timeout")
    run = machine.run("restart_service", service="web")
    assert (run.code, run.message) == (69, "this machine has no 'timeout'")


def test_a_settling_time_that_can_never_pass_is_refused(machine: Machine) -> None:
    run = machine.run("restart_service", service="web", settle="5", within="5")
    assert (run.code, run.message) == (64, "settle must be shorter than within")
