"""From a raster's values to the 8 bits that a model sees: one stretch a raster, the same for every crop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from inference_backend.errors import InvalidInput

StretchKind = Literal["none", "minmax", "percentile"]
DEFAULT_PERCENTILES = (2.0, 98.0)


@dataclass(frozen=True)
class Stretch:
    """`low` and `high` (three values each) become 0 and 255, linearly.

    kind "none": values are 8 bits already. "minmax": limits given, for example by a layer's renderer.
    "percentile": limits measured on the whole raster.
    """

    kind: StretchKind
    low: tuple[float, float, float] = (0.0, 0.0, 0.0)
    high: tuple[float, float, float] = (255.0, 255.0, 255.0)

    def apply(self, values: np.ndarray) -> np.ndarray:
        """`values` float (3, h, w) to uint8 (h, w, 3)."""
        low = np.asarray(self.low, np.float32)[:, None, None]
        span = np.asarray(self.high, np.float32)[:, None, None] - low
        scaled = values if self.kind == "none" else (values - low) * (255.0 / span)
        scaled = np.clip(scaled, 0, 255)
        return np.ascontiguousarray(np.moveaxis(np.rint(scaled).astype(np.uint8), 0, 2))

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "low": list(self.low), "high": list(self.high)}


@dataclass(frozen=True)
class StretchRequest:
    """What the user asked for, before the raster was looked at."""

    kind: StretchKind
    percentiles: tuple[float, float] = DEFAULT_PERCENTILES
    limits: Stretch | None = None


def parse_stretch(wish: str | Mapping[str, Any] | Stretch | None) -> StretchRequest | None:
    """Read a stretch: None (decide by data type), `Stretch`, a mapping as on the wire, or a command-line word.

    Words: `none`, `percentile`, `percentile:LOW,HIGH`, `minmax:LOW,HIGH`, `minmax:LOW,HIGH,LOW,HIGH,LOW,HIGH`.
    """
    if wish is None:
        return None
    if isinstance(wish, Stretch):
        return StretchRequest(wish.kind, limits=wish)
    if isinstance(wish, Mapping):
        return _from_mapping(wish)
    kind, _, numbers = str(wish).partition(":")
    values = _numbers(numbers)
    if kind == "none" and not values:
        return StretchRequest("none")
    if kind == "percentile" and len(values) in (0, 2):
        return StretchRequest("percentile", _percentiles(values or DEFAULT_PERCENTILES))
    if kind == "minmax" and len(values) == 2:
        return StretchRequest("minmax", limits=minmax([values[0]] * 3, [values[1]] * 3))
    if kind == "minmax" and len(values) == 6:
        return StretchRequest("minmax", limits=minmax(values[0::2], values[1::2]))
    raise InvalidInput(
        f"'{wish}' is no stretch; use none, percentile, percentile:2,98, minmax:LOW,HIGH "
        "or minmax with LOW,HIGH for each of three bands."
    )


def minmax(low: Sequence[float], high: Sequence[float]) -> Stretch:
    """A stretch between given limits."""
    lows, highs = _triple(low), _triple(high)
    if not np.isfinite([*lows, *highs]).all() or any(a >= b for a, b in zip(lows, highs)):
        raise InvalidInput(
            "A stretch needs a lower limit that is less than the upper one in every band."
        )
    return Stretch("minmax", lows, highs)


def from_samples(samples: np.ndarray, percentiles: tuple[float, float]) -> Stretch:
    """Limits from sampled values (n, 3) of the whole raster."""
    low, high = np.percentile(samples, percentiles, axis=0)
    # A flat band becomes mid grey at worst, not a division by zero.
    high = np.where(high > low, high, low + np.maximum(np.abs(low) * 1e-6, 1e-6))
    return Stretch("percentile", _triple(low), _triple(high))


def _from_mapping(wish: Mapping[str, Any]) -> StretchRequest:
    kind = wish.get("kind")
    if kind == "minmax":
        return StretchRequest("minmax", limits=minmax(wish.get("low", ()), wish.get("high", ())))
    if kind == "percentile":
        return StretchRequest(
            "percentile", _percentiles(wish.get("percentiles", DEFAULT_PERCENTILES))
        )
    if kind == "none":
        return StretchRequest("none")
    raise InvalidInput(f"'{kind}' is no stretch; use none, percentile or minmax.")


def _percentiles(values: Sequence[float]) -> tuple[float, float]:
    low, high = float(values[0]), float(values[1])
    if not 0 <= low < high <= 100:
        raise InvalidInput(
            "Percentiles of a stretch are two numbers from 0 to 100, the lower one first."
        )
    return low, high


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")] if text else []
    except ValueError as error:
        raise InvalidInput(f"'{text}' is not a list of numbers.") from error


def _triple(values: Sequence[float]) -> tuple[float, float, float]:
    if len(values) != 3:
        raise InvalidInput("A stretch needs limits for exactly three bands.")
    red, green, blue = (float(value) for value in values)
    return red, green, blue
