"""A spatial program: what was understood, in a form that runs, reads, is edited and is stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from inference_backend.errors import InvalidInput
from inference_backend.language import chips, explain, node_json
from inference_backend.language.contradictions import check
from inference_backend.language.nodes import Node, Select

VERSION = 1


@dataclass(frozen=True)
class Program:
    """One set of things to find, or one number to tell. Raises InvalidInput where it contradicts itself."""

    root: Node

    def __post_init__(self) -> None:
        check(self.root)

    def to_json(self) -> dict[str, Any]:
        """JSON values; `from_json` makes the same program of them."""
        return {"version": VERSION, "find": node_json.to_json(self.root)}

    @classmethod
    def from_json(cls, value: Any) -> Program:
        """Raises InvalidInput with one sentence for whatever is not exactly a program of this version."""
        if not isinstance(value, dict) or set(value) != {"version", "find"}:
            raise InvalidInput("A program is an object with 'version' and 'find', and no more.")
        if value["version"] != VERSION or isinstance(value["version"], bool):
            raise InvalidInput(
                f"The program has version {value['version']!r:.40}; this CitySeg reads version {VERSION}."
            )
        return cls(node_json.root_from_json(value["find"]))

    def sentence(self) -> str:
        """What was understood, in words, with what its relations mean."""
        return explain.sentence(self.root)

    def chips(self) -> list[dict[str, Any]]:
        """The parts that may be changed: `id kind text value editable choices`, and `unit` where there is one."""
        return chips.chips(self.root)

    def with_chip(self, chip_id: str, value: Any) -> Program:
        """The program with one part changed, or without it where `value` is None. Raises InvalidInput."""
        return Program(chips.with_chip(self.root, chip_id, value))

    def select_words(self) -> tuple[str, ...]:
        """Concept names and free nouns that the model must find, each once."""
        return tuple(dict.fromkeys(select.key for select in selects(self.root)))


def selects(node: Any) -> Iterator[Select]:
    """Every `Select` in a node, in the order of reading."""
    if isinstance(node, Select):
        yield node
    elif isinstance(node, tuple):
        for part in node:
            yield from selects(part)
    elif hasattr(node, "__dataclass_fields__"):
        for field in fields(node):
            yield from selects(getattr(node, field.name))
