"""Models by name: what is offered, why one is not, and which are kept in memory."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from inference_backend.errors import InvalidInput
from inference_backend.models import registry
from inference_backend.models.sam import SamModel
from inference_backend.weights import store
from scripts.random_sam import random_sam


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("CITYSEG_HOME", str(tmp_path / "home"))
    yield tmp_path / "home"
    registry.release()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("sam") / "random.pth"
    torch.save(random_sam().state_dict(), path)
    return path


def test_the_default_comes_first_and_absent_ones_say_how_to_get_them():
    cards = registry.cards()
    assert cards[0].id == registry.DEFAULT_2D
    assert not cards[0].needs_download
    absent = {card.id: card for card in cards}["sam-vit-b"]
    assert not absent.available
    assert "cityseg models download sam-vit-b" in absent.why_not
    assert "375 MB" in absent.why_not
    with pytest.raises(InvalidInput, match="cityseg models download sam-vit-b"):
        registry.get("sam-vit-b", "cpu")


def test_listing_models_imports_nothing_heavy():
    code = (
        "import sys; from inference_backend.models import registry; registry.cards(); "
        "sys.exit('torch' in sys.modules or 'segment_anything' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_unknown_name_and_an_unknown_device_are_refused(checkpoint):
    with pytest.raises(
        InvalidInput, match="no model 'sam-vit-x'; choose one of default-2d, default-3d, sam-vit-b"
    ):
        registry.get("sam-vit-x")
    store.register("sam-vit-b", checkpoint)
    with pytest.raises(InvalidInput, match="'gpu' is not a device"):
        registry.get("sam-vit-b", "gpu")


def test_a_registered_checkpoint_is_loaded_once(checkpoint):
    store.register("sam-vit-b", checkpoint)
    assert registry.card("sam-vit-b").available
    model = registry.get("sam-vit-b", "cpu")
    assert isinstance(model, SamModel)
    assert model.card.id == "sam-vit-b"
    assert registry.get("sam-vit-b", "cpu") is model
    assert registry.loaded() == [model]
    registry.release("sam-vit-b")
    assert registry.loaded() == []


def test_own_names_and_bare_paths_work_too(checkpoint):
    store.register("roofs", checkpoint)
    assert [card.id for card in registry.cards()][-1] == "roofs"
    assert registry.get("roofs", "cpu").weights_id == "random.pth"
    assert registry.get(str(checkpoint), "cpu").card.id == str(checkpoint.resolve())


@pytest.mark.parametrize("content", ["garbage", "half", "another network"])
def test_weights_of_ones_own_that_are_no_weights_are_bad_input(tmp_path, content):
    """And not a fault of the installation: the command's exit code is 2."""
    path = tmp_path / "mine.safetensors"
    save_file({"a": torch.zeros(1000)}, path)
    if content != "another network":
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2] if content == "half" else b"garbage" * 50)
    with pytest.raises(InvalidInput, match=r"mine\.safetensors is damaged, incomplete or holds no"):
        registry.get(str(path), "cpu")


def test_a_checkpoint_that_went_away_is_said(checkpoint, tmp_path):
    moved = tmp_path / "moved.pth"
    moved.symlink_to(checkpoint)
    real = tmp_path / "real.pth"
    real.write_bytes(b"x")
    store.register("sam-vit-b", real)
    real.unlink()
    assert "is gone from" in registry.card("sam-vit-b").why_not
    store.unregister("sam-vit-b")
    with pytest.raises(InvalidInput, match="There is no checkpoint"):
        registry.get(str(tmp_path / "absent.pth"))


def test_a_checkpoint_is_checked_against_the_name_it_is_registered_for(checkpoint):
    registry.check_file("sam-vit-b", checkpoint)
    registry.check_file("anything", checkpoint)
    with pytest.raises(InvalidInput, match="is not Segment Anything ViT-L .* but sam-vit-b"):
        registry.check_file("sam-vit-l", checkpoint)
    assert registry.loaded() == []


def test_own_trained_weights_answer_under_their_own_name():
    """Provenance: a feature must say which weights made it."""
    store.register("tuned", store.locate("default-2d"))
    assert registry.get("tuned", device="cpu").card.id == "tuned"
    assert registry.get("default-2d", device="cpu").card.id == "default-2d"
