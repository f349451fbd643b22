"""A "Python" for CITYSEG_PYTHON that starts the real process with the model of `words_backend`."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = Path(os.environ.get("CITYSEG_PYTHON", ROOT / ".venv" / "bin" / "python"))


def make_python(folder: Path) -> Path:
    """An executable that takes the plugin's command line: flags, a script that it replaces, `serve` and options."""
    script = folder / "python"
    backend = Path(__file__).with_name("words_backend.py")
    script.write_text(f'#!/bin/sh\nexec "{PYTHON}" -I -X utf8 -u "{backend}" "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    return script
