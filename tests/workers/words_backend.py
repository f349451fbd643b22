"""The real process, with a model that knows things by their colours in place of the trained one: `cityseg serve` for tests."""

from __future__ import annotations

import sys
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
    return _models.setdefault(name, ColourTextModel())


registry.get = word_model

if __name__ == "__main__":
    # As the plugin starts the product's own: … __main__.py serve --parent-pid N.
    sys.exit(main(sys.argv[sys.argv.index("serve") + 1 :]))
