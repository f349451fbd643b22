"""Photovoltaic arrays: on pitched and flat roofs, and farms on the ground."""

from __future__ import annotations

import numpy as np

from inference_backend.training.scenes.canvas import Canvas, Patch, rectangle
from inference_backend.training.scenes.noise import cell_value, noise
from inference_backend.training.scenes.roofs import Wing

SEMANTIC_SOLAR = 2
_COLOURS = (
    (26, 34, 62),
    (34, 46, 84),
    (44, 60, 104),
    (22, 24, 34),
    (30, 32, 38),
    (58, 70, 96),
    (74, 84, 104),
    (40, 44, 58),
)


def _module_look(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, float]:
    """Cell colour, frame colour, frame width in metres."""
    cell = np.array(_COLOURS[int(rng.integers(len(_COLOURS)))], np.float32) * rng.uniform(0.8, 1.35)
    if rng.random() < 0.3:
        return cell, cell * rng.uniform(0.8, 1.3), 0.03
    return cell, np.array([1, 1, 1.02], np.float32) * rng.uniform(110, 215), rng.uniform(0.03, 0.09)


def _paint_modules(
    canvas: Canvas,
    patch: Patch,
    cx: float,
    cy: float,
    angle: float,
    module: tuple[float, float],
    origin: tuple[float, float],
    look: tuple[np.ndarray, np.ndarray, float],
    number: int,
) -> None:
    """Fill the patch with modules on a grid that starts at `origin` (u, v) of the local frame."""
    rng = canvas.rng
    cell, frame, frame_w = look
    u, v = patch.local(cx, cy, angle)
    fu, fv = (u - origin[0]) / module[0], (v - origin[1]) / module[1]
    iu, iv = np.floor(fu), np.floor(fv)
    value = 1 + 0.05 * cell_value(iu, iv, int(rng.integers(9999)))
    # Glint: the sky's reflection drifts across the array.
    tilt = rng.uniform(-0.02, 0.02, 2)
    value = (
        value + np.clip(u * tilt[0] + v * tilt[1], -0.3, 0.5) + 0.03 * noise(rng, *u.shape, "cloud")
    )
    colour = cell * np.clip(value, 0.5, 2.0)[..., None]
    if rng.random() < 0.12:
        colour = colour + np.clip(value - 0.8, 0, 1)[..., None] * rng.uniform(30, 110)
    edge_u = np.minimum(fu - iu, 1 - (fu - iu)) * module[0]
    edge_v = np.minimum(fv - iv, 1 - (fv - iv)) * module[1]
    # A frame thinner than a pixel still brightens the pixel in proportion.
    reach = np.float32(max(frame_w / 2, canvas.gsd_m / 2))
    strength = np.float32(min(1.0, frame_w / canvas.gsd_m))
    line = np.maximum(edge_u < reach, edge_v < reach).astype(np.float32)[..., None] * strength
    if canvas.gsd_m < 0.12 and rng.random() < 0.5:
        busbar = (np.abs((fu * 6) % 1 - 0.5) > 0.44).astype(np.float32)[..., None] * 0.12
        colour = colour * (1 + busbar * 2)
    colour = colour * (1 - line) + frame * line
    canvas.paint(patch, colour, number=number, semantic=SEMANTIC_SOLAR, above_shadow=False)


def _array_rings(
    rng: np.random.Generator,
    cx: float,
    cy: float,
    angle: float,
    u0: float,
    v0: float,
    columns: np.ndarray,
    module: tuple[float, float],
) -> list[np.ndarray]:
    """One ring a row; `columns` (rows, 2) is the first and last column of each."""
    rings = []
    c, s = np.cos(angle), np.sin(angle)
    for row, (first, last) in enumerate(columns):
        if last <= first:
            continue
        u, v = u0 + (first + last) / 2 * module[0], v0 + (row + 0.5) * module[1]
        x, y = cx + u * c - v * s, cy + u * s + v * c
        rings.append(rectangle(x, y, (last - first) * module[0], module[1], angle))
    return rings


def roof_array(canvas: Canvas, wing: Wing, form: str, on_building: int) -> list[int]:
    """Arrays on one roof wing, aligned with it. Returns their ids."""
    rng = canvas.rng
    portrait = rng.random() < 0.6
    module = (1.0, 1.65) if portrait else (1.65, 1.0)
    module = tuple(np.array(module) * rng.uniform(0.92, 1.15))
    if rng.random() < 0.08:
        module = (rng.uniform(1.0, 1.3), rng.uniform(1.9, 2.4))  # a solar water heater
    if form == "flat":
        return _flat_array(canvas, wing, module, on_building)
    margin = rng.uniform(0.3, 0.9)
    face_depth = (wing.width if form == "shed" else wing.width / 2) - 2 * margin
    length = wing.length - 2 * margin - (wing.width * 0.6 if form == "hip" else 0)
    cols_max, rows_max = int(length / module[0]), int(face_depth / module[1])
    if cols_max < 1 or rows_max < 1:
        return []
    sides = (-1.0, 1.0) if rng.random() < 0.12 and form != "shed" else (rng.choice([-1.0, 1.0]),)
    numbers = []
    look = _module_look(rng)
    for side in sides:
        rows = int(rng.integers(1, rows_max + 1))
        cols = int(rng.integers(max(1, min(2, cols_max)), cols_max + 1))
        u0 = rng.uniform(-length / 2, length / 2 - cols * module[0])
        slack = face_depth - rows * module[1]
        middle = 0.0 if form == "shed" else side * wing.width / 4
        v0 = middle - face_depth / 2 + rng.uniform(0.2, 0.8) * slack
        columns = np.tile([0, cols], (rows, 1))
        if rows > 1 and cols > 2 and rng.random() < 0.35:
            cut = int(rng.integers(1, cols))
            which = (
                slice(0, int(rng.integers(1, rows)))
                if rng.random() < 0.5
                else slice(int(rng.integers(1, rows)), rows)
            )
            columns[which, int(rng.integers(2))] = cut
        numbers.append(_place(canvas, wing, u0, v0, columns, module, look, on_building))
    return numbers


def _place(
    canvas: Canvas,
    wing: Wing,
    u0: float,
    v0: float,
    columns: np.ndarray,
    module: tuple[float, float],
    look: tuple[np.ndarray, np.ndarray, float],
    on_building: int,
) -> int:
    rings = _array_rings(canvas.rng, wing.cx, wing.cy, wing.angle, u0, v0, columns, module)
    patch = canvas.patch(rings) if rings else None
    if patch is None:
        return 0
    modules = int((columns[:, 1] - columns[:, 0]).clip(0).sum())
    number = canvas.new_id("solar array", modules=modules, on_building=on_building)
    rim = canvas.patch([ring + canvas.sun.shadow_per_m * 0.12 for ring in rings])
    canvas.shade(rim, 0.6)
    _paint_modules(canvas, patch, wing.cx, wing.cy, wing.angle, module, (u0, v0), look, number)
    return number


def _flat_array(
    canvas: Canvas, wing: Wing, module: tuple[float, float], on_building: int
) -> list[int]:
    """Tilted rows on a flat roof: close rows are one array, rows far apart are one each."""
    rng = canvas.rng
    margin = rng.uniform(0.6, 2.0)
    length, depth = wing.length - 2 * margin, wing.width - 2 * margin
    per_row = int(rng.integers(1, 3))
    gap = float(rng.choice([0.0, 0.25, 0.5, 1.0, 1.6]))
    pitch = per_row * module[1] + gap
    rows_max, cols_max = int((depth + gap) / pitch), int(length / module[0])
    if rows_max < 1 or cols_max < 2:
        return []
    rows, cols = int(rng.integers(1, rows_max + 1)), int(rng.integers(2, cols_max + 1))
    look = _module_look(rng)
    u0 = rng.uniform(-length / 2, length / 2 - cols * module[0])
    v0 = rng.uniform(-depth / 2, depth / 2 - rows * pitch + gap)
    numbers = []
    together = gap <= 0.5
    shared = (
        canvas.new_id("solar array", modules=rows * cols * per_row, on_building=on_building)
        if together
        else 0
    )
    for row in range(rows):
        first, last = 0, cols
        if rng.random() < 0.12 and cols > 3:
            last = int(rng.integers(2, cols + 1))
        v = v0 + row * pitch
        rings = _array_rings(
            rng, wing.cx, wing.cy, wing.angle, u0, v, np.tile([first, last], (per_row, 1)), module
        )
        patch = canvas.patch(rings)
        if patch is None:
            continue
        number = shared or canvas.new_id(
            "solar array", modules=(last - first) * per_row, on_building=on_building
        )
        canvas.shade(canvas.patch([ring + canvas.sun.shadow_per_m * 0.4 for ring in rings]), 0.6)
        _paint_modules(canvas, patch, wing.cx, wing.cy, wing.angle, module, (u0, v), look, number)
        numbers.append(number)
    return numbers


def solar_farm(
    canvas: Canvas, cx: float, cy: float, length: float, depth: float, angle: float
) -> None:
    """Ground-mounted rows with grass between; every table is one array."""
    rng = canvas.rng
    module = (rng.uniform(0.95, 1.15), rng.uniform(1.6, 2.1))
    per_row = int(rng.integers(1, 5))
    gap = rng.uniform(1.2, 5.0)
    pitch = per_row * module[1] + gap
    table = int(rng.integers(8, 60))
    look = _module_look(rng)
    wing = Wing(cx, cy, length, depth, angle)
    for row in range(int(depth / pitch)):
        v0 = -depth / 2 + row * pitch
        u0 = -length / 2
        while u0 + 4 * module[0] < length / 2:
            cols = min(table, int((length / 2 - u0) / module[0]))
            rings = _array_rings(
                rng, cx, cy, angle, u0, v0, np.tile([0, cols], (per_row, 1)), module
            )
            patch = canvas.patch(rings)
            if patch is not None and rng.random() > 0.03:
                number = canvas.new_id("solar array", modules=cols * per_row, on_building=0)
                canvas.cast_shadow(rings, 1.2)
                _paint_modules(canvas, patch, cx, cy, wing.angle, module, (u0, v0), look, number)
                canvas.shadow[patch.window] *= 1 - patch.alpha
            u0 += cols * module[0] + rng.choice([0.3, 1.0, 4.0])
