"""The runner of the tiers counts honestly: a crash, an empty tier and a failure all fail."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.guards.test_packaging import load

RUNNER = load("test")


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("=== 3 passed, 1 skipped in 0.12s ===", {"passed": 3, "skipped": 1}),
        (
            "============ 2 failed, 10 passed, 1 warning in 75.00s (0:01:15) ============",
            {"failed": 2, "passed": 10},
        ),
        ("1 passed, 2 errors in 1.00s", {"passed": 1, "error": 2}),
    ],
)
def test_closing_lines_are_read(line, counts):
    assert RUNNER.read_closing(line) == Counter(counts)


@pytest.mark.parametrize(
    "line", ["tests/unit/test_a.py ...", "FAILED tests/x.py - in 3.00s", "collected 3 items", ""]
)
def test_other_lines_are_not(line):
    assert RUNNER.read_closing(line) is None


@pytest.mark.parametrize(
    ("code", "counts", "ok"),
    [
        (0, {"passed": 1}, True),
        (0, {"skipped": 4}, False),
        (5, {}, False),
        (-11, {}, False),
        (1, {"passed": 3, "failed": 1}, False),
    ],
)
def test_a_tier_passes_only_when_tests_ran_and_none_failed(code, counts, ok):
    assert RUNNER.Outcome("unit", code, Counter(counts), 1.0).ok is ok


def test_a_crash_counts_as_a_failure_in_the_last_line(capsys):
    RUNNER.summarise(
        [
            RUNNER.Outcome("unit", 0, Counter(passed=5), 1.0),
            RUNNER.Outcome("qgis", -11, Counter(), 1.0),
        ]
    )
    text = capsys.readouterr().out
    assert text.splitlines()[-1] == "5 passed, 1 failed, 0 skipped"
    assert "FAIL qgis" in text
