"""The real process, with a model whose answers can be reckoned by hand in place of the trained one.

COLOUR_GATE names a file for which embedding an image waits, so that a test can look at a busy process.
COLOUR_FAULT names what the model raises. It also prints, as libraries do, from Python and below it.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from inference_backend import stdio

stdio.reserve()

from inference_backend.commands.serve import main  # noqa: E402
from inference_backend.models import registry  # noqa: E402


def colour_model(name: str = "", device: str = "auto"):
    from inference_backend.errors import ModelProblem
    from tests.data.colour_model import ColourModel

    class NoisyColourModel(ColourModel):
        def embed(self, rgb, valid=None, key=""):
            print("Downloading shards: 3%")  # noqa: T201 - that is the point
            os.write(1, b"CSEG printed by a C library\n")
            gate = os.environ.get("COLOUR_GATE")
            while gate and not Path(gate).exists():
                time.sleep(0.01)
            fault = os.environ.get("COLOUR_FAULT")
            if fault == "problem":
                raise ModelProblem("The model is ill: choose another.", "detail of it")
            if fault:
                raise {"memory": MemoryError, "import": ImportError, "exit": SystemExit}.get(
                    fault, RuntimeError
                )(fault)
            return super().embed(rgb, valid, key)

    return NoisyColourModel()


registry.get = colour_model

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
