"""The sources keep the rules; and each rule catches what it is for."""

from __future__ import annotations

import re

import pytest

from tests.guards import code_rules as rules
from tests.guards.code_rules import ROOT, Module

PLUGIN = rules.modules("cityseg_qgis")
BACKEND = rules.modules("inference_backend")
ALL = PLUGIN + BACKEND + rules.modules("scripts", "tests")


def named(module: Module) -> str:
    return module.name


def listed_libraries() -> set[str]:
    files = (ROOT / "requirements" / name for name in ("backend.in", "full.in"))
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return {re.split(r"[<>=\[ ]", line)[0] for line in lines if line and not line.startswith("#")}


def test_the_sources_are_found():
    assert len(PLUGIN) > 10
    assert len(BACKEND) > 10


@pytest.mark.parametrize("module", PLUGIN + BACKEND, ids=named)
def test_imports_keep_their_direction(module):
    assert rules.import_direction(module) == []


@pytest.mark.parametrize("module", PLUGIN + BACKEND, ids=named)
def test_shipped_code_neither_prints_nor_asserts_nor_swallows(module):
    assert rules.shipped_code(module) == []


@pytest.mark.parametrize("module", PLUGIN + BACKEND, ids=named)
def test_public_things_are_documented(module):
    assert rules.undocumented(module) == []


@pytest.mark.parametrize("module", PLUGIN, ids=named)
def test_the_plugin_runs_on_python_39(module):
    assert rules.too_new_for_39(module) == []


@pytest.mark.parametrize("module", ALL, ids=named)
def test_modules_and_functions_stay_short(module):
    assert rules.sizes(module) == []


@pytest.mark.parametrize("module", ALL, ids=named)
def test_names_say_something(module):
    assert rules.banned_name(module) == []


@pytest.mark.parametrize("module", BACKEND, ids=named)
def test_the_backend_imports_only_what_is_installed_with_it(module):
    assert rules.unlisted_libraries(module, listed_libraries()) == []


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("cityseg_qgis.protocol.framing", "import numpy"),
        ("cityseg_qgis.protocol.framing", "from qgis.PyQt.QtCore import QObject"),
        ("cityseg_qgis.protocol.framing", "from cityseg_qgis.errors import CitySegError"),
        ("cityseg_qgis.worker.client", "from cityseg_qgis.core.session import PromptSession"),
        ("cityseg_qgis.worker.client", "from cityseg_qgis.gui import dock"),
        ("cityseg_qgis.core.session", "from cityseg_qgis.gui.dock import Dock"),
        ("cityseg_qgis.core.session", "from qgis.PyQt.QtWidgets import QWidget"),
        ("cityseg_qgis.core.session", "import qgis.gui"),
        ("cityseg_qgis.core.session", "from ..gui import dock"),
        ("cityseg_qgis.gui.dock", "from cityseg_qgis.processing.provider import Provider"),
        ("cityseg_qgis.gui.dock", "from PyQt5.QtWidgets import QWidget"),
        ("cityseg_qgis.gui.dock", "def f():\n    import PyQt6"),
        ("cityseg_qgis.gui.dock", "from inference_backend.predict import predict"),
        ("cityseg_qgis.gui.dock", "import shapely"),
        ("cityseg_qgis.processing.provider", "from cityseg_qgis.gui import dock"),
        ("cityseg_qgis.settings", "import torch"),
        ("inference_backend.serve", "import qgis.core"),
        ("inference_backend.serve", "from cityseg_qgis.worker import client"),
        ("inference_backend.models.sam", "from inference_backend.vector import contour"),
        (
            "inference_backend.models.sam",
            "from inference_backend.imagery.source import open_raster",
        ),
        ("inference_backend.models.sam", "import rasterio"),
        ("inference_backend.vector.clean", "from inference_backend.models import registry"),
        ("inference_backend.vector.clean", "import pyogrio"),
        ("inference_backend.imagery.tiles", "from inference_backend.commands import segment"),
    ],
)
def test_a_wrong_import_is_caught(name, line):
    assert rules.import_direction(Module(name, line)) != []


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("cityseg_qgis.worker.client", "from cityseg_qgis.protocol import framing"),
        (
            "cityseg_qgis.gui.dock",
            "from cityseg_qgis.core.session import PromptSession\nimport numpy",
        ),
        (
            "inference_backend.serve",
            "from cityseg_qgis.protocol.framing import Decoder\nimport torch",
        ),
        ("inference_backend.vector.write", "import pyogrio"),
        ("inference_backend.evaluation.run", "from inference_backend.models import registry"),
    ],
)
def test_a_right_import_passes(name, line):
    assert rules.import_direction(Module(name, line)) == []


@pytest.mark.parametrize(
    "text",
    [
        "print(1)",
        "assert x",
        "from os import *",
        "try:\n    f()\nexcept Exception:\n    pass",
        "try:\n    f()\nexcept:\n    pass",
    ],
)
def test_bad_shipped_code_is_caught(text):
    assert rules.shipped_code(Module("inference_backend.x", text)) != []


def test_a_narrow_pass_is_fine():
    assert (
        rules.shipped_code(
            Module("inference_backend.x", "try:\n    f()\nexcept OSError:\n    pass")
        )
        == []
    )


def test_a_long_module_and_a_long_function_are_caught():
    long_module = Module("a.b", "x = 1\n" * 401)
    long_function = Module("a.b", "def f():\n" + "    x = 1\n" * 60)
    assert len(rules.sizes(long_module)) == 1
    assert len(rules.sizes(long_function)) == 1
    assert rules.sizes(Module("a.b", "def f():\n" + "    x = 1\n" * 59)) == []


@pytest.mark.parametrize(
    "name", ["cityseg_qgis.utils", "inference_backend.common.thing", "scripts.manager"]
)
def test_an_empty_name_is_caught(name):
    assert rules.banned_name(Module(name, "")) != []


def test_a_missing_docstring_is_caught():
    assert (
        len(
            rules.undocumented(
                Module("a.b", "def f():\n    pass\nclass C:\n    pass\ndef _g():\n    pass\n")
            )
        )
        == 3
    )


@pytest.mark.parametrize(
    "text",
    [
        "match x:\n    case 1:\n        pass",
        "def f(x: int): pass",
        "from __future__ import annotations\nValue = str | None",
        "zip(a, b, strict=True)",
        "from dataclasses import dataclass\n@dataclass(slots=True)\nclass A:\n    pass",
        "from typing import Self",
        "type A = int",
    ],
)
def test_syntax_newer_than_39_is_caught(text):
    assert rules.too_new_for_39(Module("cityseg_qgis.x", text)) != []


def test_lazy_annotations_may_be_new():
    assert (
        rules.too_new_for_39(
            Module(
                "cityseg_qgis.x", "from __future__ import annotations\ndef f(x: int | None): pass"
            )
        )
        == []
    )


def test_an_unlisted_library_is_caught():
    assert (
        rules.unlisted_libraries(Module("inference_backend.x", "import flask"), listed_libraries())
        != []
    )
    assert (
        rules.unlisted_libraries(
            Module("inference_backend.x", "import cv2, torch, json"), listed_libraries()
        )
        == []
    )
