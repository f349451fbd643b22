"""Runs `cityseg doctor` of the backend's environment beside QGIS and collects its report."""

from __future__ import annotations

from typing import Optional

from qgis.PyQt.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, pyqtSignal

from cityseg_qgis.core.backend import command_from_settings
from cityseg_qgis.errors import CitySegError
from cityseg_qgis.i18n import tr
from cityseg_qgis.worker.interpreter import PYTHON_FLAGS, backend_script

# The self-test loads torch and the model; a cold disk has needed half a minute.
_PATIENCE_MS = 180_000
_KILL_MS = 2000


class Doctor(QObject):
    """One run; `finished` brings the Markdown report, or the sentence that says why there is none."""

    finished = pyqtSignal(str, bool)

    def __init__(self, parent: Optional[QObject] = None) -> None:
        super().__init__(parent)
        self._process: Optional[QProcess] = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.stop)

    @property
    def running(self) -> bool:
        """Whether the report is still being made."""
        return self._process is not None

    def start(self) -> None:
        """Begin; does nothing while a run is under way."""
        if self._process is not None:
            return
        try:
            command = command_from_settings()
            script = str(backend_script())
        except CitySegError as error:
            self.finished.emit(error.user_message, False)
            return
        if not command.python:
            self.finished.emit(
                tr("The backend is a command of your own: run “cityseg doctor” where it runs."), False
            )
            return
        self._process = process = QProcess(self)
        environment = QProcessEnvironment()
        for name, value in command.environment.items():
            environment.insert(name, value)
        process.setProcessEnvironment(environment)
        process.setProcessChannelMode(QProcess.ProcessChannelMode.MergedChannels)
        process.finished.connect(self._on_finished)
        process.errorOccurred.connect(self._on_error)
        process.start(command.python, [*PYTHON_FLAGS, script, "doctor"])
        self._timer.start(_PATIENCE_MS)

    def stop(self) -> None:
        """End the run; its partial report still comes."""
        if self._process is not None:
            self._process.kill()
            self._process.waitForFinished(_KILL_MS)

    def _on_finished(self, code: int, _status: QProcess.ExitStatus) -> None:
        process, self._process = self._process, None
        self._timer.stop()
        if process is not None:
            report = bytes(process.readAll()).decode("utf-8", "replace").strip()
            process.deleteLater()
            self.finished.emit(report or tr("The backend gave no report."), code == 0)

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart and self._process is not None:
            reason = self._process.errorString()
            self._process.deleteLater()
            self._process = None
            self._timer.stop()
            self.finished.emit(
                tr("The backend's Python does not start: {reason}").format(reason=reason), False
            )
