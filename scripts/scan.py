"""Runs plugins.qgis.org's upload scan on cityseg_qgis.zip: what blocks there fails here.

    .venv/bin/python scripts/scan.py [ZIP]

bandit and detect-secrets block; flake8 is informational there and is only shown. The file checks never block there, but
reviewers see them, so they fail here. The rules are data with a date: scan_rules.json.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from zip import TARGET

RULES = json.loads(Path(__file__).with_name("scan_rules.json").read_text(encoding="utf-8"))
TOOLS = Path(sys.executable).parent


class ScanBroken(Exception):
    """A scanner did not run; that must never count as a pass."""


@dataclass(frozen=True)
class Finding:
    """One thing a scanner found."""

    scanner: str
    place: str
    text: str
    blocks: bool

    def __str__(self) -> str:
        return f"{'BLOCKS' if self.blocks else 'note  '} {self.scanner}: {self.place}: {self.text}"


def main() -> int:
    """Scan and print; 1 on any blocking finding, 2 when a scanner broke."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    try:
        findings = scan(path)
    except ScanBroken as error:
        sys.stderr.write(f"The scan itself failed: {error}\n")
        return 2
    for finding in findings:
        sys.stdout.write(f"{finding}\n")
    blocking = sum(finding.blocks for finding in findings)
    sys.stdout.write(
        f"{path.name}: {blocking} blocking, {len(findings) - blocking} informational\n"
    )
    return 1 if blocking else 0


def scan(path: Path) -> list[Finding]:
    """Every finding in the zip at `path`, blocking ones first."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
        root = Path(folder)
        findings = [
            *check_files(archive),
            *run_bandit(root),
            *run_detect_secrets(root),
            *run_flake8(root),
        ]
    return sorted(findings, key=lambda finding: not finding.blocks)


def run_bandit(root: Path) -> list[Finding]:
    """bandit with the repository's rules, any severity; a shipped .bandit file would switch it off, so it blocks too."""
    configured = []
    for path in root.rglob(".bandit"):
        configured.append(
            Finding(
                "bandit", str(path.relative_to(root)), "a configuration switches the scan off", True
            )
        )
        path.unlink()
    report = _json(
        ["bandit", "-r", ".", "-f", "json", "--quiet", "-t", ",".join(RULES["bandit"]["enabled"])],
        root,
        (0, 1),
    )
    if report["errors"]:
        raise ScanBroken(f"bandit could not read {report['errors']}")
    if not report["metrics"]["_totals"]["loc"]:
        raise ScanBroken("bandit read no code")
    return configured + [
        Finding(
            "bandit",
            f"{item['filename']}:{item['line_number']}",
            f"{item['test_id']} {item['issue_text']}",
            True,
        )
        for item in report["results"]
    ]


def run_detect_secrets(root: Path) -> list[Finding]:
    """detect-secrets over every file but metadata.txt."""
    rules = RULES["detect_secrets"]
    disabled = [
        word for plugin in rules["disabled_plugins"] for word in ("--disable-plugin", plugin)
    ]
    report = _json(
        [
            "detect-secrets",
            "scan",
            "--all-files",
            "--exclude-files",
            rules["excluded_files"],
            *disabled,
            ".",
        ],
        root,
        (0,),
    )
    return [
        Finding("detect-secrets", f"{name}:{item['line_number']}", item["type"], True)
        for name, items in report["results"].items()
        for item in items
    ]


def run_flake8(root: Path) -> list[Finding]:
    """flake8 with the repository's codes; shown to reviewers, never blocking."""
    rules = RULES["flake8"]
    command = [
        f"--max-line-length={rules['max_line_length']}",
        "--select",
        ",".join(rules["select"]),
        "--isolated",
        ".",
    ]
    done = subprocess.run(
        [str(TOOLS / "flake8"), *command], cwd=root, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1) or (done.returncode == 1 and not done.stdout):
        raise ScanBroken(f"flake8: {done.stderr[-500:]}")
    return [
        Finding("flake8", ":".join(parts[:2]), parts[-1].strip(), False)
        for parts in (line.split(":", 3) for line in done.stdout.splitlines())
    ]


def check_files(archive: zipfile.ZipFile) -> list[Finding]:
    """Executables, hidden files, executable bits, links."""
    findings = []
    suffixes = tuple(RULES["files"]["suspicious_suffixes"])
    for entry in archive.infolist():
        mode = entry.external_attr >> 16
        name = entry.filename.rsplit("/", 1)[-1]
        if entry.filename.lower().endswith(suffixes):
            findings.append(Finding("files", entry.filename, "executable or binary", True))
        if name.startswith("."):
            findings.append(Finding("files", entry.filename, "hidden file", True))
        if mode & 0o111 or mode & 0o170000 == 0o120000:
            findings.append(Finding("files", entry.filename, "executable bit or link", True))
    return findings


def _json(command: list[str], root: Path, good_codes: tuple[int, ...]) -> dict:
    done = subprocess.run(
        [str(TOOLS / command[0]), *command[1:]],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        if done.returncode in good_codes:
            return json.loads(done.stdout)
    except ValueError:
        pass
    raise ScanBroken(
        f"{command[0]} ended with {done.returncode}: {(done.stderr or done.stdout)[-500:]}"
    )


if __name__ == "__main__":
    sys.exit(main())
