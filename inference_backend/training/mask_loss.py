"""What the interactive decoder is trained on: overlap, edges, the best of several answers, and honesty about each."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

FOCUS = 2.0
EDGE_WEIGHT = 2.0


def soft_target(masks: Tensor, stride: int) -> Tensor:
    """uint8 (P, S, S) → float (P, S/stride, S/stride): share of each cell that is covered."""
    return F.avg_pool2d(masks[:, None].float(), stride)[:, 0]


def mask_costs(logits: Tensor, target: Tensor) -> Tensor:
    """(P, heads): focal cross-entropy with weight on the edge, plus Dice, for each head."""
    edge = (F.max_pool2d(target[:, None], 5, 1, 2) + F.max_pool2d(-target[:, None], 5, 1, 2)).clamp(
        0, 1
    )
    weight = 1 + EDGE_WEIGHT * edge
    goal = target[:, None].expand_as(logits)
    cross = F.binary_cross_entropy_with_logits(logits, goal, reduction="none")
    wrong = (torch.sigmoid(logits) - goal).abs().pow(FOCUS)
    focal = (cross * wrong * weight).mean((2, 3)) * 6
    prob = torch.sigmoid(logits)
    dice = 1 - (2 * (prob * goal).sum((2, 3)) + 1) / (
        prob.square().sum((2, 3)) + goal.square().sum((2, 3)) + 1
    )
    return focal + dice


def overlap(logits: Tensor, target: Tensor) -> Tensor:
    """IoU (P, heads) of the thresholded masks."""
    found, truth = logits > 0, (target > 0.5)[:, None]
    return (found & truth).sum((2, 3)).float() / (found | truth).sum((2, 3)).clamp_min(1).float()


def interactive_loss(
    output: dict[str, Tensor], masks: Tensor, several: Tensor
) -> tuple[Tensor, dict[str, float]]:
    """The first head always answers; the other three share an ambiguous prompt (`several` (P,) 1 where so), best counts."""
    fine, coarse = soft_target(masks, 2), soft_target(masks, 4)
    costs = mask_costs(output["logits"], fine)
    rough = mask_costs(output["coarse"], coarse)
    best = (costs[:, 1:] + 0.3 * rough[:, 1:]).min(1).values
    iou = overlap(output["logits"].detach(), fine)
    honesty = (output["iou"].float() - iou).square().mean()
    loss = (
        (costs[:, 0] + 0.3 * rough[:, 0]).mean()
        + 0.5 * (best * (0.3 + 0.7 * several)).mean()
        + honesty
    )
    return loss, {
        "iou": iou[:, 0].mean().item(),
        "iou_best": iou.max(1).values.mean().item(),
        "honesty": honesty.item(),
    }
