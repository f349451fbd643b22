"""Snow on the ground and on what stands on it."""

from __future__ import annotations

import numpy as np

from inference_backend.training.scenes.canvas import Canvas
from inference_backend.training.scenes.noise import noise

# How much of the snow stays, by semantic code: swept, driven on, too steep, too warm.
_STAYS = {
    0: (0.3, 0.9),
    1: (0.2, 0.98),  # roofs
    2: (0.0, 0.5),  # solar arrays
    3: (0.0, 0.55),  # roads
    4: (0.02, 0.3),  # trees
    5: (0.0, 0.25),  # water
    6: (0.6, 1.0),
    7: (0.6, 1.0),
    8: (0.5, 1.0),
    9: (0.0, 0.5),  # vehicles
    10: (0.05, 0.8),
    11: (0.4, 1.0),
    12: (0.0, 0.3),
    13: (0.05, 0.35),
    14: (0.05, 0.6),
    15: (0.0, 0.5),
}


def snowfall(canvas: Canvas) -> None:
    """Whiten the scene: fields most, roads and crowns least, thinner where it melted."""
    rng = canvas.rng
    side = canvas.size_px
    share = np.zeros(256, np.float32)
    for code, (low, high) in _STAYS.items():
        share[code] = rng.uniform(low, high)
    patchy = rng.uniform(0.05, 0.6)
    depth = share[canvas.semantic] * (1 + patchy * noise(rng, side, side, "ground"))
    depth = np.clip(
        depth + 0.25 * (depth > 0.3) * noise(rng, side, side, "grain") * patchy, 0, 0.97
    )
    white = np.array([228, 232, 238], np.float32) * rng.uniform(0.9, 1.05)
    drift = 1 + 0.03 * noise(rng, side, side, "cloud")
    # What lies below still shows as relief.
    relief = canvas.rgb.mean(2) / max(float(canvas.rgb.mean()), 1.0)
    tone = white * (drift * (0.9 + 0.1 * np.clip(relief, 0.5, 1.5)))[..., None]
    canvas.rgb += depth[..., None] * (tone - canvas.rgb)
