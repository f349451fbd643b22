"""The real sets as partly labelled images, on tiny sets of the same layout and, where they lie beside the project, on the real ones."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

from inference_backend.language.ontology import LEAVES, concepts
from inference_backend.training import neon_canopy, text_sets, weak_labels
from inference_backend.training.real_sets import DUBAI_COLOURS
from inference_backend.training.text_sets import UNKNOWN, leaf_index, text_images

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
real = pytest.mark.skipif(not DATA.is_dir(), reason="the real sets are not beside the project")


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[..., ::-1] if image.ndim == 3 else image)


def grey(rows: int, columns: int, value: int = 120) -> np.ndarray:
    return np.full((rows, columns, 3), value, np.uint8)


def test_every_concept_named_is_in_the_ontology() -> None:
    known = {concept.name for concept in concepts()}
    named = {*text_sets.DUBAI_COMPLETE, *text_sets.NEVER_INLAND, *text_sets.VEHICLE_CONCEPTS}
    named |= neon_canopy.TREE_COMPLETE | weak_labels.NOWHERE_HERE
    for kind in weak_labels.PRESENT:
        named |= set(weak_labels.PRESENT[kind]) | weak_labels.absent_concepts(kind)
    assert named <= known, named - known


def test_nothing_is_both_present_and_absent() -> None:
    for kind, present in weak_labels.PRESENT.items():
        assert not set(present) & weak_labels.absent_concepts(kind), kind


def test_dubai_reads_its_painted_classes_and_holds_a_tile_out(tmp_path: Path) -> None:
    painted = np.empty((40, 50, 3), np.uint8)
    painted[:] = (155, 155, 155)
    painted[:, :10] = DUBAI_COLOURS["building"]
    painted[:, 10:20] = DUBAI_COLOURS["water"]
    painted[:, 20:30] = DUBAI_COLOURS["vegetation"]
    for tile in ("Tile 1", "Tile 8"):
        write(tmp_path / "dubai" / tile / "images" / "part.jpg", grey(40, 50))
        write(tmp_path / "dubai" / tile / "masks" / "part.png", painted)
    (image,) = text_sets.dubai(tmp_path)
    assert [LEAVES[image.leaves[5, x]] for x in (5, 15, 25)] == ["building", "water", "vegetation"]
    assert (image.leaves[:, 30:] == UNKNOWN).all()
    assert image.instance_leaf == {1: "building"}
    assert (image.instances[:, :10] == 1).all()
    (held,) = text_sets.dubai(tmp_path, held_out=True)
    assert (image.name, held.name) == ("dubai/Tile 1/part", "dubai/Tile 8/part")


def test_vehicles_have_a_body_a_rim_of_doubt_and_nothing_beyond(tmp_path: Path) -> None:
    folder = tmp_path / "cars_kit_ais"
    write(folder / "MOS1.png", grey(100, 200))
    (folder / "MOS1.txt").write_text("0 0.5 0.5 0.2 0.2\n2 0.1 0.2 0.1 0.1\n")
    (image,) = text_sets.munich_cars(tmp_path)
    car = image.instances == 1
    assert image.instance_leaf == {1: "car", 2: "bus"}
    assert (image.leaves[car] == leaf_index("car")).all()
    assert car[50, 100]
    assert 0.6 * 800 < car.sum() < 800, "most of the box of 40 by 20, but not its corners"
    assert image.leaves[40, 80] == UNKNOWN
    assert image.leaves[90, 100] == leaf_index("other")
    assert not list(text_sets.munich_cars(tmp_path, held_out=True))


def test_a_centre_line_grows_to_its_asphalt_and_no_farther(tmp_path: Path) -> None:
    rgb = grey(200, 200, 200)
    rgb[80:120] = 60
    line = np.zeros((200, 200), np.uint8)
    line[94:106] = 255
    write(tmp_path / "vegas_road" / "images" / "1.png", rgb)
    write(tmp_path / "vegas_road" / "masks" / "1.png", line)
    (image,) = text_sets.vegas_roads(tmp_path)
    road = image.leaves == leaf_index("road")
    assert road[100].all()
    assert road[86:114].mean() > 0.95
    assert not road[:78].any()
    assert not road[122:].any()
    assert (image.leaves[:50] == leaf_index("other")).all()


def test_weak_images_are_whole_where_right_and_otherwise_only_named(tmp_path: Path) -> None:
    some = (("forest", 12), ("forest", 8), ("agricultural", 21), ("harbor", 3), ("harbor", 80))
    for kind, number in some:
        write(tmp_path / "ucmerced" / kind / f"{kind}{number:02}.jpg", grey(64, 64))
    images = {image.name.split("/")[1]: image for image in weak_labels.ucmerced(tmp_path)}
    assert [i.name for i in weak_labels.ucmerced(tmp_path, held_out=True)] == ["ucmerced/harbor80"]
    assert len(images) == 4
    assert (images["forest12"].leaves == leaf_index("tree")).all()
    assert (images["forest08"].leaves == UNKNOWN).all()
    assert "tree" in images["forest08"].present
    assert (images["agricultural21"].leaves == leaf_index("orchard")).all()
    assert images["harbor03"].complete == frozenset()
    assert "boat" in images["harbor03"].present
    assert "boat" in images["forest12"].absent
    assert "boat" not in images["harbor03"].absent


def test_heights_make_trees_where_lit_and_boxed_and_leave_shadows_open() -> None:
    rgb = np.full((200, 200, 3), (60, 140, 60), np.uint8)
    rgb[:, 150:] = 20
    heights = np.zeros((200, 200), np.float32)
    heights[40:120, 40:120] = 12
    heights[40:120, 150:190] = 12
    crowns = np.array([[45.0, 45, 115, 115]])
    leaves = neon_canopy.tree_leaves(rgb, crowns, heights)
    assert leaves[80, 80] == leaf_index("tree")
    assert leaves[80, 170] == UNKNOWN, "high, but in the dark and in no box"
    assert leaves[180, 20] == leaf_index("other")
    assert leaves[80, 37] == UNKNOWN, "the edge"


def test_without_lidar_only_the_hearts_of_boxes_are_trees() -> None:
    rgb = np.full((200, 200, 3), 160, np.uint8)
    leaves = neon_canopy.tree_leaves(rgb, np.array([[50.0, 50, 110, 110]]), None)
    assert leaves[80, 80] == leaf_index("tree")
    assert leaves[52, 52] == UNKNOWN
    assert leaves[150, 150] == leaf_index("other")


def test_a_root_without_sets_yields_nothing(tmp_path: Path) -> None:
    assert not list(text_images(tmp_path))
    assert not list(text_images(tmp_path, held_out=True))


@real
def test_training_and_held_out_share_no_image() -> None:
    for make in (text_sets.munich_cars, text_sets.landslides):
        names = [{image.name for image in make(DATA, held_out)} for held_out in (False, True)]
        assert all(names), make.__name__
        assert not names[0] & names[1], make.__name__


@real
def test_images_are_well_formed() -> None:
    for image in (next(make(DATA)) for make in (text_sets.dubai, text_sets.kampala)):
        assert image.rgb.dtype == image.leaves.dtype == np.uint8
        assert image.rgb.shape[:2] == image.leaves.shape == image.instances.shape
        assert image.leaves[image.leaves != UNKNOWN].max() < len(LEAVES)
        for ident, leaf in image.instance_leaf.items():
            assert set(np.unique(image.leaves[image.instances == ident])) <= {leaf_index(leaf)}


@real
def test_canopy_lies_under_the_drawn_crowns() -> None:
    """Registration: lidar that was shifted by 5 m agrees less with the boxes than lidar in its place."""
    pytest.importorskip("laspy")
    folder = DATA / "neon_trees"
    plot = "TEAK_062"
    heights = neon_canopy.canopy_heights(
        folder / "lidar" / f"{plot}.laz", folder / "rgb" / f"{plot}.tif"
    )
    high = heights > neon_canopy.TREE_M
    boxed = np.zeros(high.shape, bool)
    for x0, y0, x1, y1 in neon_canopy.crown_boxes(folder / "annotations" / f"{plot}.xml").astype(
        int
    ):
        boxed[y0:y1, x0:x1] = True
    in_place = high[boxed].mean()
    assert in_place > 0.9
    assert all(np.roll(high, step, 0)[boxed].mean() < in_place - 0.05 for step in (-50, 50))
