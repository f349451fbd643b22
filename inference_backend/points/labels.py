"""The names and colours behind `cityseg_label`, as they travel in a LAS record or beside an EPT."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from inference_backend.errors import InvalidInput

USER_ID = "CitySeg"
RECORD_ID = 1
CONF_DIMENSION = "cityseg_conf"
LABEL_DIMENSION = "cityseg_label"
# A LAS record's length is 16 bits.
_MOST_BYTES = 65535

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Labels:
    """Names and colours (0..255) by label id (1..255; 0 is "none")."""

    names: Mapping[int, str] = field(default_factory=dict)
    colours: Mapping[int, Colour] = field(default_factory=dict)

    def as_json(self) -> dict[str, dict[str, object]]:
        """{"labels": {id: name}, "colours": {id: [r, g, b]}}, ids as text as JSON wants them."""
        return {
            "labels": {str(number): name for number, name in sorted(self.names.items())},
            "colours": {str(number): list(rgb) for number, rgb in sorted(self.colours.items())},
        }

    def record_bytes(self) -> bytes:
        """The JSON of the LAS record. Raises InvalidInput where the names are too long for it."""
        full = json.dumps(self.as_json(), ensure_ascii=False).encode("utf-8")
        if len(full) <= _MOST_BYTES:
            return full
        plain = json.dumps({"labels": self.as_json()["labels"]}, ensure_ascii=False).encode("utf-8")
        if len(plain) > _MOST_BYTES:
            raise InvalidInput(
                "The names of the classes are too long for a LAS file; give shorter ones."
            )
        return plain
