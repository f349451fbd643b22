"""Install the backend's environment, or choose a Python that has what it needs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Optional

from qgis.gui import QgsFileWidget
from qgis.PyQt.QtCore import QProcessEnvironment, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from cityseg_qgis import paths
from cityseg_qgis.errors import CitySegError
from cityseg_qgis.i18n import tr
from cityseg_qgis.settings import BACKEND_PYTHON
from cityseg_qgis.worker import interpreter
from cityseg_qgis.worker.installer import places, plan, pythons, requirements
from cityseg_qgis.worker.installer.install import Installer
from cityseg_qgis.worker.installer.steps import StepRunner

_LOG_LINES = 5000


class InstallDialog(QDialog):
    """Lives as long as the user looks at it; closing it while something runs cancels that first."""

    backend_ready = pyqtSignal()  # a Python that serves is installed or chosen

    def __init__(self, parent: Optional[QWidget] = None, home: Optional[Path] = None) -> None:
        super().__init__(parent)
        self.setObjectName("CitySegInstallDialog")
        self.setWindowTitle(tr("Install the CitySeg backend"))
        self._home = home or places.data_home()
        self._installer: Optional[Installer] = None
        self._probe: Optional[StepRunner] = None
        self._closing = False
        self._build()
        self._show_choice()

    @property
    def running(self) -> bool:
        """Whether an installation or a trial of a Python is under way."""
        return self._installer is not None or self._probe is not None

    # -- what the user sees -------------------------------------------------------------------------------------

    def _build(self) -> None:
        gigabytes = requirements.room_bytes("registry") / 1e9
        intro = QLabel(
            tr(
                "The models run in a process of their own, with a Python environment of their own. "
                "QGIS's Python is not changed. An installation needs {room:.0f} GB in {folder}."
            ).format(room=gigabytes, folder=self._home)
        )
        intro.setWordWrap(True)
        self.install_choice = QRadioButton(tr("Install it for me"))
        self.existing_choice = QRadioButton(tr("Use an existing Python"))
        self.wheels_widget = _path_widget(
            QgsFileWidget.StorageMode.GetDirectory, tr("Folder of wheels"), "wheelsFolder"
        )
        self.python_widget = _path_widget(
            QgsFileWidget.StorageMode.GetFile, tr("Python of the environment"), "existingPython"
        )
        self.cpu_check = QCheckBox(
            tr("Smaller PyTorch without GPU support (0.2 instead of 3 GB; pinned, but not by hash)")
        )
        # Only the Linux build of the registry carries CUDA.
        self.cpu_check.setVisible(sys.platform.startswith("linux"))
        form = QFormLayout()
        form.addRow(self.install_choice)
        form.addRow(tr("Without network, from a folder of wheels"), self.wheels_widget)
        form.addRow(self.cpu_check)
        form.addRow(self.existing_choice)
        form.addRow(tr("Python"), self.python_widget)
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.progress = QProgressBar()
        self.progress.setRange(0, 1000)
        self.log = QPlainTextEdit()
        self.log.setReadOnly(True)
        self.log.setMaximumBlockCount(_LOG_LINES)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self.go_button = QPushButton(tr("Install"))
        self.buttons.addButton(self.go_button, QDialogButtonBox.ButtonRole.ActionRole)
        self.cancel_button = QPushButton(tr("Cancel"))
        self.buttons.addButton(self.cancel_button, QDialogButtonBox.ButtonRole.ActionRole)
        layout = QVBoxLayout(self)
        layout.addWidget(intro)
        layout.addLayout(form)
        for widget in (self.message, self.progress, self.log, self.buttons):
            layout.addWidget(widget)
        self.resize(640, 520)
        self.install_choice.setChecked(not BACKEND_PYTHON.value())
        self.existing_choice.setChecked(bool(BACKEND_PYTHON.value()))
        self.python_widget.setFilePath(BACKEND_PYTHON.value())
        self.install_choice.toggled.connect(self._show_choice)
        self.go_button.clicked.connect(self._on_go)
        self.cancel_button.clicked.connect(self.cancel)
        self.buttons.rejected.connect(self.reject)

    def _show_choice(self) -> None:
        installing = self.install_choice.isChecked()
        for widget in (self.install_choice, self.existing_choice, self.go_button):
            widget.setEnabled(not self.running)
        self.wheels_widget.setEnabled(installing and not self.running)
        self.cpu_check.setEnabled(installing and not self.running)
        self.python_widget.setEnabled(not installing and not self.running)
        self.cancel_button.setEnabled(self.running)
        self.go_button.setText(tr("Install") if installing else tr("Use this Python"))

    # -- what the user does -------------------------------------------------------------------------------------

    def _on_go(self) -> None:
        self.log.clear()
        self.progress.setValue(0)
        try:
            if self.install_choice.isChecked():
                self._start_installation()
            else:
                self._start_probe()
        except CitySegError as error:
            self._installer = None
            self.message.setText(error.user_message)
        self._show_choice()

    def cancel(self) -> None:
        """Stop what runs; it ends with a message a moment later."""
        if self._installer is not None:
            self.message.setText(tr("Cancelling…"))
            self._installer.cancel()
        elif self._probe is not None:
            self._probe.cancel()

    def reject(self) -> None:
        """Close; first cancel what runs."""
        if self.running:
            self._closing = True
            self.cancel()
            return
        super().reject()

    # -- installing ---------------------------------------------------------------------------------------------

    def _start_installation(self) -> None:
        wheels = self.wheels_widget.filePath().strip()
        if wheels and not Path(wheels).is_dir():
            raise CitySegError(
                tr("There is no folder {path}; choose the folder with the wheels.").format(
                    path=wheels
                )
            )
        request = plan.InstallRequest(
            home=self._home,
            lock=paths.requirements_path("backend"),
            wheels=Path(wheels) if wheels else None,
            torch_build="cpu" if self.cpu_check.isChecked() and not wheels else "registry",
        )
        self.start(Installer(request, paths.requirements_path("uv"), self))

    def start(self, installer: Installer) -> None:
        """Run `installer` and show it."""
        installer.line.connect(self.log.appendPlainText)
        installer.progressed.connect(self._on_progress)
        installer.finished.connect(self._on_installed)
        self._installer = installer
        installer.start()
        self._show_choice()

    def _on_progress(self, fraction: float, title: str) -> None:
        self.progress.setValue(round(1000 * fraction))
        self.message.setText(title)

    def _on_installed(self, ok: bool, message: str) -> None:
        if self._installer is not None:
            self._installer.deleteLater()
            self._installer = None
        if ok:
            BACKEND_PYTHON.set_value("")  # the installed one is what an empty setting means
        self._end(ok, message)

    # -- an existing Python -------------------------------------------------------------------------------------

    def _start_probe(self) -> None:
        self._python = str(interpreter.find_python(self.python_widget.filePath(), environ={}))
        environment = QProcessEnvironment()
        for name, value in interpreter.child_environment(os.environ, self._python).items():
            environment.insert(name, value)
        self._probe = StepRunner(environment, self)
        self._probe.finished.connect(self._on_probed)
        self.message.setText(tr("Trying this Python…"))
        self.progress.setRange(0, 0)
        self._probe.start(pythons.probe_step(self._python, Path(self._python).parent))

    def _on_probed(self, ok: bool, output: str) -> None:
        cancelled = self._probe is not None and self._probe.cancelled
        if self._probe is not None:
            self._probe.deleteLater()
            self._probe = None
        self.progress.setRange(0, 1000)
        probe = pythons.read_probe(output) if ok else None
        if cancelled:
            self._end(False, tr("Cancelled. Nothing was changed."))
        elif probe is None:
            self.log.appendPlainText(output)
            self._end(
                False,
                tr("{path} is not a Python that works; choose another one.").format(
                    path=self._python
                ),
            )
        else:
            for name, reason in {**probe.found, **probe.broken}.items():
                self.log.appendPlainText(f"{name} {reason}")
            problem = probe.problem(must_be_environment=False)
            if not problem:
                BACKEND_PYTHON.set_value(self._python)
            self._end(
                not problem,
                problem or tr("This Python serves: {version}.").format(version=probe.python),
            )

    def _end(self, ok: bool, message: str) -> None:
        self.message.setText(message)
        self.progress.setValue(1000 if ok else 0)
        self._show_choice()
        if ok:
            self.backend_ready.emit()
        if self._closing:
            super().reject()


def _path_widget(mode: QgsFileWidget.StorageMode, title: str, name: str) -> QgsFileWidget:
    widget = QgsFileWidget()
    widget.setObjectName(f"CitySeg{name[0].upper()}{name[1:]}")
    widget.setStorageMode(mode)
    widget.setDialogTitle(title)
    return widget
