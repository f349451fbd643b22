"""What instructions are made from, what they are, and how many of each kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

import numpy as np

UNKNOWN = 255
LEAST_PX = 25
"""Fewer pixels are no target: nobody could say whether an answer hit them."""


@dataclass(frozen=True)
class LabelledCrop:
    """A square of any image, turned and mirrored already, so that directions are those of the crop.

    `rgb` uint8 (S, S, 3); `leaves` uint8 (S, S) of indices into LEAVES, 255 unknown; `instances` int32 (S, S), 0 for
    none, with `instance_leaf` and `attributes` by id. `complete` names the concepts whose absence is known wherever the
    leaf is known; None: all of them.
    """

    rgb: np.ndarray
    leaves: np.ndarray
    instances: np.ndarray
    instance_leaf: Mapping[int, str]
    attributes: Mapping[int, Mapping[str, object]]
    gsd_m: float
    complete: frozenset[str] | None = None


@dataclass(frozen=True)
class Instruction:
    """One text and the mask it asks for: uint8 (S, S), 1 target, 0 not, 255 nobody can say.

    `concepts` names what is looked for; `present` is False where the right answer is "not here"; `kind` is one of KINDS.
    """

    text: str
    task: Literal["referring", "reasoning"]
    mask: np.ndarray = field(repr=False)
    concepts: tuple[str, ...]
    present: bool
    kind: str


@dataclass(frozen=True)
class InstructionMix:
    """The share of each kind; shares need not add up to one."""

    class_: float = 0.26
    several: float = 0.04
    attribute: float = 0.08
    relation: float = 0.10
    superlative: float = 0.08
    ordinal: float = 0.03
    region: float = 0.07
    negation: float = 0.03
    question: float = 0.11
    reasoning: float = 0.05
    absent: float = 0.12
    pair: float = 0.06

    def shares(self) -> np.ndarray:
        """float64 (len(KINDS),), adding up to one."""
        values = np.array([getattr(self, kind.name) for kind in fields(self)], float)
        return values / values.sum()


KINDS = tuple(kind.name.rstrip("_") for kind in fields(InstructionMix))
