"""What is sent for a layer: its file, the bands and stretch that its renderer shows, its frame."""

from __future__ import annotations

import numpy as np
import pytest
from osgeo import gdal
from qgis.core import (
    QgsColorRampShader,
    QgsContrastEnhancement,
    QgsCoordinateReferenceSystem,
    QgsGeometry,
    QgsMultiBandColorRenderer,
    QgsPalettedRasterRenderer,
    QgsRasterLayer,
    QgsRasterShader,
    QgsSingleBandGrayRenderer,
    QgsSingleBandPseudoColorRenderer,
    QgsVectorLayer,
)
from qgis.PyQt.QtGui import QColor

from cityseg_qgis.core.frames import transformed_prompt
from cityseg_qgis.core.prompts import Prompt
from cityseg_qgis.core.source import describe
from cityseg_qgis.errors import GeometryProblem, UnsupportedLayer
from tests.data import gdal_scenes as scenes

Algorithm = QgsContrastEnhancement.ContrastEnhancementAlgorithm
DEGREES = QgsCoordinateReferenceSystem("EPSG:4326")


def contrast(layer, band, algorithm, low, high):
    enhancement = QgsContrastEnhancement(layer.dataProvider().dataType(band))
    enhancement.setContrastEnhancementAlgorithm(algorithm)
    enhancement.setMinimumValue(low)
    enhancement.setMaximumValue(high)
    return enhancement


def colour(layer, bands, algorithm, limits):
    renderer = QgsMultiBandColorRenderer(layer.dataProvider(), *bands)
    setters = (
        renderer.setRedContrastEnhancement,
        renderer.setGreenContrastEnhancement,
        renderer.setBlueContrastEnhancement,
    )
    for setter, band, (low, high) in zip(setters, bands, limits):
        setter(contrast(layer, band, algorithm, low, high))
    layer.setRenderer(renderer)
    return describe(layer).wire


@pytest.fixture
def roof_layer(qgis_app, tmp_path):
    return QgsRasterLayer(str(scenes.write(tmp_path / "roofs.tif", scenes.roofs())), "roofs")


@pytest.fixture
def deep_layer(qgis_app, tmp_path):
    """Four bands of 16 bits."""
    bands = scenes.roofs(np.uint16, 40)
    bands = np.concatenate([bands, bands[:1]])
    return QgsRasterLayer(str(scenes.write(tmp_path / "deep.tif", bands)), "deep")


def test_an_8_bit_image_is_sent_as_it_is(roof_layer, tmp_path):
    source = describe(roof_layer)
    assert source.wire["kind"] == "file"
    assert source.wire["path"] == str(tmp_path / "roofs.tif")
    assert source.wire["bands"] == [1, 2, 3]
    assert source.wire["stretch"] == {"kind": "none"}
    assert source.frame == "source"
    assert source.crs.authid() == scenes.UTM
    assert source.file_name == "roofs.tif"


def test_a_stretched_colour_composite_keeps_its_bands_and_limits(deep_layer):
    limits = [(100, 5000), (200, 6000), (300, 7000)]
    wire = colour(deep_layer, (4, 2, 1), Algorithm.StretchToMinimumMaximum, limits)
    assert wire["bands"] == [4, 2, 1]
    assert wire["stretch"] == {"kind": "minmax", "low": [100, 200, 300], "high": [5000, 6000, 7000]}


def test_stretch_and_clip_has_the_same_limits(deep_layer):
    wire = colour(deep_layer, (1, 2, 3), Algorithm.StretchAndClipToMinimumMaximum, [(1, 9)] * 3)
    assert wire["stretch"] == {"kind": "minmax", "low": [1, 1, 1], "high": [9, 9, 9]}


def test_16_bits_without_enhancement_leave_the_stretch_to_the_backend(deep_layer):
    wire = colour(deep_layer, (1, 2, 3), Algorithm.NoEnhancement, [(0, 0)] * 3)
    assert wire["bands"] == [1, 2, 3]
    assert "stretch" not in wire


def test_clipping_8_bits_stretches_nothing(roof_layer):
    wire = colour(roof_layer, (1, 2, 3), Algorithm.ClipToMinimumMaximum, [(50, 100)] * 3)
    assert wire["stretch"] == {"kind": "none"}


@pytest.mark.parametrize("limits", [(5, 5), (9, 1), (float("nan"), 7)])
def test_limits_that_are_no_range_are_left_out(deep_layer, limits):
    wire = colour(deep_layer, (1, 2, 3), Algorithm.StretchToMinimumMaximum, [limits] * 3)
    assert "stretch" not in wire


def test_a_composite_with_an_unset_band_leaves_the_choice_to_the_backend(roof_layer):
    renderer = QgsMultiBandColorRenderer(roof_layer.dataProvider(), 1, 2, -1)
    roof_layer.setRenderer(renderer)
    wire = describe(roof_layer).wire
    assert "bands" not in wire
    assert "stretch" not in wire


def test_a_grey_layer_sends_one_band_three_times(deep_layer):
    renderer = QgsSingleBandGrayRenderer(deep_layer.dataProvider(), 2)
    renderer.setContrastEnhancement(contrast(deep_layer, 2, Algorithm.StretchToMinimumMaximum, 10, 90))
    deep_layer.setRenderer(renderer)
    wire = describe(deep_layer).wire
    assert wire["bands"] == [2, 2, 2]
    assert wire["stretch"] == {"kind": "minmax", "low": [10] * 3, "high": [90] * 3}


def test_a_colour_ramp_sends_its_range(deep_layer):
    ramp = QgsColorRampShader(5, 500)
    ramp.setColorRampItemList(
        [QgsColorRampShader.ColorRampItem(5, QColor("black")), QgsColorRampShader.ColorRampItem(500, QColor("red"))]
    )
    shader = QgsRasterShader(5, 500)
    shader.setRasterShaderFunction(ramp)
    renderer = QgsSingleBandPseudoColorRenderer(deep_layer.dataProvider(), 3, shader)
    renderer.setClassificationMin(5)
    renderer.setClassificationMax(500)
    deep_layer.setRenderer(renderer)
    wire = describe(deep_layer).wire
    assert wire["bands"] == [3, 3, 3]
    assert wire["stretch"] == {"kind": "minmax", "low": [5] * 3, "high": [500] * 3}


def test_classes_send_the_range_of_their_values(roof_layer):
    classes = [QgsPalettedRasterRenderer.Class(value, QColor("red")) for value in (3, 7, 12)]
    roof_layer.setRenderer(QgsPalettedRasterRenderer(roof_layer.dataProvider(), 1, classes))
    wire = describe(roof_layer).wire
    assert wire["bands"] == [1, 1, 1]
    assert wire["stretch"] == {"kind": "minmax", "low": [3] * 3, "high": [12] * 3}


def test_a_file_with_a_palette_is_sent_in_its_colours(qgis_app, tmp_path):
    """The backend reads palette colours, 0 to 255: limits of the indices would make the image white."""
    path = str(tmp_path / "palette.tif")
    dataset = gdal.GetDriverByName("GTiff").Create(path, 8, 8, 1, gdal.GDT_Byte)
    table = gdal.ColorTable()
    for index in range(16):
        table.SetColorEntry(index, (index * 16, 20, 90, 255))
    band = dataset.GetRasterBand(1)
    band.SetColorTable(table)
    band.WriteArray(np.arange(64, dtype=np.uint8).reshape(8, 8) % 16)
    band = dataset = None
    layer = QgsRasterLayer(path, "palette")
    assert isinstance(layer.renderer(), QgsPalettedRasterRenderer)
    sent = describe(layer).wire
    assert sent["bands"] == [1, 1, 1]
    assert sent["stretch"] == {"kind": "none"}


def test_a_raster_without_georeference_is_sent_in_pixels(qgis_app, tmp_path):
    layer = QgsRasterLayer(str(_png(tmp_path)), "plain")
    source = describe(layer)
    assert source.frame == "pixel"
    # QGIS draws the first row at y = 0 going down.
    wire = source.prompts_to_wire([Prompt("point", ((70.0, -80.0),))], layer.crs())
    assert wire == [{"kind": "point", "xy": [[70.0, 80.0]], "label": 1}]
    outline = QgsGeometry.fromWkt("POLYGON((40 60, 100 60, 100 100, 40 100, 40 60))")
    bounds = source.from_wire(outline).boundingBox()
    assert (bounds.xMinimum(), bounds.yMinimum(), bounds.xMaximum(), bounds.yMaximum()) == (40, -100, 100, -60)


def _png(tmp_path):
    tif = scenes.write(tmp_path / "plain.tif", scenes.roofs(), None, "")
    gdal.Translate(str(tmp_path / "plain.png"), str(tif), format="PNG")
    return tmp_path / "plain.png"


def test_no_crs_but_a_geotransform_is_sent_in_its_coordinates(qgis_app, tmp_path):
    layer = QgsRasterLayer(str(scenes.write(tmp_path / "local.tif", scenes.roofs(), crs="")), "local")
    source = describe(layer)
    assert source.frame == "source"
    place = scenes.place(70, 80)
    wire = source.prompts_to_wire([Prompt("point", (place,))], DEGREES)
    assert wire[0]["xy"] == [list(place)], "without a CRS nothing is transformed, as QGIS draws it"


@pytest.mark.parametrize(
    "transform",
    [
        (500_000, 0.5, 0, 4_999_872, 0, 0.5),
        (500_000, 0.4, 0.3, 5_000_000, 0.3, -0.4),
    ],
    ids=["south up", "rotated"],
)
def test_turned_rasters_are_sent_in_their_coordinates(qgis_app, tmp_path, transform):
    layer = QgsRasterLayer(str(scenes.write(tmp_path / "t.tif", scenes.roofs(), transform)), "t")
    assert layer.isValid()
    source = describe(layer)
    assert source.frame == "source"
    assert source.wire["path"] == str(tmp_path / "t.tif")


def test_prompts_travel_from_the_map_crs_to_the_layer_crs(roof_layer):
    source = describe(roof_layer)
    utm = roof_layer.crs()
    there = Prompt("point", (scenes.place(70, 80),))
    in_degrees = transformed_prompt(there, utm, DEGREES)
    assert in_degrees.xy[0][0] == pytest.approx(9.0, abs=0.01)
    wire = source.prompts_to_wire([in_degrees], DEGREES)
    assert wire[0]["xy"][0] == pytest.approx(list(there.xy[0]), abs=1e-3)
    assert source.touches(in_degrees, DEGREES)
    assert not source.touches(Prompt("point", ((20.0, 45.0),)), DEGREES)


def test_a_place_without_coordinates_is_one_sentence(roof_layer):
    with pytest.raises(GeometryProblem, match="EPSG:32632"):
        describe(roof_layer).prompts_to_wire(
            [Prompt("point", ((200.0, 95.0),))], DEGREES
        )


def test_vrt_and_subdatasets_keep_the_name_that_gdal_knows(qgis_app, tmp_path):
    tif = scenes.write(tmp_path / "roofs.tif", scenes.roofs())
    gdal.BuildVRT(str(tmp_path / "roofs.vrt"), [str(tif)]).FlushCache()
    assert describe(QgsRasterLayer(str(tmp_path / "roofs.vrt"), "v")).wire["path"] == str(tmp_path / "roofs.vrt")
    gdal.Translate(str(tmp_path / "r.gpkg"), str(tif), format="GPKG", creationOptions=["RASTER_TABLE=one"])
    gdal.Translate(
        str(tmp_path / "r.gpkg"), str(tif), format="GPKG", creationOptions=["RASTER_TABLE=two", "APPEND_SUBDATASET=YES"]
    )
    layer = QgsRasterLayer(f"GPKG:{tmp_path / 'r.gpkg'}:two", "sub")
    assert layer.isValid()
    assert describe(layer).wire["path"] == f"GPKG:{tmp_path / 'r.gpkg'}:two"


def test_a_relative_path_is_sent_absolute(qgis_app, tmp_path, monkeypatch):
    scenes.write(tmp_path / "roofs.tif", scenes.roofs())
    monkeypatch.chdir(tmp_path)
    assert describe(QgsRasterLayer("roofs.tif", "r")).wire["path"] == str(tmp_path / "roofs.tif")


def test_no_layer_is_one_sentence():
    with pytest.raises(UnsupportedLayer, match="Choose a raster"):
        describe(None)


def test_a_vector_layer_is_one_sentence(qgis_app):
    with pytest.raises(UnsupportedLayer, match="not a raster"):
        describe(QgsVectorLayer("Polygon", "areas", "memory"))


def test_a_vanished_file_is_one_sentence(roof_layer, tmp_path):
    (tmp_path / "roofs.tif").unlink()
    with pytest.raises(UnsupportedLayer, match="gone"):
        describe(roof_layer)


def test_a_broken_layer_is_one_sentence(qgis_app, tmp_path):
    with pytest.raises(UnsupportedLayer, match="cannot be read"):
        describe(QgsRasterLayer(str(tmp_path / "nothing.tif"), "broken"))


def test_a_web_layer_is_one_sentence(qgis_app):
    uri = "type=xyz&url=http://localhost:1/%7Bz%7D/%7Bx%7D/%7By%7D.png&zmax=3&zmin=0"
    layer = QgsRasterLayer(uri, "tiles", "wms")
    assert layer.isValid()
    with pytest.raises(UnsupportedLayer, match="web layer"):
        describe(layer)


def test_a_raster_in_memory_is_one_sentence(qgis_app):
    scenes.write("/vsimem/roofs.tif", scenes.roofs())
    layer = QgsRasterLayer("/vsimem/roofs.tif", "memory")
    with pytest.raises(UnsupportedLayer, match="memory only"):
        describe(layer)
