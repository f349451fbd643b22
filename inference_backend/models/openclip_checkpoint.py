"""Reads CLIP checkpoints as OpenAI, RemoteCLIP, GeoRSCLIP and open_clip publish them: safely, and without any download."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from inference_backend.errors import InvalidInput
from inference_backend.models.checkpoint_file import check_size, read_checkpoint, state_dict_of
from inference_backend.models.torchscript_tensors import is_torchscript, torchscript_tensors

if TYPE_CHECKING:
    from open_clip import CLIP
    from torch import Tensor

_USE = "use a CLIP checkpoint (ViT-B-32, ViT-B-16, ViT-L-14 or RN50) as published"
_PREFIXES = ("module.", "clip.", "model.")
# What OpenAI's files hold beside the weights.
_FACTS = ("input_resolution", "context_length", "vocab_size")
# Files whose publishers start from OpenAI's networks as open_clip builds them, which have QuickGELU. RemoteCLIP's own
# instructions build the plain network.
_QUICK_NAMES = ("quickgelu", "openai", "rs5m", "georsclip")
# Width, blocks and patch of the image encoder -> its configuration in open_clip.
_VITS = {
    (768, 12, 32): "ViT-B-32",
    (768, 12, 16): "ViT-B-16",
    (1024, 24, 14): "ViT-L-14",
}
_RESNET_STAGES = {(3, 4, 6, 3): "RN50"}


@dataclass(frozen=True)
class ClipVariant:
    """Which network a checkpoint is for. `image_px` is the side of the images that it was trained on; `by_openai` where
    the file has the form in which OpenAI publishes.
    """

    name: str
    image_px: int
    quick_gelu: bool
    by_openai: bool = False

    @property
    def title(self) -> str:
        """For a user."""
        return f"CLIP {self.name}{' (QuickGELU)' if self.quick_gelu else ''}"


def load_clip(path: Path) -> tuple[CLIP, ClipVariant]:
    """open_clip's network with the checkpoint's weights, float32 on the CPU.

    Raises `InvalidInput` for a file that is absent, cut short, not a checkpoint, not a CLIP or not a whole one.
    """
    check_size(path)
    archived = is_torchscript(path)
    content = torchscript_tensors(path) if archived else read_checkpoint(path, _USE)
    state = state_dict_of(content, path, _USE, _PREFIXES)
    variant = variant_of(state, path, archived)
    return _build(state, variant, path), variant


def variant_of(state: dict[str, Tensor], path: Path, archived: bool = False) -> ClipVariant:
    """The network, told by the shapes of its tensors; `path` is for messages and for what only a name can tell.

    The activation leaves no trace in a state dict: OpenAI's own files are archives, hold facts beside the weights, or keep
    half precision, and those of others are told by their names.
    """
    conv = state.get("visual.conv1.weight")
    if conv is None or "token_embedding.weight" not in state:
        raise InvalidInput(f"{path.name} is not a CLIP checkpoint; {_USE}.")
    by_openai = archived or any(fact in state for fact in _FACTS)
    quick = (
        by_openai
        or (str(conv.dtype) == "torch.float16" and "logit_scale" in state)
        or any(name in path.name.lower() for name in _QUICK_NAMES)
    )
    name, image_px = _vit(state, conv) if "visual.proj" in state else _resnet(state)
    if name is None:
        raise InvalidInput(f"{path.name} is a CLIP of a size that is not known here; {_USE}.")
    return ClipVariant(name, image_px, quick, by_openai)


def _vit(state: dict[str, Tensor], conv: Tensor) -> tuple[str | None, int]:
    blocks = _count(state, "visual.transformer.resblocks.", 3)
    positions = state.get("visual.positional_embedding")
    if conv.ndim != 4 or positions is None:
        return None, 0
    side = round((positions.shape[0] - 1) ** 0.5) * conv.shape[-1]
    return _VITS.get((conv.shape[0], blocks, conv.shape[-1])), side


def _resnet(state: dict[str, Tensor]) -> tuple[str | None, int]:
    stages = tuple(_count(state, f"visual.layer{stage}.", 2) for stage in (1, 2, 3, 4))
    positions = state.get("visual.attnpool.positional_embedding")
    if positions is None:
        return None, 0
    return _RESNET_STAGES.get(stages), round((positions.shape[0] - 1) ** 0.5) * 32


def _count(state: dict[str, Tensor], prefix: str, part: int) -> int:
    """How many numbered parts there are behind `prefix`."""
    return len({name.split(".")[part] for name in state if name.startswith(prefix)})


def _build(state: dict[str, Tensor], variant: ClipVariant, path: Path) -> CLIP:
    import open_clip
    import torch

    facts = open_clip.get_model_config(variant.name)
    facts["vision_cfg"]["image_size"] = variant.image_px
    facts["quick_gelu"] = variant.quick_gelu
    # On the meta device nothing is allocated or initialised: the checkpoint's tensors become the parameters.
    with torch.device("meta"):
        clip = open_clip.CLIP(**facts)
    wanted = {name: tensor.shape for name, tensor in clip.state_dict().items()}
    given = {name: tensor for name, tensor in state.items() if name not in _FACTS}
    for name in wanted:
        # Of how many batches a mean was taken: not used, and not in every file.
        if name.endswith("num_batches_tracked"):
            given.setdefault(name, torch.zeros((), dtype=torch.long))
    wrong = [n for n, shape in wanted.items() if n not in given or given[n].shape != shape]
    strange = wrong or sorted(set(given) - set(wanted) - {"attn_mask"})
    if strange:
        raise InvalidInput(
            f"{path.name} does not fit {variant.title}: {len(strange)} of its parts are missing, strange or of another "
            "shape; use a checkpoint as published.",
            ", ".join(strange[:10]),
        )
    clip.load_state_dict({n: _plain(given[n]) for n in wanted}, assign=True)
    length = clip.context_length
    clip.attn_mask = torch.full((length, length), float("-inf")).triu_(1)
    return clip.eval().requires_grad_(False)


def _plain(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
