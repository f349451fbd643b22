"""What the backend found and understood, read from the wire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from qgis.core import QgsGeometry

from cityseg_qgis.core.attributes import FIELDS
from cityseg_qgis.core.preview import polygon_of
from cityseg_qgis.core.source import SourceDescription
from cityseg_qgis.errors import BackendFailed
from cityseg_qgis.i18n import tr

PROGRAM, NETWORK, CLASSES = "program", "network", "classes"
NEGATION = "negation"


@dataclass(frozen=True)
class Found:
    """One found object in the layer's coordinates, with the attributes that the backend gave it."""

    geometry: QgsGeometry
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def object_id(self) -> int:
        """Its number in its run; 0 where the backend gave none."""
        value = self.values.get("object")
        return value if isinstance(value, int) else 0


@dataclass(frozen=True)
class Chip:
    """One part of the program that may be changed. `choices` are (value, caption) pairs."""

    id: str
    kind: str
    text: str
    value: Any = None
    editable: bool = False
    choices: tuple[tuple[Any, str], ...] = ()
    unit: str = ""
    removable: bool = False

    @property
    def is_negation(self) -> bool:
        """A "not": it is there or it is not."""
        return self.kind == NEGATION

    @property
    def is_number(self) -> bool:
        """Whether its value is a number that may be any."""
        number = isinstance(self.value, (int, float)) and not isinstance(self.value, bool)
        return number and not self.choices


@dataclass(frozen=True)
class UnknownWord:
    """A word that means nothing to the backend, and what it knows that is nearest, best first."""

    word: str
    nearest: tuple[str, ...] = ()


@dataclass(frozen=True)
class Concept:
    """What the model took the words for, how surely, and why."""

    name: str
    probability: Optional[float] = None
    because: str = ""


@dataclass(frozen=True)
class TextAnswer:
    """The answer to one question. `answer` is the sentence for the user, `sentence` what was understood."""

    found: tuple[Found, ...]
    answer: str = ""
    path: str = ""
    sentence: str = ""
    concepts: tuple[Concept, ...] = ()
    program: Optional[Mapping[str, Any]] = None
    chips: tuple[Chip, ...] = ()
    unknown: tuple[UnknownWord, ...] = ()
    cancelled: bool = False
    total_ms: float = 0.0
    model: str = ""


def read_found(features: object, source: SourceDescription) -> list[Found]:
    """The objects of a list of GeoJSON features. Raises `BackendFailed` where they make no sense."""
    try:
        return [_found(feature, source) for feature in features or ()]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise _unreadable(error) from error


def read_text_answer(result: Mapping[str, Any], source: SourceDescription) -> TextAnswer:
    """The answer in the result of `segment`. Raises `BackendFailed` where it makes no sense."""
    found = tuple(read_found(result.get("features"), source))
    try:
        understood = result.get("understood") or {}
        program = understood.get("program")
        timings = result.get("timings_ms") or {}
        return TextAnswer(
            found=found,
            answer=str(result.get("answer") or ""),
            path=str(understood.get("path") or ""),
            sentence=str(understood.get("sentence") or ""),
            concepts=tuple(_concept(item) for item in understood.get("concepts") or ()),
            program=program if isinstance(program, Mapping) else None,
            chips=tuple(_chip(item) for item in understood.get("chips") or ()),
            unknown=_unknown(understood.get("unknown") or ()),
            cancelled=bool(result.get("cancelled")),
            total_ms=float(timings.get("total", sum(timings.values()))),
            model=str(result.get("model") or (found[0].values.get("model") if found else "") or ""),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _unreadable(error) from error


def _found(feature: Mapping[str, Any], source: SourceDescription) -> Found:
    given = feature.get("properties") or {}
    geometry = source.from_wire(polygon_of(feature["geometry"]))
    return Found(geometry, {name: given[name] for name in FIELDS if given.get(name) is not None})


def _chip(item: Mapping[str, Any]) -> Chip:
    return Chip(
        id=str(item["id"]),
        kind=str(item.get("kind") or ""),
        text=str(item.get("text") or ""),
        value=item.get("value"),
        editable=bool(item.get("editable")),
        choices=tuple(_choice(choice) for choice in item.get("choices") or ()),
        unit=str(item.get("unit") or ""),
        removable=bool(item.get("removable")),
    )


def _choice(choice: Any) -> tuple[Any, str]:
    if isinstance(choice, Mapping):
        return choice["value"], str(choice.get("text") or choice["value"])
    return choice, str(choice)


def _concept(item: Mapping[str, Any]) -> Concept:
    probability = item.get("probability")
    return Concept(
        str(item["name"]),
        None if probability is None else float(probability),
        str(item.get("because") or ""),
    )


def _unknown(items: Iterable[Mapping[str, Any]]) -> tuple[UnknownWord, ...]:
    """One entry a word; the backend may name several near words in one or in more entries."""
    nearest: dict[str, list[str]] = {}
    for item in items:
        near = item.get("nearest") or ()
        words = nearest.setdefault(str(item["word"]), [])
        words += [str(word) for word in ([near] if isinstance(near, str) else near)]
    return tuple(UnknownWord(word, tuple(dict.fromkeys(words))) for word, words in nearest.items())


def _unreadable(error: Exception) -> BackendFailed:
    return BackendFailed(
        tr("The backend's answer cannot be read; install the backend again."), repr(error)
    )
