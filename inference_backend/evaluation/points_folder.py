"""The labelled clouds of a folder as a benchmark publishes it: which files belong together, and where their labels stand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from inference_backend.errors import CitySegError, InvalidInput
from inference_backend.evaluation.points_cloud import (
    NO_CODE,
    LabelledChunk,
    LabelledCloud,
    chunk_from,
    codes_of,
    label_field,
)
from inference_backend.evaluation.points_pcd import PcdPoints, open_pcd
from inference_backend.evaluation.points_ply import PlyPoints, open_ply
from inference_backend.evaluation.points_table import TextPoints, open_text
from inference_backend.models.cityseg.profiles_reader import Profile, Reading
from inference_backend.points.open import open_cloud

Points = PlyPoints | TextPoints | PcdPoints
_LAS = (".las", ".laz")
_TABLES = (".ply", ".txt", ".xyz", ".csv", ".pts", ".asc", ".pcd")


def find_clouds(
    folder: Path, profile: Profile, split: str | None = None
) -> tuple[list[LabelledCloud], list[str]]:
    """The clouds with labels in `folder` and below, in the order of their names, and a sentence for each one without.

    `split` keeps those that have this word in their name or in a folder's name. Raises InvalidInput where nothing is left.
    """
    if not folder.is_dir():
        raise InvalidInput(f"'{folder}' is not a folder; give the folder of a data set.")
    files = [path for path in sorted(folder.rglob("*")) if _is_cloud(path)]
    if split is not None:
        files = [path for path in files if _in_split(path.relative_to(folder), split)]
    if not files:
        what = f"point cloud of '{split}'" if split else "point cloud (LAS, LAZ, PLY, PCD or text)"
        raise InvalidInput(f"There is no {what} in '{folder}'.")
    clouds: list[LabelledCloud] = []
    faults: list[str] = []
    for name, paths in _together(folder, files, profile.reading):
        try:
            clouds.append(_cloud(name, paths, profile.reading))
        except CitySegError as error:
            faults.append(f"{name}: {error.user_message}")
    if not clouds:
        raise InvalidInput(
            f"No file in '{folder}' can be measured; the first of {len(faults)} faults: {faults[0]}"
        )
    return clouds, faults


def guess_profile(folder: Path) -> str:
    """`generated` where the first LAS file holds `cityseg_truth`, else `asprs`."""
    first = next((p for p in sorted(folder.rglob("*")) if p.suffix.lower() in _LAS), None)
    if first is None:
        raise InvalidInput(
            f"'{folder}' has no LAS or LAZ file, and the others do not say what their labels mean; name a --profile."
        )
    with open_cloud(first) as cloud:
        return "generated" if "cityseg_truth" in cloud.info.dims else "asprs"


def _is_cloud(path: Path) -> bool:
    return path.suffix.lower() in (*_LAS, *_TABLES) and path.is_file()


def _in_split(inside: Path, split: str) -> bool:
    parts = [part.lower() for part in (*inside.parts[:-1], inside.stem)]
    wanted = split.lower()
    return any(part == wanted or wanted in part.replace("-", "_").split("_") for part in parts)


def _together(
    folder: Path, files: list[Path], reading: Reading
) -> Iterator[tuple[str, list[Path]]]:
    """Each file for itself; where files are named by class, all of one place."""
    if not reading.by_name:
        for path in files:
            yield path.relative_to(folder).as_posix(), [path]
        return
    places: dict[Path, list[Path]] = {}
    for path in files:
        home = path.parent
        while home != folder and _code_by_name(home.name, reading) is not None:
            home = home.parent
        places.setdefault(home, []).append(path)
    for home, paths in places.items():
        yield home.relative_to(folder).as_posix() if home != folder else folder.name, paths


def _code_by_name(name: str, reading: Reading) -> int | None:
    """The class whose word a name begins with, after a number if need be ("1_terrain", "building12")."""
    plain = name.lower().lstrip("0123456789_- ")
    words = [word for word in reading.by_name if plain.startswith(word)]
    return reading.by_name[max(words, key=len)] if words else None


def _cloud(name: str, paths: list[Path], reading: Reading) -> LabelledCloud:
    if reading.by_name:
        return _named_by_class(name, paths, reading)
    path = paths[0]
    if path.suffix.lower() in _LAS:
        return _las(name, path, reading)
    points = _open(path, reading)
    if reading.labels_beside:
        return _labels_beside(name, path, points, reading)
    label = label_field(points.fields, reading.label)
    if label is None:
        raise InvalidInput(f"it has no labels, only {', '.join(points.fields)}.")
    return LabelledCloud(
        name,
        (path,),
        lambda: (chunk_from(columns, label, reading.intensity) for columns in points.chunks()),
    )


def _open(path: Path, reading: Reading) -> Points:
    kind = path.suffix.lower()
    if kind == ".ply":
        return open_ply(path)
    return open_pcd(path) if kind == ".pcd" else open_text(path, reading.columns)


def _las(name: str, path: Path, reading: Reading) -> LabelledCloud:
    with open_cloud(path) as cloud:
        dims, crs_wkt = cloud.info.dims, cloud.info.crs_wkt
    label = label_field(dims, reading.label or ("classification",))
    if label is None:
        raise InvalidInput(f"it has no dimension {' or '.join(reading.label)}.")
    return LabelledCloud(name, (path,), lambda: _las_chunks(path, label), crs_wkt)


def _las_chunks(path: Path, label: str) -> Iterator[LabelledChunk]:
    with open_cloud(path) as cloud:
        for chunk in cloud.chunks():
            returns = np.stack([chunk.return_number, chunk.number_of_returns], axis=1)
            yield LabelledChunk(
                np.stack([chunk.x, chunk.y, chunk.z], axis=1),
                codes_of(np.asarray(chunk.record[label])),
                np.asarray(chunk.intensity),
                returns,
                chunk.rgb,
            )


def _named_by_class(name: str, paths: list[Path], reading: Reading) -> LabelledCloud:
    codes = []
    for path in paths:
        code = _code_by_name(path.stem, reading)
        if code is None:
            code = _code_by_name(path.parent.name, reading)
        codes.append(NO_CODE if code is None else code)
    if set(codes) == {NO_CODE}:
        known = ", ".join(reading.by_name)
        raise InvalidInput(f"no file or folder is named by a class; they are {known}.")
    opened = [_open(path, reading) for path in paths]

    def read() -> Iterable[LabelledChunk]:
        for points, code in zip(opened, codes, strict=True):
            for columns in points.chunks():
                yield chunk_from(columns, None, reading.intensity, code)

    return LabelledCloud(name, tuple(paths), read)


def _labels_beside(name: str, path: Path, points: Points, reading: Reading) -> LabelledCloud:
    beside = path.with_name(reading.labels_beside.format(stem=path.stem))
    if not beside.is_file():
        raise InvalidInput(f"there is no '{beside.name}' with its labels beside it.")
    load: Callable[[], np.ndarray] = lambda: np.load(beside, "r", allow_pickle=False)  # noqa: E731
    try:
        labels = load().reshape(-1)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"'{beside.name}' is no array of labels.", str(error)) from error
    count = getattr(points, "count", len(labels))
    if len(labels) != count:
        raise InvalidInput(f"'{beside.name}' has {len(labels)} labels for {count} points.")

    def read() -> Iterable[LabelledChunk]:
        first = 0
        for columns in points.chunks():
            chunk = chunk_from(columns, None, reading.intensity)
            last = first + len(chunk.xyz)
            yield LabelledChunk(
                chunk.xyz,
                codes_of(labels[first:last]),
                chunk.intensity,
                chunk.returns,
                chunk.rgb,
            )
            first = last

    return LabelledCloud(name, (path, beside), read)
