"""Opens desktop QGIS with the plugin of this checkout, in a profile of its own, with the demo's project.

The plugin's files are links: an edit shows at the next start. The backend is the checkout's .venv.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import qgis_profile
import stage

FOLDER = stage.ROOT / "build" / "qgis-profile"
PROJECT = stage.ROOT / "demo" / "demo.qgz"


def main() -> int:
    """Run QGIS until the user closes it."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        sys.stderr.write("There is no screen here. `make demo` shows the plugin without one.\n")
        return 1
    qgis = shutil.which("qgis")
    if qgis is None:
        sys.stderr.write("QGIS is not on the PATH. Install it (`make system`) and try again.\n")
        return 1
    if not PROJECT.exists():
        done = subprocess.run([sys.executable, str(stage.ROOT / "scripts" / "demo.py")], check=False)
        if done.returncode != 0:
            return done.returncode
    stage.link_plugin(qgis_profile.make_profile(FOLDER, enabled=True))
    environment = {**os.environ, "CITYSEG_PYTHON": str(stage.ROOT / ".venv" / "bin" / "python")}
    command = [qgis, "--profiles-path", str(FOLDER), "--profile", qgis_profile.PROFILE, "--project", str(PROJECT)]
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
