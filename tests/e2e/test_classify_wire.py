"""`classify` through the plugin's client and the real process: a cloud in, a cloud out; progress, cancel, faults, a crash."""

from __future__ import annotations

import os
import shlex
import signal
import struct
import subprocess
import time
from pathlib import Path

import pytest
from qgis.PyQt.QtCore import QCoreApplication, QEventLoop, QTimer

from cityseg_qgis.core.cloud_answer import read_cloud_answer
from cityseg_qgis.errors import BackendFailed, RequestCancelled
from cityseg_qgis.protocol import codes
from cityseg_qgis.worker.client import READY, BackendClient
from cityseg_qgis.worker.interpreter import backend_command

ROOT = Path(__file__).resolve().parents[2]
PYTHON = os.environ.get("CITYSEG_PYTHON") or str(ROOT / ".venv" / "bin" / "python")
BACKEND = ROOT / "tests" / "workers" / "cloud_backend.py"
PATIENCE_S = 120
_MAKE = """
import sys
from pathlib import Path
from tests.data.block_town import make_town, write_town
write_town(Path(sys.argv[1]), make_town(80.0, 4.0))
"""


def wait_until(condition) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        loop = QEventLoop()
        QTimer.singleShot(10, loop.quit)
        loop.exec()


class Talk:
    """A client of the process with the rules, and what it said."""

    def __init__(self) -> None:
        command = f"{shlex.quote(PYTHON)} -I {shlex.quote(str(BACKEND))}"
        environ = {k: v for k, v in os.environ.items() if k != "CITYSEG_PYTHON"}
        self.client = BackendClient(lambda: backend_command(command=command, environ=environ))
        self.answers, self.failures, self.told = {}, {}, []
        self.client.answered.connect(lambda i, result, parts: self.answers.update({i: result}))
        self.client.failed.connect(lambda i, error: self.failures.update({i: error}))
        self.client.progressed.connect(lambda *said: self.told.append(said))

    def ended(self, request_id: int):
        """The result, or the error."""
        wait_until(lambda: request_id in self.answers or request_id in self.failures)
        return self.answers.get(request_id) or self.failures[request_id]

    def ready(self) -> int:
        self.client.start()
        wait_until(lambda: self.client.state == READY)
        return self.client.backend.pid


@pytest.fixture
def gate(tmp_path, monkeypatch) -> Path:
    path = tmp_path / "gate"
    monkeypatch.setenv("CLOUD_GATE", str(path))
    monkeypatch.setenv("CITYSEG_HOME", str(tmp_path / "home"))
    return path


@pytest.fixture
def talk(qgis_app, gate):
    one = Talk()
    yield one
    gate.touch()
    one.client.shutdown()
    one.client.deleteLater()
    QCoreApplication.processEvents()


@pytest.fixture(scope="module")
def town(tmp_path_factory) -> Path:
    """QGIS's Python has no laspy: the backend's writes the cloud."""
    path = tmp_path_factory.mktemp("town") / "Häuser.las"
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    subprocess.run([PYTHON, "-c", _MAKE, str(path)], cwd=ROOT, env=environ, check=True)
    return path


def points_in(path: Path) -> int:
    """The number of points that a LAS 1.4 header states."""
    return struct.unpack_from("<Q", path.read_bytes(), 247)[0]


def test_a_cloud_becomes_a_classified_one(talk, gate, town, tmp_path):
    gate.touch()
    params = {"source": str(town), "out": str(tmp_path / "out.las")}
    result = talk.ended(talk.client.request(codes.CLASSIFY, params))
    answer = read_cloud_answer(result)
    assert answer.count == points_in(town) == points_in(tmp_path / "out.las")
    assert {found.code for found in answer.classes} >= {2, 5, 6}
    assert sum(found.count for found in answer.classes) == answer.count
    assert "% terrain" in answer.sentence
    assert any("Classifying" in message for *_, message in talk.told)


def test_an_ept_comes_back_as_qgis_opens_it(talk, gate, town, tmp_path):
    gate.touch()
    params = {"source": str(town), "out": str(tmp_path / "cloud"), "classes": ["building"]}
    answer = read_cloud_answer(talk.ended(talk.client.request(codes.CLASSIFY, params)))
    assert answer.kind == "ept"
    assert (tmp_path / "cloud" / "ept.json").is_file()
    assert [found.name for found in answer.classes if found.code == 6] == ["building"]


def test_a_cancel_in_the_middle_leaves_nothing_and_the_process_lives_on(talk, gate, town, tmp_path):
    pid = talk.ready()
    folder = tmp_path / "to"
    folder.mkdir()
    params = {"source": str(town), "out": str(folder / "out.las")}
    asked = talk.client.request(codes.CLASSIFY, params)
    wait_until(lambda: any("Classifying" in message for *_, message in talk.told))
    talk.client.cancel(asked)
    assert isinstance(talk.ended(asked), RequestCancelled)
    # The client does not wait for the process to tidy up.
    wait_until(lambda: not list(folder.iterdir()))
    gate.touch()
    assert talk.ended(talk.client.request(codes.CLASSIFY, params))["count"] == points_in(town)
    assert talk.client.backend.pid == pid


def test_a_broken_cloud_is_one_sentence(talk, gate, town, tmp_path):
    gate.touch()
    broken = tmp_path / "broken.las"
    broken.write_bytes(town.read_bytes()[:5000])
    params = {"source": str(broken), "out": str(tmp_path / "out.las")}
    error = talk.ended(talk.client.request(codes.CLASSIFY, params))
    assert isinstance(error, BackendFailed)
    assert error.code == codes.INVALID_INPUT
    assert "broken.las" in error.user_message
    assert not (tmp_path / "out.las").exists()


def test_a_process_killed_in_the_middle_starts_over(talk, gate, town, tmp_path):
    pid = talk.ready()
    params = {"source": str(town), "out": str(tmp_path / "out.las")}
    asked = talk.client.request(codes.CLASSIFY, params)
    wait_until(lambda: any("Classifying" in message for *_, message in talk.told))
    os.kill(pid, signal.SIGKILL)
    gate.touch()
    assert talk.ended(asked)["count"] == points_in(town)
    assert talk.client.backend.pid != pid
