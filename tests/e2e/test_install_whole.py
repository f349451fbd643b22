"""The real thing: the plugin's installer makes the whole backend from its pinned requirements, and the zip loads in QGIS."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from qgis.PyQt.QtCore import QEventLoop, QTimer

from cityseg_qgis.worker.installer import places, plan, requirements
from cityseg_qgis.worker.installer.install import Installer

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_MS = 20 * 60_000


@pytest.fixture
def home() -> Path:
    """On the disk of the checkout, where there is room: a temporary folder may be in memory."""
    folder = ROOT / "build" / "test-install"
    shutil.rmtree(folder, ignore_errors=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.timeout(25 * 60)
@pytest.mark.slow
def test_the_whole_backend_is_installed_and_segments(home, monkeypatch):
    """Downloads nothing that `make env` left in uv's cache; needs the room that it tells users."""
    home.mkdir(parents=True)
    if shutil.disk_usage(home).free < requirements.room_bytes("registry"):
        pytest.skip("less room on this disk than an installation needs")
    private = ROOT / ".cache" / "uv" / "bin"
    monkeypatch.setenv("PATH", os.pathsep.join([os.environ["PATH"], str(private)]))
    cache = subprocess.run(["uv", "cache", "dir"], capture_output=True, text=True, check=True)
    monkeypatch.setenv("UV_CACHE_DIR", cache.stdout.strip())
    lock = ROOT / "requirements" / "backend.txt"
    installer = Installer(
        plan.InstallRequest(home=home, lock=lock), ROOT / "requirements" / "uv.txt"
    )
    loop, outcome, fractions = QEventLoop(), [], []
    installer.finished.connect(lambda ok, message: (outcome.extend((ok, message)), loop.quit()))
    installer.progressed.connect(lambda fraction, _title: fractions.append(fraction))
    installer.start()
    QTimer.singleShot(TIMEOUT_MS, loop.quit)
    loop.exec()
    assert outcome, "the installation did not end"
    assert outcome[0], (home / "install.log").read_text(encoding="utf-8")[-3000:]
    assert fractions[-1] == 1.0
    report = doctor(places.installed_python(home))
    sections = {section["title"]: section for section in report["sections"]}
    assert sections["Versions"]["problems"] == []
    assert "IoU" in sections["Self-test"]["rows"]["box"]


def doctor(python: Path) -> dict:
    """What the new environment says of itself, started as the plugin starts it."""
    command = [
        str(python),
        "-I",
        "-X",
        "utf8",
        str(ROOT / "inference_backend" / "__main__.py"),
        "doctor",
        "--json",
        "--device",
        "cpu",
    ]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return json.loads(answer.stdout)


@pytest.mark.timeout(600)
def test_the_zip_loads_unloads_and_loads_in_an_empty_profile():
    scripts = ROOT / "scripts"
    python = ROOT / ".venv" / "bin" / "python"
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DISPLAY", "QT_QPA_PLATFORM")
    }
    subprocess.run([str(python), str(scripts / "zip.py")], check=True, capture_output=True)
    verified = subprocess.run(
        [str(python), str(scripts / "verify_zip.py")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert verified.stdout.count("loaded:") == 4  # two loads, two unloads
