"""The rules that the sources must keep, as functions from a module's text to a list of problems."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60
BANNED_NAMES = frozenset(
    {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers"}
)
QT_BINDINGS = ("PyQt4", "PyQt5", "PyQt6", "PySide2", "PySide6")

# Part of the plugin -> the other parts it may import. What is not named here (errors, paths, about, settings, log,
# i18n) is open to all but `protocol`; `plugin` puts everything together.
PLUGIN_PARTS = {
    "protocol": set(),
    "worker": {"protocol"},
    "core": {"worker", "protocol"},
    "gui": {"core", "worker"},
    "processing": {"core", "worker"},
}
# Part of the backend -> what it may not import: models know no file, vectors know no model, arithmetic no process.
_PROCESS = {"serve", "dispatch", "stdio", "commands", "cli", "segment"}
BACKEND_BANS = {
    "models": _PROCESS | {"vector", "imagery.source", "training", "evaluation"},
    "vector": _PROCESS | {"models", "training", "evaluation"},
    "imagery": _PROCESS | {"models", "vector", "training", "evaluation"},
    "language": _PROCESS | {"training", "evaluation"},
}
# Libraries that open geodata: models and outlines get arrays and shapes.
FILE_LIBRARIES = {"rasterio", "geopandas", "pyogrio", "fiona", "laspy"}
FILE_FREE = {"models": frozenset(), "vector": frozenset({"vector.write", "vector.label_raster"})}
# Frozen types that every part may name.
OPEN_TYPES = ("models.base",)
# Where the name of the distribution is not that of its module.
DISTRIBUTION = {
    "cv2": "opencv-python-headless",
    "open_clip": "open-clip-torch",
    "PIL": "pillow",
    "skimage": "scikit-image",
    "segment_anything": "segment-anything",
}


@dataclass(frozen=True)
class Module:
    """One source file. `name` is dotted, as it would be imported."""

    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.text)

    def imports(self) -> Iterator[tuple[str, int]]:
        """(absolute dotted name, line) of everything imported, at any depth of the code."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    base = ".".join(
                        [*self.name.split(".")[: -node.level], *([base] if base else [])]
                    )
                yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)


def modules(*folders: str) -> list[Module]:
    """Every Python file of these folders of the repository."""
    found = []
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(
                ".__init__"
            )
            found.append(Module(dotted, path.read_text(encoding="utf-8")))
    return found


def import_direction(module: Module) -> list[str]:
    """Imports against the direction that DESIGN.md fixes."""
    side, _, rest = module.name.partition(".")
    check = _plugin_import if side == "cityseg_qgis" else _backend_import
    problems = []
    for name, line in module.imports():
        reason = check(rest, name)
        if reason:
            problems.append(f"{module.name}:{line} imports {name}: {reason}")
    return problems


def _plugin_import(importer: str, name: str) -> str:
    top = name.split(".")[0]
    part = importer.split(".")[0]
    if top in QT_BINDINGS:
        return "Qt comes through qgis.PyQt only"
    if top == "inference_backend":
        return "the plugin never imports the backend"
    if part == "protocol" and not (
        name.startswith("cityseg_qgis.protocol") or top in sys.stdlib_module_names
    ):
        return "protocol uses the standard library only"
    if top == "cityseg_qgis":
        return _plugin_part(part, name)
    if top == "qgis":
        return (
            "core has no widgets"
            if part in ("core", "worker") and name.startswith(("qgis.gui", "qgis.PyQt.QtWidgets"))
            else ""
        )
    return (
        "" if top == "numpy" or top in sys.stdlib_module_names else "QGIS's Python may not have it"
    )


def _plugin_part(part: str, name: str) -> str:
    target = (name.split(".") + [""])[1]
    if (
        part in PLUGIN_PARTS
        and target in PLUGIN_PARTS
        and target != part
        and target not in PLUGIN_PARTS[part]
    ):
        return (
            f"{part} may import {', '.join(sorted(PLUGIN_PARTS[part])) or 'nothing'} of the plugin"
        )
    if part in PLUGIN_PARTS and target == "plugin":
        return "only QGIS imports the plugin module"
    return ""


def _backend_import(importer: str, name: str) -> str:
    top = name.split(".")[0]
    part = importer.split(".")[0]
    if top == "qgis" or top in QT_BINDINGS:
        return "the backend never imports QGIS or Qt"
    if top == "cityseg_qgis":
        return (
            ""
            if name.startswith("cityseg_qgis.protocol")
            else "both sides share cityseg_qgis.protocol only"
        )
    if top == "inference_backend":
        target = name.partition(".")[2]
        if target.startswith(OPEN_TYPES):
            return ""
        banned = [
            ban
            for ban in BACKEND_BANS.get(part, ())
            if target == ban or target.startswith(f"{ban}.")
        ]
        return f"{part} knows nothing of {banned[0]}" if banned else ""
    if (
        part in FILE_FREE
        and top in FILE_LIBRARIES
        and name.split(".")[1:2] not in (["transform"], ["features"])
    ):
        return "" if importer in FILE_FREE[part] else f"{part} opens no files"
    return ""


def unlisted_libraries(module: Module, listed: set[str]) -> list[str]:
    """Third-party imports of the backend that requirements/backend.in and full.in do not list."""
    problems = []
    for name, line in module.imports():
        top = name.split(".")[0]
        known = top in sys.stdlib_module_names or top in (
            "cityseg_qgis",
            "inference_backend",
            "__future__",
        )
        if not known and DISTRIBUTION.get(top, top) not in listed:
            problems.append(
                f"{module.name}:{line} imports {top}, which requirements/backend.in does not list"
            )
    return problems


def sizes(module: Module) -> list[str]:
    """Modules and functions that are longer than a reader holds."""
    problems = []
    lines = module.text.count("\n")
    if lines > MAX_MODULE_LINES:
        problems.append(f"{module.name} has {lines} lines; {MAX_MODULE_LINES} is the most")
    for node in ast.walk(module.tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                problems.append(
                    f"{module.name}:{node.lineno} {node.name} has {length} lines; {MAX_FUNCTION_LINES} is the most"
                )
    return problems


def banned_name(module: Module) -> list[str]:
    """Names that say nothing of what is inside."""
    return [
        f"{module.name} says nothing of what is inside"
        for part in module.name.split(".")
        if part in BANNED_NAMES
    ]


def shipped_code(module: Module) -> list[str]:
    """What shipped code never does: print, assert, star imports, a blind except that swallows."""
    problems = []
    for node in ast.walk(module.tree):
        where = f"{module.name}:{getattr(node, 'lineno', 0)}"
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "print"
        ):
            problems.append(f"{where} prints")
        elif isinstance(node, ast.Assert):
            problems.append(f"{where} asserts; raise instead")
        elif isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            problems.append(f"{where} imports *")
        elif isinstance(node, ast.ExceptHandler) and _swallows_all(node):
            problems.append(f"{where} swallows every exception")
    return problems


def _swallows_all(handler: ast.ExceptHandler) -> bool:
    blind = handler.type is None or (
        isinstance(handler.type, ast.Name) and handler.type.id in ("Exception", "BaseException")
    )
    return blind and all(isinstance(statement, ast.Pass) for statement in handler.body)


def undocumented(module: Module) -> list[str]:
    """Modules and public top-level classes and functions without a docstring."""
    if not module.text.strip():
        return []
    problems = [] if ast.get_docstring(module.tree) else [f"{module.name} has no docstring"]
    for node in module.tree.body:
        if (
            isinstance(node, (ast.ClassDef, ast.FunctionDef))
            and not node.name.startswith("_")
            and not ast.get_docstring(node)
        ):
            problems.append(f"{module.name}:{node.lineno} {node.name} has no docstring")
    return problems


def too_new_for_39(module: Module) -> list[str]:
    """Syntax and calls that Python 3.9 (old QGIS builds on macOS and Windows) does not have."""
    try:
        tree = ast.parse(module.text, feature_version=(3, 9))
    except SyntaxError as error:
        return [f"{module.name}:{error.lineno} {error.msg}"]
    problems = []
    lazy = any(
        isinstance(n, ast.ImportFrom)
        and n.module == "__future__"
        and n.names[0].name == "annotations"
        for n in tree.body
    )
    annotated = any(
        isinstance(n, ast.AnnAssign)
        or (
            isinstance(n, ast.FunctionDef) and (n.returns or any(a.annotation for a in n.args.args))
        )
        for n in ast.walk(tree)
    )
    if annotated and not lazy:
        problems.append(
            f"{module.name} has annotations without `from __future__ import annotations`"
        )
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            keywords = {keyword.arg for keyword in node.keywords}
            if (name == "zip" and "strict" in keywords) or (
                name == "dataclass" and keywords & {"slots", "kw_only"}
            ):
                problems.append(
                    f"{module.name}:{node.lineno} {name}({', '.join(sorted(k for k in keywords if k))}) needs Python 3.10"
                )
        elif isinstance(node, ast.ImportFrom) and node.module == "typing":
            new = {alias.name for alias in node.names} & {
                "TypeAlias",
                "ParamSpec",
                "Self",
                "assert_never",
                "override",
                "TypeGuard",
            }
            problems += [
                f"{module.name}:{node.lineno} typing.{name} is newer than Python 3.9"
                for name in sorted(new)
            ]
    return problems + _evaluated_unions(module.name, tree)


def _evaluated_unions(name: str, tree: ast.Module) -> list[str]:
    """`A = X | None` at module level is evaluated, unlike an annotation, and fails on 3.9."""
    problems = []
    for node in tree.body:
        value = node.value if isinstance(node, ast.Assign) else None
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.BitOr):
            sides = (value.left, value.right)
            if any(isinstance(side, ast.Constant) and side.value is None for side in sides) or any(
                isinstance(side, ast.Name)
                and side.id in ("str", "int", "float", "bytes", "bool", "list", "dict")
                for side in sides
            ):
                problems.append(
                    f"{name}:{node.lineno} evaluates a union of types, which needs Python 3.10"
                )
    return problems
