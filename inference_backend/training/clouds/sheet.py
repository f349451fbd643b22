"""A picture of a labelled cloud: from above, and a section through its tallest part."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from inference_backend.training.clouds.leaves import COLOURS, LEAVES, ids
from inference_backend.training.clouds.scan import LabelledCloud

_MOST = 400_000


def draw_sheet(cloud: LabelledCloud, path: Path, title: str = "") -> None:
    """Write a PNG: top view by class, top view by intensity, two sections by class, and a legend."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    table = COLOURS
    figure = Figure(figsize=(17, 13.5), facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(3, 2, height_ratios=(7, 2.6, 2.6), hspace=0.16, wspace=0.06)
    xyz, leaf = cloud.xyz, cloud.leaf
    order = np.argsort(xyz[:, 2])[:: max(len(xyz) // _MOST, 1)]
    side = float(np.ceil(xyz[:, :2].max())) if len(xyz) else 1.0
    size = float(np.clip(500_000 / max(len(order), 1), 1.2, 8.0))
    bright = np.clip(cloud.intensity / max(np.quantile(cloud.intensity, 0.98), 1), 0, 1)
    for column, colour in enumerate((table[leaf[order]], np.repeat(bright[order, None], 3, 1))):
        axes = figure.add_subplot(grid[0, column], facecolor="#30343a")
        axes.scatter(xyz[order, 0], xyz[order, 1], s=size, c=colour, linewidths=0)
        axes.set_aspect("equal")
        axes.set_xlim(0, side)
        axes.set_ylim(0, side)
    count = len(cloud) / side**2
    figure.suptitle(f"{title} {cloud.platform}, {len(cloud)} points, {count:.1f} a square metre")
    axis, at = _interesting(cloud, side)
    for row, (along, place) in enumerate(((axis, at), (1 - axis, side / 2))):
        axes = figure.add_subplot(grid[1 + row, :], facecolor="#30343a")
        near = np.flatnonzero(
            (np.abs(xyz[:, 1 - along] - place) < 1.5)
            & ~np.isin(leaf, ids("low noise", "high noise"))
        )
        axes.scatter(xyz[near, along], xyz[near, 2], s=2.5, c=table[leaf[near]], linewidths=0)
        axes.set_aspect("equal", adjustable="box")
    present = np.unique(leaf)
    for number in present:
        axes.scatter([], [], color=table[number], label=LEAVES[number], s=30, edgecolors="grey")
    figure.legend(loc="lower center", ncols=10, fontsize=8)
    figure.savefig(path, dpi=80, bbox_inches="tight")


def _interesting(cloud: LabelledCloud, side: float) -> tuple[int, float]:
    """The axis (0 or 1) along which to cut, and where: through the most points that are no ground."""
    low = ids("open ground", "pavement", "rail track", "water", "low noise", "high noise")
    high = cloud.xyz[~np.isin(cloud.leaf, low)]
    if not len(high):
        return 0, side / 2
    histogram, edges = np.histogram(high[:, 1], bins=max(int(side / 3), 1), range=(0, side))
    best = int(histogram.argmax())
    return 0, float((edges[best] + edges[best + 1]) / 2)
