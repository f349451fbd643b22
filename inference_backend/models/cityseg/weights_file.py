"""Weights of the cloud network: safetensors in fp16, with configuration, label graph and calibration in the header."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from inference_backend.errors import ModelProblem
from inference_backend.models.cityseg.network import CitySegNet, CloudConfig

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
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - not a dict
    except (OSError, SafetensorError) as error:
        raise ModelProblem(
            f"The model weights '{path.name}' cannot be read; install the plugin again or choose another model.",
            str(error),
        ) from error
    if header.get("format") != FORMAT:
        raise ModelProblem(
            f"'{path.name}' does not hold weights of the point-cloud model; choose the file that came with the plugin."
        )
    net = CitySegNet(CloudConfig.from_dict(json.loads(header["config"])))
    missing, unexpected = net.load_state_dict(state, strict=False)
    if missing or unexpected:
        raise ModelProblem(
            f"'{path.name}' was written by another version; install the plugin again.",
            f"{missing[:5]} {unexpected[:5]}",
        )
    return net.eval(), Calibration(**json.loads(header["calibration"]))
