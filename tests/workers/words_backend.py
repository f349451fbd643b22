"""The real process, with a model that knows things by their colours in place of the trained one: `cityseg serve` for tests.

WORDS_GATE names a file for which the model waits before it looks at an image; WORDS_PID one that then gets the process's number.
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

_models: dict[str, object] = {}


def word_model(name: str = "", device: str = "auto"):
    from inference_backend.errors import InvalidInput
    from tests.data.colour_text_model import ColourTextModel

    if name not in ("", registry.DEFAULT_2D):
        raise InvalidInput(f"There is no model '{name}'; choose one of {registry.DEFAULT_2D}.")
    class GatedModel(ColourTextModel):
        def embed(self, rgb, valid=None, key=""):
            gate = os.environ.get("WORDS_GATE")
            if gate and not Path(gate).exists() and max(rgb.shape) > 64:
                Path(os.environ["WORDS_PID"]).write_text(str(os.getpid()))
                while not Path(gate).exists():
                    time.sleep(0.02)
            return super().embed(rgb, valid, key)

    return _models.setdefault(name, GatedModel())


registry.get = word_model

if __name__ == "__main__":
    # As the plugin starts the product's own: … __main__.py serve --parent-pid N.
    sys.exit(main(sys.argv[sys.argv.index("serve") + 1 :]))
