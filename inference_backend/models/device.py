"""Where a model runs: choice of device, precision and threads, and the way back to the CPU when a GPU is full."""

from __future__ import annotations

import logging
import math
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from inference_backend.errors import InvalidInput, ModelProblem, ResourceProblem

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda", "mps")
_log = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")


def device_hint() -> str:
    """A guess without importing torch, fit for `hello`: what `auto` will most likely choose."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") not in ("", "-1") and _has_nvidia_driver():
        return "cuda"
    return "mps" if (sys.platform, platform.machine()) == ("darwin", "arm64") else "cpu"


def choose(requested: str = "auto") -> str:
    """`cpu`, `cuda` or `mps`; raises `InvalidInput` where the one asked for is not usable here."""
    if requested not in DEVICES:
        raise InvalidInput(f"'{requested}' is not a device; use one of {', '.join(DEVICES)}.")
    usable = {"cpu": True, "cuda": _cuda_usable(), "mps": _mps_usable()}
    if requested == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if usable[name])
    if not usable[requested]:
        raise InvalidInput(f"PyTorch cannot use '{requested}' on this machine; use --device auto.")
    return requested


def autocast_dtype(device: str) -> torch.dtype | None:
    """The reduced precision in which an encoder may run, or None for float32.

    bfloat16 on a CPU only pays where its instructions exist (AVX512-BF16, AMX): elsewhere PyTorch converts to float32
    and back around every product, which is slower than float32.
    """
    import torch

    if device == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else None
    return torch.bfloat16 if device == "cpu" and cpu_has_bf16() else None


def cpu_has_bf16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware."""
    import torch

    # The public query is newer than the private one; either may be missing from a given PyTorch.
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    if "avx512_bf16" in capabilities:
        return bool(capabilities["avx512_bf16"] or capabilities.get("amx_bf16"))
    probes = (
        getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile")
    )
    return any(probe is not None and probe() for probe in probes)


def configure_threads() -> int:
    """Set PyTorch's threads to the cores that this process may really use; returns the number.

    PyTorch counts the machine's cores and knows nothing of container quotas, under which too many threads make every
    parallel loop wait for the throttled ones. `CITYSEG_THREADS` overrides; `OMP_NUM_THREADS` is left in charge.
    """
    import torch

    override = os.environ.get("CITYSEG_THREADS", "")
    if override.isdigit() and int(override) > 0:
        torch.set_num_threads(int(override))
    elif not os.environ.get("OMP_NUM_THREADS"):
        torch.set_num_threads(max(1, min(torch.get_num_threads(), usable_cores())))
    return torch.get_num_threads()


def tiles_abreast(device: str) -> int:
    """How many images a model on `device` had best work on at once: on a CPU as many as PyTorch has threads.

    One thread an image instead of all threads on one: no core waits for another at the end of each layer. Measured on two
    cores with the default model: 72 ms an image against 84, and 110 against 210 where another thread is at work too.
    """
    import torch

    return torch.get_num_threads() if device == "cpu" else 1


def work_alone() -> None:
    """Let PyTorch use one thread for what the calling thread does; others keep theirs."""
    import torch

    torch.set_num_threads(1)


def usable_cores() -> int:
    """Cores by affinity and by the container's CPU quota, at least 1."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        if quota != "max":
            cores = min(cores, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):
        return max(1, cores)
    return max(1, cores)


def or_on_cpu(run: Callable[[], _Answer], move_to_cpu: Callable[[], None], device: str) -> _Answer:
    """`run()`; where the GPU has no memory left, empty its cache, `move_to_cpu()` and run once more there.

    Raises `ResourceProblem` where main memory is what ran out.
    """
    import torch

    try:
        return run()
    except torch.OutOfMemoryError as error:
        if device == "cpu":
            raise _no_memory(error) from error
        _log.warning("The GPU has no memory left; this model goes on on the CPU (%s).", error)
    except RuntimeError as error:
        if "allocate" not in str(error) and "out of memory" not in str(error):
            raise
        if device == "cpu":
            raise _no_memory(error) from error
        _log.warning("%s has no memory left; this model goes on on the CPU (%s).", device, error)
    # Outside the handlers: an exception that is still alive keeps the GPU tensors of its frames alive.
    move_to_cpu()
    if device == "cuda":
        torch.cuda.empty_cache()
    return or_on_cpu(run, move_to_cpu, "cpu")


def require_module(name: str) -> None:
    """Raise `ModelProblem` with the way out where an optional library is missing."""
    import importlib.util

    if importlib.util.find_spec(name) is None:
        raise ModelProblem(
            f"This model needs the Python package '{name}', which the backend's environment lacks; "
            "install the backend again from the CitySeg options."
        )


def _no_memory(error: Exception) -> ResourceProblem:
    return ResourceProblem(
        "There is not enough memory for this model; close other programs or choose a smaller model.",
        str(error),
    )


def _has_nvidia_driver() -> bool:
    if sys.platform == "win32":
        return (
            Path(os.environ.get("SYSTEMROOT", r"C:\Windows")) / "System32" / "nvcuda.dll"
        ).exists()
    return Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists()


def _cuda_usable() -> bool:
    import torch

    return torch.cuda.is_available()


def _mps_usable() -> bool:
    import torch

    return torch.backends.mps.is_available()
