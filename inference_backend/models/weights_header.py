"""Reading our own files of weights: safetensors that say in their header what they are."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from inference_backend.errors import ModelProblem

if TYPE_CHECKING:
    import torch


def read_weights(
    path: Path, formats: Collection[str], model: str
) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    """Header and tensors, as they are written, of a file of one of `formats`.

    `model` says in the error whose weights were wanted. Raises ModelProblem.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (OSError, SafetensorError) as error:
        raise ModelProblem(
            f"The model weights '{path.name}' cannot be read; install the plugin again or choose another model.",
            str(error),
        ) from error
    if header.get("format") not in formats:
        raise ModelProblem(
            f"'{path.name}' does not hold weights of {model}; choose the file that came with the plugin."
        )
    return header, tensors


def fill(
    net: torch.nn.Module, state: dict[str, torch.Tensor], path: Path, dispensable: str = ""
) -> None:
    """Put `state` into `net`. Names that end with `dispensable` may be absent. Raises ModelProblem."""
    missing, unexpected = net.load_state_dict(state, strict=False)
    missing = [name for name in missing if not (dispensable and name.endswith(dispensable))]
    if missing or unexpected:
        raise ModelProblem(
            f"'{path.name}' was written by another version; install the plugin again.",
            f"{missing[:5]} {unexpected[:5]}",
        )
