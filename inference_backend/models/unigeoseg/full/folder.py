"""A folder with the full UniGeoSeg: `config.json`, `tokenizer.json`, and weights in one file or several."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from inference_backend.errors import InvalidInput
from inference_backend.models.base import TextTask
from inference_backend.models.checkpoint_file import read_checkpoint, state_dict_of
from inference_backend.models.unigeoseg.full.key_names import NOT_NEEDED, translate
from inference_backend.models.unigeoseg.full.network import (
    FullNet,
    Instruction,
    build,
    dtype_of,
    fill_buffers,
)
from inference_backend.models.unigeoseg.full.shapes import FullShapes

_USE = "use the folder of a UniGeoSeg as published"
_SEG = "[SEG]"
_NAMED = 12


@dataclass(frozen=True)
class Dialogue:
    """What is said round an instruction. `prompt.json` beside the weights replaces it: weights want the words that they
    were trained with.
    """

    before: str = "[INST] You answer with a mask of what is asked for.\n\nThe image: "
    between: str = ", segment by this instruction:\n"

    @classmethod
    def of(cls, folder: Path) -> Dialogue:
        """From `prompt.json` (an object with `before` and `between`), else the default."""
        path = folder / "prompt.json"
        return cls(**_json(path)) if path.is_file() else cls()


class Speech:
    """From words to the numbers of tokens."""

    def __init__(self, folder: Path) -> None:
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise InvalidInput(
                f"{folder.name} has no tokenizer.json; save the tokenizer of the weights into the folder."
            )
        self._tokenizer = Tokenizer.from_file(str(path))
        self._dialogue = Dialogue.of(folder)
        self._seg = self._tokenizer.token_to_id(_SEG)
        if self._seg is None:
            raise InvalidInput(
                f"The tokenizer of {folder.name} does not know {_SEG}; use the one that was saved with the weights."
            )

    def instruction(self, text: str, task: TextTask, coordinates: Tensor) -> Instruction:
        """One question; `coordinates` float32 (m, 4)."""
        words = [*self._ids(f" {text}"), self._seg]
        between = self._ids(self._dialogue.between)
        return Instruction(
            *(torch.tensor(ids) for ids in (self._ids(self._dialogue.before), between, words)),
            task,
            coordinates,
        )

    def _ids(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False).ids


@dataclass(frozen=True)
class LoadReport:
    """How the names of a checkpoint fitted: how many by each mark, which were missing, unexpected or left out."""

    marks: dict[str, int]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    unused: tuple[str, ...]

    def sentence(self) -> str:
        """For the details of an error, or a log."""
        known = ", ".join(f"{count} {mark}" for mark, count in self.marks.items())
        lines = [f"names: {known}; {len(self.unused)} not used"]
        for kind, names in (("missing", self.missing), ("unexpected", self.unexpected)):
            if names:
                lines.append(f"{len(names)} {kind}: {', '.join(names[:_NAMED])}")
        return "; ".join(lines)


def load_folder(folder: Path, dtype: torch.dtype) -> tuple[FullNet, LoadReport]:
    """The network with the folder's weights, on the CPU. Raises `InvalidInput` where a tensor is missing, strange or of
    another shape: an answer by half a network would look like one.
    """
    shapes = FullShapes.from_config(_json(folder / "config.json"))
    net = build(shapes)
    published: dict[str, Tensor] = {}
    for path in _weights(folder):
        published |= state_dict_of(read_checkpoint(path, _USE), path, _USE, ("module.",))
    wanted = {name: tensor.shape for name, tensor in net.state_dict().items()}
    found = translate(published, wanted, shapes.llm_heads)
    misfits = [n for n, tensor in found.tensors.items() if tensor.shape != wanted[n]]
    missing = [n for n in wanted if n not in found.tensors and n not in NOT_NEEDED]
    report = LoadReport(
        found.marks, tuple(missing + misfits), tuple(found.unexpected), tuple(found.unused)
    )
    if report.missing or report.unexpected:
        raise InvalidInput(
            f"The weights in {folder.name} do not fit the full UniGeoSeg: {len(report.missing)} parts are missing or of "
            f"another shape and {len(report.unexpected)} are unknown; {_USE}.",
            report.sentence(),
        )
    tensors = {n: tensor.to(dtype_of(n, dtype)) for n, tensor in found.tensors.items()}
    for name in NOT_NEEDED:
        tensors.setdefault(name, torch.zeros(wanted[name], dtype=dtype))
    net.load_state_dict(tensors, assign=True)
    fill_buffers(net)
    return net.eval().requires_grad_(False), report


def _weights(folder: Path) -> Iterator[Path]:
    """Safetensors where there are some; else PyTorch's own, read without running what is in them."""
    for pattern in ("*.safetensors", "pytorch_model*.bin", "*.pth"):
        if found := sorted(folder.glob(pattern)):
            yield from found
            return
    raise InvalidInput(f"There are no weights in {folder}; {_USE}.")


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path} cannot be read; {_USE}.", str(error)) from error
    if not isinstance(content, dict):
        raise InvalidInput(f"{path} is not an object of settings; {_USE}.")
    return content
