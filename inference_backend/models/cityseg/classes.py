"""The classes a cloud model is asked for: columns of its answer, and where each hangs in the label graph."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


class ColumnLike(Protocol):
    """A leaf of the label graph by its name, or a `new` class below the node `parent`."""

    @property
    def name(self) -> str: ...

    @property
    def parent(self) -> str: ...

    @property
    def new(self) -> bool: ...


@dataclass(frozen=True)
class CloudClass:
    """One column: a leaf of the graph, or a new class (`new`) below the inner node `parent`."""

    name: str
    parent: str
    new: bool = False


@dataclass(frozen=True)
class ClassSet:
    """The columns of an answer, in order. Hashable: models keep the prototypes they made of it."""

    columns: tuple[CloudClass, ...]

    @classmethod
    def of(cls, columns: Iterable[ColumnLike]) -> ClassSet:
        """From anything that has `name`, `parent` and `new`."""
        return cls(tuple(CloudClass(c.name, c.parent, c.new) for c in columns))

    def __len__(self) -> int:
        return len(self.columns)
