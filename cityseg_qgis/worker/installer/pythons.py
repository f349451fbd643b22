"""Which interpreters may fetch the installer, and what a probe of one says."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from cityseg_qgis.worker.installer import plan

_PROBE_MARK = "CITYSEG-PROBE "
_OLDEST = (3, 11)


@dataclass(frozen=True)
class Probe:
    """What an interpreter said of itself. `broken` maps a module to why it does not import."""

    python: str
    machine: str
    prefix: str
    base_prefix: str
    found: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)

    @property
    def in_environment(self) -> bool:
        """Whether it knows that it is in a virtual environment; false under OSGeo4W's PYTHONEXECUTABLE."""
        return self.prefix != self.base_prefix

    def problem(self, must_be_environment: bool) -> str:
        """The sentence for what is wrong with it; empty when it serves."""
        if tuple(int(part) for part in self.python.split(".")[:2]) < _OLDEST:
            return f"This is Python {self.python}; the backend needs Python 3.11 or newer."
        if must_be_environment and not self.in_environment:
            return "The new environment does not know that it is one: PYTHONEXECUTABLE or PYTHONHOME is set for every program. Unset it and install again."
        if self.broken:
            names = ", ".join(sorted(self.broken))
            return f"This Python cannot import {names}. Install what is missing there, or let the plugin install its own."
        return ""


def read_probe(output: str) -> Optional[Probe]:
    """The answer in a probe's output, or None when there is none."""
    for line in reversed(output.splitlines()):
        if line.startswith(_PROBE_MARK):
            try:
                return Probe(**json.loads(line[len(_PROBE_MARK) :]))
            except (ValueError, TypeError):
                return None
    return None


def bootstrap_candidates(path: str, platform: str = sys.platform) -> list[str]:
    """Interpreters on `path` that may fetch uv, then the one that QGIS runs: it is only read, never installed into."""
    names = (
        ("python.exe", "py.exe")
        if platform == "win32"
        else ("python3", "python3.13", "python3.12", "python3.11", "python")
    )
    found = [shutil.which(name, path=path) for name in names]
    own = Path(sys.exec_prefix) / ("python.exe" if platform == "win32" else "bin/python3")
    candidates = [
        str(program) for program in [*found, str(own) if own.is_file() else None] if program
    ]
    # Windows puts a stub that opens the Microsoft Store where Python would be.
    candidates = [program for program in candidates if "WindowsApps" not in program]
    # Several names, one interpreter: trying it again would fail again.
    return list(
        {str(Path(program).resolve()): program for program in reversed(candidates)}.values()
    )[::-1]


def probe_step(python: str, cwd: Path) -> plan.Step:
    """The step that asks `python` what it is."""
    return plan.Step("Trying this Python", plan.probe_argv(python), cwd, 1.0)
