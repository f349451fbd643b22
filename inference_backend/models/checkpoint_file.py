"""Reads files of weights as PyTorch or safetensors keep them: never runs what is in them, and says in one sentence what is wrong."""

from __future__ import annotations

import errno
import pickle  # nosec B403 - only for the name of the error that PyTorch's safe reader raises
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inference_backend.errors import InvalidInput
from inference_backend.weights.catalogue import entries

if TYPE_CHECKING:
    from torch import Tensor

# What training scripts wrap a state dict in.
_WRAPPERS = ("model", "state_dict", "model_state_dict")


def read_checkpoint(path: Path, use: str) -> Any:
    """What is in the file, tensors on the CPU. `use` ends the sentence of an error: "use a ... as published".

    Raises `InvalidInput` for a file that is absent, cut short, unreadable or cannot be loaded safely.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    check_size(path)
    try:
        if path.suffix.lower() == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, SafetensorError) as error:
        raise damaged(path, error) from error
    except (
        pickle.UnpicklingError,
        ValueError,
        KeyError,
        AttributeError,
        UnicodeDecodeError,
    ) as error:
        raise InvalidInput(
            f"{path.name} is not a file of weights that can be loaded safely; {use}.", str(error)
        ) from error
    except OSError as error:
        if error.errno == errno.EINVAL:
            # PyTorch looks for the end of a small file that was cut before the file's beginning.
            raise damaged(path, error) from error
        raise InvalidInput(
            f"{path} cannot be read ({error.strerror}); check the file.", str(error)
        ) from error


def damaged(path: Path, error: Exception) -> InvalidInput:
    """The error of a file that was cut or changed on its way."""
    return InvalidInput(
        f"{path.name} is damaged or was not downloaded to its end; download it again.", str(error)
    )


def check_size(path: Path) -> None:
    """Raise `InvalidInput` where the file is absent, empty or shorter than the published one of its name."""
    if not path.is_file():
        raise InvalidInput(f"There is no checkpoint {path}; download or register it again.")
    size = path.stat().st_size
    if size == 0:
        raise InvalidInput(f"{path.name} is empty; download it again.")
    published = next((record for record in entries().values() if record.file == path.name), None)
    if published is not None and published.bytes is not None and size < published.bytes:
        raise InvalidInput(
            f"{path.name} is only {size / 1e6:.0f} of {published.bytes / 1e6:.0f} MB; its download broke off, "
            f"run 'cityseg models download {published.name}'."
        )


def state_dict_of(
    content: Any, path: Path, use: str, prefixes: tuple[str, ...]
) -> dict[str, Tensor]:
    """The tensors by the network's own names, whatever a training script wrapped round them or put before every name.

    Raises `InvalidInput` where `content` is no state dict.
    """
    import torch

    for wrapper in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not all(
        isinstance(v, torch.Tensor) for v in content.values()
    ):
        raise InvalidInput(f"{path.name} holds no weights of a network; {use}.")
    for prefix in prefixes:
        if content and all(name.startswith(prefix) for name in content):
            content = {name.removeprefix(prefix): tensor for name, tensor in content.items()}
    return content
