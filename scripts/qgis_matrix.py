"""Runs QGIS tests in another QGIS than the machine's: Debian trixie has 3.40, with COPC layers.

.venv/bin/python scripts/qgis_matrix.py [pytest paths and options]

The other Debian is made once by debootstrap, in a folder outside the checkout (CITYSEG_CACHE, else the user's cache). The tests run in it
by chroot, in a mount namespace of their own: nothing stays mounted. They see the checkout read-only at its own path; the backend is the
checkout's own environment, in which the machine's Python runs in the machine's own root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUITE = "trixie"
PACKAGES = ("qgis", "python3-qgis", "qgis-providers", "python3-numpy", "xvfb", "xauth", "fonts-dejavu-core")
CLOUD_TESTS = ("tests/qgis/test_cloud_layers.py", "tests/qgis/test_cloud_request.py", "tests/e2e/test_classify_qgis.py")
# The pure Python of pytest and its friends serves any Python.
TEST_TOOLS = ROOT / ".qgis-venv"
BACKEND = ROOT / ".venv" / "bin" / "python"
DONE = ".cityseg-complete"
# For what cannot be done here, as automake has it.
SKIPPED = 77
# Where the machine's own root is seen from inside.
HOST = "host"

_INSIDE = """
set -e
root="$1"; work="$2"; checkout="$3"; shift 3
mkdir -p "$root$work" "$root$checkout" "$root/{host}" "$root/proc" "$root/dev"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --rbind / "$root/{host}"
mount --bind "$work" "$root$work"
mkdir -p "$checkout/.qgis-settings"
mount --bind "$checkout" "$root$checkout"
mount --bind "$work/settings" "$root$checkout/.qgis-settings"
mount -o remount,bind,ro "$root$checkout"
exec chroot "$root" /bin/sh -c 'cd "$0" && exec "$@"' "$checkout" "$@"
"""


def main() -> int:
    """The exit code of the tests; 77 where this machine cannot run them."""
    reason = why_not()
    if reason:
        sys.stderr.write(f"QGIS of {SUITE} is not tested here: {reason}\n")
        return SKIPPED
    root = cache_folder() / f"qgis-{SUITE}"
    if not (root / DONE).exists():
        make_root(root)
    tests = sys.argv[1:] or [path for path in CLOUD_TESTS if (ROOT / path).exists()]
    return run_tests(root, tests)


def why_not() -> str:
    """What is missing; empty where nothing is."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "chroot and debootstrap need the superuser of a Linux"
    missing = [name for name in ("debootstrap", "unshare", "chroot", "mount") if shutil.which(name) is None]
    if missing:
        return f"install {', '.join(missing)} (apt-get install debootstrap)"
    if not TEST_TOOLS.is_dir() or not BACKEND.exists():
        return "run `make env qgis-env` first"
    return ""


def cache_folder() -> Path:
    """Outside the checkout: a system of 2 GB is nothing to be cleaned away with it."""
    named = os.environ.get("CITYSEG_CACHE")
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    folder = Path(named).expanduser() if named else home / "cityseg"
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def make_root(root: Path) -> None:
    """Debian with its QGIS, made beside and renamed once it works."""
    part = root.with_name(root.name + ".part")
    if part.exists():
        shutil.rmtree(part)
    sys.stdout.write(f"making {root} (about 500 MB to download)\n")
    sys.stdout.flush()
    gently = ["nice", "-n", "10"]
    subprocess.run([*gently, "debootstrap", "--variant=minbase", SUITE, str(part)], check=True)
    refuse = part / "usr" / "sbin" / "policy-rc.d"
    refuse.write_text("#!/bin/sh\nexit 101\n")  # no service is started in there
    refuse.chmod(0o755)
    shutil.copy("/etc/resolv.conf", part / "etc" / "resolv.conf")
    install = ["apt-get", "-q", "-y", "--no-install-recommends", "install", *PACKAGES]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run([*gently, "chroot", str(part), *install], check=True, env=environment)
    (part / DONE).touch()
    part.rename(root)


def run_tests(root: Path, tests: list[str]) -> int:
    """pytest in there, on a screen of its own."""
    with tempfile.TemporaryDirectory(prefix="cityseg-qgis-") as name:
        work = Path(name)
        python = work / "python"
        # The environment's libraries belong to the machine: its Python runs there, talking through the same pipes.
        python.write_text(f'#!/bin/sh\nexec chroot /{HOST} {BACKEND} "$@"\n')
        python.chmod(0o755)
        pytest = [
            "xvfb-run", "-a", "-s", "-screen 0 1600x1000x24", "python3", "-m", "pytest", "-p", "no:cacheprovider",
            "--basetemp", str(work / "tests"), *tests,
        ]  # fmt: skip
        inside = ["sh", "-c", _INSIDE.format(host=HOST), "sh", str(root), str(work), str(ROOT), *pytest]
        command = ["unshare", "--mount", "--propagation", "private", *inside]
        return subprocess.run(command, env=environment(work, python), check=False).returncode


def environment(work: Path, python: Path) -> dict[str, str]:
    """Homes that are not the user's, and the tests' tools on the path."""
    tools = next(TEST_TOOLS.glob("lib/python3.*/site-packages"))
    for folder in ("home", "runtime", "cityseg", "qgis", "settings"):
        (work / folder).mkdir(mode=0o700)
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(work / "home"),
        "TMPDIR": str(work),
        "XDG_RUNTIME_DIR": str(work / "runtime"),
        "CITYSEG_HOME": str(work / "cityseg"),
        "QGIS_CUSTOM_CONFIG_PATH": str(work / "qgis"),
        "CITYSEG_PYTHON": str(python),
        "PYTHONPATH": str(tools),
        "PYTHONDONTWRITEBYTECODE": "1",
        "QT_QPA_PLATFORM": "xcb",
        "LIBGL_ALWAYS_SOFTWARE": "1",
        "LC_ALL": "C.UTF-8",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2"),
        **{name: value for name, value in os.environ.items() if name.startswith("CITYSEG_PICTURES")},
    }


if __name__ == "__main__":
    sys.exit(main())
