"""Nodes of a program to JSON and back, strictly: programs are stored with features and come back over the wire.

A node is an object whose "do" names it, a quantity is `{"value", "unit"}`; what is None is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any

from inference_backend.errors import InvalidInput
from inference_backend.language import nodes
from inference_backend.language.units import Quantity

_SETS = {
    kind.__name__.lower(): kind
    for kind in (
        *(nodes.Select, nodes.Filter, nodes.Superlative, nodes.Ordinal, nodes.Union),
        nodes.Except,
    )
}
_TESTS = {
    kind.__name__.lower(): kind
    for kind in (
        *(nodes.Colour, nodes.Measure, nodes.Size, nodes.Shape, nodes.Crowd, nodes.Region),
        *(nodes.Relate, nodes.Not, nodes.And, nodes.Or),
    )
}
_ROOTS = {**_SETS, "count": nodes.Count}
# Deeper or longer than any sentence of 500 characters makes it; keeps a hostile file from exhausting the stack.
_DEEPEST, _LONGEST, _MOST_CHARACTERS = 40, 64, 200


def to_json(node: Any) -> Any:
    """A node, quantity, tuple or plain value as JSON values."""
    if isinstance(node, tuple):
        return [to_json(part) for part in node]
    if isinstance(node, Quantity):
        return {"value": node.value, "unit": node.unit}
    if not hasattr(node, "__dataclass_fields__"):
        return node
    values = {field.name: getattr(node, field.name) for field in fields(node)}
    return {
        "do": type(node).__name__.lower(),
        **{name: to_json(value) for name, value in values.items() if value is not None},
    }


def root_from_json(value: Any) -> nodes.Node:
    """A set or a count. Raises InvalidInput with a sentence for everything that is not exactly one."""
    return _node(value, _ROOTS, "a set or a count", 0)


def _node(value: Any, kinds: dict[str, type], what: str, depth: int) -> Any:
    if depth > _DEEPEST:
        raise InvalidInput(f"The program is nested more than {_DEEPEST} deep; simplify it.")
    if not isinstance(value, dict):
        raise InvalidInput(f"The program has {_shown(value)} where {what} must stand.")
    kind = kinds.get(value["do"]) if isinstance(value.get("do"), str) else None
    if kind is None:
        raise InvalidInput(
            f"The program does not know how to do {_shown(value.get('do'))}; {what} is one of {', '.join(kinds)}."
        )
    known = {field.name: field for field in fields(kind)}
    for name in value:
        if name != "do" and name not in known:
            raise InvalidInput(
                f"'{value['do']}' in the program has no {_shown(name)}; it takes {', '.join(known)}."
            )
    parts = {}
    for name, field in known.items():
        if name in value:
            parts[name] = _READERS[field.type](value[name], f"'{value['do']}' {name}", depth + 1)
        elif str(field.type).endswith("| None"):
            parts[name] = None
        elif field.default is MISSING:
            raise InvalidInput(f"'{value['do']}' in the program lacks '{name}'.")
    return kind(**parts)


def _set(value: Any, _: str, depth: int) -> Any:
    return _node(value, _SETS, "a set", depth)


def _test(value: Any, _: str, depth: int) -> Any:
    return _node(value, _TESTS, "a test", depth)


def _text(value: Any, what: str, _: int) -> str:
    if not isinstance(value, str) or len(value) > _MOST_CHARACTERS:
        raise InvalidInput(f"The program's {what} must be a short text, not {_shown(value)}.")
    return value


def _whole(value: Any, what: str, _: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInput(f"The program's {what} must be a whole number, not {_shown(value)}.")
    return value


def _quantity(value: Any, what: str, _: int) -> Quantity:
    if not isinstance(value, dict) or set(value) != {"value", "unit"}:
        raise InvalidInput(f"The program's {what} must have a value and a unit, and no more.")
    if not isinstance(value["unit"], str):
        raise InvalidInput(f"The program's {what} must have the name of a unit.")
    return Quantity(value["value"], value["unit"])


def _several(read: Callable) -> Callable:
    def reader(value: Any, what: str, depth: int) -> tuple:
        if not isinstance(value, list) or len(value) > _LONGEST:
            raise InvalidInput(f"The program's {what} must be a list of at most {_LONGEST} parts.")
        return tuple(read(part, what, depth) for part in value)

    return reader


def _maybe(read: Callable) -> Callable:
    return lambda value, what, depth: None if value is None else read(value, what, depth)


_READERS: dict[str, Callable] = {
    "str": _text,
    "int": _whole,
    "Set": _set,
    "Set | None": _maybe(_set),
    "Test": _test,
    "Quantity": _quantity,
    "Quantity | None": _maybe(_quantity),
    "tuple[str, ...]": _several(_text),
    "tuple[Set, ...]": _several(_set),
    "tuple[Test, ...]": _several(_test),
}


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
