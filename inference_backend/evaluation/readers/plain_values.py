"""Python's own data files, read without running anything that is in them.

Such a file is a program for a small machine. What it may do includes importing modules and calling functions,
which is why nobody should open one from the network with Python's reader. The machine here knows numbers, text,
lists, tuples and dictionaries, and refuses every other instruction before it means anything.
"""

from __future__ import annotations

import pickletools  # nosec B403 - takes instructions apart, and runs none
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inference_backend.errors import InvalidInput

_MARK = object()
_WHOLE = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4")
_BYTE_TEXT = ("STRING", "BINSTRING", "SHORT_BINSTRING")
_TEXT = ("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8")
_VALUES = frozenset((*_WHOLE, "FLOAT", "BINFLOAT", *_BYTE_TEXT, *_TEXT))
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_NOTHING = frozenset(("PROTO", "FRAME"))
_TUPLE_SIZES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def read_plain_values(path: Path) -> Any:
    """The data in the file: dictionaries, lists, tuples, text, numbers, None.

    Raises InvalidInput where the file is damaged, and where it holds anything else, which is then not opened.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"'{path}' cannot be read ({error.strerror}).", str(error)) from error
    machine = _Machine(path)
    try:
        for code, argument, _ in pickletools.genops(content):
            if code.name == "STOP":
                return machine.stack.pop()
            machine.step(code.name, argument)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(
            f"'{path}' is damaged or not a list of expressions.", str(error)
        ) from error
    raise InvalidInput(f"'{path}' is damaged: it ends in the middle.")


class _Machine:
    """The stack, the marks on it, and what was remembered."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stack: list[Any] = []
        self.memory: dict[int, Any] = {}
        self._steps: dict[str, Callable[[Any], None]] = {
            "MARK": lambda _: self.stack.append(_MARK),
            "POP": lambda _: self._pop(),
            "POP_MARK": lambda _: self._drop_to_mark(),
            "DUP": lambda _: self.stack.append(self.stack[-1]),
            "EMPTY_LIST": lambda _: self.stack.append([]),
            "EMPTY_DICT": lambda _: self.stack.append({}),
            "LIST": lambda _: self.stack.append(self._to_mark()),
            "TUPLE": lambda _: self.stack.append(tuple(self._to_mark())),
            "DICT": lambda _: self.stack.append(_pairs(self._to_mark())),
            "APPEND": lambda _: self._extend([self._pop()]),
            "APPENDS": lambda _: self._extend(self._to_mark()),
            "SETITEM": lambda _: self._update(_pairs([self._pop(), self._pop()][::-1])),
            "SETITEMS": lambda _: self._update(_pairs(self._to_mark())),
            "MEMOIZE": lambda _: self._remember(len(self.memory)),
            "PUT": self._remember,
            "BINPUT": self._remember,
            "LONG_BINPUT": self._remember,
            "GET": self._recall,
            "BINGET": self._recall,
            "LONG_BINGET": self._recall,
        }

    def step(self, name: str, argument: Any) -> None:
        """One instruction. Raises InvalidInput for one that is not about plain data."""
        if name in _VALUES:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _TUPLE_SIZES:
            values = [self._pop() for _ in range(_TUPLE_SIZES[name])]
            self.stack.append(tuple(values[::-1]))
        elif name in self._steps:
            self._steps[name](argument)
        elif name not in _NOTHING:
            raise InvalidInput(_refusal(self.path), f"instruction {name}")

    def _pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise ValueError("a mark where a value should be")
        return value

    def _to_mark(self) -> list[Any]:
        values = []
        while (value := self.stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    def _drop_to_mark(self) -> None:
        self._to_mark()

    def _extend(self, values: list[Any]) -> None:
        self.stack[-1].extend(values)

    def _update(self, values: dict[Any, Any]) -> None:
        self.stack[-1].update(values)

    def _remember(self, number: int) -> None:
        self.memory[number] = self.stack[-1]

    def _recall(self, number: int) -> None:
        self.stack.append(self.memory[number])


def _pairs(values: list[Any]) -> dict[Any, Any]:
    if len(values) % 2:
        raise ValueError("a key without a value")
    return dict(zip(values[::2], values[1::2], strict=True))


def _refusal(path: Path) -> str:
    target = path.with_suffix(".json").name
    return (
        f"'{path.name}' holds more than plain data and is not opened, because opening it could run code; if you trust "
        f'where it is from, convert it once in its folder with: python -c "import json, pickle; json.dump('
        f"pickle.load(open('{path.name}', 'rb')), open('{target}', 'w'), default=lambda v: v.tolist())\""
    )
