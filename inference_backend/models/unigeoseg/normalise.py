"""Bytes to network input: one place, so that training and answering agree."""

from __future__ import annotations

import torch
from torch import Tensor

MEAN, STD = (110.0, 108.0, 100.0), (52.0, 48.0, 48.0)


def normalise(rgb: Tensor) -> Tensor:
    """uint8 (B, 3, H, W) → float, zero mean and unit spread, channels last."""
    mean = torch.tensor(MEAN, device=rgb.device).view(1, 3, 1, 1)
    std = torch.tensor(STD, device=rgb.device).view(1, 3, 1, 1)
    return ((rgb.float() - mean) / std).contiguous(memory_format=torch.channels_last)
