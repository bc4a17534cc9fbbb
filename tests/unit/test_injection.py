"""Injection cannot be written: no text of an event reaches a document, a script, or its arguments.

Three looks at the same promise, each with variants of the product that break it, which must be
found: events in an attacker's hand sent down the whole way; the code that builds what is sent; and
the scripts, whose parameters take only characters that mean nothing to a shell.
"""

import ast
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autorecovery.adapters.aws.commands import SsmCommandRunner
from autorecovery.adapters.sqlite.database import Database
from autorecovery.adapters.sqlite.incident_log import SqliteIncidentLog
from autorecovery.models.incident import Attempt, Incident
from autorecovery.ports import CommandRunner
from autorecovery.scripts import Script, read_script
from local_runtime.bash_commands import BashCommandRunner
from tests.hostile_events import HOSTILE, KEY, MARK, PLAIN, Field, planted, samples, texts_of
from tests.injected_world import (
    DOCUMENTS,
    NOW,
    ROOT,
    SCRIPTS,
    Everybody,
    MakeRunner,
    honest,
    live_through,
    sent_to_the_fleet,
    traces,
)

EVENTS = samples()
SENDING = sorted(name for name, event in EVENTS.items() if sent_to_the_fleet(event))
FIELDS = {name: list(texts_of(event)) for name, event in EVENTS.items()}

# --- Events in an attacker's hand ---


def leaks(event: object, make: MakeRunner = honest) -> list[str]:
    """Return how the mark reaches a machine, if it does."""
    return [trace for request in sent_to_the_fleet(event, make) for trace in traces(request, MARK)]


@cache
def saturated(name: str) -> tuple[Any, tuple[Field, ...]]:
    """Return a sample with the mark wherever a command is sent all the same, and these places."""
    event, spoilt = EVENTS[name], []
    for field in sorted(FIELDS[name], key=lambda field: field[-1:] == (KEY,)):  # renaming last
        changed = planted(event, field, PLAIN)
        requests = sent_to_the_fleet(changed)
        assert [t for request in requests for t in traces(request, MARK)] == [], field
        if requests and changed != event:
            event = changed
            spoilt.append(field)
    return event, tuple(spoilt)


def test_most_samples_lead_to_a_command_or_there_would_be_nothing_to_see() -> None:
    assert len(SENDING) >= 25
    assert {name.split("_")[0] for name in SENDING} >= {"alarm", "logs", "cpu", "manual", "ec2"}


@pytest.mark.slow
@pytest.mark.parametrize("name", SENDING)
def test_no_field_of_an_event_reaches_a_machine(name: str) -> None:
    event, _ = saturated(name)
    assert sent_to_the_fleet(event) != []
    assert leaks(event) == []


@pytest.mark.slow
def test_the_mark_was_planted_far_and_wide() -> None:
    texts, names = 0, 0
    for name in SENDING:
        _, spoilt = saturated(name)
        assert spoilt or name == "manual_metric"  # each of whose fields is needed
        names += sum(field[-1] == KEY for field in spoilt)
        texts += sum(field[-1] != KEY for field in spoilt)
    assert texts > 600
    assert names > 600


@given(data=st.data())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_no_text_in_any_fields_of_any_event_reaches_a_machine(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(EVENTS)))
    text = data.draw(st.sampled_from((PLAIN, HOSTILE)) | st.text(max_size=20).map(MARK.__add__))
    event = EVENTS[name]
    some = st.lists(st.sampled_from(FIELDS[name]), min_size=1, max_size=4, unique=True)
    for field in data.draw(some):
        event = planted(event, field, text)
    assert leaks(event) == []


def test_the_same_request_leaves_whatever_else_an_event_says() -> None:
    event = EVENTS["alarm_sns_cpu_high"]
    evidence = next(f for f in FIELDS["alarm_sns_cpu_high"] if f[-1:] == ("NewStateReason",))
    [honest_request] = sent_to_the_fleet(event)
    for text in (PLAIN, HOSTILE, "", "x" * 100_000):
        assert sent_to_the_fleet(planted(event, evidence, text)) == [honest_request]


# Variants of the runner that break the promise; each must be found

LENIENT = replace(
    SCRIPTS["restart_service"],
    parameters=tuple(replace(p, pattern="^[^~]*$") for p in SCRIPTS["restart_service"].parameters),
)


class Careless(SsmCommandRunner):
    """Builds a part of the request from what the event says."""

    def __init__(
        self, ssm: Any, incidents: SqliteIncidentLog, spoil: "Spoil", script: Script
    ) -> None:
        super().__init__(ssm, ssm, {"restart_service": script}, DOCUMENTS)
        self._incidents, self._spoil = incidents, spoil

    def _request(self, attempt: Attempt) -> Any:
        incident = self._incidents.get(attempt.incident_id)
        assert incident is not None
        return {**super()._request(attempt), **self._spoil(incident)}


class TrustingTheEvent(SsmCommandRunner):
    """Takes a parameter from the event; the pattern lets it pass."""

    def __init__(self, ssm: Any, incidents: SqliteIncidentLog) -> None:
        super().__init__(ssm, ssm, {"restart_service": LENIENT}, DOCUMENTS)
        self._incidents = incidents

    def start(self, attempt: Attempt) -> str:
        incident = self._incidents.get(attempt.incident_id)
        assert incident is not None
        return super().start(replace(attempt, parameters={"service": incident.signal.evidence}))


Spoil = Callable[[Incident], dict[str, Any]]
SPOILT: dict[str, Spoil] = {
    "comment": lambda incident: {"Comment": incident.signal.name[:100]},
    "document": lambda incident: {"DocumentName": f"restart-{incident.signal.name}"},
    "parameter": lambda incident: {"Parameters": {"service": [incident.signal.evidence]}},
    "prefix": lambda incident: {"OutputS3KeyPrefix": incident.signal.evidence},
    "instance": lambda incident: {"InstanceIds": [incident.signal.name]},
}


@pytest.mark.parametrize("part", SPOILT)
def test_a_request_that_says_what_the_event_says_would_be_found(part: str) -> None:
    def careless(ssm: Any, incidents: SqliteIncidentLog) -> CommandRunner:
        return Careless(ssm, incidents, SPOILT[part], SCRIPTS["restart_service"])

    assert any(found_in("alarm_sns_cpu_high", careless))


def test_a_parameter_taken_from_the_event_would_be_found() -> None:
    assert any(found_in("alarm_sns_cpu_high", TrustingTheEvent))


def found_in(name: str, make: MakeRunner) -> Iterator[list[str]]:
    return (leaks(planted(EVENTS[name], field, PLAIN), make) for field in FIELDS[name])


# The same way on one machine, where the script is a process of bash

RECORDER = """#!/bin/sh
cat "/proc/$$/cmdline" "/proc/$$/environ" > '{folder}/'"$SSM_attempt"
"""


def started_under_bash(
    event: object,
    folder: Path,
    make: Callable[[BashCommandRunner, SqliteIncidentLog], CommandRunner],
) -> list[bytes]:
    """Return arguments and environment of every process that this event leads to."""
    bash = folder / "bash"
    bash.write_text(RECORDER.format(folder=folder))
    bash.chmod(0o755)
    database = Database(None)
    incidents = SqliteIncidentLog(database)
    variables = {"PATH": f"{folder}:/usr/bin:/bin"}
    runner = BashCommandRunner(database, BASH_SCRIPTS, variables, lambda: NOW, lambda ended: None)
    live_through(event, make(runner, incidents), incidents, Everybody())
    for watcher in runner._watchers:
        watcher.join(10)
    return [path.read_bytes() for path in folder.glob("inc-*")]


BASH_SCRIPTS = {**SCRIPTS, "restart_service": LENIENT}
"""A pattern must not be what hides a way in: this script takes nearly anything."""


@pytest.mark.slow
@pytest.mark.parametrize("name", SENDING)
def test_no_field_of_an_event_reaches_a_process(name: str, tmp_path: Path) -> None:
    processes = started_under_bash(saturated(name)[0], tmp_path, lambda runner, _: runner)
    assert processes != []
    assert not any(MARK.encode() in process for process in processes)


class TrustingBash:
    """Takes a parameter from the event before bash is started."""

    def __init__(self, runner: BashCommandRunner, incidents: SqliteIncidentLog) -> None:
        self._runner, self._incidents = runner, incidents

    def start(self, attempt: Attempt) -> str:
        incident = self._incidents.get(attempt.incident_id)
        assert incident is not None
        spoilt = replace(attempt, parameters={"service": incident.signal.evidence})
        return self._runner.start(spoilt)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runner, name)


def test_a_process_that_is_told_what_the_event_says_would_be_found(tmp_path: Path) -> None:
    trusting: Any = TrustingBash
    name = "manual_metric"
    field = next(f for f in FIELDS[name] if f == ("instance_id",))
    processes = started_under_bash(planted(EVENTS[name], field, MARK), tmp_path, trusting)
    assert any(MARK.encode() in process for process in processes)


# --- The code that builds what is sent ---

CODE = [
    path.relative_to(ROOT).as_posix()
    for folder in ("lambda_functions", "local_runtime", "host_agent", "command_line")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
BUILDERS = ("autorecovery/response/", "autorecovery/adapters/", "local_runtime/", "dry_run.py")
"""Where attempts are made and passed on."""

PARAMETERS = (
    "rung.parameters", "attempt.parameters", "plan.parameters", "earlier.parameters",
)  # fmt: skip
"""All that the parameters of a script may come from: the rule's rung, through the attempt."""

ACTUATOR = "lambda_functions/autorecovery/adapters/aws/actuator.py"
NO_SCRIPT = {ACTUATOR: ("{**attempt.parameters, **known}",)}
"""What is done to an instance from outside runs no script, and adds what AWS itself told of it."""

WHERE = {
    "Attempt": ("lambda_functions/autorecovery/response/recover.py",),
    "send_command": ("lambda_functions/autorecovery/adapters/aws/commands.py",),
    "Popen": ("local_runtime/bash_commands.py", "local_runtime/demo/supervised.py"),
}
"""The only places that may call these."""

PROCESSES = re.compile(r"subprocess\.|os\.(exec|spawn|fork)|pty\.")

NEVER = frozenset(
    {
        "create_document", "update_document", "start_automation_execution", "start_session",
        "create_association", "create_tags", "system", "popen", "eval", "exec",
        "create_subprocess_shell", "create_subprocess_exec", "getoutput", "posix_spawn",
    }
)  # fmt: skip
"""Calls for which there is no place."""


def ways_in(source: str, place: str) -> list[str]:
    """Return what a module does that could carry a text of an event to a machine."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [f"{place}:{call.lineno}: {why}" for call in calls for why in _wrong_with(call, place)]


def _wrong_with(call: ast.Call, place: str) -> Iterator[str]:
    name = _called(call)
    given = {word.arg: ast.unparse(word.value) for word in call.keywords}
    if name in NEVER:
        yield f"calls {name}"
    if name in WHERE and place not in WHERE[name]:
        yield f"calls {name} outside of {WHERE[name]}"
    if name == "Attempt" and (call.args or given.get("script") != "rung.run"):
        yield "makes an attempt of something else than the rung's script"
    yield from _wrong_with_process(name, given, call, place)
    if any(builder in place for builder in BUILDERS):
        yield from _wrong_with_parameters(name, given, call, place)


def _wrong_with_process(
    name: str, given: dict[str | None, str], call: ast.Call, place: str
) -> Iterator[str]:
    if PROCESSES.match(ast.unparse(call.func)) and place not in WHERE["Popen"]:
        yield "starts a process"
    if given.get("shell", "False") != "False":
        yield "starts a shell"
    if place == "local_runtime/bash_commands.py" and name == "Popen":
        told = ast.unparse(call.args[0])
        if told != "['bash', '-c', script.text, script.name]":
            yield f"starts {told}"


def _wrong_with_parameters(
    name: str, given: dict[str | None, str], call: ast.Call, place: str
) -> Iterator[str]:
    allowed = (*PARAMETERS, *NO_SCRIPT.get(place, ()))
    if "parameters" in given and given["parameters"] not in allowed:
        yield f"takes parameters from {given['parameters']}"
    if name in ("arguments", "environment") and call.args:
        first = ast.unparse(call.args[0])
        if first not in PARAMETERS:
            yield f"binds {first}"


def _called(call: ast.Call) -> str:
    called = call.func
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


@pytest.mark.parametrize("place", CODE)
def test_parameters_come_from_the_rule_and_nothing_else_starts_anything(place: str) -> None:
    assert ways_in((ROOT / place).read_text("utf-8"), place) == []


RECOVER = "lambda_functions/autorecovery/response/recover.py"
COMMANDS = "lambda_functions/autorecovery/adapters/aws/commands.py"
BASH = "local_runtime/bash_commands.py"
TRIAGE = "lambda_functions/autorecovery/triage/run.py"


@pytest.mark.parametrize(
    ("place", "old", "new"),
    [
        (RECOVER, "parameters=rung.parameters,", "parameters={'service': incident.signal.name},"),
        (RECOVER, "parameters=rung.parameters,", "parameters=rung.parameters | incident.facts,"),
        (RECOVER, "script=rung.run,", "script=incident.signal.name,"),
        (RECOVER, "parameters=earlier.parameters,", "parameters=incident.evidence,"),
        (ACTUATOR, "{**attempt.parameters, **known}", "{**attempt.parameters, **event}"),
        (COMMANDS, "attempt.parameters, not_after", "dict(attempt.target.tags), not_after"),
        (COMMANDS, "self._sender.send_command(**request)", "self._reader.create_document()"),
        (BASH, '["bash", "-c", script.text, script.name]', '["bash", "-c", attempt.rule_name]'),
        (BASH, "start_new_session=True,", "start_new_session=True, shell=True,"),
        (TRIAGE, "app.responses.start(incident_id)", "app.ssm.send_command(incident_id)"),
        (TRIAGE, "app.responses.start(incident_id)", "os.system(incident_id)"),
        (TRIAGE, "app.responses.start(incident_id)", "os.execvp(incident_id, [])"),
        (TRIAGE, "app.responses.start(incident_id)", "subprocess.run(['bash', incident_id])"),
        (TRIAGE, "app.responses.start(incident_id)", "Attempt(incident_id, script=rung.run)"),
    ],
)
def test_code_that_would_open_a_way_in_is_found(place: str, old: str, new: str) -> None:
    source = (ROOT / place).read_text("utf-8")
    assert source.count(old) >= 1
    assert ways_in(source.replace(old, new, 1), place) != []


# --- Scripts ---

HARMLESS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.,:@+/%")
"""Characters that mean nothing to any shell, quoted or not, nor to Systems Manager."""

PARAMETERS_OF_SCRIPTS = [
    (name, parameter, entry["allowedPattern"])
    for name, script in SCRIPTS.items()
    for parameter, entry in script.document()["parameters"].items()
]


def harmful(pattern: str) -> set[str]:
    """Return the characters beyond the harmless ones that a value of this pattern may contain.

    The pattern is read by Python's own parser; what it cannot bound counts as harmful.
    """
    if not (pattern.startswith("^") and pattern.endswith("$")):
        return {"anything before or after"}
    return _characters(re._parser.parse(pattern)) - HARMLESS  # type: ignore[attr-defined, unused-ignore]


def _characters(parsed: Any) -> set[str]:
    found: set[str] = set()
    for kind, told in parsed:
        found |= _of_one(str(kind), told)
    return found


def _of_one(kind: str, told: Any) -> set[str]:
    if kind == "LITERAL":
        return {chr(told)}
    if kind == "RANGE":
        return {chr(code) for code in range(told[0], told[1] + 1)}
    if kind == "AT":
        return set() if str(told) in ("AT_BEGINNING", "AT_END") else {f"anchor {told}"}
    if kind == "IN":
        return _characters(told)
    if kind == "BRANCH":
        return set().union(*(_characters(branch) for branch in told[1]))
    if kind in ("MAX_REPEAT", "MIN_REPEAT"):
        return _characters(told[2])
    if kind == "SUBPATTERN":
        return _characters(told[3])
    return {f"whatever {kind} lets in"}


@pytest.mark.parametrize(("script", "parameter", "pattern"), PARAMETERS_OF_SCRIPTS)
def test_a_parameter_takes_only_characters_that_mean_nothing_to_a_shell(
    script: str, parameter: str, pattern: str
) -> None:
    assert harmful(pattern) == set()


@pytest.mark.parametrize(
    "pattern",
    [
        "^[a-z]+", "[a-z]+$", "[a-z]+", "^.*$", "^[^;]+$", "^[a-z ]+$", "^[a-z$]+$", "^[a-z`]+$",
        "^[a-z\n]+$", "^(a|b;c)$", "^[ -~]+$", "^[a-z]+[;]?$", "^[A-z]+$", "^[a-z]+(=[*])?$",
        "^{x}$", "^[a-z'\"]$", "^[a-z]+&?$", "^~?[a-z]+$", "^[a-z]+!$", "^#[a-z]+$", "^é$",
    ],
)  # fmt: skip
def test_a_pattern_that_lets_more_in_is_found(pattern: str) -> None:
    assert harmful(pattern) != set()


@pytest.mark.parametrize(("script", "parameter", "pattern"), PARAMETERS_OF_SCRIPTS)
def test_all_that_a_pattern_could_let_in_elsewhere_is_one_line_break_at_the_end(
    script: str, parameter: str, pattern: str
) -> None:
    # Where `$` also stands before a last line break, and the whole value need not match, a value
    # may end in one. Here it may not; nor in the script, which refuses it on the machine
    # (tests/scripts/test_every_script.py).
    for value in ("1", "a", "/", "a-b", "nginx", "/var/log", "auto", "1767268800"):
        for more in ("\n", "\r", "\n\n", "\nreboot", ";", " ", "\0"):
            assert re.fullmatch(pattern, value + more) is None
            assert more == "\n" or re.search(pattern, value + more) is None
        assert re.search(pattern, f"\n{value}") is None


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_document_is_made_of_its_script_and_nothing_in_it_is_substituted(name: str) -> None:
    folder = ROOT / "recovery_scripts"
    prelude = (folder / "_prelude.sh").read_text("utf-8")
    document = SCRIPTS[name].document()
    assert read_script(folder / f"{name}.sh", prelude).document() == document
    assert "{{" not in json.dumps(document)
    for entry in document["parameters"].values():
        assert (entry["type"], entry["interpolationType"]) == ("String", "ENV_VAR")
    [step] = document["mainSteps"]
    assert step["action"] == "aws:runShellScript"
    body = prelude + (folder / f"{name}.sh").read_text("utf-8")
    generated = re.compile(r"begin |parameter |stop_when_late|# Made from|$")
    for line in step["inputs"]["runCommand"]:
        assert line in body or generated.match(line), line
