"""The zip holds what it should, and the scan catches what plugins.qgis.org would block."""

from __future__ import annotations

import importlib.util
import stat
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from tests.guards.code_rules import ROOT

SCRIPTS = ROOT / "scripts"


def load(name: str) -> ModuleType:
    """A script as a module, without leaving its name (`zip`!) behind for others."""
    spec = importlib.util.spec_from_file_location(f"cityseg_script_{name}", SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(SCRIPTS))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(SCRIPTS))
    return module


STAGE, ZIP, SCAN, VERIFY = (load(name) for name in ("stage", "zip", "scan", "verify_zip"))


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("zip") / "cityseg_qgis.zip"
    ZIP.build(target, ROOT)
    return target


def write_zip(path: Path, files: dict[str, str | bytes], mode: int = stat.S_IFREG | 0o644) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            archive.writestr(entry, text)
    return path


def test_the_zip_is_what_the_repository_takes(built):
    assert VERIFY.zip_problems(built) == []


def test_the_zip_holds_both_sides_and_the_requirements(built):
    names = set(zipfile.ZipFile(built).namelist())
    wanted = {
        "__init__.py",
        "metadata.txt",
        "LICENSE",
        "protocol/framing.py",
        "inference_backend/__main__.py",
        "requirements/backend.txt",
        "requirements/uv.txt",
    }
    assert {f"cityseg_qgis/{name}" for name in wanted} <= names


def test_two_builds_are_the_same_file(built, tmp_path):
    again = tmp_path / "again.zip"
    ZIP.build(again, ROOT)
    assert again.read_bytes() == built.read_bytes()


def test_the_links_of_the_development_profile_are_the_files_of_the_zip(built, tmp_path):
    folder = STAGE.link_plugin(tmp_path, ROOT)
    linked = {
        f"cityseg_qgis/{path.relative_to(folder).as_posix()}"
        for path in folder.rglob("*")
        if path.is_symlink()
    }
    assert linked == set(zipfile.ZipFile(built).namelist())


@pytest.mark.parametrize(
    "files",
    [
        {"cityseg_qgis/x.py": "", "other/y.py": ""},
        {"cityseg_qgis/__pycache__/x.cpython-311.pyc": ""},
        {"cityseg_qgis/.hidden": ""},
        {"cityseg_qgis/tool.dll": ""},
        {"cityseg_qgis/metadata.txt": "without a licence"},
    ],
)
def test_a_bad_zip_is_caught(tmp_path, files):
    assert VERIFY.zip_problems(write_zip(tmp_path / "bad.zip", files)) != []


def test_a_link_in_the_zip_is_caught(tmp_path):
    path = write_zip(
        tmp_path / "link.zip", {"cityseg_qgis/link": "/etc/hosts"}, stat.S_IFLNK | 0o777
    )
    assert any("link" in problem for problem in VERIFY.zip_problems(path))


def test_the_scan_passes_on_the_zip(built):
    assert [str(finding) for finding in SCAN.scan(built) if finding.blocks] == []


@pytest.mark.parametrize(
    "text",
    [
        "assert 1\n",
        "import subprocess\nsubprocess.Popen(['x'])\n",
        "try:\n    f()\nexcept Exception:\n    pass\n",
        "pass" + "word = ''\n",
        "import torch\ntorch.load('x')\n",
        "import pickle\n",
    ],
)
def test_code_that_the_repository_blocks_is_caught(tmp_path, text):
    (tmp_path / "a.py").write_text(text, encoding="utf-8")
    assert {finding.blocks for finding in SCAN.run_bandit(tmp_path)} == {True}


def test_switching_the_scan_off_is_caught(tmp_path):
    (tmp_path / "a.py").write_text("x = 1\n", encoding="utf-8")
    (tmp_path / ".bandit").write_text("[bandit]\nskips: B101\n", encoding="utf-8")
    assert [finding.place for finding in SCAN.run_bandit(tmp_path)] == [".bandit"]


@pytest.mark.parametrize(
    "text", ["key = 'AKIA" + "IOSFODNN7EXAMPLB'\n", "digest = '" + "3f5a9c01b27d4e68" * 4 + "'\n"]
)
def test_a_credential_is_caught(tmp_path, text):
    (tmp_path / "a.py").write_text(text, encoding="utf-8")
    assert [finding.blocks for finding in SCAN.run_detect_secrets(tmp_path)] == [True]


@pytest.mark.parametrize("name", ["tool.exe", "lib.so", ".hidden"])
def test_a_suspicious_file_is_caught(tmp_path, name):
    path = write_zip(tmp_path / "bad.zip", {f"cityseg_qgis/{name}": "MZ"})
    assert len(SCAN.check_files(zipfile.ZipFile(path))) == 1


def test_an_executable_bit_is_caught(tmp_path):
    path = write_zip(
        tmp_path / "bad.zip", {"cityseg_qgis/__init__.py": "x = 1\n"}, stat.S_IFREG | 0o755
    )
    assert len(SCAN.check_files(zipfile.ZipFile(path))) == 1


def test_a_scan_of_nothing_is_no_pass(tmp_path):
    with pytest.raises(SCAN.ScanBroken):
        SCAN.scan(write_zip(tmp_path / "empty.zip", {"cityseg_qgis/readme.txt": "no code"}))


def test_flake8_only_informs(tmp_path):
    findings = SCAN.scan(
        write_zip(tmp_path / "style.zip", {"cityseg_qgis/a.py": "import os\nx = 1\n"})
    )
    assert [(finding.scanner, finding.blocks) for finding in findings] == [("flake8", False)]
