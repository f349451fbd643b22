"""From light to file: optics, atmosphere, electronics and compression, all by chance."""

from __future__ import annotations

import cv2
import numpy as np

from inference_backend.training.scenes.noise import noise


def expose(rng: np.random.Generator, light: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) from `light` float32 in about 0..255. Geometry is kept: labels stay true."""
    image = light.astype(np.float32)
    rows, cols = image.shape[:2]
    if rng.random() < 0.85:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.35, 0.9))
    if rng.random() < 0.12:
        image = _soften(image, rng.uniform(1.2, 2.0))
    if rng.random() < 0.15:
        shift = rng.uniform(-0.8, 0.8, 2)
        band = int(rng.integers(3))
        move = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
        image[..., band] = cv2.warpAffine(
            image[..., band], move, (cols, rows), borderMode=cv2.BORDER_REPLICATE
        )
    image *= rng.normal(1.0, 0.045, 3).astype(np.float32)
    grey = image.mean(2, keepdims=True)
    image = grey + (image - grey) * np.float32(rng.uniform(0.5, 1.25))
    if rng.random() < 0.35:
        haze = np.float32(rng.uniform(0.03, 0.3))
        veil = np.array([188, 196, 206], np.float32) * rng.uniform(0.8, 1.1)
        image = image * (1 - haze) + veil * haze
    if rng.random() < 0.3:
        y, x = np.ogrid[-1 : 1 : rows * 1j, -1 : 1 : cols * 1j]
        image *= (1 - np.float32(rng.uniform(0.03, 0.2)) * (x**2 + y**2)).astype(np.float32)[
            ..., None
        ]
    if rng.random() < 0.15:
        image *= (1 + 0.08 * noise(rng, rows, cols, "cloud"))[..., None]
    if rng.random() < 0.08:
        image = _seam(rng, image)
    gain, gamma = rng.uniform(0.82, 1.32), rng.uniform(0.75, 1.35)
    image = 255 * np.clip(image * np.float32(gain / 255), 0, 1) ** np.float32(gamma)
    if rng.random() < 0.4:
        image = (image - 128) * np.float32(rng.uniform(0.85, 1.35)) + 128
    sigma = abs(rng.normal(0, 3.5))
    image += np.float32(sigma) * noise(rng, rows, cols, "grain")[..., None]
    image += rng.standard_normal(image.shape, np.float32) * np.float32(sigma * 0.5)
    if rng.random() < 0.25:
        blurred = cv2.GaussianBlur(image, (0, 0), 1.2)
        image += (image - blurred) * np.float32(rng.uniform(0.3, 1.2))
    out = np.clip(image, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        quality = int(rng.integers(45, 96))
        _, packed = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, quality])
        out = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    return np.ascontiguousarray(out)


def _soften(image: np.ndarray, factor: float) -> np.ndarray:
    """Shrunk and enlarged: an image that was resampled on its way."""
    rows, cols = image.shape[:2]
    small = cv2.resize(
        image, (int(cols / factor), int(rows / factor)), interpolation=cv2.INTER_AREA
    )
    return cv2.resize(small, (cols, rows), interpolation=cv2.INTER_LINEAR)


def _seam(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Two exposures side by side, as in a mosaic."""
    rows, cols = image.shape[:2]
    y, x = np.ogrid[-0.5 : 0.5 : rows * 1j, -0.5 : 0.5 : cols * 1j]
    angle = rng.uniform(0, np.pi)
    beyond = (x * np.cos(angle) + y * np.sin(angle) > rng.uniform(-0.3, 0.3))[..., None]
    return np.where(beyond, image * rng.normal(1, 0.08, 3).astype(np.float32), image)
