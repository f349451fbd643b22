"""Judges: which objects a question is about, from what they are like and what is around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from inference_backend.language.ontology import concept
from inference_backend.training.instructions import facts
from inference_backend.training.instructions.colours import COLOURS
from inference_backend.training.instructions.ranks import ranked
from inference_backend.training.instructions.single import inverse
from inference_backend.training.instructions.world import Objects, World

Judge = Callable[[World, Objects], "np.ndarray | None"]


@dataclass(frozen=True)
class Rule:
    """Questions about objects of a concept that `judge` answers with a verdict (N,), or None where it can't."""

    concept: str
    judge: Judge
    asked: tuple[str, ...]
    held_out: tuple[str, ...]
    about: tuple[str, ...] = ()


def most(key: str) -> Judge:
    """The first by a key of `ranks`, where that is clear."""

    def judge(world: World, objects: Objects) -> np.ndarray | None:
        if key == "tallest" and not all(known.get("height_m") for known in objects.attributes):
            return None
        clear = ranked(objects, key)
        return None if clear is None or len(objects) < 2 else _only(objects, clear[0])

    return judge


def _only(objects: Objects, index: int) -> np.ndarray:
    return (np.arange(len(objects)) == index).astype(np.int8)


def _gap(world: World, objects: Objects, other: str) -> np.ndarray | None:
    known = concept(other)
    if known not in world.present or world.unknown_share(known) > 0.12:
        return None
    return facts.gap_m(objects, world.mask(known) == 1, world.gsd_m)


def close_to(other: str, yes_m: float, no_m: float) -> Judge:
    """At most `yes_m` from another concept; from `no_m` on it surely is not."""

    def judge(world: World, objects: Objects) -> np.ndarray | None:
        gap = _gap(world, objects, other)
        return None if gap is None else facts.verdict(gap <= yes_m, gap < no_m)

    return judge


def away_from(other: str, no_m: float, yes_m: float) -> Judge:
    """At least `yes_m` from another concept; up to `no_m` it surely is not."""

    def judge(world: World, objects: Objects) -> np.ndarray | None:
        gap = _gap(world, objects, other)
        return None if gap is None else facts.verdict(gap >= yes_m, gap > no_m)

    return judge


def nearest_to(other: str) -> Judge:
    """The one nearest to another concept, where that is clear."""

    def judge(world: World, objects: Objects) -> np.ndarray | None:
        gap = _gap(world, objects, other)
        if gap is None or len(objects) < 2:
            return None
        clear = facts.ranking(-gap / world.gsd_m, objects, size=False)
        return None if clear is None else _only(objects, clear[0])

    return judge


def on_ground(other: str) -> Judge:
    """Those that stand on a concept."""

    def judge(world: World, objects: Objects) -> np.ndarray | None:
        known = concept(other)
        return facts.stands_on(objects, world.mask(known)) if known in world.present else None

    return judge


def coloured(colour: str) -> Judge:
    """Those of a colour."""

    def judge(world: World, objects: Objects) -> np.ndarray | None:
        return objects.colours[:, COLOURS.index(colour)]

    return judge


def flat_roof(world: World, objects: Objects) -> np.ndarray | None:
    """Those with a flat roof, where the generator says so."""
    forms = [known.get("roof") for known in objects.attributes]
    return None if None in forms else np.array([form == "flat" for form in forms], np.int8)


def with_solar(wanted: bool) -> Judge:
    """Those with, or without, a solar array on them."""

    def judge(world: World, objects: Objects) -> np.ndarray | None:
        solar = world.objects(concept("solar array"))
        if solar is None or any("on_building" not in known for known in solar.attributes):
            return None
        share = facts.share_in(objects, solar.labels > 0)
        told = facts.verdict(share > 0.02, share > 0)
        return told if wanted else inverse(told)

    return judge


def alone(world: World, objects: Objects) -> np.ndarray | None:
    """The one whose nearest neighbour is farthest."""
    if not 3 <= len(objects) <= 60:
        return None
    away = np.hypot(*(objects.xy[:, None] - objects.xy[None]).transpose(2, 0, 1))
    np.fill_diagonal(away, np.inf)
    clear = facts.ranking(away.min(1), objects, size=False)
    return None if clear is None else _only(objects, clear[0])
