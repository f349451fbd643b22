"""Where the results of a classified point cloud go: names that exist nowhere yet, and formats that this QGIS opens."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from qgis.core import QgsProviderRegistry

from cityseg_qgis.core.cloud_source import EPT_FILE, cloud_stem
from cityseg_qgis.errors import SaveProblem
from cityseg_qgis.i18n import tr

COPC, EPT, LAZ = "copc", "ept", "laz"
FORMATS = (COPC, EPT, LAZ)
SUFFIXES = {COPC: ".copc.laz", EPT: "", LAZ: ".laz"}
# The provider that opens a format; LAZ goes through PDAL, which many builds of QGIS have not.
_PROVIDERS = {COPC: "copc", EPT: "ept", LAZ: "pdal"}
_MOST_NAMES = 1000


@dataclass(frozen=True)
class CloudTargets:
    """The files of one run, all beside each other. Those that are not wanted are simply not asked for."""

    out: Path

    @property
    def _stem(self) -> str:
        return str(self.out.with_name(cloud_stem(str(self.out))))

    @property
    def vectors(self) -> Path:
        """The GeoPackage of the outlines."""
        return Path(self._stem + ".gpkg")

    @property
    def dtm(self) -> Path:
        """The raster of the terrain."""
        return Path(self._stem + "_dtm.tif")

    @property
    def hag(self) -> Path:
        """The raster of the height above ground."""
        return Path(self._stem + "_height.tif")

    def taken(self) -> list[Path]:
        """Those that exist."""
        return [path for path in (self.out, self.vectors, self.dtm, self.hag) if path.exists()]


def opens(form: str) -> bool:
    """Whether this QGIS shows point clouds of `form`."""
    return _PROVIDERS[form] in QgsProviderRegistry.instance().providerList()


def best_format() -> str:
    """COPC, one file; EPT, a folder, where QGIS is too old for it."""
    return COPC if opens(COPC) else EPT


def format_of(path: str) -> str:
    """The format that a name stands for: a name without a known suffix is a folder, and so an EPT."""
    lower = path.lower()
    if lower.endswith(".copc.laz"):
        return COPC
    return LAZ if lower.endswith((".laz", ".las")) else EPT


def openable(out: str) -> str:
    """What QGIS opens of a result: the ept.json of a folder."""
    path = Path(out)
    return str(path / EPT_FILE) if path.is_dir() else str(path)


def suggested(source: str, form: str) -> CloudTargets:
    """Beside the source and after its name, where nothing stands in the way yet."""
    file = Path(source)
    # The folder of an EPT is full of its own files: the result goes beside it.
    folder = file.parent.parent if file.name == EPT_FILE else file.parent
    return free(folder / (tr("{name}_classified").format(name=cloud_stem(source)) + SUFFIXES[form]))


def free(wanted: Path) -> CloudTargets:
    """`wanted`, or the same with a number, so that none of the run's files exists yet."""
    stem, suffix = cloud_stem(str(wanted)), SUFFIXES[format_of(wanted.name)]
    for number in range(1, _MOST_NAMES):
        name = stem if number == 1 else f"{stem}_{number}"
        targets = CloudTargets(wanted.with_name(name + suffix))
        if not targets.taken():
            return targets
    raise SaveProblem(
        tr("“{folder}” is full of results; choose another name.").format(folder=wanted.parent)
    )


def checked(path: str) -> CloudTargets:
    """The targets of a name that the user typed or chose. Raises `SaveProblem` where something is in the way."""
    if not path.strip():
        raise SaveProblem(tr("Say where the classified point cloud goes."))
    out = Path(path.strip()).expanduser()
    if not out.is_absolute():
        raise SaveProblem(tr("“{name}” has no folder; give the whole path.").format(name=out))
    if not out.parent.is_dir():
        raise SaveProblem(
            tr("The folder “{folder}” does not exist; make it, or choose another.").format(folder=out.parent)
        )
    if not os.access(out.parent, os.W_OK):
        raise SaveProblem(
            tr("The folder “{folder}” may not be written; choose another.").format(folder=out.parent)
        )
    targets = CloudTargets(out)
    taken = targets.taken()
    if taken:
        raise SaveProblem(
            tr("“{name}” is there already; choose another name, or move it away.").format(name=taken[0].name)
        )
    return targets
