"""SAM behind the promptable interface, with a random checkpoint of the true format, beside the library's own predictor."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor

from inference_backend.errors import InvalidInput
from inference_backend.models.sam import SamModel, best_first
from inference_backend.models.sam_checkpoint import VARIANTS, load_sam
from inference_backend.prompts import Prompt
from scripts.random_sam import random_sam, small_sam

HEIGHT, WIDTH = 384, 512
INPUT_PX = 256
SCALE = INPUT_PX / WIDTH
SAME = 0.9999  # a pixel whose logit is zero to seven digits may fall on either side
POINT = Prompt("point", [[200.0, 150.0]])
BOX = Prompt("box", [[100.0, 80.0], [300.0, 250.0]])
AWAY = Prompt("point", [[400.0, 300.0]], label=0)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


@pytest.fixture(scope="module")
def image():
    """Blocks of colour, 384 x 512: SAM has to resize it and to pad it."""
    blocks = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    return np.kron(blocks, np.ones((32, 32, 1), np.uint8))


@pytest.fixture(scope="module")
def library(image):
    predictor = SamPredictor(small_sam(INPUT_PX))
    predictor.set_image(image)
    return predictor


@pytest.fixture(scope="module")
def model():
    return SamModel(small_sam(INPUT_PX), VARIANTS[768])


@pytest.fixture(scope="module")
def embedding(model, image):
    return model.embed(image, key="blocks")


def in_library_pixels(xy) -> np.ndarray:
    """The library adds half a pixel of its own input; our positions are exact."""
    return (np.asarray(xy) * SCALE - 0.5) / SCALE


def test_the_embedding_is_the_librarys(library, embedding):
    ours, theirs = embedding.tensors["features"], library.features
    assert theirs.std() > 0.1
    assert torch.allclose(ours, theirs, atol=1e-4)
    assert embedding.nbytes == 256 * 16 * 16 * 4


def test_one_click_gives_the_librarys_three_masks_best_first(library, model, embedding):
    answers = model.predict(embedding, [POINT])
    masks, scores, low = library.predict(
        in_library_pixels([[200, 150]]), np.ones(1), multimask_output=True
    )
    assert len(answers) == 3
    order = sorted(range(3), key=lambda k: (masks[k].mean() >= 0.8, -scores[k]))
    for answer, k in zip(answers, order, strict=True):
        assert 0.02 < masks[k].mean() < 0.98
        assert iou(answer.probability > 0.5, masks[k]) >= SAME
        assert np.allclose(answer.logits, low[k], atol=1e-4)
        assert answer.score == pytest.approx(np.clip(scores[k], 0, 1), abs=1e-4)
        assert answer.probability.shape == (HEIGHT, WIDTH)
        assert answer.probability.dtype == np.float32


def test_a_box_with_clicks_gives_the_librarys_mask(library, model, embedding):
    answers = model.predict(embedding, [BOX, POINT, AWAY])
    masks, _, _ = library.predict(
        in_library_pixels([[200, 150], [400, 300]]),
        np.array([1, 0]),
        box=in_library_pixels(BOX.xy).ravel(),
        multimask_output=False,
    )
    assert len(answers) == 1
    assert iou(answers[0].probability > 0.5, masks[0]) >= SAME


def test_the_previous_answer_is_given_back_as_the_library_does(library, model, embedding):
    first = model.predict(embedding, [POINT])[0]
    answers = model.predict(embedding, [POINT, AWAY], first.logits)
    masks, _, _ = library.predict(
        in_library_pixels([[200, 150], [400, 300]]),
        np.array([1, 0]),
        mask_input=first.logits[None],
        multimask_output=False,
    )
    assert iou(answers[0].probability > 0.5, masks[0]) >= SAME
    without = model.predict(embedding, [POINT, AWAY])[0]
    assert not np.array_equal(without.probability, answers[0].probability)


def test_bfloat16_products_give_nearly_the_same_masks(library, image):
    fast = SamModel(small_sam(INPUT_PX), VARIANTS[768], dtype=torch.bfloat16)
    embedding = fast.embed(image)
    assert embedding.tensors["features"].dtype == torch.float16
    shares = []
    for x, y in [(60, 60), (200, 150), (300, 250), (450, 340)]:
        masks, scores, _ = library.predict(
            in_library_pixels([[x, y]]), np.ones(1), multimask_output=True
        )
        order = sorted(range(3), key=lambda k: (masks[k].mean() >= 0.8, -scores[k]))
        answers = fast.predict(embedding, [Prompt("point", [[x, y]])])
        shares += [max(iou(a.probability > 0.5, masks[k]) for a in answers) for k in order]
    # A random network's masks are mostly edge, so they are the hardest to keep; a trained one's are above 0.99.
    assert np.mean(shares) > 0.98


@pytest.mark.parametrize(
    "prompts",
    [
        [Prompt("scribble", [[100, 100], [200, 120], [260, 200]])],
        [Prompt("lasso", [[100, 100], [220, 110], [230, 220], [110, 200]])],
        [Prompt("mask", [[100, 100], [220, 110], [230, 220], [110, 200]]), POINT],
        [BOX, Prompt("box", [[120, 90], [150, 120]], label=0)],
        [BOX, Prompt("lasso", [[120, 90], [150, 120], [120, 120]], label=0)],
    ],
)
def test_every_prompt_kind_is_answered_and_heard(model, embedding, prompts):
    answer = model.predict(embedding, prompts)[0]
    assert answer.probability.shape == (HEIGHT, WIDTH)
    assert np.isfinite(answer.probability).all()
    other = model.predict(embedding, [prompts[0].moved(1.0, 60.0, 40.0), *prompts[1:]])[0]
    assert not np.array_equal(other.probability, answer.probability)


def test_pixels_without_data_are_seen_as_no_colour(model, image):
    valid = np.ones((HEIGHT, WIDTH), bool)
    valid[:, 256:] = False
    other = image.copy()
    other[:, 256:] = 255
    a, b = model._to_input(image, valid), model._to_input(other, valid)
    assert torch.equal(a, b)
    assert a[..., :192, 140:].abs().max() < 0.02
    assert a.shape == (1, 3, 256, 256)


def test_a_mask_of_the_whole_crop_is_not_the_first_choice():
    assert best_first([1.0, 0.3, 0.6], [0.99, 0.5, 0.7]) == [2, 1, 0]


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8, 3)),
        np.zeros((0, 8, 3), np.uint8),
    ],
)
def test_what_is_not_an_image_is_refused(model, image):
    with pytest.raises(InvalidInput, match="3 bands in 8 bits"):
        model.embed(image)


def test_no_prompt_and_a_foreign_mask_are_refused(model, embedding):
    with pytest.raises(InvalidInput, match="click on the object"):
        model.predict(embedding, [])
    with pytest.raises(InvalidInput, match="64 x 64 for SAM"):
        model.predict(embedding, [POINT, AWAY], np.zeros((256, 256), np.float32))


@pytest.mark.slow
def test_a_checkpoint_of_the_true_format_gives_the_librarys_masks(tmp_path, image):
    torch.save(random_sam().state_dict(), tmp_path / "random.pth")
    model = SamModel(*load_sam(tmp_path / "random.pth"))
    library = SamPredictor(load_sam(tmp_path / "random.pth")[0])
    library.set_image(image)
    embedding = model.embed(image)
    assert embedding.nbytes == 256 * 64 * 64 * 4
    assert torch.allclose(embedding.tensors["features"], library.features, atol=1e-4)
    at = (np.array([[200.0, 150.0]]) * 2 - 0.5) / 2
    masks, _, _ = library.predict(at, np.ones(1), multimask_output=True)
    answers = model.predict(embedding, [POINT])
    assert [max(iou(a.probability > 0.5, m) for a in answers) >= SAME for m in masks] == [True] * 3


def test_loading_names_the_weights_and_the_size(tmp_path):
    torch.save(random_sam().state_dict(), tmp_path / "random.pth")
    loaded = SamModel.load(tmp_path / "random.pth", "cpu")
    assert loaded.weights_id == "random.pth"
    assert loaded.variant == VARIANTS[768]
    assert loaded.card.id == loaded.catalogue_name == "sam-vit-b"
    assert loaded.device == "cpu"
