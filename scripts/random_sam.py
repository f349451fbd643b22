"""Random SAMs: the library's own networks, with weights under which every part of them matters to the mask."""

from __future__ import annotations

import torch
from segment_anything import sam_model_registry
from segment_anything.modeling import (
    ImageEncoderViT,
    MaskDecoder,
    PromptEncoder,
    Sam,
    TwoWayTransformer,
)


def random_sam(variant: str = "vit_b", seed: int = 0) -> Sam:
    """One of the published sizes; its state dict is a checkpoint of the true format."""
    torch.manual_seed(seed)
    return _randomised(sam_model_registry[variant]().eval())


def small_sam(input_px: int = 256, seed: int = 0) -> Sam:
    """The same parts, but of a size whose image encoder takes milliseconds."""
    torch.manual_seed(seed)
    grid = (input_px // 16, input_px // 16)
    encoder = ImageEncoderViT(
        img_size=input_px,
        embed_dim=96,
        depth=3,
        num_heads=4,
        use_rel_pos=True,
        window_size=7,
        global_attn_indexes=(1,),
        norm_layer=lambda width: torch.nn.LayerNorm(width, eps=1e-6),
    )
    transformer = TwoWayTransformer(depth=2, embedding_dim=256, mlp_dim=256, num_heads=8)
    decoder = MaskDecoder(transformer_dim=256, transformer=transformer)
    prompts = PromptEncoder(256, grid, (input_px, input_px), mask_in_chans=16)
    sam = Sam(encoder, prompts, decoder, [123.675, 116.28, 103.53], [58.395, 57.12, 57.375])
    return _randomised(sam.eval().requires_grad_(False))


def _randomised(sam: Sam) -> Sam:
    """Attention neither flat nor a spike, positions that matter: the library's own start has them all at zero."""
    with torch.no_grad():
        for name, parameter in sam.named_parameters():
            if "rel_pos" in name:
                parameter.normal_(std=0.1)
            elif "pos_embed" in name:
                parameter.normal_(std=0.3)
            elif name.startswith("image_encoder") and parameter.ndim >= 2:
                parameter.normal_(std=parameter[0].numel() ** -0.5)
    return sam
