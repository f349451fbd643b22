"""Weights of the cloud network: safetensors in fp16, with configuration, label graph and calibration in the header."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file

from inference_backend.models.cityseg.network import CitySegNet, CloudConfig
from inference_backend.models.weights_header import fill, read_weights

FORMAT = "cityseg-cloud-1"


@dataclass(frozen=True)
class Calibration:
    """Measured on held-out data: `temperature` divides the scores of the seen leaves so that a confidence of 0.8 is right in 80 %
    of cases; `seen_cost` is taken from the scores of leaves that were trained on where unseen ones compete with them.
    """

    temperature: float = 1.0
    seen_cost: float = 0.0


def save_cloud_weights(
    path: Path,
    config: CloudConfig,
    state: dict[str, torch.Tensor],
    calibration: Calibration,
    step: int,
) -> None:
    """Write `state` as fp16; temporary name first, so that no reader meets half a file."""
    tensors = {name: value.detach().cpu().half().contiguous() for name, value in state.items()}
    header = {
        "format": FORMAT,
        "config": json.dumps(config.as_dict()),
        "calibration": json.dumps(asdict(calibration)),
        "step": str(step),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    save_file(tensors, temporary, header)
    temporary.chmod(0o644)  # safetensors writes for the owner alone
    temporary.replace(path)


def load_cloud_network(path: Path) -> tuple[CitySegNet, Calibration]:
    """The network in float32, ready to answer. Raises ModelProblem."""
    header, tensors = read_weights(path, (FORMAT,), "the point-cloud model")
    net = CitySegNet(CloudConfig.from_dict(json.loads(header["config"])))
    fill(net, {name: value.float() for name, value in tensors.items()}, path)
    return net.eval(), Calibration(**json.loads(header["calibration"]))
