"""Cloud models by name: the one that ships, or weights that `cityseg train cityseg` wrote, by path or registered."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from inference_backend.errors import InvalidInput, ModelProblem
from inference_backend.models import registry
from inference_backend.models.families import CITYSEG, family_of
from inference_backend.weights.catalogue import entries

if TYPE_CHECKING:
    from inference_backend.models.cityseg.adapter import CitySegModel

DEFAULT_3D = "default-3d"
_loaded: dict[tuple[str, str], CitySegModel] = {}
_loading = threading.Lock()


def get_cloud_model(name: str = DEFAULT_3D, device: str = "auto") -> CitySegModel:
    """The model, loaded once a device. `name` is `default-3d`, a registered name or a path of weights.

    Raises InvalidInput for a name that is no cloud model and for absent or unusable weights.
    """
    card = registry.card(name)
    if not card.available:
        raise InvalidInput(card.why_not)
    path = Path(card.extra.get("path", ""))
    if card.extra.get("family") != CITYSEG and family_of(path) != CITYSEG:
        raise InvalidInput(
            f"The model '{name}' is for images; use {DEFAULT_3D} for point clouds, or weights that 'cityseg train cityseg' wrote."
        )
    from inference_backend.models.device import choose, configure_threads

    chosen = choose(device)
    with _loading:
        key = (str(path), chosen)
        if key not in _loaded:
            configure_threads()
            _loaded[key] = _load(path, name, chosen)
        return _loaded[key]


def check_file(name: str, path: Path) -> None:
    """Load the weights `path` once and see that they can serve as `name`; raises `InvalidInput` where not."""
    if name in entries():
        raise InvalidInput(
            f"{path.name} is for point clouds and not {entries()[name].title}; register it under another name."
        )
    _load(path, name, "cpu")


def _load(path: Path, name: str, device: str) -> CitySegModel:
    from inference_backend.models.cityseg.adapter import CitySegModel

    try:
        model = CitySegModel.load(path, device)
    except ModelProblem as error:
        if name == DEFAULT_3D:
            raise
        raise InvalidInput(error.user_message, error.detail) from error
    model.card = replace(model.card, id=name)
    return model
