"""What the pixels are: from a layer of the project to the `source` of a request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, Optional

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsGeometry,
    QgsMapLayer,
    QgsRasterLayer,
    QgsRectangle,
)

from cityseg_qgis.core.frames import (
    flipped_geometry,
    flipped_prompt,
    transformed_prompt,
)
from cityseg_qgis.core.prompts import Prompt
from cityseg_qgis.core.renderer import bands_and_stretch
from cityseg_qgis.errors import UnsupportedLayer
from cityseg_qgis.i18n import tr

FILE_PROVIDER = "gdal"
_WEB_PROVIDERS = ("wms", "wcs", "arcgismapserver")


@dataclass(frozen=True)
class SourceDescription:
    """A layer as the backend needs it. Holds no layer: a layer may vanish while a request is out.

    `frame` is the frame of prompts and answers on the wire: "source" (the layer's coordinates), or "pixel" for a
    raster without georeference, which QGIS draws at y = -row.
    """

    layer_id: str
    name: str
    file_name: str
    wire: dict[str, Any] = field(compare=False)
    crs: QgsCoordinateReferenceSystem = field(compare=False)
    extent: QgsRectangle = field(compare=False)
    frame: str = "source"

    def prompts_to_wire(
        self, prompts: Sequence[Prompt], crs: QgsCoordinateReferenceSystem
    ) -> list[dict[str, Any]]:
        """`prompts` in map frame `crs`, as the request carries them. Raises `GeometryProblem`."""
        moved = [transformed_prompt(prompt, crs, self.crs) for prompt in prompts]
        if self.frame == "pixel":
            moved = [flipped_prompt(prompt) for prompt in moved]
        return [prompt.to_wire() for prompt in moved]

    def from_wire(self, geometry: QgsGeometry) -> QgsGeometry:
        """An answer's geometry in the layer's coordinates."""
        return flipped_geometry(geometry) if self.frame == "pixel" else geometry

    def touches(self, prompt: Prompt, crs: QgsCoordinateReferenceSystem) -> bool:
        """Whether any position of `prompt` (map frame `crs`) lies on the raster. Raises `GeometryProblem`."""
        moved = transformed_prompt(prompt, crs, self.crs)
        xs, ys = [x for x, _ in moved.xy], [y for _, y in moved.xy]
        return self.extent.intersects(QgsRectangle(min(xs), min(ys), max(xs), max(ys)))


def describe(layer: Optional[QgsMapLayer]) -> SourceDescription:
    """What to send for `layer`. Raises `UnsupportedLayer` with a sentence that says what to do."""
    if layer is None:
        raise UnsupportedLayer(tr("Choose a raster layer first."))
    name = layer.name()
    if not isinstance(layer, QgsRasterLayer):
        raise UnsupportedLayer(
            tr("“{name}” is not a raster; choose an image layer.").format(name=name)
        )
    if not layer.isValid() or layer.dataProvider() is None:
        raise UnsupportedLayer(
            tr("“{name}” cannot be read; repair its data source first.").format(name=name)
        )
    provider = layer.providerType()
    if provider != FILE_PROVIDER:
        raise UnsupportedLayer(_why_not(name, provider))
    path = _gdal_name(layer)
    return SourceDescription(
        layer_id=layer.id(),
        name=name,
        file_name=PurePath(path).name,
        wire={"kind": "file", "path": path, **bands_and_stretch(layer)},
        crs=QgsCoordinateReferenceSystem(layer.crs()),
        extent=QgsRectangle(layer.extent()),
        frame="pixel" if _lies_at_minus_row(layer) else "source",
    )


def _why_not(name: str, provider: str) -> str:
    """Web and virtual layers come with a later version: the seam is a source of kind "pixels"."""
    if provider in _WEB_PROVIDERS:
        return tr(
            "“{name}” is a web layer, and this version prompts raster files; save the area as a GeoTIFF "
            "(right-click the layer, Export, Save As…) and choose that."
        ).format(name=name)
    return tr(
        "“{name}” is a layer of the kind “{provider}”, and this version prompts raster files; save it as a "
        "GeoTIFF (right-click the layer, Export, Save As…) and choose that."
    ).format(name=name, provider=provider)


def _gdal_name(layer: QgsRasterLayer) -> str:
    """The file, or the name by which GDAL knows a subdataset; absolute, for the backend has another folder."""
    name = layer.dataProvider().dataSourceUri().split("|")[0]
    if name.startswith("/vsimem/"):
        raise UnsupportedLayer(
            tr(
                "“{name}” lives in QGIS's memory only; save it as a file (right-click the layer, Export, "
                "Save As…) and choose that."
            ).format(name=layer.name())
        )
    path = Path(name)
    if _exists(path):
        return str(path.absolute())
    if path.is_absolute() and not name.startswith("/vsi"):
        raise UnsupportedLayer(
            tr("The file of “{name}” is gone; put it back, or repair the layer's data source.").format(
                name=layer.name()
            ),
            name,
        )
    return name


def _exists(path: Path) -> bool:
    """False also for what cannot be a path, such as a VRT given as XML."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _lies_at_minus_row(layer: QgsRasterLayer) -> bool:
    """Whether the layer's frame is (column, -row): so QGIS places a raster without georeference.

    Where a real geotransform says the same, the pixel frame is right as well.
    """
    return layer.extent() == QgsRectangle(0, -layer.height(), layer.width(), 0)
