"""Windows, zoom and replay: the same prompts give the same mask, whatever happened before."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine

from inference_backend import interactive
from inference_backend.cancel import CancelToken
from inference_backend.errors import Cancelled, InvalidInput
from inference_backend.imagery.crop import covering_window, plan_window, zoomed_window
from inference_backend.imagery.embeddings import EmbeddingCache
from inference_backend.imagery.source import pixels_source
from inference_backend.interactive import NoImageData, segment_object, shown_parts
from inference_backend.models import registry
from inference_backend.models.base import MaskPrediction, ModelCard
from inference_backend.prompts import Prompt
from tests.data.colour_model import ColourModel

ZOOMING = ModelCard("m", "m", ("point",), 384, "", 1, extra={"zooms": True})
FIXED = ModelCard("s", "s", ("point",), 1024, "", 1)


def click(x: float, y: float, label: int = 1) -> Prompt:
    return Prompt("point", np.array([[x, y]]), label)


def box(x0: float, y0: float, x1: float, y1: float) -> Prompt:
    return Prompt("box", np.array([[x0, y0], [x1, y1]]))


def source(rgb: np.ndarray, key: str = "test"):
    return pixels_source(rgb, Affine.identity(), None, key)


@pytest.fixture(scope="module")
def roofs():
    rng = np.random.default_rng(3)
    rgb = np.full((500, 700, 3), (90, 120, 70), np.float32)
    rgb[100:180, 120:240] = (180, 70, 60)
    rgb[300:330, 420:450] = (210, 210, 205)
    return source(np.clip(rgb + rng.normal(0, 5, rgb.shape), 0, 255).astype(np.uint8), "roofs")


@pytest.fixture(scope="module")
def model():
    return registry.get("default-2d", device="cpu")


def fresh() -> EmbeddingCache:
    return EmbeddingCache(1 << 28)


def test_neighbouring_clicks_share_a_window(roofs):
    windows = {plan_window(roofs, click(200 + d, 150 + d), ZOOMING) for d in (0, 5, 10)}
    assert len(windows) == 1


def test_every_click_lies_well_inside_its_window(roofs):
    for x, y in np.random.default_rng(0).uniform(0, 500, (200, 2)):
        window = plan_window(roofs, click(x, y), ZOOMING)
        inside = window.to_crop(click(x, y)).xy[0] / window.size_px
        assert ((inside >= 0.37) & (inside <= 0.63)).all()


@pytest.mark.parametrize("side", [4, 30, 110, 700, 9000])
def test_a_box_sets_the_zoom(roofs, side):
    window = plan_window(roofs, box(10, 10, 10 + side, 10 + side / 2), ZOOMING)
    assert window.scale <= 4.0 + 1e-9
    if side >= 30:
        assert 62 <= side * window.scale <= 130


def test_a_model_without_zoom_never_enlarges(roofs):
    assert plan_window(roofs, box(10, 10, 20, 20), FIXED).scale == 1
    assert plan_window(roofs, box(0, 0, 3000, 20), FIXED).scale < 0.5


def test_a_small_object_is_looked_at_closer(roofs):
    window = plan_window(roofs, click(435, 315), ZOOMING)
    mask = np.zeros((384, 384), bool)
    x, y = window.to_crop(click(435, 315)).xy[0].astype(int)
    mask[y - 10 : y + 10, x - 10 : x + 10] = True
    closer = zoomed_window(window, mask, click(435, 315), ZOOMING)
    assert closer is not None
    assert closer.scale / window.scale == pytest.approx(90 / 20, rel=0.3)
    mask[y - 50 : y + 50, x - 50 : x + 50] = True
    assert zoomed_window(window, mask, click(435, 315), ZOOMING) is None


def test_a_far_click_widens_the_window(roofs):
    window = plan_window(roofs, click(100, 100), ZOOMING)
    wide = covering_window(window, [click(100, 100), click(690, 480)], ZOOMING)
    for xy in ((100, 100), (690, 480)):
        position = wide.to_crop(click(*xy)).xy[0]
        assert ((position > 0) & (position < wide.size_px)).all()


def test_five_prompts_in_one_request_equal_five_requests(roofs, model, monkeypatch):
    prompts = [
        click(180, 140),
        click(130, 110),
        click(235, 175),
        click(100, 90, 0),
        click(200, 120),
    ]
    step_by_step = [
        segment_object(roofs, prompts[: k + 1], model, cache=fresh()) for k in range(5)
    ][-1]
    monkeypatch.setattr(interactive, "_memory", interactive._Memory(1 << 24))
    at_once = segment_object(roofs, prompts, model, cache=fresh())
    assert at_once.window == step_by_step.window
    assert np.array_equal(at_once.probability, step_by_step.probability)
    assert step_by_step.replayed > at_once.replayed


def test_small_and_large_objects_are_found_at_their_place(roofs, model):
    for xy, truth in (((180, 140), (120, 100, 240, 180)), ((435, 315), (420, 300, 450, 330))):
        answer = segment_object(roofs, [click(*xy)], model, cache=fresh())
        rows, cols = np.nonzero(answer.probability > 0.5)
        col0, row0, width, height = answer.window
        scale = width / answer.probability.shape[1]
        found = (
            col0 + cols.min() * scale,
            row0 + rows.min() * scale,
            col0 + (cols.max() + 1) * scale,
            row0 + (rows.max() + 1) * scale,
        )
        assert np.abs(np.array(found) - truth).max() < 6


def test_a_click_apart_adds_what_it_shows(roofs, model):
    """Two things that one click each shows become one mask."""
    answer = segment_object(roofs, [click(180, 140), click(435, 315)], model, cache=fresh())
    col0, row0, width, height = answer.window
    rows, cols = np.indices(answer.probability.shape) + 0.5
    x = col0 + cols * width / answer.probability.shape[1]
    y = row0 + rows * height / answer.probability.shape[0]
    found = answer.probability > 0.5
    for x0, y0, x1, y1 in ((120, 100, 240, 180), (420, 300, 450, 330)):
        truth = (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
        assert found[truth].mean() > 0.6


def test_small_parts_that_no_click_shows_are_dropped():
    probability = np.zeros((60, 60), np.float32)
    probability[5:25, 5:25] = 0.9  # shown
    probability[40:45, 40:45] = 0.8  # a look-alike, much smaller
    probability[5:22, 35:55] = 0.7  # nearly as large: perhaps the other half
    kept = shown_parts(probability, [click(10, 10)])
    assert kept[42, 42] == 0
    assert kept[10, 40] == np.float32(0.7)
    assert np.array_equal(kept[:30, :30], probability[:30, :30])
    assert np.array_equal(shown_parts(probability, [click(30, 30)]), probability)
    boxed = shown_parts(probability, [box(0, 0, 60, 60)])
    assert boxed[42, 42] == 0
    assert boxed[10, 40] == np.float32(0.7)
    both = shown_parts(probability, [click(10, 10), click(42, 42)])
    assert np.array_equal(both, probability)


def test_an_outline_to_start_from_keeps_others_out():
    """Words beside it mean all of a class; the outline says which one."""
    probability = np.zeros((60, 60), np.float32)
    probability[5:25, 5:25] = 0.9  # the object, larger than its outline
    probability[30:55, 30:55] = 0.9  # another of the class, and larger
    ring = Prompt("mask", np.array([[8, 8], [20, 8], [20, 20], [8, 20]]), text="building")
    kept = shown_parts(probability, [ring])
    assert np.array_equal(kept[:28, :28], probability[:28, :28])
    assert not kept[30:, 30:].any()
    both = shown_parts(probability, [ring, click(40, 40)])
    assert np.array_equal(both, probability)


def test_pinholes_are_filled_unless_they_were_asked_for():
    probability = np.zeros((60, 60), np.float32)
    probability[5:45, 5:45] = 0.9
    probability[20:23, 20:23] = 0.1  # a chimney
    probability[28:40, 28:40] = 0.1  # a courtyard
    filled = shown_parts(probability, [click(10, 10)])
    assert filled[21, 21] == 1
    assert filled[33, 33] == np.float32(0.1)
    asked = shown_parts(probability, [click(10, 10), click(21, 21, 0)])
    assert asked[21, 21] == np.float32(0.1)


@pytest.mark.parametrize("prompts", [[click(900, 100)], [click(100, 100), click(100, -50)]])
def test_a_prompt_outside_the_raster_is_refused(roofs, model, prompts):
    with pytest.raises(InvalidInput, match="outside the raster"):
        segment_object(roofs, prompts, model, cache=fresh())


def test_only_removals_are_refused(roofs, model):
    with pytest.raises(InvalidInput, match="All prompts remove"):
        segment_object(roofs, [click(100, 100, 0)], model, cache=fresh())


def test_cancel_stops_before_the_encoder(roofs, model):
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        segment_object(roofs, [click(333, 222)], model, cache=fresh(), cancel=token)


class Counting(ColourModel):
    """Counts its decodings."""

    decoded = 0

    def predict(self, embedding, prompts, previous_logits=None):
        self.decoded += 1
        return super().predict(embedding, prompts[-1:], previous_logits)


def test_one_more_click_is_one_more_decoding_however_many_there_were(roofs, monkeypatch):
    """Memory holds three answers here: going on needs the last one, and the first one for the choice of window."""
    monkeypatch.setattr(interactive, "_memory", interactive._Memory(3 * 2 * 4 * 256 * 256))
    prompts = [click(130 + k % 100, 110 + k % 60) for k in range(40)]
    model, cache = Counting(), fresh()
    segment_object(roofs, prompts[:39], model, cache=cache)
    assert model.decoded == 39
    then = segment_object(roofs, prompts, model, cache=cache)
    assert (model.decoded, then.replayed) == (41, 39)
    monkeypatch.setattr(interactive, "_memory", interactive._Memory(1))
    anew = segment_object(roofs, prompts, Counting(), cache=fresh())
    assert np.array_equal(anew.probability, then.probability)


def test_what_is_remembered_keeps_to_its_budget_and_holds_no_other_candidate():
    memory = interactive._Memory(100_000)
    candidates = np.zeros((4, 50, 50), np.float32)
    for name in "abcdefghijklmnop":
        memory.put(name, MaskPrediction(candidates[1], 0.5, candidates[2]))
    kept = [name for name in "abcdefghijklmnop" if memory.get(name) is not None]
    assert kept == ["l", "m", "n", "o", "p"]
    assert memory.get("p").probability.base is None


def test_where_there_is_nothing_to_see_it_says_so():
    """A gap as large as the window: the model would make up an outline."""
    pixels = np.zeros((400, 400, 3), np.uint8)
    gap = pixels_source(pixels, None, None, "gap", np.zeros((400, 400), bool))
    with pytest.raises(NoImageData, match="no image data around the prompt"):
        segment_object(gap, [click(200, 200)], ColourModel(), cache=fresh())
