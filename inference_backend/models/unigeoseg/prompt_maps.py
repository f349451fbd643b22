"""Prompts as tensors: dense maps of where they are, and the regions whose look is matched against the image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

DENSE_CHANNELS = 11
REGION_COUNT = 5
NEAR_PX, FAR_PX = 5.0, 40.0
FAR_AWAY = 1e4


@dataclass
class PromptTensors:
    """P prompts sets over images of H x W pixels; all positions in pixels of the embedded image.

    clicks (P, K, 2) with click_label (P, K): 1 add, 0 remove, -1 padding. box (P, 4) least and greatest corner, and
    has_box (P,). drawn (P, 2, H/4, W/4): scribbles and lassos, added and removed, antialiased. previous (P, 1, H/4, W/4):
    the last answer as probability, and has_previous (P,).
    """

    clicks: Tensor
    click_label: Tensor
    box: Tensor
    has_box: Tensor
    drawn: Tensor
    previous: Tensor
    has_previous: Tensor

    @classmethod
    def nothing(cls, count: int, device: torch.device | str) -> PromptTensors:
        """`count` times no prompt at all. No drawing either, so not for `dense_maps`."""
        clicks = torch.zeros(count, 1, 2, device=device)
        label = torch.full((count, 1), -1, dtype=torch.long, device=device)
        off, none = torch.zeros(count, device=device), torch.zeros(count, 0, 1, 1, device=device)
        return cls(clicks, label, torch.zeros(count, 4, device=device), off, none, none, off)

    @property
    def centre(self) -> Tensor:
        """(P, 2): middle of the box, else mean of the added clicks, else of all clicks; the origin of position codes."""
        added = (self.click_label == 1).float()
        some = torch.where(added.sum(1, keepdim=True) > 0, added, (self.click_label >= 0).float())
        mean = (self.clicks * some[..., None]).sum(1) / some.sum(1, keepdim=True).clamp_min(1)
        middle = (self.box[:, :2] + self.box[:, 2:]) / 2
        return torch.where(self.has_box[:, None] > 0, middle, mean)

    @property
    def has_place(self) -> Tensor:
        """(P,) bool: is there a click or a box at all?"""
        return (self.click_label >= 0).any(1) | (self.has_box > 0)

    @property
    def token_xy(self) -> Tensor:
        """(P, K + 2, 2): the clicks, then the box's two corners."""
        return torch.cat([self.clicks, self.box.view(-1, 2, 2)], 1)

    @property
    def token_type(self) -> Tensor:
        """(P, K + 2): 0 added click, 1 removed click, 2 and 3 box corners, 4 padding."""
        clicks = torch.where(self.click_label == 1, 0, torch.where(self.click_label == 0, 1, 4))
        corners = torch.tensor([2, 3], device=clicks.device).expand(len(clicks), 2)
        corners = torch.where(self.has_box[:, None] > 0, corners, 4)
        return torch.cat([clicks, corners], 1).long()

    def with_previous(self, probability4: Tensor) -> PromptTensors:
        """The same prompts with a previous answer (P, 1, H/4, W/4)."""
        ones = torch.ones_like(self.has_previous)
        return PromptTensors(
            self.clicks, self.click_label, self.box, self.has_box, self.drawn, probability4, ones
        )


def _distance_px(clicks: Tensor, wanted: Tensor, height: int, width: int, stride: int) -> Tensor:
    """(P, h, w): distance in pixels from each cell's centre to the nearest wanted click."""
    ys = torch.arange(height, device=clicks.device) * float(stride) + stride / 2
    xs = torch.arange(width, device=clicks.device) * float(stride) + stride / 2
    dy2 = (ys[None, None] - clicks[..., 1:2]).square()
    dx2 = (xs[None, None] - clicks[..., 0:1]).square()
    d2 = dy2[..., :, None] + dx2[..., None, :]
    d2 = torch.where(wanted[..., None, None], d2, FAR_AWAY**2)
    return d2.min(1).values.sqrt()


def _box_maps(
    prompts: PromptTensors, height: int, width: int, stride: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Fill (P, h, w) with soft edges, and place inside the box across and down, -1 to 1, clamped to ±1.5."""
    box, on = prompts.box, prompts.has_box[:, None, None]
    ys = torch.arange(height, device=box.device) * float(stride) + stride / 2
    xs = torch.arange(width, device=box.device) * float(stride) + stride / 2

    def axis(position: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        half = ((high - low) / 2).clamp_min(1.0)[:, None]
        offset = position[None] - ((low + high) / 2)[:, None]
        cover = ((half - offset.abs()) / stride + 0.5).clamp(0, 1)
        return cover, (offset / half).clamp(-1.5, 1.5)

    cover_x, place_x = axis(xs, box[:, 0], box[:, 2])
    cover_y, place_y = axis(ys, box[:, 1], box[:, 3])
    shape = (len(box), height, width)
    across = place_x[:, None, :].expand(shape) * on
    down = place_y[:, :, None].expand(shape) * on
    return cover_y[:, :, None] * cover_x[:, None, :] * on, across, down


def _fit(x: Tensor, height: int, width: int) -> Tensor:
    return x if x.shape[-2:] == (height, width) else F.adaptive_avg_pool2d(x, (height, width))


def dense_maps(prompts: PromptTensors, height: int, width: int, stride: int) -> Tensor:
    """(P, DENSE_CHANNELS, h, w): near and far glow of added and removed clicks, box fill and place, drawings, previous."""
    add = _distance_px(prompts.clicks, prompts.click_label == 1, height, width, stride)
    remove = _distance_px(prompts.clicks, prompts.click_label == 0, height, width, stride)
    fill, across, down = _box_maps(prompts, height, width, stride)
    drawn = _fit(prompts.drawn, height, width)
    previous = _fit(prompts.previous, height, width) * prompts.has_previous[:, None, None, None]
    glow = [torch.exp(-d / s) for d in (add, remove) for s in (NEAR_PX, FAR_PX)]
    given = prompts.has_previous[:, None, None, None].expand_as(previous)
    stacked = torch.stack([*glow, fill, across, down], 1)
    return torch.cat([stacked, drawn, previous, given], 1)


def region_weights(prompts: PromptTensors, dense: Tensor) -> Tensor:
    """(P, REGION_COUNT, h, w) of weights: under added, under removed, inside the box, round the box, inside the previous.

    The box's inside is weighted to its middle and its outside is a ring half as wide again, so that the two differ
    where an object fills its box.
    """
    add, remove = dense[:, 0], dense[:, 2]
    fill, across, down = dense[:, 4], dense[:, 5], dense[:, 6]
    drawn_add, drawn_remove, previous = dense[:, 7], dense[:, 8], dense[:, 9]
    middle = fill * torch.exp(-2 * (across.square() + down.square()))
    ring = (
        ((across.abs() < 1.45) & (down.abs() < 1.45)).to(fill.dtype)
        * (1 - fill)
        * prompts.has_box[:, None, None]
    )
    return torch.stack(
        [add.pow(2) + drawn_add, remove.pow(2) + drawn_remove, middle, ring, previous.pow(2)], 1
    )
