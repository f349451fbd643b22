"""SAM's image encoder, several times faster than the library's own: same weights, same numbers, other order of work.

The library builds every global layer's whole attention map, (heads, 4096, 4096), several times over in main memory, and
runs its linear layers over the padding of windows. Here the map is made in pieces that stay in the processor's cache, the
decomposed relative-position bias (Li et al. 2022, MViTv2, section 4.1) is added to each piece in place, and padding is
filled in after the projection. Where the hardware multiplies bfloat16, products are bfloat16 and everything
that accumulates over layers stays float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    from segment_anything.modeling.image_encoder import Attention, Block, ImageEncoderViT

# One piece of the attention map: 2 M scores are 4 MB in bfloat16, near the level-2 cache of two cores. Measured on ViT-B's
# global layers: 512 rows at once 154 ms, 256 rows 188 ms, the whole map 500 ms.
_PIECE_SCORES = 512 * 4096


class FastImageEncoder(nn.Module):
    """Wraps a loaded `ImageEncoderViT` and takes over its layers; `dtype` is that of the products.

    The wrapped encoder's linear layers are converted in place, so it should not be used by itself afterwards.
    """

    def __init__(self, encoder: ImageEncoderViT, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.img_size = encoder.img_size
        self.patch_embed = encoder.patch_embed
        self.pos_embed = encoder.pos_embed
        self.neck = encoder.neck
        self.layers = nn.ModuleList(_FastBlock(block, dtype) for block in encoder.blocks)

    def forward(self, image: Tensor) -> Tensor:
        """Normalised and padded image (1, 3, S, S) to its embedding (1, 256, S / 16, S / 16), float32."""
        x = self.patch_embed(image)
        if self.pos_embed is not None:
            x = x + self.pos_embed
        x = x[0]  # (rows, columns, channels); one image at a time, which is all a click needs
        for layer in self.layers:
            x = layer(x)
        return self.neck(x.permute(2, 0, 1)[None])


class _FastBlock(nn.Module):
    def __init__(self, block: Block, dtype: torch.dtype) -> None:
        super().__init__()
        self.norm1, self.norm2, self.mlp = block.norm1, block.norm2, block.mlp.to(dtype)
        self.attention = _FastAttention(block.attn, block.window_size, dtype)
        self.dtype = dtype

    def forward(self, x: Tensor) -> Tensor:
        """(rows, columns, channels) float32 to the same; the sum over layers is never rounded to bfloat16."""
        x = x + self.attention(self.norm1(x).to(self.dtype))
        return x.add_(self.mlp(self.norm2(x).to(self.dtype)))


class _FastAttention(nn.Module):
    def __init__(self, attention: Attention, window_px: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.heads, self.scale, self.window_px = attention.num_heads, attention.scale, window_px
        self.qkv, self.proj = attention.qkv.to(dtype), attention.proj.to(dtype)
        self.rel_pos_h, self.rel_pos_w = attention.rel_pos_h, attention.rel_pos_w
        self.dtype = dtype

    def forward(self, x: Tensor) -> Tensor:
        rows, columns, channels = x.shape
        side_r = self.window_px or rows
        side_c = self.window_px or columns
        q, k, v = _windows(self.qkv(x), self.qkv.bias, side_r, side_c, self.heads)
        bias_h, bias_w = self._relative_bias(q, side_r, side_c)
        attend = _attend_in_pieces if x.device.type == "cpu" else _attend_at_once
        y = attend(q * self.scale, k, v, bias_h, bias_w)
        return self.proj(_unwindow(y, rows, columns, side_r, side_c, self.heads))

    def _relative_bias(self, q: Tensor, side_r: int, side_c: int) -> tuple[Tensor, Tensor]:
        """Score that a query gives to a key's row and to its column: two (items, rows, columns, side)."""
        items = q.shape[0]
        grid = q.view(items, side_r, side_c, -1)
        table_h = _relative_table(self.rel_pos_h, side_r).to(self.dtype)
        table_w = _relative_table(self.rel_pos_w, side_c).to(self.dtype)
        by_row = grid.transpose(0, 1).reshape(side_r, items * side_c, -1) @ table_h.transpose(1, 2)
        by_column = grid.permute(2, 0, 1, 3).reshape(side_c, items * side_r, -1)
        by_column = by_column @ table_w.transpose(1, 2)
        return (
            by_row.view(side_r, items, side_c, side_r).transpose(0, 1).contiguous(),
            by_column.view(side_c, items, side_r, side_c).permute(1, 2, 0, 3).contiguous(),
        )


def _relative_table(rel_pos: Tensor, side: int) -> Tensor:
    """(2 side - 1, channels) embeddings of distances to (side, side, channels) of query and key positions."""
    if rel_pos.shape[0] != 2 * side - 1:
        resized = F.interpolate(rel_pos.T[None], size=2 * side - 1, mode="linear")
        rel_pos = resized[0].T
    position = torch.arange(side, device=rel_pos.device)
    return rel_pos[position[:, None] - position[None, :] + side - 1]


def _windows(
    qkv: Tensor, padding: Tensor, side_r: int, side_c: int, heads: int
) -> tuple[Tensor, Tensor, Tensor]:
    """(rows, columns, 3 channels) to queries, keys and values (windows * heads, side_r * side_c, channels / heads).

    What lies past the edge is `padding`: the projection's bias, since the library projects zeros there.
    """
    rows, columns, width = qkv.shape
    n_r, n_c = -(-rows // side_r), -(-columns // side_c)
    if (n_r * side_r, n_c * side_c) != (rows, columns):
        padded = padding.expand(n_r * side_r, n_c * side_c, width).contiguous()
        padded[:rows, :columns] = qkv
        qkv = padded
    grid = qkv.view(n_r, side_r, n_c, side_c, 3, heads, width // 3 // heads)
    grid = grid.permute(4, 0, 2, 5, 1, 3, 6)
    q, k, v = grid.reshape(3, n_r * n_c * heads, side_r * side_c, -1).unbind(0)
    return q, k, v


def _unwindow(y: Tensor, rows: int, columns: int, side_r: int, side_c: int, heads: int) -> Tensor:
    """The inverse of `_windows` for one of its outputs: (rows, columns, channels)."""
    n_r, n_c = -(-rows // side_r), -(-columns // side_c)
    grid = y.view(n_r, n_c, heads, side_r, side_c, -1).permute(0, 3, 1, 4, 2, 5)
    return grid.reshape(n_r * side_r, n_c * side_c, -1)[:rows, :columns]


def _attend_in_pieces(q: Tensor, k: Tensor, v: Tensor, bias_h: Tensor, bias_w: Tensor) -> Tensor:
    """Softmax attention with decomposed bias, a piece of the map at a time: (items, tokens, channels / heads).

    `bias_h` (items, rows, columns, rows), `bias_w` (items, rows, columns, columns). A piece is several whole items, or
    some image rows of one item.
    """
    items, rows, columns, _ = bias_h.shape
    tokens = rows * columns
    out = torch.empty_like(q)
    n_items = max(1, _PIECE_SCORES // (tokens * tokens))
    n_rows = max(1, min(rows, _PIECE_SCORES // (columns * tokens)))
    for item in range(0, items, n_items):
        some = slice(item, item + n_items)
        keys = k[some].transpose(1, 2).contiguous()
        for row in range(0, rows, n_rows):
            part = slice(row * columns, (row + n_rows) * columns)
            scores = torch.bmm(q[some, part], keys)
            grid = scores.view(-1, scores.shape[1] // columns, columns, rows, columns)
            grid += bias_h[some, row : row + n_rows, :, :, None]
            grid += bias_w[some, row : row + n_rows, :, None, :]
            out[some, part] = torch.bmm(scores.softmax(-1), v[some])
    return out


def _attend_at_once(q: Tensor, k: Tensor, v: Tensor, bias_h: Tensor, bias_w: Tensor) -> Tensor:
    """The same by PyTorch's fused kernel, which is the fast way on a GPU."""
    items, rows, columns, _ = bias_h.shape
    bias = (bias_h[..., :, None] + bias_w[..., None, :]).view(items, rows * columns, rows * columns)
    return F.scaled_dot_product_attention(
        q[None], k[None], v[None], attn_mask=bias[None], scale=1.0
    )[0]
