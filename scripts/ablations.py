"""What each part of the text half is worth: short runs from one start that differ in one switch, on held-out scenes.

    .venv/bin/python scripts/ablations.py START HELD_OUT OUT [--minutes 3] [--data DIR]

START is the state of an interactive run, HELD_OUT what `cityseg train data --held-out` wrote; OUT gets the runs and ablations.json.
The runs are far shorter than the one that made the shipped weights: they say what a part is worth early on.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

CITYSEG = Path(sys.executable).with_name("cityseg")
VARIANTS = {
    "all parts": [],
    "without TATE": ["--no-tate"],
    "memory with random slots": ["--memory", "random"],
    "without memory": ["--memory", "off"],
}


def main() -> int:
    """Train and measure every variant; a variant whose weights are there already is measured again only."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("start", type=Path)
    parser.add_argument("held_out", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", default="3")
    parser.add_argument("--data")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, switches in VARIANTS.items():
        run = args.out / name.replace(" ", "-")
        weights = run / "weights.safetensors"
        if not weights.is_file():
            budget = ["--minutes", args.minutes, "--images", "2", "--crop-px", "160"]
            data = ["--data", args.data] if args.data else []
            start = ["--start", str(args.start), "--export", str(weights)]
            _run("train", "unigeoseg", "--out", str(run), *budget, *data, *start, *switches)
        rows.append({"variant": name} | _measured(args.held_out, weights, "0.5"))
        if not switches:
            rows.append({"variant": "without presence"} | _measured(args.held_out, weights, "0"))
        sys.stdout.write(json.dumps(rows[-1]) + "\n")
        sys.stdout.flush()
    (args.out / "ablations.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


def _measured(held_out: Path, weights: Path, presence: str) -> dict[str, float | None]:
    """gIoU of both tasks and the share of absent things that were called absent, by the network alone."""
    answer = _run(
        *("evaluate", "text", str(held_out), "--path", "network", "--model", str(weights)),
        *("--presence", presence, "--json"),
    )
    report = json.loads(answer)
    tasks = report.get("tasks", {})
    return {
        "all": report["all"]["gIoU"],
        "referring": tasks.get("referring", {}).get("gIoU"),
        "reasoning": tasks.get("reasoning", {}).get("gIoU"),
        "absent_found": report["all"].get("N_acc"),
    }


def _run(*words: str) -> str:
    done = subprocess.run([str(CITYSEG), *words], check=True, text=True, stdout=subprocess.PIPE)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
