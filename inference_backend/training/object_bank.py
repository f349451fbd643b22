"""Images with labelled objects in memory, and crops of them that are scaled to the object and augmented."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

FILLED_CLASSES = frozenset({"building"})
"""What stands on a roof belongs to the building for a user who clicks on it, so its holes are filled."""


@dataclass
class LabelledImage:
    """`rgb` uint8 (H, W, 3), `labels` int32 (H, W) with 0 for nothing, `objects` id → (class, (x0, y0, x1, y1))."""

    rgb: np.ndarray
    labels: np.ndarray
    objects: dict[int, tuple[str, tuple[int, int, int, int]]]
    halves: list[tuple[np.ndarray, float]] = field(default_factory=list)

    @classmethod
    def from_labels(
        cls, rgb: np.ndarray, labels: np.ndarray, classes: dict[int, str], least_px: int = 40
    ) -> LabelledImage:
        """Boxes are read off the label map; objects smaller than `least_px` pixels are not offered for prompts."""
        labels = labels.astype(np.int32)
        flat = labels.ravel()
        counts = np.bincount(flat)
        objects = {}
        order = np.argsort(flat, kind="stable")
        starts = np.concatenate([[0], np.cumsum(counts)])
        width = labels.shape[1]
        for ident in np.nonzero(counts)[0]:
            if ident == 0 or counts[ident] < least_px:
                continue
            index = order[starts[ident] : starts[ident + 1]]
            ys, xs = np.divmod(index, width)
            box = (int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1)
            objects[int(ident)] = (classes.get(int(ident), "object"), box)
        return cls(np.ascontiguousarray(rgb), labels, objects)

    def shrunk(self, scale: float) -> tuple[np.ndarray, float]:
        """The image halved as often as `scale` allows, with its own scale: shrinking by warping alone would alias."""
        if not self.halves:
            self.halves = [(self.rgb, 1.0)]
            while min(self.halves[-1][0].shape[:2]) >= 128:
                image, s = self.halves[-1]
                size = (image.shape[1] // 2, image.shape[0] // 2)
                self.halves.append((cv2.resize(image, size, interpolation=cv2.INTER_AREA), s / 2))
        fitting = [half for half in self.halves if half[1] >= scale * 0.95]
        return fitting[-1] if fitting else self.halves[0]


def object_mask(labels: np.ndarray, ident: int, class_name: str) -> np.ndarray:
    """uint8 (H, W) mask of one object; holes of `FILLED_CLASSES` closed."""
    mask = (labels == ident).astype(np.uint8)
    if class_name in FILLED_CLASSES:
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(mask, contours, -1, 1, cv2.FILLED)
    return mask


@dataclass
class Crop:
    """`rgb` uint8 (S, S, 3); `masks` uint8 (N, S, S), one for each prompt that will be asked."""

    rgb: np.ndarray
    masks: np.ndarray
    class_names: list[str]


@dataclass(frozen=True)
class CropPolicy:
    """`long_side_px` bounds how long the wanted object is in the crop: what zooming leaves for the network to see."""

    crop_px: int = 160
    long_side_px: tuple[float, float] = (20.0, 140.0)
    scale: tuple[float, float] = (0.12, 4.5)
    rotate: float = 0.6


def sample_crop(
    image: LabelledImage,
    rng: np.random.Generator,
    masks_wanted: int,
    policy: CropPolicy,
    ident: int | None = None,
) -> Crop | None:
    """A crop round a random object, with `masks_wanted` masks: it and neighbours that lie mostly inside. None if it fails."""
    if not image.objects:
        return None
    if ident is None:
        ident = int(rng.choice(list(image.objects)))
    class_name, (x0, y0, x1, y1) = image.objects[ident]
    long_px = max(x1 - x0, y1 - y0)
    wanted = np.exp(rng.uniform(*np.log(policy.long_side_px)))
    scale = float(np.clip(wanted / long_px, *policy.scale))
    size = policy.crop_px
    angle = rng.uniform(-180, 180) if rng.random() < policy.rotate else float(rng.integers(4) * 90)
    matrix = _crop_matrix(image, (x0, y0, x1, y1), scale, angle, size, rng)
    labels = cv2.warpAffine(
        image.labels.astype(np.float32),
        matrix,
        (size, size),
        flags=cv2.INTER_NEAREST,
        borderValue=0,
    ).astype(np.int32)
    mask = object_mask(labels, ident, class_name)
    if mask.sum() < 60:
        return None
    source, source_scale = image.shrunk(scale)
    matrix_image = matrix.copy()
    matrix_image[:, :2] /= source_scale
    rgb = cv2.warpAffine(
        source,
        matrix_image,
        (size, size),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    masks, names = [mask], [class_name]
    masks_more, names_more = _neighbours(labels, ident, image, masks_wanted - 1, rng)
    masks += masks_more
    names += names_more
    while len(masks) < masks_wanted:
        masks.append(mask)
        names.append(class_name)
    return Crop(rgb, np.stack(masks), names)


def _crop_matrix(
    image: LabelledImage,
    box: tuple[int, int, int, int],
    scale: float,
    angle: float,
    size: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Affine (2, 3) from image to crop: turn and scale about the object, then place it off-centre as windows do."""
    cx, cy = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    half = min(0.5 * max(box[2] - box[0], box[3] - box[1]) * scale, size / 2)
    slack = max(size / 2 - half, 0) + 0.15 * half
    dx, dy = rng.uniform(-slack, slack, 2) * 0.8
    matrix = cv2.getRotationMatrix2D((cx, cy), angle, scale)
    if rng.random() < 0.5:
        matrix[0] = -matrix[0]
        matrix[0, 2] += 2 * cx
    matrix[0, 2] += size / 2 + dx - cx
    matrix[1, 2] += size / 2 + dy - cy
    return matrix


def _neighbours(
    labels: np.ndarray, ident: int, image: LabelledImage, wanted: int, rng: np.random.Generator
) -> tuple[list[np.ndarray], list[str]]:
    counts = np.bincount(labels.ravel())
    inner = np.bincount(labels[8:-8, 8:-8].ravel(), minlength=len(counts))
    others = [
        int(i)
        for i in np.nonzero(counts)[0]
        if i not in (0, ident)
        and i in image.objects
        and counts[i] >= 90
        and inner[i] >= 0.8 * counts[i]
    ]
    rng.shuffle(others)
    chosen = others[:wanted]
    names = [image.objects[i][0] for i in chosen]
    return [object_mask(labels, i, n) for i, n in zip(chosen, names)], names


def augment(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Colours, haze, blur, noise and compression of other sensors; uint8 (S, S, 3) in and out."""
    x = rgb.astype(np.float32)
    if rng.random() < 0.8:
        x = 255 * np.clip(x / 255, 0, 1) ** np.exp(rng.normal(0, 0.25))
        x = (x - 128) * np.exp(rng.normal(0, 0.25)) + 128 + rng.normal(0, 18)
        x *= np.exp(rng.normal(0, 0.1, 3))
    if rng.random() < 0.4:
        grey = x.mean(2, keepdims=True)
        x = grey + (x - grey) * rng.uniform(0.2, 1.7)
    if rng.random() < 0.08:
        x = x[..., rng.permutation(3)]
    if rng.random() < 0.3:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.4, 1.6))
    if rng.random() < 0.4:
        x += rng.normal(0, rng.uniform(1, 10), x.shape).astype(np.float32)
    out = np.clip(x, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        quality = int(rng.integers(35, 90))
        out = cv2.imdecode(
            cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR
        )
    return out
