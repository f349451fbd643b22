"""Words without prompts: what is left out or kept for the next tile changes no answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inference_backend.models.base import TextQuery
from inference_backend.models.unigeoseg.adapter import UniGeoSegInteractive, prompt_tensors
from inference_backend.models.unigeoseg.network import NetworkConfig, UniGeoSegNet
from inference_backend.models.unigeoseg.reduced import in_reduced_precision
from inference_backend.models.unigeoseg.text import TextConfig
from inference_backend.models.unigeoseg.words import words_of
from inference_backend.prompts import Prompt

QUERIES = [TextQuery("buildings"), TextQuery("Where can cars drive?", "reasoning")]
NAMES = ("logits", "core", "presence", "iou", "concepts")


@pytest.fixture
def net() -> UniGeoSegNet:
    torch.manual_seed(0)
    config = NetworkConfig(
        widths=(8, 8, 16, 16, 16),
        blocks=(1, 1, 1, 1),
        neck=(8, 8, 8, 16),
        matching=8,
        text=TextConfig(("building", "road"), 2),
    )
    net = UniGeoSegNet(config).eval()
    net.decoder.text.memory.set_keys(torch.randn(2, 2, 384), torch.ones(2, 2))
    return net


@torch.inference_mode()
def test_no_prompts_are_as_empty_prompts(net):
    features = net.encoder(torch.randn(1, 3, 64, 96))
    words = words_of(QUERIES[1:])
    empty = net.decoder(features, prompt_tensors([], 16, 24, None), words)
    for text in (words, net.decoder.hear(words)):
        alone = net.decoder(features, None, text)
        for name in NAMES:
            assert torch.equal(alone[name], empty[name]), name


def test_what_was_heard_for_one_tile_serves_the_next(net):
    model = UniGeoSegInteractive(net)
    rng = np.random.default_rng(3)
    for shape in ((64, 64, 3), (70, 45, 3)):
        embedding = model.embed(rng.integers(0, 255, shape, np.uint8))
        fresh = UniGeoSegInteractive(net)
        for first, second in zip(
            model.predict_text(embedding, QUERIES), fresh.predict_text(embedding, QUERIES)
        ):
            assert np.array_equal(first.probability, second.probability)
            assert (first.presence, first.understood) == (second.presence, second.understood)
    # Other words are heard as such.
    other = model.predict_text(embedding, [TextQuery("roads")])[0]
    assert not np.array_equal(other.probability, first.probability)


@torch.inference_mode()
def test_weights_in_reduced_precision_give_the_same_bits_under_autocast(net):
    image, words = torch.randn(1, 3, 64, 64), words_of(QUERIES[:1])
    clicks = prompt_tensors([Prompt("point", np.array([[20.0, 30.0]]))], 16, 16, None)
    found = []
    for _ in range(2):
        with torch.autocast("cpu", torch.bfloat16):
            features = net.encoder(image)
            found.append([net.decoder(features, prompts, words) for prompts in (None, clicks)])
        in_reduced_precision(net, torch.bfloat16)
    assert net.encoder.stem[0][0].weight.dtype == torch.bfloat16
    assert net.decoder.text.memory.query.weight.dtype == torch.float32
    for before, after in zip(*found):
        for name in NAMES:
            assert torch.equal(before[name], after[name]), name
