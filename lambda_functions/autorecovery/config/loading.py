"""From a file and the environment to a valid configuration that knows its origins."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from autorecovery.config.checks import impossibilities
from autorecovery.config.overrides import Origins, override
from autorecovery.config.problems import (
    InvalidConfigurationError,
    Marks,
    Place,
    Problem,
    ProblemFound,
    dotted,
    problem_at,
)
from autorecovery.config.schema import Configuration

if TYPE_CHECKING:
    from autorecovery.scripts import Script

# It travels in alarm descriptions, store keys and subjects; a colon would look like a stand-in.
_RULE_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,98}[A-Za-z0-9._-])?")


@dataclass(frozen=True, slots=True)
class Resolved:
    """A valid configuration, and where each of its values came from."""

    configuration: Configuration
    origins: Origins
    """Dotted path to `file`, or to the variable that set it; all others are defaults."""


def load(
    path: Path, environment: Mapping[str, str], scripts: "Mapping[str, Script] | None" = None
) -> Resolved:
    """Return the configuration in a YAML (or JSON) file, as the environment overrides it.

    With `scripts`, every rung is also checked against the scripts that are shipped.
    Raises InvalidConfigurationError with line, column, expectation and suggestion.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem("", f"cannot be read: {error}")
        raise InvalidConfigurationError(str(path), [problem]) from error
    return loads(text, path.name, environment, scripts)


def loads(
    text: str,
    name: str,
    environment: Mapping[str, str],
    scripts: "Mapping[str, Script] | None" = None,
) -> Resolved:
    """Return the configuration in a text; `name` is what error messages call it. See `load`."""
    # Here, because the Lambdas read JSON: they start without a YAML parser.
    from autorecovery.config.places import read_yaml

    try:
        content, marks = read_yaml(text)
    except ProblemFound as found:
        raise InvalidConfigurationError(name, [found.problem]) from found
    return _resolve(content, marks, name, environment, scripts)


def load_shipped(
    path: Path, environment: Mapping[str, str], scripts: "Mapping[str, Script] | None" = None
) -> Configuration:
    """Return the configuration that was shipped as JSON, as the environment overrides it.

    Faster than `load`, and without places in its messages: the file was valid when it was shipped.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    return _resolve(content, {}, path.name, environment, scripts).configuration


def dump(configuration: Configuration) -> dict[str, Any]:
    """Return the configuration as JSON values that `load_shipped` reads back to an equal one."""
    content = configuration.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    for rule in content.get("rules", {}).values():
        del rule["name"]
    return content


def flatten(configuration: Configuration) -> dict[str, Any]:
    """Return every value under its dotted path, defaults included."""
    content = configuration.model_dump(mode="json", by_alias=True)
    for rule in content["rules"].values():
        del rule["name"]
    return dict(_leaves(content, ()))


def _leaves(value: Any, place: Place) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, (*place, key))
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*place, index))
    else:
        yield dotted(place), value


def _resolve(
    content: dict[str, Any],
    marks: Marks,
    name: str,
    environment: Mapping[str, str],
    scripts: "Mapping[str, Script] | None",
) -> Resolved:
    origins = {dotted(place): "file" for place in marks if place}
    problems = _names(content, marks)
    try:
        configuration = _validate(override(content, environment, origins))
        problems += impossibilities(configuration, scripts, marks)
    except ProblemFound as found:
        problems.append(found.problem)
    except ValidationError as error:
        problems += _invalid(error, marks)
    if problems:
        told = [_with_origin(problem, origins) for problem in problems]
        raise InvalidConfigurationError(name, told)
    return Resolved(configuration, origins)


def _validate(content: dict[str, Any]) -> Configuration:
    # By alias alone: a file says `with`, `for` and `lambda`, and nothing else.
    return Configuration.model_validate(content, by_alias=True, by_name=False)


def _invalid(error: ValidationError, marks: Marks) -> list[Problem]:
    # Here, because it is only needed where something is wrong.
    from autorecovery.config.wording import message_of, place_of

    return [
        problem_at(place_of(each["loc"]), message_of(each), marks)
        for each in error.errors(include_url=False)
    ]


def _names(content: dict[str, Any], marks: Marks) -> list[Problem]:
    """Find rules whose key makes no name, and rules that are given another name inside."""
    rules = content.get("rules")
    problems = []
    for key, rule in rules.items() if isinstance(rules, dict) else ():
        if not _RULE_NAME.fullmatch(str(key)):
            message = "a rule's name is 1 to 100 letters, digits, blanks and . _ -"
            problems.append(problem_at(("rules", key), message, marks))
        if isinstance(rule, dict) and "name" in rule:
            message = "unknown key; a rule is named by its key"
            problems.append(problem_at(("rules", key, "name"), message, marks))
    return problems


def _with_origin(problem: Problem, origins: Origins) -> Problem:
    variable = origins.get(problem.path, "file")
    if variable == "file":
        return problem
    message = f"{problem.message} (set by {variable})"
    return Problem(problem.path, message, problem.line, problem.column)
