"""The installer in QGIS: real uv, real processes, real environments; the packages are tiny wheels made here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from qgis.PyQt.QtCore import QEventLoop, QProcess, QTimer

from cityseg_qgis.errors import CitySegError
from cityseg_qgis.worker.installer import places, plan, requirements
from cityseg_qgis.worker.installer.install import CANCELLED, Installer, process_environment
from cityseg_qgis.worker.installer.lock import InstallBusy, InstallLock
from cityseg_qgis.worker.installer.steps import StepRunner
from tests.qgis.install_wheels import ROOT, make_program_wheel, make_wheel, uv_folder

TIMEOUT_MS = 120_000
MODULE = "cityseg_test_module"


@pytest.fixture(autouse=True)
def roomy(monkeypatch, tmp_path):
    """uv on the PATH as `make env` found it, with a cache of its own; and tiny packages need no gigabytes."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("PATH", os.pathsep.join([uv_folder(), os.environ["PATH"]]))
    monkeypatch.setattr(requirements, "room_bytes", lambda build, platform=sys.platform: 1_000_000)


@pytest.fixture
def wheels(tmp_path) -> Path:
    return tmp_path / "folder of wheels"


@pytest.fixture
def lock(tmp_path, wheels) -> Path:
    path = tmp_path / "plugin" / "requirements" / "backend.txt"
    path.parent.mkdir(parents=True)
    path.write_text(
        make_wheel(wheels, MODULE, "1.2.3", "__version__ = '1.2.3'\n"), encoding="utf-8"
    )
    return path


def request(home: Path, lock: Path, wheels: Path, **changes) -> plan.InstallRequest:
    fields = {
        "home": home,
        "lock": lock,
        "wheels": wheels,
        "modules": (MODULE,),
        "base_python": "/usr/bin/python3",
    }
    return plan.InstallRequest(**{**fields, **changes})


def run(installer: Installer) -> tuple[bool, str, list[str]]:
    """Run to the end; (ok, message, the titles that were shown)."""
    loop, outcome, titles = QEventLoop(), [], []
    installer.finished.connect(lambda ok, message: (outcome.extend((ok, message)), loop.quit()))
    installer.progressed.connect(lambda _fraction, title: titles.append(title))
    installer.start()
    if not outcome:
        QTimer.singleShot(TIMEOUT_MS, loop.quit)
        loop.exec()
    assert outcome, f"the installation did not end; last: {titles[-1:]}"
    return outcome[0], outcome[1], titles


def install(home: Path, lock: Path, wheels: Path, **changes) -> tuple[bool, str, list[str]]:
    return run(Installer(request(home, lock, wheels, **changes), ROOT / "requirements" / "uv.txt"))


def version_in(python: Path) -> str:
    answer = subprocess.run(
        [str(python), "-I", "-c", f"import {MODULE}, sys; print({MODULE}.__version__, sys.prefix != sys.base_prefix)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return answer.stdout.strip()


def test_an_environment_is_installed_from_a_folder_of_wheels(tmp_path, lock, wheels):
    home = tmp_path / "data home ü"
    ok, message, titles = install(home, lock, wheels)
    assert ok, (home / "install.log").read_text(encoding="utf-8")
    assert "installed" in message
    assert titles[-1] == "Done"
    assert version_in(places.installed_python(home)) == "1.2.3 True"
    assert places.leftovers(home) == []
    assert "uv" in (home / "install.log").read_text(encoding="utf-8")


def test_what_a_pinned_package_asks_for_beyond_the_pins_is_left_out(tmp_path, lock, wheels):
    line = make_wheel(wheels, MODULE, "1.4.0", "__version__ = '1.4.0'\n", "not-in-the-pins>=2")
    lock.write_text(line, encoding="utf-8")
    home = tmp_path / "home"
    ok, _, _ = install(home, lock, wheels)
    assert ok, (home / "install.log").read_text(encoding="utf-8")
    assert version_in(places.installed_python(home)) == "1.4.0 True"


def test_qgis_own_python_is_not_touched(tmp_path, lock, wheels):
    before = (list(sys.path), sorted(Path("/usr/lib/python3/dist-packages").iterdir()))
    install(tmp_path / "home", lock, wheels)
    assert (list(sys.path), sorted(Path("/usr/lib/python3/dist-packages").iterdir())) == before
    assert (
        subprocess.run(
            ["/usr/bin/python3", "-c", f"import {MODULE}"], capture_output=True, check=False
        ).returncode
        != 0
    )


def test_qgis_variables_do_not_reach_the_installation(tmp_path, lock, wheels, monkeypatch):
    for name in ("PYTHONHOME", "PYTHONPATH", "PYTHONEXECUTABLE", "VIRTUAL_ENV", "PIP_TARGET"):
        monkeypatch.setenv(name, "/nonexistent")
    home = tmp_path / "home"
    ok, message, _ = install(home, lock, wheels)
    assert ok, message
    environment = process_environment()
    assert not environment.contains("PYTHONEXECUTABLE")
    assert not environment.contains("PYTHONHOME")


def test_a_second_installation_stands_beside_the_first_and_the_third_sweeps(tmp_path, lock, wheels):
    home = tmp_path / "home"
    install(home, lock, wheels)
    first = places.installed_python(home)
    lock.write_text(
        make_wheel(wheels, MODULE, "1.3.0", "__version__ = '1.3.0'\n"), encoding="utf-8"
    )
    ok, message, _ = install(home, lock, wheels)
    assert ok, message
    second = places.installed_python(home)
    assert first != second
    assert version_in(first) == "1.2.3 True"  # a window that still runs it goes on
    assert version_in(second) == "1.3.0 True"
    install(home, lock, wheels)
    assert not first.exists()


def test_a_wrong_hash_is_refused_and_what_worked_still_works(tmp_path, lock, wheels):
    home = tmp_path / "home"
    install(home, lock, wheels)
    before = places.installed_python(home)
    lock.write_text(
        make_wheel(wheels, MODULE, "1.3.0", "__version__ = '1.3.0'\n"), encoding="utf-8"
    )
    make_wheel(wheels, MODULE, "1.3.0", "__version__ = 'tampered'\n")
    ok, message, _ = install(home, lock, wheels)
    assert (ok, "hash" in message) == (False, True), message
    assert places.installed_python(home) == before
    assert version_in(before) == "1.2.3 True"
    assert places.leftovers(home) == []


def test_a_missing_wheel_is_named_as_such(tmp_path, lock, wheels):
    next(wheels.glob("*.whl")).unlink()
    ok, message, _ = install(tmp_path / "home", lock, wheels)
    assert not ok
    assert "package was not found" in message, message
    assert places.installed_python(tmp_path / "home") is None
    assert places.leftovers(tmp_path / "home") == []


def test_an_environment_that_does_not_import_is_not_adopted(tmp_path, lock, wheels):
    lock.write_text(
        make_wheel(wheels, MODULE, "2.0", "raise ImportError('No space left on device')\n"),
        encoding="utf-8",
    )
    ok, message, _ = install(tmp_path / "home", lock, wheels)
    assert (ok, "disk is full" in message) == (False, True), message
    assert places.installed_python(tmp_path / "home") is None


@pytest.mark.parametrize(
    "phase",
    [
        "Removing what an earlier installation left",
        "Making the environment",
        "Installing packages",
        "Trying the environment",
    ],
)
def test_a_cancel_in_any_phase_leaves_nothing_behind(tmp_path, lock, wheels, phase):
    home = tmp_path / "home"
    installer = Installer(request(home, lock, wheels), ROOT / "requirements" / "uv.txt")
    installer.progressed.connect(
        lambda _fraction, title: installer.cancel() if title == phase else None
    )
    ok, message, titles = run(installer)
    assert (ok, message) == (False, CANCELLED)
    assert phase in titles
    assert places.installed_python(home) is None
    assert places.leftovers(home) == []
    InstallLock(home).acquire()  # given back


def test_uv_is_fetched_with_pip_where_there_is_none(tmp_path, lock, wheels, monkeypatch):
    requirement = make_program_wheel(wheels, "uv", "0.13.9", Path(uv_folder()) / "uv")
    uv_lock = lock.with_name("uv.txt")
    uv_lock.write_text(requirement, encoding="utf-8")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    home = tmp_path / "home"
    ok, message, titles = run(Installer(request(home, lock, wheels), uv_lock))
    assert ok, (home / "install.log").read_text(encoding="utf-8")
    assert "Fetching the installer (uv)" in titles
    assert version_in(places.installed_python(home)) == "1.2.3 True"


def test_without_uv_and_without_its_wheel_the_reason_is_said(tmp_path, lock, wheels, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    ok, message, _ = install(tmp_path / "home", lock, wheels)
    assert not ok
    assert "folder of wheels" in message, message


def test_too_little_room_is_said_before_anything_is_made(tmp_path, lock, wheels, monkeypatch):
    monkeypatch.setattr(requirements, "room_bytes", lambda build, platform=sys.platform: 10**18)
    with pytest.raises(CitySegError, match="GB free"):
        install(tmp_path / "home", lock, wheels)
    assert not places.envs_dir(tmp_path / "home").exists()
    InstallLock(tmp_path / "home").acquire()


def test_a_home_that_cannot_be_made_is_said(tmp_path, lock, wheels):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(CitySegError, match="CITYSEG_HOME"):
        install(tmp_path / "file" / "home", lock, wheels)


def test_two_installations_do_not_meet(tmp_path, lock, wheels):
    home = tmp_path / "home"
    other = holder_of_lock(home)
    with pytest.raises(InstallBusy, match=str(other.processId())):
        install(home, lock, wheels)
    other.kill()
    other.waitForFinished()
    ok, message, _ = install(home, lock, wheels)  # left by a dead process: taken over
    assert ok, message


def holder_of_lock(home: Path) -> QProcess:
    """Another process that holds the lock and never lets go."""
    home.mkdir(parents=True, exist_ok=True)
    code = (
        "import sys, time; from qgis.PyQt.QtCore import QLockFile; lock = QLockFile(sys.argv[1]); "
        "lock.setStaleLockTime(0); print(lock.tryLock(0), flush=True); time.sleep(600)"
    )
    process = QProcess()
    process.start(sys.executable, ["-c", code, str(places.lock_path(home))])
    assert process.waitForReadyRead(30_000)
    assert b"True" in bytes(process.readAllStandardOutput())
    return process


def run_step(
    runner: StepRunner, argv: tuple[str, ...], tmp_path: Path, expected_bytes: int = 0
) -> tuple[bool, str]:
    loop, outcome = QEventLoop(), []
    runner.finished.connect(lambda ok, output: (outcome.append((ok, output)), loop.quit()))
    runner.start(plan.Step("A step", argv, tmp_path, 1.0), expected_bytes)
    if not outcome:
        QTimer.singleShot(TIMEOUT_MS, loop.quit)
        loop.exec()
    assert len(outcome) == 1
    return outcome[0]


def test_silence_is_a_stall_and_ends_the_step(tmp_path):
    runner = StepRunner(process_environment())
    runner.stall_s = 2
    ok, _ = run_step(runner, ("/usr/bin/python3", "-c", "import time; time.sleep(600)"), tmp_path)
    assert not ok
    assert runner.stalled


def test_a_talking_step_never_stalls(tmp_path):
    runner = StepRunner(process_environment())
    runner.stall_s = 2
    code = "import time\nfor i in range(8):\n    print(i, flush=True)\n    time.sleep(0.5)"
    ok, output = run_step(runner, ("/usr/bin/python3", "-c", code), tmp_path)
    assert ok
    assert output.split() == [str(i) for i in range(8)]


def test_a_program_that_is_not_there_ends_the_step(tmp_path):
    ok, output = run_step(
        StepRunner(process_environment()), (str(tmp_path / "no-such-program"),), tmp_path
    )
    assert not ok
    assert "no-such-program" in output


def test_output_that_is_not_utf8_is_shown_all_the_same(tmp_path):
    code = "import sys; sys.stdout.buffer.write(b'caf\\xe9\\r\\nnext\\n')"
    ok, output = run_step(
        StepRunner(process_environment()), ("/usr/bin/python3", "-c", code), tmp_path
    )
    assert ok
    assert output.splitlines()[1] == "next"


def test_downloads_lie_on_the_disk_of_the_environment(tmp_path, lock, wheels, monkeypatch):
    monkeypatch.delenv("UV_CACHE_DIR")
    home = tmp_path / "home"
    ok, message, _ = install(home, lock, wheels)
    assert ok, message
    assert any(places.uv_cache_dir(home).iterdir())


def test_bytes_on_the_disk_keep_a_silent_step_alive(tmp_path):
    runner = StepRunner(process_environment())
    runner.stall_s = 2
    code = (
        "import os, time\n"
        "with open('growing', 'wb') as file:\n"
        "    for _ in range(10):\n"
        "        file.write(os.urandom(1 << 20)); file.flush(); os.fsync(file.fileno()); time.sleep(0.5)\n"
    )
    ok, _ = run_step(runner, ("/usr/bin/python3", "-c", code), tmp_path, expected_bytes=10 << 20)
    assert ok
    assert not runner.stalled
