"""Makes the development environments: .venv for the backend and the tests, .qgis-venv on top of QGIS's Python.

    python3 scripts/setup_env.py backend [--wheels FOLDER] [--torch registry|cpu]
    python3 scripts/setup_env.py qgis

Runs on any Python 3.9 or newer with the standard library alone. The steps are those of the plugin's own installer.
Does nothing when the requirements have not changed since the last time.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from cityseg_qgis.worker.environment import scrubbed_environment  # noqa: E402
from cityseg_qgis.worker.installer import places, plan, pythons, requirements  # noqa: E402
from cityseg_qgis.worker.installer.certificates import with_system_certificates  # noqa: E402
from cityseg_qgis.worker.installer.diagnose import diagnose  # noqa: E402

REQUIREMENTS = ROOT / "requirements"
UV_HOME = ROOT / ".cache" / "uv"
QGIS_PYTHON = os.environ.get("QGIS_PYTHON", "/usr/bin/python3")
_OLDEST_UV = (0, 6)


class SetupFailed(Exception):
    """A step failed; the text says what to do."""


def main() -> int:
    """Make one of the two environments."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("which", choices=("backend", "qgis"))
    parser.add_argument(
        "--wheels", type=Path, default=None, help="install from this folder, without network"
    )
    parser.add_argument("--torch", choices=plan.TORCH_BUILDS, default="registry")
    args = parser.parse_args()
    (ROOT / ".cache").mkdir(exist_ok=True)
    with _only_one():
        try:
            make = make_backend if args.which == "backend" else make_qgis
            make(args.wheels.resolve() if args.wheels else None, args.torch)
        except SetupFailed as error:
            sys.stderr.write(f"\n{error}\n")
            return 1
    return 0


def make_backend(wheels: Path | None, torch: str) -> None:
    """.venv: the pinned backend, the test tools, and this checkout installed editable (gives .venv/bin/cityseg)."""
    venv = ROOT / ".venv"
    locks = [REQUIREMENTS / "backend.txt", REQUIREMENTS / "test.txt"]
    stamp = _stamp(
        [*locks, ROOT / "pyproject.toml", ROOT / "setup.py", ROOT / "metadata.txt"], torch
    )
    if _fresh(venv, stamp):
        return
    uv = find_uv(wheels)
    if not venv.exists():
        _check_room(torch)
    request = plan.InstallRequest(ROOT, locks[0], wheels, torch, extra_locks=(locks[1],))
    steps = plan.environment_steps(request, uv, venv, sys.platform)
    python = str(places.python_of(venv))
    editable = (
        uv,
        "pip",
        "install",
        "--python",
        python,
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-e",
        ".",
    )
    steps.append(plan.Step("Installing this checkout", editable, ROOT, 0.0))
    _run_all(steps, venv)
    _write_stamp(venv, stamp)


def make_qgis(wheels: Path | None, _torch: str) -> None:
    """.qgis-venv: QGIS's own Python and packages, plus the test tools; QGIS's Python itself stays as it is."""
    venv = ROOT / ".qgis-venv"
    lock = REQUIREMENTS / "qgis-test.txt"
    stamp = _stamp([lock], QGIS_PYTHON)
    if _fresh(venv, stamp):
        return
    uv = find_uv(wheels)
    source = ("--offline", "--no-index", "--find-links", str(wheels)) if wheels else ()
    python = str(places.python_of(venv))
    make = (
        uv,
        "venv",
        "--no-project",
        "--python",
        QGIS_PYTHON,
        "--system-site-packages",
        str(venv),
    )
    install = (
        uv,
        "pip",
        "install",
        "--python",
        python,
        "--only-binary",
        ":all:",
        "--require-hashes",
        *source,
        "-r",
        lock.name,
    )
    check = (python, "-c", "import qgis.core, pytest_qgis")
    steps = [
        plan.Step("Making the environment of QGIS's tests", make, ROOT, 0.1),
        plan.Step("Installing its packages", install, REQUIREMENTS, 0.8),
        plan.Step("Trying it", check, ROOT, 0.1),
    ]
    _run_all(steps, venv)
    _write_stamp(venv, stamp)


def find_uv(wheels: Path | None) -> str:
    """uv of the PATH, or of the checkout's cache, or fetched there with pip."""
    private = shutil.which("uv", path=str(places.python_of(UV_HOME).parent))
    for candidate in (shutil.which("uv"), private):
        if candidate and _recent(candidate):
            return candidate
    for step in plan.uv_bootstrap_steps(
        sys.executable, REQUIREMENTS / "uv.txt", UV_HOME, wheels, sys.platform
    ):
        _run(step)
    return str(places.python_of(UV_HOME).parent / "uv")


def _recent(uv: str) -> bool:
    # A pyenv shim exists for every version but works only in those that have the program.
    answer = subprocess.run([uv, "--version"], capture_output=True, text=True, check=False)
    match = re.search(r"uv (\d+)\.(\d+)", answer.stdout)
    return match is not None and (int(match.group(1)), int(match.group(2))) >= _OLDEST_UV


def _run_all(steps: list[plan.Step], venv: Path) -> None:
    existed = places.python_of(venv).is_file()
    try:
        for number, step in enumerate(steps):
            if existed and number == 0:
                continue  # the environment is there; only its packages change
            _run(step)
    except (SetupFailed, KeyboardInterrupt):
        if not existed:
            shutil.rmtree(venv, ignore_errors=True)
        raise


def _run(step: plan.Step) -> None:
    sys.stdout.write(f"[setup] {step.title}\n")
    sys.stdout.flush()
    if step.writes:
        step.writes[0].write_text(step.writes[1], encoding="utf-8")
    environment = with_system_certificates(scrubbed_environment())
    with subprocess.Popen(
        step.argv,
        cwd=step.cwd,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        errors="replace",
    ) as process:
        output = []
        for line in process.stdout or ():
            output.append(line)
            if not line.startswith(("CITYSEG-PROBE", " + ", " - ")):
                sys.stdout.write(f"  {line}")
                sys.stdout.flush()
    text = "".join(output)
    probe = pythons.read_probe(text)
    problem = probe.problem(must_be_environment=True) if probe else ""
    if process.returncode != 0 or problem:
        raise SetupFailed(problem or diagnose(text, step.title))


def _check_room(torch: str) -> None:
    needed, free = requirements.room_bytes(torch), shutil.disk_usage(ROOT).free
    if free < needed:
        raise SetupFailed(
            f"The backend's environment needs {needed / 1e9:.0f} GB free here, and {free / 1e9:.1f} GB are."
        )


def _stamp(inputs: list[Path], extra: str) -> str:
    total = hashlib.sha256(extra.encode())
    for path in inputs:
        total.update(path.read_bytes())
    return total.hexdigest()


def _fresh(venv: Path, stamp: str) -> bool:
    try:
        return (
            places.python_of(venv).is_file()
            and (venv / "cityseg.stamp").read_text(encoding="utf-8") == stamp
        )
    except OSError:
        return False


def _write_stamp(venv: Path, stamp: str) -> None:
    (venv / "cityseg.stamp").write_text(stamp, encoding="utf-8")


def _only_one():  # noqa: ANN202 - a context manager of the file's own type
    """Hold a lock for as long as the file is open, so that two `make` never build the same environment."""
    import fcntl

    file = (ROOT / ".cache" / "setup.lock").open("w")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


if __name__ == "__main__":
    sys.exit(main())
