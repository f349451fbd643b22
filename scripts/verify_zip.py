"""Installs cityseg_qgis.zip into an empty QGIS profile and loads, unloads and loads the plugin in real QGIS.

QGIS's own plugin code does all of it: unzipping, metadata, version check, load, start, unload. Afterwards nothing of
the plugin may be left: no dock, action, tool bar, provider or child process.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import qgis_profile
import stage
from zip import TARGET

FOLDER = stage.ROOT / "build" / "verify-zip"
TIMEOUT_S = 180


def main() -> int:
    """Check the zip's form, then load it in QGIS; 0 when all is well."""
    problems = zip_problems(TARGET)
    for problem in problems:
        sys.stderr.write(f"{TARGET.name}: {problem}\n")
    if problems:
        return 1
    qgis_profile.remove_profile(FOLDER)
    plugins = qgis_profile.make_profile(FOLDER, enabled=False)
    with zipfile.ZipFile(TARGET) as archive:
        archive.extractall(plugins)
    report = FOLDER / "report.txt"
    return _run_qgis(report)


def zip_problems(path: Path) -> list[str]:
    """What the plugin repository would refuse: more than one folder, missing files, links, compiled files, size."""
    problems = []
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if {name.split("/", 1)[0] for name in names} != {stage.PLUGIN}:
        problems.append(f"has other top-level entries than {stage.PLUGIN}/")
    for needed in (
        "__init__.py",
        "metadata.txt",
        "LICENSE",
        "inference_backend/__main__.py",
        "requirements/backend.txt",
    ):
        if f"{stage.PLUGIN}/{needed}" not in names:
            problems.append(f"lacks {needed}")
    bad = (".pyc", ".pyo", ".so", ".dll", ".exe", ".dylib", ".sh", ".bat", ".cmd", ".ps1")
    for entry in entries:
        parts = entry.filename.split("/")
        if (
            entry.filename.endswith(bad)
            or "__pycache__" in parts
            or any(part.startswith(".") for part in parts)
        ):
            problems.append(f"holds {entry.filename}")
        if (entry.external_attr >> 16) & 0o170000 == 0o120000:
            problems.append(f"holds a link: {entry.filename}")
    if path.stat().st_size > 25_000_000:
        problems.append("is over 25 MB")
    return problems


def _run_qgis(report: Path) -> int:
    report.unlink(missing_ok=True)
    environment = {
        **{
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("QGIS_", "CITYSEG_"))
        },
        "QT_QPA_PLATFORM": "xcb",
        "CITYSEG_VERIFY_REPORT": str(report),
        "CITYSEG_HOME": str(FOLDER / "home"),
    }
    qgis = [
        "qgis", "--nologo", "--noversioncheck", "--noplugins", "--profiles-path", str(FOLDER), "--profile", qgis_profile.PROFILE,
        "--code", str(Path(__file__).with_name("verify_in_qgis.py")),
    ]  # fmt: skip
    command = (
        ["xvfb-run", "-a", "-s", "-screen 0 1280x800x24", *qgis]
        if shutil.which("xvfb-run")
        else qgis
    )
    try:
        done = subprocess.run(
            command,
            env=environment,
            timeout=TIMEOUT_S,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        output = done.stdout + done.stderr
    except subprocess.TimeoutExpired as error:
        output = f"QGIS did not end within {TIMEOUT_S} s.\n{error.output!r}"
    text = report.read_text(encoding="utf-8") if report.exists() else ""
    sys.stdout.write(text)
    if text.rstrip().endswith("verified"):
        return 0
    sys.stderr.write(output[-4000:] + "\nThe plugin did not load, unload and load in QGIS.\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
