"""Answers end where the raster ends, whatever a model sees beyond it."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
from affine import Affine
from shapely.geometry import Polygon
from shapely.geometry import box as rectangle

from inference_backend.imagery.embeddings import EmbeddingCache
from inference_backend.imagery.source import pixels_source
from inference_backend.models.base import MaskPrediction
from inference_backend.predict import AnswerOptions, answer_object
from inference_backend.prompts import Prompt
from inference_backend.vector.clip import clipped, footprint
from tests.data.colour_model import ColourModel
from tests.data.rasters import UTM

GRIDS = {
    "north": Affine(0.5, 0, 5e5, 0, -0.5, 5e6),
    "south-up": Affine(0.5, 0, 5e5, 0, 0.5, 5e6),
    "turned": Affine(0.4, 0.3, 5e5, 0.3, -0.4, 5e6),
    "sheared": Affine(0.4, 0.2, 5e5, 0.0, -0.5, 5e6),
}


class Everything(ColourModel):
    """Says that all of its window is the object: also what lies outside the raster."""

    def predict(self, embedding, prompts, previous_logits=None):
        whole = np.ones((embedding.height_px, embedding.width_px), np.float32)
        return [MaskPrediction(whole, 1.0, whole)]


def raster(grid, width=60, height=40):
    return pixels_source(np.zeros((height, width, 3), np.uint8), grid, pyproj.CRS(UTM).to_wkt())


@pytest.mark.parametrize("name", GRIDS)
def test_an_answer_beyond_the_raster_is_cut_at_its_border(name):
    source = raster(GRIDS[name])
    found = answer_object(
        source, [Prompt("point", [[5, 5]])], Everything(), AnswerOptions(), EmbeddingCache(1 << 24)
    )
    whole = Polygon([GRIDS[name] @ corner for corner in ((0, 0), (60, 0), (60, 40), (0, 40))])
    assert footprint(source).equals_exact(whole, 1e-6)
    assert found.geometry.symmetric_difference(whole).area < 1e-6
    assert found.area_m2 == pytest.approx(whole.area)


def test_what_lies_inside_is_not_touched():
    source = raster(GRIDS["north"])
    inside = rectangle(500_001, 4_999_985, 500_002, 4_999_986)
    assert clipped(inside, footprint(source), source) is inside


def test_slivers_of_the_cut_and_specks_below_the_minimum_go():
    """A part that reaches in by a hair's breadth is no feature; the minimum holds after the cut too."""
    source = raster(GRIDS["north"])
    hair = rectangle(499_990, 4_999_985, 500_000 + 1e-7, 4_999_990)
    small = rectangle(499_990, 4_999_995, 500_001, 4_999_998)
    large = rectangle(500_028, 4_999_985, 500_040, 4_999_995)
    area = footprint(source)
    both = clipped(hair.union(small).union(large), area, source)
    assert sorted(part.area for part in both.geoms) == pytest.approx([3, 20])
    assert clipped(hair.union(small).union(large), area, source, 5).area == pytest.approx(20)
    assert clipped(hair, area, source).is_empty
