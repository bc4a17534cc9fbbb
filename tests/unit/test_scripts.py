import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from autorecovery.models.actions import WITHOUT_SCRIPT
from autorecovery.scripts import (
    MINIMUM_AGENT_VERSION,
    TOO_LATE,
    Parameter,
    Script,
    ScriptError,
    read_script,
    shipped_scripts,
)

FOLDER = Path(__file__).parents[2] / "recovery_scripts"
SHIPPED = shipped_scripts(FOLDER)
AT_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

PRELUDE = "#!/bin/bash\n# the prelude\n"
GREET = """\
#!/bin/bash
# description: Greet somebody,
#   and be quick about it.
# timeout: 90
#
# parameter: name ^[a-z]{1,10}$
#   Whom to greet,
#   without a title.
# parameter: greeting ^(hello|good-day)$ = good-day
#   What to say.
# parameter: suffix ^[!]?$ =
#   What to add.

# This comment belongs to the script.
echo "$SSM_greeting, $SSM_name$SSM_suffix"
"""

Read = Callable[[str], Script]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Read a script from its text, as greet.sh."""
    monkeypatch.chdir(tmp_path)

    def read_text(source: str) -> Script:
        path = Path("greet.sh")
        path.write_text(source)
        return read_script(path, PRELUDE)

    return read_text


@pytest.fixture
def greet(read: Read) -> Script:
    return read(GREET)


# --- Reading a header ---


def test_a_header_declares_everything_about_a_script(greet: Script) -> None:
    assert greet.name == "greet"
    assert greet.description == "Greet somebody, and be quick about it."
    assert greet.timeout == timedelta(seconds=90)
    assert greet.parameters == (
        Parameter("name", "^[a-z]{1,10}$", "Whom to greet, without a title."),
        Parameter("greeting", "^(hello|good-day)$", "What to say.", "good-day"),
        Parameter("suffix", "^[!]?$", "What to add.", ""),
    )
    assert [parameter.required for parameter in greet.parameters] == [True, False, False]


def test_the_text_to_run_checks_what_the_header_declares(greet: Script) -> None:
    assert greet.text == (
        "#!/bin/bash\n"
        "# the prelude\n"
        "\n"
        "# Made from the header of greet.sh:\n"
        "begin greet\n"
        "parameter not_after '^[0-9]{1,12}$'\n"
        "parameter attempt '^[A-Za-z0-9_-]{1,64}$'\n"
        "parameter name '^[a-z]{1,10}$'\n"
        "parameter greeting '^(hello|good-day)$' good-day\n"
        "parameter suffix '^[!]?$' ''\n"
        "stop_when_late\n"
        "\n"
        "# This comment belongs to the script.\n"
        'echo "$SSM_greeting, $SSM_name$SSM_suffix"\n'
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("# timeout: 90\n", "", "greet.sh:1: the header has no timeout"),
        ("# timeout: 90", "# timeout: 1.5", "greet.sh:4: timeout is '1.5', not whole seconds"),
        ("# timeout: 90", "# timeout: 0", "greet.sh:4: timeout is '0', not whole seconds"),
        (
            "# timeout: 90",
            "# timeout: 90\n# timeout: 91",
            "greet.sh:5: timeout is given twice",
        ),
        (
            "# timeout: 90",
            "# timout: 90",
            "greet.sh:4: unknown key 'timout'; did you mean 'timeout'?",
        ),
        ("# timeout: 90", "# 90 s", "greet.sh:4: expected '# key: value', got '# 90 s'"),
        (
            "# description: Greet somebody,\n",
            "",
            "greet.sh:2: 'and be quick about it.' continues nothing",
        ),
        (
            "# parameter: name ^[a-z]{1,10}$",
            "# parameter: name",
            "greet.sh:6: expected 'name ^pattern$' or 'name ^pattern$ = default', got 'name'",
        ),
        (
            "# parameter: suffix ^[!]?$ =",
            "# parameter: name ^[!]?$ =",
            "greet.sh:11: parameter 'name' is declared twice",
        ),
        (
            "# parameter: suffix",
            "# parameter: attempt",
            "greet.sh:11: parameter 'attempt' is declared twice",
        ),
        (
            "# parameter: suffix",
            "# parameter: Suf-fix",
            "greet.sh:11: 'Suf-fix' is not a parameter name",
        ),
        ("#   What to say.\n", "", "greet.sh:9: parameter 'greeting' has no description below it"),
        ("^[a-z]{1,10}$", "[a-z]+$", "greet.sh:6: the pattern [a-z]+$ is not anchored as ^...$"),
        ("^[a-z]{1,10}$", "^[a-z]+", "greet.sh:6: the pattern ^[a-z]+ is not anchored as ^...$"),
        (
            "^[a-z]{1,10}$",
            "^a|[b]$",
            "greet.sh:6: the pattern ^a|[b]$ has alternatives outside of brackets, "
            "so the anchors hold for one of them only",
        ),
        (
            "^[a-z]{1,10}$",
            r"^\w+$",
            r"greet.sh:6: the pattern ^\w+$ uses a backslash or '(?', which bash reads differently",
        ),
        (
            "^[a-z]{1,10}$",
            "^(?!x)y$",
            "greet.sh:6: the pattern ^(?!x)y$ uses a backslash or '(?', "
            "which bash reads differently",
        ),
        (
            "^[a-z]{1,10}$",
            "^[a-z$",
            "greet.sh:6: the pattern ^[a-z$ does not compile: "
            "unterminated character set at position 1",
        ),
        (
            "= good-day",
            "= goodbye",
            "greet.sh:9: the default 'goodbye' does not match ^(hello|good-day)$",
        ),
        (
            "# This comment",
            "# {{ name }}",
            "greet.sh:1: two opening braces are Systems Manager's own syntax",
        ),
    ],
)
def test_a_wrong_header_is_an_error_with_its_place(
    read: Read, old: str, new: str, message: str
) -> None:
    with pytest.raises(ScriptError) as caught:
        read(GREET.replace(old, new, 1))
    assert str(caught.value) == message


@pytest.mark.parametrize("pattern", ["^(a|b)$", "^[|]$", "^((a|b)c|[)|]+)?$", "^[]|]$"])
def test_alternatives_within_brackets_are_fine(read: Read, pattern: str) -> None:
    assert read(GREET.replace("^[a-z]{1,10}$", pattern)).parameters[0].pattern == pattern


def test_a_script_too_long_for_a_document_is_an_error(read: Read) -> None:
    with pytest.raises(ScriptError, match=r"^greet.sh:1: its document has \d+ bytes of 60000$"):
        read(GREET + "# padding\n" * 6000)


def test_a_script_without_parameters_and_body_is_a_script(read: Read) -> None:
    script = read("# description: Nothing.\n# timeout: 1\n")
    assert script.parameters == ()
    assert script.bind({}) == {}


# --- Binding values ---


def test_bound_values_are_completed_with_defaults(greet: Script) -> None:
    assert greet.bind({"name": "ada"}) == {"name": "ada", "greeting": "good-day", "suffix": ""}
    assert greet.bind({"name": "ada", "suffix": "!"})["suffix"] == "!"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "greet needs a value for 'name'"),
        ({"name": ""}, "greet: name is '', which does not match ^[a-z]{1,10}$"),
        ({"name": "ada\n"}, r"greet: name is 'ada\n', which does not match ^[a-z]{1,10}$"),
        (
            {"name": "$(reboot)" * 9},
            "greet: name is '$(reboot)$(reboot)$(reboot)$(reboot)$(reboot)$(reboot)$(rebo…', "
            "which does not match ^[a-z]{1,10}$",
        ),
        (
            {"name": "ada", "greting": "hello"},
            "greet has no parameter 'greting'; did you mean 'greeting'?",
        ),
        (
            {"name": "ada", "volume": "11"},
            "greet has no parameter 'volume'; it knows name, greeting, suffix",
        ),
        (
            {"name": "ada", "attempt": "x"},
            "greet has no parameter 'attempt'; it knows name, greeting, suffix",
        ),
    ],
)
def test_a_wrong_value_is_an_error_that_says_what_is_right(
    greet: Script, values: dict[str, str], message: str
) -> None:
    with pytest.raises(ScriptError) as caught:
        greet.bind(values)
    assert str(caught.value) == message


def test_a_run_is_also_told_until_when_and_for_which_attempt(greet: Script) -> None:
    expected = {
        "name": "ada",
        "greeting": "good-day",
        "suffix": "",
        "not_after": "1767268800",
        "attempt": "i-1",
    }
    assert greet.arguments({"name": "ada"}, not_after=AT_NOON, attempt="i-1") == expected
    assert greet.environment({"name": "ada"}, not_after=AT_NOON, attempt="i-1") == {
        f"SSM_{name}": value for name, value in expected.items()
    }


def test_an_attempt_that_is_no_token_is_an_error(greet: Script) -> None:
    with pytest.raises(ScriptError, match="attempt is 'a b'"):
        greet.environment({"name": "ada"}, not_after=AT_NOON, attempt="a b")


# --- The document ---


def test_the_document_passes_parameters_as_variables_only(greet: Script) -> None:
    document = greet.document()
    assert document["schemaVersion"] == "2.2"
    assert document["parameters"]["name"] == {
        "type": "String",
        "description": "Whom to greet, without a title.",
        "allowedPattern": "^[a-z]{1,10}$",
        "interpolationType": "ENV_VAR",
    }
    assert document["parameters"]["suffix"]["default"] == ""
    assert list(document["parameters"]) == ["not_after", "attempt", "name", "greeting", "suffix"]
    [step] = document["mainSteps"]
    assert step["action"] == "aws:runShellScript"
    assert step["precondition"] == {"StringEquals": ["platformType", "Linux"]}
    assert step["inputs"]["timeoutSeconds"] == "90"
    assert "\n".join(step["inputs"]["runCommand"]) + "\n" == greet.text


def test_the_hash_follows_the_content(read: Read, greet: Script) -> None:
    assert greet.sha256 == read(GREET).sha256
    assert greet.sha256 != read(GREET.replace("90", "91")).sha256
    assert re.fullmatch("[0-9a-f]{64}", greet.sha256)


@pytest.mark.parametrize("name", sorted(WITHOUT_SCRIPT))
def test_a_script_with_the_name_of_an_action_is_an_error(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.sh"
    path.write_text(GREET)
    with pytest.raises(ScriptError, match=rf"{name}\.sh:1: {name} is an action of its own"):
        read_script(path, PRELUDE)


# --- What is shipped ---


def test_these_scripts_are_shipped() -> None:
    assert list(SHIPPED) == [
        "free_disk_space",
        "noop",
        "relieve_memory",
        "restart_container",
        "restart_service",
        "terminate_process",
    ]


@pytest.mark.parametrize("script", SHIPPED.values(), ids=SHIPPED)
def test_every_shipped_document_is_one_that_systems_manager_takes(script: Script) -> None:
    document = json.dumps(script.document())
    assert len(document.encode()) < 60_000
    assert "{" * 2 not in script.text
    assert script.text.startswith("#!/bin/bash\n")
    assert script.text.isascii()
    assert {entry["interpolationType"] for entry in script.document()["parameters"].values()} == {
        "ENV_VAR"
    }


@pytest.mark.parametrize("script", SHIPPED.values(), ids=SHIPPED)
def test_a_script_uses_all_its_parameters_and_no_others(script: Script) -> None:
    declared = set(script.document()["parameters"])
    source = (FOLDER / f"{script.name}.sh").read_text()
    prelude = (FOLDER / "_prelude.sh").read_text()
    used = set(re.findall(r"SSM_([a-z_]+)", source))
    assert used <= declared
    assert declared <= used | set(re.findall(r"SSM_([a-z_]+)", prelude))


def test_the_outside_can_tell_a_late_script_and_an_old_agent() -> None:
    assert f"too_late) exit {TOO_LATE}" in (FOLDER / "_prelude.sh").read_text()
    assert MINIMUM_AGENT_VERSION == (3, 3, 2746, 0)
