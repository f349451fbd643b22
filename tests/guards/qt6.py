"""Finds Qt names that Qt 6 does not have: every attribute chain rooted in a name from qgis.PyQt, resolved against PyQt6."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator

from tests.guards.code_rules import Module

# qgis.PyQt offers these where Qt 5 has them; Qt 6 moved them.
_MOVED_TO_QTGUI = {
    "QAction",
    "QActionGroup",
    "QShortcut",
    "QUndoCommand",
    "QUndoStack",
    "QUndoGroup",
    "QFileSystemModel",
}
# Modules of qgis.PyQt that are not Qt's own.
_NOT_QT = {"uic", "sip", "Qsci", "QtWebKit", "QtWebKitWidgets"}
# Methods that Qt 6 (PyQt6) dropped, wherever they are called.
_DROPPED_CALLS = {
    "exec_": "exec",
    "print_": "print",
    "globalPos": "globalPosition",
    "localPos": "position",
    "screenPos": "globalPosition",
}


def problems(module: Module) -> list[str]:
    """Qt names in `module` that do not resolve in PyQt6."""
    roots = dict(_roots(module.tree))
    found = [
        f"{module.name}: {name} is not in PyQt6" for name, value in roots.items() if value is None
    ]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute):
            chain = _chain(node)
            if chain and roots.get(chain[0]) is not None:
                missing = _first_missing(roots[chain[0]], chain[1:])
                if missing:
                    found.append(
                        f"{module.name}:{node.lineno} {'.'.join(chain)}: Qt 6 has no {missing} there"
                    )
            if isinstance(node.ctx, ast.Load) and node.attr in _DROPPED_CALLS:
                found.append(
                    f"{module.name}:{node.lineno} .{node.attr} is gone in Qt 6; use {_DROPPED_CALLS[node.attr]}"
                )
    return found


def _roots(tree: ast.Module) -> Iterator[tuple[str, object]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("qgis.PyQt"):
            part = node.module.removeprefix("qgis.PyQt").lstrip(".")
            for alias in node.names:
                if not part and alias.name not in _NOT_QT:
                    yield alias.asname or alias.name, _qt_module(alias.name)
                elif part and part.split(".")[0] not in _NOT_QT:
                    yield alias.asname or alias.name, _qt_name(part, alias.name)


def _qt_module(name: str) -> object:
    try:
        return importlib.import_module(f"PyQt6.{name}")
    except ImportError:
        return None


def _qt_name(part: str, name: str) -> object:
    if name in ("pyqtSignal", "pyqtSlot", "pyqtProperty"):
        return getattr(_qt_module("QtCore"), name)
    if part == "QtWidgets" and name in _MOVED_TO_QTGUI:
        part = "QtGui"
    return getattr(_qt_module(part), name, None)


def _chain(node: ast.Attribute) -> list[str]:
    """["Qt", "MouseButton", "LeftButton"] for Qt.MouseButton.LeftButton; empty where the root is no plain name."""
    names = [node.attr]
    value = node.value
    while isinstance(value, ast.Attribute):
        names.append(value.attr)
        value = value.value
    return [value.id, *reversed(names)] if isinstance(value, ast.Name) else []


def _first_missing(root: object, names: list[str]) -> str:
    value = root
    for name in names:
        if not (
            isinstance(value, type) or hasattr(value, "__path__") or hasattr(value, "__spec__")
        ):
            return ""  # a method or a value: what it returns is not known here
        if not hasattr(value, name):
            return name
        value = getattr(value, name)
    return ""
