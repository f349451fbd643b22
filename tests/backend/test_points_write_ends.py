"""However a write ends, the source is untouched and the target is the old result or the whole new one."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from pathlib import Path

import laspy
import numpy as np
import pytest

from inference_backend.cancel import CancelToken
from inference_backend.errors import Cancelled, InvalidInput, ResourceProblem
from inference_backend.points import writing
from inference_backend.points.open import open_cloud
from inference_backend.points.write import write_cloud
from tests.data.classified_clouds import LABELS, make_results, read_ept
from tests.data.clouds import make_las
from tests.data.small_disk import mounted

FORMATS = ("o.las", "o.laz", "o.copc.laz", "town")
COUNT = 30_000


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "s.laz"
    make_las(path, 7, "1.4", count=COUNT)
    return path


@pytest.fixture
def results(tmp_path):
    with make_results(COUNT, tmp_path / "results") as made:
        yield made


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its place."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("moment", [0.0, 0.3, 0.7, 1.0])
def test_a_cancelled_write_leaves_what_was_there(tmp_path, source, results, name, moment):
    with open_cloud(source) as cloud:
        write_cloud(cloud, tmp_path / name, results, LABELS, bounds_source=HALF)
    before = tree(tmp_path)
    cancel = CancelToken()

    def told(fraction: float) -> None:
        if fraction >= moment:
            cancel.cancel()

    if moment == 0.0:
        cancel.cancel()
    with open_cloud(source) as cloud, pytest.raises(Cancelled):
        write_cloud(cloud, tmp_path / name, results, LABELS, cancel=cancel, progress=told)
    assert tree(tmp_path) == before


HALF = (770_500.0, 6_277_500.0, 770_550.0, 6_277_600.0)


@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_source_leaves_what_was_there(tmp_path, results, name):
    whole = tmp_path / "s.las"
    las = make_las(whole, 7, "1.4", count=COUNT)
    with open_cloud(whole) as cloud:
        write_cloud(cloud, tmp_path / name, results, LABELS)
        before = tree(tmp_path)
        # Far outside the bounds that were looked at when the file was opened.
        raw = bytearray(whole.read_bytes())
        at = las.header.offset_to_point_data + (COUNT - 100) * las.header.point_format.size
        raw[at : at + 4] = (2_000_000_000).to_bytes(4, "little")
        whole.write_bytes(raw)
        before["s.las"] = bytes(raw)
        with pytest.raises(InvalidInput):
            write_cloud(cloud, tmp_path / name, results, LABELS)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", FORMATS)
def test_a_result_takes_the_place_of_an_older_one(tmp_path, source, results, name):
    with open_cloud(source) as cloud:
        write_cloud(cloud, tmp_path / name, results, LABELS, bounds_source=HALF)
        some = counted(tmp_path / name)
        write_cloud(cloud, tmp_path / name, results, LABELS)
    assert 0 < some < COUNT
    assert counted(tmp_path / name) == COUNT
    assert {path.name for path in tmp_path.iterdir()} == {"s.laz", "results", name}


def counted(path: Path) -> int:
    return len(read_ept(path).points) if path.is_dir() else len(laspy.read(path))


def other_names(source: Path) -> list[Path]:
    """The same file by a link, a hard link, and a path with a detour."""
    folder = source.parent
    (folder / "link.laz").symlink_to(source)
    os.link(source, folder / "hard.laz")
    (folder / "sub").mkdir()
    return [source, folder / "link.laz", folder / "hard.laz", folder / "sub" / ".." / source.name]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_the_source_is_never_written(tmp_path, source, results):
    before = source.read_bytes()
    with open_cloud(source) as cloud:
        for path in other_names(source):
            with pytest.raises(InvalidInput, match="would be lost; give the result another name"):
                write_cloud(cloud, path, results, LABELS)
    assert source.read_bytes() == before


def test_an_ept_is_never_written_over_nor_into_itself(tmp_path, source, results):
    with open_cloud(source) as cloud:
        write_cloud(cloud, tmp_path / "town", results, LABELS)
    before = tree(tmp_path / "town")
    with open_cloud(tmp_path / "town" / "ept.json") as cloud:
        for out in ("town", "town/ept.json", "town/o.laz", "town/ept-data/0-0-0-0.laz"):
            with pytest.raises(InvalidInput, match="would be lost"):
                write_cloud(cloud, tmp_path / out, results, LABELS)
    assert tree(tmp_path / "town") == before


def test_a_folder_around_the_source_is_never_replaced(tmp_path, results):
    (tmp_path / "inputs").mkdir()
    make_las(tmp_path / "inputs" / "s.laz", 7, "1.4", count=COUNT)
    (tmp_path / "inputs" / "ept.json").write_text('{"schema": [], "dataType": "binary"}')
    with (
        open_cloud(tmp_path / "inputs" / "s.laz") as cloud,
        pytest.raises(InvalidInput, match="would be lost"),
    ):
        write_cloud(cloud, tmp_path / "inputs", results, LABELS)
    assert (tmp_path / "inputs" / "s.laz").exists()


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"thesis.odt": "years"}, "holds other things than an EPT"),
        ({"ept.json": "{}"}, "holds other things than an EPT"),
        ({"ept.json": "no json"}, "holds other things than an EPT"),
        (
            {"ept.json": '{"schema": [], "dataType": "laszip"}', "notes.txt": "n"},
            "also holds 'notes.txt', which would be lost",
        ),
    ],
)
def test_a_folder_of_something_else_is_kept(tmp_path, source, results, files, sentence):
    folder = tmp_path / "town"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    with open_cloud(source) as cloud, pytest.raises(InvalidInput, match=sentence):
        write_cloud(cloud, folder, results, LABELS)
    assert {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()} == files


def test_an_empty_folder_and_an_ept_of_another_program_may_be_replaced(tmp_path, source, results):
    (tmp_path / "town").mkdir()
    (tmp_path / "other").mkdir()
    old = json.dumps({"schema": [], "dataType": "laszip"})
    (tmp_path / "other" / "ept.json").write_text(old, encoding="utf-8")
    (tmp_path / "other" / "ept-data").mkdir()
    with open_cloud(source) as cloud:
        for name in ("town", "other"):
            write_cloud(cloud, tmp_path / name, results, LABELS)
            assert counted(tmp_path / name) == COUNT


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("o.xyz", "no known format; end its name with .las, .laz"),
        ("missing/o.laz", "does not exist; make it or choose another"),
        ("missing/town", "does not exist; make it or choose another"),
    ],
)
def test_a_name_that_cannot_be_written_is_said_before_any_work(
    tmp_path, source, results, name, sentence
):
    with open_cloud(source) as cloud, pytest.raises(InvalidInput, match=sentence):
        write_cloud(cloud, tmp_path / name, results, LABELS, progress=pytest.fail)
    assert {path.name for path in tmp_path.iterdir()} == {"s.laz", "results"}


def test_a_file_named_like_a_folder_is_kept(tmp_path, source, results):
    (tmp_path / "town").write_text("mine", encoding="utf-8")
    with open_cloud(source) as cloud, pytest.raises(InvalidInput, match="is no folder"):
        write_cloud(cloud, tmp_path / "town", results, LABELS)
    assert (tmp_path / "town").read_text(encoding="utf-8") == "mine"


def test_results_of_another_cloud_are_refused(tmp_path, source):
    with (
        make_results(7, tmp_path / "r") as few,
        open_cloud(source) as cloud,
        pytest.raises(InvalidInput, match="results of 7 points"),
    ):
        write_cloud(cloud, tmp_path / "o.laz", few, LABELS)


@pytest.mark.parametrize("name", FORMATS)
def test_a_disk_without_room_is_said_before_any_work(tmp_path, source, results, name):
    with mounted(tmp_path / "disk", "300k") as disk, open_cloud(source) as cloud:
        with pytest.raises(ResourceProblem, match=r"needs about 1 MB and its disk has .* free"):
            write_cloud(cloud, disk / name, results, LABELS, progress=pytest.fail)
        assert list(disk.iterdir()) == []


@pytest.mark.parametrize("name", FORMATS)
def test_a_disk_that_fills_up_on_the_way_leaves_what_was_there(
    tmp_path, source, results, name, monkeypatch
):
    monkeypatch.setattr(writing, "_CHUNK_POINTS", 5000)
    with mounted(tmp_path / "disk", "8m") as disk, open_cloud(source) as cloud:
        write_cloud(cloud, disk / name, results, LABELS, bounds_source=HALF)
        before = tree(disk)
        with pytest.raises(ResourceProblem, match="is full; free some space or choose another"):
            write_cloud(
                cloud, disk / name, results, LABELS, progress=lambda fraction: fill(disk / "other")
            )
        (disk / "other").unlink()
        assert tree(disk) == before


def fill(path: Path) -> None:
    """Another program takes what is left of the disk."""
    with contextlib.suppress(OSError), path.open("ab", buffering=0) as stream:
        while stream.write(bytes(4096)) == 4096:
            pass


def test_the_array_of_results_says_when_the_disk_is_full(tmp_path):
    with (
        mounted(tmp_path / "disk", "200k") as disk,
        pytest.raises(ResourceProblem, match="need 3 MB in .* and the disk does not take them"),
    ):
        make_results(1_000_000, disk / "results")


def test_results_are_kept_by_place(tmp_path):
    with make_results(100, tmp_path / "results") as results:
        some = np.array([5, 3, 99])
        results.set(some, np.array([6, 2, 9]), 127, np.array([1, 2, 3]))
        found = results.slice(np.array([99, 5]))
        assert (found.code.tolist(), found.conf.tolist()) == ([9, 6], [127, 127])
        assert found.label.tolist() == [3, 1]
        assert results.slice(np.arange(2, 6)).code.tolist() == results.code[2:6].tolist()
        assert results.hag is None
    shutil.rmtree(tmp_path / "results")
