"""`validate` and `config`: is the configuration right, and where does each value come from."""

import sys
from collections.abc import Mapping
from pathlib import Path

from autorecovery.config import InvalidConfigurationError, Resolved, flatten, load
from autorecovery.scripts import Script, shipped_scripts
from command_line.exit_codes import ExitCode
from command_line.failures import Failure
from command_line.output import print_json, print_lines, print_table

SCRIPTS = Path(__file__).resolve().parent.parent / "recovery_scripts"


def scripts() -> dict[str, Script]:
    """Return the recovery scripts of this checkout."""
    return shipped_scripts(SCRIPTS)


def resolve(path: Path, variables: Mapping[str, str]) -> Resolved:
    """Return the valid configuration, or end with exit code 3 and every mistake in it."""
    try:
        return load(path, variables, scripts())
    except InvalidConfigurationError as error:
        raise Failure(ExitCode.CONFIG_INVALID, str(error)) from error


def validate(path: Path, variables: Mapping[str, str], *, as_json: bool) -> None:
    """Say that the configuration is right, or what is wrong with it."""
    try:
        resolved = load(path, variables, scripts())
    except InvalidConfigurationError as error:
        if as_json:
            problems = [
                {"path": p.path, "line": p.line, "column": p.column, "message": p.message}
                for p in error.problems
            ]
            print_json({"valid": False, "problems": problems})
        raise Failure(ExitCode.CONFIG_INVALID, str(error)) from error
    rules = resolved.configuration.rules
    if not rules:
        sys.stderr.write(f"{path}: it has no rules: nothing is watched\n")
    acting = [name for name, rule in rules.items() if rule.recover and rule.autonomy == "auto"]
    if as_json:
        print_json({"valid": True, "rules": len(rules), "acting": acting})
        return
    print_lines(
        f"{path}: valid, {len(rules)} rules; "
        + (f"acting by themselves: {', '.join(acting)}" if acting else "none acts by itself")
    )


def show(path: Path, variables: Mapping[str, str], *, everything: bool, as_json: bool) -> None:
    """Print every value with its origin: `file`, an environment variable, or `default`."""
    resolved = resolve(path, variables)
    rows = [
        (name, value, resolved.origins.get(name, "default"))
        for name, value in flatten(resolved.configuration).items()
    ]
    shown = [row for row in rows if everything or as_json or row[2] != "default"]
    if as_json:
        values = {name: {"value": value, "origin": origin} for name, value, origin in shown}
        print_json({"values": values})
        return
    print_table([(n, _text(v), o) for n, v, o in shown], ("setting", "value", "origin"))


def _text(value: object) -> str:
    return (
        ", ".join(map(str, value))
        if isinstance(value, list)
        else ""
        if value is None
        else str(value)
    )
