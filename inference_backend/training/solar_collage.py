"""Generated solar arrays laid on real photographs: the look of modules, on roofs that no generator drew."""

from __future__ import annotations

import cv2
import numpy as np

from inference_backend.training.object_bank import LabelledImage

MODULE_COLOURS = (
    (18, 22, 38),
    (24, 34, 66),
    (34, 50, 96),
    (14, 15, 20),
    (48, 58, 84),
    (60, 66, 78),
    (38, 38, 48),
)


def solar_collage(rgb: np.ndarray, gsd_m: float, rng: np.random.Generator) -> LabelledImage:
    """One to six arrays on even patches of `rgb`, turned like the edges around them."""
    canvas = rgb.copy()
    labels = np.zeros(rgb.shape[:2], np.int32)
    roughness = cv2.boxFilter(_gradient(rgb), -1, (15, 15))
    for ident in range(1, int(rng.integers(1, 7)) + 1):
        x, y = _even_place(roughness, rng)
        turn = (
            _edge_direction(rgb, x, y) + rng.normal(0, 0.03)
            if rng.random() < 0.8
            else rng.uniform(0, np.pi)
        )
        module_px = np.array([1.0, 1.7]) / gsd_m * rng.uniform(0.75, 1.3)
        grid = _grid(rng)
        _draw(canvas, labels, ident, (x, y), turn, module_px, grid, rng)
    return LabelledImage.from_labels(
        canvas, labels, dict.fromkeys(range(1, 7), "solar array"), least_px=50
    )


def _gradient(rgb: np.ndarray) -> np.ndarray:
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))


def _even_place(roughness: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    height, width = roughness.shape
    ys, xs = rng.integers(12, height - 12, 8), rng.integers(12, width - 12, 8)
    best = int(np.argmin(roughness[ys, xs]))
    return float(xs[best]), float(ys[best])


def _edge_direction(rgb: np.ndarray, x: float, y: float, reach: int = 28) -> float:
    """Radians: the strongest direction of edges near (x, y), from the structure tensor with angles doubled twice."""
    y0, x0 = max(int(y) - reach, 0), max(int(x) - reach, 0)
    grey = cv2.cvtColor(rgb[y0 : y0 + 2 * reach, x0 : x0 + 2 * reach], cv2.COLOR_RGB2GRAY).astype(
        np.float32
    )
    dx, dy = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    strength, angle = dx**2 + dy**2, np.arctan2(dy, dx)
    return float(np.angle((strength * np.exp(4j * angle)).sum()) / 4)


def _grid(rng: np.random.Generator) -> np.ndarray:
    """bool (rows, columns) of modules: mostly full rectangles, sometimes with a bite for a window or in an L."""
    rows, columns = int(rng.integers(1, 6)), int(rng.integers(2, 13))
    grid = np.ones((rows, columns), bool)
    if rng.random() < 0.3 and rows > 1 and columns > 2:
        grid[: int(rng.integers(1, rows)), : int(rng.integers(1, columns - 1))] = False
        if rng.random() < 0.5:
            grid = grid[:, ::-1]
    return grid


def _draw(
    canvas: np.ndarray,
    labels: np.ndarray,
    ident: int,
    centre: tuple[float, float],
    turn: float,
    module_px: np.ndarray,
    grid: np.ndarray,
    rng: np.random.Generator,
) -> None:
    over = 3
    cell = np.maximum(np.round(module_px * over), 3).astype(int)
    rows, columns = grid.shape
    sheet = np.zeros((rows * cell[1], columns * cell[0], 3), np.float32)
    alpha = np.zeros(sheet.shape[:2], np.float32)
    base = np.array(
        MODULE_COLOURS[int(rng.integers(len(MODULE_COLOURS)))], np.float32
    ) * rng.uniform(0.7, 1.5)
    frame = base + rng.uniform(0, 150) * (rng.random() < 0.6)
    line = int(rng.integers(1, 3))
    for r, c in zip(*np.nonzero(grid)):
        part = np.s_[r * cell[1] : (r + 1) * cell[1], c * cell[0] : (c + 1) * cell[0]]
        alpha[part] = 1
        sheet[part] = frame
        inner = np.s_[
            r * cell[1] + line : (r + 1) * cell[1] - line,
            c * cell[0] + line : (c + 1) * cell[0] - line,
        ]
        sheet[inner] = base * rng.uniform(0.93, 1.07)
    if rng.random() < 0.4:
        sheet += np.linspace(0, rng.uniform(10, 60), sheet.shape[1])[None, :, None]
    height, width = sheet.shape[:2]
    cos, sin = np.cos(turn) / over, np.sin(turn) / over
    matrix = np.array([[cos, -sin, centre[0]], [sin, cos, centre[1]]])
    matrix[:, 2] -= matrix[:, :2] @ [width / 2, height / 2]
    size = canvas.shape[1], canvas.shape[0]
    soft = cv2.GaussianBlur(alpha, (0, 0), over * 0.5)
    placed = cv2.warpAffine(
        cv2.GaussianBlur(sheet, (0, 0), over * 0.5), matrix, size, flags=cv2.INTER_LINEAR
    )
    cover = cv2.warpAffine(soft, matrix, size, flags=cv2.INTER_LINEAR)[..., None]
    solid = cv2.warpAffine(alpha, matrix, size, flags=cv2.INTER_LINEAR)
    canvas[:] = (
        (canvas * (1 - cover) + placed.clip(0, 255)).clip(0, 255).astype(np.uint8)
        if cover.max() > 0
        else canvas
    )
    labels[solid > 0.5] = ident
