"""What a raster layer's renderer shows, as bands and stretch: the model sees what the user sees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Optional

from qgis.core import (
    Qgis,
    QgsContrastEnhancement,
    QgsHillshadeRenderer,
    QgsMultiBandColorRenderer,
    QgsPalettedRasterRenderer,
    QgsRasterLayer,
    QgsSingleBandGrayRenderer,
    QgsSingleBandPseudoColorRenderer,
)

Limits = Optional[tuple[float, float]]
_NONE = QgsContrastEnhancement.ContrastEnhancementAlgorithm.NoEnhancement
_CLIP = QgsContrastEnhancement.ContrastEnhancementAlgorithm.ClipToMinimumMaximum


def bands_and_stretch(layer: QgsRasterLayer) -> dict[str, Any]:
    """The members `bands` and `stretch` of a source on the wire; what the renderer leaves open is left out.

    The backend then takes the bands marked red, green and blue, and percentiles of the whole raster (none for 8 bits).
    """
    renderer = layer.renderer()
    if isinstance(renderer, QgsMultiBandColorRenderer):
        bands = [renderer.redBand(), renderer.greenBand(), renderer.blueBand()]
        contrasts = [
            renderer.redContrastEnhancement(),
            renderer.greenContrastEnhancement(),
            renderer.blueContrastEnhancement(),
        ]
        return _described(layer, bands, [_limits(layer, b, c) for b, c in zip(bands, contrasts)])
    if isinstance(renderer, QgsSingleBandGrayRenderer):
        band = _band_of(renderer, "inputBand", "grayBand")
        return _described(layer, [band] * 3, [_limits(layer, band, renderer.contrastEnhancement())] * 3)
    if isinstance(renderer, QgsSingleBandPseudoColorRenderer):
        band = _band_of(renderer, "inputBand", "band")
        limits = (renderer.classificationMin(), renderer.classificationMax())
        return _described(layer, [band] * 3, [limits] * 3)
    if isinstance(renderer, QgsPalettedRasterRenderer):
        return _paletted(layer, renderer)
    if isinstance(renderer, QgsHillshadeRenderer):
        return _described(layer, [_band_of(renderer, "inputBand", "band")] * 3, [None] * 3)
    return {}


def _band_of(renderer: Any, *names: str) -> int:
    """The renderer's band; QGIS 3.38 renamed the method."""
    for name in names:
        if hasattr(renderer, name):
            return int(getattr(renderer, name)())
    return 1


def _paletted(layer: QgsRasterLayer, renderer: QgsPalettedRasterRenderer) -> dict[str, Any]:
    """Class numbers as grey levels over the range of the classes, which keeps neighbours apart.

    A file with a palette of its own is read in its colours, which need no stretch.
    """
    band = _band_of(renderer, "inputBand", "band")
    if layer.dataProvider().colorTable(band):
        return _described(layer, [band] * 3, [(0.0, 255.0)] * 3)
    values = [float(item.value) for item in renderer.classes()]
    limits = (min(values), max(values)) if values else None
    return _described(layer, [band] * 3, [limits] * 3)


def _limits(layer: QgsRasterLayer, band: int, contrast: Optional[QgsContrastEnhancement]) -> Limits:
    """The values that become black and white; None where the renderer sets none."""
    if not 1 <= band <= layer.bandCount():
        return None
    algorithm = _NONE if contrast is None else contrast.contrastEnhancementAlgorithm()
    is_byte = layer.dataProvider().dataType(band) == Qgis.DataType.Byte
    # Clipping an 8-bit band hides what is outside its limits but does not stretch what is inside.
    if algorithm == _NONE or (algorithm == _CLIP and is_byte):
        return (0.0, 255.0) if is_byte else None
    return contrast.minimumValue(), contrast.maximumValue()


def _described(
    layer: QgsRasterLayer, bands: Sequence[int], limits: Sequence[Limits]
) -> dict[str, Any]:
    if not all(1 <= band <= layer.bandCount() for band in bands):
        return {}
    described: dict[str, Any] = {"bands": list(bands)}
    usable = [pair for pair in limits if pair is not None and _is_range(*pair)]
    if len(usable) == len(limits):
        low, high = [pair[0] for pair in usable], [pair[1] for pair in usable]
        if all(pair == (0.0, 255.0) for pair in usable):
            described["stretch"] = {"kind": "none"}
        else:
            described["stretch"] = {"kind": "minmax", "low": low, "high": high}
    return described


def _is_range(low: float, high: float) -> bool:
    return math.isfinite(low) and math.isfinite(high) and low < high
