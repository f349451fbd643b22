"""The shipped weights: safetensors in eight bits, with the configuration and the training step in the header."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from inference_backend.models.packed_weights import packed, unpacked
from inference_backend.models.unigeoseg.network import NetworkConfig, UniGeoSegNet
from inference_backend.models.weights_header import fill, read_weights

FORMATS = ("cityseg-unigeoseg-3", "cityseg-unigeoseg-2", "cityseg-unigeoseg-interactive-1")
"""What is written, then what is read as well: fp16 throughout; and before that without words."""


def save_weights(
    path: Path, config: NetworkConfig, state: dict[str, torch.Tensor], step: int
) -> None:
    """Write `state` in eight bits; temporary name first, so that no reader meets half a file."""
    tensors = packed({k: v for k, v in state.items() if not k.endswith("num_batches_tracked")})
    header = {"format": FORMATS[0], "config": json.dumps(config.as_dict()), "step": str(step)}
    temporary = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, temporary, header)
    temporary.chmod(0o644)  # safetensors writes for the owner alone
    temporary.replace(path)


def load_network(path: Path) -> UniGeoSegNet:
    """The network with the weights of `path`, in float32, ready to answer. Raises ModelProblem."""
    header, tensors = read_weights(path, FORMATS, "this model")
    net = UniGeoSegNet(NetworkConfig.from_dict(json.loads(header["config"])))
    fill(net, unpacked(tensors), path, dispensable="num_batches_tracked")
    return net.eval().to(memory_format=torch.channels_last)
