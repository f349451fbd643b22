"""What a killed process leaves beside a target is swept by the next one; what a living one writes is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from shapely.geometry import box

from inference_backend.vector.drafts import draft_folder
from inference_backend.vector.write import write_features
from tests.data.rasters import UTM_GRID, two_roofs, write_tif

ROOT = Path(__file__).resolve().parents[2]
WRITER = """
import sys, time
from pathlib import Path
from inference_backend.vector.write import replacing
with replacing(Path(sys.argv[1])) as draft:
    draft.write_bytes(b"half of it")
    print("writing", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def writer(tmp_path):
    """Another process in the middle of a write."""
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "o.gpkg")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "writing\n"
    yield child
    child.kill()
    child.communicate()


def age(folder: Path) -> None:
    """As if it had been made an hour ago."""
    for lock in folder.glob(".cityseg-*/.lock"):
        os.utime(lock, (time.time() - 3600,) * 2)


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".cityseg-")]


def write(folder: Path) -> None:
    write_features(folder / "other.gpkg", [(box(0, 0, 1, 1), {"object": 1})], None)


def test_the_folder_of_a_killed_process_goes_with_the_next_write(tmp_path, writer):
    writer.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
    writer.wait(timeout=60)
    assert len(hidden(tmp_path)) == 1
    write(tmp_path)
    assert len(hidden(tmp_path)) == 1, "younger than a minute: its maker may not have locked it yet"
    age(tmp_path)
    write(tmp_path)
    assert hidden(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == ["other.gpkg"]


def test_the_folder_of_a_living_process_stays_however_old(tmp_path, writer):
    age(tmp_path)
    write(tmp_path)
    assert len(hidden(tmp_path)) == 1
    assert writer.poll() is None


def test_what_the_user_called_so_is_left_alone(tmp_path):
    (tmp_path / ".cityseg-mine").mkdir()
    write_tif(tmp_path / ".cityseg-mine" / "a.tif", two_roofs(), UTM_GRID)
    write(tmp_path)
    assert (tmp_path / ".cityseg-mine" / "a.tif").exists()


def test_a_draft_is_gone_after_success_and_after_failure(tmp_path):
    with draft_folder(tmp_path) as folder:
        assert folder.parent == tmp_path
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path)
    assert list(tmp_path.iterdir()) == []


def interrupted(folder: Path) -> None:
    with draft_folder(folder) as draft:
        (draft / "part").write_text("half")
        raise KeyboardInterrupt
