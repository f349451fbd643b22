"""Procedural aerial scenes with exact truth, to train and to demonstrate without anybody's data."""

from inference_backend.training.scenes.leaves import scene_leaves
from inference_backend.training.scenes.scene import (
    KINDS,
    SEMANTIC_NAMES,
    Scene,
    make_scene,
    make_truth_polygons,
)

__all__ = [
    "KINDS",
    "SEMANTIC_NAMES",
    "Scene",
    "make_scene",
    "make_truth_polygons",
    "scene_leaves",
]
