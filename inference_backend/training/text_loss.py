"""What the text half is trained on: masks with unknown parts, classes everywhere in the image, presence, concepts, cores."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from inference_backend.training.mask_loss import EDGE_WEIGHT, FOCUS, overlap

UNKNOWN = 255


def known_target(masks: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """uint8 (P, S, S) of 0, 1, 255 → share of each cell that is covered (P, S/stride, S/stride), and where that is known."""
    unknown = (masks == UNKNOWN).float()
    covered = (masks == 1).float()
    target = F.avg_pool2d(covered[:, None], stride)[:, 0]
    return target, F.avg_pool2d(unknown[:, None], stride)[:, 0] < 0.5


def partial_costs(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """(P,) focal cross-entropy plus Dice where known; Dice is left out of empty targets (unigeoseg 4.3)."""
    edge = F.max_pool2d(target[:, None], 5, 1, 2) + F.max_pool2d(-target[:, None], 5, 1, 2)
    weight = (1 + EDGE_WEIGHT * edge[:, 0].clamp(0, 1)) * known
    cross = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    probability = torch.sigmoid(logits)
    wrong = (probability - target).abs().pow(FOCUS)
    area = known.sum((1, 2)).clamp_min(1)
    focal = (cross * wrong * weight).sum((1, 2)) / area * 6
    inside, truth = probability * known, target * known
    dice = 1 - (2 * (inside * truth).sum((1, 2)) + 1) / (
        inside.square().sum((1, 2)) + truth.square().sum((1, 2)) + 1
    )
    some = (truth.sum((1, 2)) > 2).float()
    return (focal + dice * some) * (known.sum((1, 2)) > 0)


def class_truth(table: Tensor, leaves: Tensor, complete: Tensor, whole: Tensor) -> Tensor:
    """int8 (N, B, h, w) of 1, 0, -1: `table` (N, 256) for N concepts, leaves uint8 (B, h, w), complete bool (B, N).

    An image that is `whole` (B,) is labelled for every concept: the table holds. Another image tells of the concepts in
    `complete` wherever its leaf is known, "other" included, and of the rest only where they are.
    """
    truth = table[:, leaves.long()]
    told = complete.t()[:, :, None, None]
    partly = ~whole[None, :, None, None]
    zero, unknown = torch.zeros_like(truth), torch.full_like(truth, -1)
    truth = torch.where(partly & told & (leaves == 0)[None], zero, truth)
    return torch.where(partly & ~told & (truth == 0), unknown, truth)


def bank_loss(likeness: Tensor, truth: Tensor) -> tuple[Tensor, float]:
    """Classes everywhere: likeness logits and truth (N, B, h, w). Returns the loss and the mean IoU of the classes shown."""
    known = (truth >= 0).float()
    target = (truth == 1).float()
    cross = F.binary_cross_entropy_with_logits(likeness, target, reduction="none")
    probability = torch.sigmoid(likeness)
    wrong = (probability - target).abs().pow(1.5)
    area = known.sum((2, 3))
    focal = (cross * wrong * known).sum((2, 3)) / area.clamp_min(1)
    pairs = (area > 0).float()
    inside = probability * known
    dice = 1 - (2 * (inside * target).sum((2, 3)) + 1) / (
        inside.sum((2, 3)) + target.sum((2, 3)) + 1
    )
    some = (target.sum((2, 3)) > 3).float()
    loss = (focal * pairs).sum() / pairs.sum().clamp_min(1) * 6
    loss = loss + (dice * some).sum() / some.sum().clamp_min(1)
    with torch.no_grad():
        found = (likeness > 0) & (known > 0)
        both = (found & (target > 0)).sum((2, 3)).float()
        either = (found | (target > 0)).sum((2, 3)).clamp_min(1).float()
        iou = ((both / either) * some).sum() / some.sum().clamp_min(1)
    return loss, iou.item()


def choice_loss(likeness: Tensor, truth: Tensor, leaves: Tensor) -> Tensor:
    """Of all classes of the bank, the right ones: cross-entropy over the bank at every pixel that one of them covers.

    Several may be right (a car is a vehicle), and unsure ones do not compete. Leaves that fill the batch count less, by the
    root of their share. likeness and truth (N, B, h, w), leaves uint8 (B, h, w).
    """
    right, wrong = truth == 1, truth == 0
    asked = right.any(0) & wrong.any(0)
    if not asked.any():
        return likeness.sum() * 0
    low = torch.finfo(likeness.dtype).min / 4
    among_right = likeness.masked_fill(~right, low).logsumexp(0)
    among_all = likeness.masked_fill(~(right | wrong), low).logsumexp(0)
    counts = torch.bincount(leaves[asked].long().flatten(), minlength=256).float()
    weight = counts.clamp_min(1).rsqrt()[leaves.long()] * asked
    return ((among_all - among_right).clamp_min(0) * weight).sum() / weight.sum().clamp_min(1e-6)


def concept_loss(logits: Tensor, meant: Tensor) -> Tensor:
    """Cross-entropy with the concepts that the generator used; meant (P, C), rows of zeros count for nothing."""
    rows = meant.sum(1) > 0
    if not rows.any():
        return logits.sum() * 0
    return -(meant[rows] * F.log_softmax(logits[rows], -1)).sum(1).mean()


def text_loss(
    output: dict[str, Tensor], masks: Tensor, core: Tensor, present: Tensor, meant: Tensor
) -> tuple[Tensor, dict[str, float]]:
    """Loss over P instructions. masks (P, S, S), core (P, S/2, S/2), present (P,) 1, 0 or -1, meant (P, C)."""
    fine, known2 = known_target(masks, 2)
    rough, known4 = known_target(masks, 4)
    logits = output["logits"][:, 0]
    costs = partial_costs(logits, fine, known2)
    costs = costs + 0.3 * partial_costs(output["coarse"][:, 0], rough, known4)
    answered = (known2.float().mean((1, 2)) > 0.5) & (fine.sum((1, 2)) > 4)
    iou = overlap(
        output["logits"].detach()[:, :1].masked_fill(~known2[:, None], -9), fine * known2
    )[:, 0]
    honesty = (
        (output["iou"][:, 0].float() - iou).square() * answered
    ).sum() / answered.sum().clamp_min(1)
    said = present >= 0
    presence = (
        F.binary_cross_entropy_with_logits(output["presence"][said], present[said].float())
        if said.any()
        else costs.sum() * 0
    )
    known = (core != UNKNOWN).float()
    split = partial_costs(output["core"], (core == 1).float(), known > 0)
    cored = (known.sum((1, 2)) > 0).float()
    loss = costs.mean() + 0.5 * honesty + 0.5 * presence
    loss = loss + 0.4 * (split * cored).sum() / cored.sum().clamp_min(1)
    if "concepts" in output:
        loss = loss + 0.5 * concept_loss(output["concepts"], meant)
    right = ((output["presence"] > 0) == (present > 0.5))[said].float()
    figures = {
        "text_iou": (iou * answered).sum().item() / max(int(answered.sum()), 1),
        "presence_right": right.mean().item() if len(right) else 1.0,
    }
    return loss, figures
