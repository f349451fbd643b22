"""Reads SAM checkpoints: never runs what is in them, tells the variant by its shapes, and says in one sentence what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inference_backend.errors import InvalidInput
from inference_backend.models.checkpoint_file import read_checkpoint, state_dict_of

if TYPE_CHECKING:
    from segment_anything.modeling import Sam
    from torch import Tensor

_POSITION = "image_encoder.pos_embed"
_PIXEL_MEAN, _PIXEL_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
_USE_SAM = "use a SAM checkpoint as published"
_PREFIXES = ("module.", "sam.", "model.")


@dataclass(frozen=True)
class SamVariant:
    """One of the three published sizes, told apart by the width of the position embedding."""

    name: str
    title: str
    width: int


VARIANTS = {
    768: SamVariant("vit_b", "Segment Anything ViT-B", 768),
    1024: SamVariant("vit_l", "Segment Anything ViT-L", 1024),
    1280: SamVariant("vit_h", "Segment Anything ViT-H", 1280),
}


def load_sam(path: Path) -> tuple[Sam, SamVariant]:
    """The library's network with the checkpoint's weights, float32 on the CPU.

    Raises `InvalidInput` for a file that is absent, cut short, not a checkpoint, not a SAM or not a whole one.
    """
    return sam_from(read_checkpoint(path, "use a SAM checkpoint (.pth) as published"), path)


def sam_from(content: Any, path: Path) -> tuple[Sam, SamVariant]:
    """The same from what was in a checkpoint; `path` is for messages."""
    state = state_dict_of(content, path, _USE_SAM, _PREFIXES)
    variant = _variant(state, path)
    return _build(state, variant, path), variant


def _variant(state: dict[str, Tensor], path: Path) -> SamVariant:
    position = state.get(_POSITION)
    if position is None:
        raise InvalidInput(
            f"{path.name} is not a Segment Anything (SAM 1) checkpoint; use a ViT-B, -L or -H file."
        )
    if position.ndim != 4 or position.shape[-1] not in VARIANTS:
        raise InvalidInput(
            f"{path.name} is a SAM of unknown size (position embedding {tuple(position.shape)}); "
            "use a ViT-B, ViT-L or ViT-H checkpoint."
        )
    return VARIANTS[position.shape[-1]]


def _build(state: dict[str, Tensor], variant: SamVariant, path: Path) -> Sam:
    import torch
    from segment_anything import sam_model_registry

    # On the meta device nothing is allocated or initialised: the checkpoint's tensors become the parameters.
    with torch.device("meta"):
        sam = sam_model_registry[variant.name]()
    wanted = {name: tensor.shape for name, tensor in sam.state_dict().items()}
    wrong = [
        name for name, shape in wanted.items() if name not in state or state[name].shape != shape
    ]
    if wrong or len(state) != len(wanted):
        strange = wrong or sorted(set(state) - set(wanted))
        raise InvalidInput(
            f"{path.name} does not fit {variant.title}: {len(strange)} of its parts are missing, strange or of another "
            "shape; use a checkpoint as published.",
            ", ".join(strange[:10]),
        )
    sam.load_state_dict({name: tensor.float() for name, tensor in state.items()}, assign=True)
    # The two buffers that checkpoints do not hold.
    sam.pixel_mean = torch.tensor(_PIXEL_MEAN).view(-1, 1, 1)
    sam.pixel_std = torch.tensor(_PIXEL_STD).view(-1, 1, 1)
    return sam.eval().requires_grad_(False)
