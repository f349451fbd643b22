"""Weights kept in the precision in which autocast would compute with them: it need not convert them for every image."""

from __future__ import annotations

import torch
from torch import nn

from inference_backend.models.unigeoseg.text import KnowledgeMemory


def in_reduced_precision(net: nn.Module, dtype: torch.dtype) -> None:
    """Convert, in place, the weights that autocast converts to `dtype` on every call; no answer changes by a bit.

    The network then answers under autocast of this type only. Its memory reckons in float32 and stays so.
    """
    for module in net.children():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.to(dtype)
        elif not isinstance(module, KnowledgeMemory):
            in_reduced_precision(module, dtype)
