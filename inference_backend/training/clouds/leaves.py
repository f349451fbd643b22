"""The leaves that a simulated point may be: those of the label graph, in its order; the id is the position."""

from __future__ import annotations

import numpy as np

from inference_backend.models.cityseg.label_graph import label_graph

LEAVES: tuple[str, ...] = label_graph().leaves
ID: dict[str, int] = {name: number for number, name in enumerate(LEAVES)}
CODES: np.ndarray = np.array([label_graph().code_of(name) for name in LEAVES], np.uint8)
COLOURS: np.ndarray = np.array([label_graph().colour_of(name) for name in LEAVES]) / 255.0


def ids(*names: str) -> np.ndarray:
    """uint8 ids of the named leaves."""
    return np.array([ID[name] for name in names], np.uint8)
