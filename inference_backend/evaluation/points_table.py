"""Points of a text file: one a line, numbers by blanks, tabs, commas or semicolons, with or without a line of names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inference_backend.errors import InvalidInput
from inference_backend.evaluation.points_cloud import CHUNK_POINTS

# What files without a line of names have, by their number of columns.
_USUAL = {
    3: ("x", "y", "z"),
    4: ("x", "y", "z", "class"),
    6: ("x", "y", "z", "red", "green", "blue"),
    7: ("x", "y", "z", "red", "green", "blue", "class"),
    8: ("x", "y", "z", "red", "green", "blue", "class", "instance"),
}


@dataclass(frozen=True)
class TextPoints:
    """A text file: names of its columns, what parts them (None: blanks), and how many lines stand before the points."""

    path: Path
    fields: tuple[str, ...]
    delimiter: str | None
    skip: int

    def chunks(self, size: int = CHUNK_POINTS) -> Iterator[dict[str, np.ndarray]]:
        """Columns of at most `size` points each. Raises InvalidInput for lines that are no points."""
        with self.path.open(encoding="utf-8-sig", errors="replace") as file:
            for _ in range(self.skip):
                file.readline()
            while lines := [line for _, line in zip(range(size), file, strict=False)]:
                rows = self._rows([line for line in lines if line.strip()])
                if len(rows):
                    yield dict(zip(self.fields, rows.T, strict=False))

    def _rows(self, lines: list[str]) -> np.ndarray:
        if not lines:
            return np.zeros((0, len(self.fields)))
        try:
            rows = np.loadtxt(lines, np.float64, delimiter=self.delimiter, ndmin=2)
        except ValueError as error:
            raise InvalidInput(
                f"'{self.path.name}' has a line that is no row of numbers.", str(error)
            ) from error
        if rows.shape[1] < len(self.fields):
            raise InvalidInput(
                f"'{self.path.name}' has {rows.shape[1]} columns, and {len(self.fields)} are expected: {', '.join(self.fields)}."
            )
        return rows


def open_text(path: Path, columns: tuple[str, ...] = ()) -> TextPoints:
    """Find out what the columns are: by a line of names, else `columns`, else by their number. Raises InvalidInput."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            first, second = file.readline(), file.readline()
    except OSError as error:
        raise InvalidInput(f"'{path}' cannot be read.", str(error)) from error
    names = _names(first)
    # A line with nothing but the number of points, as some tools write it.
    counted = len(first.split()) == 1 and len(second.split()) > 1
    sample = second if names or counted else first
    delimiter = next((sign for sign in ",;" if sign in sample), None)
    width = len(sample.split(delimiter))
    fields = names or columns[:width] or _USUAL.get(width, ())
    if not {"x", "y", "z"} <= {name.lower() for name in fields} or width < len(fields):
        raise InvalidInput(
            f"'{path.name}' has {width} columns and no line that names them; begin it with a line such as 'x y z class'."
        )
    return TextPoints(path, tuple(fields), delimiter, 1 if names or counted else 0)


def _names(line: str) -> tuple[str, ...]:
    """The names in a first line, lower case; none where it holds numbers. "//X Y Z" and "# x,y,z" are such lines."""
    words = line.strip().lstrip("/#").replace(",", " ").replace(";", " ").split()
    try:
        [float(word) for word in words]
    except ValueError:
        return tuple(word.strip('"').lower() for word in words)
    return ()
