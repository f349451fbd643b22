"""The real process, with the rule model of the tests in place of the trained one for clouds: `cityseg serve` for tests.

CLOUD_GATE names a file for which the model waits before its first block, listening for a cancel; CLOUD_PID one that then gets the
process's number. CLOUD_MODEL=default leaves the product's own model in place.
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
from inference_backend.models import cloud_registry  # noqa: E402


def rule_model(name: str = "", device: str = "auto"):
    from tests.data.rule_cloud_model import RuleCloudModel

    class GatedModel(RuleCloudModel):
        def predict_block(self, block, classes, cancel=None, density=None):
            gate = os.environ.get("CLOUD_GATE")
            if gate and not Path(gate).exists():
                Path(os.environ["CLOUD_PID"]).write_text(str(os.getpid()))
                while not Path(gate).exists():
                    if cancel is not None:
                        cancel.check()
                    time.sleep(0.02)
            return super().predict_block(block, classes, cancel, density)

    return GatedModel()


if os.environ.get("CLOUD_MODEL") != "default":
    cloud_registry.get_cloud_model = rule_model

if __name__ == "__main__":
    # As the plugin starts the product's own: … __main__.py serve --parent-pid N.
    sys.exit(main(sys.argv[sys.argv.index("serve") + 1 :]))
