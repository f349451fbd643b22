"""Weights in eight bits: each row of a large matrix or kernel as int8 with its own scale, everything else as fp16.

Half the size of fp16. A row's values differ by less than one part in 254 of its largest; what that costs in accuracy stands in
the model card.
"""

from __future__ import annotations

import torch
from torch import Tensor

SCALE = ".scale"
_LEAST_VALUES = 4096


def packed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors to write: `NAME` int8 and `NAME.scale` float32 (rows,) for large ones, fp16 for the rest."""
    tensors: dict[str, Tensor] = {}
    for name, value in state.items():
        value = value.detach().cpu().float()
        if value.ndim < 2 or value.numel() < _LEAST_VALUES:
            tensors[name] = value.half().contiguous()
            continue
        scale = value.flatten(1).abs().amax(1).clamp_min(1e-12) / 127
        tensors[name] = torch.round(value / _along_rows(scale, value)).to(torch.int8).contiguous()
        tensors[name + SCALE] = scale
    return tensors


def unpacked(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The float32 state again; takes files without int8 tensors as well."""
    state: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if name.endswith(SCALE) and name.removesuffix(SCALE) in tensors:
            continue
        scale = tensors.get(name + SCALE)
        value = value.float()
        state[name] = value if scale is None else value * _along_rows(scale.float(), value)
    return state


def _along_rows(scale: Tensor, value: Tensor) -> Tensor:
    return scale.view(-1, *[1] * (value.ndim - 1))
