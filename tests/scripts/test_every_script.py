import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from autorecovery.scripts import TOO_LATE, Script, ScriptError
from tests.scripts.machine import BASH, FAR_FUTURE, SCRIPTS, Machine, tool_of_this_environment

# Values with which each script would start to work.
VALID: dict[str, dict[str, str]] = {
    "free_disk_space": {"mount": "/"},
    "noop": {},
    "relieve_memory": {"services": "no-such-service-anywhere"},
    "restart_container": {"container": "no-such-container-anywhere"},
    "restart_service": {"service": "no-such-service-anywhere"},
    "terminate_process": {"process": "no-such-name", "user": "root"},
}
EVERY_PARAMETER = [
    (name, parameter)
    for name, script in SCRIPTS.items()
    for parameter in script.document()["parameters"]
]
HOSTILE = (
    "'\"; touch canary; $(touch canary) `touch canary`",
    "x\ntouch canary",
    "x\n",
    "x[$(touch canary)]",  # what bash's arithmetic would run
    "{{ canary }}",
    "/tmp/../etc",
)
every_script = pytest.mark.parametrize("name", SCRIPTS)


def test_every_script_has_valid_values_here() -> None:
    assert set(VALID) == set(SCRIPTS)


@every_script
def test_the_rendered_script_is_sound_bash(name: str, machine: Machine) -> None:
    path = machine.store(SCRIPTS[name])
    subprocess.run([BASH, "-n", path], check=True)
    subprocess.run([tool_of_this_environment("shellcheck"), path], check=True)


def test_the_sources_are_sound_too() -> None:
    sources = sorted((Path(__file__).parents[2] / "recovery_scripts").glob("*.sh"))
    subprocess.run([tool_of_this_environment("shellcheck"), *sources], check=True)


@every_script
def test_past_its_time_a_script_does_nothing(name: str, machine: Machine) -> None:
    a_minute_ago = datetime.now(UTC) - timedelta(minutes=1)
    script = SCRIPTS[name]
    run = machine.run_unbound(
        script, script.environment(VALID[name], not_after=a_minute_ago, attempt="attempt-1")
    )
    assert (run.code, run.outcome) == (TOO_LATE, "too_late")
    assert "past not_after" in run.message


@pytest.mark.parametrize(("name", "parameter"), EVERY_PARAMETER)
def test_no_value_reaches_a_shell(name: str, parameter: str, machine: Machine) -> None:
    script = SCRIPTS[name]
    variables = script.environment(VALID[name], not_after=FAR_FUTURE, attempt="attempt-1")
    mark = machine.set_trap()
    for value in HOSTILE:
        run = machine.run_unbound(script, variables | {f"SSM_{parameter}": value})
        assert (run.code, run.outcome) == (64, "refused"), value
        assert f"parameter {parameter} is" in run.message
    assert not mark.exists()


def test_the_trap_would_show_a_value_that_reached_a_shell(machine: Machine) -> None:
    mark = machine.set_trap()
    noop = SCRIPTS["noop"]
    head, _, _ = noop.text.partition("fact host")
    careless = replace(noop, text=head + 'eval "$SSM_attempt"\nfinish unchanged careless\n')
    lenient = replace(careless, text=careless.text.replace("^[A-Za-z0-9_-]{1,64}$", ".*"))
    variables = _noop_variables(noop) | {"SSM_attempt": "touch canary"}
    machine.run_unbound(careless, variables)
    assert not mark.exists()
    machine.run_unbound(lenient, variables)
    assert mark.exists()


@pytest.mark.parametrize("value", HOSTILE)
@every_script
def test_no_such_value_is_bound_either(name: str, value: str) -> None:
    script = SCRIPTS[name]
    for parameter in script.parameters:
        with pytest.raises(ScriptError, match=parameter.name):
            script.bind({**VALID[name], parameter.name: value})


@every_script
def test_a_required_parameter_that_is_unset_is_refused(name: str, machine: Machine) -> None:
    # What a machine sees whose agent is too old to pass parameters as variables.
    run = machine.run_unbound(SCRIPTS[name], {})
    assert (run.code, run.outcome) == (64, "refused")


@pytest.mark.parametrize(
    ("body", "code"),
    [("false", 1), ("(exit 7)", 7), ("exit 194", 1), ("(exit 194)", 1), (":", 1), ("$nothing", 1)],
)
def test_a_script_that_ends_unexpectedly_has_failed(body: str, code: int, machine: Machine) -> None:
    # 194 would make Systems Manager reboot the machine and run the script again.
    noop = SCRIPTS["noop"]
    head, _, _ = noop.text.partition("fact host")
    run = machine.run_unbound(replace(noop, text=head + body + "\n"), _noop_variables(noop))
    assert (run.code, run.outcome) == (code, "failed")
    assert "stopped unexpectedly" in run.message


def test_a_script_that_is_interrupted_has_failed(machine: Machine) -> None:
    noop = SCRIPTS["noop"]
    head, _, _ = noop.text.partition("fact host")
    run = machine.run_unbound(replace(noop, text=head + "kill -TERM $$\n"), _noop_variables(noop))
    assert (run.code, run.outcome) == (143, "failed")
    assert run.message == "interrupted by a signal"


def test_the_result_is_json_whatever_it_contains(machine: Machine) -> None:
    noop = SCRIPTS["noop"]
    body = r"""fact odd $'a"b\\c\n\t\x01\x7f\xff\xc3\xa9 {}&' && finish unchanged 'it''s "so" \'"""
    head, _, _ = noop.text.partition("fact host")
    run = machine.run_unbound(replace(noop, text=head + body + "\n"), _noop_variables(noop))
    assert run.result["odd"] == 'a"b\\c' + 8 * " " + "{}&"
    assert run.message == 'its "so" \\'


def test_doing_nothing_says_so(machine: Machine) -> None:
    run = machine.run("noop")
    assert (run.code, run.outcome, run.message) == (0, "unchanged", "did nothing, as asked")


def _noop_variables(noop: Script) -> dict[str, str]:
    return noop.environment({}, not_after=FAR_FUTURE, attempt="attempt-1")
