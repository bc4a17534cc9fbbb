"""Entries of a settings file, read as what they must be; SettingsError says where they are not."""

from collections.abc import Mapping
from typing import Any


class SettingsError(ValueError):
    """The settings cannot be used; says where, and what was expected."""


def refuse_unknown(
    table: Mapping[str, Any], known: Mapping[str, tuple[str, ...]], where: str
) -> None:
    """Refuse keys that mean nothing, one level down as well where `where` is empty."""
    for key, content in table.items():
        if key not in known:
            raise SettingsError(f"{where}{key}: unknown{_suggestion(key, known)}")
        if not where and isinstance(content, Mapping):
            refuse_unknown(content, dict.fromkeys(known[key], ()), f"{key}.")


def _suggestion(key: str, known: Mapping[str, Any]) -> str:
    import difflib

    close = difflib.get_close_matches(key, known, 1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"


def table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a table; an empty one where there is none."""
    found = document.get(name, {})
    if not isinstance(found, Mapping):
        raise SettingsError(f"{name}: expected a table")
    return found


def text(table: Mapping[str, Any], key: str) -> str:
    """Return a text; an empty one where there is none."""
    value = table.get(key, "")
    if not isinstance(value, str):
        raise SettingsError(f"{key}: expected text")
    return value


def texts(table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Return a list of texts; an empty one where there is none."""
    value = table.get(key, [])
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise SettingsError(f"{key}: expected a list of texts")
    return tuple(value)


def flag(table: Mapping[str, Any], key: str, *, default: bool) -> bool:
    """Return true or false."""
    value = table.get(key, default)
    if not isinstance(value, bool):
        raise SettingsError(f"{key}: expected true or false")
    return value


def whole(table: Mapping[str, Any], key: str, default: int, least: int, most: int) -> int:
    """Return a whole number within its bounds."""
    value = table.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise SettingsError(f"{key}: expected a whole number from {least} to {most}")
    return value


def number(value: object, where: str) -> float:
    """Return a number that may be a limit."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise SettingsError(f"{where}: expected a number of 0 or more")
    return float(value)
