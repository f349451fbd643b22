"""`cityseg segment` with the model of colour words: `python colour_text_segment.py TILES ARGUMENTS`.

It says "waiting" on stdout after so many tiles and goes on when it is interrupted, so that a test knows where it is.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from inference_backend import cli
from inference_backend.commands.segment import Signals
from inference_backend.models import registry
from inference_backend.models.base import Embedding, TextAnswer, TextQuery
from tests.data.colour_text_model import ColourTextModel

_PATIENCE_S = 120


class PatientModel(ColourTextModel):
    """Waits at one tile for the interrupt, of which the command's own signal handler tells."""

    asked = 0

    def predict_text(self, embedding: Embedding, queries: Sequence[TextQuery]) -> list[TextAnswer]:
        self.asked += 1
        if self.asked == TILES:
            sys.stdout.write("waiting\n")
            sys.stdout.flush()
            began = time.monotonic()
            while not INTERRUPTED and time.monotonic() - began < _PATIENCE_S:
                time.sleep(0.01)
        return super().predict_text(embedding, queries)


INTERRUPTED: list[int] = []
_on_signal = Signals._on_signal


def _noted(self: Signals, number: int, frame: object) -> None:
    INTERRUPTED.append(number)
    _on_signal(self, number, frame)


Signals._on_signal = _noted
TILES = int(sys.argv[1])
registry.get = lambda name, device: PatientModel(128)
sys.exit(cli.main(["segment", *sys.argv[2:]]))
