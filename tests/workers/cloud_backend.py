"""The real process, with a cloud model whose answers can be reckoned by hand in place of the trained one.

CLOUD_GATE names a file for which every block waits, so that a test can look at a busy process.
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

    class Waiting(RuleCloudModel):
        def predict_block(self, block, classes, cancel=None, density=None):
            gate = os.environ.get("CLOUD_GATE")
            while gate and not Path(gate).exists():
                time.sleep(0.01)
            return super().predict_block(block, classes, cancel, density)

    return Waiting()


cloud_registry.get_cloud_model = rule_model

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
