"""Models by name: what there is, what each needs, and the loaded ones. Heavy imports happen here, inside functions."""

from __future__ import annotations

import importlib.util
import threading
from dataclasses import replace
from pathlib import Path

from inference_backend.errors import InvalidInput, ModelProblem
from inference_backend.models.base import ModelCard, PromptableModel
from inference_backend.weights import store
from inference_backend.weights.catalogue import CatalogueEntry, entries

DEFAULT_2D = "default-2d"
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
    """The card of one model; raises `InvalidInput` with the names there are."""
    found = {known.id: known for known in cards()}
    if name in found:
        return found[name]
    if _looks_like_path(name):
        return _path_card(Path(name).expanduser())
    raise InvalidInput(
        f"There is no model '{name}'; choose one of {', '.join(found)}, or give a checkpoint's path."
    )


def get(name: str = DEFAULT_2D, device: str = "auto") -> PromptableModel:
    """The model, loaded once a device. `name` is a catalogue name, a registered name or a checkpoint's path.

    Raises `InvalidInput` for an unknown name or device and for absent or unusable weights.
    """
    chosen_card = card(name)
    if not chosen_card.available:
        raise InvalidInput(chosen_card.why_not)
    from inference_backend.models.device import choose, configure_threads

    chosen_device = choose(device)
    with _loading:
        key = (chosen_card.id, chosen_device)
        if key not in _loaded:
            configure_threads()
            _loaded[key] = _load(chosen_card, chosen_device)
        return _loaded[key]


def check_file(name: str, path: Path) -> None:
    """Load the checkpoint `path` once and see that it can serve as `name`; raises `InvalidInput` where not."""
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
    if chosen.extra["family"] == "unigeoseg":
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
    from inference_backend.models.sam import SamModel

    return SamModel.load(path, device, card=chosen)


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
        return f"The backend's environment lacks the package '{record.needs_module}'; install the backend again."
    return ""


def _own_card(name: str) -> ModelCard:
    path = store.registered()[name]
    return _path_card(path, name, f"{name} ({path.name}, registered by you)")


def _path_card(path: Path, name: str = "", title: str = "") -> ModelCard:
    """A card for a file the catalogue does not know; its family is read when it is loaded, not for a list."""
    family = _family(path)
    like = entries()[DEFAULT_2D if family == "unigeoseg" else "sam-vit-b"]
    why_not = "" if path.is_file() else f"There is no checkpoint {path}; register it again."
    if not why_not and not _importable(like.needs_module):
        why_not = f"The backend's environment lacks the package '{like.needs_module}'; install the backend again."
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
            "path": str(path),
            "bytes": path.stat().st_size if path.is_file() else None,
        },
    )


def _family(path: Path) -> str:
    """SAM's own files are PyTorch pickles; ours are safetensors. A SAM in safetensors is told by its tensor names."""
    if path.suffix.lower() != ".safetensors" or not path.is_file():
        return "sam"
    with path.open("rb") as stream:
        head = stream.read(1 << 20)
    return "sam" if b'"image_encoder.pos_embed"' in head else "unigeoseg"


def _memory_mb(path: Path) -> int:
    """Twice the file: the parameters and one encoding."""
    return 2 * path.stat().st_size // 1_000_000 if path.is_file() else 0


def _looks_like_path(name: str) -> bool:
    return name.lower().endswith(store.CHECKPOINT_SUFFIXES)


def _importable(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
