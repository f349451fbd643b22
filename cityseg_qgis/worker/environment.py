"""The environment variables of a child process: what QGIS set for its own Python must not reach another one.

No Qt here, so that the rules are tested without QGIS. The installer uses the same rules.
"""

from __future__ import annotations

import ntpath
import os
import posixpath
import sys
from collections.abc import Iterable, Mapping
from typing import Callable, Optional

# `-I` makes Python ignore most PYTHON* variables, but not PYTHONEXECUTABLE (OSGeo4W sets it): with it a
# child believes that it is in no virtual environment. Grandchildren, pip and uv read the others.
_DROPPED = {
    "__PYVENV_LAUNCHER__",
    "CONDA_DEFAULT_ENV",
    "CONDA_PREFIX",
    "GDAL_DATA",
    "GDAL_DRIVER_PATH",
    "GDAL_PYTHON_DRIVER_PATH",
    "GEOTIFF_CSV",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "OSGEO4W_ROOT",
    "PIP_PREFIX",
    "PIP_REQUIRE_VIRTUALENV",
    "PIP_TARGET",
    "PIP_USER",
    "PROJ_DATA",
    "PROJ_LIB",
    "QT_PLUGIN_PATH",
    "UV_PYTHON",
    "UV_SYSTEM_PYTHON",
    "VIRTUAL_ENV",
}
_DROPPED_PREFIXES = ("PYTHON", "QGIS_", "DYLD_", "O4W_")
# Kept for companies with a certificate of their own, dropped where they would break every connection.
_CERTIFICATES = {"CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE"}
_ROOT_VARIABLES = ("OSGEO4W_ROOT", "QGIS_PREFIX_PATH", "PYTHONHOME")
# Where QGIS shares its folders with the system, its PATH entries are everybody's.
_SYSTEM_ROOTS = {"/", "/usr", "/usr/local", "/opt", "/opt/homebrew", "/opt/local", "/app"}


def scrubbed_environment(
    environ: Optional[Mapping[str, str]] = None,
    prefixes: Iterable[str] = (),
    platform: str = sys.platform,
    exists: Callable[[str], bool] = os.path.exists,
) -> dict[str, str]:
    """`environ` (default: this process's) as a Python that is not QGIS's may have it.

    `prefixes` are folders of the running QGIS, such as `sys.prefix`; they say which entries of PATH are its own.
    """
    environ = os.environ if environ is None else environ
    roots = _qgis_roots(environ, prefixes, platform)
    kept = {}
    for name, value in environ.items():
        upper = name.upper()
        if upper in _DROPPED or upper.startswith(_DROPPED_PREFIXES):
            continue
        if upper in _CERTIFICATES and (not exists(value) or _inside(value, roots, platform)):
            continue
        kept[name] = _clean_path(value, roots, platform) if upper == "PATH" else value
    # For grandchildren: the flags `-X utf8` and `-I` reach only the child itself.
    kept["PYTHONUTF8"] = "1"
    kept["PYTHONNOUSERSITE"] = "1"
    return kept


def with_interpreter(
    environ: Mapping[str, str],
    python: str,
    platform: str = sys.platform,
    exists: Callable[[str], bool] = os.path.exists,
) -> dict[str, str]:
    """`environ` with the folders in which a conda Python on Windows looks for its DLLs at the head of PATH."""
    result = dict(environ)
    if platform != "win32":
        return result
    folder = ntpath.dirname(python)
    if ntpath.basename(folder).lower() == "scripts":
        return result
    candidates = [folder, ntpath.join(folder, "Library", "bin"), ntpath.join(folder, "Scripts")]
    name = next((key for key in result if key.upper() == "PATH"), "PATH")
    entries = [path for path in candidates if exists(path)] + [result.get(name, "")]
    result[name] = ";".join(entry for entry in entries if entry)
    return result


def _qgis_roots(
    environ: Mapping[str, str], prefixes: Iterable[str], platform: str
) -> tuple[str, ...]:
    """The folders that belong to QGIS alone, normalised."""
    by_name = {name.upper(): value for name, value in environ.items()}
    found = [by_name.get(name, "") for name in _ROOT_VARIABLES] + list(prefixes)
    roots = {_bundle_root(_normal(path, platform), platform) for path in found if path}
    return tuple(sorted(root for root in roots if root and root not in _SYSTEM_ROOTS))


def _bundle_root(path: str, platform: str) -> str:
    """The top folder of the installation that holds `path`; empty where there is none of its own."""
    if platform == "win32":
        # C:\Program Files\QGIS 3.44.2\apps\Python312, C:\OSGeo4W\apps\qgis-ltr
        head = path.split("\\apps\\")[0]
        return head if len(head) > len("c:\\") else ""
    if platform == "darwin":
        head, separator, _ = path.partition(".app/")
        return head + ".app" if separator else (path if path.endswith(".app") else "")
    return path


def _normal(path: str, platform: str) -> str:
    if platform == "win32":
        return ntpath.normcase(ntpath.normpath(path))
    return posixpath.normpath(path)


def _inside(path: str, roots: Iterable[str], platform: str) -> bool:
    separator = "\\" if platform == "win32" else "/"
    normal = _normal(path, platform)
    return any(normal == root or normal.startswith(root + separator) for root in roots)


def _clean_path(value: str, roots: tuple[str, ...], platform: str) -> str:
    separator = ";" if platform == "win32" else ":"
    entries = value.split(separator)
    return separator.join(e for e in entries if e and not _inside(e, roots, platform))
