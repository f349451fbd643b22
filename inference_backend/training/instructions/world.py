"""What is true of one crop: which concepts are there, which surely are not, and the objects of each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from scipy import ndimage

from inference_backend.language.ontology import LEAVES, Concept, concepts, truth
from inference_backend.training.instructions.colours import colour_truth
from inference_backend.training.instructions.crop import LEAST_PX, UNKNOWN, LabelledCrop

_OTHER, _SOLAR = LEAVES.index("other"), LEAVES.index("solar array")
# Of what stands on a roof, whoever asks for the building means the roof below too.
_ROOFED = ("building", "impervious surface")
_MOST_UNKNOWN, _MOST_WITHOUT_OBJECT = 0.12, 0.03
_UNSEEN_SHARE = 0.6
_TOO_LARGE = 1.5
_COARSEST = 3.0
"""How many times coarser than its working resolution a thing is still asked for."""


@cache
def _truths() -> np.ndarray:
    """uint8 (C, 256): 1, 0 or 255 for each concept and leaf."""
    table = np.full((len(concepts()), 256), UNKNOWN, np.uint8)
    for row, known in enumerate(concepts()):
        for column, leaf in enumerate(LEAVES):
            table[row, column] = truth(known, leaf) % 256
    return table


@dataclass
class Objects:
    """The objects of one concept in the crop, N of them, by number in `labels` (int32 (S, S), 0 for none).

    `area_px`, `xy` (N, 2) middles of the pixels, `boxes` (N, 4) x0 y0 x1 y1, `rgb` (N, 3) mean colours, `at_edge`;
    `known` uint8 (S, S): 1 the concept, 0 not, 255 nobody knows. `attributes` of each.
    """

    concept: Concept
    labels: np.ndarray
    numbers: np.ndarray
    area_px: np.ndarray
    xy: np.ndarray
    boxes: np.ndarray
    rgb: np.ndarray
    at_edge: np.ndarray
    known: np.ndarray
    attributes: list[dict[str, object]]

    def __len__(self) -> int:
        return len(self.numbers)

    @cached_property
    def colours(self) -> np.ndarray:
        """int8 (N, len(COLOURS)), as `colours.colour_truth` says."""
        return colour_truth(self.rgb)

    def mask(self, yes: np.ndarray, maybe: np.ndarray | None = None) -> np.ndarray:
        """uint8 (S, S): the objects `yes` (N,) are 1, those of `maybe` and all that is unknown 255."""
        table = np.zeros(int(self.labels.max()) + 1, np.uint8)
        if maybe is not None:
            table[self.numbers[maybe]] = UNKNOWN
        table[self.numbers[yes]] = 1
        out = table[self.labels]
        # A pixel that is the concept and lies in no object of it may belong to any of them.
        loose = (self.known == UNKNOWN) | ((self.known == 1) & (self.labels == 0))
        out[loose & (out == 0)] = UNKNOWN
        return out


class World:
    """One crop, asked about often: what was computed once is kept."""

    def __init__(self, crop: LabelledCrop) -> None:
        self.crop = crop
        self.side = crop.leaves.shape[0]
        self.gsd_m = crop.gsd_m
        self._counts = np.bincount(crop.leaves.ravel(), minlength=256)
        self._masks: dict[str, np.ndarray] = {}
        self._objects: dict[str, Objects | None] = {}
        self._rows = {known.name: row for row, known in enumerate(concepts())}
        self._table = self._tables()
        self._yes_px = (self._table == 1) @ self._counts
        self._maybe_px = (self._table == UNKNOWN) @ self._counts
        self.present, self.absent = self._sort_concepts()

    def _tables(self) -> np.ndarray:
        """uint8 (C, 256): what lies beside the labels is known where a concept is complete."""
        complete = self.crop.complete
        table = _truths().copy()
        rows = [row for name, row in self._rows.items() if complete is None or name in complete]
        table[rows, _OTHER] = 0
        return table

    def _sort_concepts(self) -> tuple[list[Concept], list[Concept]]:
        """Concepts with enough pixels here, and those that are surely nowhere here."""
        present, absent = [], []
        complete = self.crop.complete
        for known, yes, maybe in zip(concepts(), self._yes_px, self._maybe_px, strict=True):
            if yes >= LEAST_PX:
                present.append(known)
            elif (complete is None or known.name in complete) and not yes and not maybe:
                absent.append(known)
        return present, absent

    @cached_property
    def visible(self) -> list[Concept]:
        """Concepts that are here, that this resolution still shows and of which enough is known."""
        return [
            known
            for known in self.present
            if self.gsd_m <= _COARSEST * known.gsd_m and self.unknown_share(known) < _UNSEEN_SHARE
        ]

    def mask(self, of: Concept) -> np.ndarray:
        """uint8 (S, S): 1 where the concept is, 0 where not, 255 where nobody knows. Not to be written to."""
        if of.name not in self._masks:
            out = self._table[self._rows[of.name]][self.crop.leaves]
            if of.name in _ROOFED and self._counts[_SOLAR]:
                out = self._with_roofs(out)
            self._masks[of.name] = out
        return self._masks[of.name]

    def _with_roofs(self, mask: np.ndarray) -> np.ndarray:
        """Arrays that are known to lie on a roof are building, those on open land are none."""
        verdict = np.full(len(self._ids) + 1, UNKNOWN, np.uint8)
        for number, ident in enumerate(self._ids, 1):
            roof = self.crop.attributes.get(int(ident), {}).get("on_building")
            if roof is not None:
                verdict[number] = 1 if roof else 0
        return np.where(self.crop.leaves == _SOLAR, verdict[self._labels], mask)

    @cached_property
    def _ids(self) -> np.ndarray:
        """Ids of the instances that are seen; an object's number is its place here plus one."""
        counts = np.bincount(self.crop.instances.ravel())
        found = np.flatnonzero(counts)
        return np.array([i for i in found if int(i) in self.crop.instance_leaf], np.int64)

    @cached_property
    def _labels(self) -> np.ndarray:
        table = np.zeros(int(self.crop.instances.max()) + 1, np.int32)
        table[self._ids] = np.arange(1, len(self._ids) + 1)
        return table[self.crop.instances]

    @cached_property
    def _owners(self) -> np.ndarray:
        """`_labels`, with every array on a roof given to its building."""
        place = {int(ident): number for number, ident in enumerate(self._ids, 1)}
        table = np.arange(len(self._ids) + 1, dtype=np.int32)
        for number, ident in enumerate(self._ids, 1):
            roof = self.crop.attributes.get(int(ident), {}).get("on_building")
            if isinstance(roof, (int, np.integer)) and int(roof) in place:
                table[number] = place[int(roof)]
        return table[self._labels]

    def unknown_share(self, of: Concept) -> float:
        """Share of the crop where nobody knows whether it is the concept."""
        return float(self._maybe_px[self._rows[of.name]]) / self.side**2

    @cached_property
    def _instance_leaves(self) -> Counter[str]:
        return Counter(self.crop.instance_leaf[int(ident)] for ident in self._ids)

    def instance_count(self, of: Concept) -> int:
        """How many instances of the concept are seen, whether or not they can serve as objects."""
        return sum(self._instance_leaves[leaf] for leaf in of.covers)

    def objects(self, of: Concept) -> Objects | None:
        """The objects of a concept; None where they can't be told apart or part of the crop is not known."""
        if of.name not in self._objects:
            self._objects[of.name] = self._find_objects(of)
        return self._objects[of.name]

    def _find_objects(self, of: Concept) -> Objects | None:
        if not of.pairs or not len(self._ids):
            return None
        leaves = [self.crop.instance_leaf[int(ident)] for ident in self._ids]
        mine = np.array([0, *(leaf in of.covers for leaf in leaves)], bool)
        if not mine.any():
            return None
        known = self.mask(of)
        labels = self._owners if of.name in _ROOFED else self._labels
        labels = np.where(mine[labels], labels, 0)
        whole = int((known == 1).sum())
        loose = int(((known == 1) & (labels == 0)).sum())
        if loose > _MOST_WITHOUT_OBJECT * whole or (known == UNKNOWN).mean() > _MOST_UNKNOWN:
            return None
        found = self._measured(of, labels, known)
        return None if self._stuck_together(found) else found

    def _stuck_together(self, objects: Objects) -> bool:
        """Whether connected patches of a set that maps no single objects are several of them at a time."""
        most_px = _TOO_LARGE * objects.concept.area_m2[1] / self.gsd_m**2
        return any(
            area > most_px and not attributes
            for area, attributes in zip(objects.area_px, objects.attributes, strict=True)
        )

    def _measured(self, of: Concept, labels: np.ndarray, known: np.ndarray) -> Objects:
        flat = labels.ravel()
        inside = np.flatnonzero(flat)
        count = len(self._ids) + 1
        at = flat[inside]
        pixels = np.bincount(at, minlength=count)
        numbers = np.flatnonzero(pixels)
        area = pixels[numbers]
        rows, cols = np.divmod(inside, self.side)
        colours = self.crop.rgb.reshape(-1, 3)[inside]
        sums = [
            np.bincount(at, weights=values, minlength=count)[numbers] / area
            for values in (cols, rows, colours[:, 0], colours[:, 1], colours[:, 2])
        ]
        slices = ndimage.find_objects(labels)
        boxes = np.array(
            [
                (box[1].start, box[0].start, box[1].stop, box[0].stop)
                for box in (slices[number - 1] for number in numbers)
            ],
            np.int64,
        ).reshape(-1, 4)
        at_edge = (boxes[:, :2] == 0).any(1) | (boxes[:, 2:] == self.side).any(1)
        attributes = [dict(self.crop.attributes.get(int(self._ids[n - 1]), {})) for n in numbers]
        xy = np.stack(sums[:2], 1) + 0.5
        rgb = np.stack(sums[2:], 1)
        return Objects(of, labels, numbers, area, xy, boxes, rgb, at_edge, known, attributes)
