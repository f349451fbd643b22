"""JSON that others wrote: read whole, but never more of it than makes sense."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from inference_backend.errors import InvalidInput
from inference_backend.points.las import opened


def read_json(path: Path, most_bytes: int) -> dict[str, Any]:
    """The object in the file. Raises InvalidInput, ResourceProblem."""
    with opened(path) as file:
        raw = file.read(most_bytes + 1)
    if len(raw) > most_bytes:
        raise InvalidInput(f"'{path.name}' is far too large for what it should be.")
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"'{path.name}' is no JSON: it is damaged.", str(error)) from error
    if not isinstance(found, dict):
        raise InvalidInput(f"'{path.name}' holds no JSON object: it is damaged.")
    return found
