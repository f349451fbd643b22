"""Between sentences and the network: texts as tensors, and the network's answers in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from inference_backend.language.encoder import TextEncoder, text_encoder
from inference_backend.language.ontology import concepts
from inference_backend.models.base import Embedding, TextAnswer, TextQuery, Understood
from inference_backend.models.unigeoseg.network import UniGeoSegNet
from inference_backend.models.unigeoseg.text import MOST_TOKENS, TASKS, TEXT_DIM, TextTensors

LEAST_TOLD = 0.05
MOST_TOLD = 3
# The focal loss leaves probabilities crowded round a half: stretched, a threshold of 0.3 or 0.7 means something. What is
# above a half stays so.
SHARPNESS = 3.0


def text_tensors(encoder: TextEncoder, texts: Sequence[str], tasks: Sequence[str]) -> TextTensors:
    """Instructions as the network takes them, padded to the longest."""
    tokens = [t[:MOST_TOKENS] for t in encoder.tokens(texts)]
    longest = max([len(t) for t in tokens] + [1])
    padded = np.zeros((len(texts), longest, TEXT_DIM), np.float32)
    real = np.zeros((len(texts), longest), bool)
    for row, value in enumerate(tokens):
        padded[row, : len(value)] = value
        real[row, : len(value)] = True
    return TextTensors(
        torch.from_numpy(padded),
        torch.from_numpy(real),
        torch.from_numpy(np.ascontiguousarray(encoder.sentences(texts))),
        torch.tensor([TASKS.index(t) for t in tasks]),
        torch.ones(len(texts)),
    )


def words_of(queries: Sequence[TextQuery]) -> TextTensors:
    """Queries through the process's text encoder. Raises ModelProblem where it is needed and missing."""
    return text_tensors(text_encoder(), [q.text for q in queries], [q.task for q in queries])


def text_answers(
    net: UniGeoSegNet,
    output: dict[str, Tensor],
    to_image: Callable[[Tensor, Embedding], np.ndarray],
    embedding: Embedding,
) -> list[TextAnswer]:
    """One answer a row of the decoder's output; `to_image` brings (1, n, H/2, W/2) to the embedded image's pixels."""
    answers = []
    for row in range(len(output["logits"])):
        both = torch.stack([output["logits"][row, 0], output["core"][row]])[None]
        probability, core = to_image(torch.sigmoid(SHARPNESS * both), embedding)
        answers.append(
            TextAnswer(
                probability,
                _presence(net, output["presence"][row]),
                float(output["iou"][row, 0]),
                core,
                _understood(net, output["concepts"][row]) if "concepts" in output else (),
            )
        )
    return answers


def _presence(net: UniGeoSegNet, logit: Tensor) -> float:
    """Without the presence token (an ablation) everything is taken to be here."""
    known = net.config.text is None or net.config.text.presence
    return float(torch.sigmoid(logit)) if known else 1.0


def _understood(net: UniGeoSegNet, logits: Tensor) -> tuple[Understood, ...]:
    """The memory's slots by probability, with a function of the concept as the reason."""
    because = {c.name: (c.functions[0] if c.functions else "") for c in concepts()}
    names = net.config.text.concepts if net.config.text else ()
    share, order = logits.float().softmax(-1).sort(descending=True)
    return tuple(
        Understood(names[int(i)], float(p), because.get(names[int(i)], ""))
        for p, i in zip(share[:MOST_TOLD], order[:MOST_TOLD])
        if p >= LEAST_TOLD
    )
