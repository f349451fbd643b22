"""Guided filtering: a coarse map takes over the edges of the image that it belongs to (He, Sun and Tang 2013)."""

from __future__ import annotations

import cv2
import numpy as np

# Of intensities from 0 to 1: contrast below its square root is texture, above it an edge.
_SMOOTHNESS = 1e-3


def guided_filter(coarse: np.ndarray, rgb: np.ndarray, radius_px: int) -> np.ndarray:
    """`coarse` float32 (H, W) as a local linear function of `rgb` uint8 (H, W, 3) within `radius_px`: float32 (H, W)."""
    guide = rgb.astype(np.float32) / 255
    side = 2 * radius_px + 1

    def mean(values: np.ndarray) -> np.ndarray:
        # OpenCV's filters take no more than four channels at once.
        flat = values.reshape(*values.shape[:2], -1)
        parts = [
            cv2.blur(
                np.ascontiguousarray(flat[..., c]), (side, side), borderType=cv2.BORDER_REFLECT_101
            )
            for c in range(flat.shape[-1])
        ]
        return np.stack(parts, -1).reshape(values.shape)

    mean_guide, mean_coarse = mean(guide), mean(coarse)
    covariance = mean(guide * coarse[..., None]) - mean_guide * mean_coarse[..., None]
    variance = mean(guide[..., :, None] * guide[..., None, :])
    variance -= mean_guide[..., :, None] * mean_guide[..., None, :]
    variance += _SMOOTHNESS * np.eye(3, dtype=np.float32)
    slope = np.linalg.solve(variance, covariance[..., None])[..., 0]
    offset = mean_coarse - (slope * mean_guide).sum(-1)
    return ((mean(slope) * guide).sum(-1) + mean(offset)).astype(np.float32)
