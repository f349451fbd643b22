"""A scene in the vocabulary of the language part: one leaf of the ontology a pixel."""

from __future__ import annotations

import numpy as np

from inference_backend.training.scenes.scene import Scene

# Semantic names that the vocabulary calls otherwise.
_RENAMED = {"sport": "sport field"}


def scene_leaves(scene: Scene) -> np.ndarray:
    """uint8 (H, W), indices into `language.ontology.LEAVES`: the object's class where there is one, else the ground's."""
    from inference_backend.language.ontology import LEAVES

    codes = {name: code for code, name in enumerate(LEAVES)}
    ground = [codes[_RENAMED.get(name, name)] for name in scene.semantic_names]
    objects = np.zeros(65_536, np.uint8)
    for number, name in scene.classes.items():
        objects[number] = codes[_RENAMED.get(name, name)]
    below = np.array(ground, np.uint8)[scene.semantic]
    return np.where(scene.instances > 0, objects[scene.instances], below)
