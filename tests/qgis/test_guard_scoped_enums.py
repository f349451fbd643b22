"""QGIS's own enums are fully scoped (Qgis.MessageLevel.Warning): QGIS 4 has no other way. Needs QGIS, hence this tier."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "cityseg_qgis").rglob("*.py"))


def unscoped(text: str) -> list[str]:
    """Chains such as Qgis.Warning that reach an enum's value without naming the enum."""
    tree = ast.parse(text)
    roots = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in (
            "qgis.core",
            "qgis.gui",
            "qgis.analysis",
        ):
            module = importlib.import_module(node.module)
            roots.update(
                {
                    alias.asname or alias.name: getattr(module, alias.name, None)
                    for alias in node.names
                }
            )
    found = []
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and isinstance(roots.get(node.value.id), type)
        ):
            value = getattr(roots[node.value.id], node.attr, None)
            # A value of an enum is an int of a type of its own; a plain int constant is not.
            if isinstance(value, int) and type(value) not in (int, bool):
                found.append(
                    f"{node.lineno}: {node.value.id}.{node.attr} is {type(value).__qualname__}.{node.attr}"
                )
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_qgis_enum_is_scoped(path):
    assert unscoped(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "name",
    [
        "from qgis.core import Qgis\nQgis.Warning",
        "from qgis.core import QgsTask\nQgsTask.CanCancel",
        "from qgis.core import QgsMapLayer as L\nL.RasterLayer",
    ],
)
def test_an_unscoped_enum_is_caught(name):
    assert len(unscoped(name)) == 1


@pytest.mark.parametrize(
    "name",
    [
        "from qgis.core import Qgis\nQgis.MessageLevel.Warning",
        "from qgis.core import QgsTask\nQgsTask.Flag.CanCancel",
        "from qgis.core import Qgis\nQgis.QGIS_VERSION_INT",
    ],
)
def test_a_scoped_enum_and_a_plain_number_pass(name):
    assert unscoped(name) == []
