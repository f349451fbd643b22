"""The parts of a spatial program: sets of instances, and tests on one instance.

A set says which things (`Select`), keeps those that pass a test (`Filter`), takes the first of an order
(`Superlative`, `Ordinal`), joins sets (`Union`) or leaves some out (`Except`); `Count` asks for a number.
Tests are boolean and know nothing of order: `Not`, `And` and `Or` mean what they mean in logic.
"""

from __future__ import annotations

from dataclasses import dataclass

from inference_backend.errors import InvalidInput
from inference_backend.language.colours import NAMES as COLOURS
from inference_backend.language.ontology import concept
from inference_backend.language.units import Quantity

MEASURES = ("area", "length", "width", "height")
OPERATORS = ("more", "at least", "less", "at most")
SIZES = ("small", "medium", "large")
SHAPES = ("long", "narrow", "round", "square", "rectangular", "compact", "irregular")
COMPASS = {
    "north": (0, 1),
    "northeast": (1, 1),
    "east": (1, 0),
    "southeast": (1, -1),
    "south": (0, -1),
    "southwest": (-1, -1),
    "west": (-1, 0),
    "northwest": (-1, 1),
}
"""Direction -> (east, north)."""
SIDES = {"above": (0, 1), "right": (1, 0), "below": (0, -1), "left": (-1, 0)}
"""Side of the view -> (right, up)."""
NEARNESS = ("near", "next to", "touching", "far from")
PLACINGS = ("on", "inside", "with", "crossing", "surrounded by", "between")
RELATIONS = (*NEARNESS, *PLACINGS, *(f"{way} of" for way in COMPASS), *(SIDES))
REGIONS: dict[str, tuple[int, int]] = {
    "top": (0, 1),
    "bottom": (0, -1),
    "left": (-1, 0),
    "right": (1, 0),
    "upper left": (-1, 1),
    "upper right": (1, 1),
    "lower left": (-1, -1),
    "lower right": (1, -1),
    "centre": (0, 0),
    **{f"{way}ern part": step for way, step in COMPASS.items()},
}
"""Part of the view -> (right, up), or (east, north) for the eight parts by compass."""
EDGE = "edge"
CROWDS = ("alone", "grouped")
KEYS = (
    *("area", "length", "width", "height"),
    *("north", "east", "northeast", "southeast", "up", "right"),
    *("distance", "lightness", "isolation", "centrality", "score"),
)
ENDS = ("most", "least")
COUNTS = ("number", "area", "any")
MOST_RANK = 10_000


@dataclass(frozen=True)
class Colour:
    """Has one of these colours."""

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.names:
            raise InvalidInput("Name at least one colour.")
        for name in self.names:
            _one_of(name, COLOURS, "colour")
        object.__setattr__(self, "names", tuple(dict.fromkeys(self.names)))


@dataclass(frozen=True)
class Measure:
    """Area, length, width or height compared with a quantity."""

    what: str
    op: str
    than: Quantity

    def __post_init__(self) -> None:
        _one_of(self.what, MEASURES, "measure")
        _one_of(self.op, OPERATORS, "comparison")
        _dimension(self.than, "area" if self.what == "area" else "length", self.what)


@dataclass(frozen=True)
class Size:
    """Small, medium or large for its kind."""

    size: str

    def __post_init__(self) -> None:
        _one_of(self.size, SIZES, "size")


@dataclass(frozen=True)
class Shape:
    """Has this outline."""

    shape: str

    def __post_init__(self) -> None:
        _one_of(self.shape, SHAPES, "shape")


@dataclass(frozen=True)
class Crowd:
    """Alone, or in a group, among its own kind; `distance` None is the usual one."""

    crowd: str
    distance: Quantity | None = None

    def __post_init__(self) -> None:
        _one_of(self.crowd, CROWDS, "grouping")
        _dimension(self.distance, "length", "distance")


@dataclass(frozen=True)
class Region:
    """Lies in this part of the view."""

    region: str

    def __post_init__(self) -> None:
        _one_of(self.region, (*REGIONS, EDGE), "part of the view")


@dataclass(frozen=True)
class Relate:
    """Stands in a relation to another set; `and_to` is the far side of "between"; `distance` None is the usual one."""

    relation: str
    to: Set
    distance: Quantity | None = None
    and_to: Set | None = None

    def __post_init__(self) -> None:
        _one_of(self.relation, RELATIONS, "relation")
        _dimension(self.distance, "length", "distance")
        if self.and_to is not None and self.relation != "between":
            raise InvalidInput(f"'{self.relation}' takes one reference; only 'between' takes two.")


@dataclass(frozen=True)
class Not:
    """Does not pass the test."""

    test: Test


@dataclass(frozen=True)
class And:
    """Passes all tests."""

    tests: tuple[Test, ...]

    def __post_init__(self) -> None:
        _several(self.tests, "'and'")


@dataclass(frozen=True)
class Or:
    """Passes one test at least."""

    tests: tuple[Test, ...]

    def __post_init__(self) -> None:
        _several(self.tests, "'or'")


Test = Colour | Measure | Size | Shape | Crowd | Region | Relate | Not | And | Or


@dataclass(frozen=True)
class Select:
    """All instances of a concept of the ontology; `concept` is "" for a noun that only an open vocabulary may know."""

    concept: str
    words: str

    def __post_init__(self) -> None:
        if not (self.concept or self.words):
            raise InvalidInput("Name what to find.")
        if self.concept:
            concept(self.concept)

    @property
    def key(self) -> str:
        """What the model is asked for: the concept's name, or the free noun."""
        return self.concept or self.words


@dataclass(frozen=True)
class Filter:
    """Those of a set that pass a test."""

    of: Set
    test: Test


@dataclass(frozen=True)
class Superlative:
    """The `n` first of a set in an order. `to` is the reference of the key "distance"."""

    of: Set
    key: str
    end: str = "most"
    n: int = 1
    to: Set | None = None

    def __post_init__(self) -> None:
        _order(self)


@dataclass(frozen=True)
class Ordinal:
    """The `n`-th of a set in an order, counted from 1."""

    of: Set
    key: str
    end: str = "most"
    n: int = 1
    to: Set | None = None

    def __post_init__(self) -> None:
        _order(self)


@dataclass(frozen=True)
class Union:
    """All of several sets."""

    sets: tuple[Set, ...]

    def __post_init__(self) -> None:
        _several(self.sets, "a list of things")


@dataclass(frozen=True)
class Except:
    """A set without another; `of` None is all that the view shows, as an area."""

    of: Set | None
    without: Set


@dataclass(frozen=True)
class Count:
    """How many, how much ground they cover, or whether there is any."""

    of: Set
    what: str = "number"

    def __post_init__(self) -> None:
        _one_of(self.what, COUNTS, "question of number")


Set = Select | Filter | Superlative | Ordinal | Union | Except
Node = Set | Count


def _one_of(value: str, choices: object, what: str) -> None:
    if value not in tuple(choices):
        raise InvalidInput(f"'{value}' is no {what}; use one of {', '.join(choices)}.")


def _dimension(quantity: Quantity | None, dimension: str, what: str) -> None:
    if quantity is not None and quantity.dimension != dimension:
        units = "m² or ha" if dimension == "area" else "m or km"
        raise InvalidInput(f"{what.capitalize()} cannot be {quantity}; give it in {units}.")


def _several(parts: tuple, what: str) -> None:
    if len(parts) < 2:
        raise InvalidInput(f"A program's {what} needs two parts at least.")


def _order(node: Superlative | Ordinal) -> None:
    _one_of(node.key, KEYS, "order")
    _one_of(node.end, ENDS, "end of an order")
    if isinstance(node.n, bool) or not isinstance(node.n, int) or not 1 <= node.n <= MOST_RANK:
        raise InvalidInput(f"A rank is a whole number from 1 to {MOST_RANK:,}, not {node.n}.")
    if (node.key == "distance") != (node.to is not None):
        raise InvalidInput("An order by distance, and only that, needs a reference.")
