"""How our types travel: through the journal of a workflow and through the stores, as JSON."""

from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def encode(value: Any, kind: Any) -> str:
    """Return the value as JSON text; `kind` is its type."""
    return _adapter(kind).dump_json(value, by_alias=True).decode()


def decode(text: str, kind: type[T]) -> T:
    """Return the value of this type that the text was made of; ValueError if it was of another."""
    shape: Any = kind
    value: T = _adapter(shape).validate_json(text)
    return value
