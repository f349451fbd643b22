"""Classified clouds as QGIS opens them: an EPT everywhere, a COPC where this QGIS knows the format."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from qgis.core import (
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsPointCloudClassifiedRenderer,
    QgsPointCloudLayer,
    QgsPointCloudRgbRenderer,
    QgsProviderRegistry,
    QgsStatisticalSummary,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor

ROOT = Path(__file__).resolve().parents[2]
BACKEND = ROOT / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
COUNT = 60_000
# Classes by height: the picture must show bands of two colours.
WRITER = """
import sys
from pathlib import Path
import laspy, numpy as np
from inference_backend.points.open import open_cloud
from inference_backend.points.results import PointResults
from inference_backend.points.write import Labels, write_cloud
from tests.data.clouds import make_header, make_points

folder, point_format, crs = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] or None
head = make_header(point_format, "1.4" if point_format > 5 else "1.2", crs)
head.add_extra_dims([laspy.ExtraBytesParams("wide", "uint64"), laspy.ExtraBytesParams("pair", "2int16")])
plain = make_header(point_format, "1.4" if point_format > 5 else "1.2", crs, extra=False)
points = laspy.ScaleAwarePointRecord.zeros(COUNT, header=head)
made = make_points(plain, COUNT)
for name in made.array.dtype.names:
    points.array[name] = made.array[name]
laspy.LasData(head, points).write(folder / "s.laz")
left = np.asarray(points.x) < 770_550
with open_cloud(folder / "s.laz") as cloud:
    results = PointResults(COUNT, folder / "results")
    results.set(np.arange(COUNT), np.where(left, 2, 6), np.where(left, 100, 50), np.where(left, 1, 30))
    for out in sys.argv[4:]:
        write_cloud(cloud, folder / out, results, Labels({1: "open ground", 30: "roof"}, {}))
""".replace("COUNT", str(COUNT))


def written(folder: Path, point_format: int, crs: str, *outs: str) -> Path:
    """Clouds made by the backend's own interpreter."""
    if not BACKEND.exists():
        pytest.skip("needs the backend's environment (.venv)")
    done = subprocess.run(
        [str(BACKEND), "-c", WRITER, str(folder), str(point_format), crs, *outs],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**_clean(), "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def picture(layer: QgsPointCloudLayer):
    settings = QgsMapSettings()
    settings.setLayers([layer])
    settings.setOutputSize(QSize(300, 300))
    settings.setExtent(layer.extent())
    settings.setDestinationCrs(layer.crs())
    settings.setBackgroundColor(QColor("white"))
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    return job.renderedImage()


def shares(image, columns) -> dict[str, float]:
    """How much of these columns of a picture each colour takes."""
    counts: dict[str, int] = {}
    for column in columns:
        for row in range(image.height()):
            name = image.pixelColor(column, row).name()
            counts[name] = counts.get(name, 0) + 1
    total = sum(counts.values())
    return {name: count / total for name, count in counts.items()}


def colour_of(layer: QgsPointCloudLayer, code: int) -> str:
    return next(one.color().name() for one in layer.renderer().categories() if one.value() == code)


@pytest.fixture(scope="module")
def grey(tmp_path_factory):
    """Without colours."""
    folder = tmp_path_factory.mktemp("grey")
    return written(folder, 6, "EPSG:2154+5720", "town", "town.copc.laz")


def test_an_ept_opens_with_its_crs_its_points_and_its_dimensions(qgis_app, grey):
    layer = QgsPointCloudLayer(str(grey / "town" / "ept.json"), "town", "ept")
    assert layer.isValid()
    assert layer.pointCount() == COUNT
    assert "Lambert-93" in layer.crs().description()
    assert layer.crs().authid() == "EPSG:2154" or "NGF" in layer.crs().description()
    names = [one.name() for one in layer.attributes().attributes()]
    assert {"X", "Y", "Z", "Classification", "Intensity", "GpsTime"} < set(names)
    assert {"confidence", "echo_width", "wide", "pair_1", "pair_2"} < set(names)
    assert names[-2:] == ["cityseg_conf", "cityseg_label"]
    extent = layer.extent()
    assert extent.width() == pytest.approx(100, abs=0.1)
    assert extent.xMinimum() == pytest.approx(770_500, abs=0.1)
    provider = layer.dataProvider()
    label = provider.metadataStatistic("cityseg_label", QgsStatisticalSummary.Max)
    assert label == 30
    assert sorted(provider.metadataClasses("Classification")) == [2, 6]


def test_an_ept_without_colours_is_shown_by_class_at_once(qgis_app, grey):
    layer = QgsPointCloudLayer(str(grey / "town" / "ept.json"), "town", "ept")
    assert isinstance(layer.renderer(), QgsPointCloudClassifiedRenderer)
    assert layer.renderer().attribute() == "Classification"
    image = picture(layer)
    left, right = shares(image, range(10, 140)), shares(image, range(160, 290))
    ground, building = colour_of(layer, 2), colour_of(layer, 6)
    assert left[ground] > 0.5
    assert building not in left
    assert right[building] > 0.5
    assert ground not in right


def test_an_ept_with_colours_opens_in_its_colours(qgis_app, tmp_path):
    folder = written(tmp_path, 3, "EPSG:2154", "town")
    layer = QgsPointCloudLayer(str(folder / "town" / "ept.json"), "town", "ept")
    assert layer.isValid()
    assert layer.crs().authid() == "EPSG:2154"
    assert isinstance(layer.renderer(), QgsPointCloudRgbRenderer)
    assert sorted(layer.dataProvider().metadataClasses("Classification")) == [2, 6]
    assert len(shares(picture(layer), range(100, 200))) > 100


def test_an_ept_without_a_crs_is_valid(qgis_app, tmp_path):
    folder = written(tmp_path, 1, "", "town")
    layer = QgsPointCloudLayer(str(folder / "town" / "ept.json"), "town", "ept")
    assert layer.isValid()
    assert not layer.crs().isValid()
    assert layer.pointCount() == COUNT


def test_a_copc_opens_where_qgis_knows_the_format(qgis_app, grey):
    if "copc" not in QgsProviderRegistry.instance().providerList():
        pytest.skip("this QGIS has no COPC provider (it came with 3.26)")
    layer = QgsPointCloudLayer(str(grey / "town.copc.laz"), "town", "copc")
    assert layer.isValid()
    assert layer.pointCount() == COUNT
    assert "Lambert-93" in layer.crs().description()
    names = [one.name() for one in layer.attributes().attributes()]
    assert names[-2:] == ["cityseg_conf", "cityseg_label"]
    renderer = QgsPointCloudClassifiedRenderer()
    renderer.setAttribute("Classification")
    renderer.setCategories(QgsPointCloudClassifiedRenderer.defaultCategories())
    layer.setRenderer(renderer)
    image = picture(layer)
    assert shares(image, range(10, 140))[colour_of(layer, 2)] > 0.5
    assert shares(image, range(160, 290))[colour_of(layer, 6)] > 0.5
