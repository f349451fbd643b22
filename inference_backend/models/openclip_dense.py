"""CLIP's image encoder as a map: what it says of every patch and not only of the whole image.

The last block's attention asks which patches are alike (queries with queries, keys with keys, values with values) in place
of which patch the summary needs, and its residual and its feed-forward part are left out (after SCLIP and ClearCLIP, in the
combination that Sosa et al. measured for images from above).
"""

from __future__ import annotations

import math

import torch
from open_clip import CLIP
from open_clip.modified_resnet import ModifiedResNet
from open_clip.transformer import VisionTransformer
from torch import Tensor
from torch.nn import functional


def stride_px(clip: CLIP) -> int:
    """Pixels of the input a cell of the map has on a side."""
    visual = clip.visual
    return 32 if isinstance(visual, ModifiedResNet) else int(visual.patch_size[0])


def dense_features(clip: CLIP, image: Tensor) -> tuple[Tensor, Tensor]:
    """Unit vectors of every cell (B, rows, columns, D), and of the whole image (B, D), as `encode_image` gives it.

    `image` (B, 3, H, W) is normalised; its sides are multiples of `stride_px`. The size may differ from the one in training:
    the positions are then interpolated.
    """
    visual = clip.visual
    dense, whole = (
        _of_resnet(visual, image) if isinstance(visual, ModifiedResNet) else _of_vit(visual, image)
    )
    return functional.normalize(dense, dim=-1), functional.normalize(whole, dim=-1)


def encode_words(clip: CLIP, tokens: Tensor) -> Tensor:
    """Unit vectors (N, D) of tokenised texts (N, 77), as `encode_text` gives them.

    The text encoder looks back only, so that what follows the longest text's end changes nothing and is cut off.
    """
    length = int(tokens.argmax(-1).max()) + 1
    text = clip.token_embedding(tokens[:, :length]) + clip.positional_embedding[:length]
    text = clip.transformer(text, attn_mask=clip.attn_mask[:length, :length])
    # The end of a text has the highest of all token numbers.
    ends = clip.ln_final(text)[torch.arange(len(tokens)), tokens.argmax(-1)]
    return functional.normalize(ends @ clip.text_projection, dim=-1)


def _of_vit(visual: VisionTransformer, image: Tensor) -> tuple[Tensor, Tensor]:
    patches = visual.conv1(image)
    rows, columns = patches.shape[-2:]
    tokens = patches.flatten(2).transpose(1, 2)
    first = visual.class_embedding.to(tokens.dtype).expand(len(tokens), 1, -1)
    tokens = torch.cat([first, tokens], 1)
    tokens = tokens + resized_positions(visual.positional_embedding, rows, columns)
    tokens = visual.ln_pre(tokens)
    *blocks, last = visual.transformer.resblocks
    for block in blocks:
        tokens = block(tokens)
    whole = visual.ln_post(last(tokens)[:, 0]) @ visual.proj
    attention = last.attn
    mixed = functional.linear(last.ln_1(tokens), attention.in_proj_weight, attention.in_proj_bias)
    mixed = _alike(*mixed.chunk(3, -1), attention.num_heads)
    dense = visual.ln_post(attention.out_proj(mixed)[:, 1:]) @ visual.proj
    return dense.unflatten(1, (rows, columns)), whole


def _of_resnet(visual: ModifiedResNet, image: Tensor) -> tuple[Tensor, Tensor]:
    maps = visual.stem(image)
    for layer in (visual.layer1, visual.layer2, visual.layer3, visual.layer4):
        maps = layer(maps)
    pool = visual.attnpool
    rows, columns = maps.shape[-2:]
    tokens = maps.flatten(2).transpose(1, 2)
    tokens = torch.cat([tokens.mean(1, keepdim=True), tokens], 1)
    tokens = tokens + resized_positions(pool.positional_embedding, rows, columns)
    q, k, v = pool.q_proj(tokens), pool.k_proj(tokens), pool.v_proj(tokens)
    whole = pool.c_proj(_attended(q[:, :1], k, v, pool.num_heads)[:, 0])
    dense = pool.c_proj(_alike(q, k, v, pool.num_heads)[:, 1:])
    return dense.unflatten(1, (rows, columns)), whole


def resized_positions(positions: Tensor, rows: int, columns: int) -> Tensor:
    """Position embeddings (1 + side², D), the summary's first, for a grid of another size: (1 + rows * columns, D)."""
    side = math.isqrt(len(positions) - 1)
    if (rows, columns) == (side, side):
        return positions
    grid = positions[1:].unflatten(0, (side, side)).permute(2, 0, 1)[None]
    grid = functional.interpolate(grid.float(), (rows, columns), mode="bicubic")
    return torch.cat([positions[:1], grid[0].flatten(1).T.to(positions.dtype)])


def _alike(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """The sum of three attentions, each of one projection with itself, over the values: (B, T, C)."""
    return sum(_attended(one, one, v, heads) for one in (q, k, v))


def _attended(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in (q, k, v))
    return functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
