"""Words for things that stand in a city and are no node of the label graph, with the node that they are a kind of.

gis_terms.json is the vocabulary, gis_terms.safetensors what the text encoder says of it. After a change of the vocabulary:

    python -m inference_backend.models.cityseg.gis_vocabulary

Layout: `values` int8 (terms, 384), `scales` float16 (terms,), in the order of the vocabulary; metadata `terms`, the SHA-256 of
the vocabulary's words in order.
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
from inference_backend.language.encoder import WIDTH, TextEncoder

VOCABULARY = Path(__file__).with_name("gis_terms.json")
TABLE = Path(__file__).with_name("gis_terms.safetensors")
_LEVELS = 127


@dataclass(frozen=True)
class GisTerms:
    """`parents[i]` is the node that `words[i]` is a kind of; `vectors` float32 (terms, 384) have length 1."""

    words: tuple[str, ...]
    parents: tuple[str, ...]
    vectors: np.ndarray


def vocabulary() -> dict[str, str]:
    """Each word with the node that it is a kind of."""
    content = json.loads(VOCABULARY.read_text(encoding="utf-8"))
    return {word: node for node, words in content.items() for word in words}


def digest(words: dict[str, str]) -> str:
    """SHA-256 of the words in order: says whether a table is still that of its vocabulary."""
    return hashlib.sha256(json.dumps(list(words)).encode()).hexdigest()


@cache
def gis_terms() -> GisTerms:
    """The vocabulary that ships. Raises ModelProblem where its table is damaged or of another vocabulary."""
    words = vocabulary()
    try:
        with safe_open(TABLE, framework="numpy") as file:
            made_of = (file.metadata() or {})["terms"]
            values, scales = file.get_tensor("values"), file.get_tensor("scales")
        if made_of != digest(words) or values.shape != (len(words), WIDTH):
            raise ValueError(f"{len(values)} rows of another vocabulary; it has {len(words)} words")
    except (OSError, SafetensorError, LookupError, ValueError) as error:
        raise ModelProblem(
            "The vocabulary of the point-cloud model is damaged; install the plugin again.",
            f"{TABLE}: {type(error).__name__}: {error}",
        ) from error
    vectors = values.astype(np.float32) * scales[:, None].astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return GisTerms(tuple(words), tuple(words.values()), vectors)


def write(encoder: TextEncoder, path: Path = TABLE) -> None:
    """Encode the vocabulary; temporary name first."""
    words = vocabulary()
    vectors = encoder.sentences(list(words))
    # The next fp16 upwards: rounded down, the largest value would not fit.
    exact = (np.abs(vectors).max(axis=1) / _LEVELS).astype(np.float16)
    scales = np.nextafter(exact, np.float16(np.inf))
    values = np.rint(vectors / scales[:, None].astype(np.float32)).clip(-_LEVELS, _LEVELS)
    partial = path.with_name(f"{path.name}.partial")
    tensors = {"values": values.astype(np.int8), "scales": scales}
    partial.write_bytes(save(tensors, {"terms": digest(words)}))
    partial.replace(path)


def main() -> int:
    """Build the table that ships."""
    write(TextEncoder(look_up=False))
    sys.stdout.write(f"{len(gis_terms().words)} terms, {TABLE.stat().st_size} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
