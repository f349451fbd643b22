"""The sheet a scene is painted on: albedo, cast shadows, instance ids and semantic codes, in metres.

Coordinates are metres from the top-left corner, x right and y down. Edges are antialiased; an id is written
where an object covers at least half of a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from inference_backend.training.scenes.noise import noise

_SHIFT = 4  # sub-pixel bits of OpenCV's polygon fill
_RIM = np.ones((3, 3), np.uint8)


@dataclass
class Sun:
    """Light: unit ground direction towards the sun, elevation, and how dark shadows are."""

    direction: np.ndarray
    elevation_rad: float
    shadow_light: float
    sky_tint: np.ndarray
    lean_per_m: np.ndarray = field(
        default_factory=lambda: np.zeros(2)
    )  # how far a view from the side moves a roof

    @property
    def shadow_per_m(self) -> np.ndarray:
        """Ground displacement of a shadow's tip for one metre of height."""
        return -self.direction / np.tan(self.elevation_rad)


@dataclass
class Patch:
    """A window of the canvas with the coverage (0 to 1) of what is to be painted there."""

    row0: int
    col0: int
    alpha: np.ndarray
    gsd_m: float

    @property
    def window(self) -> tuple[slice, slice]:
        rows, cols = self.alpha.shape
        return slice(self.row0, self.row0 + rows), slice(self.col0, self.col0 + cols)

    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        """x, y of the pixel centres in metres, broadcastable: (1, cols) and (rows, 1)."""
        rows, cols = self.alpha.shape
        x = (np.arange(cols, dtype=np.float32) + self.col0 + 0.5) * self.gsd_m
        y = (np.arange(rows, dtype=np.float32) + self.row0 + 0.5) * self.gsd_m
        return x[None, :], y[:, None]

    def local(self, cx: float, cy: float, angle: float) -> tuple[np.ndarray, np.ndarray]:
        """(u, v) in metres along and across an axis through (cx, cy): float32 (rows, cols) each."""
        x, y = self.grid()
        dx, dy = x - np.float32(cx), y - np.float32(cy)
        c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        return dx * c + dy * s, dy * c - dx * s


@dataclass
class Canvas:
    """What is painted so far."""

    size_px: int
    gsd_m: float
    rng: np.random.Generator
    sun: Sun
    rgb: np.ndarray = field(init=False)
    shadow: np.ndarray = field(init=False)
    instances: np.ndarray = field(init=False)
    semantic: np.ndarray = field(init=False)
    classes: dict[int, str] = field(default_factory=dict)
    attributes: dict[int, dict] = field(default_factory=dict)
    tarmac: np.ndarray | None = None  # the colour of this place's streets

    def __post_init__(self) -> None:
        side = self.size_px
        self.rgb = np.full((side, side, 3), 120, np.float32)
        self.shadow = np.zeros((side, side), np.float32)
        self.instances = np.zeros((side, side), np.uint16)
        self.semantic = np.zeros((side, side), np.uint8)

    @property
    def side_m(self) -> float:
        return self.size_px * self.gsd_m

    def new_id(self, name: str, **attributes: object) -> int:
        """A fresh instance id for an object of class `name`; 0 (none) once uint16 is exhausted."""
        number = len(self.classes) + 1
        if number > 65_535:
            return 0
        self.classes[number] = name
        self.attributes[number] = dict(attributes)
        return number

    def patch(
        self, rings: Sequence[np.ndarray], pad_m: float = 0.0, even_odd: bool = False
    ) -> Patch | None:
        """Coverage of the union of convex `rings` (metres), or of one polygon with holes when `even_odd`."""
        points = np.concatenate(rings)
        low = np.floor((points.min(0) - pad_m) / self.gsd_m).astype(int) - 1
        high = np.ceil((points.max(0) + pad_m) / self.gsd_m).astype(int) + 2
        col0, row0 = np.maximum(low, 0)
        col1, row1 = np.minimum(high, self.size_px)
        if col1 <= col0 or row1 <= row0:
            return None
        # Filled finer than the pixel, then averaged.
        fine = 4 if (row1 - row0) * (col1 - col0) < 200_000 else 2
        mask = np.zeros(((row1 - row0) * fine, (col1 - col0) * fine), np.uint8)
        scale, origin = fine / self.gsd_m, np.array([col0, row0]) * fine + 0.5
        fixed = [
            np.round((ring * scale - origin) * (1 << _SHIFT)).astype(np.int32) for ring in rings
        ]
        for group in [fixed] if even_odd else [[ring] for ring in fixed]:
            cv2.fillPoly(mask, group, 255, cv2.LINE_8, _SHIFT)
        # OpenCV fills every sample that the edge touches, half a sample too many: the mean of the fill and
        # of the fill without its rim has its edge where it belongs.
        mask = cv2.addWeighted(mask, 0.5, cv2.erode(mask, _RIM), 0.5, 0)
        small = cv2.resize(mask, (col1 - col0, row1 - row0), interpolation=cv2.INTER_AREA)
        alpha = small.astype(np.float32) * np.float32(1 / 255)
        return Patch(int(row0), int(col0), alpha, self.gsd_m)

    def whole(self) -> Patch:
        return Patch(0, 0, np.ones((self.size_px, self.size_px), np.float32), self.gsd_m)

    def paint(
        self,
        patch: Patch | None,
        colour: np.ndarray,
        *,
        number: int | None = 0,
        semantic: int | None = None,
        opacity: float = 1.0,
        above_shadow: bool = False,
    ) -> None:
        """Blend `colour` ((3,) or (rows, cols, 3)) in. `number` None keeps the ids below, 0 clears them."""
        if patch is None:
            return
        window = patch.window
        alpha = patch.alpha * np.float32(opacity)
        below = self.rgb[window]
        below += alpha[..., None] * (np.asarray(colour, np.float32) - below)
        inside = patch.alpha >= 0.5
        if number is not None:
            self.instances[window][inside] = number
        if semantic is not None:
            self.semantic[window][inside] = semantic
        if above_shadow:
            self.shadow[window] *= 1 - alpha

    def shade(self, patch: Patch | None, factor: np.ndarray | float) -> None:
        """Multiply what is there by `factor` where the patch covers."""
        if patch is not None:
            self.rgb[patch.window] *= (1 + patch.alpha * (factor - 1))[..., None]

    def cast_shadow(
        self, rings: Sequence[np.ndarray], height_m: float, strength: float = 1.0
    ) -> None:
        """The shadow of convex `rings` raised to `height_m`, on all that is painted so far."""
        shift = self.sun.shadow_per_m * height_m
        hulls = [
            cv2.convexHull(np.concatenate([ring, ring + shift]).astype(np.float32))[:, 0]
            for ring in rings
        ]
        patch = self.patch(hulls)
        if patch is not None:
            below = self.shadow[patch.window]
            np.maximum(below, patch.alpha * np.float32(strength), out=below)

    def cast_flat_shadow(self, rings: Sequence[np.ndarray], height_m: float) -> None:
        """The shadow of something thin that hangs at `height_m`: a wing, a crown, a deck."""
        shift = self.sun.shadow_per_m * height_m
        patch = self.patch([ring + shift for ring in rings])
        if patch is not None:
            below = self.shadow[patch.window]
            np.maximum(below, patch.alpha, out=below)

    def speckle(
        self, patch: Patch, colour: np.ndarray, amount: float, kind: str = "ground"
    ) -> np.ndarray:
        """`colour` with noise of relative deviation `amount`: (rows, cols, 3)."""
        rows, cols = patch.alpha.shape
        factor = 1 + np.float32(amount) * noise(self.rng, rows, cols, kind)
        return np.asarray(colour, np.float32) * factor[..., None]

    def lit(self) -> np.ndarray:
        """The picture with its shadows, float32 (H, W, 3) in 0..255 before the sensor."""
        dark = self.sun.shadow_light * self.sun.sky_tint.astype(np.float32)
        return self.rgb * (1 - self.shadow[..., None] * (1 - dark))


def rectangle(cx: float, cy: float, length: float, width: float, angle: float = 0.0) -> np.ndarray:
    """Corners (4, 2) of a rectangle whose length runs along `angle` (radians, clockwise as y is down)."""
    u = np.array([np.cos(angle), np.sin(angle)])
    v = np.array([-u[1], u[0]])
    half_u, half_v = u * length / 2, v * width / 2
    centre = np.array([cx, cy])
    return np.stack(
        [
            centre - half_u - half_v,
            centre + half_u - half_v,
            centre + half_u + half_v,
            centre - half_u + half_v,
        ]
    )


def placed(shape: np.ndarray, x: float, y: float, angle: float) -> np.ndarray:
    """Points (N, 2) given along and across an axis, turned by `angle` and moved to (x, y)."""
    c, s = np.cos(angle), np.sin(angle)
    return shape @ np.array([[c, s], [-s, c]]) + (x, y)


def circle(
    cx: float, cy: float, radius: float, vertices: int = 24, wobble: np.ndarray | None = None
) -> np.ndarray:
    """A ring (vertices, 2); `wobble` (vertices,) scales the radius at each vertex."""
    theta = np.linspace(0, 2 * np.pi, vertices, endpoint=False)
    radii = radius * (1.0 if wobble is None else wobble)
    return np.stack([cx + radii * np.cos(theta), cy + radii * np.sin(theta)], 1)


def strip(line: np.ndarray, width_m: float, offset_m: float = 0.0) -> np.ndarray:
    """The polygon (2N, 2) along a polyline, `width_m` wide, its axis `offset_m` to the right."""
    tangent = np.gradient(line, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], 1)
    axis = line + normal * offset_m
    return np.concatenate([axis + normal * width_m / 2, (axis - normal * width_m / 2)[::-1]])
