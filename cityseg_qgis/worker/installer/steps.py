"""Runs one step of a plan with QProcess on the GUI thread: its output, its progress, its end, a cancel, a stall."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from qgis.PyQt.QtCore import (
    QObject,
    QProcess,
    QProcessEnvironment,
    QTimer,
    pyqtSignal,
)

from cityseg_qgis.worker.installer.plan import Step

# A slow line may take hours over one wheel, in silence. Only silence without a byte reaching the disk is a stall.
STALL_S = 600
_LOOK_EVERY_MS = 1000
_KILL_AFTER_MS = 3000
_ACTIVITY_BYTES = 65_536
# What uv says when a phase is over, and how far the step is then.
_MILESTONES = (
    (re.compile(r"^Resolved \d+"), 0.05),
    (re.compile(r"^Prepared \d+"), 0.85),
    (re.compile(r"^Installed \d+"), 1.0),
)
_KEPT_CHARACTERS = 200_000


class StepRunner(QObject):
    """One step at a time. `finished(ok, output)` comes exactly once for each start."""

    line = pyqtSignal(str)
    progressed = pyqtSignal(float)
    finished = pyqtSignal(bool, str)

    def __init__(self, environment: QProcessEnvironment, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.stall_s: float = STALL_S
        self.cancelled = False
        self.stalled = False
        self._environment = environment
        self._process: QProcess | None = None
        self._watch = QTimer(self)
        self._watch.setInterval(_LOOK_EVERY_MS)
        self._watch.timeout.connect(self._look)

    @property
    def running(self) -> bool:
        """Whether a step is under way."""
        return self._process is not None

    def start(self, step: Step, expected_bytes: int = 0, watched: tuple[Path, ...] = ()) -> None:
        """Start `step`; `expected_bytes` is what it will write into the `watched` folders, for its progress."""
        self._watched = watched or (step.cwd,)
        self._step, self._expected_bytes = step, expected_bytes
        self._output, self._rest, self._fraction = "", "", 0.0
        self._idle_ms, self.stalled = 0, False
        self._free_at_start = self._free_last = self._free_bytes()
        process = QProcess(self)
        process.setProcessEnvironment(self._environment)
        process.setWorkingDirectory(str(step.cwd))
        process.setProcessChannelMode(QProcess.ProcessChannelMode.MergedChannels)
        process.setStandardInputFile(QProcess.nullDevice())
        process.readyReadStandardOutput.connect(self._on_output)
        process.finished.connect(self._on_finished)
        process.errorOccurred.connect(self._on_error)
        self._process = process
        self._watch.start()
        process.start(step.argv[0], list(step.argv[1:]))

    def cancel(self) -> None:
        """Stop the running step; `finished(False, ...)` follows."""
        self.cancelled = True
        self._stop()

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()  # does nothing for a console program on Windows, hence the kill
        QTimer.singleShot(_KILL_AFTER_MS, self._kill)

    def _kill(self) -> None:
        if self._process is not None and (self.cancelled or self.stalled):
            self._process.kill()

    def _look(self) -> None:
        self._idle_ms += _LOOK_EVERY_MS
        if self._expected_bytes > 0:
            self._look_at_disk()
        if self._idle_ms >= self.stall_s * 1000 and not self.stalled:
            self.stalled = True
            self._stop()

    def _look_at_disk(self) -> None:
        """A download is silent: what it leaves on the disk shows that it lives, and how far it is."""
        free = self._free_bytes()
        if abs(free - self._free_last) >= _ACTIVITY_BYTES:
            self._free_last, self._idle_ms = free, 0
        # Free space is shared with other programs, so it may only move the bar forward, and not to its end.
        self._advance(min(0.85, 0.85 * (self._free_at_start - free) / self._expected_bytes))

    def _free_bytes(self) -> int:
        existing = {
            next(f for f in (folder, *folder.parents) if f.exists()) for folder in self._watched
        }
        return sum(shutil.disk_usage(folder).free for folder in existing)

    def _on_output(self) -> None:
        if self._process is None:
            return
        self._idle_ms = 0
        text = self._rest + bytes(self._process.readAllStandardOutput()).decode("utf-8", "replace")
        *lines, self._rest = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for line in lines:
            self._take_line(line)

    def _take_line(self, line: str) -> None:
        if not line.strip():
            return
        self._output = (self._output + line + "\n")[-_KEPT_CHARACTERS:]
        for pattern, fraction in _MILESTONES:
            if pattern.match(line):
                self._advance(fraction)
        self.line.emit(line)

    def _advance(self, fraction: float) -> None:
        if fraction > self._fraction:
            self._fraction = fraction
            self.progressed.emit(fraction)

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self._take_line(
                f"{self._step.argv[0]}: {self._process.errorString() if self._process else ''}"
            )
            self._end(False)

    def _on_finished(self, code: int, status: QProcess.ExitStatus) -> None:
        self._on_output()
        self._take_line(self._rest)
        ok = (
            status == QProcess.ExitStatus.NormalExit
            and code == 0
            and not self.cancelled
            and not self.stalled
        )
        if not ok:
            self._take_line(
                f"exit code {code}"
                if status == QProcess.ExitStatus.NormalExit
                else "The process was stopped."
            )
        self._end(ok)

    def _end(self, ok: bool) -> None:
        self._watch.stop()
        if self._process is not None:
            self._process.deleteLater()
            self._process = None
        if ok:
            self._advance(1.0)
        self.finished.emit(ok, self._output)
