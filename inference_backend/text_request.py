"""What is asked of a raster in words, checked: the same on the command line, on the wire and in a job file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import shapely
from shapely.errors import ShapelyError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from inference_backend.errors import InvalidInput
from inference_backend.predict import AnswerOptions

ASKED = ("text", "ask", "classes", "program")
TASKS = ("auto", "referring", "interactive", "reasoning")
FINDS = ("all", "one")
MOST_CLASSES = 24
# What shapely raises for a geometry that is none.
_MALFORMED = (ShapelyError, ValueError, TypeError, KeyError, AttributeError, IndexError)


@dataclass(frozen=True)
class TextRequest:
    """One of `text`, `ask`, `classes` and `program`. `area` is in the source frame; None is the whole raster.

    A program may come with the words that it was made of, which then are only kept; `changes` are values of its chips.
    `options.threshold` is the probability from which a pixel belongs to what is asked for.
    """

    text: str = ""
    ask: str = ""
    classes: tuple[str, ...] = ()
    program: Mapping[str, Any] | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    task: str = "auto"
    find: str = "all"
    area: BaseGeometry | None = None
    options: AnswerOptions = field(default_factory=AnswerOptions)

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise InvalidInput(f"'{self.task}' is no task; use {', '.join(TASKS)}.")
        if self.task == "interactive":
            raise InvalidInput(
                "The task 'interactive' needs clicks, boxes or strokes; words alone are referring or reasoning."
            )
        if self.find not in FINDS:
            raise InvalidInput(f"'{self.find}' is nothing to find; use {' or '.join(FINDS)}.")
        if len(self.classes) > MOST_CLASSES:
            raise InvalidInput(
                f"{len(self.classes)} classes at once are too many; give {MOST_CLASSES} at most."
            )

    @property
    def words(self) -> str:
        """What the user said, or what the program would say."""
        return self.text or self.ask or ", ".join(self.classes)


def request_from_json(values: Mapping[str, Any], options: AnswerOptions) -> TextRequest:
    """The request of a job or of the wire; `area` is read as it is (in pixels where the caller says so)."""
    texts = {}
    for name in ("text", "ask"):
        value = values.get(name)
        if value is not None and not isinstance(value, str):
            raise InvalidInput(f"'{name}' must be text.")
        texts[name] = value
    classes = _classes(values.get("classes"))
    program = values.get("program")
    if program is not None and not isinstance(program, Mapping):
        raise InvalidInput("The program is not an object; send the one that an answer carried.")
    changes = values.get("changes") or {}
    if not isinstance(changes, Mapping):
        raise InvalidInput("The changes of a program are not an object; send values by chip.")
    _check_one(values)
    return TextRequest(
        text=texts["text"] or "",
        ask=texts["ask"] or "",
        classes=classes,
        program=program,
        changes=changes,
        task=_word(values, "task", "auto"),
        find=_word(values, "find", "all"),
        area=area_from_json(values.get("area")),
        options=options,
    )


def _check_one(values: Mapping[str, Any]) -> None:
    """One thing is asked; a program goes before the words that it was made of."""
    given = [name for name in ASKED if values.get(name) is not None]
    if not given:
        raise InvalidInput("Say what to find: give a text, a question, classes or a program.")
    if len(given) > 1 and "program" not in given:
        raise InvalidInput(
            f"Give one of text, a question, classes and a program, not {' and '.join(given)}."
        )


def area_from_json(value: Any) -> BaseGeometry | None:
    """`{"bounds": [xmin, ymin, xmax, ymax]}` or `{"polygons": [GeoJSON geometry, …]}`. Raises InvalidInput."""
    if value is None:
        return None
    if not isinstance(value, Mapping) or set(value) not in ({"bounds"}, {"polygons"}):
        raise InvalidInput("An area has either 'bounds' or 'polygons'.")
    if "bounds" in value:
        return area_of_bounds(value["bounds"])
    polygons = value["polygons"]
    if not isinstance(polygons, Sequence) or isinstance(polygons, str) or not polygons:
        raise InvalidInput("The area holds no polygon; draw or select one.")
    return area_of_polygons([_polygon(item) for item in polygons])


def area_of_bounds(bounds: Any) -> BaseGeometry:
    """A box. Raises InvalidInput where it has no size."""
    try:
        x0, y0, x1, y1 = (float(value) for value in bounds)
    except (TypeError, ValueError) as error:
        raise InvalidInput("The bounds of an area are xmin, ymin, xmax, ymax.") from error
    if not (x0 < x1 and y0 < y1) or not all(
        abs(value) < float("inf") for value in (x0, y0, x1, y1)
    ):
        raise InvalidInput(
            "The area has no size; give xmin, ymin, xmax, ymax with the lesser values first."
        )
    return shapely.box(x0, y0, x1, y1)


def area_of_polygons(polygons: Sequence[BaseGeometry]) -> BaseGeometry:
    """The union of polygons, repaired where they cross themselves. Raises InvalidInput where nothing is left."""
    sound = [polygon if polygon.is_valid else shapely.make_valid(polygon) for polygon in polygons]
    whole = shapely.union_all(shapely.force_2d(sound))
    parts = [
        part for part in shapely.get_parts(shapely.get_parts(whole)) if part.geom_type == "Polygon"
    ]
    if not parts or not sum(part.area for part in parts) > 0:
        raise InvalidInput("The area has no size; draw or select polygons.")
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def _polygon(item: Any) -> BaseGeometry:
    if isinstance(item, Mapping) and item.get("type") == "Feature":
        item = item.get("geometry")
    try:
        geometry = shape(item)
    except _MALFORMED as error:
        raise InvalidInput(
            "A polygon of the area cannot be read; draw it again.", str(error)
        ) from error
    if geometry.geom_type not in ("Polygon", "MultiPolygon"):
        raise InvalidInput(f"An area is made of polygons, and not of a {geometry.geom_type}.")
    return geometry


def _classes(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, Sequence) or not all(isinstance(name, str) for name in value):
        raise InvalidInput("'classes' is a list of names.")
    names = tuple(dict.fromkeys(name.strip() for name in value if name.strip()))
    if not names:
        raise InvalidInput("No class was named; give for example: buildings, roads, trees.")
    return names


def _word(values: Mapping[str, Any], name: str, otherwise: str) -> str:
    value = values.get(name)
    if value is None or value == "":
        return otherwise
    if not isinstance(value, str):
        raise InvalidInput(f"'{name}' must be a word.")
    return value
