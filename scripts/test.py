"""Runs the tiers of tests, each in its own interpreter, and sums up their closing lines.

.venv/bin/python scripts/test.py TIER [TIER ...] [pytest options]
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TIERS = ("guards", "unit", "backend", "qgis", "e2e")
IN_QGIS = ("qgis", "e2e")
_CLOSING = re.compile(r"^(?:=+ )?((?:\d+ \w+(?:, )?)+) in [\d.]+s")
_COUNT = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed|deselected)")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Outcome:
    """What one tier came to. `counts` is empty when pytest never closed (a crash)."""

    tier: str
    code: int
    counts: Counter[str]
    seconds: float

    @property
    def ok(self) -> bool:
        """Passed, and at least one test ran: a tier that collects nothing has failed."""
        return self.code == 0 and self.counts["passed"] > 0


def main() -> int:
    """Run the tiers named on the command line; every other word goes to pytest."""
    tiers = [word for word in sys.argv[1:] if word in TIERS]
    options = [word for word in sys.argv[1:] if word not in TIERS]
    outcomes = [run_tier(tier, options) for tier in tiers]
    summarise(outcomes)
    return 0 if outcomes and all(outcome.ok for outcome in outcomes) else 1


def run_tier(tier: str, options: list[str]) -> Outcome:
    """One pytest run, its output passed on as it comes."""
    sys.stdout.write(f"\n--- {tier} ---\n")
    sys.stdout.flush()
    started = time.monotonic()
    counts: Counter[str] = Counter()
    with subprocess.Popen(
        [*_command(tier), *options],
        cwd=ROOT,
        env=_environment(tier),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            sys.stdout.write(line)
            sys.stdout.flush()
            counts = read_closing(line) or counts
    return Outcome(tier, process.returncode, counts, time.monotonic() - started)


def read_closing(line: str) -> Counter[str] | None:
    """The counts in pytest's closing line; None for any other line."""
    closing = _CLOSING.match(_ANSI.sub("", line.strip()))
    if closing is None:
        return None
    names = {"errors": "error"}
    return Counter(
        {names.get(name, name): int(number) for number, name in _COUNT.findall(closing[1])}
    )


def _command(tier: str) -> list[str]:
    python = ROOT / (".qgis-venv" if tier in IN_QGIS else ".venv") / "bin" / "python"
    pytest = [str(python), "-m", "pytest", f"tests/{tier}"]
    if tier not in IN_QGIS or os.environ.get("CITYSEG_TEST_DISPLAY"):
        return pytest
    if shutil.which("xvfb-run") is None:
        sys.stderr.write("xvfb-run is missing: run `make system` first.\n")
        sys.exit(1)
    # A screen of its own: real mouse events, and nothing flashes on the developer's desktop.
    return ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24", *pytest]


def _environment(tier: str) -> dict[str, str]:
    """The tier's variables: the checkout's own backend, and homes that are not the user's."""
    environment = dict(os.environ)
    homes = ROOT / "build" / "test-homes"
    homes.mkdir(parents=True, exist_ok=True)
    environment["CITYSEG_HOME"] = str(homes / "cityseg")
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    # A bare machine has no UTF-8 locale set, and Qt then loses every umlaut in a path.
    environment["LC_ALL"] = "C.UTF-8"
    if tier in IN_QGIS:
        environment["CITYSEG_PYTHON"] = str(ROOT / ".venv" / "bin" / "python")
        environment["QGIS_CUSTOM_CONFIG_PATH"] = str(homes / "qgis")
        environment["QT_QPA_PLATFORM"] = "xcb"
        environment["LIBGL_ALWAYS_SOFTWARE"] = "1"
        environment.setdefault("XDG_RUNTIME_DIR", str(_private(homes / "runtime")))
    return environment


def _private(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def summarise(outcomes: list[Outcome]) -> None:
    """A line a tier, then the sum in the plain form that continuous integrations read."""
    total: Counter[str] = Counter()
    sys.stdout.write("\n")
    for outcome in outcomes:
        total += outcome.counts
        words = (
            ", ".join(f"{number} {name}" for name, number in outcome.counts.items())
            or "no test closed"
        )
        sys.stdout.write(
            f"{'ok  ' if outcome.ok else 'FAIL'} {outcome.tier:8} {words} ({outcome.seconds:.0f} s)\n"
        )
    broken = (
        total["failed"]
        + total["error"]
        + sum(1 for outcome in outcomes if not outcome.ok and not outcome.counts)
    )
    sys.stdout.write(f"{total['passed']} passed, {broken} failed, {total['skipped']} skipped\n")


if __name__ == "__main__":
    sys.exit(main())
