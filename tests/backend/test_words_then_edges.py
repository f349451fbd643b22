"""Two models as one: words by the first, outlines by the second, and nothing worse where the second does not help."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inference_backend.errors import InvalidInput
from inference_backend.models import registry
from inference_backend.models.base import (
    Embedding,
    MaskPrediction,
    ModelCard,
    PromptableModel,
    TextAnswer,
    TextQuery,
)
from inference_backend.models.sam import SamModel
from inference_backend.models.sam_checkpoint import SamVariant
from inference_backend.models.words_then_edges import WordsThenEdges, single_parts
from inference_backend.prompts import Prompt
from scripts.random_sam import small_sam


class BrightBlobs(PromptableModel):
    """Words: what is bright, seen through fog. Edges: what is bright in the box, exactly. Counts its encodings."""

    weights_id, device = "bright", "cpu"

    def __init__(self, name: str, *prompts: str, cores: bool = False) -> None:
        self.card = ModelCard(name, name, prompts, 64, "none", 1)
        self.cores, self.encoded = cores, 0

    def embed(self, rgb: np.ndarray, valid: np.ndarray | None = None, key: str = "") -> Embedding:
        self.encoded += 1
        shown = rgb if valid is None else rgb * valid[..., None]
        return Embedding(key, *rgb.shape[:2], {"seen": torch.from_numpy(shown[..., 0].copy())})

    def predict(self, embedding, prompts, previous_logits=None) -> list[MaskPrediction]:
        bright = embedding.tensors["seen"].numpy() > 128
        x0, y0, x1, y1 = np.round(prompts[0].bounds).astype(int)
        inside = np.zeros_like(bright)
        inside[max(y0, 0) : y1, max(x0, 0) : x1] = True
        mask = (bright & inside).astype(np.float32)
        return [MaskPrediction(mask, 0.9, mask[::4, ::4])]

    def predict_text(self, embedding, queries) -> list[TextAnswer]:
        import cv2

        seen = embedding.tensors["seen"].numpy().astype(np.float32) / 255
        fog = cv2.GaussianBlur(seen, (0, 0), 3) * (1.2 if queries[0].text != "nothing" else 0)
        core = cv2.GaussianBlur(seen, (0, 0), 1) if self.cores else None
        return [TextAnswer(fog.clip(0, 1), 0.8, 0.5, core) for _ in queries]


@pytest.fixture
def scene():
    rgb = np.zeros((120, 160, 3), np.uint8)
    rgb[20:50, 20:60] = 250
    rgb[20:50, 64:110] = 250
    rgb[80:110, 100:140] = 250
    return rgb


@pytest.mark.parametrize("cores", [False, True])
def test_outlines_are_those_of_the_second_model(scene, cores):
    words, edges = BrightBlobs("w", "text", cores=cores), BrightBlobs("e", "point", "box")
    joined = WordsThenEdges(words, edges)
    assert joined.card.id == "w+e"
    assert joined.card.prompts == ("point", "box", "text")
    embedding = joined.embed(scene, key="k")
    (alone,) = words.predict_text(words.embed(scene), [TextQuery("x")])
    (answer,) = joined.predict_text(embedding, [TextQuery("x")])
    truth = scene[..., 0] > 128

    def iou(probability):
        found = probability > 0.5
        return (found & truth).sum() / (found | truth).sum()

    assert iou(answer.probability) > iou(alone.probability) + 0.05
    assert iou(answer.probability) > 0.97
    assert answer.presence == alone.presence
    assert answer.score == pytest.approx(0.9)
    # Cores tell the two touching ones apart where the words' own did.
    assert (answer.core > 0.5)[truth].mean() > 0.5
    assert not (answer.core > 0.5)[~truth].any()


def test_what_is_not_found_is_not_encoded_twice(scene):
    words, edges = BrightBlobs("w", "text"), BrightBlobs("e", "box")
    joined = WordsThenEdges(words, edges)
    embedding = joined.embed(scene)
    (answer,) = joined.predict_text(embedding, [TextQuery("nothing")])
    assert not answer.probability.any()
    assert (words.encoded, edges.encoded) == (1, 0)
    joined.predict_text(embedding, [TextQuery("x"), TextQuery("y")])
    joined.predict(embedding, [Prompt("box", np.array([[20.0, 20], [60, 50]]))])
    assert (words.encoded, edges.encoded) == (1, 1)


def test_no_data_is_seen_by_neither(scene):
    valid = np.ones(scene.shape[:2], bool)
    valid[:, 90:] = False
    joined = WordsThenEdges(BrightBlobs("w", "text"), BrightBlobs("e", "box"))
    (answer,) = joined.predict_text(joined.embed(scene, valid), [TextQuery("x")])
    assert not (answer.probability[:, 100:] > 0.5).any()


def test_a_sam_of_random_weights_spoils_nothing(scene):
    """Its masks are of other things: then the words' own map stays, pixel for pixel."""
    variant = SamVariant("vit_b", "small", 96)
    card = ModelCard("s", "s", ("point", "box"), 256, "none", 1)
    sam = SamModel(small_sam(), variant, card=card)
    words = BrightBlobs("w", "text")
    joined = WordsThenEdges(words, sam)
    (alone,) = words.predict_text(words.embed(scene), [TextQuery("x")])
    (answer,) = joined.predict_text(joined.embed(scene), [TextQuery("x")])
    parts = single_parts(alone.probability, None)
    for label in range(1, parts.max() + 1):
        part = parts == label
        kept = np.array_equal(answer.probability[part] > 0.5, alone.probability[part] > 0.5)
        taken = (answer.probability[part] > 0.5).mean() >= 0.4
        assert kept or taken


def test_parts_grow_from_their_cores():
    probability = np.zeros((20, 40), np.float32)
    probability[5:15, 2:22] = 0.9
    probability[5:15, 30:38] = 0.9
    core = np.zeros_like(probability)
    core[8:12, 4:10] = core[8:12, 14:20] = 1
    assert single_parts(probability, None).max() == 2
    labels = single_parts(probability, core)
    assert sorted(np.unique(labels).tolist()) == [0, 1, 2, 3]
    assert labels[9, 6] != labels[9, 17]
    assert ((labels > 0) == (probability > 0.5)).all()
    assert single_parts(0 * probability, core).max() == 0


def test_two_names_with_a_plus_are_one_model():
    joined = registry.get("default-2d+default-2d", "cpu")
    assert isinstance(joined, WordsThenEdges)
    assert joined.card.id == "default-2d+default-2d"
    assert registry.get("default-2d+default-2d", "cpu") is joined
    assert joined.words is registry.get("default-2d", "cpu")
    assert joined.card.extra["text_tile_px"] == 512
    rgb = np.random.default_rng(0).integers(0, 255, (96, 128, 3)).astype(np.uint8)
    (answer,) = joined.predict_text(joined.embed(rgb), [TextQuery("buildings")])
    assert answer.probability.shape == (96, 128)
    registry.release()


def test_parts_that_cannot_do_their_part_are_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("CITYSEG_HOME", str(tmp_path))
    with pytest.raises(InvalidInput, match="takes no words"):
        registry.card("sam-vit-b+default-2d")
    with pytest.raises(InvalidInput, match="draws no outline"):
        registry.card("default-2d+openai-vit-b-32")
    with pytest.raises(InvalidInput, match="no model 'nothing'"):
        registry.card("default-2d+nothing")
    with pytest.raises(InvalidInput, match="cityseg models download sam-vit-b"):
        registry.get("default-2d+sam-vit-b", "cpu")
