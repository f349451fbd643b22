"""CLIP by open_clip: checkpoints of the true format load whole, the map is the library's own network, words become masks."""

from __future__ import annotations

import os
import pickle
import zipfile

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import save_file

from inference_backend.errors import InvalidInput, ModelProblem
from inference_backend.models import registry
from inference_backend.models.base import TextQuery
from inference_backend.models.clip_words import captions, rivals, wordings
from inference_backend.models.families import family_of
from inference_backend.models.guided_filter import guided_filter
from inference_backend.models.openclip import OpenClipModel
from inference_backend.models.openclip_checkpoint import (
    ClipVariant,
    _build,
    load_clip,
    variant_of,
)
from inference_backend.models.openclip_dense import (
    dense_features,
    encode_words,
    resized_positions,
    stride_px,
)
from inference_backend.models.torchscript_tensors import is_torchscript, torchscript_tensors
from inference_backend.prompts import Prompt

TEXT = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2}
VIT = {"image_size": 64, "layers": 3, "width": 64, "patch_size": 16, "head_width": 32}
RESNET = {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16, "patch_size": None}


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("CITYSEG_HOME", str(tmp_path / "home"))
    yield
    registry.release()


def _small(vision: dict) -> open_clip.CLIP:
    """The parts of a published CLIP at a size that takes milliseconds; every part matters to the outcome."""
    torch.manual_seed(3)
    clip = open_clip.CLIP(embed_dim=32, vision_cfg=dict(vision), text_cfg=TEXT)
    with torch.no_grad():
        for name, parameter in clip.named_parameters():
            if "bias" in name or parameter.ndim < 2:
                parameter.add_(0.05 * torch.randn_like(parameter))
    return clip.eval().requires_grad_(False)


def _shapes(name: str) -> dict[str, torch.Tensor]:
    """Every tensor's shape and no memory."""
    with torch.device("meta"):
        return dict(open_clip.CLIP(**open_clip.get_model_config(name)).state_dict())


@pytest.mark.parametrize("name", ["ViT-B-32", "ViT-B-16", "ViT-L-14", "RN50"])
def test_each_network_is_told_by_its_shapes_and_built_whole(tmp_path, name):
    state = _shapes(name)
    path = tmp_path / f"RemoteCLIP-{name}.pt"
    variant = variant_of(state, path)
    assert variant == ClipVariant(name, 224, quick_gelu=False)
    clip = _build(state, variant, path)
    assert set(clip.state_dict()) == set(state)
    assert clip.attn_mask.device.type == "cpu"
    assert variant_of(state, tmp_path / "RS5M_ViT-B-32.pt").quick_gelu
    openai = variant_of({**state, "input_resolution": torch.tensor(224)}, path)
    assert openai.quick_gelu
    assert openai.by_openai
    del state["text_projection"]
    with pytest.raises(InvalidInput, match="1 of its parts"):
        _build(state, variant, path)


@pytest.fixture(scope="module")
def published():
    """ViT-B-32 as the library builds it, with random weights."""
    torch.manual_seed(0)
    clip = open_clip.CLIP(**open_clip.get_model_config("ViT-B-32"))
    return clip.eval().requires_grad_(False)


@pytest.mark.parametrize("form", ["remoteclip.pt", "training.pt", "plain.safetensors"])
def test_a_file_of_the_true_format_answers_as_the_library_does(published, tmp_path, form):
    path = tmp_path / form
    state = published.state_dict()
    if form.endswith("safetensors"):
        save_file(state, path)
    else:
        wrapped = {f"module.{name}": tensor for name, tensor in state.items()}
        torch.save({"epoch": 1, "state_dict": wrapped} if "training" in form else state, path)
    assert family_of(path) == "openclip"
    clip, variant = load_clip(path)
    path.unlink()
    assert variant.name == "ViT-B-32"
    image = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    tokens = open_clip.get_tokenizer("ViT-B-32")(["an aerial photo of a harbour"])
    assert torch.allclose(clip.encode_image(image), published.encode_image(image), atol=1e-6)
    assert torch.allclose(clip.encode_text(tokens), published.encode_text(tokens), atol=1e-6)


@pytest.mark.parametrize("vision", [VIT, RESNET])
def test_the_whole_image_and_words_come_out_as_the_library_encodes_them(vision):
    clip = _small(vision)
    image = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    cells, whole = dense_features(clip, image)
    side = 64 // stride_px(clip)
    assert cells.shape == (2, side, side, 32)
    assert torch.allclose(whole, clip.encode_image(image, normalize=True), atol=1e-5)
    assert dense_features(clip, torch.zeros(1, 3, 96, 128))[0].shape[1:3] == (
        96 // stride_px(clip),
        128 // stride_px(clip),
    )
    tokens = open_clip.get_tokenizer("ViT-B-32")(["ships", "a drone picture of solar panels."])
    assert torch.allclose(
        encode_words(clip, tokens), clip.encode_text(tokens, normalize=True), atol=1e-5
    )


def test_a_cell_sees_its_own_place():
    """Where one cell of an empty image is painted, that cell's vector changes most: rows and columns are in order."""
    image = torch.zeros(1, 3, 64, 64)
    image[..., 16:32, 48:64] = 3 * torch.randn(
        3, 16, 16, generator=torch.Generator().manual_seed(2)
    )
    clip = _small(VIT)
    before, after = (dense_features(clip, seen)[0][0] for seen in (0 * image, image))
    assert int((before * after).sum(-1).argmin()) == 1 * 4 + 3


def test_positions_of_another_grid_keep_their_order():
    rows = torch.arange(4.0).repeat_interleave(4)
    positions = torch.cat([torch.tensor([[9.0]]), rows[:, None]])
    assert resized_positions(positions, 4, 4) is positions
    wider = resized_positions(positions, 8, 6)
    assert wider[0] == 9
    grid = wider[1:].reshape(8, 6)
    assert torch.allclose(grid, grid[:, :1].expand(8, 6), atol=1e-5)
    assert (grid[:, 0].diff() > -0.1).all()


def test_an_archive_of_a_program_is_read_as_data(tmp_path):
    clip = _small(VIT)
    path = tmp_path / "ViT-small.pt"
    tokens = open_clip.get_tokenizer("ViT-B-32")(["a"])
    traced = torch.jit.trace(clip, (torch.zeros(1, 3, 64, 64), tokens), check_trace=False)
    torch.jit.save(traced, path)
    assert is_torchscript(path)
    assert family_of(path) == "openclip"
    found = torchscript_tensors(path)
    for name, tensor in clip.state_dict().items():
        assert torch.equal(found[name], tensor), name


class _Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [2, 4])
def test_code_in_an_archive_is_not_run(tmp_path, protocol):
    path = tmp_path / "trap.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("trap/constants.pkl", b"")
        archive.writestr("trap/data.pkl", pickle.dumps(_Trap(tmp_path / "ran"), protocol))
    with pytest.raises(InvalidInput):
        load_clip(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ({"conv.weight": torch.zeros(3)}, "is not a CLIP checkpoint"),
        (
            {
                "visual.conv1.weight": torch.zeros(96, 3, 16, 16),
                "token_embedding.weight": torch.zeros(4, 4),
                "visual.proj": torch.zeros(4, 4),
                "visual.positional_embedding": torch.zeros(5, 96),
            },
            "a CLIP of a size that is not known",
        ),
    ],
)
def test_other_weights_are_refused_in_one_sentence(tmp_path, state, sentence):
    path = tmp_path / "given.pt"
    torch.save(state, path)
    with pytest.raises(InvalidInput, match=sentence):
        load_clip(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InvalidInput, match=r"given\.pt"):
        load_clip(path)


def test_words_and_their_rivals():
    assert wordings("Houses")[:2] == ("building", "buildings")
    assert wordings("red  tractors") == ("red tractors",)
    assert len(captions("buildings")) > 3
    assert len(captions("the house with the red roof next to the long road")) == 1
    assert "buildings" not in rivals("houses")
    assert "cars" not in rivals("vehicles")
    assert "water" in rivals("ships")


def test_the_guided_filter_takes_the_edge_of_the_image():
    rgb = np.full((40, 60, 3), 40, np.uint8)
    rgb[:, 27:] = 200
    coarse = np.clip((np.arange(60, dtype=np.float32) - 20) / 20, 0, 1)[None].repeat(40, 0)
    found = guided_filter(coarse, rgb, 12)
    assert found.dtype == np.float32
    assert np.abs(np.diff(found, axis=1)).argmax(1).tolist() == [26] * 40
    flat = guided_filter(np.full((40, 60), 0.3, np.float32), rgb, 12)
    assert np.allclose(flat, 0.3, atol=1e-3)


@pytest.fixture
def two_halves():
    """A small CLIP and an image of two textures that meet at column 137, no border of cells."""
    variant = ClipVariant("ViT-B-16", 64, quick_gelu=False)
    random = np.random.default_rng(5)
    rgb = random.integers(0, 60, (256, 256, 3)).astype(np.uint8)
    rgb[:, 137:] += 150
    return OpenClipModel(_small(VIT), variant), rgb


def test_what_the_words_point_to_is_masked_to_the_edge(two_halves):
    """Vectors of the words are planted: random weights know no language. All else is the way that words go."""
    model, rgb = two_halves
    embedding = model.embed(rgb)
    cells = embedding.tensors["cells"]
    left, right = (torch.nn.functional.normalize(c.mean((0, 1)), dim=0) for c in cells.split(14, 1))
    for name in wordings("ships"):
        model._words[name] = left
    for name in rivals("ships"):
        model._words[name] = right
    (answer,) = model.predict_text(embedding, [TextQuery("ships")])
    assert answer.probability.shape == (256, 256)
    assert answer.probability.dtype == np.float32
    inside = answer.probability > 0.5
    assert inside[:, :132].mean() > 0.97
    assert inside[:, 142:].mean() < 0.03
    assert answer.presence > 0.6
    assert 0.5 < answer.score <= 1
    assert answer.understood[0].concept == "ship"
    model._words[rivals("ships")[0]] = left
    for name in wordings("ships"):
        model._words[name] = torch.zeros(32)
    (absent,) = model.predict_text(embedding, [TextQuery("ships")])
    assert absent.presence < 0.1
    assert not (absent.probability > 0.5).any()


def test_words_are_heard_once_and_several_queries_are_answered(two_halves):
    model, rgb = two_halves
    embedding = model.embed(rgb[:100, :180], np.ones((100, 180), bool), "k")
    answers = model.predict_text(embedding, [TextQuery("roads"), TextQuery("a tall red crane")])
    assert [a.probability.shape for a in answers] == [(100, 180)] * 2
    assert not np.array_equal(answers[0].probability, answers[1].probability)
    assert answers[1].understood == ()
    heard = dict(model._words)
    again = model.predict_text(embedding, [TextQuery("roads")])[0]
    assert model._words == heard
    assert np.array_equal(again.probability, answers[0].probability)
    mean = torch.nn.functional.normalize(
        encode_words(model._clip, model._tokenize(list(captions("roads")))).mean(0), dim=0
    )
    # Half precision where the processor has it.
    assert model.vectors_of("roads") @ mean > 0.999


def test_clicks_are_refused_with_the_way_out(two_halves):
    model, rgb = two_halves
    with pytest.raises(ModelProblem, match="takes words only"):
        model.predict(model.embed(rgb), [Prompt("point", np.array([[3.0, 3.0]]))])
    with pytest.raises(InvalidInput, match="3 bands in 8 bits"):
        model.embed(rgb[..., :2])


def test_a_registered_file_is_a_model_like_any_other(published, tmp_path):
    path = tmp_path / "RemoteCLIP-ViT-B-32.pt"
    torch.save(published.state_dict(), path)
    card = registry.card(str(path))
    assert card.prompts == ("text",)
    model = registry.get(str(path), "cpu")
    assert isinstance(model, OpenClipModel)
    assert model.card.extra["text_tile_px"] == 448
    assert model.weights_id.startswith("RemoteCLIP-ViT-B-32@")
    with pytest.raises(InvalidInput, match="is not CLIP ViT-B-32 by OpenAI"):
        registry.check_file("openai-vit-b-32", path)
    embedding = model.embed(np.zeros((64, 64, 3), np.uint8))
    assert model.predict_text(embedding, [TextQuery("roads")])[0].probability.shape == (64, 64)
