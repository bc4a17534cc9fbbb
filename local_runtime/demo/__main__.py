"""`make demo`: a real service is overloaded, noticed, announced, restarted, verified."""

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autorecovery.config import Configuration, dump, load
from autorecovery.models.incident import Entry, EntryKind
from autorecovery.models.reason import Verdict
from autorecovery.scripts import shipped_scripts
from local_runtime.demo.story import Story
from local_runtime.demo.supervised import SupervisedService
from local_runtime.local_responses import quiet_the_runner
from local_runtime.log_store import subscription_payload
from local_runtime.machine import Machine, assemble
from metric_processor import handle

CODE = Path(__file__).resolve().parents[2]
GROUP, STREAM = "/demo/web", "web"
SAMPLE_SECONDS = 0.5
LONGEST = 60.0
"""Seconds after which the demo has failed, whatever it waits for."""


def main() -> int:
    """Return 0 only where the service was healed and that was verified."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell left it ignored
    quiet_the_runner()
    try:
        with _folder() as folder, _service(folder) as service, _machine(service, folder) as machine:
            return _play(service, machine)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; everything the demo started is gone\n")
        return 130


def _play(service: SupervisedService, machine: Machine) -> int:
    story = Story(sys.stdout)
    sick = service.pid
    story.tell("started", f"a web service under supervisor: process {sick}, port {service.port}")
    for _ in range(3):
        _measure(service, machine, story)
    story.tell("healthy", story.last_measured)
    service.run_away()
    story.tell("overload", "one request made it spin on a whole core, until somebody acts")
    end, told = time.monotonic() + LONGEST, set[str]()
    while time.monotonic() < end:
        _measure(service, machine, story)
        for entry in _new_entries(machine, told):
            _tell(entry, story, sick)
            if entry.kind is EntryKind.CLOSED:
                return _conclude(machine, story)
    story.tell("failed", f"not healed within {LONGEST:g} seconds")
    return 1


def _measure(service: SupervisedService, machine: Machine, story: Story) -> None:
    """Measure the service, write the log lines, and deliver them as CloudWatch Logs would."""
    time.sleep(SAMPLE_SECONDS)
    cpu, response = service.cpu_percent(), service.response_ms()
    story.measured(cpu, response)
    measured = {"service_cpu_percent": cpu, "response_ms": response}
    messages = [
        json.dumps({"host": machine.name, "metric": metric, "value": round(value, 1)})
        for metric, value in measured.items()
        if value is not None
    ]
    if messages:
        lines = machine.log_store.keep(GROUP, STREAM, messages)
        handle(subscription_payload(GROUP, STREAM, lines), machine.triage)


def _new_entries(machine: Machine, told: set[str]) -> Iterator[Entry]:
    for incident in machine.incidents.recent(1):
        for entry in machine.incidents.timeline(incident.id):
            if entry.key not in told:
                told.add(entry.key)
                yield entry


def _tell(entry: Entry, story: Story, sick: int | None) -> None:
    """Tell one line of the incident's timeline, as a person would."""
    if entry.kind is EntryKind.OPENED:
        story.tell("noticed", f"{entry.text} ({story.last_measured})", entry.at)
    elif entry.kind is EntryKind.NOTIFIED:
        story.tell("announced", entry.text.removeprefix("told: "), entry.at)
    elif entry.kind is EntryKind.DECIDED:
        story.tell("decided", entry.text, entry.at)
    elif entry.kind is EntryKind.STARTED and "command" in entry.facts:
        story.tell("restarting", f"restart_service.sh runs; the sick process is {sick}", entry.at)
    elif entry.kind is EntryKind.ENDED:
        report = _report(entry)
        story.tell(
            "restarted", f"process {report.get('old_pid')} is gone, {report.get('new_pid')} serves",
            entry.at,
        )  # fmt: skip
    elif entry.kind is EntryKind.VERIFIED:
        story.tell("verified", entry.text, entry.at)


def _report(entry: Entry) -> dict[str, object]:
    """Return the JSON line with which a script ends, or nothing where there is none."""
    try:
        report: dict[str, object] = json.loads(str(entry.facts.get("output", "")).strip())
    except json.JSONDecodeError:
        return {}
    return report


def _conclude(machine: Machine, story: Story) -> int:
    incident = machine.incidents.recent(1)[0]
    attempt = machine.memory.attempts.last_on(incident.target)
    seconds = time.monotonic() - story.began
    if attempt is None or attempt.verdict is not Verdict.VERIFIED:
        story.tell("failed", f"incident {incident.id} was closed without proof of a recovery")
        return 1
    story.tell("healed", f"{story.last_measured}; {seconds:.1f} s in all, incident {incident.id}")
    return 0


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="autorecovery-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _service(folder: Path) -> Iterator[SupervisedService]:
    service = SupervisedService(folder)
    try:
        service.start()
        yield service
    finally:
        service.stop()


@contextmanager
def _machine(service: SupervisedService, folder: Path) -> Iterator[Machine]:
    scripts = shipped_scripts(CODE / "recovery_scripts")
    configuration = load(Path(__file__).with_name("config.yaml"), {}, scripts).configuration
    # supervisorctl lives in our own environment, and nobody can know this folder before it exists.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    machine = assemble(
        _with_parameter(configuration, "supervisor_config", str(service.config)),
        scripts, folder, lambda notice: None, {**os.environ, "PATH": path},
    )  # fmt: skip
    try:
        yield machine
    finally:
        machine.close()


def _with_parameter(configuration: Configuration, name: str, value: str) -> Configuration:
    content = dump(configuration)
    for rule in content["rules"].values():
        for rung in rule["recover"]:
            rung["with"][name] = value
    return Configuration.model_validate(content)


if __name__ == "__main__":
    sys.exit(main())
