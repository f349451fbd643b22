"""One installation from the first check to the environment in use: built beside, tried, then made current."""

from __future__ import annotations

import os
import re
import shutil
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Optional, TextIO

from qgis.PyQt.QtCore import QObject, QProcessEnvironment, pyqtSignal

from cityseg_qgis import about
from cityseg_qgis.errors import CitySegError
from cityseg_qgis.worker.installer import places, plan, pythons, requirements
from cityseg_qgis.worker.installer.certificates import with_system_certificates
from cityseg_qgis.worker.installer.diagnose import diagnose
from cityseg_qgis.worker.installer.lock import InstallLock
from cityseg_qgis.worker.installer.proxy import with_qgis_proxy
from cityseg_qgis.worker.installer.steps import STALL_S, StepRunner
from cityseg_qgis.worker.installer.sweep import remove_folders
from cityseg_qgis.worker.interpreter import child_environment

# --relocatable and --torch-backend are used; both are older than this.
_OLDEST_UV = (0, 6)
_UV_VERSION = re.compile(r"uv (\d+)\.(\d+)")
CANCELLED = "The installation was cancelled. Nothing was changed."


class Installer(QObject):
    """Installs once. `finished(ok, message)` comes exactly once after `start`, whatever happens."""

    progressed = pyqtSignal(float, str)
    line = pyqtSignal(str)
    finished = pyqtSignal(bool, str)

    def __init__(
        self, request: plan.InstallRequest, uv_lock: Path, parent: Optional[QObject] = None
    ) -> None:
        super().__init__(parent)
        self._request, self._uv_lock = request, uv_lock
        self._environment = process_environment()
        # On one disk with the environment, uv links what it unpacked instead of copying it.
        self._cache = Path(
            self._environment.value("UV_CACHE_DIR") or places.uv_cache_dir(request.home)
        )
        self._environment.insert("UV_CACHE_DIR", str(self._cache))
        self._runner = StepRunner(self._environment, self)
        self._runner.line.connect(self._on_line)
        self._runner.progressed.connect(self._on_progress)
        self._runner.finished.connect(self._on_step_finished)
        self._lock = InstallLock(request.home)
        self._log: Optional[TextIO] = None
        self._uv = ""
        self._steps: list[plan.Step] = []
        self._bootstraps: list[str] = []
        self._building: Optional[Path] = None
        self._done = 0.0
        self._ended = False

    @property
    def running(self) -> bool:
        """Whether it has started and not ended."""
        return self._log is not None and not self._ended

    def set_stall_s(self, seconds: float) -> None:
        """How long silence may last before a step counts as stalled."""
        self._runner.stall_s = seconds

    def start(self) -> None:
        """Begin. Raises `CitySegError` when it cannot even begin: no room, no lock, no folder."""
        home = self._request.home
        self._lock.acquire()
        try:
            _check_room(home, requirements.room_bytes(self._request.torch_build))
            places.envs_dir(home).mkdir(parents=True, exist_ok=True)
            self._log = places.log_path(home).open("w", encoding="utf-8")
        except OSError as error:
            self._lock.release()
            raise CitySegError(
                f"The folder {home} cannot be written. Set CITYSEG_HOME to one that you may write, and install again.",
                str(error),
            ) from error
        except CitySegError:
            self._lock.release()
            raise
        self._say(
            f"CitySeg {about.version()} into {home}, {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC, {sys.platform}"
        )
        self.progressed.emit(0.0, "Removing what an earlier installation left")
        remove_folders(places.leftovers(home), self._find_uv)

    def cancel(self) -> None:
        """Stop and clean up; what worked before still does."""
        if not self.running:
            return
        if self._runner.running:
            self._runner.cancel()
        else:
            self._runner.cancelled = True

    # -- the phases, in order ---------------------------------------------------------------------------------

    def _find_uv(self) -> None:
        if self._runner.cancelled:
            self._end(False, CANCELLED)
            return
        path = self._environment.value("PATH")
        uv = self._private_uv() or shutil.which("uv", path=path)
        self._bootstraps = [self._request.base_python] if self._request.base_python else []
        self._bootstraps += [
            p for p in pythons.bootstrap_candidates(path) if p not in self._bootstraps
        ]
        if uv:
            self._uv = uv
            self._run(
                [plan.Step("Looking for the installer", (uv, "--version"), self._request.home, 0.0)]
            )
        else:
            self._bootstrap_uv("")

    def _bootstrap_uv(self, failed_output: str) -> None:
        if not self._bootstraps:
            message = (
                diagnose(failed_output, "Fetching the installer (uv)")
                if failed_output
                else (
                    'No Python and no uv was found to start with. Install Python 3.12, or choose one with "Use an existing Python".'
                )
            )
            self._end(False, message)
            return
        python = self._bootstraps.pop(0)
        self._uv = ""
        self._run(
            plan.uv_bootstrap_steps(
                python, self._uv_lock, self._uv_home(), self._request.wheels, sys.platform
            )
        )

    def _build(self) -> None:
        stem = f"py-{requirements.digest(self._request.lock)}"
        self._name = places.free_name(self._request.home, stem)
        self._building = places.envs_dir(self._request.home) / f"{self._name}.partial"
        self._run(plan.environment_steps(self._request, self._uv, self._building, sys.platform))

    def _adopt(self, output: str) -> None:
        probe = pythons.read_probe(output)
        problem = (
            probe.problem(must_be_environment=True)
            if probe
            else diagnose(output, "Trying the environment")
        )
        if problem or probe is None or self._building is None:
            self._fail(_explain_broken(probe) or problem)
            return
        final = self._building.with_name(self._name)
        try:
            self._building.rename(final)
            places.write_current(
                self._request.home,
                {
                    "environment": self._name,
                    "python": probe.python,
                    "torch": probe.found.get("torch", ""),
                    "version": about.version(),
                },
            )
        except OSError as error:
            self._say(str(error))
            self._fail(diagnose(str(error), "Putting the new environment in its place"))
            return
        self._building = None
        self.progressed.emit(1.0, "Done")
        self._end(
            True,
            f"The backend is installed (Python {probe.python}, torch {probe.found.get('torch', '?')}).",
        )

    # -- steps --------------------------------------------------------------------------------------------------

    def _run(self, steps: list[plan.Step]) -> None:
        self._steps, self._done = list(steps), 0.0
        self._next()

    def _next(self) -> None:
        step = self._steps[0]
        self.progressed.emit(self._done, step.title)
        self._say(f"$ {' '.join(step.argv) if len(step.argv) < 20 else step.title}")
        if step.writes:
            path, text = step.writes
            path.write_text(text, encoding="utf-8")
        expected = (
            requirements.room_bytes(self._request.torch_build) * 3 // 4 if step.share > 0.3 else 0
        )
        self._runner.start(step, expected, (self._request.home, self._cache))

    def _on_step_finished(self, ok: bool, output: str) -> None:
        step = self._steps.pop(0)
        if self._runner.cancelled:
            self._fail(CANCELLED)
        elif self._building is not None:
            self._after_environment_step(step, ok, output)
        elif not ok or (step.argv[-1] == "--version" and not _recent(output)):
            self._bootstrap_uv(output)
        elif self._steps:
            self._done += step.share
            self._next()
        else:
            self._uv = self._uv or self._private_uv()
            if self._uv:
                self._build()
            else:
                self._bootstrap_uv(output)

    def _after_environment_step(self, step: plan.Step, ok: bool, output: str) -> None:
        self._done += step.share
        if self._runner.stalled:
            self._fail(
                f"Nothing arrived for {STALL_S // 60} minutes, so the installation was stopped. Check the connection and install again."
            )
        elif not ok:
            self._fail(diagnose(output, step.title))
        elif self._steps:
            self._next()
        else:
            self._adopt(output)

    def _on_progress(self, fraction: float) -> None:
        if self._steps:
            self.progressed.emit(
                min(1.0, self._done + fraction * self._steps[0].share), self._steps[0].title
            )

    def _on_line(self, line: str) -> None:
        self._say(line)

    def _say(self, line: str) -> None:
        if self._log is not None:
            self._log.write(line + "\n")
            self._log.flush()
        self.line.emit(line)

    # -- the end ------------------------------------------------------------------------------------------------

    def _fail(self, message: str) -> None:
        building, self._building = self._building, None
        remove_folders([building] if building else [], lambda: self._end(False, message))

    def _end(self, ok: bool, message: str) -> None:
        if self._ended:
            return
        self._ended = True
        self._say(message)
        if self._log is not None:
            self._log.close()
        self._lock.release()
        self.finished.emit(ok, message)

    def _private_uv(self) -> str:
        return shutil.which("uv", path=str(places.python_of(self._uv_home()).parent)) or ""

    def _uv_home(self) -> Path:
        return self._request.home / "uv"


def process_environment() -> QProcessEnvironment:
    """The scrubbed environment with QGIS's proxy, as every child of the installer gets it."""
    clean = with_system_certificates(child_environment(os.environ))
    environment = QProcessEnvironment()
    for name, value in with_qgis_proxy(clean).items():
        environment.insert(name, value)
    return environment


def _recent(output: str) -> bool:
    match = _UV_VERSION.search(output)
    return match is not None and (int(match.group(1)), int(match.group(2))) >= _OLDEST_UV


def _check_room(home: Path, needed_bytes: int) -> None:
    home.mkdir(parents=True, exist_ok=True)
    # Not QStorageInfo: in a container whose root is in no mount table it knows nothing.
    free_bytes = shutil.disk_usage(home).free
    if free_bytes < needed_bytes:
        raise CitySegError(
            f"The backend needs {needed_bytes / 1e9:.0f} GB free in {home}, and {free_bytes / 1e9:.1f} GB are. "
            "Free some space, or set CITYSEG_HOME to a folder on another disk."
        )


def _explain_broken(probe: Optional[pythons.Probe]) -> str:
    if probe is None or not probe.broken:
        return ""
    text = "\n".join(probe.broken.values())
    known = diagnose(text, "")
    return "" if known.startswith(" failed") else known
