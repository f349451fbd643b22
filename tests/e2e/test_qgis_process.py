"""`qgis_process` as a user types it: the installed plugin, the real process, no desktop."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from osgeo import ogr

from tests.data import gdal_scenes as scenes
from tests.workers.words_python import make_python

ROOT = Path(__file__).resolve().parents[2]
# Debian's wrapper adds options of the desktop, which the program behind it does not take.
PROGRAM = shutil.which("qgis_process.bin") or shutil.which("qgis_process")
PATIENCE_S = 200

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="this QGIS has no qgis_process")


def stage():
    """`scripts/stage.py`: lays out the installed plugin."""
    spec = importlib.util.spec_from_file_location("cityseg_stage", ROOT / "scripts" / "stage.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The environment of a QGIS with the plugin enabled."""
    folder = tmp_path_factory.mktemp("profile")
    stage().link_plugin(folder / "plugins", ROOT)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("CITYSEG_")},
        "QT_QPA_PLATFORM": "offscreen",
        "QGIS_CUSTOM_CONFIG_PATH": str(folder / "config"),
        "QGIS_PLUGINPATH": str(folder / "plugins"),
        "CITYSEG_HOME": str(folder / "home"),
        "CITYSEG_PYTHON": str(make_python(folder)),
    }
    done = subprocess.run(
        [PROGRAM, "plugins", "enable", "cityseg_qgis"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return environment


@pytest.fixture
def run(installed):
    """Run a command; (exit code, the JSON that it answered, everything that it said)."""

    def run(*words, environment=installed):
        done = subprocess.run(
            [PROGRAM, "--json", *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        start = done.stdout.find("{")
        answer = json.loads(done.stdout[start:]) if start >= 0 and done.returncode == 0 else {}
        return done.returncode, answer, done.stdout + done.stderr

    return run


@pytest.fixture
def roofs(tmp_path):
    return scenes.write(tmp_path / "roofs.tif", scenes.roofs())


def features(path, field="class"):
    """(class, area) of each feature of a file."""
    # The layer lives as long as its data source.
    source = ogr.Open(str(path))
    return sorted((f.GetField(field), round(f.geometry().Area())) for f in source.GetLayer())


def test_the_algorithms_are_listed(run):
    code, answer, said = run("list")
    assert code == 0, said
    assert set(answer["providers"]["cityseg"]["algorithms"]) == {
        "cityseg:classifypointcloud",
        "cityseg:segmentwithprompts",
        "cityseg:segmentwithreasoning",
        "cityseg:segmentwithtext",
        "cityseg:vectorizemask",
    }


def test_a_text_then_its_mask_as_polygons(run, roofs, tmp_path):
    out, mask, again = tmp_path / "found.gpkg", tmp_path / "mask.tif", tmp_path / "again.fgb"
    code, answer, said = run(
        "run", "cityseg:segmentwithtext", "--", f"INPUT={roofs}", "TEXT=buildings, pools", f"OUTPUT={out}", f"MASK={mask}"
    )
    assert code == 0, said
    results = answer["results"]
    assert (results["COUNT"], results["PATH"], results["OUTPUT"]) == (2, "classes", str(out))
    assert features(out) == [("building", pytest.approx(600, abs=20)), ("pool", pytest.approx(1200, abs=30))]
    code, answer, said = run("run", "cityseg:vectorizemask", "--", f"INPUT={mask}", f"OUTPUT={again}")
    assert code == 0, said
    assert answer["results"]["VALUES"] == 2
    assert [area for _, area in features(again, "value")] == pytest.approx([600, 1200], abs=30)


def test_a_question(run, roofs, tmp_path):
    out = tmp_path / "found.geojson"
    code, answer, said = run(
        "run", "cityseg:segmentwithreasoning", "--", f"INPUT={roofs}", "QUESTION=Where do people live?", f"OUTPUT={out}"
    )
    assert code == 0, said
    assert answer["results"]["COUNT"] == 1
    assert "live" in answer["results"]["ANSWER"]


def test_prompts_from_a_file(run, roofs, tmp_path):
    clicks, out = tmp_path / "clicks.geojson", tmp_path / "found.shp"
    x, y = scenes.place(*scenes.middle(scenes.RED))
    click = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [x, y]}, "properties": {"class": "roof"}}
    crs = {"type": "name", "properties": {"name": scenes.UTM}}
    clicks.write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": [click]}))
    code, answer, said = run(
        "run", "cityseg:segmentwithprompts", "--", f"INPUT={roofs}", f"PROMPTS={clicks}", f"OUTPUT={out}"
    )
    assert code == 0, said
    assert features(out) == [("roof", pytest.approx(600, abs=20))]


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"TEXT": " "}, "Say what to find, for example"),
        ({"TEXT": "buildings", "EXTENT": "1,2,3,4 [EPSG:4326]"}, "The extent lies outside “roofs”"),
        ({"TEXT": "buildings", "MODEL": "tower"}, "There is no model 'tower'"),
        ({"TEXT": "buildings", "INPUT": "gone.tif"}, "“gone.tif” cannot be opened as a raster"),
    ],
)
def test_bad_input_is_one_sentence_and_no_success(run, roofs, tmp_path, parameters, sentence):
    out = tmp_path / "found.gpkg"
    given = {"INPUT": roofs, "OUTPUT": out, **parameters}
    code, _, said = run("run", "cityseg:segmentwithtext", "--", *(f"{k}={v}" for k, v in given.items()))
    assert code != 0
    assert sentence in said
    assert "Traceback" not in said
    assert not out.exists()


def test_without_a_backend_it_says_what_to_do(run, installed, roofs, tmp_path):
    bare = {name: value for name, value in installed.items() if name != "CITYSEG_PYTHON"}
    code, _, said = run(
        "run",
        "cityseg:segmentwithtext",
        "--",
        f"INPUT={roofs}",
        "TEXT=buildings",
        f"OUTPUT={tmp_path / 'found.gpkg'}",
        environment=bare,
    )
    assert code != 0
    assert "not installed yet: install it from the CitySeg panel" in said
    assert "CITYSEG_PYTHON" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["interrupt", "terminate"])
def test_a_killed_run_leaves_no_process(installed, roofs, tmp_path, number):
    gate, pid_file = tmp_path / "gate", tmp_path / "pid"
    environment = {**installed, "WORDS_GATE": str(gate), "WORDS_PID": str(pid_file)}
    command = ["run", "cityseg:segmentwithtext", "--", f"INPUT={roofs}", "TEXT=buildings", f"OUTPUT={tmp_path / 'o.gpkg'}"]
    process = subprocess.Popen(
        [PROGRAM, *command], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(pid_file.exists)
        process.send_signal(number)
        process.wait(PATIENCE_S)
        pid = int(pid_file.read_text())
        wait_for(lambda: not Path(f"/proc/{pid}").exists())
    finally:
        process.kill()


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


if sys.platform == "win32":
    pytest.skip("the signals and the script that stands for a Python are POSIX's", allow_module_level=True)
