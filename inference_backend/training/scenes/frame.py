"""A street grid that may turn and curve: where blocks, lots and traffic are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference_backend.training.scenes import craft
from inference_backend.training.scenes.canvas import Canvas, rectangle
from inference_backend.training.scenes.footprints import choose
from inference_backend.training.scenes.roadway import crossing, network, plan_road


class Frame:
    """A rotated and gently curved coordinate frame (a, b) in metres about the middle of the canvas."""

    def __init__(self, canvas: Canvas, curviness: float = 1.0) -> None:
        rng = canvas.rng
        self.middle = np.array([canvas.side_m, canvas.side_m]) / 2
        self.angle = rng.uniform(0, 2 * np.pi)
        self.bend = rng.uniform(0, 6) * curviness * (rng.random() < 0.5)
        self.wave = 2 * np.pi / rng.uniform(120, 300)
        self.phase = rng.uniform(0, 6.3)
        self.reach = canvas.side_m * 0.72

    def xy(self, a: np.ndarray | float, b: np.ndarray | float) -> np.ndarray:
        """(…, 2) canvas metres."""
        b = b + self.bend * np.sin(np.asarray(a) * self.wave + self.phase)
        a = a + np.zeros_like(b)
        c, s = np.cos(self.angle), np.sin(self.angle)
        return np.stack([a * c - b * s, a * s + b * c], -1) + self.middle

    def heading(self, a: float) -> float:
        """Direction of the a axis at `a`, radians."""
        return self.angle + float(
            np.arctan(self.bend * self.wave * np.cos(a * self.wave + self.phase))
        )

    def along_a(self, b: float) -> np.ndarray:
        a = np.linspace(-self.reach, self.reach, 24)
        return self.xy(a, np.full_like(a, b))

    def along_b(self, a: float) -> np.ndarray:
        b = np.linspace(-self.reach, self.reach, 6)
        return self.xy(np.full_like(b, a), b)


def cuts(rng: np.random.Generator, reach: float, low: float, high: float) -> np.ndarray:
    """Positions from -reach to reach whose gaps lie between `low` and `high`."""
    at, out = -reach - rng.uniform(0, high), []
    while at < reach + high:
        out.append(at)
        at += rng.uniform(low, high)
    return np.array(out)


def inside(canvas: Canvas, xy: np.ndarray, margin: float) -> bool:
    """Whether a point lies on the canvas or at most `margin` metres beside it."""
    return bool((xy > -margin).all() and (xy < canvas.side_m + margin).all())


def street_grid(
    canvas: Canvas,
    frame: Frame,
    cuts_a: np.ndarray,
    cuts_b: np.ndarray,
    width: float,
    colour: np.ndarray,
    unpaved: bool,
) -> None:
    """Paint a street at every cut, all one road network."""
    rng = canvas.rng
    number = canvas.new_id("road", surface="unpaved" if unpaved else "paved")
    canvas.tarmac = colour
    roads = [plan_road(canvas, frame.along_a(b), width, colour, unpaved) for b in cuts_b]
    narrow = [width * rng.uniform(0.7, 1.0) for _ in cuts_a]
    for a, each in zip(cuts_a, narrow, strict=True):
        roads.append(plan_road(canvas, frame.along_b(a), each, colour, unpaved))
    network(canvas, roads, number)
    if unpaved:
        return
    for a, each in zip(cuts_a, narrow, strict=True):
        for b in cuts_b:
            xy = frame.xy(a, b)
            if inside(canvas, xy, 10):
                crossing(canvas, xy, frame.heading(a), each, width)


def traffic(
    canvas: Canvas, frame: Frame, cuts_b: np.ndarray, width: float, per_100m: float
) -> None:
    """Put vehicles in the lanes of the streets at `cuts_b`."""
    rng = canvas.rng
    for b in cuts_b:
        for _ in range(rng.poisson(per_100m * 2 * frame.reach / 100)):
            a = rng.uniform(-frame.reach, frame.reach)
            lane = rng.choice([-0.25, 0.25, -0.42, 0.42])
            x, y = frame.xy(a, b + lane * width)
            kind = choose(
                rng,
                (("car", 0.8), ("van", 0.08), ("truck", 0.06), ("bus", 0.03), ("motorbike", 0.03)),
            )
            craft.vehicle(canvas, x, y, frame.heading(a) + (np.pi if lane > 0 else 0), kind)


@dataclass(frozen=True)
class Plot:
    """A rectangle of ground whose middle is (a, b) of the frame; metres and radians."""

    frame: Frame
    a: float
    b: float
    length: float
    depth: float

    @property
    def heading(self) -> float:
        """Direction of the length on the canvas."""
        return self.frame.heading(self.a)

    def at(self, u: float = 0.0, v: float = 0.0) -> np.ndarray:
        """Canvas metres (2,) of a place: fractions of length and depth from the middle, edges at a half."""
        return self.frame.xy(self.a + u * self.length, self.b + v * self.depth)

    def ring(self, share: float = 1.0) -> np.ndarray:
        """Corners (4, 2), or those of the middle `share` of it."""
        size = (self.length * share, self.depth * share)
        return rectangle(*self.at(), *size, self.heading)


def blocks(
    canvas: Canvas, frame: Frame, cuts_a: np.ndarray, cuts_b: np.ndarray, verge: float
) -> list[Plot]:
    """Every block between the cuts that can be seen; `verge` is what streets take of it."""
    found = []
    for b0, b1 in zip(cuts_b[:-1], cuts_b[1:], strict=True):
        for a0, a1 in zip(cuts_a[:-1], cuts_a[1:], strict=True):
            size = (a1 - a0 - verge, b1 - b0 - verge)
            plot = Plot(frame, (a0 + a1) / 2, (b0 + b1) / 2, *size)
            if inside(canvas, plot.at(), 0.75 * max(size)):
                found.append(plot)
    return found


def lots(canvas: Canvas, found: list[Plot], width_m: tuple[float, float]) -> list[Plot]:
    """Two rows of lots back to back in each block, their widths drawn from `width_m`."""
    rng = canvas.rng
    rows = []
    for block in found:
        for side in (-0.25, 0.25):
            b = block.b + side * block.depth
            low, high = block.a - block.length / 2, block.a + block.length / 2
            while low + width_m[0] < high:
                width = min(rng.uniform(*width_m), high - low)
                lot = Plot(block.frame, low + width / 2, b, width, block.depth / 2)
                if inside(canvas, lot.at(), max(lot.length, lot.depth)):
                    rows.append(lot)
                low += width
    return rows
