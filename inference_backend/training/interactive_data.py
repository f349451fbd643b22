"""The mixture that the interactive model learns from, served as batches by a background process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset

from inference_backend.training import real_sets
from inference_backend.training.object_bank import (
    Crop,
    CropPolicy,
    LabelledImage,
    augment,
    sample_crop,
)
from inference_backend.training.pseudo_objects import SCALES, collage, pseudo_objects
from inference_backend.training.solar_collage import solar_collage

SHARES = {
    "scenes": 0.36,
    "kampala": 0.17,
    "dubai": 0.15,
    "solar_on_photo": 0.13,
    "collage": 0.08,
    "pseudo": 0.09,
    "landslide": 0.02,
}
DUBAI_WEIGHTS = {"building": 6.0, "vegetation": 2.0, "water": 1.0, "road": 1.5, "land": 0.4}
SCENE_POOL, SCENE_USES = 400, 14
ROOFED = frozenset(
    ["buildings", "denseresidential", "mediumresidential", "sparseresidential", "mobilehomepark", "drone", "parkinglot", "cars_kit_ais", "intersection"]
)


@dataclass(frozen=True)
class DataPlan:
    """What a batch is made of. `root` holds the real sets (see the model card); None trains on generated images only."""

    root: Path | None
    crop_px: int = 160
    images: int = 16
    prompts_an_image: int = 2
    seed: int = 0


class _Pool:
    """Images of one source; `refresh` makes another now and then, so that generated ones never run out."""

    def __init__(
        self,
        images: list[LabelledImage],
        make: Callable[[], LabelledImage] | None,
        most: int,
        uses: int,
    ) -> None:
        self.images, self.make, self.most, self.uses, self.age = images, make, most, uses, 0

    def pick(self, rng: np.random.Generator) -> LabelledImage:
        if self.make and (not self.images or self.age >= self.uses):
            self.age = 0
            image = self.make()
            if len(self.images) < self.most:
                self.images.append(image)
            else:
                self.images[int(rng.integers(self.most))] = image
        self.age += 1
        return self.images[int(rng.integers(len(self.images)))]


class InteractiveStream(IterableDataset):
    """Endless batches: images float (B, 3, S, S) in 0..1 scaled by `normalise`, masks uint8 (B * N, S, S)."""

    def __init__(self, plan: DataPlan) -> None:
        self.plan = plan

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        rng = np.random.default_rng([self.plan.seed, np.random.SeedSequence().entropy % 2**32])
        pools = _pools(self.plan, rng)
        names = [name for name in SHARES if name in pools]
        shares = np.array([SHARES[name] for name in names])
        while True:
            crops = []
            while len(crops) < self.plan.images:
                name = names[int(rng.choice(len(names), p=shares / shares.sum()))]
                crop = self._crop(pools[name].pick(rng), name, rng)
                if crop is not None:
                    crops.append(crop)
            yield self._batch(crops, rng)

    def _crop(self, image: LabelledImage, name: str, rng: np.random.Generator) -> Crop | None:
        policy = CropPolicy(crop_px=self.plan.crop_px)
        ident = None
        if name == "dubai" and image.objects:
            weights = np.array([DUBAI_WEIGHTS[c] for c, _ in image.objects.values()])
            ident = int(rng.choice(list(image.objects), p=weights / weights.sum()))
        return sample_crop(image, rng, self.plan.prompts_an_image, policy, ident)

    def _batch(
        self, crops: list[Crop], rng: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        images = np.stack([augment(crop.rgb, rng) for crop in crops]).transpose(0, 3, 1, 2)
        masks = np.concatenate([crop.masks for crop in crops])
        return torch.from_numpy(np.ascontiguousarray(images)), torch.from_numpy(masks)


def scene_image(seed: int, rng: np.random.Generator) -> LabelledImage:
    """A generated scene at one of the resolutions that users have."""
    from inference_backend.training.scenes import make_scene

    gsd_m = float(np.exp(rng.uniform(np.log(0.08), np.log(0.5))))
    scene = make_scene(seed, size_px=512, gsd_m=gsd_m)
    return LabelledImage.from_labels(
        scene.rgb, scene.instances.astype(np.int32), scene.classes, least_px=60
    )


def _pools(plan: DataPlan, rng: np.random.Generator) -> dict[str, _Pool]:
    pools = {
        "scenes": _Pool(
            [], lambda: scene_image(int(rng.integers(1, 2**31)), rng), SCENE_POOL, SCENE_USES
        )
    }
    if plan.root is None:
        return pools
    photos = list(real_sets.unlabelled(plan.root))
    textures = [rgb for _, rgb in photos]
    roofs = [
        (rgb, 0.3 if site not in ("drone", "cars_kit_ais") else 0.13)
        for site, rgb in photos
        if site in ROOFED
    ]
    order = rng.permutation(len(photos))
    cursor = [0]

    def next_pseudo() -> LabelledImage:
        cursor[0] += 1
        return pseudo_objects(
            _window(textures[order[cursor[0] % len(order)]], 320, rng), float(rng.choice(SCALES))
        )

    def next_solar() -> LabelledImage:
        rgb, gsd_m = roofs[int(rng.integers(len(roofs)))]
        return solar_collage(_window(rgb, 320, rng), gsd_m * rng.uniform(0.5, 1.0), rng)

    pools["dubai"] = _Pool(list(real_sets.dubai(plan.root)), None, 0, 0)
    pools["kampala"] = _Pool([real_sets.kampala(plan.root)], None, 0, 0)
    pools["landslide"] = _Pool(list(real_sets.landslides(plan.root)), None, 0, 0)
    pools["collage"] = _Pool([], lambda: collage(textures, rng), 300, 3)
    pools["pseudo"] = _Pool([], next_pseudo, 1200, 4)
    pools["solar_on_photo"] = _Pool([], next_solar, 300, 4)
    return pools


def _window(rgb: np.ndarray, most_px: int, rng: np.random.Generator) -> np.ndarray:
    y = int(rng.integers(max(rgb.shape[0] - most_px, 0) + 1))
    x = int(rng.integers(max(rgb.shape[1] - most_px, 0) + 1))
    return np.ascontiguousarray(rgb[y : y + most_px, x : x + most_px])


def batches(plan: DataPlan, workers: int = 1) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches from `workers` background processes; 0 makes them in this one."""
    loader = DataLoader(
        InteractiveStream(plan),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=3 if workers else None,
    )
    return iter(loader)
