"""`init`: a commented configuration to start from, with what an account has already."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from command_line.exit_codes import ExitCode
from command_line.failures import Failure
from command_line.output import print_json, print_lines

TEMPLATE = Path(__file__).with_name("template.yaml")


@dataclass(frozen=True)
class Inventory:
    """What an account has: instances by id with their names, and alarms by name."""

    instances: dict[str, str]
    alarms: tuple[str, ...]


def write(path: Path, *, from_aws: bool, force: bool, as_json: bool) -> None:
    """Write the configuration; an existing file is kept unless told otherwise."""
    if path.exists() and not force:
        raise Failure(ExitCode.USAGE, f"{path} exists already; --force overwrites it")
    text, inventory = TEMPLATE.read_text(encoding="utf-8"), None
    if from_aws:
        inventory = _take_inventory()
        text = _with_inventory(text, inventory)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failure(ExitCode.ENVIRONMENT, f"{path} cannot be written: {error}") from error
    if as_json:
        found = inventory or Inventory({}, ())
        print_json({"path": str(path), "instances": found.instances, "alarms": list(found.alarms)})
        return
    print_lines(f"wrote {path}; now edit it, and check it with: autorecovery validate -c {path}")


def _with_inventory(text: str, inventory: Inventory) -> str:
    """Return the text with adopted alarms as rules, and the account's instances as a comment."""
    lines = [text.rstrip(), "", "# Found in this account. Tag an instance to opt it in:"]
    for instance, name in inventory.instances.items():
        lines.append(f"#   {instance}  {_comment(name)}")
    if not inventory.instances:
        lines.append("#   no instances")
    return _with_rules("\n".join(lines) + "\n", inventory.alarms)


def _with_rules(text: str, alarms: tuple[str, ...]) -> str:
    """Return the text with a rule for each alarm, before the `notify` section."""
    if not alarms:
        return text
    rules: dict[str, Any] = {
        f"adopted-{number}": {"when": {"alarm": _literal(alarm)}, "autonomy": "observe"}
        for number, alarm in enumerate(alarms, start=1)
    }
    block = yaml.safe_dump(rules, sort_keys=False, allow_unicode=True)
    indented = "".join(f"  {line}\n" for line in block.splitlines())
    head, marker, tail = text.partition("\nnotify:")
    heading = "  # Alarms that exist already: told, and grouped into incidents; nothing is run."
    return f"{head}\n{heading}\n{indented}{marker}{tail}"


def _literal(alarm: str) -> str:
    """Return a pattern that matches this very name: `*`, `?` and `[` are not wild in it."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in alarm)


def _comment(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _take_inventory() -> Inventory:
    from botocore.exceptions import BotoCoreError, ClientError

    from autorecovery.adapters.aws import clients

    try:
        reservations = [
            reservation
            for page in clients.ec2().get_paginator("describe_instances").paginate()
            for reservation in page["Reservations"]
        ]
        alarms = [
            alarm["AlarmName"]
            for page in clients.cloudwatch().get_paginator("describe_alarms").paginate()
            for alarm in (*page.get("MetricAlarms", []), *page.get("CompositeAlarms", []))
        ]
    except (BotoCoreError, ClientError) as error:
        message = f"the account cannot be read: {error}. Are credentials and region set?"
        raise Failure(ExitCode.ENVIRONMENT, message) from error
    instances = {
        instance["InstanceId"]: next(
            (tag["Value"] for tag in instance.get("Tags", []) if tag["Key"] == "Name"), ""
        )
        for reservation in reservations
        for instance in reservation["Instances"]
    }
    return Inventory(instances, tuple(alarms))
