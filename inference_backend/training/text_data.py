"""What the text half learns from: crops of generated and real images with instructions, and a bank of class wordings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from inference_backend.language.encoder import TextEncoder
from inference_backend.language.ontology import LEAVES, Concept, concepts, truth
from inference_backend.models.unigeoseg.text import TextTensors
from inference_backend.models.unigeoseg.words import text_tensors
from inference_backend.training.hand_drawn import hand_drawn
from inference_backend.training.instructions import (
    Instruction,
    InstructionMix,
    LabelledCrop,
    make_instructions,
)
from inference_backend.training.object_bank import augment
from inference_backend.training.text_sets import TextImage, text_images

UNKNOWN = 255
SHARES = {
    "scenes": 0.35,
    "hand": 0.28,
    "kampala": 0.09,
    "dubai": 0.07,
    "neon": 0.07,
    "ucmerced": 0.05,
    "vegas": 0.04,
    "solar": 0.04,
    "munich": 0.005,
    "sichuan": 0.005,
}
HAND_EVERY = 150
"""Batches between two looks for photographs newly drawn over: a run may be under way while they are drawn."""
SCENE_POOL, SCENE_USES = 300, 12
BANK = 24
# Weak images say what they hold, not where: they are seen whole, so that the label stays true.
_GSD_M = (0.15, 0.6)
# Enlarged beyond its own resolution a photograph still teaches shapes; the tiles of a coarse raster are enlarged too.
FINEST_SHARE = 0.5


def truth_table() -> np.ndarray:
    """int8 (C, 256): 1, 0 or -1 for each concept and leaf; -1 for leaves that nobody named."""
    table = np.full((len(concepts()), 256), -1, np.int8)
    for row, concept in enumerate(concepts()):
        for column, leaf in enumerate(LEAVES):
            table[row, column] = truth(concept, leaf)
    return table


@dataclass
class TextBatch:
    """B images of S px and P instructions, image-major.

    images uint8 (B, 3, S, S); leaves uint8 (B, S/4, S/4); whole bool (B,): every concept is labelled; complete bool (B, C): in the
    others, concepts whose absence is known wherever the leaf is; weak int8 (B, C): 1 in the image, 0 not in it, -1 not said; masks uint8 (P, S, S) with 255 unknown; core uint8
    (P, S/2, S/2) with 255 unknown; text of the P instructions; concepts float32 (P, C), rows of zeros where none is meant;
    present float32 (P,) 1, 0 or -1; bank: wordings of classes, with bank_concept (N,).
    """

    images: torch.Tensor
    leaves: torch.Tensor
    whole: torch.Tensor
    complete: torch.Tensor
    weak: torch.Tensor
    masks: torch.Tensor
    core: torch.Tensor
    text: TextTensors
    concepts: torch.Tensor
    present: torch.Tensor
    bank: TextTensors
    bank_concept: torch.Tensor


class TextSource:
    """Makes batches. `root` holds the real sets; None trains on generated images only."""

    def __init__(
        self,
        root: Path | None,
        crop_px: int,
        mix: InstructionMix,
        rng: np.random.Generator,
        prompts_an_image: int = 2,
    ) -> None:
        self.crop_px, self.mix, self.rng, self.each = crop_px, mix, rng, prompts_an_image
        self.encoder = TextEncoder(remembered=40_000)
        self.names = {concept.name: i for i, concept in enumerate(concepts())}
        self.pools: dict[str, list[TextImage]] = {"scenes": []}
        if root is not None:
            for image in text_images(root):
                self.pools.setdefault(image.name.split("/")[0], []).append(image)
        if "ucmerced" in self.pools:
            self.pools["solar"] = []
        self._root, self._age, self._batches = root, 0, 0

    def batch(self, images: int) -> TextBatch:
        if self._root is not None and self._batches % HAND_EVERY == 0:
            self._reread(self._root)
        self._batches += 1
        crops: list[LabelledCrop] = []
        sources: list[TextImage] = []
        instructions: list[Instruction] = []
        while len(crops) < images:
            source = self._pick()
            crop = self._crop(source)
            made = make_instructions(crop, self.rng, self.each, self.mix)
            if not made:
                continue
            made = (made * self.each)[: self.each]
            crops.append(crop)
            sources.append(source)
            instructions += made
        return self._batch(crops, sources, instructions)

    def _reread(self, root: Path) -> None:
        drawn = list(hand_drawn(root))
        if drawn:
            self.pools["hand"] = drawn

    def _pick(self) -> TextImage:
        names = [name for name in SHARES if name in self.pools]
        shares = np.array([SHARES[name] for name in names])
        name = names[int(self.rng.choice(len(names), p=shares / shares.sum()))]
        if name == "solar":
            return self._solar()
        pool = self.pools[name]
        if name == "scenes":
            self._refresh(pool)
        return pool[int(self.rng.integers(len(pool)))]

    def _refresh(self, pool: list[TextImage]) -> None:
        self._age += 1
        if pool and self._age < SCENE_USES:
            return
        self._age = 0
        image = scene_text_image(int(self.rng.integers(1, 2**31)), self.rng)
        if len(pool) < SCENE_POOL:
            pool.append(image)
        else:
            pool[int(self.rng.integers(len(pool)))] = image

    def _solar(self) -> TextImage:
        from inference_backend.training.solar_collage import solar_collage

        photos = self.pools.get("ucmerced") or self.pools["scenes"]
        photo = photos[int(self.rng.integers(len(photos)))]
        gsd_m = photo.gsd_m * self.rng.uniform(0.5, 1.0)
        made = solar_collage(photo.rgb, gsd_m, self.rng)
        leaves = np.zeros(made.labels.shape, np.uint8)
        leaves[made.labels > 0] = LEAVES.index("solar array")
        ids = [int(i) for i in np.unique(made.labels) if i]
        return TextImage(
            rgb=made.rgb,
            leaves=leaves,
            instances=made.labels,
            instance_leaf=dict.fromkeys(ids, "solar array"),
            attributes={},
            gsd_m=gsd_m,
            complete=frozenset({"solar array"}),
            name="solar",
        )

    def _crop(self, image: TextImage) -> LabelledCrop:
        """A turned, mirrored and scaled window; weakly labelled images are taken whole."""
        size, rng = self.crop_px, self.rng
        height, width = image.rgb.shape[:2]
        whole = bool(image.present or image.absent)
        low, high = np.log(_GSD_M)
        gsd_m = float(np.exp(rng.uniform(low, high)))
        gsd_m = float(
            np.clip(
                gsd_m, image.gsd_m * FINEST_SHARE, image.gsd_m * min(height, width) / size * 1.3
            )
        )
        scale = size / max(height, width) if whole else image.gsd_m / gsd_m
        angle = 90.0 * rng.integers(4)
        if not whole and rng.random() < 0.6:
            angle = rng.uniform(-180, 180)
        matrix = self._matrix(image, scale, angle, whole)
        source, shrunk = _halved(image.rgb, scale)
        matrix_rgb = matrix.copy()
        matrix_rgb[:, :2] /= shrunk
        rgb = cv2.warpAffine(
            source,
            matrix_rgb,
            (size, size),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        leaves = _nearest(image.leaves, matrix, size, UNKNOWN).astype(np.uint8)
        instances = _nearest(image.instances, matrix, size, 0).astype(np.int32)
        seen = {int(i) for i in np.unique(instances)} & set(image.instance_leaf)
        return LabelledCrop(
            rgb=augment(rgb, rng),
            leaves=leaves,
            instances=instances,
            instance_leaf={i: image.instance_leaf[i] for i in seen},
            attributes={i: image.attributes.get(i, {}) for i in seen},
            gsd_m=image.gsd_m / scale,
            complete=image.complete,
        )

    def _matrix(self, image: TextImage, scale: float, angle: float, whole: bool) -> np.ndarray:
        """Affine (2, 3) from the image to the crop."""
        size, rng = self.crop_px, self.rng
        height, width = image.rgb.shape[:2]
        cx, cy = width / 2, height / 2
        if not whole:
            margin = size / scale * 0.4
            cx = rng.uniform(min(margin, cx), max(width - margin, cx))
            cy = rng.uniform(min(margin, cy), max(height - margin, cy))
            rare = self._rare_place(image)
            if rare is not None:
                cx, cy = np.array(rare) + rng.normal(0, margin * 0.5, 2)
        matrix = cv2.getRotationMatrix2D((cx, cy), angle, scale)
        if rng.random() < 0.5:
            matrix[0] = -matrix[0]
            matrix[0, 2] += 2 * cx
        matrix[:, 2] += size / 2 - np.array([cx, cy])
        return matrix

    def _rare_place(self, image: TextImage) -> tuple[float, float] | None:
        """Half of the crops are laid at an object, kinds evenly: a town has more roofs than tennis courts."""
        if not image.instance_leaf or self.rng.random() < 0.5:
            return None
        kinds = sorted(set(image.instance_leaf.values()))
        kind = kinds[int(self.rng.integers(len(kinds)))]
        ids = [i for i, leaf in image.instance_leaf.items() if leaf == kind]
        ys, xs = np.nonzero(image.instances[::4, ::4] == ids[int(self.rng.integers(len(ids)))])
        if not len(ys):
            return None
        pick = int(self.rng.integers(len(ys)))
        return float(xs[pick] * 4), float(ys[pick] * 4)

    def _batch(
        self, crops: list[LabelledCrop], sources: list[TextImage], made: list[Instruction]
    ) -> TextBatch:
        count = len(self.names)
        complete = np.zeros((len(crops), count), bool)
        weak = np.full((len(crops), count), -1, np.int8)
        for row, source in enumerate(sources):
            for name in source.complete or ():
                complete[row, self.names[name]] = True
            for value, names in ((1, source.present), (0, source.absent)):
                for name in names:
                    weak[row, self.names[name]] = value
        meant = np.zeros((len(made), count), np.float32)
        for row, instruction in enumerate(made):
            for name in instruction.concepts:
                meant[row, self.names[name]] = 1 / len(instruction.concepts)
        cores = [_core(made[k], crops[k // self.each]) for k in range(len(made))]
        images = np.stack([crop.rgb for crop in crops]).transpose(0, 3, 1, 2)
        bank, bank_concept = self._bank(crops)
        return TextBatch(
            images=torch.from_numpy(np.ascontiguousarray(images)),
            leaves=torch.from_numpy(np.stack([crop.leaves[2::4, 2::4] for crop in crops])),
            whole=torch.tensor([source.complete is None for source in sources]),
            complete=torch.from_numpy(complete),
            weak=torch.from_numpy(weak),
            masks=torch.from_numpy(np.stack([instruction.mask for instruction in made])),
            core=torch.from_numpy(np.stack(cores)),
            text=self.text_tensors([m.text for m in made], [m.task for m in made]),
            concepts=torch.from_numpy(meant),
            present=torch.tensor([float(m.present) for m in made]),
            bank=bank,
            bank_concept=bank_concept,
        )

    def _bank(self, crops: Sequence[LabelledCrop]) -> tuple[TextTensors, torch.Tensor]:
        """Wordings of classes that the batch shows, and of some that it may not."""
        known = concepts()
        leaves = {LEAVES[i] for crop in crops for i in np.unique(crop.leaves) if i < len(LEAVES)}
        shown = [i for i, concept in enumerate(known) if leaves & set(concept.covers)]
        self.rng.shuffle(shown)
        rest = [i for i in range(len(known)) if i not in shown]
        self.rng.shuffle(rest)
        chosen = (shown[: BANK - 6] + rest)[:BANK]
        texts, tasks = [], []
        for index in chosen:
            text, task = _wording(known[index], self.rng)
            texts.append(text)
            tasks.append(task)
        return self.text_tensors(texts, tasks), torch.tensor(chosen)

    def text_tensors(self, texts: Sequence[str], tasks: Sequence[str]) -> TextTensors:
        """As the network takes them; texts heard before are remembered."""
        return text_tensors(self.encoder, texts, tasks)


def scene_text_image(seed: int, rng: np.random.Generator) -> TextImage:
    """A generated scene at one of the resolutions that users have, every pixel known."""
    from inference_backend.training.scenes import make_scene, scene_leaves

    gsd_m = float(np.exp(rng.uniform(np.log(0.09), np.log(0.6))))
    scene = make_scene(seed, size_px=512, gsd_m=gsd_m)
    return TextImage(
        rgb=scene.rgb,
        leaves=scene_leaves(scene),
        instances=scene.instances.astype(np.int32),
        instance_leaf=dict(scene.classes),
        attributes=scene.attributes,
        gsd_m=gsd_m,
        complete=None,
        name=f"scenes/{seed}",
    )


def _wording(concept: Concept, rng: np.random.Generator) -> tuple[str, str]:
    if concept.questions and rng.random() < 0.2:
        return str(rng.choice(concept.questions)), "reasoning"
    words = (concept.plural, *concept.wordings)
    text = words[int(rng.integers(len(words)))]
    if rng.random() < 0.15:
        text = str(rng.choice(["all ", "the ", "all the ", "every "])) + text
    return text, "referring"


def _core(instruction: Instruction, crop: LabelledCrop) -> np.ndarray:
    """uint8 (S/2, S/2): insides of the single objects of the mask; 255 where unknown or where the mask has no objects."""
    mask = instruction.mask
    unknown = np.full((mask.shape[0] // 2, mask.shape[1] // 2), UNKNOWN, np.uint8)
    inside = mask == 1
    if not instruction.present or not crop.instance_leaf:
        return unknown
    wanted = inside & (crop.instances > 0)
    if wanted.sum() < 0.9 * inside.sum():
        return unknown
    labels = np.where(wanted, crop.instances, 0).astype(np.float32)
    kernel = np.ones((3, 3), np.uint8)
    same = (cv2.dilate(labels, kernel) == labels) & (cv2.erode(labels, kernel) == labels) & wanted
    depth = cv2.distanceTransform(same.astype(np.uint8), cv2.DIST_L2, 3)
    whole = labels.astype(np.int32)
    deepest = np.zeros(int(whole.max()) + 1, np.float32)
    np.maximum.at(deepest, whole.ravel(), depth.ravel())
    core = (depth > np.maximum(1.5, 0.35 * deepest[whole])) & wanted
    out = core.astype(np.uint8)
    out[mask == UNKNOWN] = UNKNOWN
    return np.ascontiguousarray(out[1::2, 1::2])


def _halved(rgb: np.ndarray, scale: float) -> tuple[np.ndarray, float]:
    """The image halved while the crop wants less than half of its resolution; warping alone would alias."""
    shrunk = 1.0
    while scale / shrunk < 0.55 and min(rgb.shape[:2]) >= 64:
        rgb = cv2.resize(rgb, (rgb.shape[1] // 2, rgb.shape[0] // 2), interpolation=cv2.INTER_AREA)
        shrunk /= 2
    return rgb, shrunk


def _nearest(labels: np.ndarray, matrix: np.ndarray, size: int, border: int) -> np.ndarray:
    return cv2.warpAffine(
        labels.astype(np.float32), matrix, (size, size), flags=cv2.INTER_NEAREST, borderValue=border
    )


def text_batches(source: TextSource, images: int) -> Iterator[TextBatch]:
    """Endless."""
    while True:
        yield source.batch(images)
