"""What the tiles say does not depend on the tiles: the blended rows are the answer to the whole image."""

from __future__ import annotations

import threading
import tracemalloc

import numpy as np
import pytest
import shapely

from inference_backend import text_grid
from inference_backend.cancel import CancelToken
from inference_backend.errors import Cancelled, InvalidInput
from inference_backend.imagery.embeddings import EmbeddingCache
from inference_backend.imagery.source import open_raster, pixels_source
from inference_backend.models.base import TextQuery
from inference_backend.text_grid import TileGrid, view_grid, working_scale
from inference_backend.text_tiles import AREA_MARGIN_PX, TileSearch
from tests.data.colour_text_model import ColourTextModel
from tests.data.coloured_scene import crowded
from tests.data.rasters import write_tif

QUERIES = [TextQuery("buildings"), TextQuery("pools")]


def search(source, tile_px, area=None, scale=1.0, queries=QUERIES, cancel=None, **more):
    grid = TileGrid.over(source.width, source.height, scale, tile_px)
    token = cancel or CancelToken()
    return TileSearch(source, grid, area, queries, ColourTextModel(tile_px), token, **more)


def field_of(looked, shape, query=0):
    """The rows of all panels put together, (rows, cols), NaN where no slab was."""
    whole = np.full(shape, np.nan, np.float32)
    for first, end, _, slabs in looked.panels():
        for slab in slabs:
            values = slab.probability[query][:, first - slab.col0 : end - slab.col0]
            whole[slab.row0 : slab.row0 + len(values), first : first + values.shape[1]] = values
    return whole


def answer_of(rgb, query=0):
    model = ColourTextModel()
    return model.predict_text(model.embed(rgb), QUERIES)[query].probability


@pytest.fixture(scope="module")
def scene():
    return crowded(500, 640, seed=4).rgb


@pytest.mark.parametrize("tile_px", [96, 160, 256, 512, 1024])
def test_rows_are_the_answer_to_the_whole_image(scene, tile_px):
    looked = search(pixels_source(scene), tile_px)
    for query in (0, 1):
        found = field_of(search(pixels_source(scene), tile_px), scene.shape[:2], query)
        assert found == pytest.approx(answer_of(scene, query), abs=2e-6)
    assert looked.seen.done == 0
    list(field_of(looked, scene.shape[:2]))
    assert looked.seen.done == looked.tiles


def test_panels_give_the_same_rows(scene, monkeypatch):
    whole = field_of(search(pixels_source(scene), 96), scene.shape[:2])
    monkeypatch.setattr(text_grid, "PANEL_TILES", 2)
    looked = search(pixels_source(scene), 96)
    assert len(list(looked._panels)) > 2
    assert field_of(looked, scene.shape[:2]) == pytest.approx(whole, abs=2e-6)


def test_the_weights_of_neighbours_sum_to_one():
    grid = TileGrid.over(2000, 1500, 1.0, 256)
    total = np.zeros((grid.height, grid.width))
    for row in grid.tile_rows[:-1]:
        for col in grid.tile_cols[:-1]:
            total[row : row + 256, col : col + 256] += grid.weight(col, row)
    # The last row and column of tiles are moved back onto the raster, and overlap more.
    inner = total[: grid.tile_rows[-2] + 100, : grid.tile_cols[-2] + 100]
    assert inner == pytest.approx(np.ones_like(inner), abs=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (20, 700), (256, 256), (257, 256), (700, 513)])
@pytest.mark.parametrize("scale", [1.0, 0.5, 0.37])
def test_every_pixel_of_any_raster_is_seen(size, scale):
    grid = TileGrid.over(size[1], size[0], scale, 256)
    weight = np.zeros((grid.height, grid.width))
    rows, cols = grid.tile_shape
    for row, firsts in grid.touched(None):
        for col in firsts:
            weight[row : row + rows, col : col + cols] += grid.weight(col, row)
            assert row + rows <= grid.height
            assert col + cols <= grid.width
    assert weight.min() > 0


AREAS = {
    "box": shapely.box(130, 90, 420, 300),
    "thin": shapely.box(10, 200, 600, 203),
    "two": shapely.union_all([shapely.box(5, 5, 60, 60), shapely.box(500, 400, 630, 490)]),
    "turned": shapely.Polygon([(300, 20), (560, 250), (300, 470), (60, 260)]),
}


@pytest.mark.parametrize("name", sorted(AREAS))
def test_a_place_has_the_same_answer_whatever_area_is_asked_for(scene, name):
    area = AREAS[name]
    source = pixels_source(scene)
    looked = search(source, 128, area)
    assert looked.tiles < search(source, 128).tiles
    found = field_of(looked, scene.shape[:2])
    whole = field_of(search(source, 128), scene.shape[:2])
    y, x = np.mgrid[: scene.shape[0], : scene.shape[1]] + 0.5
    inside = shapely.contains_xy(area, x, y)
    assert found[inside] == pytest.approx(whole[inside], abs=2e-6)
    far = ~shapely.contains_xy(area.buffer(AREA_MARGIN_PX + 2), x, y) & ~np.isnan(found)
    assert not found[far].any()


def test_gaps_hold_nothing(scene):
    valid = np.ones(scene.shape[:2], bool)
    valid[100:260, 200:420] = False
    source = pixels_source(scene, valid=valid)
    found = field_of(search(source, 128), scene.shape[:2])
    assert not found[~valid].any()
    assert found[valid] == pytest.approx(answer_of(scene)[valid], abs=2e-6)


def test_blank_tiles_are_not_asked(scene):
    valid = np.zeros(scene.shape[:2], bool)
    valid[:, :200] = True
    looked = search(pixels_source(scene, valid=valid), 128)
    field_of(looked, scene.shape[:2])
    assert looked.seen.blank > 0
    assert looked._model.embedded == looked.tiles - looked.seen.blank


def test_one_embedding_serves_all_words_and_the_next_question(scene):
    cache = EmbeddingCache(1 << 28)
    first = search(pixels_source(scene), 512, cache=cache)
    field_of(first, scene.shape[:2])
    assert first._model.embedded == first.tiles
    again = search(pixels_source(scene), 512, cache=cache)
    field_of(again, scene.shape[:2])
    assert again._model.embedded == 0


def test_memory_does_not_grow_with_the_raster(tmp_path):
    """Rows that are only passed by leave nothing behind: far less than one number a pixel."""
    peaks = []
    for rows, cols in ((600, 400), (3000, 400)):
        path = write_tif(
            tmp_path / f"{rows}.tif", np.moveaxis(crowded(rows, cols).rgb, 2, 0), tiled=True
        )
        with open_raster(path) as source:
            tracemalloc.start()
            for _, _, _, slabs in search(source, 128).panels():
                for _ in slabs:
                    pass
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] - peaks[0] < 0.5 * 4 * 2400 * 400


class CountedModel(ColourTextModel):
    """Tells when it has been asked for so many embeddings."""

    def __init__(self, tile_px: int, wanted: int) -> None:
        super().__init__(tile_px)
        self.asked, self._wanted = 0, wanted
        self._counting, self.reached = threading.Lock(), threading.Event()

    def embed(self, rgb, valid=None, key=""):
        with self._counting:
            self.asked += 1
            if self.asked >= self._wanted:
                self.reached.set()
        return super().embed(rgb, valid, key)


def test_the_next_tiles_are_looked_at_while_the_caller_is_busy(scene):
    """As many as may wait, and no more: memory stays flat however long the caller takes."""
    source = pixels_source(scene)
    across = len(search(source, 128)._grid.tile_cols)
    abreast = search(source, 128)._abreast
    model = CountedModel(128, across + 4 * abreast)
    looked = TileSearch(
        source, TileGrid.over(640, 500, 1.0, 128), None, QUERIES, model, CancelToken()
    )
    ((_, _, _, slabs),) = looked.panels()
    next(slabs)
    assert looked.seen.done == across
    assert model.reached.wait(60)
    assert model.asked == across + 4 * abreast
    slabs.close()


def test_a_damaged_block_is_said_when_it_is_reached(tmp_path, scene):
    path = write_tif(
        tmp_path / "a.tif",
        np.moveaxis(scene, 2, 0),
        tiled=True,
        blockxsize=64,
        blockysize=64,
        compress="deflate",
    )
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4000] = b"\xff" * 4000
    path.write_bytes(bytes(data))
    with open_raster(path) as source:
        looked = search(source, 128)
        with pytest.raises(InvalidInput, match="cannot be read"):
            field_of(looked, scene.shape[:2])
        assert 0 < looked.seen.done < looked.tiles


def test_cancel_stops_at_the_next_tile(scene):
    cancel = CancelToken()
    looked = search(pixels_source(scene), 128, cancel=cancel)
    looked._on_tile = lambda: cancel.cancel() if looked.seen.done == 3 else None
    with pytest.raises(Cancelled):
        field_of(looked, scene.shape[:2])
    assert looked.seen.done == 3


@pytest.mark.parametrize(
    ("native", "seen", "expected"),
    [
        (0.3, 0.3, 1.0),
        (0.3, 0.15, 2.0),
        (0.5, 0.3, 5 / 3),
        (3.0, 0.3, 2.0),
        (0.3, 0.35, 1.0),
        (None, 0.5, 1.0),
        (0.1, 0.3, 1 / 3),
        (0.1, 0.31, 1 / 3),
        (0.2, 0.5, 0.4),
        (0.02, 0.3, 1 / 15),
    ],
)
def test_the_working_scale(native, seen, expected):
    assert working_scale(native, seen) == pytest.approx(expected)


def test_a_view_that_fits_is_one_tile_and_a_larger_one_is_not():
    near = view_grid(0.1, 1.0, (50, 60, 450, 360), 512)
    assert (near.scale, near.origin, near.tile_rows, near.tile_cols) == (1.0, (50, 60), (0,), (0,))
    wide = view_grid(0.1, 1.0, (0, 0, 2560, 1000), 512)
    assert wide.scale == pytest.approx(0.2)
    assert (wide.width, wide.height) == (512, 200)
    assert view_grid(0.5, 1.0, (0, 0, 2560, 1000), 512) is None
