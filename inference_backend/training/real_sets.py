"""Readers of the real, openly licensed sets that the shipped weights were trained on (see the model card)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from inference_backend.training.object_bank import LabelledImage

DUBAI_COLOURS = {
    "building": (60, 16, 152),
    "land": (132, 41, 246),
    "road": (110, 193, 228),
    "vegetation": (254, 221, 58),
    "water": (226, 169, 41),
}
"""As painted in the masks; the set's own classes.json differs."""
DUBAI_HELD_OUT_TILE = "Tile 8"
KAMPALA_TRAIN, KAMPALA_HELD_OUT = "kampala_0_96tiles_z21", "kampala_1_16tiles_z21"
UCMERCED_HELD_OUT_BLOCK = 80
"""Neighbouring numbers overlap on the ground, so whole blocks are held out: numbers from here up."""


def read_rgb(path: Path) -> np.ndarray:
    """uint8 (H, W, 3)."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise FileNotFoundError(path)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def dubai(root: Path, held_out: bool = False) -> Iterator[LabelledImage]:
    """Satellite images; every connected patch of a class is an object."""
    for path in sorted((root / "dubai").glob("*/images/*.jpg")):
        if (path.parts[-3] == DUBAI_HELD_OUT_TILE) != held_out:
            continue
        rgb = read_rgb(path)
        painted = read_rgb(path.parents[1] / "masks" / f"{path.stem}.png")
        labels, classes = np.zeros(rgb.shape[:2], np.int32), {}
        for name, colour in DUBAI_COLOURS.items():
            mask = (np.abs(painted.astype(int) - colour).sum(2) < 30).astype(np.uint8)
            count, components = cv2.connectedComponents(mask, connectivity=4)
            offset = int(labels.max())
            labels[components > 0] = components[components > 0] + offset
            classes |= dict.fromkeys(range(offset + 1, offset + count), name)
        yield LabelledImage.from_labels(rgb, labels, classes, least_px=80)


def kampala(root: Path, name: str = KAMPALA_TRAIN) -> LabelledImage:
    """A drone mosaic with mapped roofs, 0.075 m."""
    import geopandas
    import rasterio
    from rasterio.features import rasterize

    with rasterio.open(root / "fair_oam" / "mosaic_derived" / f"{name}.tif") as dataset:
        rgb = dataset.read([1, 2, 3]).transpose(1, 2, 0)
        roofs = geopandas.read_file(root / "fair_oam" / "labels.geojson").to_crs(dataset.crs)
        shapes = [(g, i) for i, g in enumerate(roofs.geometry, 1)]
        labels = rasterize(
            shapes, out_shape=rgb.shape[:2], transform=dataset.transform, dtype="int32"
        )
    return LabelledImage.from_labels(
        rgb, labels, dict.fromkeys(range(1, len(shapes) + 1), "building"), 400
    )


def landslides(root: Path) -> Iterator[LabelledImage]:
    """Orthophotos with landslide scars."""
    for path in sorted((root / "sichuan_landslide" / "images").iterdir()):
        masks = sorted((root / "sichuan_landslide" / "masks").glob(f"{path.stem}.*"))
        if not masks:
            continue
        mask = (cv2.imread(str(masks[0]), cv2.IMREAD_GRAYSCALE) > 128).astype(np.uint8)
        _, labels = cv2.connectedComponents(mask)
        classes = dict.fromkeys(range(1, int(labels.max()) + 1), "landslide")
        yield LabelledImage.from_labels(read_rgb(path), labels, classes, least_px=400)


def unlabelled(root: Path, held_out: bool = False) -> Iterator[tuple[str, np.ndarray]]:
    """(class or site, rgb) of images without masks: textures for collages and pseudo-objects."""
    for path in sorted((root / "ucmerced").glob("*/*.jpg")):
        number = int(re.findall(r"\d+", path.stem)[-1])
        if (number >= UCMERCED_HELD_OUT_BLOCK) == held_out:
            yield path.parent.name, read_rgb(path)
    if not held_out:
        for path in sorted((root / "unlabelled_drone").rglob("*.[jJ][pP]*[gG]")):
            yield "drone", read_rgb(path)
        for folder, pattern in (("cars_kit_ais", "*.png"), ("vegas_road/images", "*.png")):
            for path in sorted((root / folder).glob(pattern)):
                yield folder.split("/")[0], read_rgb(path)
