"""Models by name: what there is, what each needs, and the loaded ones. Heavy imports happen here, inside functions."""

from __future__ import annotations

import importlib.util
import threading
from dataclasses import replace
from pathlib import Path

from inference_backend.errors import InvalidInput, ModelProblem
from inference_backend.models.base import ModelCard, PromptableModel
from inference_backend.models.families import (
    CITYSEG,
    OPENCLIP,
    SAM,
    UNIGEOSEG,
    UNIGEOSEG_FULL,
    family_of,
    is_folder_of_weights,
    kind_of,
)
from inference_backend.models.joined import joint_card, parts_of
from inference_backend.weights import store
from inference_backend.weights.catalogue import CatalogueEntry, entries

DEFAULT_2D = "default-2d"
# The catalogue's model that a file of one's own is like.
_LIKE = {
    UNIGEOSEG: DEFAULT_2D,
    SAM: "sam-vit-b",
    OPENCLIP: "openai-vit-b-32",
    UNIGEOSEG_FULL: DEFAULT_2D,
    CITYSEG: "default-3d",
}
_NEEDS_MODULE = {UNIGEOSEG_FULL: "transformers"}
_loaded: dict[tuple[str, str], PromptableModel] = {}
_loading = threading.Lock()


def cards() -> list[ModelCard]:
    """Every model that can be named, the default first; says which are usable and how to get the others."""
    known = entries()
    own = [name for name in store.registered() if name not in known]
    return [_catalogue_card(record) for record in known.values()] + [
        _own_card(name) for name in own
    ]


def card(name: str) -> ModelCard:
    """The card of one model, or of two joined as "A+B"; raises `InvalidInput` with the names there are."""
    found = {known.id: known for known in cards()}
    if name in found:
        return found[name]
    if _looks_like_path(name) and Path(name).expanduser().exists():
        return _path_card(Path(name).expanduser())
    if (parts := parts_of(name)) is not None:
        return joint_card(*map(card, parts))
    if _looks_like_path(name):
        return _path_card(Path(name).expanduser())
    raise InvalidInput(
        f"There is no model '{name}'; choose one of {', '.join(found)}, or give a checkpoint's path."
    )


def get(name: str = DEFAULT_2D, device: str = "auto") -> PromptableModel:
    """The model, loaded once a device. `name` is a catalogue name, a registered name, a checkpoint's path, or two with "+".

    Raises `InvalidInput` for an unknown name or device and for absent or unusable weights.
    """
    chosen_card = card(name)
    if not chosen_card.available:
        raise InvalidInput(chosen_card.why_not)
    if chosen_card.extra.get("family") == CITYSEG:
        raise InvalidInput(
            f"The model '{name}' is for point clouds; use it with 'cityseg classify', and {DEFAULT_2D} for images."
        )
    from inference_backend.models.device import choose, configure_threads

    chosen_device = choose(device)
    joined = "family" not in chosen_card.extra
    parts = [get(part, device) for part in parts_of(name) or ()] if joined else []
    with _loading:
        key = (chosen_card.id, chosen_device)
        if key not in _loaded:
            configure_threads()
            _loaded[key] = _join(*parts) if joined else _load(chosen_card, chosen_device)
        return _loaded[key]


def check_file(name: str, path: Path) -> None:
    """Load the checkpoint `path` once and see that it can serve as `name`; raises `InvalidInput` where not."""
    if family_of(path) == CITYSEG:
        from inference_backend.models import cloud_registry

        cloud_registry.check_file(name, path)
        return
    model = get(str(path.resolve()), "cpu")
    release(model.card.id)
    record = entries().get(name)
    loaded_as = getattr(model, "catalogue_name", "")
    if record is not None and loaded_as != name:
        raise InvalidInput(
            f"{path.name} is not {record.title} but {loaded_as or 'another model'}; register it under "
            f"{loaded_as or 'another name'}."
        )


def loaded() -> list[PromptableModel]:
    """The models in memory."""
    return list(_loaded.values())


def release(name: str | None = None) -> None:
    """Drop one model, or all, from memory."""
    with _loading:
        for key in [key for key in _loaded if name in (None, key[0])]:
            del _loaded[key]


def _load(chosen: ModelCard, device: str) -> PromptableModel:
    path = Path(chosen.extra["path"])
    if chosen.extra["family"] == UNIGEOSEG:
        from inference_backend.models.unigeoseg.adapter import UniGeoSegInteractive

        try:
            model = UniGeoSegInteractive.load(path, device)
        except ModelProblem as error:
            if entries().get(chosen.id) is not None:
                raise
            # A file that the user named is input, and installing again would not mend it.
            raise InvalidInput(
                f"{path.name} is damaged, incomplete or holds no weights of a known model; use a SAM checkpoint as "
                "published, or weights that 'cityseg train' wrote.",
                f"{error.user_message} {error.detail}",
            ) from error
        model.card = replace(model.card, id=chosen.id, title=chosen.title)
        return model
    if chosen.extra["family"] == OPENCLIP:
        from inference_backend.models.openclip import OpenClipModel

        clip = OpenClipModel.load(path, device)
        clip.card = replace(chosen, extra={**chosen.extra, **clip.card.extra})
        return clip
    if chosen.extra["family"] == UNIGEOSEG_FULL:
        from inference_backend.models.unigeoseg.full.adapter import FullUniGeoSeg

        return FullUniGeoSeg.load(path, device, card=chosen)
    from inference_backend.models.sam import SamModel

    return SamModel.load(path, device, card=chosen)


def _join(words: PromptableModel, edges: PromptableModel) -> PromptableModel:
    from inference_backend.models.words_then_edges import WordsThenEdges

    return WordsThenEdges(words, edges)


def _catalogue_card(record: CatalogueEntry) -> ModelCard:
    path = store.locate(record.name)
    return ModelCard(
        id=record.name,
        title=record.title,
        prompts=record.prompts,
        input_px=record.input_px,
        licence=record.licence,
        memory_mb=record.memory_mb,
        needs_download=not record.ships,
        source=record.url or record.homepage,
        available=path is not None and _importable(record.needs_module),
        why_not=_why_not(record, path),
        extra={
            "family": record.family,
            "kind": kind_of(record.family),
            "path": str(path or store.expected_path(record)),
            "bytes": record.bytes,
        },
    )


def _why_not(record: CatalogueEntry, path: Path | None) -> str:
    if path is None and record.name in store.registered():
        return (
            f"The checkpoint registered as {record.name} is gone from {store.registered()[record.name]}; "
            f"register it again or run 'cityseg models remove {record.name}'."
        )
    if path is None and record.ships:
        return f"The file {record.file} that ships with CitySeg is missing; install CitySeg again."
    if path is None:
        return (
            f"{record.title} has to be downloaded first ({record.bytes / 1e6:.0f} MB): run "
            f"'cityseg models download {record.name}', or register a file with "
            f"'cityseg models register {record.name} PATH'."
        )
    if not _importable(record.needs_module):
        return _lacking(record.needs_module)
    return ""


def _lacking(module: str) -> str:
    if module == "transformers":
        return (
            "The full UniGeoSeg needs the Python package 'transformers', which the backend's environment lacks; install "
            "the optional packages of requirements/full.in into it."
        )
    return f"The backend's environment lacks the package '{module}'; install the backend again."


def _own_card(name: str) -> ModelCard:
    path = store.registered()[name]
    return _path_card(path, name, f"{name} ({path.name}, registered by you)")


def _path_card(path: Path, name: str = "", title: str = "") -> ModelCard:
    """A card for a file the catalogue does not know; its family is read when it is loaded, not for a list."""
    family = family_of(path)
    like = entries()[_LIKE[family]]
    needed = _NEEDS_MODULE.get(family, like.needs_module)
    why_not = "" if path.exists() else f"There is no checkpoint {path}; register it again."
    if not why_not and not _importable(needed):
        why_not = _lacking(needed)
    return ModelCard(
        id=name or str(path.resolve()),
        title=title or path.name,
        prompts=like.prompts,
        input_px=like.input_px,
        licence="the checkpoint's own",
        memory_mb=max(like.memory_mb, _memory_mb(path)),
        source=str(path),
        available=not why_not,
        why_not=why_not,
        extra={
            "family": family,
            "kind": kind_of(family),
            "path": str(path),
            "bytes": path.stat().st_size if path.is_file() else None,
        },
    )


def _memory_mb(path: Path) -> int:
    """Twice the file: the parameters and one encoding."""
    files = path.glob("*") if path.is_dir() else [path]
    return 2 * sum(file.stat().st_size for file in files if file.is_file()) // 1_000_000


def _looks_like_path(name: str) -> bool:
    path = Path(name).expanduser()
    return name.lower().endswith(store.CHECKPOINT_SUFFIXES) or is_folder_of_weights(path)


def _importable(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
