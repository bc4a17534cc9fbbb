"""What pydantic found wrong, in our words: expectation and suggestion instead of type theory."""

from collections.abc import Callable, Mapping
from typing import Any

from autorecovery.config.problems import Place, suggest
from autorecovery.config.schema import Configuration

JsonSchema = dict[str, Any]

_CONDITION_DEPTH = 3  # rules, the rule's name, when, and then the kind


def place_of(location: Place) -> Place:
    """Return a place as the file has it: without the kind of condition, which pydantic adds."""
    return tuple(
        part
        for index, part in enumerate(location)
        if not (index == _CONDITION_DEPTH and location[0] == "rules" and location[2] == "when")
    )


def message_of(error: Mapping[str, Any]) -> str:
    """Return what is wrong there, what was expected, and what may have been meant."""
    return _MESSAGES.get(error["type"], _plain)(error, place_of(error["loc"]))


def _plain(error: Mapping[str, Any], place: Place) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    message = message.replace("Input should be ", "expected ")
    if isinstance(error["input"], dict):
        return message  # it names what in there is wrong; the whole would only hide it
    return f"{message}{_found(error)}"


def _found(error: Mapping[str, Any]) -> str:
    found = error.get("input")
    if found is None:
        return "; found nothing"
    if isinstance(found, bool):
        return f"; found {str(found).lower()}"
    if isinstance(found, str | int | float):
        return f"; found {found!r:.80}"
    return "; found a list" if isinstance(found, list) else "; found keys and values"


def _unknown_key(error: Mapping[str, Any], place: Place) -> str:
    return f"unknown key{suggest(str(place[-1]), known_keys(place[:-1]))}"


def _pattern(error: Mapping[str, Any], place: Place) -> str:
    if any(node.get("writeOnly") for node in _nodes(place)):
        # What stands there may be the secret itself: it is not repeated.
        return (
            "a secret does not belong in this file; say where it is kept: env:NAME, ssm:/PATH,"
            " secretsmanager:ID#KEY or file:/PATH"
        )
    examples = [e for node in _nodes(place) for e in node.get("examples", ())]
    expected = f"something like {examples[0]!r}" if examples else error["ctx"]["pattern"]
    return f"expected {expected}{_found(error)}"


def _choice(error: Mapping[str, Any], place: Place) -> str:
    expected = error["ctx"]["expected"]
    known = [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")]
    hint = suggest(str(error["input"]), known)
    return f"expected {expected}{_found(error)}{hint if 'mean' in hint else ''}"


def _text(error: Mapping[str, Any], place: Place) -> str:
    found = error["input"]
    if isinstance(found, bool | int | float):
        return f"expected text; put quotes around {str(found).lower()}"
    return f"expected text{_found(error)}"


def _amount(error: Mapping[str, Any], place: Place) -> str:
    context = error["ctx"]
    wanted = f"at least {context['min_length']}" if "min_length" in context else "at most 1"
    return f"expected {wanted}; found {context['actual_length']}"


def _expected(what: str) -> Callable[[Mapping[str, Any], Place], str]:
    return lambda error, place: f"expected {what}{_found(error)}"


_MESSAGES: dict[str, Callable[[Mapping[str, Any], Place], str]] = {
    "extra_forbidden": _unknown_key,
    "missing": lambda error, place: "is missing",
    "string_pattern_mismatch": _pattern,
    "literal_error": _choice,
    "enum": _choice,
    "string_type": _text,
    "too_short": _amount,
    "too_long": _amount,
    "float_parsing": _expected("a number"),
    "float_type": _expected("a number"),
    "int_parsing": _expected("a whole number"),
    "int_type": _expected("a whole number"),
    "tuple_type": _expected("a list, such as [a, b]"),
    "dict_type": _expected("keys and values"),
    "model_type": _expected("keys and values"),
    "model_attributes_type": _expected("keys and values"),
}


# The schema, asked what may stand where


def known_keys(place: Place) -> list[str]:
    """Return every key that may stand where the place leads, over all kinds of condition."""
    found = {key for node in _nodes(place) for key in node.get("properties", {})}
    if len(place) == 2 and place[0] == "rules":
        found.discard("name")  # a rule is named by its key
    return sorted(found)


def _nodes(place: Place) -> list[JsonSchema]:
    schema = Configuration.model_json_schema()
    nodes = [schema]
    for part in place:
        nodes = [inner for node in nodes for inner in _inside(node, part, schema)]
    return nodes


def _inside(node: JsonSchema, part: str | int, schema: JsonSchema) -> list[JsonSchema]:
    inner = node.get("properties", {}).get(part)
    if inner is None:
        inner = node.get("items" if isinstance(part, int) else "additionalProperties")
    if inner is None:  # a mapping whose keys must look like something
        inner = next(iter(node.get("patternProperties", {}).values()), None)
    return _alternatives(inner, schema) if isinstance(inner, dict) else []


def _alternatives(node: JsonSchema, schema: JsonSchema) -> list[JsonSchema]:
    if "$ref" in node:
        return _alternatives(schema["$defs"][node["$ref"].rsplit("/", 1)[-1]], schema)
    if choices := node.get("anyOf") or node.get("oneOf"):
        found = [alternative for choice in choices for alternative in _alternatives(choice, schema)]
        return [{"examples": node["examples"]}, *found] if "examples" in node else found
    return [node]
