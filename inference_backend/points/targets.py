"""Where a classified cloud may go: not over its source, not over a folder of something else, not onto a full disk."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path

from inference_backend.errors import ResourceProblem
from inference_backend.points.cloud import Bounds2D, PointCloud
from inference_backend.points.las_records import standard_dtype, wide_format
from inference_backend.vector.write import TargetProblem, check_writable

_ENDINGS = ".las, .laz, .copc.laz, or give the name of a folder, without an extension, for an EPT"
# What an EPT folder may hold. Anything else in it is the user's, and would be lost with it.
_EPT_PARTS = frozenset({"ept.json", "ept-data", "ept-hierarchy", "ept-sources", "ept-build.json"})
_EPT_EXTRAS = frozenset({"cityseg.json", "README.md", "ept.qmd", "ept.qml", "ept.json.aux.xml"})
_SYSTEM_FILES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini", ".directory"})
# LAZ of surveys takes a fifth to a third of LAS; noise in a dimension takes more.
_LAZ_SHARE = 0.5
_OURS_BYTES = 2
_META_BYTES = 64 * 1024 * 1024


def target_kind(target: Path) -> str:
    """ "las", "laz", "copc" or "ept", from the name. Raises TargetProblem."""
    name = target.name.lower()
    if name.endswith(".copc.laz"):
        return "copc"
    for ending in ("las", "laz"):
        if name.endswith(f".{ending}"):
            return ending
    if name and (
        not target.suffix or target.suffix == ".ept" or name == "ept.json" or target.is_dir()
    ):
        return "ept"
    raise TargetProblem(f"'{target.name}' has no known format; end its name with {_ENDINGS}.")


def ept_folder(target: Path) -> Path:
    """The folder of an EPT that is named by it or by its ept.json."""
    return target.parent if target.name.lower() == "ept.json" else target


def check_target(target: Path, kind: str, cloud: PointCloud) -> None:
    """Raise TargetProblem where nothing can be written at `target`, or where something would be lost."""
    if any(_touches(target, kind, source) for source in cloud.files):
        raise TargetProblem(
            f"'{target}' is what is read, and would be lost; give the result another name."
        )
    if kind != "ept":
        check_writable(target)
        return
    if not target.parent.is_dir():
        raise TargetProblem(
            f"The folder '{target.parent}' does not exist; make it or choose another."
        )
    # The same look at the folder above, by the name of a file that is not there.
    check_writable(target.with_name(f"{target.name}.probe"))
    if target.is_dir() and not target.is_symlink():
        _check_folder(target)
    elif target.exists() or target.is_symlink():
        raise TargetProblem(f"'{target}' is no folder; an EPT needs the name of a folder.")


def check_space(
    target: Path, kind: str, cloud: PointCloud, bounds_source: Bounds2D | None = None
) -> None:
    """Raise ResourceProblem where the disk is too full, before an hour's work ends there."""
    needed = int(_needed_bytes(kind, cloud) * _share(cloud, bounds_source))
    try:
        free = shutil.disk_usage(target.parent).free
    except OSError:
        return
    if free < needed:
        raise ResourceProblem(
            f"Writing '{target}' needs about {_size(needed)} and its disk has {_size(free)} free; free some space or choose "
            "another."
        )


def replacing_folder(new: Path, target: Path, draft: Path) -> None:
    """Put the folder `new` in the place of `target`; on a fault the old one is back. Raises OSError."""
    old = draft / "old"
    if target.exists():
        target.rename(old)
    try:
        new.rename(target)
    except OSError:
        if old.exists():
            with contextlib.suppress(OSError):
                old.rename(target)
        raise


def _touches(target: Path, kind: str, source: Path) -> bool:
    """Whether writing `target` would change `source`: the same file by any name, or inside one another."""
    if _same(target, source):
        return True
    folder = source if source.is_dir() else source.parent if source.name == "ept.json" else None
    if folder is not None and any(_same(above, folder) for above in (target, *_above(target))):
        return True
    return kind == "ept" and any(_same(above, target) for above in _above(source))


def _above(path: Path) -> tuple[Path, ...]:
    return tuple(path.resolve().parents)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except (OSError, ValueError):
        return False


def _check_folder(target: Path) -> None:
    names = {path.name for path in target.iterdir()} - _SYSTEM_FILES
    if not names:
        return
    if not _is_ept(target):
        raise TargetProblem(
            f"The folder '{target}' holds other things than an EPT; give the name of a new folder."
        )
    foreign = sorted(names - _EPT_PARTS - _EPT_EXTRAS)
    if foreign:
        raise TargetProblem(
            f"The folder '{target}' also holds '{foreign[0]}', which would be lost; give the name of a new folder."
        )
    if not os.access(target, os.W_OK):
        raise TargetProblem(f"'{target}' is read-only; choose another name.")


def _is_ept(folder: Path) -> bool:
    path = folder / "ept.json"
    try:
        if path.stat().st_size > _META_BYTES:
            return False
        meta = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(meta, dict) and "schema" in meta and "dataType" in meta


def _share(cloud: PointCloud, bounds_source: Bounds2D | None) -> float:
    """How much of the cloud may lie in the bounds: by area, and twice as dense there as elsewhere."""
    if bounds_source is None:
        return 1.0
    xmin, ymin, _, xmax, ymax, _ = cloud.info.bounds_source
    width = min(xmax, bounds_source[2]) - max(xmin, bounds_source[0])
    height = min(ymax, bounds_source[3]) - max(ymin, bounds_source[1])
    whole = (xmax - xmin) * (ymax - ymin)
    if whole <= 0:
        return 1.0
    return min(1.0, 2 * max(0.0, width) * max(0.0, height) / whole)


def _needed_bytes(kind: str, cloud: PointCloud) -> int:
    """What is on the disk at the worst moment, source and results aside."""
    form = cloud.header.point_format
    size = int(form.size) + _OURS_BYTES
    wide = (
        standard_dtype(wide_format(int(form.id))).itemsize - standard_dtype(int(form.id)).itemsize
    )
    count = cloud.info.count
    if kind == "las":
        return count * size
    if kind == "laz":
        return int(count * size * _LAZ_SHARE)
    # Tiles of points as they are written; each makes room for its nodes.
    if kind == "copc":
        return count * (size + wide)
    return int(count * (size + wide) * 1.2)


def _size(count: float) -> str:
    if count < 1e9:
        return f"{max(1, round(count / 1e6))} MB"
    return f"{count / 1e9:.1f} GB"
