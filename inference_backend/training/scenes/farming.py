"""Greenhouses and orchards."""

from __future__ import annotations

import cv2
import numpy as np

from inference_backend.training.scenes import craft, nature, streets, trees
from inference_backend.training.scenes.buildings import SEMANTIC_BUILDING, add_building
from inference_backend.training.scenes.canvas import Canvas, Patch, circle, rectangle
from inference_backend.training.scenes.footprints import choose
from inference_backend.training.scenes.frame import Frame, Plot, blocks, cuts
from inference_backend.training.scenes.noise import cell_value, noise
from inference_backend.training.scenes.palette import ASPHALT, PAVING, Biome, colour_name, pick

_GLASS = (
    (176, 190, 194),
    (150, 168, 166),
    (196, 204, 206),
    (128, 150, 146),
    (164, 176, 160),
    (210, 214, 210),
)
_FILM = (
    (222, 224, 222),
    (206, 208, 206),
    (190, 196, 194),
    (232, 232, 226),
    (176, 180, 168),
    (150, 156, 148),
)


def glasshouse(canvas: Canvas, plot: Plot, tunnels: bool) -> int:
    """A block of glass bays, or of plastic tunnels side by side: one greenhouse."""
    rng = canvas.rng
    bay = rng.uniform(5.5, 9.5) if tunnels else float(rng.choice([3.2, 4.0, 6.4, 9.6]))
    cx, cy = plot.at()
    angle = plot.heading
    ring = rectangle(cx, cy, plot.length, plot.depth, angle)
    gaps = tunnels and rng.random() < 0.5
    rings = [ring]
    if gaps:
        steps = np.arange(bay / 2 - plot.depth / 2, plot.depth / 2 - bay / 3, bay)
        c, s = np.cos(angle), np.sin(angle)
        rings = [
            rectangle(cx - v * s, cy + v * c, plot.length, bay - rng.uniform(0.5, 1.6), angle)
            for v in steps
        ]
    patch = canvas.patch(rings) if rings else None
    if patch is None:
        return 0
    height = rng.uniform(2.5, 6.0)
    canvas.cast_shadow(rings, height)
    tone = pick(rng, _FILM if tunnels else _GLASS)
    number = canvas.new_id(
        "greenhouse",
        colour=colour_name(tone),
        roof="plastic" if tunnels else "glass",
        height_m=round(height, 1),
    )
    u, v = patch.local(cx, cy, angle)
    f = (v + plot.depth / 2) / bay
    row, frac = np.floor(f), f - np.floor(f)
    side = np.array([-np.sin(angle), np.cos(angle)]) @ canvas.sun.direction
    sharp = float(np.clip(bay / canvas.gsd_m / 4 - 0.3, 0, 1))
    bow = np.sin((frac - 0.5) * np.pi) if tunnels else np.sign(frac - 0.5)
    value = 1 + rng.uniform(0.05, 0.16) * sharp * side * bow
    value -= (
        rng.uniform(0.05, 0.22)
        * sharp
        * (np.minimum(frac, 1 - frac) * bay < max(0.2, 0.6 * canvas.gsd_m))
    )
    if not tunnels:
        value += 0.12 * sharp * (np.abs(frac - 0.5) * bay < max(0.08, 0.5 * canvas.gsd_m))
        pane = cell_value(np.floor(u / rng.uniform(2, 5)), row, int(rng.integers(9999)))
        value += rng.uniform(0.02, 0.09) * pane
        beds = noise(rng, *u.shape, "cloud")
        green = np.array([96, 120, 86], np.float32)
        inside_ = np.clip(rng.uniform(0, 0.6) + 0.15 * beds, 0, 0.75)[..., None]
        colour = tone * (1 - inside_) + green * inside_
    else:
        value += rng.uniform(0.01, 0.06) * cell_value(
            row, np.zeros_like(row), int(rng.integers(9999))
        )
        hoop = np.abs((u / 2.0) % 1 - 0.5) > 0.46
        value -= 0.07 * hoop * (canvas.gsd_m < 0.35)
        stain = np.clip(noise(rng, *u.shape, "ground") - 0.6, 0, 1)
        colour = tone * (1 - 0.2 * stain[..., None])
    colour = np.clip(colour * value[..., None], 10, 250)
    canvas.paint(patch, colour, number=number, semantic=SEMANTIC_BUILDING, above_shadow=True)
    return number


def greenhouses(canvas: Canvas, biome: Biome) -> None:
    """Greenhouses along service roads, basins, fields and a packing shed."""
    rng = canvas.rng
    frame = Frame(canvas, 0.0)
    tunnels = bool(rng.random() < 0.5)
    low, high = (22, 60) if tunnels else (35, 120)
    cuts_a, cuts_b = (
        cuts(rng, frame.reach, low, high),
        cuts(rng, frame.reach, 0.7 * low, 0.8 * high),
    )
    tone = pick(rng, biome.soil + PAVING + biome.grass)
    ring = rectangle(*frame.middle, 4 * frame.reach, 4 * frame.reach)
    nature.surface(canvas, ring, tone, 0.1, nature.SEMANTIC_BARE)
    number = canvas.new_id("road", surface="paved")
    for b in cuts_b[::2]:
        streets.road(
            canvas,
            frame.along_a(b),
            rng.uniform(3.5, 6),
            number,
            pick(rng, ASPHALT + PAVING),
            unpaved=bool(rng.random() < 0.3),
        )
    for plot in blocks(canvas, frame, cuts_a, cuts_b, rng.uniform(6, 9)):
        what = choose(rng, (("house", 0.68), ("field", 0.14), ("basin", 0.06), ("shed", 0.12)))
        if what == "house":
            mixed = tunnels if rng.random() < 0.85 else not tunnels
            glasshouse(canvas, plot, mixed)
        elif what == "field":
            nature.crop_field(canvas, plot.ring(), plot.heading)
        elif what == "basin":
            nature.water_body(canvas, plot.ring(0.7), "lake", biome)
        else:
            add_building(
                canvas,
                *plot.at(),
                plot.length * 0.5,
                plot.depth * 0.5,
                plot.heading,
                "hall",
                solar_chance=0.3,
            )
            for _ in range(3):
                craft.vehicle(
                    canvas, *plot.at(*rng.uniform(-0.45, 0.45, 2)), rng.uniform(0, 6), "truck"
                )


def orchard(canvas: Canvas, biome: Biome) -> None:
    """Orchards, vineyards and olive groves in rows, tracks between, a farm."""
    rng = canvas.rng
    frame = Frame(canvas, 1.0)
    cuts_a, cuts_b = cuts(rng, frame.reach, 50, 160), cuts(rng, frame.reach, 40, 120)
    number = canvas.new_id("road", surface="unpaved")
    step = rng.uniform(2.2, 7)
    for plot in blocks(canvas, frame, cuts_a, cuts_b, rng.uniform(3, 8)):
        use = choose(rng, (("rows", 0.8), ("crop", 0.12), ("farm", 0.08)))
        rows = plot.heading + rng.choice([0, np.pi / 2])
        if use == "rows":
            plantation(canvas, plot.ring(), rows, step * rng.uniform(0.85, 1.15), biome)
        elif use == "crop":
            nature.crop_field(canvas, plot.ring(), rows)
        else:
            at = plot.at()
            add_building(
                canvas, *at, rng.uniform(10, 22), rng.uniform(7, 12), plot.heading, "house"
            )
            trees.grove(canvas, *plot.at(0.2, 0.2), 8, 7, biome)
    for b in cuts_b[1::2]:
        streets.road(
            canvas,
            frame.along_a(b),
            rng.uniform(2.5, 5),
            number,
            pick(rng, biome.soil),
            unpaved=True,
        )


def plantation(canvas: Canvas, ring: np.ndarray, angle: float, step: float, biome: Biome) -> int:
    """Trees or vines in rows: ground, crowns and their shadows are all the orchard's."""
    rng = canvas.rng
    patch = canvas.patch([ring])
    if patch is None:
        return 0
    number = canvas.new_id("orchard")
    ground = canvas.speckle(patch, pick(rng, biome.soil + biome.grass), 0.09)
    canvas.paint(patch, ground, number=number, semantic=nature.SEMANTIC_FIELD)
    gap = step * rng.uniform(0.7, 1.1)
    centre = ring.mean(0)
    u, v = patch.local(*centre, angle)
    if gap * 0.8 < 2.2 * canvas.gsd_m or step < 3.2:
        _vines(canvas, patch, u, v, step, biome, number)
        return number
    reach = float(np.linalg.norm(ring - centre, axis=1).max())
    radius = gap * rng.uniform(0.3, 0.52)
    c, s = np.cos(angle), np.sin(angle)
    contour = ring.astype(np.float32)
    crowns = []
    for a in np.arange(-reach, reach, gap):
        for b in np.arange(-reach, reach, step):
            x, y = np.array([centre[0] + a * c - b * s, centre[1] + a * s + b * c]) + rng.normal(
                0, 0.03 * gap, 2
            )
            if (
                cv2.pointPolygonTest(contour, (float(x), float(y)), True) > radius
                and rng.random() > 0.05
            ):
                crowns.append((x, y, radius * rng.uniform(0.75, 1.2)))
    tones = [pick(rng, biome.tree, 8) * rng.uniform(0.85, 1.2) for _ in range(4)]
    if len(crowns) < 220:
        for x, y, size in crowns:
            trees.add_tree(canvas, x, y, size, biome, number=number)
        return number
    # Thousands of crowns are drawn as discs, a few tones at a time.
    rings = [circle(x, y, size, 9, rng.uniform(0.85, 1.15, 9)) for x, y, size in crowns]
    shift = canvas.sun.shadow_per_m * radius * 1.3
    canvas.shade(canvas.patch([r + shift for r in rings]), 0.55)
    for k, tone in enumerate(tones):
        part = canvas.patch(rings[k::4])
        if part is not None:
            canvas.paint(
                part,
                canvas.speckle(part, tone, 0.15, "grain"),
                number=number,
                semantic=trees.SEMANTIC_TREE,
            )
            lit = canvas.patch([r + canvas.sun.direction * radius * 0.35 for r in rings[k::4]])
            if lit is not None:
                lit.alpha *= canvas.semantic[lit.window] == trees.SEMANTIC_TREE
                canvas.shade(lit, 1.14)
    return number


def _vines(
    canvas: Canvas,
    patch: Patch,
    u: np.ndarray,
    v: np.ndarray,
    step: float,
    biome: Biome,
    number: int,
) -> None:
    """Rows too narrow to tell single plants."""
    rng = canvas.rng
    wave = 0.5 + 0.5 * np.cos(v * 2 * np.pi / step)
    fade = float(np.clip(step / canvas.gsd_m / 2 - 0.6, 0, 1))
    ragged = 0.25 * noise(rng, *u.shape, "grain") + rng.uniform(-0.2, 0.2)
    leaf = np.clip((wave - 0.55) * 5 * fade + 0.5 * (1 - fade) + ragged, 0, 1)[..., None]
    side = np.clip(1 + 0.3 * np.sin(v * 2 * np.pi / step), 0.6, 1.4)[..., None]
    tone = pick(rng, biome.tree + biome.grass[:1])
    below = canvas.rgb[patch.window]
    colour = below * (0.72 + 0.28 * (1 - leaf)) * (1 - leaf) + tone * side * leaf
    canvas.paint(patch, colour, number=number)
