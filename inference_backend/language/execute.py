"""Runs a spatial program on the instances that a model found. What each relation means is in relations.py.

Positions ("northernmost", "in the upper left") are those of centroids. Large and small are thirds of the usual sizes
of a kind, by ratio, so that the answer at a place does not depend on what else is in the view. In an order, equals
share a rank and are found together; what has no value in it (no height, no colour) has no rank. A thing found under two
names counts once, and goes with what is left out if half of it or more lies there (`overlaps`). Roads, water and other
things without number are areas like any other: in a relation, only their union counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from inference_backend.errors import InvalidInput
from inference_backend.language import answers, nodes, relations
from inference_backend.language.colours import is_colour
from inference_backend.language.measures import has_shape, sides, size_limits_m2
from inference_backend.language.orders import first, order_values
from inference_backend.language.overlaps import distinct, left_over
from inference_backend.language.program import Program
from inference_backend.language.references import References
from inference_backend.language.units import Quantity

# Share of the view's shorter side that its edge is wide.
_EDGE_SHARE = 0.02
_MIDDLE = 1 / 3
HEIGHT_KEYS = ("height_m", "height_max", "height_med")


@dataclass(frozen=True, eq=False)
class Instance:
    """One thing found: its outline in ground metres, y to the north (pixels with y up, without a CRS)."""

    geometry: BaseGeometry
    concept: str
    score: float = 1.0
    colour: tuple[float, float, float] | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class View:
    """What is looked at, in the ground frame. `north` is None and `metres` False where there is no CRS."""

    bounds_m: tuple[float, float, float, float]
    north: tuple[float, float] | None = (0.0, 1.0)
    up: tuple[float, float] = (0.0, 1.0)
    metres: bool = True

    @property
    def frame(self) -> relations.Frame:
        """Directions, and a length beyond the view."""
        x0, y0, x1, y1 = self.bounds_m
        return relations.Frame(
            self.north, self.up, self.metres, 2 * float(np.hypot(x1 - x0, y1 - y0))
        )


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a program found. `considered`: how many things of the kind there were; `count`: the number asked for."""

    instances: list[Instance]
    count: int | None
    sentence: str
    considered: int
    missing: tuple[str, ...] = ()


def execute(program: Program, instances: Mapping[str, Sequence[Instance]], view: View) -> Outcome:
    """Find what the program asks for among `instances`, by concept name or free noun (`Program.select_words`).

    Raises InvalidInput where the program needs metres or north and the view has none.
    """
    _refuse_what_the_view_lacks(program.root, view)
    run = Run(instances, view)
    root = program.root
    inner = root.of if isinstance(root, nodes.Count) else root
    found = run.find(inner)
    considered = run.population(inner)
    count = len(found) if isinstance(root, nodes.Count) and root.what != "area" else None
    return Outcome(
        instances=found,
        count=count,
        sentence=answers.sentence(root, found, considered, run),
        considered=len(considered),
        missing=tuple(key for key in program.select_words() if not instances.get(key)),
    )


class Run:
    """One execution: finds sets and remembers them."""

    def __init__(self, instances: Mapping[str, Sequence[Instance]], view: View) -> None:
        self.instances = instances
        self.view = view
        self._found: dict[nodes.Set, list[Instance]] = {}
        self._references: dict[tuple, References] = {}

    def find(self, node: nodes.Set) -> list[Instance]:
        """The instances of a set, in a stable order."""
        if node not in self._found:
            self._found[node] = self._find(node)
        return self._found[node]

    def population(self, node: nodes.Set) -> list[Instance]:
        """All of the kinds that a set is about, before any test."""
        if isinstance(node, nodes.Except) and node.of is None:
            return self.find(node)
        return distinct([self.find(select) for select in dict.fromkeys(answers.head(node))])

    def values(self, node: nodes.Superlative | nodes.Ordinal) -> np.ndarray:
        """The value of each of `node.of` in its order; not-a-number where unknown."""
        things = self.find(node.of)
        to = self._refer(node.to, things) if node.to is not None else None
        return order_values(node.key, things, geometries(things), to, self.view)

    def _find(self, node: nodes.Set) -> list[Instance]:
        if isinstance(node, nodes.Select):
            return list(self.instances.get(node.key, ()))
        if isinstance(node, nodes.Filter):
            things = self.find(node.of)
            passed = self._passes(node.test, things, node.of)
            return [thing for thing, keep in zip(things, passed, strict=True) if keep]
        if isinstance(node, nodes.Union):
            return distinct([self.find(part) for part in node.sets])
        if isinstance(node, nodes.Except):
            return self._rest(node)
        things = self.find(node.of)
        chosen = first(self.values(node), node)
        return [things[index] for index in chosen]

    def _rest(self, node: nodes.Except) -> list[Instance]:
        without = self.find(node.without)
        if node.of is not None:
            return left_over(self.find(node.of), without)
        left = shapely.box(*self.view.bounds_m)
        if without:
            left = left.difference(shapely.union_all(geometries(without)))
        return [] if left.is_empty else [Instance(left, answers.describe(node))]

    def _passes(self, test: nodes.Test, things: list[Instance], of: nodes.Set) -> np.ndarray:
        """Whether each thing passes: bool (N,)."""
        shapes = geometries(things)
        if not things:
            return np.zeros(0, bool)
        if isinstance(test, nodes.Not):
            return ~self._passes(test.test, things, of)
        if isinstance(test, (nodes.And, nodes.Or)):
            each = [self._passes(part, things, of) for part in test.tests]
            return (np.logical_and if isinstance(test, nodes.And) else np.logical_or).reduce(each)
        if isinstance(test, nodes.Colour):
            rgb = np.array([thing.colour or (np.nan,) * 3 for thing in things], np.float64)
            return np.logical_or.reduce([is_colour(rgb, name) for name in test.names])
        if isinstance(test, nodes.Measure):
            return _compare(measured(test.what, things, shapes), test)
        if isinstance(test, nodes.Size):
            return _of_size(things, shapes, test.size)
        if isinstance(test, nodes.Shape):
            return has_shape(shapes, test.shape)
        if isinstance(test, nodes.Region):
            return _in_region(shapes, test.region, self.view)
        if isinstance(test, nodes.Crowd):
            return self._crowded(test, things, of)
        return self._related(test, things, shapes, of)

    def _related(
        self, test: nodes.Relate, things: list[Instance], shapes: np.ndarray, of: nodes.Set
    ) -> np.ndarray:
        given = test.distance.si if test.distance else None
        frame = self.view.frame
        if test.relation == "with":
            population = self.population(of)
            owners = relations.belongs(
                geometries(population), self._refer(test.to, population), given, frame
            )
            has = {id(thing) for thing, found in zip(population, owners, strict=True) if found}
            return np.array([id(thing) in has for thing in things])
        to = self._refer(test.to, things)
        if test.relation == "between" and test.and_to is not None:
            other = self._refer(test.and_to, things)
            return relations.between_two(shapes, to, other)
        return relations.related(test.relation, shapes, to, given, frame)

    def _crowded(self, test: nodes.Crowd, things: list[Instance], of: nodes.Set) -> np.ndarray:
        population = self.population(of)
        shapes = geometries(population)
        given = test.distance.si if test.distance else None
        distance = relations.reach(test.crowd, shapes, given, self.view.frame)
        if test.crowd == "alone":
            passed = ~References(shapes, np.arange(len(shapes))).within(shapes, distance)
        else:
            passed = relations.grouped(shapes, distance)
        chosen = {id(thing) for thing, keep in zip(population, passed, strict=True) if keep}
        return np.array([id(thing) in chosen for thing in things])

    def _refer(self, node: nodes.Set, things: list[Instance]) -> References:
        """The references of a relation; each thing knows which one of them it is itself."""
        found = self.find(node)
        place = {id(thing): index for index, thing in enumerate(found)}
        own = np.array([place.get(id(thing), -1) for thing in things], int)
        key = (node, own.tobytes())
        if key not in self._references:
            self._references[key] = References(geometries(found), own)
        return self._references[key]


def geometries(things: Sequence[Instance]) -> np.ndarray:
    """Outlines, object (N,)."""
    shapes = np.empty(len(things), dtype=object)
    shapes[:] = [thing.geometry for thing in things]
    return shapes


def measured(what: str, things: Sequence[Instance], shapes: np.ndarray) -> np.ndarray:
    """Area, length, width or height of each, in metres; not-a-number where the height is unknown."""
    if what == "area":
        return shapely.area(shapes)
    if what == "height":
        found = [
            next(
                (t.attributes[key] for key in HEIGHT_KEYS if t.attributes.get(key) is not None),
                np.nan,
            )
            for t in things
        ]
        return np.array(found, np.float64)
    return sides(shapes).length if what == "length" else sides(shapes).width


def _compare(values: np.ndarray, test: nodes.Measure) -> np.ndarray:
    # An outline's area is a sum of products: the last digits are no part of the user's question.
    limit, slack = test.than.si, 1e-9 * max(1.0, test.than.si)
    if test.op == "more":
        return values > limit + slack
    if test.op == "at least":
        return values >= limit - slack
    return values < limit - slack if test.op == "less" else values <= limit + slack


def _of_size(things: Sequence[Instance], shapes: np.ndarray, size: str) -> np.ndarray:
    area = shapely.area(shapes)
    limits = np.array(
        [size_limits_m2(thing.concept) or _thirds(area) for thing in things], np.float64
    )
    small, large = area < limits[:, 0], area > limits[:, 1]
    return {"small": small, "large": large, "medium": ~small & ~large}[size]


def _thirds(area: np.ndarray) -> tuple[float, float]:
    """For a noun whose usual size nobody knows: half and twice the median of what was found."""
    middle = float(np.median(area))
    return middle / 2, middle * 2


def _in_region(shapes: np.ndarray, region: str, view: View) -> np.ndarray:
    x0, y0, x1, y1 = view.bounds_m
    if region == nodes.EDGE:
        inner = shapely.box(x0, y0, x1, y1).buffer(-_EDGE_SHARE * min(x1 - x0, y1 - y0))
        return ~shapely.contains_properly(inner, shapes)
    up = np.asarray(view.north if region.endswith("part") and view.north else view.up, np.float64)
    up = up / np.hypot(*up)
    axes = np.stack([[up[1], -up[0]], up], axis=1)
    corners = (
        np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]) - [(x0 + x1) / 2, (y0 + y1) / 2]
    ) @ axes
    centred = shapely.get_coordinates(shapely.centroid(shapes)) - [(x0 + x1) / 2, (y0 + y1) / 2]
    place = centred @ axes / np.maximum(np.abs(corners).max(axis=0), 1e-12)
    step = np.array(nodes.REGIONS[region])
    if not step.any():
        return (np.abs(place) <= _MIDDLE).all(axis=1)
    return (place * step >= 0).all(axis=1)


def _refuse_what_the_view_lacks(node: Any, view: View) -> None:
    if isinstance(node, tuple):
        for part in node:
            _refuse_what_the_view_lacks(part, view)
        return
    if isinstance(node, Quantity) and not view.metres:
        raise InvalidInput(
            f"This raster has no CRS, so {node} cannot be measured; set the layer's CRS, or ask without sizes and distances."
        )
    if view.north is None and _by_compass(node):
        raise InvalidInput(
            "This raster has no CRS, so nobody knows where north is; set the layer's CRS, or say above, below, left and right."
        )
    if hasattr(node, "__dataclass_fields__"):
        for part in fields(node):
            _refuse_what_the_view_lacks(getattr(node, part.name), view)


def _by_compass(node: Any) -> bool:
    if isinstance(node, nodes.Relate):
        return node.relation.removesuffix(" of") in nodes.COMPASS
    if isinstance(node, nodes.Region):
        return node.region.endswith("part")
    ordered = isinstance(node, (nodes.Superlative, nodes.Ordinal))
    return ordered and node.key in nodes.COMPASS
