"""A small town whose every measure is known by construction, and what is asked for in it."""

from dataclasses import fields, replace

import numpy as np

from inference_backend.language.ontology import LEAVES
from inference_backend.training.instructions import (
    InstructionMix,
    LabelledCrop,
    make_instructions,
)
from inference_backend.training.instructions.directions import transformed

SIDE, GSD_M = 200, 0.3
RED, GREY, WHITE, GREEN = (165, 70, 55), (130, 130, 130), (240, 240, 240), (50, 90, 40)
# id: (leaf, x0, y0, x1, y1, colour)
TOWN = {
    1: ("building", 10, 10, 50, 40, RED),
    2: ("building", 130, 20, 150, 40, GREY),
    3: ("building", 20, 140, 80, 190, WHITE),
    4: ("building", 165, 150, 177, 160, RED),
    5: ("pool", 60, 20, 70, 32, (90, 190, 205)),
    6: ("tree", 100, 150, 112, 162, GREEN),
    7: ("tree", 100, 20, 114, 34, GREEN),
    8: ("car", 40, 96, 49, 100, WHITE),
    9: ("car", 120, 97, 129, 101, (20, 20, 22)),
}
ROAD_ROWS = (94, 106)


def code(leaf):
    return LEAVES.index(leaf)


def town(complete=None, extra=(), attributes=None):
    """A crop of 60 m with four buildings, a road from left to right, and bare ground between."""
    rgb = np.full((SIDE, SIDE, 3), (170, 140, 100), np.uint8)
    leaves = np.full((SIDE, SIDE), code("bare ground"), np.uint8)
    instances = np.zeros((SIDE, SIDE), np.int32)
    leaves[slice(*ROAD_ROWS)], instances[slice(*ROAD_ROWS)] = code("road"), 30
    rgb[slice(*ROAD_ROWS)] = (90, 90, 92)
    for ident, (leaf, x0, y0, x1, y1, colour) in {**TOWN, **dict(extra)}.items():
        rgb[y0:y1, x0:x1], leaves[y0:y1, x0:x1] = colour, code(leaf)
        instances[y0:y1, x0:x1] = ident
    names = {ident: row[0] for ident, row in {**TOWN, **dict(extra)}.items()} | {30: "road"}
    return LabelledCrop(rgb, leaves, instances, names, attributes or {}, GSD_M, complete)


def only(kind):
    return InstructionMix(
        **{f.name: float(f.name.rstrip("_") == kind) for f in fields(InstructionMix)}
    )


def made(crop, kind, count=60, held_out=False):
    """Instructions of one kind from many draws."""
    found = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        found += [
            one for one in make_instructions(crop, rng, 2, only(kind), held_out) if one.kind == kind
        ]
    return found


def ids_of(crop, one):
    """Instances whose every pixel is asked for; none may be asked for in part."""
    asked = set()
    for ident in crop.instance_leaf:
        inside = one.mask[crop.instances == ident]
        if inside.size and (inside == 1).any():
            assert (inside == 1).all(), one
            asked.add(ident)
    return asked


def unsure_ids(crop, one):
    return {
        ident for ident in crop.instance_leaf if (one.mask[crop.instances == ident] == 255).any()
    }


def turned(crop, transform):
    """The crop, its image and its labels under a transform."""
    return replace(
        crop,
        rgb=transformed(crop.rgb, transform),
        leaves=transformed(crop.leaves, transform),
        instances=transformed(crop.instances, transform),
    )
