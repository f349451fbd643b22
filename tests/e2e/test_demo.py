"""`make demo` as its user runs it: real QGIS, the real child process, real files."""

import json
import re
import struct
import subprocess
import zlib
from pathlib import Path

import pytest
from qgis.core import QgsGeometry, QgsPointXY, QgsProject, QgsRasterLayer, QgsVectorLayer
from qgis.PyQt.QtGui import QColor, QImage

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv" / "bin" / "python"
OBJECT_LINE = re.compile(
    r"^\s*(\d+|-)  (\w[\w ]*?)\s{2,}(\d .*?)\s{2,}([\d.]+|nothing)\s+([\d.]+)\s+(\d+)\s+([\d.]+)$",
    re.M,
)


def demo(*arguments):
    return subprocess.run(
        [str(PYTHON), "scripts/demo.py", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def own_scene(tmp_path_factory):
    """The demo without arguments, run once: its folder and what it printed."""
    out = tmp_path_factory.mktemp("demo")
    answer = demo("--out", out)
    assert answer.returncode == 0, answer.stderr + answer.stdout
    return out, answer.stdout


def layer_of(path):
    layer = QgsVectorLayer(str(path), Path(str(path)).stem, "ogr")
    assert layer.isValid()
    return layer


def test_everything_promised_is_there(own_scene):
    out, printed = own_scene
    for name in (
        "buildings.gpkg",
        "buildings.shp",
        "found.gpkg",
        "found.shp",
        "result.png",
        "demo.qgz",
        "scene.tif",
        "prompts.geojson",
        "truth.gpkg",
        "city.laz",
        "classified.laz",
        "city.gpkg",
        "cloud.png",
    ):
        assert (out / name).stat().st_size > 0


def test_the_cloud_is_classified_and_drawn(own_scene):
    out, printed = own_scene
    share = re.search(r"([\d.]+) % of the points got the right class", printed)
    assert share is not None
    assert float(share[1]) > 70
    assert layer_of(f"{out / 'city.gpkg'}|layername=buildings").featureCount() > 3
    picture = QImage(str(out / "cloud.png"))
    seen = {picture.pixel(x, y) for x in range(0, 700, 9) for y in range(0, 700, 9)}
    assert len(seen) >= 4
    assert "wrote " in printed


def test_table_agrees_with_the_saved_layer(own_scene):
    out, printed = own_scene
    rows = OBJECT_LINE.findall(printed)
    saved = {
        feature["object"]: feature for feature in layer_of(out / "buildings.gpkg").getFeatures()
    }
    answered = [row for row in rows if row[0] != "-"]
    assert len(answered) >= 5
    assert len(saved) == len(answered)
    for number, name, prompt, area, score, *_ in answered:
        feature = saved[int(number)]
        assert feature["class"] == name
        assert feature["prompt"] == prompt
        assert feature["area_m2"] == pytest.approx(float(area), abs=0.06)
        assert feature["score"] == pytest.approx(float(score), abs=0.006)
        assert feature["model"] == "default-2d"
        assert feature["source"] == "scene.tif"
        assert feature.geometry().isGeosValid()


def test_words_find_features_that_say_what_was_asked(own_scene):
    out, printed = own_scene
    words = re.search(r"^in words: “(.+)”$", printed, re.M)[1]
    count = int(re.search(r"^  (\d+) features? in [\d.]+ s$", printed, re.M)[1])
    found = list(layer_of(out / "found.gpkg").getFeatures())
    assert 0 < len(found) == count == layer_of(out / "found.shp").featureCount()
    scene = QgsRasterLayer(str(out / "scene.tif"), "scene").extent().buffered(0.01)
    for feature in found:
        assert feature["prompt"] == words
        assert feature["task"] == "referring"
        assert feature["model"] == "default-2d"
        assert feature["source"] == "scene.tif"
        assert feature["why"]
        assert feature.geometry().isGeosValid()
        assert scene.contains(feature.geometry().boundingBox())


def test_printed_iou_is_that_of_the_files(own_scene):
    out, printed = own_scene
    truth = {
        f["object"]: f.geometry() for f in layer_of(out / "truth.gpkg").getFeatures() if f["object"]
    }
    prompted = iter(sorted(truth))
    saved = {f["object"]: f.geometry() for f in layer_of(out / "buildings.gpkg").getFeatures()}
    values = []
    for number, *_, printed_iou in OBJECT_LINE.findall(printed):
        right = truth[next(prompted)]
        value = 0.0
        if number != "-":
            mine = saved[int(number)]
            both = mine.intersection(right).area()
            value = both / (mine.area() + right.area() - both)
        assert value == pytest.approx(float(printed_iou), abs=0.011)
        values.append(value)
    mean = float(re.search(r"mean IoU against the truth: ([\d.]+)", printed)[1])
    assert mean == pytest.approx(sum(values) / len(values), abs=0.002)
    assert mean > 0.6


def test_shapefile_holds_the_same_objects_in_the_same_crs(own_scene):
    out, _ = own_scene
    table, shape = layer_of(out / "buildings.gpkg"), layer_of(out / "buildings.shp")
    assert table.crs().authid() == shape.crs().authid() == "EPSG:32631"
    assert shape.featureCount() == table.featureCount()
    assert {f["object"] for f in shape.getFeatures()} == {f["object"] for f in table.getFeatures()}


def test_picture_shows_image_outlines_and_prompts(own_scene):
    out, _ = own_scene
    picture = QImage(str(out / "result.png"))
    assert min(picture.width(), picture.height()) > 1000
    seen = {
        picture.pixelColor(x, y).name()
        for x in range(0, picture.width(), 2)
        for y in range(0, picture.height(), 2)
    }
    assert QColor(255, 214, 0).name() in seen  # outlines
    assert QColor(0, 190, 255).name() in seen  # what the words found
    assert QColor(0, 220, 90).name() in seen  # prompts that add
    assert QColor(240, 40, 60).name() in seen  # prompts that remove
    assert len(seen) > 5000  # the photograph


def test_project_opens_with_all_layers(own_scene):
    out, _ = own_scene
    project = QgsProject()
    assert project.read(str(out / "demo.qgz"))
    layers = list(project.mapLayers().values())
    assert all(layer.isValid() for layer in layers)
    assert {"scene", "Segmented objects", "Found in words", "Clicks"} <= {
        layer.name() for layer in layers
    }
    assert [layout.name() for layout in project.layoutManager().layouts()] == ["Demo"]
    project.clear()


def png(path, pixels, size):
    """A PNG of one colour a row, written without any imaging library."""
    rows = b"".join(b"\0" + bytes(pixels(y)) * size for y in range(size))

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def prompts(path, xy, label=1, **members):
    feature = {
        "type": "Feature",
        "properties": {"label": label},
        "geometry": {"type": "Point", "coordinates": xy},
    }
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature], **members}))
    return path


def test_own_raster_without_crs_and_prompts_in_pixels(tmp_path):
    raster, out = tmp_path / "photo.png", tmp_path / "out"
    png(raster, lambda y: (200, 40, 40) if 80 <= y < 180 else (60, 110, 60), 256)
    answer = demo(
        "--raster",
        raster,
        "--prompts",
        prompts(tmp_path / "p.geojson", [128.5, 130.5]),
        "--out",
        out,
    )
    assert answer.returncode == 0, answer.stderr
    assert "IoU" not in answer.stdout
    features = list(layer_of(out / "buildings.gpkg").getFeatures())
    assert len(features) == 1
    # QGIS draws a raster without georeference at (column, -row): the outline must lie there.
    assert features[0].geometry().boundingBox().yMaximum() < 0
    assert features[0].geometry().intersects(QgsGeometry.fromPointXY(QgsPointXY(128.5, -130.5)))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda d: ["--raster", d / "photo.png"], "PROMPTS is missing"),
        (lambda d: ["--prompts", d / "p.geojson"], "RASTER is missing"),
        (lambda d: ["--raster", d / "gone.tif", "--prompts", d / "p.geojson"], "gone.tif"),
        (lambda d: ["--raster", d / "photo.png", "--prompts", d / "gone.geojson"], "gone.geojson"),
        (
            lambda d: ["--raster", d / "photo.png", "--prompts", d / "broken.geojson"],
            "broken.geojson",
        ),
        (lambda d: ["--raster", d / "broken.tif", "--prompts", d / "p.geojson"], "broken.tif"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, make, sentence):
    png(tmp_path / "photo.png", lambda y: (90, 90, 90), 64)
    prompts(tmp_path / "p.geojson", [30, 30])
    (tmp_path / "broken.geojson").write_text('{"type": "FeatureColl')
    (tmp_path / "broken.tif").write_bytes(b"II*\0 not really")
    answer = demo(*make(tmp_path), "--out", tmp_path / "out")
    assert answer.returncode == 2
    assert answer.stderr.startswith("demo: ")
    assert sentence in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1


def test_a_click_outside_is_told_for_its_object_and_the_rest_is_written(tmp_path):
    png(tmp_path / "photo.png", lambda y: (200, 40, 40) if 80 <= y < 180 else (60, 110, 60), 256)
    features = [
        {
            "type": "Feature",
            "properties": {"object": n},
            "geometry": {"type": "Point", "coordinates": xy},
        }
        for n, xy in ((1, [900, 900]), (2, [128.5, 130.5]))
    ]
    (tmp_path / "p.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": features})
    )
    answer = demo(
        "--raster",
        tmp_path / "photo.png",
        "--prompts",
        tmp_path / "p.geojson",
        "--out",
        tmp_path / "out",
    )
    assert answer.returncode == 1
    assert "outside the raster" in answer.stdout
    assert layer_of(tmp_path / "out" / "buildings.gpkg").featureCount() == 1
