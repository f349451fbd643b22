"""The tensors of a TorchScript archive (OpenAI publishes CLIP as such), read as data: no code of the archive is run.

`torch.load(weights_only=True)` refuses these files and `torch.jit.load` compiles the program in them. The list of objects in
an archive is a stream of a few simple instructions; those that only build lists, names and tensors are followed here, and
everything else is refused.
"""

from __future__ import annotations

import pickletools  # nosec B403 - lists the instructions of a stream; builds and calls nothing
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inference_backend.errors import InvalidInput

if TYPE_CHECKING:
    from torch import Tensor

_REBUILD = "torch._utils _rebuild_tensor_v2"
_MARK = object()


@dataclass(frozen=True)
class _Name:
    """A class or function that the stream names; it is never looked up."""

    name: str


@dataclass
class _Object:
    """Something the stream makes of a name: what it was made with, and its attributes."""

    of: str
    arguments: Any
    state: dict[Any, Any] = field(default_factory=dict)


def is_torchscript(path: Path) -> bool:
    """Whether the file is an archive of a program and not of tensors alone."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def torchscript_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors by the dotted names of their modules. Raises `InvalidInput` where the archive cannot be read as data."""
    try:
        with zipfile.ZipFile(path) as archive:
            (listing,) = (
                n for n in archive.namelist() if n.count("/") == 1 and n[-9:] == "/data.pkl"
            )
            root = _objects(archive.read(listing))
            folder = listing.removesuffix("data.pkl") + "data/"
            return _tensors(root, lambda key: archive.read(folder + key))
    except (
        zipfile.BadZipFile,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        RuntimeError,
        EOFError,
    ) as error:
        raise InvalidInput(
            f"{path.name} is damaged, or an archive of an unknown kind; download it again.",
            str(error),
        ) from error


def _objects(stream: bytes) -> Any:
    """What the stream describes, with `_Object` and `_Name` in place of everything that is not plain data."""
    machine = _Machine()
    for instruction, argument, _ in pickletools.genops(stream):
        machine.step(instruction.name, argument)
    return machine.stack[-1]


class _Machine:
    """A stack and a memo: what the instructions work on."""

    _PLAIN = frozenset({"BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"})
    _FIXED = {
        "NEWTRUE": lambda: True,
        "NEWFALSE": lambda: False,
        "NONE": lambda: None,
        "EMPTY_TUPLE": tuple,
        "EMPTY_LIST": list,
        "EMPTY_DICT": dict,
        "MARK": lambda: _MARK,
    }
    _TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        """One instruction. Raises ValueError for one that an archive of tensors has no use for."""
        stack = self.stack
        if name in self._PLAIN:
            stack.append(argument)
        elif name in self._FIXED:
            stack.append(self._FIXED[name]())
        elif name == "GLOBAL":
            stack.append(_Name(argument))
        elif name in ("BINPUT", "LONG_BINPUT"):
            self._memo[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self._memo[argument])
        elif name in self._TUPLES:
            count = self._TUPLES[name]
            stack[-count:] = [tuple(stack[-count:])]
        elif name == "TUPLE":
            stack.append(tuple(self._since_mark()))
        elif name == "BINPERSID":
            stack.append(_Object("storage", stack.pop()))
        elif name not in ("PROTO", "STOP"):
            self._combine(name)

    def _combine(self, name: str) -> None:
        stack = self.stack
        if name in ("REDUCE", "NEWOBJ"):
            arguments, made_of = stack.pop(), stack.pop()
            stack.append(_Object(made_of.name, arguments))
        elif name == "BUILD":
            state = stack.pop()
            stack[-1].state.update(state if isinstance(state, dict) else {})
        elif name in ("SETITEM", "SETITEMS"):
            items = [stack.pop(-2), stack.pop()] if name == "SETITEM" else self._since_mark()
            stack[-1].update(zip(items[::2], items[1::2], strict=True))
        elif name in ("APPEND", "APPENDS"):
            items = [stack.pop()] if name == "APPEND" else self._since_mark()
            stack[-1].extend(items)
        else:
            raise ValueError(f"the instruction {name} has no place in a file of weights")

    def _since_mark(self) -> list[Any]:
        items: list[Any] = []
        while (item := self.stack.pop()) is not _MARK:
            items.append(item)
        return items[::-1]


def _tensors(root: Any, read: Callable[[str], bytes]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    open_modules: list[tuple[str, Any, int]] = [("", root, 0)]
    while open_modules:
        prefix, module, depth = open_modules.pop()
        if depth > 32:
            raise ValueError("modules within modules without end")
        for name, value in module.state.items():
            if isinstance(value, _Object) and value.of == _REBUILD:
                found[f"{prefix}{name}"] = _tensor(value.arguments, read)
            elif isinstance(value, _Object):
                open_modules.append((f"{prefix}{name}.", value, depth + 1))
    return found


def _tensor(arguments: tuple, read: Callable[[str], bytes]) -> Tensor:
    """A tensor from (storage, offset, size, stride, ...); reaching beyond its storage is a RuntimeError of PyTorch."""
    import torch

    storage, offset, size, stride = arguments[:4]
    kind, dtype_name, key = storage.arguments[:3]
    dtypes = {
        "torch HalfStorage": torch.float16,
        "torch BFloat16Storage": torch.bfloat16,
        "torch FloatStorage": torch.float32,
        "torch DoubleStorage": torch.float64,
        "torch LongStorage": torch.int64,
        "torch IntStorage": torch.int32,
    }
    if kind != "storage":
        raise ValueError(f"a tensor of '{kind}'")
    flat = torch.frombuffer(bytearray(read(str(key))), dtype=dtypes[dtype_name.name])
    return flat.as_strided(size, stride, offset).clone()
