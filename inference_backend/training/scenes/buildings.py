"""Buildings: footprints of many shapes with a roof, what stands on it, and its shadow."""

from __future__ import annotations

import numpy as np

from inference_backend.training.scenes.canvas import Canvas, Patch, circle, rectangle
from inference_backend.training.scenes.footprints import choose, footprint
from inference_backend.training.scenes.helipad import helipad
from inference_backend.training.scenes.palette import ROOFS, colour_name, pick
from inference_backend.training.scenes.roofs import Wing, face_light, paint_material, roof_faces
from inference_backend.training.scenes.solar import roof_array

SEMANTIC_BUILDING = 1
_GREY = ("membrane", "gravel", "concrete")
_MATERIALS = {
    "house": (("tile", 0.4), ("shingle", 0.35), ("metal", 0.15), ("thatch", 0.02), ("tin", 0.08)),
    "shack": (("tin", 0.85), ("metal", 0.15)),
    "hall": (("metal", 0.5), ("membrane", 0.3), ("gravel", 0.2)),
    "block": (("membrane", 0.4), ("gravel", 0.25), ("concrete", 0.3), ("green", 0.05)),
    "desert": (("concrete", 0.8), ("membrane", 0.2)),
}
_FORMS = {
    "house": (("gable", 0.45), ("hip", 0.42), ("flat", 0.08), ("shed", 0.05)),
    "shack": (("gable", 0.35), ("shed", 0.6), ("hip", 0.05)),
    "hall": (("gable", 0.5), ("flat", 0.35), ("shed", 0.15)),
    "block": (("flat", 0.85), ("hip", 0.1), ("gable", 0.05)),
    "desert": (("flat", 1.0),),
}


def add_building(
    canvas: Canvas,
    cx: float,
    cy: float,
    length: float,
    width: float,
    angle: float,
    style: str,
    *,
    height_m: float | None = None,
    shape: str | None = None,
    solar_chance: float = 0.15,
    base: np.ndarray | None = None,
    material: str | None = None,
    form: str | None = None,
    number: int = 0,
    helipad_chance: float = 0.0,
) -> int:
    """Paint one building and return its instance id (0 when it lies outside). `number` adds a part to another."""
    rng = canvas.rng
    shape = shape or choose(
        rng, (("rect", 0.6), ("L", 0.16), ("T", 0.08), ("U", 0.05), ("Z", 0.05), ("step", 0.06))
    )
    wings = footprint(rng, cx, cy, length, width, angle, shape)
    height = height_m if height_m is not None else rng.uniform(2.8, 6.5)
    foot = [wing.ring for wing in wings]
    wings = [wing.moved(canvas.sun.lean_per_m * height) for wing in wings]
    rings = [wing.ring for wing in wings]
    patch = canvas.patch(rings)
    if patch is None:
        return 0
    material = material or choose(rng, _MATERIALS[style])
    form = form or choose(rng, _FORMS[style])
    canvas.cast_shadow(foot, height)
    base = _base_colour(canvas, material) if base is None else base
    _walls(canvas, foot, rings)
    number_is_new = number == 0
    number = number or canvas.new_id(
        "building",
        roof=form,
        material=material,
        colour=colour_name(base),
        shape=shape,
        height_m=round(float(height), 1),
    )
    colour = _roof_colour(canvas, patch, wings, form, material, base)
    canvas.paint(patch, colour, number=number, semantic=SEMANTIC_BUILDING, above_shadow=True)
    if style != "block" and rng.random() < 0.22 and number_is_new:
        _annex(canvas, wings[0], style, height, number)
    if form == "flat":
        _parapet(canvas, wings, base)
        _flat_furniture(canvas, wings, solar_chance, number)
        if min(wings[0].length, wings[0].width) > 13 and rng.random() < helipad_chance:
            radius = min(wings[0].length, wings[0].width) * rng.uniform(0.25, 0.42)
            helipad(canvas, wings[0].cx, wings[0].cy, wings[0].angle, min(radius, 12.0))
    else:
        _pitched_furniture(canvas, wings[0], style)
        if rng.random() < solar_chance:
            roof_array(canvas, wings[0], form, on_building=number)
    return number


def _base_colour(canvas: Canvas, material: str) -> np.ndarray:
    """A colour of the material; flat roofs are often of the streets' own grey."""
    rng = canvas.rng
    base = pick(rng, ROOFS[material])
    if canvas.tarmac is not None and material in _GREY and rng.random() < 0.3:
        base = np.clip(canvas.tarmac * rng.uniform(0.9, 1.2), 12, 250)
    return base


def _roof_colour(
    canvas: Canvas, patch: Patch, wings: list[Wing], form: str, material: str, base: np.ndarray
) -> np.ndarray:
    """The lit roof (rows, cols, 3): its material on every face, perhaps with a ridge cap."""
    rng = canvas.rng
    faces = roof_faces(patch, wings, form)
    pitch = rng.uniform(0.15, 0.75) if form in ("gable", "hip") else rng.uniform(0.05, 0.25)
    colour = paint_material(rng, material, faces, base, canvas.gsd_m)
    colour *= face_light(faces, canvas.sun, pitch)[..., None]
    if form in ("gable", "hip") and rng.random() < 0.6:
        ridge = np.clip(1 - faces.down / max(0.25, canvas.gsd_m * 0.7), 0, 1)
        colour *= (1 + rng.choice([-0.18, 0.15]) * ridge)[..., None]
    return colour


def _annex(canvas: Canvas, wing: Wing, style: str, height: float, number: int) -> None:
    """A lower lean-to or porch against a long side, part of the same building."""
    rng = canvas.rng
    length, depth = wing.length * rng.uniform(0.25, 0.9), rng.uniform(1.5, 4.0)
    side = rng.choice([-1.0, 1.0])
    u = rng.uniform(-0.5, 0.5) * (wing.length - length)
    v = side * (wing.width / 2 + depth / 2 - 0.3)
    c, s = np.cos(wing.angle), np.sin(wing.angle)
    add_building(
        canvas,
        wing.cx + u * c - v * s,
        wing.cy + u * s + v * c,
        length,
        depth,
        wing.angle,
        "shack" if rng.random() < 0.5 else style,
        height_m=height * 0.6,
        shape="rect",
        solar_chance=0.0,
        form="shed",
        number=number,
    )


def _walls(canvas: Canvas, foot: list[np.ndarray], rings: list[np.ndarray]) -> None:
    """The walls that a view from the side shows, lit by where they face; the truth is the roof alone."""
    if np.abs(foot[0] - rings[0]).max() < canvas.gsd_m / 2:
        return
    colour = pick(canvas.rng, ROOFS["concrete"] + ROOFS["membrane"] + ROOFS["tile"][:2])
    for low, high in zip(foot, rings, strict=True):
        for k in range(len(low)):
            edge = low[k] - low[k - 1]
            outward = np.array([edge[1], -edge[0]]) / max(float(np.linalg.norm(edge)), 1e-6)
            light = 0.45 + 0.5 * max(0.0, float(outward @ canvas.sun.direction))
            quad = np.stack([low[k - 1], low[k], high[k], high[k - 1]])
            canvas.paint(
                canvas.patch([quad]), colour * light, number=0, semantic=0, above_shadow=True
            )


def add_round_building(
    canvas: Canvas, cx: float, cy: float, radius: float, name: str = "building"
) -> int:
    """A tank, a silo or a round hut: flat with a rim, a cone, or a dome."""
    rng = canvas.rng
    ring = circle(cx, cy, radius, 28)
    patch = canvas.patch([ring])
    if patch is None:
        return 0
    height = rng.uniform(3, 10)
    canvas.cast_shadow([ring], height)
    base = pick(rng, ROOFS["metal" if rng.random() < 0.4 else "membrane"])
    number = canvas.new_id(
        name, roof="round", colour=colour_name(base), height_m=round(float(height), 1)
    )
    u, v = patch.local(cx, cy, 0.0)
    towards = (u * canvas.sun.direction[0] + v * canvas.sun.direction[1]) / radius
    light = 1 + rng.choice([0.0, 0.18, 0.35]) * towards
    if rng.random() < 0.5:
        light = light - 0.25 * (np.hypot(u, v) > radius - max(0.4, canvas.gsd_m))
    colour = canvas.speckle(patch, base, 0.03, "cloud") * light[..., None]
    canvas.paint(patch, colour, number=number, semantic=SEMANTIC_BUILDING, above_shadow=True)
    if rng.random() < 0.3:
        well = canvas.patch([circle(cx, cy, radius * rng.uniform(0.75, 0.92), 28)])
        if well is not None:
            canvas.paint(
                well, canvas.speckle(well, base * rng.uniform(0.4, 0.95), 0.05), number=None
            )
    return number


def _parapet(canvas: Canvas, wings: list[Wing], base: np.ndarray) -> None:
    rng = canvas.rng
    if rng.random() > 0.75:
        return
    thick = rng.uniform(0.25, 0.6)
    inner = [wing.grown(-thick) for wing in wings if min(wing.length, wing.width) > 4 * thick]
    if not inner:
        return
    outer, hole = (
        canvas.patch([w.ring for w in wings]),
        canvas.patch([w.ring for w in inner], pad_m=2.0),
    )
    if outer is None or hole is None:
        return
    rim = Patch(outer.row0, outer.col0, outer.alpha.copy(), outer.gsd_m)
    _subtract(rim, hole)
    canvas.paint(rim, base * rng.uniform(0.75, 1.35), number=None, opacity=0.8)
    # The parapet's own shadow on the roof.
    shift = canvas.sun.shadow_per_m * rng.uniform(0.4, 1.2)
    lit = canvas.patch([w.ring + shift for w in inner], pad_m=2.0)
    if lit is not None:
        _subtract(hole, lit)
        canvas.shade(hole, rng.uniform(0.45, 0.75))


def _subtract(patch: Patch, other: Patch) -> None:
    """Take the coverage of `other` away from `patch`, in place."""
    row0, col0 = max(patch.row0, other.row0), max(patch.col0, other.col0)
    row1 = min(patch.row0 + patch.alpha.shape[0], other.row0 + other.alpha.shape[0])
    col1 = min(patch.col0 + patch.alpha.shape[1], other.col0 + other.alpha.shape[1])
    if row1 <= row0 or col1 <= col0:
        return
    mine = patch.alpha[row0 - patch.row0 : row1 - patch.row0, col0 - patch.col0 : col1 - patch.col0]
    theirs = other.alpha[
        row0 - other.row0 : row1 - other.row0, col0 - other.col0 : col1 - other.col0
    ]
    np.minimum(mine, 1 - theirs, out=mine)


def _on_wing(rng: np.random.Generator, wing: Wing, margin: float) -> tuple[float, float]:
    u = rng.uniform(-0.5, 0.5) * max(wing.length - 2 * margin, 0)
    v = rng.uniform(-0.5, 0.5) * max(wing.width - 2 * margin, 0)
    c, s = np.cos(wing.angle), np.sin(wing.angle)
    return wing.cx + u * c - v * s, wing.cy + u * s + v * c


def _box(
    canvas: Canvas,
    cx: float,
    cy: float,
    length: float,
    width: float,
    angle: float,
    height: float,
    colour: np.ndarray,
) -> None:
    """Something small on a roof: keeps the roof's id, throws a shadow on it."""
    ring = rectangle(cx, cy, length, width, angle)
    shift = canvas.sun.shadow_per_m * height
    canvas.shade(canvas.patch([ring + shift / 2, ring + shift]), 0.5)
    canvas.paint(canvas.patch([ring]), colour, number=None)


def _flat_furniture(canvas: Canvas, wings: list[Wing], solar_chance: float, number: int) -> None:
    rng = canvas.rng
    for wing in wings:
        if min(wing.length, wing.width) < 4:
            continue
        if rng.random() < solar_chance:
            roof_array(canvas, wing, "flat", on_building=number)
            if rng.random() < 0.6:
                continue
        density = rng.choice([0.0, 0.004, 0.012, 0.03])
        for _ in range(min(int(wing.length * wing.width * density), 25)):
            cx, cy = _on_wing(rng, wing, 1.5)
            size = rng.uniform(0.5, 3.0) if rng.random() < 0.8 else rng.uniform(2, 5)
            size = min(size, wing.width / 3)
            grey = np.full(3, rng.uniform(60, 235), np.float32) * rng.uniform(0.94, 1.06, 3)
            _box(
                canvas,
                cx,
                cy,
                size,
                size * rng.uniform(0.5, 1.0),
                wing.angle,
                rng.uniform(0.2, 2.2),
                grey,
            )


def _pitched_furniture(canvas: Canvas, wing: Wing, style: str) -> None:
    rng = canvas.rng
    if canvas.gsd_m > 0.7:
        return  # nothing here is as large as a pixel
    count = int(rng.poisson(1.2 if style == "house" else 0.8))
    for _ in range(count):
        cx, cy = _on_wing(rng, wing, 1.0)
        if rng.random() < 0.5 and style == "house":
            brick = np.array(
                [rng.uniform(80, 150), rng.uniform(60, 110), rng.uniform(55, 100)], np.float32
            )
            _box(
                canvas,
                cx,
                cy,
                rng.uniform(0.5, 1.1),
                rng.uniform(0.4, 0.7),
                wing.angle,
                rng.uniform(0.5, 1.6),
                brick,
            )
        else:
            glass = np.full(3, rng.choice([40.0, 70.0, 200.0, 235.0]), np.float32) * np.array(
                [0.95, 1.0, 1.05], np.float32
            )
            ring = rectangle(cx, cy, rng.uniform(0.6, 1.6), rng.uniform(0.5, 1.2), wing.angle)
            canvas.paint(canvas.patch([ring]), glass, number=None)
    if style == "shack" and rng.random() < 0.5:
        for _ in range(int(rng.integers(1, 6))):
            cx, cy = _on_wing(rng, wing, 0.5)
            odd = np.array(
                [rng.uniform(60, 230), rng.uniform(60, 200), rng.uniform(60, 200)], np.float32
            )
            ring = rectangle(
                cx,
                cy,
                rng.uniform(0.2, 2.0),
                rng.uniform(0.15, 0.8),
                wing.angle + rng.choice([0, 0.3, 1.57]),
            )
            canvas.paint(canvas.patch([ring]), odd, number=None, opacity=rng.uniform(0.6, 1))
