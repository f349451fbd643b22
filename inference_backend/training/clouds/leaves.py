"""The leaves that a simulated point may be, in the order of the label graph: the id is the position."""

from __future__ import annotations

import numpy as np

# name, ASPRS code (1 where ASPRS has none), colour in pictures
_TABLE: tuple[tuple[str, int, str], ...] = (
    ("open ground", 2, "#b59b74"),
    ("pavement", 11, "#8a8a8a"),
    ("rail track", 10, "#6b4f3f"),
    ("water", 9, "#3b7dd8"),
    ("low vegetation", 3, "#b6d96a"),
    ("shrub", 4, "#8fbc45"),
    ("hedge", 4, "#6f9e2f"),
    ("broadleaf tree", 5, "#2e8b2e"),
    ("conifer tree", 5, "#14532d"),
    ("palm", 5, "#4fd08a"),
    ("flat roof", 6, "#e07b7b"),
    ("pitched roof", 6, "#c0392b"),
    ("facade", 6, "#f0c29a"),
    ("roof structure", 6, "#7a1f5c"),
    ("solar panel", 6, "#1f2f8f"),
    ("greenhouse", 6, "#a8e6e6"),
    ("bridge", 17, "#f28e2b"),
    ("wall", 1, "#9c755f"),
    ("fence", 1, "#d4a5ff"),
    ("tank", 1, "#bab0ac"),
    ("silo", 1, "#ded5c4"),
    ("chimney", 1, "#5a2d0c"),
    ("wind turbine", 1, "#f8f8ff"),
    ("crane", 1, "#ffd400"),
    ("pier", 1, "#7d5a3c"),
    ("wire", 14, "#00e5ff"),
    ("power tower", 15, "#ff00c8"),
    ("utility pole", 1, "#b000ff"),
    ("street lamp", 1, "#fff27a"),
    ("car", 1, "#ff5500"),
    ("truck", 1, "#ff9a5a"),
    ("bus", 1, "#ffc107"),
    ("train", 1, "#c2185b"),
    ("boat", 1, "#e8f0ff"),
    ("aircraft", 1, "#dddddd"),
    ("container", 1, "#00838f"),
    ("rubble pile", 1, "#a1887f"),
    ("low noise", 7, "#000000"),
    ("high noise", 18, "#ff0000"),
)
LEAVES: tuple[str, ...] = tuple(row[0] for row in _TABLE)
ID: dict[str, int] = {name: number for number, name in enumerate(LEAVES)}
CODES: np.ndarray = np.array([row[1] for row in _TABLE], np.uint8)
COLOURS: tuple[str, ...] = tuple(row[2] for row in _TABLE)
HIDDEN: tuple[str, ...] = (
    "hedge", "palm", "greenhouse", "silo", "crane", "street lamp", "bus", "train",
)  # fmt: skip


def ids(*names: str) -> np.ndarray:
    """uint8 ids of the named leaves."""
    return np.array([ID[name] for name in names], np.uint8)
