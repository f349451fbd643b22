"""The benchmark's page: tables land between their marks, and sections that were not measured stay."""

from __future__ import annotations

import json

import pytest

from scripts.benchmarks import report
from scripts.benchmarks.report import Row

ROWS = [
    Row("warm click", 100.0, "ms", "SAM", 5000.0, "≥ 40×", True),
    Row("memory", 700.0, "MB", goal="< 500 MB", met=False, note="after clicks"),
]


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(
        "before\n<!-- bench:cpu -->\nold\n<!-- /bench:cpu -->\nafter\n", encoding="utf-8"
    )
    return path


def test_a_ratio_says_how_many_times_better_ours_is():
    assert ROWS[0].ratio == 50
    assert ROWS[1].ratio is None


def test_tables_replace_what_was_between_the_marks(tmp_path, page):
    kept = report.keep("cpu", "Clicks", ROWS, tmp_path / "kept.json")
    report.show(kept, page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n<!-- bench:cpu -->\n")
    assert text.endswith("<!-- /bench:cpu -->\nafter\n")
    assert "old" not in text
    assert "| warm click | 100 ms | SAM | 5,000 ms | 50× | ≥ 40× ✓ |" in text
    assert "| memory (after clicks) | 700 MB |  |  |  | < 500 MB ✗ missed |" in text


def test_sections_and_devices_are_kept_apart(tmp_path, page):
    file = tmp_path / "kept.json"
    report.keep("cpu", "Clicks", ROWS, file)
    kept = report.keep("cpu", "Start", ROWS[:1], file)
    assert list(kept["cpu"]) == ["Clicks", "Start"]
    assert json.loads(file.read_text(encoding="utf-8")) == kept
    report.show(kept, page)
    assert page.read_text(encoding="utf-8").count("### ") == 2
