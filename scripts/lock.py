"""Pins the requirements again: requirements/*.in to *.txt, every platform, with hashes and without addresses.

    .venv/bin/python scripts/lock.py [--upgrade]

Keeps the versions that are pinned now unless --upgrade is given or an .in file asks for others.
"""

from __future__ import annotations

import subprocess
import sys

from setup_env import REQUIREMENTS, find_uv

# test.in is constrained by backend.txt, so the backend comes first.
NAMES = ("backend", "test", "qgis-test", "uv")
OLDEST_PYTHON = "3.11"


def main() -> int:
    """Compile every file in turn; stop at the first that has no solution."""
    uv = find_uv(None)
    for name in NAMES:
        command = [
            uv, "pip", "compile", "--universal", "--python-version", OLDEST_PYTHON, "--generate-hashes",
            "--no-emit-index-url", "--no-emit-find-links", "--no-annotate", "--no-header", "--quiet",
            *sys.argv[1:], f"{name}.in", "-o", f"{name}.txt",
        ]  # fmt: skip
        done = subprocess.run(command, cwd=REQUIREMENTS, check=False)
        if done.returncode != 0:
            return done.returncode
        pins = sum(
            1
            for line in (REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
            if "==" in line
        )
        sys.stdout.write(f"{name}.txt: {pins} pins\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
