import os

from tests.scripts.machine import Machine
from tests.scripts.managers import install_systemd, unit

QUICK = {"settle": "0", "within": "5"}


def test_the_largest_allowed_service_is_restarted(
    supervised: Machine, supervisor_config: str
) -> None:
    run = supervised.run(
        "relieve_memory",
        services="web,leaky,not-here",
        supervisor_config=supervisor_config,
        **QUICK,
    )
    assert (run.code, run.outcome, run.result["service"]) == (0, "recovered", "leaky")
    assert run.result["service_before_bytes"] > 40_000_000 > run.result["service_after_bytes"]
    assert run.result["old_pid"] != run.result["new_pid"]
    assert run.result["available_before_bytes"] > 0
    assert run.result["available_after_bytes"] > 0


def test_memory_held_by_children_counts_and_a_restart_that_frees_none_is_a_failure(
    supervised: Machine, supervisor_config: str
) -> None:
    run = supervised.run(
        "relieve_memory",
        services="leaky,greedy",
        supervisor_config=supervisor_config,
        settle="0",
        within="5",
    )
    assert (run.code, run.outcome, run.result["service"]) == (1, "failed", "greedy")
    assert run.result["service_before_bytes"] > 60_000_000
    assert "holds hardly less" in run.message


def test_a_unit_weighs_as_much_as_its_control_group(machine: Machine) -> None:
    # The stand-in for systemd names this very process: whatever shares its group is counted.
    systemd = install_systemd(machine)
    systemd.knows("web.service", unit("active", os.getpid()), unit("failed", 0))
    run = machine.run("relieve_memory", services="web", **QUICK)
    assert (run.code, run.outcome) == (1, "failed")
    assert run.result["service_before_bytes"] > 10_000_000
    assert run.result["service_after_bytes"] == 0


def test_without_any_of_the_services_nothing_is_restarted(
    supervised: Machine, supervisor_config: str
) -> None:
    run = supervised.run(
        "relieve_memory", services="not-here", supervisor_config=supervisor_config, **QUICK
    )
    assert (run.code, run.outcome) == (1, "failed")
    assert run.message == "none of not-here runs here (supervisor)"
