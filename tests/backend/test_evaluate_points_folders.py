"""Clouds as benchmarks publish them: every point with its own label, and clear words for what is broken."""

from __future__ import annotations

from pathlib import Path

import laspy
import numpy as np
import pytest

from inference_backend.errors import InvalidInput
from inference_backend.evaluation.points_cloud import NO_CODE, LabelledCloud, codes_of
from inference_backend.evaluation.points_erase import UNLABELLED, erase
from inference_backend.evaluation.points_folder import find_clouds, guess_profile
from inference_backend.evaluation.points_pcd import open_pcd
from inference_backend.evaluation.points_ply import open_ply
from inference_backend.evaluation.points_table import open_text
from inference_backend.models.cityseg.profiles_reader import Profile
from tests.data import labelled_towns as towns


def profile_of(layout: str) -> Profile:
    return Profile.load(layout.removesuffix("_las"))


def points(cloud: LabelledCloud) -> tuple[np.ndarray, np.ndarray]:
    """Places and codes of all points, sorted by place."""
    chunks = list(cloud.chunks())
    xyz = np.concatenate([chunk.xyz for chunk in chunks])
    code = np.concatenate([chunk.code for chunk in chunks])
    order = np.lexsort(xyz.T)
    return xyz[order], code[order]


def read_all(folder: Path) -> None:
    for cloud in find_clouds(folder, Profile.load("sensaturban"))[0]:
        list(cloud.chunks())


@pytest.mark.parametrize("layout", towns.LAYOUTS)
def test_every_point_is_read_with_its_label(layout, tmp_path):
    made = towns.town()
    of = towns.write_layout(layout, tmp_path, made)
    clouds, faults = find_clouds(tmp_path, profile_of(layout))
    assert len(clouds) == 1
    assert len(faults) == (layout == "sensaturban")
    xyz, code = points(clouds[0])
    order = np.lexsort(made.xyz.T)
    assert np.abs(xyz - made.xyz[order]).max() < 1e-6
    assert np.array_equal(code, made.codes(of)[order])


@pytest.mark.parametrize("layout", ["toronto3d", "h3d", "dales", "dales_las"])
def test_intensity_keeps_its_order(layout, tmp_path):
    made = towns.town()
    towns.write_layout(layout, tmp_path, made)
    clouds, _ = find_clouds(tmp_path, profile_of(layout))
    found = np.concatenate([chunk.intensity for chunk in clouds[0].chunks()])
    order = np.argsort(made.intensity, kind="stable")
    assert (np.diff(found[order].astype(int)) >= 0).all()
    assert len(np.unique(found)) > 100


def test_unlabelled_files_are_named(tmp_path):
    towns.write_layout("sensaturban", tmp_path, towns.town())
    _, faults = find_clouds(tmp_path, Profile.load("sensaturban"))
    assert "test/cambridge_block_9.ply: it has no labels" in faults[0]


@pytest.mark.parametrize("order", ["<", ">", ""])
@pytest.mark.parametrize("before", [True, False])
def test_ply_of_every_kind(order, before, tmp_path):
    made = towns.town(per_m2=1)
    path = towns.write_ply(tmp_path / "a.ply", towns.columns(made), order, before=before)
    parts = list(open_ply(path).chunks(100))
    assert max(len(part["x"]) for part in parts) == 100
    assert np.allclose(np.concatenate([part["y"] for part in parts]), made.xyz[:, 1])
    assert np.array_equal(np.concatenate([part["blue"] for part in parts]), made.rgb[:, 2])


@pytest.mark.parametrize("ascii_", [True, False])
def test_pcd_with_packed_colours(ascii_, tmp_path):
    made = towns.town(per_m2=1)
    parts = list(open_pcd(towns.write_pcd(tmp_path / "a.pcd", made, ascii_)).chunks(100))
    assert np.allclose(np.concatenate([part["z"] for part in parts]), made.xyz[:, 2])
    assert np.array_equal(np.concatenate([part["green"] for part in parts]), made.rgb[:, 1])


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("1 2 3 7\n4 5 6 8\n", ("x", "y", "z", "class")),
        ("2\n1 2 3 7\n4 5 6 8\n", ("x", "y", "z", "class")),
        ("# x, y, z, label\n1,2,3,7\n4,5,6,8\n", ("x", "y", "z", "label")),
        ("X;Y;Z;Class\n1;2;3;7\n\n4;5;6;8", ("x", "y", "z", "class")),
        ("\ufeffx\ty\tz\tclass\r\n1\t2\t3\t7\r\n4\t5\t6\t8\r\n", ("x", "y", "z", "class")),
    ],
)
def test_text_of_every_kind(text, fields, tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode())
    found = open_text(path)
    assert found.fields == fields
    parts = list(found.chunks(1))
    assert [part["x"].tolist() for part in parts if len(part["x"])] == [[1.0], [4.0]]
    assert [part[fields[3]][0] for part in parts if len(part["x"])] == [7, 8]


def test_codes_that_are_none():
    values = np.array([0, 7, 255, -100, 256, 2.5, np.nan, np.inf])
    assert codes_of(values).tolist() == [0, 7, 255, *[NO_CODE] * 5]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.ply", b"plx\n", "does not begin with 'ply'"),
        ("a.ply", b"ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n1\n", "x, y and z"),
        ("a.ply", b"ply\nformat binary_little_endian 1.0\nelement vertex 9\nproperty float x\nproperty float y\n"
         b"property float z\nproperty uchar class\nend_header\n12", "fewer than its 9"),
        ("a.ply", b"ply\nformat ascii 1.0\nelement vertex 2\nproperty float x\nproperty float y\nproperty float z\n"
         b"property uchar class\nend_header\n1 2 3 4\n", "fewer than its 2"),
        ("a.ply", b"ply\nformat binary_little_endian 1.0\nelement vertex 1\nproperty list uchar int x\nend_header\n", "not known"),
        ("a.ply", b"ply\n" + b"comment x\n" * 2000, "no end"),
        ("a.ply", b"\x00" * 50, "does not begin"),
        ("a.txt", b"hello\nworld\n", "no line that names"),
        ("a.txt", b"1 2 3 4\n5 6 7\n", "no row of numbers"),
        ("a.txt", b"1 2 3 4\nnan 1 2 3\n", "no numbers"),
        ("a.txt", b"", "no line that names"),
        ("a.pcd", b"FIELDS x y z\n", "no PCD"),
        ("a.pcd", b"FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nPOINTS 3\nDATA binary_compressed\n", "compressed PCD"),
        ("a.las", b"LASF", "a.las"),
    ],
)  # fmt: skip
def test_broken_files_are_said(name, content, told, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput) as caught:
        read_all(tmp_path)
    assert told in caught.value.user_message


def test_broken_folders_are_said(tmp_path):
    profile = Profile.load("dales")
    with pytest.raises(InvalidInput, match="is not a folder"):
        find_clouds(tmp_path / "none", profile)
    with pytest.raises(InvalidInput, match="no point cloud"):
        find_clouds(tmp_path, profile)
    towns.write_layout("dales", tmp_path, towns.town(per_m2=1))
    assert len(find_clouds(tmp_path, profile, "test")[0]) == 1
    with pytest.raises(InvalidInput, match="no point cloud of 'train'"):
        find_clouds(tmp_path, profile, "train")


def test_labels_beside_that_do_not_fit_are_said(tmp_path):
    made = towns.town(per_m2=1)
    towns.write_layout("campus3d", tmp_path, made)
    beside = tmp_path / "FOE" / "FOElabel14.npy"
    np.save(beside, np.ones(3))
    with pytest.raises(InvalidInput, match="3 labels for"):
        find_clouds(tmp_path, Profile.load("campus3d"))
    np.save(beside, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InvalidInput, match="no array of labels"):
        find_clouds(tmp_path, Profile.load("campus3d"))
    beside.unlink()
    with pytest.raises(InvalidInput, match="no 'FOElabel14.npy'"):
        find_clouds(tmp_path, Profile.load("campus3d"))


def test_no_class_in_any_name_is_said(tmp_path):
    towns.write_ply(tmp_path / "scene" / "points.ply", towns.columns(towns.town(per_m2=1)))
    with pytest.raises(InvalidInput, match="named by a class"):
        find_clouds(tmp_path, Profile.load("swiss3dcities"))


def test_the_profile_is_guessed_from_the_clouds(tmp_path):
    made = towns.town(per_m2=1)
    towns.write_layout("generated", tmp_path / "a", made)
    towns.write_layout("dales_las", tmp_path / "b", made)
    towns.write_layout("dales", tmp_path / "c", made)
    assert guess_profile(tmp_path / "a") == "generated"
    assert guess_profile(tmp_path / "b") == "asprs"
    with pytest.raises(InvalidInput, match="--profile"):
        guess_profile(tmp_path / "c")


@pytest.mark.parametrize("layout", ["generated", "fractal", "toronto3d"])
def test_nothing_of_the_labels_is_left_for_the_model(layout, tmp_path):
    made = towns.town()
    of = towns.write_layout(layout, tmp_path / "set", made)
    clouds, _ = find_clouds(tmp_path / "set", profile_of(layout))
    erased = erase(clouds[0], tmp_path / "erased.las")
    with laspy.open(erased.path) as file:
        las = file.read()
        crs = file.header.parse_crs()
    assert not np.asarray(las.classification).any()
    assert not list(las.point_format.extra_dimension_names)
    assert np.abs(np.stack([las.x, las.y, las.z], 1) - made.xyz).max() < 0.001
    assert np.array_equal(erased.truth, made.codes(of) + 1)
    assert (erased.truth != UNLABELLED).all()
    assert (crs is not None) == (layout == "fractal")
    if layout == "fractal":
        assert np.array_equal(las.intensity, made.intensity)
