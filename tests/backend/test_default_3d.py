"""The cloud weights that ship: on a city and a survey that training never saw, through the job that users run."""

from __future__ import annotations

from pathlib import Path

import laspy
import numpy as np
import pytest

from inference_backend.classify_job import run_classify_job
from inference_backend.classify_request import ClassifyJob
from inference_backend.models.cityseg.label_graph import label_graph
from inference_backend.training.clouds.dataset import TEST_SEED, write_laz
from inference_backend.training.clouds.scan import LabelledCloud, make_cloud

AMSTERDAM = (
    Path(__file__).resolve().parents[2].parent / "shared" / "data" / "lidar" / "amsterdam" / "ahn"
)
GRAPH = label_graph()


def iou(found: np.ndarray, truth: np.ndarray) -> float:
    return float((found & truth).sum() / max((found | truth).sum(), 1))


def classified(source: Path, out: Path, **options) -> tuple[laspy.LasData, dict]:
    answer = run_classify_job(
        ClassifyJob.from_json({"source": str(source), "out": str(out), **options})
    )
    return laspy.read(out), answer


def erased(path: Path, target: Path, share: float = 1.0) -> tuple[Path, np.ndarray]:
    """A copy without classes and with a share of the points, and the classes that it had."""
    las = laspy.read(path)
    las.points = las.points[np.random.default_rng(0).random(len(las)) < share]
    truth = np.array(las.classification)
    las.classification[:] = 0
    las.write(target)
    return target, truth


@pytest.fixture(scope="module")
def city() -> LabelledCloud:
    return make_cloud(TEST_SEED + 33, platform="als", density=12.0, kind="suburb")


@pytest.fixture(scope="module")
def answered(city, tmp_path_factory) -> tuple[laspy.LasData, dict]:
    folder = tmp_path_factory.mktemp("city")
    write_laz(city, folder / "city.laz")
    source, _ = erased(folder / "city.laz", folder / "plain.laz")
    return classified(source, folder / "out.laz")


def group(city: LabelledCloud, name: str) -> np.ndarray:
    return GRAPH.descendants[GRAPH.index(name)][city.leaf]


def test_a_city_that_training_never_saw(city, answered):
    code = np.asarray(answered[0].classification)
    assert iou(code == 2, group(city, "terrain")) > 0.75
    assert iou(code == 6, group(city, "building")) > 0.6
    # Grass of a hand's height is ground to a laser: trees are what can be told.
    assert iou(code == 5, group(city, "tree")) > 0.5


def test_confidence_is_honest_about_groups(city, answered):
    """Points that are said to be surer are right more often."""
    las = answered[0]
    tops = np.array([GRAPH.path(name)[0] for name in GRAPH.leaves])[city.leaf]
    names = {row["id"]: row["name"] for row in answered[1]["classes"]}
    label = np.asarray(las["cityseg_label"])
    said = np.array([_top(names.get(number, "")) for number in range(256)])[label]
    conf = np.asarray(las["cityseg_conf"])
    sure, unsure = conf >= 110, (conf >= 40) & (conf < 80)
    assert (said == tops)[sure].mean() > (said == tops)[unsure].mean() + 0.1


def _top(name: str) -> str:
    return GRAPH.path(name)[0] if name in GRAPH else ""


@pytest.mark.realdata
@pytest.mark.skipif(not AMSTERDAM.exists(), reason="needs ../shared/data/lidar/amsterdam")
@pytest.mark.parametrize("share", [1.0, 0.5, 0.1])
def test_a_survey_of_another_country_whole_and_thinned(tmp_path, share):
    hit = {2: np.zeros(2), 6: np.zeros(2)}
    for path in sorted(AMSTERDAM.glob("*.laz")):
        source, truth = erased(path, tmp_path / path.name, share)
        las, _ = classified(source, tmp_path / f"out-{path.name}", crs="EPSG:28992", threshold=0)
        code = np.asarray(las.classification)
        for wanted, sums in hit.items():
            found, there = code == wanted, truth == wanted
            sums += ((found & there).sum(), (found | there).sum())
    assert hit[2][0] / hit[2][1] > (0.93 if share > 0.2 else 0.9)
    assert hit[6][0] / hit[6][1] > (0.7 if share > 0.2 else 0.5)


def test_only_what_is_asked_for_and_new_names(city, tmp_path):
    write_laz(city, tmp_path / "city.laz")
    las, answer = classified(
        tmp_path / "city.laz",
        tmp_path / "asked.laz",
        classes=["building", "tree"],
        add=["gazebo:building"],
    )
    names = {row["name"] for row in answer["classes"]}
    assert names <= {"building", "tree", "gazebo", "other", "low noise", "high noise"}
    code = np.asarray(las.classification)
    assert iou(np.isin(code, (6,)), group(city, "building")) > 0.6
