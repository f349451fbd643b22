"""Objects without a labeller: compact, contrasting segments of unlabelled images, and collages of real textures.

Both teach what an edge between two real surfaces looks like, which generated scenes cannot; neither teaches a class.
"""

from __future__ import annotations

import cv2
import numpy as np
from skimage.segmentation import felzenszwalb

from inference_backend.training.object_bank import LabelledImage

SCALES = (120, 350)


def pseudo_objects(rgb: np.ndarray, scale: float) -> LabelledImage:
    """Graph-based segments (Felzenszwalb and Huttenlocher 2004) that are compact, whole and stand out from their surroundings."""
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
    segments = felzenszwalb(
        cv2.cvtColor(cv2.bilateralFilter(rgb, 7, 40, 5), cv2.COLOR_RGB2LAB), scale, 0.6, 60
    )
    labels = np.zeros(rgb.shape[:2], np.int32)
    height, width = labels.shape
    kept = 0
    for ident in range(int(segments.max()) + 1):
        mask = (segments == ident).astype(np.uint8)
        area = int(mask.sum())
        if not 90 <= area <= 0.15 * height * width:
            continue
        filled = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        if _stands_out(lab, filled):
            kept += 1
            labels[_filled(filled) > 0] = kept
    return LabelledImage.from_labels(rgb, labels, {}, least_px=80)


def _filled(mask: np.ndarray) -> np.ndarray:
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return mask
    out = np.zeros_like(mask)
    cv2.drawContours(out, [max(contours, key=cv2.contourArea)], -1, 1, cv2.FILLED)
    return out


def _stands_out(lab: np.ndarray, mask: np.ndarray) -> bool:
    filled = _filled(mask)
    area = int(filled.sum())
    if area < 80 or mask.sum() < 0.75 * area:
        return False
    contours, _ = cv2.findContours(filled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = cv2.contourArea(cv2.convexHull(contours[0]))
    if area < 0.84 * hull:
        return False
    ys, xs = np.nonzero(filled)
    if min(ys.min(), xs.min()) == 0 or ys.max() == lab.shape[0] - 1 or xs.max() == lab.shape[1] - 1:
        return False
    ring = cv2.dilate(filled, np.ones((7, 7), np.uint8)) - cv2.dilate(
        filled, np.ones((3, 3), np.uint8)
    )
    inside, outside = lab[cv2.erode(filled, np.ones((3, 3), np.uint8)) > 0], lab[ring > 0]
    if len(inside) < 30 or len(outside) < 20:
        return False
    contrast = np.linalg.norm(inside.mean(0) - outside.mean(0))
    return bool(contrast > 16 and contrast > 0.9 * inside.std(0).mean())


def collage(textures: list[np.ndarray], rng: np.random.Generator, size: int = 320) -> LabelledImage:
    """A real image with shapes cut from other real images laid on it, some with a cast shadow."""
    canvas = _texture(textures, rng, size)
    labels = np.zeros((size, size), np.int32)
    for ident in range(1, int(rng.integers(4, 14)) + 1):
        patch = _texture(textures, rng, size)
        if rng.random() < 0.5:
            colour = rng.uniform(0, 255, 3)
            patch = (patch * rng.uniform(0.2, 0.7) + colour * 0.5).clip(0, 255).astype(np.uint8)
        outline = _outline(rng, size)
        alpha = np.zeros((size * 2, size * 2), np.uint8)
        cv2.fillPoly(alpha, [np.round(outline * 2).astype(np.int32)], 255)
        alpha = (
            cv2.resize(alpha, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        )
        if rng.random() < 0.4:
            canvas = _shadow(canvas, alpha, rng)
        soft = cv2.GaussianBlur(alpha, (0, 0), rng.uniform(0.3, 1.0))[..., None]
        canvas = (canvas * (1 - soft) + patch * soft).astype(np.uint8)
        labels[alpha > 0.5] = ident
    return LabelledImage.from_labels(canvas, labels, {}, least_px=80)


def _texture(textures: list[np.ndarray], rng: np.random.Generator, size: int) -> np.ndarray:
    source = textures[int(rng.integers(len(textures)))]
    side = int(min(source.shape[:2]) * rng.uniform(0.3, 1.0))
    y = int(rng.integers(source.shape[0] - side + 1))
    x = int(rng.integers(source.shape[1] - side + 1))
    cut = np.rot90(source[y : y + side, x : x + side], int(rng.integers(4)))
    return cv2.resize(
        cut, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    )


def _outline(rng: np.random.Generator, size: int) -> np.ndarray:
    """float (N, 2): rectangle, L, or a smooth blob, turned and placed at random."""
    kind = rng.choice(3, p=[0.5, 0.25, 0.25])
    if kind == 0:
        shape = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], float)
    elif kind == 1:
        a, b = rng.uniform(-0.5, 0.5, 2)
        shape = np.array([[-1, -1], [1, -1], [1, b], [a, b], [a, 1], [-1, 1]])
    else:
        angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        radius = 1 + sum(
            rng.normal(0, 0.25 / k) * np.cos(k * angle + rng.uniform(0, 6.28)) for k in range(1, 6)
        )
        shape = np.stack([np.cos(angle), np.sin(angle)], 1) * radius[:, None]
    long_px = np.exp(rng.uniform(np.log(9), np.log(size * 0.3)))
    shape = shape * [long_px, long_px * rng.uniform(0.3, 1.0)]
    turn = rng.uniform(0, 2 * np.pi)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return shape @ matrix.T + rng.uniform(0.08 * size, 0.92 * size, 2)


def _shadow(canvas: np.ndarray, alpha: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    move = np.float32([[1, 0, rng.uniform(-9, 9)], [0, 1, rng.uniform(-9, 9)]])
    shade = cv2.GaussianBlur(cv2.warpAffine(alpha, move, alpha.shape[::-1]), (0, 0), 1.0)[..., None]
    return (canvas * (1 - shade * rng.uniform(0.3, 0.65))).astype(np.uint8)
