"""Which command starts the backend: a Python that the user chose or installed, or a command such as ssh.

No Qt here. Nothing is started: a Python that does not work shows as a backend that does not answer.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from cityseg_qgis.errors import BackendUnavailable
from cityseg_qgis.paths import PACKAGE_DIR
from cityseg_qgis.worker.environment import scrubbed_environment, with_interpreter
from cityseg_qgis.worker.installer import places

PYTHON_VARIABLE = "CITYSEG_PYTHON"
COMMAND_VARIABLE = "CITYSEG_COMMAND"
# -I: no user site, no current folder, no PYTHON* variables; hence UTF-8 and no buffering as flags.
PYTHON_FLAGS = ("-I", "-X", "utf8", "-u")


@dataclass(frozen=True)
class BackendCommand:
    """What to start. `python` is empty for a command that is not ours, for instance ssh."""

    program: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    python: str = ""

    def __str__(self) -> str:
        return " ".join(shlex.quote(part) for part in (self.program, *self.arguments))


def backend_command(
    python: str = "",
    command: str = "",
    environ: Optional[Mapping[str, str]] = None,
    home: Optional[Path] = None,
) -> BackendCommand:
    """The command that starts `serve`. Raises `BackendUnavailable` with what the user can do.

    `python` and `command` are the user's settings, empty where not set; the variables CITYSEG_COMMAND and
    CITYSEG_PYTHON go before them. Without either it is the environment that the installer made under `home`.
    """
    environ = os.environ if environ is None else environ
    command = environ.get(COMMAND_VARIABLE, "") or command
    if command.strip():
        return _foreign_command(command, environ)
    found = find_python(python, environ, home)
    script = str(backend_script())
    # The watcher of the parent is the second line behind the end of stdin.
    arguments = (*PYTHON_FLAGS, script, "serve", "--parent-pid", str(os.getpid()))
    return BackendCommand(str(found), arguments, child_environment(environ, str(found)), str(found))


def find_python(
    python: str = "",
    environ: Optional[Mapping[str, str]] = None,
    home: Optional[Path] = None,
) -> Path:
    """The backend's Python: CITYSEG_PYTHON, else `python`, else the installed one."""
    environ = os.environ if environ is None else environ
    chosen = (environ.get(PYTHON_VARIABLE, "") or python).strip()
    if chosen:
        return _checked(Path(chosen).expanduser())
    installed = places.installed_python(places.data_home(environ) if home is None else home)
    if installed is None:
        raise BackendUnavailable(
            "CitySeg's backend is not installed yet: install it from the CitySeg panel, "
            "or choose an existing Python in the CitySeg options."
        )
    return installed


def backend_script() -> Path:
    """The backend's `__main__.py`: inside the installed plugin, beside the package in a checkout."""
    for folder in (PACKAGE_DIR, PACKAGE_DIR.parent):
        script = folder / "inference_backend" / "__main__.py"
        if script.is_file():
            return script
    raise BackendUnavailable(
        "The CitySeg plugin is incomplete (its backend's files are missing): install the plugin again.",
        f"no inference_backend/__main__.py in {PACKAGE_DIR} or beside it",
    )


def child_environment(environ: Mapping[str, str], python: str = "") -> dict[str, str]:
    """The scrubbed environment for `python` (or another program), as seen from this QGIS."""
    clean = scrubbed_environment(environ, (sys.prefix, sys.exec_prefix))
    return with_interpreter(clean, python) if python else clean


def _checked(path: Path) -> Path:
    """`path` where it is a Python; the Python inside where it is an environment's folder."""
    if path.is_dir():
        inside = [places.python_of(path), path / "python.exe", path / "bin" / "python3"]
        path = next((candidate for candidate in inside if candidate.is_file()), path)
    if not path.is_file() or not os.access(path, os.X_OK):
        raise BackendUnavailable(
            f"There is no Python at '{path}': choose another one in the CitySeg options, "
            "or install the backend again."
        )
    if path.name.lower().startswith("qgis"):
        # sys.executable of QGIS on Windows and macOS: it would open a second QGIS.
        raise BackendUnavailable(
            f"'{path.name}' is QGIS itself, not a Python: choose another one in the CitySeg options."
        )
    return path.absolute()


def _foreign_command(command: str, environ: Mapping[str, str]) -> BackendCommand:
    try:
        parts = shlex.split(command, posix=os.name != "nt")
    except ValueError as error:
        raise BackendUnavailable(
            "The backend command in the CitySeg options has a quotation mark without its partner: "
            "correct it.",
            f"{command!r}: {error}",
        ) from error
    # Without posix rules (a backslash is a folder there) shlex leaves the quotation marks on.
    parts = [part[1:-1] if len(part) > 1 and part[0] == part[-1] == '"' else part for part in parts]
    return BackendCommand(parts[0], tuple(parts[1:]), child_environment(environ))
