"""The compact UniGeoSeg's interactive part: shapes, prompts as tensors, weights files, and what a prompt does to a mask."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inference_backend.errors import ModelProblem
from inference_backend.models import registry
from inference_backend.models.unigeoseg.adapter import UniGeoSegInteractive, prompt_tensors
from inference_backend.models.unigeoseg.network import NetworkConfig, UniGeoSegNet, expand
from inference_backend.models.unigeoseg.prompt_maps import (
    DENSE_CHANNELS,
    dense_maps,
    region_weights,
)
from inference_backend.models.unigeoseg.weights_file import load_network, save_weights
from inference_backend.prompts import Prompt

SMALL = NetworkConfig(
    widths=(8, 8, 16, 16, 16), blocks=(1, 1, 1, 1), neck=(8, 8, 8, 16), matching=8
)


@pytest.fixture(scope="module")
def small_net() -> UniGeoSegNet:
    torch.manual_seed(0)
    return UniGeoSegNet(SMALL).eval()


@pytest.fixture(scope="module")
def shipped() -> UniGeoSegInteractive:
    return registry.get("default-2d", device="cpu")


def click(x: float, y: float, label: int = 1) -> Prompt:
    return Prompt("point", np.array([[x, y]]), label)


def two_squares() -> np.ndarray:
    """A red and a white square of 60 px on noisy green ground; uint8 (192, 192, 3)."""
    rng = np.random.default_rng(0)
    rgb = np.full((192, 192, 3), (70, 110, 60), np.float32)
    rgb[30:90, 20:80] = (170, 60, 50)
    rgb[100:160, 110:170] = (225, 225, 220)
    return np.clip(rgb + rng.normal(0, 4, rgb.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (70, 45), (33, 97)])
def test_probability_has_the_shape_of_any_image(small_net, height, width):
    model = UniGeoSegInteractive(small_net)
    rgb = np.random.default_rng(1).integers(0, 255, (height, width, 3), np.uint8)
    answers = model.predict(model.embed(rgb), [click(width / 2, height / 2)])
    assert {answer.probability.shape for answer in answers} == {(height, width)}
    assert all(
        0 <= answer.score <= 1 and np.isfinite(answer.probability).all() for answer in answers
    )


def test_expanded_features_follow_their_image(small_net):
    images = torch.randn(2, 3, 64, 64)
    features = small_net.encoder(images)
    doubled = expand(features, 2)
    assert torch.equal(doubled["f4"][0], features["f4"][0])
    assert torch.equal(doubled["f4"][1], features["f4"][0])
    assert torch.equal(doubled["f4"][3], features["f4"][1])


def test_padding_clicks_change_nothing(small_net):
    """A batch pads the lists of clicks to one length; the answer must not feel it."""
    features = small_net.encoder(torch.randn(1, 3, 64, 64))
    alone = prompt_tensors([click(20, 30)], 16, 16, None)
    padded = prompt_tensors([click(20, 30)], 16, 16, None)
    padded.clicks = torch.cat([padded.clicks, torch.full((1, 3, 2), 7.0)], 1)
    padded.click_label = torch.cat([padded.click_label, torch.full((1, 3), -1)], 1)
    with torch.inference_mode():
        first, second = (small_net.decoder(features, p)["logits"] for p in (alone, padded))
    assert torch.allclose(first, second, atol=1e-4)


def test_dense_maps_mark_clicks_box_and_previous():
    previous = np.full((16, 16), -20, np.float32)
    previous[4:8, 4:8] = 20
    prompts = [click(10, 20), click(50, 40, 0), Prompt("box", np.array([[16, 8], [48, 56]]))]
    maps = dense_maps(prompt_tensors(prompts, 16, 16, previous), 16, 16, 4)[0]
    assert maps.shape == (DENSE_CHANNELS, 16, 16)
    assert np.unravel_index(int(maps[0].argmax()), (16, 16)) == (
        4,
        2,
    )  # added: row 20 // 4, column 10 // 4
    assert np.unravel_index(int(maps[2].argmax()), (16, 16)) == (9, 12)
    assert maps[4].sum().item() == pytest.approx(
        (48 - 16) / 4 * (56 - 8) / 4, rel=0.01
    )  # box fill in cells
    assert maps[9, 4:8, 4:8].min() > 0.99
    assert maps[9].sum().item() == pytest.approx(16, abs=0.1)


def test_regions_are_empty_without_their_prompt():
    tensors = prompt_tensors([click(30, 30)], 16, 16, None)
    weights = region_weights(tensors, dense_maps(tensors, 16, 16, 4))[0]
    filled = [bool(region.sum() > 1e-3) for region in weights]
    assert filled == [True, False, False, False, False]


def test_drawn_prompts_reach_the_drawn_map():
    square = np.array([[16, 16], [48, 16], [48, 48], [16, 48]], float)
    lasso = prompt_tensors([Prompt("lasso", square)], 16, 16, None)
    assert lasso.drawn[0, 0].sum().item() == pytest.approx(64, abs=5)
    scribble = prompt_tensors(
        [Prompt("scribble", np.array([[10.0, 32.0], [54.0, 32.0]]))], 16, 16, None
    )
    assert scribble.drawn[0, 0, 8, 3:13].mean() > 0.2
    start = prompt_tensors([Prompt("mask", square)], 16, 16, None)
    assert start.has_previous.item() == 1
    assert start.previous.sum().item() == pytest.approx(64, abs=5)
    removed = prompt_tensors(
        [click(30, 30), Prompt("scribble", np.array([[10.0, 9.0], [54.0, 9.0]]), 0)], 16, 16, None
    )
    assert (removed.click_label == 0).sum().item() >= 2
    assert removed.drawn.sum().item() == 0


@pytest.mark.filterwarnings("error")
def test_a_previous_answer_that_is_very_sure_overflows_nothing():
    """Its logits may be large: a warning on standard error would be one line too many."""
    sure = np.where(np.arange(256).reshape(16, 16) % 2, 200, -200).astype(np.float32)
    previous = prompt_tensors([click(30, 30)], 16, 16, sure).previous
    assert torch.equal(previous[0, 0], (torch.from_numpy(sure) > 0).float())


def test_weights_survive_a_round_trip(tmp_path, small_net):
    path = tmp_path / "weights.safetensors"
    save_weights(path, SMALL, small_net.state_dict(), 7)
    loaded = load_network(path)
    assert loaded.config == SMALL
    for name, value in small_net.state_dict().items():
        if value.is_floating_point():
            assert torch.allclose(loaded.state_dict()[name], value, atol=2e-3), name


def test_damaged_or_foreign_weights_say_so(tmp_path, small_net):
    path = tmp_path / "weights.safetensors"
    save_weights(path, SMALL, small_net.state_dict(), 7)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelProblem, match="cannot be read"):
        load_network(path)
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(3)}, path)
    with pytest.raises(ModelProblem, match="does not hold weights of this model"):
        load_network(path)
    with pytest.raises(ModelProblem, match="cannot be read"):
        load_network(tmp_path / "missing.safetensors")


def test_shipped_model_tells_two_squares_apart(shipped):
    """What an untrained network cannot do: each prompt gets its own square."""
    embedding = shipped.embed(two_squares())
    red = np.zeros((192, 192), bool)
    red[30:90, 20:80] = True
    white = np.zeros((192, 192), bool)
    white[100:160, 110:170] = True
    for truth, xy in ((red, (50, 60)), (white, (140, 130))):
        found = shipped.predict(embedding, [click(*xy)])[0].probability > 0.5
        assert (found & truth).sum() / (found | truth).sum() > 0.85
    box = (
        shipped.predict(embedding, [Prompt("box", np.array([[20, 30], [80, 90]]))])[0].probability
        > 0.5
    )
    assert (box & red).sum() / (box | red).sum() > 0.9


def test_answers_repeat_exactly(shipped):
    embedding = shipped.embed(two_squares())
    first, second = (shipped.predict(embedding, [click(50, 60)])[0] for _ in range(2))
    assert np.array_equal(first.probability, second.probability)
    assert first.score == second.score
