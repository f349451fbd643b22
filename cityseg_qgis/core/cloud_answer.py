"""What the backend made of a point cloud, read from the wire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from qgis.PyQt.QtGui import QColor

from cityseg_qgis.errors import BackendFailed
from cityseg_qgis.i18n import tr

NODE, NEW, UNKNOWN = "node", "new", "unknown"
_NO_COLOUR = QColor(150, 150, 150)


@dataclass(frozen=True)
class CloudClass:
    """One class of the result. `id` is its value in `cityseg_label`, `code` in `classification`; `share` and `confidence` are 0 to 1."""

    id: int
    name: str
    code: int
    count: int
    share: float
    confidence: float
    colour: QColor


@dataclass(frozen=True)
class Placement:
    """What a word was taken for."""

    words: str
    kind: str
    sentence: str


@dataclass(frozen=True)
class CloudAnswer:
    """The answer to one `classify`. `classes` are those that occur, the most frequent first; files are absolute paths."""

    out: str
    kind: str
    count: int
    seconds: float
    classes: tuple[CloudClass, ...] = ()
    placements: tuple[Placement, ...] = ()
    warnings: tuple[str, ...] = ()
    vectors: tuple[str, ...] = ()
    rasters: tuple[str, ...] = ()
    sentence: str = ""
    model: str = ""
    device: str = ""


def read_cloud_answer(result: Mapping[str, Any]) -> CloudAnswer:
    """The answer in the result of `classify`. Raises `BackendFailed` where it makes no sense."""
    try:
        classes = [_class(item) for item in result.get("classes") or ()]
        return CloudAnswer(
            out=str(result["out"]),
            kind=str(result.get("kind") or ""),
            count=int(result.get("count") or 0),
            seconds=float(result.get("seconds") or 0.0),
            classes=tuple(sorted((c for c in classes if c.count), key=lambda c: -c.count)),
            placements=tuple(_placement(item) for item in result.get("placements") or ()),
            warnings=tuple(str(text) for text in result.get("warnings") or ()),
            vectors=_paths(result.get("vectors")),
            rasters=_paths(result.get("rasters")),
            sentence=str(result.get("sentence") or ""),
            model=str(result.get("model") or ""),
            device=str(result.get("device") or ""),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BackendFailed(
            tr("The backend's answer could not be read; update the backend."),
            f"{type(error).__name__}: {error}",
        ) from error


def read_colour(given: object) -> QColor:
    """A colour as "#rrggbb" or three numbers up to 255; grey where it is neither."""
    if isinstance(given, str):
        colour = QColor(given)
    else:
        parts = [int(part) for part in given] if isinstance(given, (list, tuple)) else []
        colour = QColor(*parts[:3]) if len(parts) >= 3 else QColor()
    return colour if colour.isValid() else QColor(_NO_COLOUR)


def _class(item: Mapping[str, Any]) -> CloudClass:
    return CloudClass(
        id=int(item["id"]),
        name=str(item["name"]),
        code=int(item["code"]),
        count=int(item["count"]),
        share=float(item.get("share") or 0.0),
        confidence=float(item.get("mean_conf") or 0.0),
        colour=read_colour(item.get("colour")),
    )


def _placement(item: Mapping[str, Any]) -> Placement:
    words = item.get("words")
    return Placement(
        words=words if isinstance(words, str) else ", ".join(map(str, words or ())),
        kind=str(item.get("kind") or ""),
        sentence=str(item.get("sentence") or ""),
    )


def _paths(given: object) -> tuple[str, ...]:
    """Paths from one path, a list, or a mapping of what they are; a mapping may hold more than paths."""
    if not given:
        return ()
    if isinstance(given, str):
        return (given,)
    values: Iterable[object] = given.values() if isinstance(given, Mapping) else given  # type: ignore[assignment]
    return tuple(dict.fromkeys(str(value) for value in values if isinstance(value, str)))
