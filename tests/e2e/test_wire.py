"""The plugin's client and the real backend: the same code, pipes and model that a user runs."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal, osr
from qgis.core import QgsGeometry, QgsRectangle
from qgis.PyQt.QtCore import QCoreApplication, QEventLoop, QTimer

from cityseg_qgis.errors import BackendFailed, RequestCancelled
from cityseg_qgis.protocol import codes
from cityseg_qgis.worker.client import READY, STOPPED, BackendClient
from cityseg_qgis.worker.interpreter import backend_command, backend_script

ROOT = Path(__file__).resolve().parents[2]
PYTHON = os.environ.get("CITYSEG_PYTHON") or str(ROOT / ".venv" / "bin" / "python")
# Starting, importing torch and answering takes seconds on an idle machine; a test that waits this long has failed.
PATIENCE_S = 120
ORIGIN_X, ORIGIN_Y, GSD_M = 500_000.0, 5_000_000.0, 0.5
# Rows and columns of a bright roof with a dark rim on textured ground.
ROOF = (60, 40, 120, 130)


def wait_until(condition) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        loop = QEventLoop()
        QTimer.singleShot(10, loop.quit)
        loop.exec()


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


class Talk:
    """A client and what it said."""

    def __init__(self, make_command) -> None:
        self.client = BackendClient(make_command)
        self.answers: dict[int, dict] = {}
        self.failures: dict[int, Exception] = {}
        self.lines: list[tuple[str, str]] = []
        self.client.answered.connect(lambda i, result, parts: self.answers.update({i: result}))
        self.client.failed.connect(lambda i, error: self.failures.update({i: error}))
        self.client.log_line.connect(lambda *line: self.lines.append(line))

    def result(self, request_id: int) -> dict:
        wait_until(lambda: request_id in self.answers or request_id in self.failures)
        assert request_id in self.answers, (self.failures, self.client.last_words())
        return self.answers[request_id]

    def failure(self, request_id: int) -> Exception:
        wait_until(lambda: request_id in self.answers or request_id in self.failures)
        return self.failures[request_id]

    def ready(self) -> int:
        """Start; the pid."""
        self.client.start()
        wait_until(lambda: self.client.state == READY)
        return self.client.backend.pid


@pytest.fixture
def talk(qgis_app, tmp_path, monkeypatch):
    monkeypatch.setenv("CITYSEG_HOME", str(tmp_path / "home"))
    made = []

    def make(**options) -> Talk:
        options = options or {"python": PYTHON}
        # The variable of the test run would win over what a test asks for.
        environ = {k: v for k, v in os.environ.items() if k != "CITYSEG_PYTHON"}
        made.append(Talk(lambda: backend_command(environ=environ, **options)))
        return made[-1]

    yield make
    for one in made:
        one.client.shutdown()
        one.client.deleteLater()
    QCoreApplication.processEvents()


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("scene") / "Dächer und Höfe.tif"
    rng = np.random.default_rng(3)
    image = rng.normal(95, 6, (3, 256, 256))
    row0, col0, row1, col1 = ROOF
    image[:, row0 - 2 : row1 + 2, col0 - 2 : col1 + 2] = 40
    image[:, row0:row1, col0:col1] = np.array([205, 70, 50])[:, None, None]
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), 256, 256, 3)
    dataset.SetGeoTransform((ORIGIN_X, GSD_M, 0, ORIGIN_Y, 0, -GSD_M))
    system = osr.SpatialReference()
    system.ImportFromEPSG(32632)
    dataset.SetProjection(system.ExportToWkt())
    for band in range(3):
        dataset.GetRasterBand(band + 1).WriteArray(image[band].clip(0, 255).astype(np.uint8))
    dataset.FlushCache()
    return path


def roof_map() -> QgsRectangle:
    row0, col0, row1, col1 = ROOF
    return QgsRectangle(
        ORIGIN_X + GSD_M * col0,
        ORIGIN_Y - GSD_M * row1,
        ORIGIN_X + GSD_M * col1,
        ORIGIN_Y - GSD_M * row0,
    )


def box_prompt(path: Path) -> dict:
    area = roof_map()
    corners = [[area.xMinimum(), area.yMinimum()], [area.xMaximum(), area.yMaximum()]]
    return {
        "source": {"kind": "file", "path": str(path)},
        "prompts": [{"kind": "box", "xy": corners, "label": 1}],
    }


def geometry_of(result: dict) -> QgsGeometry:
    [feature] = result["features"]
    [polygon] = (
        [feature["geometry"]["coordinates"]]
        if feature["geometry"]["type"] == "Polygon"
        else feature["geometry"]["coordinates"][:1]
    )
    rings = ",".join("(" + ",".join(f"{x} {y}" for x, y in ring) + ")" for ring in polygon)
    return QgsGeometry.fromWkt(f"Polygon({rings})")


def iou_with_roof(result: dict) -> float:
    truth, found = QgsGeometry.fromRect(roof_map()), geometry_of(result)
    return found.intersection(truth).area() / found.combine(truth).area()


def test_a_prompt_becomes_the_outline_of_the_roof(talk, scene):
    one = talk()
    opened = one.client.request(codes.OPEN, {"source": {"kind": "file", "path": str(scene)}})
    asked = one.client.request(codes.PREDICT, box_prompt(scene))
    assert one.result(opened)["gsd_m"] == pytest.approx(GSD_M)
    answer = one.result(asked)
    assert iou_with_roof(answer) > 0.6
    assert answer["area_m2"] == pytest.approx(geometry_of(answer).area(), rel=0.01)
    assert answer["model"] == "default-2d"
    assert one.client.backend.protocol == codes.PROTOCOL_VERSION


def test_a_backend_killed_in_the_middle_of_a_click_answers_all_the_same(talk, scene):
    one = talk()
    pid = one.ready()
    asked = one.client.request(codes.PREDICT, box_prompt(scene))
    os.kill(pid, signal.SIGKILL)
    assert iou_with_roof(one.result(asked)) > 0.6
    assert one.client.backend.pid != pid
    assert gone(pid)


def test_of_a_burst_of_clicks_only_the_last_is_answered(talk, scene):
    one = talk()
    one.ready()
    ids = [
        one.client.request(codes.PREDICT, box_prompt(scene), supersede="preview") for _ in range(20)
    ]
    one.result(ids[-1])
    assert set(one.failures) == set(ids[:-1])
    assert all(isinstance(error, RequestCancelled) for error in one.failures.values())
    assert list(one.answers) == ids[-1:]


def test_cancel_ends_a_waiting_request_and_the_next_is_answered(talk, scene):
    one = talk()
    pid = one.ready()
    first = one.client.request(codes.PREDICT, box_prompt(scene))
    second = one.client.request(codes.PREDICT, box_prompt(scene))
    assert one.client.cancel(second)
    assert isinstance(one.failure(second), RequestCancelled)
    one.result(first)
    assert one.client.backend.pid == pid


def test_a_bad_file_is_one_sentence_and_the_backend_lives_on(talk, scene, tmp_path):
    one = talk()
    pid = one.ready()
    broken = tmp_path / "broken.tif"
    broken.write_bytes(scene.read_bytes()[:300])
    error = one.failure(one.client.request(codes.PREDICT, box_prompt(broken)))
    assert isinstance(error, BackendFailed)
    assert error.code == codes.INVALID_INPUT
    assert "broken.tif" in error.user_message
    one.result(one.client.request(codes.PREDICT, box_prompt(scene)))
    assert one.client.backend.pid == pid


def test_any_command_may_serve(talk, scene):
    """A command as it is given for another machine; here the shell stands in for ssh."""
    inner = f"exec {shlex.quote(PYTHON)} {shlex.quote(str(backend_script()))} serve"
    one = talk(command=f"sh -c {shlex.quote('echo Welcome to gpu-host; ' + inner)}")
    assert iou_with_roof(one.result(one.client.request(codes.PREDICT, box_prompt(scene)))) > 0.6
    assert ("noise", "Welcome to gpu-host") in one.lines


def test_shutdown_leaves_no_process(talk, scene):
    one = talk()
    pid = one.ready()
    one.client.request(codes.PREDICT, box_prompt(scene))
    one.client.shutdown()
    assert gone(pid)
    assert one.client.state == STOPPED


def test_a_killed_qgis_leaves_no_backend(qgis_app, tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(
        f"""
import sys
sys.path[:0] = [{str(ROOT)!r}]
from qgis.PyQt.QtCore import QCoreApplication
from cityseg_qgis.worker.client import BackendClient
from cityseg_qgis.worker.interpreter import backend_command
app = QCoreApplication([])
client = BackendClient(lambda: backend_command({PYTHON!r}))
client.state_changed.connect(lambda state: state == "ready" and print(client.backend.pid, flush=True))
client.start()
app.exec()
""",
        encoding="utf-8",
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as qgis:
        pid = int(qgis.stdout.readline())
        assert not gone(pid)
        qgis.kill()
        wait_until(lambda: gone(pid))
