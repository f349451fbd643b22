"""SAM checkpoints: the true format loads whole; everything else is refused in one sentence, and nothing in it is run."""

from __future__ import annotations

import io
import os
import pickle

import pytest
import torch
from safetensors.torch import save_file
from segment_anything import sam_model_registry

from inference_backend.errors import InvalidInput
from inference_backend.models.sam_checkpoint import load_sam, sam_from
from inference_backend.weights.catalogue import entry


def _shapes(variant: str) -> dict[str, torch.Tensor]:
    """Every tensor's shape and no memory: ViT-H alone would be 2.5 GB."""
    with torch.device("meta"):
        return dict(sam_model_registry[variant]().state_dict())


@pytest.mark.parametrize("variant", ["vit_b", "vit_l", "vit_h"])
def test_each_size_is_told_by_its_position_embedding(tmp_path, variant):
    sam, found = sam_from(_shapes(variant), tmp_path / "any.pth")
    assert found.name == variant
    assert sam.pixel_mean.shape == (3, 1, 1)
    assert sam.pixel_mean.device.type == "cpu"
    assert not any(parameter.requires_grad for parameter in sam.parameters())


@pytest.mark.parametrize(
    "wrap",
    [lambda s: {"model": s}, lambda s: {"state_dict": {f"module.{k}": v for k, v in s.items()}}],
)
def test_what_training_scripts_wrap_is_unwrapped(tmp_path, wrap):
    assert sam_from(wrap(_shapes("vit_b")), tmp_path / "any.pth")[1].name == "vit_b"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A checkpoint of the true format: every tensor of ViT-B."""
    path = tmp_path_factory.mktemp("sam") / "whole.pth"
    torch.manual_seed(1)
    torch.save(sam_model_registry["vit_b"]().state_dict(), path)
    return path


def test_the_weights_of_the_file_are_the_networks(whole, tmp_path):
    sam, _ = load_sam(whole)
    expected = torch.load(whole, weights_only=True)
    state = sam.state_dict()
    assert set(state) == set(expected)
    assert all(torch.equal(state[name], expected[name]) for name in expected)
    save_file(expected, tmp_path / "same.safetensors")
    assert torch.equal(
        load_sam(tmp_path / "same.safetensors")[0].image_encoder.pos_embed,
        state["image_encoder.pos_embed"],
    )


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_cut_short_is_told(whole, tmp_path, share, suffix):
    if suffix == ".safetensors":
        torch.manual_seed(0)
        save_file({"image_encoder.pos_embed": torch.randn(1, 64, 64, 768)}, tmp_path / "source")
        content = (tmp_path / "source").read_bytes()
    else:
        content = whole.read_bytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(
        InvalidInput,
        match="is empty; download|damaged or was not downloaded to its end; download it again",
    ):
        load_sam(path)


def test_a_cut_file_of_a_published_name_says_how_much_is_there(whole, tmp_path):
    path = tmp_path / entry("sam-vit-b").file
    path.write_bytes(whole.read_bytes()[:100_000_000])
    with pytest.raises(
        InvalidInput, match="only 100 of 375 MB; .*cityseg models download sam-vit-b"
    ):
        load_sam(path)


class _Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    torch.save({"image_encoder.pos_embed": _Trap(tmp_path / "ran")}, tmp_path / "trap.pth")
    with pytest.raises(InvalidInput, match="not a file of weights that can be loaded safely"):
        load_sam(tmp_path / "trap.pth")
    (tmp_path / "old.pth").write_bytes(pickle.dumps(_Trap(tmp_path / "ran")))
    with pytest.raises(InvalidInput):
        load_sam(tmp_path / "old.pth")
    assert not (tmp_path / "ran").exists()


def _saved(content) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"<!DOCTYPE html><html>not found</html>", "loaded safely|damaged"),
        (b"PK\x03\x04 and then nothing", "damaged or was not downloaded"),
        (os.urandom(5000), "loaded safely|damaged"),
        (_saved([1, 2, 3]), "holds no weights"),
        (_saved({"epoch": 3}), "holds no weights"),
        (_saved({}), "is not a Segment Anything"),
        (_saved({"conv.weight": torch.zeros(3)}), "is not a Segment Anything"),
        (_saved({"image_encoder.pos_embed": torch.zeros(1, 4, 4, 192)}), "SAM of unknown size"),
        (_saved({"image_encoder.pos_embed": torch.zeros(768)}), "SAM of unknown size"),
        (
            _saved({"image_encoder.pos_embed": torch.zeros(1, 64, 64, 768)}),
            "does not fit Segment Anything ViT-B",
        ),
    ],
)
def test_other_files_are_refused_with_the_reason(tmp_path, content, sentence):
    path = tmp_path / "given.pth"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=sentence) as caught:
        load_sam(path)
    assert "given.pth" in caught.value.user_message
    assert "\n" not in caught.value.user_message


def test_one_missing_or_one_strange_tensor_is_counted(tmp_path):
    state = _shapes("vit_b")
    del state["mask_decoder.iou_token.weight"]
    with pytest.raises(InvalidInput, match="1 of its parts") as caught:
        sam_from(state, tmp_path / "a.pth")
    assert caught.value.detail == "mask_decoder.iou_token.weight"
    with pytest.raises(InvalidInput, match="1 of its parts"):
        sam_from(
            {**_shapes("vit_b"), "mask_decoder.hf_token.weight": torch.zeros(1)}, tmp_path / "a.pth"
        )


def test_an_absent_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="no checkpoint"):
        load_sam(tmp_path / "absent.pth")
    with pytest.raises(InvalidInput, match="no checkpoint"):
        load_sam(tmp_path)
