"""The recovery scripts: their headers, their values, and the documents made from them.

A script is a bash file that begins by declaring itself:

    #!/bin/bash
    # description: Restart one service and wait until it is really active.
    # timeout: 120
    # parameter: service ^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$
    #   The service to restart.
    # parameter: settle ^(0|[1-9][0-9]?)$ = 5
    #   For how many seconds it has to stay up.

`timeout` is in seconds of execution. A parameter with ` = default` is optional; nothing after the
equals sign means the empty text. An indented comment continues the line above it.

Values travel only as environment variables named `SSM_<parameter>`, and are checked three times
against the same pattern: here, by Systems Manager, and by the script itself on the machine. Bash,
Python and Systems Manager must therefore read a pattern alike: it is anchored on both sides, and
it knows neither backslashes nor `(?`.
"""

import difflib
import hashlib
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from autorecovery.models.actions import WITHOUT_SCRIPT

MINIMUM_AGENT_VERSION: Final = (3, 3, 2746, 0)
"""The first SSM agent that passes parameters as environment variables (`ENV_VAR`).

An older one would leave every `SSM_*` variable unset: do not send it a command.
"""

TOO_LATE: Final = 75
"""The exit code of a script that started past its `not_after` and did nothing."""

# Systems Manager refuses documents above 64 KB, parameters included; some air is left for them.
_MAX_DOCUMENT_BYTES: Final = 60_000

_FIELD = re.compile(r"# (?P<key>[a-z]+): (?P<value>\S.*)")
_CONTINUATION = re.compile(r"# {3,}(?P<text>\S.*)")
_DECLARATION = re.compile(r"(?P<name>\S+) (?P<pattern>\S+)(?: =(?: (?P<default>.*)|(?P<empty>)))?")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_SECONDS = re.compile(r"[1-9][0-9]{0,4}")
_KEYS = ("description", "timeout", "parameter")
_LONGEST_SHOWN_VALUE = 60


class ScriptError(ValueError):
    """A script's header is wrong, or a script was given values it does not take."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One value that a script takes; `default` is None where it must be given."""

    name: str
    pattern: str
    description: str
    default: str | None = None

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is None

    def accepts(self, value: str) -> bool:
        """Return whether the whole value matches the pattern."""
        return re.fullmatch(self.pattern, value) is not None


# Every script has these two: the generator adds them, headers do not declare them.
_NOT_AFTER = Parameter(
    "not_after", "^[0-9]{1,12}$", "Unix time in seconds; past it the script does nothing."
)
_ATTEMPT = Parameter(
    "attempt", "^[A-Za-z0-9_-]{1,64}$", "Token of this attempt, repeated in the result."
)
_STANDARD_PARAMETERS: Final = (_NOT_AFTER, _ATTEMPT)


@dataclass(frozen=True)
class Script:
    """A recovery script: what it takes, and the one text that every machine runs."""

    name: str
    description: str
    timeout: timedelta
    parameters: tuple[Parameter, ...]
    text: str

    def bind(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return a checked value for every declared parameter, defaults filled in.

        Raises:
            ScriptError: if a name is unknown, or a value is missing or does not match.
        """
        self._refuse_unknown(values)
        return {parameter.name: self._bind_one(parameter, values) for parameter in self.parameters}

    def arguments(
        self, values: Mapping[str, str], *, not_after: datetime, attempt: str
    ) -> dict[str, str]:
        """Return everything one run is given: the bound values and the standard parameters.

        Raises:
            ScriptError: as `bind`, or if `attempt` is not a token.
        """
        standard = {"not_after": str(int(not_after.timestamp())), "attempt": attempt}
        return self.bind(values) | {
            parameter.name: self._bind_one(parameter, standard)
            for parameter in _STANDARD_PARAMETERS
        }

    def environment(
        self, values: Mapping[str, str], *, not_after: datetime, attempt: str
    ) -> dict[str, str]:
        """Return the same as variables, named as the SSM agent names them."""
        arguments = self.arguments(values, not_after=not_after, attempt=attempt)
        return {f"SSM_{name}": value for name, value in arguments.items()}

    def document(self) -> dict[str, Any]:
        """Return the SSM Command document of this script; nothing in it is interpolated."""
        step = {
            "action": "aws:runShellScript",
            "name": self.name,
            "precondition": {"StringEquals": ["platformType", "Linux"]},
            "inputs": {
                "timeoutSeconds": str(int(self.timeout.total_seconds())),
                "runCommand": self.text.removesuffix("\n").split("\n"),
            },
        }
        return {
            "schemaVersion": "2.2",
            "description": self.description,
            "parameters": {
                parameter.name: _document_parameter(parameter)
                for parameter in (*_STANDARD_PARAMETERS, *self.parameters)
            },
            "mainSteps": [step],
        }

    @cached_property
    def sha256(self) -> str:
        """The content address: the hash of the document as canonical JSON."""
        return hashlib.sha256(self._canonical_document()).hexdigest()

    def _canonical_document(self) -> bytes:
        return json.dumps(self.document(), sort_keys=True, separators=(",", ":")).encode()

    def _refuse_unknown(self, values: Mapping[str, str]) -> None:
        declared = [parameter.name for parameter in self.parameters]
        for name in values:
            if name not in declared:
                raise ScriptError(
                    f"{self.name} has no parameter {_shown(name)}{_suggestion(name, declared)}"
                )

    def _bind_one(self, parameter: Parameter, values: Mapping[str, str]) -> str:
        value = values.get(parameter.name, parameter.default)
        if value is None:
            raise ScriptError(f"{self.name} needs a value for {parameter.name!r}")
        if not parameter.accepts(value):
            raise ScriptError(
                f"{self.name}: {parameter.name} is {_shown(value)}, "
                f"which does not match {parameter.pattern}"
            )
        return value


def shipped_scripts(folder: Path) -> dict[str, Script]:
    """Return the scripts of a folder by name; `_prelude.sh` is put in front of each.

    Raises:
        ScriptError: if a header is wrong; the message starts with file and line.
    """
    prelude = (folder / "_prelude.sh").read_text(encoding="utf-8")
    paths = sorted(path for path in folder.glob("*.sh") if not path.name.startswith("_"))
    return {path.stem: read_script(path, prelude) for path in paths}


def read_script(path: Path, prelude: str) -> Script:
    """Return the script in a file, rendered behind the prelude.

    Raises:
        ScriptError: if the header is wrong; the message starts with file and line.
    """
    if path.stem in WITHOUT_SCRIPT:
        raise ScriptError(f"{path}:1: {path.stem} is an action of its own; use another name")
    source = path.read_text(encoding="utf-8")
    header = _Header.read(path, source)
    script = Script(
        name=path.stem,
        description=header.description,
        timeout=header.timeout,
        parameters=header.parameters,
        text=_render(path.stem, header.parameters, prelude, source),
    )
    _refuse_what_systems_manager_would(script, path)
    return script


@dataclass(frozen=True, slots=True)
class _Field:
    """One `key: value` of a header with the text that continues it, and where it stands."""

    key: str
    value: str
    continuation: str
    place: str


@dataclass(frozen=True, slots=True)
class _Header:
    description: str
    timeout: timedelta
    parameters: tuple[Parameter, ...]

    @classmethod
    def read(cls, path: Path, source: str) -> "_Header":
        fields = list(_fields(path, source))
        description = _only(fields, "description", path)
        timeout = _only(fields, "timeout", path)
        return cls(
            description=f"{description.value} {description.continuation}".strip(),
            timeout=_timeout(timeout),
            parameters=_parameters([field for field in fields if field.key == "parameter"]),
        )


def _fields(path: Path, source: str) -> Iterator[_Field]:
    """Yield the fields of the comment block at the top, each with its continuation joined."""
    pending: _Field | None = None
    for number, line in enumerate(source.splitlines(), start=1):
        if not line.startswith("#"):
            break
        if line == "#" or line.startswith("#!"):
            continue
        place = f"{path}:{number}"
        if continuation := _CONTINUATION.fullmatch(line):
            pending = _continued(pending, continuation["text"], place)
            continue
        if pending is not None:
            yield pending
        pending = _field(line, place)
    if pending is not None:
        yield pending


def _field(line: str, place: str) -> _Field:
    field = _FIELD.fullmatch(line)
    if field is None:
        raise ScriptError(f"{place}: expected '# key: value', got {_shown(line)}")
    if field["key"] not in _KEYS:
        raise ScriptError(
            f"{place}: unknown key {_shown(field['key'])}{_suggestion(field['key'], _KEYS)}"
        )
    return _Field(field["key"], field["value"], "", place)


def _continued(field: _Field | None, text: str, place: str) -> _Field:
    if field is None:
        raise ScriptError(f"{place}: {_shown(text)} continues nothing")
    return replace(field, continuation=f"{field.continuation} {text}".strip())


def _only(fields: list[_Field], key: str, path: Path) -> _Field:
    found = [field for field in fields if field.key == key]
    if not found:
        raise ScriptError(f"{path}:1: the header has no {key}")
    if len(found) > 1:
        raise ScriptError(f"{found[1].place}: {key} is given twice")
    return found[0]


def _timeout(field: _Field) -> timedelta:
    if _SECONDS.fullmatch(field.value) is None:
        raise ScriptError(f"{field.place}: timeout is {_shown(field.value)}, not whole seconds")
    return timedelta(seconds=int(field.value))


def _parameters(fields: list[_Field]) -> tuple[Parameter, ...]:
    taken = {parameter.name for parameter in _STANDARD_PARAMETERS}
    parameters = []
    for field in fields:
        parameter = _parameter(field)
        if parameter.name in taken:
            raise ScriptError(f"{field.place}: parameter {parameter.name!r} is declared twice")
        taken.add(parameter.name)
        parameters.append(parameter)
    return tuple(parameters)


def _parameter(field: _Field) -> Parameter:
    declaration = _DECLARATION.fullmatch(field.value)
    if declaration is None:
        raise ScriptError(
            f"{field.place}: expected 'name ^pattern$' or 'name ^pattern$ = default', "
            f"got {_shown(field.value)}"
        )
    default = declaration["default"]
    parameter = Parameter(
        name=declaration["name"],
        pattern=declaration["pattern"],
        description=field.continuation,
        default="" if declaration["empty"] is not None else default,
    )
    _refuse_unsound(parameter, field.place)
    return parameter


def _refuse_unsound(parameter: Parameter, place: str) -> None:
    if _NAME.fullmatch(parameter.name) is None:
        raise ScriptError(f"{place}: {_shown(parameter.name)} is not a parameter name")
    if not parameter.description:
        raise ScriptError(f"{place}: parameter {parameter.name!r} has no description below it")
    if problem := _problem_of_pattern(parameter.pattern):
        raise ScriptError(f"{place}: the pattern {parameter.pattern} {problem}")
    if parameter.default is not None and not parameter.accepts(parameter.default):
        raise ScriptError(
            f"{place}: the default {_shown(parameter.default)} does not match {parameter.pattern}"
        )


def _problem_of_pattern(pattern: str) -> str | None:
    """Return what is wrong with a pattern, as the end of a sentence."""
    if not (pattern.startswith("^") and pattern.endswith("$")):
        return "is not anchored as ^...$"
    if "\\" in pattern or "(?" in pattern:
        return "uses a backslash or '(?', which bash reads differently"
    try:
        re.compile(pattern)
    except re.error as error:
        return f"does not compile: {error}"
    if _alternates_at_top(pattern):
        return "has alternatives outside of brackets, so the anchors hold for one of them only"
    return None


def _alternates_at_top(pattern: str) -> bool:
    """Return whether a `|` stands outside of all groups, as in `^a|b$`, which lets `ab;c` in."""
    remaining = re.sub(r"\[\^?\]?[^]]*\]", "", pattern)
    while (shorter := re.sub(r"\([^()]*\)", "", remaining)) != remaining:
        remaining = shorter
    return "|" in remaining


def _render(name: str, parameters: tuple[Parameter, ...], prelude: str, source: str) -> str:
    """Return the text to run: prelude, the checks that the header asks for, and the script."""
    checks = [_check(parameter) for parameter in (*_STANDARD_PARAMETERS, *parameters)]
    opening = "\n".join([f"begin {name}", *checks, "stop_when_late"])
    return f"{prelude}\n# Made from the header of {name}.sh:\n{opening}\n\n{_body(source)}"


def _check(parameter: Parameter) -> str:
    words = ["parameter", parameter.name, parameter.pattern]
    if parameter.default is not None:
        words.append(parameter.default)
    return shlex.join(words)


def _body(source: str) -> str:
    """Return what follows the header: its comments have become checks and metadata."""
    lines = source.splitlines(keepends=True)
    start = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return "".join(lines[start:]).lstrip("\n")


def _refuse_what_systems_manager_would(script: Script, path: Path) -> None:
    # Two opening braces start an interpolation, also inside a comment or a Go template.
    if "{" * 2 in script.text or "{" * 2 in script.description:
        raise ScriptError(f"{path}:1: two opening braces are Systems Manager's own syntax")
    size = len(script._canonical_document())
    if size > _MAX_DOCUMENT_BYTES:
        raise ScriptError(f"{path}:1: its document has {size} bytes of {_MAX_DOCUMENT_BYTES}")


def _document_parameter(parameter: Parameter) -> dict[str, str]:
    declared = {
        "type": "String",
        "description": parameter.description,
        "allowedPattern": parameter.pattern,
        "interpolationType": "ENV_VAR",
    }
    return declared if parameter.default is None else declared | {"default": parameter.default}


def _shown(value: str) -> str:
    """Return the value as a literal, cut: it may come from a hostile place."""
    cut = value if len(value) <= _LONGEST_SHOWN_VALUE else f"{value[:_LONGEST_SHOWN_VALUE]}…"
    return repr(cut)


def _suggestion(name: str, known: list[str] | tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; it knows {', '.join(known) or 'none'}"
