"""Our own files of weights, of images and of point clouds: what cannot be used is told in the same sentences."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from inference_backend.errors import ModelProblem
from inference_backend.models.cityseg.weights_file import load_cloud_network
from inference_backend.models.unigeoseg.weights_file import load_network
from inference_backend.weights.store import SHIPPED_FOLDER

LOADERS = {
    "default-2d": (load_network, "this model"),
    "default-3d": (load_cloud_network, "the point-cloud model"),
}


@pytest.fixture(params=LOADERS)
def shipped(request):
    load, called = LOADERS[request.param]
    return SHIPPED_FOLDER / f"{request.param}.safetensors", load, called


def changed(source: Path, target: Path, header: dict[str, str]) -> None:
    """The file with other words in its header, without its first `drop` tensors and with one of another name."""
    with safe_open(source, "pt") as file:
        told = {**file.metadata(), **header}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    save_file({**tensors, "of.later.days": torch.zeros(1)}, target, told)


def test_half_a_file(shipped, tmp_path):
    whole, load, _ = shipped
    half = tmp_path / "half.safetensors"
    half.write_bytes(whole.read_bytes()[:100_000])
    with pytest.raises(ModelProblem, match="'half.safetensors' cannot be read; install"):
        load(half)


def test_weights_of_something_else(shipped, tmp_path):
    whole, load, called = shipped
    changed(whole, tmp_path / "other.safetensors", {"format": "of another"})
    with pytest.raises(ModelProblem, match=f"does not hold weights of {called}; choose"):
        load(tmp_path / "other.safetensors")


def test_weights_of_another_version(shipped, tmp_path):
    whole, load, _ = shipped
    changed(whole, tmp_path / "later.safetensors", {})
    with pytest.raises(ModelProblem, match="was written by another version") as caught:
        load(tmp_path / "later.safetensors")
    assert "of.later.days" in caught.value.detail
