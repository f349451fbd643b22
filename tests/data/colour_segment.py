"""`cityseg segment` with the small colour model for every model's name: `python colour_segment.py PAUSE_S ARGUMENTS`.

It says "working" on stdout at each answer and waits PAUSE_S before it gives it, so that a test knows where it is.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import numpy as np

from inference_backend import cli
from inference_backend.models import registry
from inference_backend.models.base import Embedding, MaskPrediction
from inference_backend.prompts import Prompt
from tests.data.colour_model import ColourModel


class PatientModel(ColourModel):
    def predict(
        self,
        embedding: Embedding,
        prompts: Sequence[Prompt],
        previous_logits: np.ndarray | None = None,
    ) -> list[MaskPrediction]:
        sys.stdout.write("working\n")
        sys.stdout.flush()
        time.sleep(PAUSE_S)
        return super().predict(embedding, prompts, previous_logits)


PAUSE_S = float(sys.argv[1])
registry.get = lambda name, device: PatientModel()
sys.exit(cli.main(["segment", *sys.argv[2:]]))
