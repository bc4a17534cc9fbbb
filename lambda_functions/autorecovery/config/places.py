"""YAML (and so JSON) with the line and column of every value."""

from typing import Any

import yaml

from autorecovery.config.problems import Marks, Place, Problem, ProblemFound, dotted

MOST_VALUES = 50_000
"""More than any real configuration; YAML's aliases can make gigabytes of a few lines."""


def read_yaml(text: str) -> tuple[dict[str, Any], Marks]:
    """Return the content of a YAML text, and where each value stands. Raises ProblemFound."""
    try:
        content, marks = _Reader(yaml.SafeLoader(text)).read()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
        message = f"not YAML: {error.problem or error.context}"
        raise ProblemFound(Problem("", message, line, column)) from error
    except yaml.YAMLError as error:
        raise ProblemFound(Problem("", f"not YAML: {error}".replace("\n", " "))) from error
    except RecursionError:
        raise ProblemFound(Problem("", "not a configuration: nested too deeply")) from None
    if not isinstance(content, dict):
        message = "expected keys and values at the top, such as `service: shop`"
        raise ProblemFound(Problem("", message, 1, 1))
    return content, marks


class _Reader:
    """Reads one document."""

    def __init__(self, loader: yaml.SafeLoader) -> None:
        self._loader = loader
        self._marks: Marks = {}
        self._opened: list[yaml.Node] = []
        self._merged: set[int] = set()

    def read(self) -> tuple[Any, Marks]:
        """Return the content, and where each value stands."""
        try:
            node = self._loader.get_single_node()
            return (self._value(node, ()) if node else {}), self._marks
        finally:
            self._loader.dispose()

    def _value(self, node: yaml.Node, place: Place) -> Any:
        self._marks.setdefault(place, _start(node))
        if len(self._marks) > MOST_VALUES:
            raise ProblemFound(Problem("", f"more than {MOST_VALUES} values"))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, place)
        if any(node is outer for outer in self._opened):
            raise ProblemFound(Problem(dotted(place), "contains itself", *_start(node)))
        self._opened.append(node)
        if isinstance(node, yaml.MappingNode):
            content: Any = self._mapping(node, place)
        else:
            content = [self._value(item, (*place, index)) for index, item in enumerate(node.value)]
        self._opened.pop()
        return content

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        if id(node) not in self._merged:
            self._merged.add(id(node))
            self._refuse_doubles(node, place)
            self._loader.flatten_mapping(node)  # opens `<<`: what is merged in comes first
        content: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, place)
            self._marks[(*place, key)] = _start(key_node)
            content[key] = self._value(value_node, (*place, key))
        return content

    def _refuse_doubles(self, node: yaml.MappingNode, place: Place) -> None:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = self._key(key_node, place)
            if key in seen:
                raise ProblemFound(
                    Problem(dotted((*place, key)), "written twice; keep one", *_start(key_node))
                )
            seen.add(key)

    def _key(self, node: yaml.Node, place: Place) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise ProblemFound(Problem(dotted(place), "a key must be plain text", *_start(node)))
        return str(node.value)

    def _scalar(self, node: yaml.ScalarNode, place: Place) -> Any:
        try:
            return self._loader.construct_object(node)
        except ValueError as error:  # a date such as 2026-13-01, an endless number
            raise ProblemFound(
                Problem(dotted(place), f"not YAML: {error}", *_start(node))
            ) from error


def _start(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1
