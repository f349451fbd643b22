"""The point-cloud section with the real process: from a file to coloured layers in QGIS."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsGeometry,
    QgsPointCloudLayer,
    QgsPointXY,
    QgsProject,
    QgsRectangle,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtTest import QTest

from cityseg_qgis.core.cloud_target import COPC, EPT, LAZ, opens
from tests.data import tiny_clouds as tiny
from tests.workers.cloud_session import forget, group_layers, picture, sessions, share_of
from tests.workers.desktop import settle, wait_until

UTM = QgsCoordinateReferenceSystem(tiny.UTM)
X, Y, _ = tiny.ORIGIN
POINTS = int(tiny.SIDE_M**2 * 12)


@pytest.fixture(scope="module")
def opened(qgis_app, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        yield from sessions(tmp_path_factory.mktemp("python"), patch)


@pytest.fixture
def session(opened):
    yield opened
    forget(opened)


@pytest.fixture
def other_backend(session, monkeypatch):
    """Starts the backend anew with these variables, and again without them at the end."""

    def start(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))
        session.run.restart_backend()

    yield start
    monkeypatch.undo()
    session.run.client.shutdown()


@pytest.fixture
def waits(other_backend, tmp_path):
    """A model that waits for the file `gate`, and tells its process in `pid`."""
    gate, pid = tmp_path / "gate", tmp_path / "pid"
    other_backend(CLOUD_GATE=gate, CLOUD_PID=pid)
    return gate, pid


@pytest.fixture
def folder(tmp_path):
    """Where the cloud lies: nothing but it and what is made of it."""
    made = tmp_path / "clouds"
    made.mkdir()
    return made


@pytest.fixture
def las(folder):
    return tiny.write_las(folder / "street.las", tiny.street())


def choose_format(session, form):
    combo = session.clouds.output_step.format_combo
    combo.setCurrentIndex(combo.findData(form))
    combo.activated.emit(combo.currentIndex())


def colours(layer):
    return {c.label(): c.color() for c in layer.renderer().categories()}


def test_what_a_file_is(session, las):
    session.choose(las)
    step = session.clouds.source_step
    assert "43,200 points" in step.facts.text()
    assert "12 per m²" in step.facts.text()
    assert "60 × 60 m · EPSG:32632 · LAS" in step.facts.text()
    assert step._crs_row.isHidden()
    assert session.clouds.output_step.run_button.isEnabled()


@pytest.mark.parametrize("form", [COPC, EPT])
def test_a_file_becomes_a_coloured_layer(session, las, form):
    if not opens(form):
        pytest.skip(f"this QGIS opens no {form}")
    session.choose(las)
    session.make_only()
    choose_format(session, form)
    out = session.classify()
    assert session.note == ""
    assert out.exists()
    layers = group_layers("street_classified")
    assert list(layers) == ["classified points"]
    layer = layers["classified points"]
    assert (layer.isValid(), layer.pointCount(), layer.crs()) == (True, POINTS, UTM)
    found = colours(layer)
    assert set(found) == {"open ground", "flat roof", "broadleaf tree"}
    image = picture([layer])
    for name, colour in found.items():
        assert share_of(image, colour) > 0.01, name
    x0, y0, x1, y1 = (int(value / tiny.SIDE_M * 400) for value in tiny.ROOF)
    roof = image[400 - y1 + 8 : 400 - y0 - 8, x0 + 8 : x1 - 8]
    assert share_of(roof, found["flat roof"]) > 0.4
    assert share_of(roof, found["broadleaf tree"]) < 0.05


def test_the_answer_in_a_table(session, las):
    session.choose(las)
    session.make_only()
    session.classify()
    view = session.clouds.answer_view
    rows = session.rows()
    assert set(rows) == {"open ground", "flat roof", "broadleaf tree"}
    assert sum(int(points.replace(",", "")) for points, _, _ in rows.values()) == POINTS
    assert sum(float(share[:-2]) for _, share, _ in rows.values()) == pytest.approx(100, abs=0.2)
    assert all(0.8 < float(sure) <= 1.0 for _, _, sure in rows.values())
    assert view.answer_label.text().startswith("43,200 points")
    assert "rule-test" in view.figures_label.text()
    assert not session.clouds.output_step.run_button.isHidden()


def test_outlines_and_rasters_come_along(session, las):
    session.choose(las)
    session.make_only("buildings", "trees", "dtm", "hag")
    out = session.classify()
    assert session.note == ""
    layers = group_layers("street_classified")
    assert {"buildings", "trees", "crowns", "classified points"} <= set(layers)
    assert "roads" not in layers
    house = next(iter(layers["buildings"].getFeatures()))
    x0, y0, x1, y1 = tiny.ROOF
    truth = QgsRectangle(X + x0, Y + y0, X + x1, Y + y1)
    assert house.geometry().boundingBox().intersect(truth).area() > 0.8 * truth.area()
    assert house["height_max"] == pytest.approx(7.0, abs=0.5)
    tops = [feature.geometry() for feature in layers["trees"].getFeatures()]
    for x, y in tiny.TREES:
        assert min(top.distance(QgsGeometry.fromPointXY(QgsPointXY(X + x, Y + y))) for top in tops) < 2.5
    for kind in ("dtm", "height"):
        assert out.with_name(f"street_classified_{kind}.tif").exists()
    image = picture([layers["buildings"], layers["classified points"]])
    assert len({tuple(pixel) for pixel in image[::7, ::7].reshape(-1, 3)}) > 3


def test_only_the_ticked_outlines_are_written(session, las):
    session.choose(las)
    session.make_only("trees")
    out = session.classify()
    assert session.note == ""
    written = QgsVectorLayer(str(out.with_name("street_classified.gpkg")), "outlines", "ogr")
    names = {line.split("!!::!!")[1] for line in written.dataProvider().subLayers()}
    assert names == {"trees", "crowns"}


def test_nothing_is_overwritten(session, las, folder):
    session.choose(las)
    session.make_only()
    first = session.classify()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    line = session.clouds.output_step.path_line
    assert Path(line.text()).name.startswith("street_classified_2")
    line.setText(str(first))
    session.clouds.output_step.run_button.click()
    settle()
    assert f"“{first.name}” is there already" in session.note
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before


def test_a_drawn_rectangle_in_another_crs(session, las):
    session.choose(las)
    session.make_only()
    degrees = QgsCoordinateReferenceSystem("EPSG:4326")
    area = session.clouds.wanted_step.area
    session.desktop.canvas.setDestinationCrs(degrees)
    area.choose("rectangle")
    # The western half, and beyond: the zone's middle meridian is its left edge.
    area._drawn, area._drawn_crs = QgsRectangle(8.9, 48.7, 9.00041, 48.8), degrees
    session.classify()
    assert session.note == ""
    count = sum(int(points.replace(",", "")) for points, _, _ in session.rows().values())
    assert count == pytest.approx(POINTS / 2, rel=0.03)


def test_a_rectangle_beside_the_cloud(session, las):
    session.choose(las)
    area = session.clouds.wanted_step.area
    area.choose("rectangle")
    area._drawn, area._drawn_crs = QgsRectangle(0, 0, 1, 1), UTM
    session.classify()
    assert "The area lies outside “street”" in session.note


def test_a_cloud_without_crs_is_asked_for_one(session, folder):
    session.choose(tiny.write_las(folder / "nowhere.las", tiny.street(), epsg=None))
    step = session.clouds.source_step
    assert "no CRS" in step.facts.text()
    assert not step._crs_row.isHidden()
    assert "CRS" in step.note.text()
    step.crs_widget.setCrs(UTM)
    session.wait_described()
    assert "EPSG:32632" in step.facts.text()
    assert not step._crs_row.isHidden()
    session.make_only()
    session.classify()
    assert session.note == ""
    assert session.run.request.crs == tiny.UTM
    assert group_layers("nowhere_classified")["classified points"].crs() == UTM


def test_a_cloud_in_degrees_cannot_be_classified(session, folder):
    session.choose(tiny.write_las(folder / "nowhere.las", tiny.street(), epsg=None))
    session.clouds.source_step.crs_widget.setCrs(QgsCoordinateReferenceSystem("EPSG:4326"))
    session.wait_described()
    session.make_only()
    session.classify()
    assert "degrees" in session.note
    assert "Traceback" not in session.note


def test_layers_that_come_and_go_choose_no_other_cloud(session, las, folder):
    session.choose(las)
    asked = []
    session.clouds.source_step.changed.connect(lambda: asked.append(True))
    layer = QgsPointCloudLayer(str(tiny.write_ept(folder / "a town", tiny.street())), "a town", "ept")
    QgsProject.instance().addMapLayer(layer)
    settle()
    QgsProject.instance().removeMapLayer(layer.id())
    settle()
    assert asked == []
    assert session.clouds.source_step.source().path == str(las)
    assert session.clouds.output_step.run_button.isEnabled()


def test_a_layer_of_the_project(session, folder):
    path = tiny.write_ept(folder / "town", tiny.street())
    layer = QgsPointCloudLayer(str(path), "my town", "ept")
    QgsProject.instance().addMapLayer(layer)
    session.clouds.source_step.layer_combo.setLayer(layer)
    session.wait_described()
    assert "EPT" in session.clouds.source_step.facts.text()
    session.make_only()
    out = session.classify()
    assert session.note == ""
    assert out.parent == folder
    assert group_layers("town_classified")["classified points"].pointCount() == POINTS


def test_words_and_what_they_were_taken_for(session, las):
    session.choose(las)
    session.make_only()
    panel = session.clouds
    panel.wanted_step.entry.set_words("building, tree, ground")
    panel.wanted_step.added_line.setText("greenhouse:building")
    QTest.keyClick(panel.wanted_step.entry.line, Qt.Key.Key_Return)
    wait_until(lambda: not session.run.busy)
    settle()
    assert session.note == ""
    assert session.run.request.classes == ("building", "tree", "ground")
    assert session.run.request.added == ("greenhouse:building",)
    assert {"building", "tree", "ground"} & set(session.rows())
    assert not {"flat roof", "broadleaf tree"} & set(session.rows())
    panel.wanted_step.entry.fill_history()
    assert panel.wanted_step.entry.history_menu.actions()[0].text() == "building, tree, ground"


def test_a_word_that_means_nothing(session, las):
    session.choose(las)
    session.clouds.wanted_step.entry.set_words("qwxzv")
    out = session.classify()
    said = session.note + session.clouds.answer_view.placements_label.text()
    said += session.clouds.answer_view.warnings_label.text()
    assert "qwxzv" in said
    if session.note:
        assert not out.exists()


def test_stop_is_at_once_and_leaves_nothing(session, las, folder, waits):
    gate, pid = waits
    session.choose(las)
    panel = session.clouds
    panel.output_step.run_button.click()
    wait_until(pid.exists)
    assert not panel.output_step.stop_button.isHidden()
    panel.output_step.stop_button.click()
    assert not session.run.busy
    assert not panel.output_step.run_button.isHidden()
    assert "Stopped" in panel.status_line.text.text()
    wait_until(lambda: [path.name for path in folder.iterdir()] == ["street.las"])
    assert QgsProject.instance().mapLayers() == {}
    # And the next run works.
    gate.touch()
    session.make_only()
    session.classify()
    assert session.note == ""
    assert "classified points" in group_layers("street_classified")


def test_progress_is_shown(session, las):
    said, shown = [], []
    session.run.progressed.connect(lambda share, message: (shown.append(share), said.append(message)))
    session.choose(las)
    session.make_only()
    session.classify()
    known = [share for share in shown if share >= 0]
    assert known == sorted(known)
    assert known[-1] == pytest.approx(1.0)
    assert any("Writing" in message for message in said)


def test_a_broken_file_is_a_sentence(session, las, folder):
    cut = folder / "cut.las"
    cut.write_bytes(las.read_bytes()[:20_000])
    session.choose(cut)
    if not session.note:
        session.make_only()
        session.classify()
    assert "cut.las" in session.note
    assert sorted(path.name for path in folder.iterdir()) == ["cut.las", "street.las"]
    session.choose(las)
    assert session.note == ""
    assert session.clouds.output_step.run_button.isEnabled()


def test_without_a_backend_there_is_a_way_to_install_it(session, las, monkeypatch):
    with monkeypatch.context() as patch:
        patch.delenv("CITYSEG_PYTHON")
        session.run.client.shutdown()
        session.choose(las)
        assert not session.clouds.banner.isHidden()
        assert not session.clouds.output_step.run_button.isEnabled()
    session.clouds.backend_ready()
    session.wait_described()
    assert session.clouds.banner.isHidden()
    assert session.clouds.output_step.run_button.isEnabled()


@pytest.mark.skipif(opens(LAZ), reason="this QGIS opens LAZ")
def test_laz_for_other_software(session, las):
    session.choose(las)
    session.make_only()
    choose_format(session, LAZ)
    out = session.classify()
    assert session.note == ""
    assert out.name == "street_classified.laz"
    assert out.stat().st_size > 10_000
    assert QgsProject.instance().mapLayers() == {}
    assert "does not open its format" in session.clouds.status_line.text.text()


REAL = Path(os.environ.get("CITYSEG_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")) / "lidar"


@pytest.mark.skipif(not REAL.is_dir(), reason="needs ../shared/data/lidar")
@pytest.mark.parametrize(
    "name", ["montpellier/*77055_627760*.laz", "amsterdam/ahn/*2386_9702*.laz"], ids=["montpellier", "amsterdam"]
)
def test_a_real_tile_with_the_model_that_ships(session, folder, other_backend, name):
    other_backend(CLOUD_MODEL="default")
    source = next(REAL.glob(name))
    copy = folder / source.name
    copy.write_bytes(source.read_bytes())
    session.choose(copy)
    session.make_only()
    session.classify()
    assert session.note == ""
    layer = next(iter(QgsProject.instance().mapLayers().values()))
    found = colours(layer)
    image = picture([layer])
    assert sum(share_of(image, colour) for colour in found.values()) > 0.3
    assert sum(share_of(image, colour) > 0.01 for colour in found.values()) >= 2


def test_unload_in_the_middle_leaves_no_process(session, las, waits):
    _, pid = waits
    session.choose(las)
    session.clouds.output_step.run_button.click()
    wait_until(pid.exists)
    number = int(pid.read_text())
    session.plugin.unload()
    wait_until(lambda: not Path(f"/proc/{number}").exists())
    session.plugin.initGui()
    session.open_section()
