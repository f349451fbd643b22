"""Choice of device, precision and threads, and the way back from a full GPU."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from inference_backend.errors import InvalidInput, ResourceProblem
from inference_backend.models import device


def test_the_cpu_is_always_there_and_auto_takes_the_best():
    assert device.choose("cpu") == "cpu"
    best = (
        "cuda"
        if torch.cuda.is_available()
        else "mps"
        if torch.backends.mps.is_available()
        else "cpu"
    )
    assert device.choose("auto") == best


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(InvalidInput, match="cannot use 'cuda' on this machine"):
        device.choose("cuda")


def test_an_unknown_device_is_refused():
    with pytest.raises(InvalidInput, match="'tpu' is not a device"):
        device.choose("tpu")


def test_reduced_precision_only_where_the_processor_has_it():
    expected = torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else None
    if not getattr(torch.cpu, "_is_amx_tile_supported", bool)():
        assert device.autocast_dtype("cpu") == expected
    assert device.autocast_dtype("mps") is None


def test_threads_follow_the_override():
    code = (
        "from inference_backend.models.device import configure_threads; print(configure_threads())"
    )

    def threads(**environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env=environment,
            check=True,
        )
        return done.stdout.strip()

    assert threads(CITYSEG_THREADS="3") == "3"
    assert threads(OMP_NUM_THREADS="1") == "1"
    assert 1 <= int(threads()) <= device.usable_cores()


def test_the_hint_needs_no_torch(monkeypatch):
    code = "import sys; from inference_backend.models.device import device_hint; print(device_hint()); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.strip() in device.DEVICES
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert device.device_hint() != "cuda"


class _Worker:
    """Fails with the errors that PyTorch raises until it was moved."""

    def __init__(self, error: Exception) -> None:
        self.error, self.where = error, "cuda"

    def run(self) -> str:
        if self.where == "cuda":
            raise self.error
        return f"done on {self.where}"

    def move(self) -> None:
        self.where = "cpu"


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("MPS backend out of memory")],
)
def test_a_full_gpu_hands_over_to_the_cpu_and_says_so(error, caplog):
    worker = _Worker(error)
    assert device.or_on_cpu(worker.run, worker.move, "mps") == "done on cpu"
    assert "goes on on the CPU" in caplog.text


def test_full_main_memory_is_a_sentence():
    with pytest.raises(ResourceProblem, match="not enough memory for this model"):
        device.or_on_cpu(lambda: torch.empty(1 << 60), lambda: None, "cpu")


def test_other_errors_are_not_taken_for_lack_of_memory():
    worker = _Worker(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="shapes"):
        device.or_on_cpu(worker.run, worker.move, "cuda")
    assert worker.where == "cuda"
