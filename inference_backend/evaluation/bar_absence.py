"""Things that are surely not in an image, and things that surely are: is "not here" said when it should be, and only then?

Every class of photographs below was looked through: none shows what is asked for.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from inference_backend.evaluation.bar_images import BarImage, BarPrompt, BarSet, read_photo

GSD_M = 0.3
TOWNS = (
    *("denseresidential", "mediumresidential", "mobilehomepark", "intersection", "parkinglot"),
)
OPEN = ("agricultural", "chaparral", "forest", "overpass", "runway")
ABSENT = (
    ("ships", TOWNS, 8),
    ("airplanes", TOWNS, 4),
    ("swimming pools", OPEN, 4),
    ("boats", (*TOWNS[:2], "freeway", "chaparral", "agricultural"), 2),
    ("tennis courts", ("agricultural", "forest", "freeway", "runway", "parkinglot"), 2),
)
"""(text, classes, images of each class): 100 pairs, 40 of them ships on dry towns."""
PRESENT = (
    ("airplanes", "airplane", 15),
    ("boats", "harbor", 15),
    ("storage tanks", "storagetanks", 15),
    ("tennis courts", "tenniscourt", 15),
    ("runways", "runway", 10),
    ("baseball diamonds", "baseballdiamond", 10),
    ("rivers", "river", 10),
    ("buildings", "denseresidential", 10),
)
"""100 pairs of the same kind that must not be called absent."""


def absent_set(root: Path, seed: int = 5) -> BarSet:
    """What is not there: to be answered with nothing in 90 of 100."""
    rng = np.random.default_rng(seed)
    asked = [(text, kind, each) for text, kinds, each in ABSENT for kind in kinds]
    return _asked("absent things", "absent", 0.90, root, asked, rng)


def present_set(root: Path, seed: int = 6) -> BarSet:
    """What is there: no bar, but a model that always says no would pass the other one."""
    return _asked(
        "present things", "present", None, root, list(PRESENT), np.random.default_rng(seed)
    )


def _asked(
    name: str,
    measure: str,
    goal: float | None,
    root: Path,
    asked: list[tuple[str, str, int]],
    rng: np.random.Generator,
) -> BarSet:
    images: dict[tuple[str, int], BarImage] = {}
    for text, kind, each in asked:
        for number in rng.choice(np.arange(80, 100), each, replace=False):
            key = kind, int(number)
            if key not in images:
                path = root / "ucmerced" / kind / f"{kind}{number}.jpg"
                images[key] = BarImage(path.stem, read_photo(path), GSD_M, {})
            # Of a thing that is there only that is known, not where: its mask is never counted.
            images[key].truth[text] = np.zeros(images[key].rgb.shape[:2], np.uint8)
    texts = dict.fromkeys(text for text, _, _ in asked)
    prompts = [BarPrompt(text, "referring", text) for text in texts]
    return BarSet(name, measure, goal, list(images.values()), prompts)
