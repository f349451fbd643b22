"""Roofs: wings with planes, the light on each face, and materials drawn along the slope."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference_backend.training.scenes.canvas import Patch, Sun, rectangle
from inference_backend.training.scenes.noise import cell_value, noise, streaks


@dataclass(frozen=True)
class Wing:
    """A rectangle of a building; the ridge runs along `angle`. Metres and radians."""

    cx: float
    cy: float
    length: float
    width: float
    angle: float

    @property
    def ring(self) -> np.ndarray:
        return rectangle(self.cx, self.cy, self.length, self.width, self.angle)

    def moved(self, shift: np.ndarray) -> Wing:
        """The wing somewhere else."""
        return Wing(
            self.cx + float(shift[0]),
            self.cy + float(shift[1]),
            self.length,
            self.width,
            self.angle,
        )

    def grown(self, margin: float) -> Wing:
        """The wing with `margin` metres more on every side."""
        return Wing(self.cx, self.cy, self.length + 2 * margin, self.width + 2 * margin, self.angle)


@dataclass
class Faces:
    """Per pixel: the downhill direction of the face (0, 0 when flat), metres down from the ridge, metres along the eave."""

    downhill_x: np.ndarray
    downhill_y: np.ndarray
    down: np.ndarray
    along: np.ndarray
    face: np.ndarray


def roof_faces(patch: Patch, wings: list[Wing], form: str) -> Faces:
    """The faces of a gable, hip, shed or flat roof; where wings cross, the higher plane wins, which makes the valleys."""
    best: np.ndarray | None = None
    out: list[np.ndarray] = []
    for index, wing in enumerate(wings):
        u, v = patch.local(wing.cx, wing.cy, wing.angle)
        c, s = np.float32(np.cos(wing.angle)), np.float32(np.sin(wing.angle))
        side_v = np.where(v >= 0, np.float32(1), np.float32(-1))
        inset_v = wing.width / 2 - np.abs(v)
        inset_u = wing.length / 2 - np.abs(u)
        if form == "hip":
            end = inset_u < inset_v
            side_u = np.where(u >= 0, np.float32(1), np.float32(-1))
            height = np.minimum(inset_u, inset_v)
            nx, ny = np.where(end, side_u * c, -side_v * s), np.where(end, side_u * s, side_v * c)
            down = wing.width / 2 - height
            along = np.where(end, v, u)
            face = index * 4 + np.where(end, 2, 0) + (np.where(end, side_u, side_v) > 0)
        elif form == "shed":
            height = v + wing.width / 2
            nx, ny = np.full_like(u, s), np.full_like(u, -c)
            down, along, face = wing.width / 2 - v, u, np.full_like(u, index * 4)
        else:
            height = inset_v if form == "gable" else np.zeros_like(u) - index
            nx, ny = -side_v * s, side_v * c
            down, along = np.abs(v), u
            face = index * 4 + (side_v > 0)
            if form == "flat":
                nx, ny, down, face = np.zeros_like(u), np.zeros_like(u), v, np.zeros_like(u)
        # Outside its own rectangle a wing has no plane; half a metre of tolerance keeps the antialiased rim.
        height = np.where((inset_u > -0.5) & (inset_v > -0.5), height, np.float32(-1e3))
        layers = [nx, ny, down, along, face.astype(np.float32)]
        if best is None:
            best, out = height, layers
        else:
            higher = height > best
            best = np.where(higher, height, best)
            out = [np.where(higher, new, old) for new, old in zip(layers, out, strict=True)]
    return Faces(*out)


def face_light(faces: Faces, sun: Sun, pitch_rad: float) -> np.ndarray:
    """Lambert light on each face relative to flat ground, softened by the sky's own light."""
    flat = np.sin(sun.elevation_rad)
    towards = faces.downhill_x * sun.direction[0] + faces.downhill_y * sun.direction[1]
    tilted = np.abs(faces.downhill_x) + np.abs(faces.downhill_y) > 0
    direct = np.where(
        tilted,
        np.cos(pitch_rad) * flat + np.sin(pitch_rad) * np.cos(sun.elevation_rad) * towards,
        np.float32(flat),
    )
    ambient = 0.35 * flat
    return ((np.maximum(direct, 0) * 0.8 + ambient) / (0.8 * flat + ambient)).astype(np.float32)


def _stripes(
    coordinate: np.ndarray, period_m: float, gsd_m: float, sharp: bool = False
) -> np.ndarray:
    """A wave of amplitude 1 that fades out where the pixel is too coarse to resolve it."""
    fade = np.clip(period_m / gsd_m / 2 - 0.75, 0, 1)
    wave = np.sin(coordinate * np.float32(2 * np.pi / period_m))
    if sharp:
        wave = np.where(wave > 0.85, np.float32(1), np.float32(0))
    return wave * np.float32(fade)


def paint_material(
    rng: np.random.Generator, material: str, faces: Faces, base: np.ndarray, gsd_m: float
) -> np.ndarray:
    """Albedo (rows, cols, 3) of a roof of `material` in colour `base`."""
    rows, cols = faces.down.shape
    salt = int(rng.integers(1 << 20))
    value = 1 + rng.uniform(0.015, 0.06) * noise(rng, rows, cols, "ground")
    if rng.random() < 0.7:
        wide = max(gsd_m, rng.uniform(0.08, 0.3))
        value += rng.uniform(0.01, 0.09) * streaks(
            rng, faces.along, faces.down, wide, wide * rng.uniform(6, 30)
        )
    colour = np.broadcast_to(base, (rows, cols, 3)).astype(np.float32)
    if material in ("tin", "metal"):
        sheet_w, sheet_l = rng.uniform(0.7, 1.2), rng.uniform(1.8, 4.0)
        i = np.floor(faces.along / sheet_w) + 57 * faces.face
        # Most sheets run from ridge to eave; a patchwork of short ones is the poorer roof.
        j = np.floor(faces.down / sheet_l) if rng.random() < 0.45 else np.zeros_like(i)
        value += rng.uniform(0.02, 0.11 if material == "tin" else 0.04) * cell_value(i, j, salt)
        value += rng.uniform(0.02, 0.10) * _stripes(
            faces.along, rng.choice([0.15, 0.3, 0.45, 0.9]), gsd_m
        )
        if material == "tin":
            colour = _rust(rng, faces, colour, i, j, salt)
        elif rng.random() < 0.4:
            value -= rng.uniform(0.05, 0.15) * _stripes(
                faces.along, rng.uniform(0.5, 1.2), gsd_m, sharp=True
            )
    elif material in ("tile", "shingle"):
        row = np.floor(faces.down / rng.uniform(0.25, 0.4))
        col = np.floor(faces.along / 0.3)
        value += (0.05 if material == "tile" else 0.03) * cell_value(
            col, row + 13 * faces.face, salt
        )
        value += 0.04 * cell_value(row, faces.face, salt)
        value += rng.uniform(0.0, 0.07) * _stripes(faces.down, 0.35, gsd_m)
        if rng.random() < 0.35:
            moss = (
                np.clip(noise(rng, rows, cols, "ground") - rng.uniform(0.3, 1.4), 0, 1)[..., None]
                * 0.5
            )
            colour = colour * (1 - moss) + moss * np.array([92, 92, 70], np.float32)
    elif material in ("membrane", "concrete", "gravel", "green"):
        value += rng.uniform(0.01, 0.08) * noise(rng, rows, cols, "cloud")
        if material == "gravel" or material == "green":
            value += rng.uniform(0.02, 0.07) * noise(rng, rows, cols, "grain")
        if material == "membrane" and rng.random() < 0.6:
            value -= rng.uniform(0.02, 0.08) * _stripes(
                faces.along, rng.uniform(1.5, 4.0), gsd_m, sharp=True
            )
        if rng.random() < 0.5:
            stain = np.clip(noise(rng, rows, cols, "cloud") - rng.uniform(0.2, 1.0), 0, 1.2)
            value -= rng.uniform(0.05, 0.25) * stain
    else:
        value += rng.uniform(0.04, 0.10) * noise(rng, rows, cols, "grain")
    return colour * np.clip(value, 0.3, 1.8)[..., None]


def _rust(
    rng: np.random.Generator,
    faces: Faces,
    colour: np.ndarray,
    i: np.ndarray,
    j: np.ndarray,
    salt: int,
) -> np.ndarray:
    """Rust that runs down the sheets, and sheets that were replaced by others."""
    rows, cols = faces.down.shape
    amount = rng.uniform(-1.2, 1.3)
    field = noise(rng, rows, cols, "ground") + 0.8 * cell_value(i, j, salt + 5) + amount
    rust = np.clip(field * rng.uniform(0.6, 2.0), 0, 1)[..., None] * np.float32(
        rng.uniform(0.3, 0.9)
    )
    tone = np.array([rng.uniform(110, 165), rng.uniform(70, 98), rng.uniform(44, 70)], np.float32)
    colour = colour * (1 - rust) + tone * rust
    if rng.random() < 0.6:
        replaced = cell_value(i, j, salt + 11) > rng.uniform(1.0, 2.2)
        fresh = np.array([rng.uniform(150, 225)] * 3, np.float32) * np.array(
            [1, 0.98, 0.95], np.float32
        )
        colour = np.where(replaced[..., None], fresh, colour)
    return colour
