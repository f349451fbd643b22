"""What the frozen text encoder says of the nodes of the label graph, ready to look up.

Made again after a change of label_graph.json:

    python -m inference_backend.models.cityseg.node_text

Layout of node_text.safetensors: `mean` float16 (nodes, 384), unit vectors in the order of `LabelGraph.nodes`;
`prompts` float16 (P, 384), a unit vector a prompt; `owner` uint8 (P,), whose prompt it is; metadata `about`, a JSON object
of `texts` (SHA-256 of all prompts) and `encoder` (SHA-256 of the weights that made it).
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from inference_backend.errors import ModelProblem
from inference_backend.language.encoder import WIDTH, TextEncoder, model_folder
from inference_backend.models.cityseg.label_graph import LabelGraph, Node, label_graph

TABLE = Path(__file__).with_name("node_text.safetensors")
MOST_BYTES = 700_000
_LIKE_A_SCAN = "{} in an airborne laser scan of a city"


@dataclass(frozen=True)
class NodeText:
    """`mean` float32 (nodes, 384) and `prompts` float32 (P, 384) are unit vectors; `owner` int64 (P,) is the node."""

    mean: np.ndarray
    prompts: np.ndarray
    owner: np.ndarray
    texts: str
    encoder: str


def prompts_of(node: Node, path: tuple[str, ...]) -> list[str]:
    """The texts that stand for a node: its names, its description with and without the name, its path, and a scene."""
    described = [node.description, f"{node.name}: {node.description}"] if node.description else []
    steps = [" > ".join(path)] if len(path) > 1 else []
    return list(
        dict.fromkeys([node.name, *node.names, *described, *steps, _LIKE_A_SCAN.format(node.name)])
    )


def mean_text(encoder: TextEncoder, prompts: list[str]) -> np.ndarray:
    """The unit mean of the prompts' sentence vectors, float32 (384,)."""
    return _unit(encoder.sentences(prompts).mean(axis=0))


def text_digest(graph: LabelGraph) -> str:
    """SHA-256 of all prompts of a graph, in order: says whether a table is still that of its graph."""
    return hashlib.sha256(json.dumps(_all_prompts(graph)).encode()).hexdigest()


@cache
def node_text() -> NodeText:
    """The table that ships. Raises ModelProblem where it is damaged."""
    return read(TABLE)


def read(path: Path) -> NodeText:
    """Raises ModelProblem where `path` is no such table."""
    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {})["about"])
            mean, prompts = file.get_tensor("mean"), file.get_tensor("prompts")
            owner = file.get_tensor("owner")
        wrong = mean.shape[1:] != (WIDTH,) or prompts.shape != (len(owner), WIDTH)
        if wrong or int(owner.max(initial=0)) >= len(mean):
            raise ValueError(f"mean {mean.shape}, prompts {prompts.shape}, owner {owner.shape}")
        texts, encoder = str(about["texts"]), str(about["encoder"])
    except (OSError, SafetensorError, LookupError, ValueError, TypeError) as error:
        raise ModelProblem(
            "The table of class names of the point-cloud model is damaged; install the plugin again.",
            f"{path}: {type(error).__name__}: {error}",
        ) from error
    return NodeText(
        _unit(mean.astype(np.float32)),
        _unit(prompts.astype(np.float32)),
        owner.astype(np.int64),
        texts,
        encoder,
    )


def build(graph: LabelGraph, encoder: TextEncoder) -> NodeText:
    """Encode all prompts of a graph."""
    lists = _all_prompts(graph)
    owner = np.repeat(np.arange(len(lists)), [len(each) for each in lists])
    vectors = encoder.sentences([text for each in lists for text in each])
    mean = np.stack([vectors[owner == node].mean(axis=0) for node in range(len(lists))])
    digest = hashlib.sha256((model_folder() / "model.safetensors").read_bytes()).hexdigest()
    return NodeText(_unit(mean), vectors, owner, text_digest(graph), digest)


def write(table: NodeText, path: Path) -> None:
    """Save under a temporary name, then rename."""
    about = {
        "licence": "Apache-2.0 (outputs of all-MiniLM-L6-v2)",
        "texts": table.texts,
        "encoder": table.encoder,
    }
    tensors = {
        "mean": table.mean.astype(np.float16),
        "prompts": table.prompts.astype(np.float16),
        "owner": table.owner.astype(np.uint8),
    }
    partial = path.with_name(f"{path.name}.partial")
    # One entry of metadata: the library orders several by chance, and two builds should be the same file.
    partial.write_bytes(save(tensors, {"about": json.dumps(about)}))
    partial.replace(path)


def _all_prompts(graph: LabelGraph) -> list[list[str]]:
    return [prompts_of(node, graph.path(node.name)) for node in graph.nodes]


def _unit(values: np.ndarray) -> np.ndarray:
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def main() -> int:
    """Build the table that ships."""
    # Nothing looked up: the vocabulary's table is rounded to eight bits.
    write(build(label_graph(), TextEncoder(look_up=False)), TABLE)
    size = TABLE.stat().st_size
    sys.stdout.write(
        f"{len(node_text().mean)} nodes, {len(node_text().owner)} prompts, {size} bytes\n"
    )
    return 0 if size <= MOST_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())
