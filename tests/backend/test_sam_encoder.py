"""The fast image encoder gives the library's own numbers, with windows that divide the image and ones that do not."""

from __future__ import annotations

import copy

import pytest
import torch
from segment_anything.modeling import ImageEncoderViT

from inference_backend.models import sam_encoder
from inference_backend.models.sam_encoder import FastImageEncoder


def _encoder(img_px: int, window: int, heads: int = 4) -> ImageEncoderViT:
    torch.manual_seed(3)
    encoder = ImageEncoderViT(
        img_size=img_px,
        embed_dim=heads * 20,
        depth=3,
        num_heads=heads,
        out_chans=16,
        use_rel_pos=True,
        window_size=window,
        global_attn_indexes=(1,),
    ).eval()
    with torch.no_grad():
        for name, parameter in encoder.named_parameters():
            if "rel_pos" in name or "pos_embed" in name:
                parameter.normal_(std=0.5)
            elif "bias" in name:
                parameter.normal_(std=0.3)
    return encoder


@pytest.fixture
def image():
    torch.manual_seed(5)
    return torch.randn(1, 3, 192, 192)


@torch.inference_mode()
@pytest.mark.parametrize("window", [4, 5, 7, 14])
def test_same_embedding_as_the_library(image, window):
    encoder = _encoder(192, window)
    expected = encoder(image)
    got = FastImageEncoder(copy.deepcopy(encoder))(image)
    assert expected.std() > 0.1
    assert torch.allclose(got, expected, atol=2e-5)


@torch.inference_mode()
@pytest.mark.parametrize("scores", [1, 300, 5000, 10**9])
def test_the_size_of_the_pieces_changes_nothing(image, monkeypatch, scores):
    encoder = _encoder(192, 5)
    expected = encoder(image)
    monkeypatch.setattr(sam_encoder, "_PIECE_SCORES", scores)
    assert torch.allclose(FastImageEncoder(encoder)(image), expected, atol=2e-5)


@torch.inference_mode()
def test_the_fused_kernel_of_gpus_gives_the_same(image, monkeypatch):
    encoder = _encoder(192, 5)
    expected = encoder(image)
    monkeypatch.setattr(sam_encoder, "_attend_in_pieces", sam_encoder._attend_at_once)
    assert torch.allclose(FastImageEncoder(encoder)(image), expected, atol=2e-5)


@torch.inference_mode()
def test_relative_positions_of_another_size_are_stretched_as_in_the_library(image):
    encoder = _encoder(256, 5)
    encoder.pos_embed.data = encoder.pos_embed[:, :12, :12].clone()
    encoder.img_size = 192
    expected = encoder(image)
    assert torch.allclose(FastImageEncoder(encoder)(image), expected, atol=2e-5)


@torch.inference_mode()
def test_bfloat16_products_stay_near_and_the_output_is_float32(image):
    encoder = _encoder(192, 5)
    expected = encoder(image)
    got = FastImageEncoder(copy.deepcopy(encoder), torch.bfloat16)(image)
    assert got.dtype == torch.float32
    error = (got - expected).norm() / expected.norm()
    assert 0 < error < 0.03
