"""Buildings: footprints of many shapes with a roof, what stands on it, and its shadow."""

from __future__ import annotations

import numpy as np

from inference_backend.training.scenes.canvas import Canvas, Patch, circle, rectangle
from inference_backend.training.scenes.palette import ROOFS, colour_name, pick
from inference_backend.training.scenes.roofs import Wing, face_light, paint_material, roof_faces
from inference_backend.training.scenes.solar import roof_array

SEMANTIC_BUILDING = 1
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


def choose(rng: np.random.Generator, weighted: tuple[tuple[str, float], ...]) -> str:
    """One name, with its weight as chance."""
    weights = np.array([weight for _, weight in weighted])
    return weighted[int(rng.choice(len(weighted), p=weights / weights.sum()))][0]


def footprint(
    rng: np.random.Generator, cx: float, cy: float, length: float, width: float, angle: float, shape: str
) -> list[Wing]:
    """Wings of a rect, L, T, U, Z, courtyard or stepped building within `length` x `width` metres."""
    c, s = np.cos(angle), np.sin(angle)

    def wing(u0: float, v0: float, u1: float, v1: float) -> Wing:
        """From fractions of the bounding rectangle, -0.5 to 0.5."""
        u, v = (u0 + u1) / 2 * length, (v0 + v1) / 2 * width
        long_u, long_v = (u1 - u0) * length, (v1 - v0) * width
        x, y = cx + u * c - v * s, cy + u * s + v * c
        if long_u >= long_v:
            return Wing(x, y, long_u, long_v, angle)
        return Wing(x, y, long_v, long_u, angle + np.pi / 2)

    a, b = rng.uniform(0.3, 0.5), rng.uniform(0.35, 0.6)
    if shape == "L":
        return [wing(-0.5, -0.5, 0.5, -0.5 + b), wing(-0.5, -0.5, -0.5 + a, 0.5)]
    if shape == "T":
        middle = rng.uniform(-0.15, 0.15)
        return [wing(-0.5, -0.5, 0.5, -0.5 + b), wing(middle - a / 2, -0.5, middle + a / 2, 0.5)]
    if shape == "U":
        a *= 0.75
        return [wing(-0.5, -0.5, 0.5, -0.5 + b), wing(-0.5, -0.5, -0.5 + a, 0.5), wing(0.5 - a, -0.5, 0.5, 0.5)]
    if shape == "Z":
        return [wing(-0.5, -0.5, 0.1, 0.1), wing(-0.1, -0.1, 0.5, 0.5)]
    if shape == "court":
        t = rng.uniform(0.2, 0.32)
        return [wing(-0.5, -0.5, 0.5, -0.5 + t), wing(-0.5, 0.5 - t, 0.5, 0.5),
                wing(-0.5, -0.5, -0.5 + t, 0.5), wing(0.5 - t, -0.5, 0.5, 0.5)]
    if shape == "step":
        parts = int(rng.integers(2, 5))
        edges = np.linspace(-0.5, 0.5, parts + 1)
        shifts = rng.uniform(-0.12, 0.12, parts)
        return [wing(e0, -0.38 + d, e1, 0.38 + d) for e0, e1, d in zip(edges[:-1], edges[1:], shifts, strict=True)]
    return [wing(-0.5, -0.5, 0.5, 0.5)]


def add_building(
    canvas: Canvas, cx: float, cy: float, length: float, width: float, angle: float, style: str,
    *, height_m: float | None = None, shape: str | None = None, solar_chance: float = 0.15,
    base: np.ndarray | None = None, material: str | None = None, form: str | None = None,
) -> int:
    """Paint one building and return its instance id (0 when it lies outside)."""
    rng = canvas.rng
    shape = shape or choose(rng, (("rect", 0.6), ("L", 0.16), ("T", 0.08), ("U", 0.05), ("Z", 0.05), ("step", 0.06)))
    wings = footprint(rng, cx, cy, length, width, angle, shape)
    rings = [wing.ring for wing in wings]
    patch = canvas.patch(rings)
    if patch is None:
        return 0
    material = material or choose(rng, _MATERIALS[style])
    form = form or choose(rng, _FORMS[style])
    height = height_m if height_m is not None else rng.uniform(2.8, 6.5)
    canvas.cast_shadow(rings, height)
    base = pick(rng, ROOFS[material]) if base is None else base
    number = canvas.new_id("building", roof=form, material=material, colour=colour_name(base), shape=shape, height_m=round(float(height), 1))
    faces = roof_faces(patch, wings, form)
    pitch = rng.uniform(0.15, 0.75) if form in ("gable", "hip") else rng.uniform(0.05, 0.25)
    colour = paint_material(rng, material, faces, base, canvas.gsd_m)
    colour *= face_light(faces, canvas.sun, pitch)[..., None]
    if form in ("gable", "hip") and rng.random() < 0.6:
        ridge = np.clip(1 - faces.down / max(0.25, canvas.gsd_m * 0.7), 0, 1)
        colour *= (1 + rng.choice([-0.18, 0.15]) * ridge)[..., None]
    canvas.paint(patch, colour, number=number, semantic=SEMANTIC_BUILDING, above_shadow=True)
    if form == "flat":
        _parapet(canvas, wings, base)
        _flat_furniture(canvas, wings, solar_chance)
    else:
        _pitched_furniture(canvas, wings[0], style)
        if rng.random() < solar_chance:
            roof_array(canvas, wings[0], form, on_building=number)
    return number


def add_round_building(canvas: Canvas, cx: float, cy: float, radius: float, name: str = "building") -> int:
    """A tank, a silo or a round hut: flat with a rim, a cone, or a dome."""
    rng = canvas.rng
    ring = circle(cx, cy, radius, 28)
    patch = canvas.patch([ring])
    if patch is None:
        return 0
    height = rng.uniform(3, 10)
    canvas.cast_shadow([ring], height)
    base = pick(rng, ROOFS["metal" if rng.random() < 0.4 else "membrane"])
    number = canvas.new_id(name, roof="round", colour=colour_name(base), height_m=round(float(height), 1))
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
            canvas.paint(well, canvas.speckle(well, base * rng.uniform(0.4, 0.95), 0.05), number=None)
    return number


def _parapet(canvas: Canvas, wings: list[Wing], base: np.ndarray) -> None:
    rng = canvas.rng
    if rng.random() > 0.75:
        return
    thick = rng.uniform(0.25, 0.6)
    inner = [wing.grown(-thick) for wing in wings if min(wing.length, wing.width) > 4 * thick]
    if not inner:
        return
    outer, hole = canvas.patch([w.ring for w in wings]), canvas.patch([w.ring for w in inner], pad_m=2.0)
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
    theirs = other.alpha[row0 - other.row0 : row1 - other.row0, col0 - other.col0 : col1 - other.col0]
    np.minimum(mine, 1 - theirs, out=mine)


def _on_wing(rng: np.random.Generator, wing: Wing, margin: float) -> tuple[float, float]:
    u = rng.uniform(-0.5, 0.5) * max(wing.length - 2 * margin, 0)
    v = rng.uniform(-0.5, 0.5) * max(wing.width - 2 * margin, 0)
    c, s = np.cos(wing.angle), np.sin(wing.angle)
    return wing.cx + u * c - v * s, wing.cy + u * s + v * c


def _box(canvas: Canvas, cx: float, cy: float, length: float, width: float, angle: float, height: float, colour: np.ndarray) -> None:
    """Something small on a roof: keeps the roof's id, throws a shadow on it."""
    ring = rectangle(cx, cy, length, width, angle)
    shift = canvas.sun.shadow_per_m * height
    canvas.shade(canvas.patch([ring + shift / 2, ring + shift]), 0.5)
    canvas.paint(canvas.patch([ring]), colour, number=None)


def _flat_furniture(canvas: Canvas, wings: list[Wing], solar_chance: float) -> None:
    rng = canvas.rng
    for wing in wings:
        if min(wing.length, wing.width) < 4:
            continue
        if rng.random() < solar_chance:
            roof_array(canvas, wing, "flat", on_building=None)
            if rng.random() < 0.6:
                continue
        density = rng.choice([0.0, 0.004, 0.012, 0.03])
        for _ in range(min(int(wing.length * wing.width * density), 25)):
            cx, cy = _on_wing(rng, wing, 1.5)
            size = rng.uniform(0.5, 3.0) if rng.random() < 0.8 else rng.uniform(2, 5)
            size = min(size, wing.width / 3)
            grey = np.full(3, rng.uniform(60, 235), np.float32) * rng.uniform(0.94, 1.06, 3)
            _box(canvas, cx, cy, size, size * rng.uniform(0.5, 1.0), wing.angle, rng.uniform(0.2, 2.2), grey)


def _pitched_furniture(canvas: Canvas, wing: Wing, style: str) -> None:
    rng = canvas.rng
    count = int(rng.poisson(1.2 if style == "house" else 0.8))
    for _ in range(count):
        cx, cy = _on_wing(rng, wing, 1.0)
        if rng.random() < 0.5 and style == "house":
            brick = np.array([rng.uniform(80, 150), rng.uniform(60, 110), rng.uniform(55, 100)], np.float32)
            _box(canvas, cx, cy, rng.uniform(0.5, 1.1), rng.uniform(0.4, 0.7), wing.angle, rng.uniform(0.5, 1.6), brick)
        else:
            glass = np.full(3, rng.choice([40.0, 70.0, 200.0, 235.0]), np.float32) * np.array([0.95, 1.0, 1.05], np.float32)
            ring = rectangle(cx, cy, rng.uniform(0.6, 1.6), rng.uniform(0.5, 1.2), wing.angle)
            canvas.paint(canvas.patch([ring]), glass, number=None)
    if style == "shack" and rng.random() < 0.5:
        for _ in range(int(rng.integers(1, 6))):
            cx, cy = _on_wing(rng, wing, 0.5)
            odd = np.array([rng.uniform(60, 230), rng.uniform(60, 200), rng.uniform(60, 200)], np.float32)
            ring = rectangle(cx, cy, rng.uniform(0.2, 2.0), rng.uniform(0.15, 0.8), wing.angle + rng.choice([0, 0.3, 1.57]))
            canvas.paint(canvas.patch([ring]), odd, number=None, opacity=rng.uniform(0.6, 1))
