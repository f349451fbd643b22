"""What a section measured, as rows; kept as JSON by device and section, and shown as tables in docs/benchmarks.md."""

from __future__ import annotations

import datetime
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
JSON_FILE = ROOT / "docs" / "benchmarks.json"
PAGE = ROOT / "docs" / "benchmarks.md"


@dataclass(frozen=True)
class Row:
    """One figure beside its alternative. `ratio` is how many times better ours is, `goal` what was promised of either."""

    what: str
    ours: float
    unit: str
    beside: str = ""
    theirs: float | None = None
    goal: str = ""
    met: bool | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """theirs / ours: all our units are better when smaller."""
        return self.theirs / self.ours if self.theirs is not None and self.ours else None


def keep(device: str, section: str, rows: Sequence[Row], path: Path = JSON_FILE) -> dict[str, Any]:
    """Put a section's rows into the JSON file; other sections and devices stay. Returns all of it."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    kept.setdefault(device, {})[section] = as_record(device, rows)
    _write(path, json.dumps(kept, indent=1, ensure_ascii=False, default=float) + "\n")
    return kept


def as_record(device: str, rows: Sequence[Row]) -> dict[str, Any]:
    """A section as it is kept: when, on what, and the rows."""
    return {
        "measured": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": machine(device),
        "rows": [{**asdict(row), "ratio": row.ratio} for row in rows],
    }


def machine(device: str) -> dict[str, Any]:
    """What was measured on. The load tells whether other work was in the way."""
    import torch

    from inference_backend.models.device import cpu_has_bf16

    return {
        "cpu": torch.cpu.get_capabilities().get("cpu_name") or platform.processor(),
        "cores": os.cpu_count(),
        "bf16": cpu_has_bf16(),
        "gpu": torch.cuda.get_device_name(0) if device == "cuda" else "",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "load_1min": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def show(kept: dict[str, Any], page: Path = PAGE) -> None:
    """Replace each `<!-- bench:DEVICE -->` … `<!-- /bench:DEVICE -->` of the page by that device's tables."""
    text = page.read_text(encoding="utf-8")
    for device in ("cpu", "cuda"):
        begin, end = f"<!-- bench:{device} -->", f"<!-- /bench:{device} -->"
        if device in kept and begin in text and end in text:
            head, rest = text.split(begin, 1)
            _, tail = rest.split(end, 1)
            text = f"{head}{begin}\n{tables(kept[device])}\n{end}{tail}"
    _write(page, text)


def tables(sections: dict[str, Any]) -> str:
    """Markdown of one device's sections."""
    parts = []
    for name, section in sections.items():
        facts = section["machine"]
        where = facts["gpu"] or f"{facts['cores']} cores{', bf16' if facts['bf16'] else ''}"
        parts.append(
            f"\n### {name}\n\n{section['measured'][:10]}; {facts['cpu']}, {where}; torch {facts['torch']}; "
            f"load of the machine {facts['load_1min']}\n"
        )
        parts.append("| what | ours | beside it | alternative | ratio | goal |")
        parts.append("|---|---:|---|---:|---:|---|")
        parts += [_line(row) for row in section["rows"]]
    return "\n".join(parts) + "\n"


def _line(row: dict[str, Any]) -> str:
    what = row["what"] + (f" ({row['note']})" if row["note"] else "")
    theirs = "" if row["theirs"] is None else f"{_number(row['theirs'])} {row['unit']}"
    ratio = "" if row["ratio"] is None else f"{row['ratio']:.3g}×"
    met = "" if row["met"] is None else " ✓" if row["met"] else " ✗ missed"
    return f"| {what} | {_number(row['ours'])} {row['unit']} | {row['beside']} | {theirs} | {ratio} | {row['goal']}{met} |"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
