"""What is asked of a point cloud: the job as the command line, job files and the wire give it, checked before anything is read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from inference_backend.cloud_layers import LAYERS, check_cloud_target
from inference_backend.errors import InvalidInput
from inference_backend.models.device import DEVICES
from inference_backend.points.targets import ept_folder, target_kind
from inference_backend.vector.write import TargetProblem, check_writable, files_of

DEFAULT_MODEL = "default-3d"
DEFAULT_THRESHOLD = 0.35
"""Buildings of real surveys come out best with it (IoU, threshold 0, 0.35 and 0.5: Montpellier .857 .881 .876)."""
CLOUD_SUFFIXES = (".las", ".laz")
_MOST_CLASSES = 60
_TEXTS = ("source", "out", "crs", "vectors", "dtm", "hag", "device", "model")

Extent = tuple[float, float, float, float]


@dataclass(frozen=True)
class AddedClass:
    """A class that no training set had. `parent` is the user's, None where it is to be found."""

    name: str
    parent: str | None = None

    @classmethod
    def parse(cls, text: str) -> AddedClass:
        """`NAME` or `NAME:PARENT`. Raises InvalidInput."""
        name, colon, parent = (part.strip() for part in text.partition(":"))
        if not name or (colon and not parent):
            raise InvalidInput(
                f"'{text}' names no class to add; give a name, or a name and its parent such as 'greenhouse:building'."
            )
        return cls(name, parent or None)


@dataclass(frozen=True)
class ClassifyJob:
    """All that a run needs. `extent` is (xmin, ymin, xmax, ymax) in the source frame; `classes` None means all known ones.

    `layers` are those of `vectors` that are wanted, None for all. `threads` None means as many as the machine has cores for; `threshold` is the probability from which a class is believed.
    """

    source: str
    out: str
    classes: tuple[str, ...] | None = None
    add: tuple[AddedClass, ...] = ()
    extent: Extent | None = None
    crs: str | None = None
    vectors: str | None = None
    layers: tuple[str, ...] | None = None
    dtm: str | None = None
    hag: str | None = None
    threshold: float = DEFAULT_THRESHOLD
    device: str = "auto"
    threads: int | None = None
    model: str = DEFAULT_MODEL

    def __post_init__(self) -> None:
        if not 0.0 <= self.threshold < 1.0:
            raise InvalidInput(f"The threshold is a probability from 0 to 1, not {self.threshold}.")
        if self.threads is not None and self.threads < 1:
            raise InvalidInput(f"At least one thread is needed, not {self.threads}.")
        if self.device not in DEVICES:
            raise InvalidInput(f"'{self.device}' is not a device; use one of {', '.join(DEVICES)}.")
        if self.extent is not None:
            _check_extent(self.extent)
        if self.layers is not None:
            _check_layers(self.layers, self.vectors)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ClassifyJob:
        """A job from the names of the fields; `classes` and `add` may be lists or text. Raises InvalidInput."""
        known = {item.name for item in fields(cls)}
        unknown = sorted(set(values) - known - {"kind"})
        if unknown:
            raise InvalidInput(
                f"'{unknown[0]}' is no part of a classify job; there are {', '.join(sorted(known))}."
            )
        given = {name: values[name] for name in known if values.get(name) is not None}
        for name in _TEXTS:
            if name in given and not isinstance(given[name], str):
                raise InvalidInput(f"A classify job's '{name}' must be text.")
        if not given.get("source") or not given.get("out"):
            raise InvalidInput(
                "A classify job needs a 'source', the point cloud, and an 'out', the file to write."
            )
        if "classes" in given:
            given["classes"] = class_names(given["classes"])
        if "layers" in given:
            given["layers"] = _names(given["layers"])
        if "add" in given:
            given["add"] = tuple(map(_added, _listed(given["add"])))
        if "extent" in given:
            given["extent"] = _extent(given["extent"])
        if "threshold" in given:
            given["threshold"] = _number(given["threshold"], "threshold")
        if "threads" in given:
            given["threads"] = int(_number(given["threads"], "threads"))
        return cls(**given)


def class_names(given: str | Iterable[Any]) -> tuple[str, ...]:
    """Names by commas or in a list, each once, in the order given. Raises InvalidInput."""
    names = _names(given)
    if not names:
        raise InvalidInput(
            "No class was named; give names such as 'building, tree, car, power line', or leave them out for all."
        )
    if len(names) > _MOST_CLASSES:
        raise InvalidInput(
            f"{len(names)} classes are too many; name at most {_MOST_CLASSES} at once."
        )
    return names


def check_targets(job: ClassifyJob) -> None:
    """Raise TargetProblem, before anything is read, for what cannot be written or would replace what is read."""
    source = Path(job.source)
    targets = {"out": ept_folder(Path(job.out))}
    target_kind(targets["out"])
    for name in ("dtm", "hag"):
        if value := getattr(job, name):
            targets[name] = Path(value)
            _check_raster(targets[name])
    if job.vectors:
        targets["vectors"] = vector_file(job.vectors)
        _check_vectors(Path(job.vectors))
    for target in targets.values():
        if _lies_in(target, source):
            raise TargetProblem(
                f"'{target}' is read by this job and would be lost; give the result another name."
            )
    _check_apart(targets)


def vector_file(given: str) -> Path:
    """What to write outlines to: a file as it is named, in a folder Shapefiles named for it."""
    path = Path(given)
    return path if path.suffix and not path.is_dir() else path / f"{path.name or 'vectors'}.shp"


def _check_raster(target: Path) -> None:
    if target.suffix.lower() not in (".tif", ".tiff"):
        raise TargetProblem(f"'{target.name}' has no known format; end its name with .tif.")
    check_writable(target)


def _check_vectors(given: Path) -> None:
    file = vector_file(str(given))
    if file.suffix.lower() in CLOUD_SUFFIXES:
        raise TargetProblem(f"'{given.name}' is no name for outlines; use .gpkg, .shp or a folder.")
    if file.parent.is_dir():
        check_cloud_target(file)
    else:
        # The folder of a folder: of a name that is not there yet.
        check_writable(file.parent)


def _check_apart(targets: Mapping[str, Path]) -> None:
    """No file may be written twice."""
    seen: dict[Path, str] = {}
    for target in targets.values():
        for path in (part.absolute() for part in files_of(target)):
            if path in seen:
                raise TargetProblem(f"'{target}' is named twice; give each result its own name.")
            seen[path] = str(target)


def _lies_in(target: Path, source: Path) -> bool:
    """Whether writing `target` would replace the source, or a folder that holds it."""
    try:
        if not target.exists():
            return False
        if target.samefile(source):
            return True
        # An EPT is a folder; its ept.json is what is named.
        return target.is_dir() and source.resolve().is_relative_to(target.resolve())
    except OSError:
        return False


def _check_layers(layers: Sequence[str], vectors: str | None) -> None:
    unknown = [name for name in layers if name not in LAYERS]
    if unknown or not layers:
        raise InvalidInput(
            f"'{', '.join(unknown)}' is no layer of outlines; name some of {', '.join(LAYERS)}."
        )
    if not vectors:
        raise InvalidInput("Layers of outlines need a file to lie in; name it as 'vectors'.")


def _check_extent(extent: Sequence[float]) -> None:
    xmin, ymin, xmax, ymax = extent
    if not all(map(math.isfinite, extent)) or xmin >= xmax or ymin >= ymax:
        raise InvalidInput(
            "The extent is xmin,ymin,xmax,ymax in the cloud's CRS, and its minimum lies below its maximum."
        )


def _extent(given: Any) -> Extent:
    parts = given.split(",") if isinstance(given, str) else _listed(given)
    if len(parts) != 4:
        raise InvalidInput(f"The extent takes 4 numbers, xmin,ymin,xmax,ymax, not {len(parts)}.")
    xmin, ymin, xmax, ymax = (_number(part, "extent") for part in parts)
    return xmin, ymin, xmax, ymax


def _names(given: str | Iterable[Any]) -> tuple[str, ...]:
    """Names by commas or in a list, each once, in the order given; none for empty text. Raises InvalidInput."""
    parts = given.split(",") if isinstance(given, str) else _listed(given)
    if not all(isinstance(part, str) for part in parts):
        raise InvalidInput(
            "Classes and layers are names, such as 'building, tree, car, power line'."
        )
    names = {" ".join(part.split()).casefold(): " ".join(part.split()) for part in parts}
    names.pop("", None)
    return tuple(names.values())


def _added(given: Any) -> AddedClass:
    if isinstance(given, AddedClass):
        return given
    if isinstance(given, str):
        return AddedClass.parse(given)
    if isinstance(given, Mapping) and isinstance(given.get("name"), str):
        parent = given.get("parent")
        return AddedClass.parse(given["name"] + (f":{parent}" if parent else ""))
    raise InvalidInput(
        "A class to add is a name, or a name and its parent such as 'greenhouse:building'."
    )


def _listed(given: Any) -> list[Any]:
    if isinstance(given, str):
        return [given]
    try:
        return list(given)
    except TypeError as error:
        raise InvalidInput("A list was expected in the classify job.", str(error)) from error


def _number(given: Any, name: str) -> float:
    try:
        if isinstance(given, bool):
            raise TypeError("a truth value")
        number = float(given)
        if not math.isfinite(number):
            raise ValueError("no number")
        return number
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"A classify job's '{name}' takes numbers, not '{given}'.") from error
