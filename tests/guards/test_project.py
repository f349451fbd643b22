"""Metadata, changelog, README, requirements and tracked text keep their promises."""

from __future__ import annotations

import re
import subprocess
from configparser import ConfigParser

import pytest

from cityseg_qgis.worker.installer.requirements import read_pins
from tests.guards.code_rules import ROOT

# What plugins.qgis.org refuses an upload without.
REQUIRED = (
    "name",
    "description",
    "version",
    "qgisMinimumVersion",
    "author",
    "email",
    "about",
    "tracker",
    "repository",
)
LOCKS = ("backend", "test", "qgis-test", "uv")
# Spelled in pieces, so that this file does not hold what it forbids.
FORBIDDEN = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"py" + r"pi\.org",
        r"python" + r"hosted",
        r"deb\." + r"debian\.org",
        r"npm" + r"js\.",
        r"download\." + r"py" + r"torch",
        r"/wo" + r"rk/",
        r"/op" + r"t/(wheels|py)",
        r"/ro" + r"ot/",
        r"/tmp/ba" + r"sh_jobs",
    )
]


def metadata() -> dict[str, str]:
    parser = ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read(ROOT / "metadata.txt", encoding="utf-8")
    return dict(parser["general"])


def metadata_problems(fields: dict[str, str]) -> list[str]:
    problems = [f"{name} is missing" for name in REQUIRED if not fields.get(name, "").strip()]
    problems += [
        f"{name} has HTML"
        for name in ("about", "description", "changelog")
        if "<" in fields.get(name, "")
    ]
    if not re.fullmatch(r"\d+(\.\d+)+", fields.get("version", "")):
        problems.append("version is not dotted numbers")
    if (
        not re.fullmatch(r"3\.\d+", fields.get("qgisMinimumVersion", ""))
        or fields.get("qgisMaximumVersion") != "4.99"
    ):
        problems.append("the QGIS range is wrong")
    if "supportsQt6" in fields:
        problems.append("supportsQt6 is dead and only warns")
    problems += [
        f"{name} is no address"
        for name in ("homepage", "tracker", "repository")
        if not fields.get(name, "").startswith("https://")
    ]
    return problems


def tracked_texts() -> list[tuple[str, str]]:
    answer = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    texts = []
    for name in answer.stdout.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file():
            try:
                texts.append((name, path.read_text(encoding="utf-8")))
            except UnicodeDecodeError:
                continue  # weights and pictures
    return texts


def forbidden_lines(text: str) -> list[str]:
    return [
        line.strip()[:120]
        for line in text.splitlines()
        if any(pattern.search(line) for pattern in FORBIDDEN)
    ]


def make_targets() -> set[str]:
    return set(
        re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )


def commands_in(text: str) -> set[str]:
    """Make targets named in code, inline or in a block."""
    blocks = re.findall(r"```[a-z]*\n(.*?)```", text, re.DOTALL)
    code = "\n".join(
        [*blocks, *re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))]
    )
    words = [
        word
        for line in re.findall(r"(?:^|&& )make ([^\n#]*)", code, re.MULTILINE)
        for word in line.split()
    ]
    return {word for word in words if re.fullmatch(r"[a-z][a-z0-9-]*", word)}


def test_metadata_is_what_the_repository_takes():
    assert metadata_problems(metadata()) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tracker", ""),
        ("version", "0.1.0-beta"),
        ("about", "<b>bold</b>"),
        ("qgisMaximumVersion", "3.99"),
        ("supportsQt6", "True"),
        ("homepage", "x"),
    ],
)
def test_bad_metadata_is_caught(field, value):
    assert metadata_problems({**metadata(), field: value}) != []


def test_the_icon_exists():
    assert (ROOT / metadata()["icon"]).is_file()


def test_the_version_has_one_source():
    version = metadata()["version"]
    places = [
        name
        for name, text in tracked_texts()
        if name not in ("metadata.txt", "CHANGELOG.md")
        and not name.startswith("requirements/")
        and re.search(
            rf"^(__version__|VERSION|version)\s*=\s*[\"']{re.escape(version)}[\"']",
            text,
            re.MULTILINE,
        )
    ]
    assert places == []


def test_the_installed_distribution_has_that_version():
    from importlib.metadata import version

    assert version("cityseg-qgis") == metadata()["version"]


def test_the_changelog_has_the_version():
    assert re.search(
        rf"^## {re.escape(metadata()['version'])}\b",
        (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_every_make_command_in_the_documents_exists(name):
    commands = commands_in((ROOT / name).read_text(encoding="utf-8"))
    assert commands
    assert commands - make_targets() == set()


def test_a_command_that_does_not_exist_is_caught():
    assert commands_in("Run `make nonsense`, then\n```\nmake env other\n```") == {
        "nonsense",
        "env",
        "other",
    }


def test_every_target_has_a_line_of_help():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = (
        re.search(r"^\.PHONY:((?:.*\\\n)*.*)$", makefile, re.MULTILINE)[1]
        .replace("\\", " ")
        .split()
    )
    helped = set(re.findall(r"^([a-z0-9-]+):.*## ", makefile, re.MULTILINE))
    assert set(phony) == helped == make_targets()


def test_no_tracked_file_names_a_registry_or_a_path_of_one_machine():
    found = {name: forbidden_lines(text) for name, text in tracked_texts()}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_a_registry_and_a_machine_path_are_caught():
    for line in ("index = https://py" + "pi.org/simple", "open('/wo" + "rk/main/x')"):
        assert forbidden_lines(line) == [line]


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_pinned_with_hashes_and_no_address(name):
    path = ROOT / "requirements" / f"{name}.txt"
    pins = read_pins(path)
    assert pins
    assert [pin.name for pin in pins if not pin.hashed] == []
    assert "://" not in path.read_text(encoding="utf-8")
    assert "--index-url" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_that_is_asked_for_is_pinned(name):
    lines = (ROOT / "requirements" / f"{name}.in").read_text(encoding="utf-8").splitlines()
    asked = {
        re.split(r"[<>=\[; ]", line)[0].lower().replace("_", "-")
        for line in lines
        if line and line[0] not in "#-"
    }
    assert asked - {pin.name for pin in read_pins(ROOT / "requirements" / f"{name}.txt")} == set()


def test_the_test_tools_share_the_backends_versions():
    backend = {(pin.name, pin.version) for pin in read_pins(ROOT / "requirements" / "backend.txt")}
    names = {name for name, _ in backend}
    test = {(pin.name, pin.version) for pin in read_pins(ROOT / "requirements" / "test.txt")}
    assert {pin for pin in test if pin[0] in names} - backend == set()


@pytest.mark.parametrize("text", ["numpy>=2\n", "numpy==2.0 \\\n", "git+https://example.com/x\n"])
def test_a_line_that_pins_nothing_is_caught(tmp_path, text):
    path = tmp_path / "requirements.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="requirements.txt"):
        read_pins(path)
