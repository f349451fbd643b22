"""The point-cloud section of the dock: choose a cloud, say what to tell apart, and get a classified cloud with its outlines."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from qgis.core import QgsCoordinateReferenceSystem, QgsProject
from qgis.gui import QgisInterface
from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from cityseg_qgis import settings
from cityseg_qgis.core import cloud_layers, cloud_target
from cityseg_qgis.core.cloud_answer import CloudAnswer
from cityseg_qgis.core.cloud_request import CloudRequest, bounds_in_cloud, crs_text
from cityseg_qgis.core.cloud_run import CloudRun
from cityseg_qgis.core.cloud_source import FILE_FILTER, CloudDescription, CloudSource, cloud_stem
from cityseg_qgis.errors import BackendUnavailable, CitySegError
from cityseg_qgis.gui.cloud_answer_view import CloudAnswerView
from cityseg_qgis.gui.cloud_output_step import DTM, HAG, CloudOutputStep
from cityseg_qgis.gui.cloud_source_step import CloudSourceStep
from cityseg_qgis.gui.cloud_wanted_step import CloudWantedStep
from cityseg_qgis.gui.status_line import InstallBanner, StatusLine
from cityseg_qgis.gui.understood_view import ProblemNote
from cityseg_qgis.i18n import tr
from cityseg_qgis.log import notify_error


class CloudPanel(QWidget):
    """Owns the choices and what is shown; `close_panel` lets go of map, project and process.

    `status_line` is for the holder to place where it is always in sight.
    """

    install_wanted = pyqtSignal()

    def __init__(
        self, iface: QgisInterface, run: CloudRun, project: QgsProject, parent: Optional[QWidget] = None
    ) -> None:
        super().__init__(parent)
        self._iface = iface
        self._project = project
        self._source: Optional[CloudSource] = None
        self._description: Optional[CloudDescription] = None
        self._crs_missing: Optional[bool] = None
        self._crs = QgsCoordinateReferenceSystem()
        self._shown = False
        self.run = run
        self.banner = InstallBanner(self)
        self.source_step = CloudSourceStep(self)
        self.wanted_step = CloudWantedStep(iface, self)
        self.output_step = CloudOutputStep(self)
        self.note = ProblemNote(self)
        self.answer_view = CloudAnswerView(self)
        self.status_line = StatusLine(self)
        for widget in (self.note, self.answer_view):
            self.output_step.body.addWidget(widget)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.setSpacing(6)
        for widget in (self.banner, self.source_step, self.wanted_step, self.output_step):
            column.addWidget(widget)
        column.addStretch(1)
        self._connect()
        self._refresh()
        self._say_invitation()

    @property
    def layers_wanted(self) -> tuple[str, ...]:
        """The outlines that are opened."""
        return self.output_step.vectors

    def choose_file(self, path: str) -> None:
        """Choose a file as if by the button."""
        settings.LAST_FOLDER.set_value(str(Path(path).parent))
        self.source_step.add_file(path)

    def set_shown(self, shown: bool) -> None:
        """The section was opened or closed: what belongs to it on the map comes and goes with it."""
        self._shown = shown
        area = self.wanted_step.area
        area.overlay.set_visible(shown)
        area.set_shown(shown)
        if shown and self._source is None:
            self._on_source_changed()

    def start(self) -> None:
        """Classify what is chosen."""
        if self.run.busy or not self.output_step.run_button.isEnabled():
            return
        self.note.clear()
        try:
            request = self._request()
        except CitySegError as error:
            self._show_problem(error)
            return
        self.wanted_step.remember()
        self.answer_view.fade()
        self._crs = self._cloud_crs()
        self.run.start(request)

    def backend_ready(self) -> None:
        """The backend was installed."""
        self.banner.show_reason("")
        self.run.restart_backend()
        self._on_source_changed()

    def close_panel(self) -> None:
        """The plugin unloads: leave nothing on the canvas, and no process."""
        self.wanted_step.area.close_choice()
        self.run.close()

    # File dialogs, each a method of its own so that tests can answer them.

    def ask_source(self) -> str:
        """The file to classify; empty where the user changed their mind."""
        path, _ = QFileDialog.getOpenFileName(
            self,
            tr("Point cloud to classify"),
            settings.LAST_FOLDER.value(),
            tr("Point clouds ({suffixes})").format(suffixes=FILE_FILTER),
        )
        return path

    def ask_target(self) -> str:
        """Where the classified cloud goes; empty where the user changed their mind."""
        form = self.output_step.format
        suffix = cloud_target.SUFFIXES[form]
        kind = f"*{suffix}" if suffix else "*"
        path, _ = QFileDialog.getSaveFileName(
            self, tr("Classified point cloud"), self.output_step.path_line.text(), f"{form.upper()} ({kind})"
        )
        if path and suffix and not path.lower().endswith(suffix):
            path = str(Path(path).with_name(cloud_stem(path) + suffix))
        return path

    # Wiring.

    def _connect(self) -> None:
        self.banner.install_clicked.connect(self.install_wanted)
        self.source_step.changed.connect(self._on_source_changed)
        self.source_step.crs_chosen.connect(self._on_crs_chosen)
        self.source_step.file_wanted.connect(self._on_file_wanted)
        self.wanted_step.entered.connect(self.start)
        output = self.output_step
        output.run_clicked.connect(self.start)
        output.stop_clicked.connect(self.run.stop)
        output.format_chosen.connect(self._suggest)
        output.path_wanted.connect(self._on_path_wanted)
        output.path_line.returnPressed.connect(self.start)
        output.path_line.textChanged.connect(lambda _text: self._refresh())
        self.status_line.retry_clicked.connect(self._on_retry)
        run = self.run
        run.described.connect(self._on_described)
        run.not_described.connect(self._on_not_described)
        run.busy_changed.connect(self._on_busy_changed)
        run.progressed.connect(self._on_progressed)
        run.answered.connect(self._on_answered)
        run.stopped.connect(self._on_stopped)
        run.failed.connect(self._on_failed)

    def _request(self) -> CloudRequest:
        """What the panel says, as it will be asked. Raises `CitySegError` with what to do."""
        source = self.source_step.source()
        description = self._description
        if source is None or description is None:
            raise BackendUnavailable(tr("The point cloud has not been read yet; wait a moment."))
        output = self.output_step
        targets = cloud_target.checked(output.path_line.text())
        crs = self.source_step.crs
        return CloudRequest(
            source=source,
            out=str(targets.out),
            classes=self.wanted_step.classes,
            added=self.wanted_step.added(),
            bounds=bounds_in_cloud(
                self.wanted_step.area.area(), description.extent, self._cloud_crs(), source.name
            ),
            crs=crs_text(crs),
            vectors=str(targets.vectors) if output.vectors else "",
            layers=output.vectors,
            dtm=str(targets.dtm) if output.wants(DTM) else "",
            hag=str(targets.hag) if output.wants(HAG) else "",
            device="" if settings.DEVICE.value() == "auto" else settings.DEVICE.value(),
        )

    def _cloud_crs(self) -> QgsCoordinateReferenceSystem:
        """The cloud's own CRS, or what the user says of it."""
        own = self._description.crs if self._description is not None else QgsCoordinateReferenceSystem()
        return own if own.isValid() else self.source_step.crs

    # Slots.

    def _on_source_changed(self) -> None:
        """Another cloud: ask what it is."""
        self.note.clear()
        self._description, self._crs_missing = None, None
        self.source_step.show_description(None)
        try:
            self._source = self.source_step.source()
        except CitySegError as error:
            self._source = None
            self.source_step.set_note(error.user_message)
        if self._source is None:
            self.run.forget_description()
            self.output_step.path_line.clear()
        else:
            self._suggest()
            if self._shown:
                self.run.describe(self._source)
                self.status_line.say(tr("Reading what is in “{name}”…").format(name=self._source.name))
        self._refresh()

    def _on_crs_chosen(self) -> None:
        """Feet or metres, and whether it can be used at all, depend on it."""
        if self._source is not None:
            self.note.clear()
            self.run.describe(self._source, crs_text(self.source_step.crs))

    def _on_described(self, description: CloudDescription) -> None:
        self._description = description
        if self._crs_missing is None:
            self._crs_missing = not description.crs.isValid()
        layer_crs = self._source.layer_crs if self._source is not None else None
        before = self.source_step.crs
        self.source_step.show_description(description, layer_crs, self._crs_missing)
        if self.source_step.crs.isValid() and not before.isValid() and not description.crs.isValid():
            # The layer knows what the file does not.
            self._on_crs_chosen()
        self.banner.show_reason("")
        self.status_line.set_retry(False)
        self._say_invitation()
        self._refresh()

    def _on_not_described(self, error: CitySegError) -> None:
        self._description = None
        if isinstance(error, BackendUnavailable):
            self.banner.show_reason(error.user_message)
        self.status_line.set_retry(self._source is not None)
        self.note.show_error(error)
        self._say_invitation()
        self._refresh()

    def _on_retry(self) -> None:
        self._on_source_changed()

    def _on_file_wanted(self) -> None:
        path = self.ask_source()
        if path:
            self.choose_file(path)

    def _on_path_wanted(self) -> None:
        path = self.ask_target()
        if path:
            self.output_step.path_line.setText(path)

    def _suggest(self) -> None:
        """A name that is free, beside the source."""
        if self._source is None:
            return
        try:
            targets = cloud_target.suggested(self._source.path, self.output_step.format)
        except CitySegError as error:
            self._show_problem(error)
            return
        self.output_step.path_line.setText(str(targets.out))

    def _on_busy_changed(self, busy: bool) -> None:
        self.output_step.set_busy(busy)
        self.source_step.setEnabled(not busy)
        self.wanted_step.setEnabled(not busy)
        self.status_line.set_busy(busy)
        self._refresh()

    def _on_progressed(self, fraction: float, message: str) -> None:
        self.output_step.show_progress(fraction)
        if message:
            self.status_line.say(message)

    def _on_answered(self, answer: CloudAnswer, seconds: float) -> None:
        self.answer_view.show_answer(answer, seconds)
        self.status_line.say(tr("Done: “{name}”.").format(name=Path(answer.out).name))
        try:
            self._open(answer)
        except CitySegError as error:
            notify_error(self._iface.messageBar(), error)
        self._suggest()

    def _open(self, answer: CloudAnswer) -> None:
        """The result as layers of the project."""
        layers = cloud_layers.result_layers(answer, self._crs, self.layers_wanted)
        name = cloud_stem(answer.out)
        cloud_layers.add_group(self._project, layers, name)
        if layers.cloud is None:
            self.status_line.say(
                tr("“{name}” was written. This QGIS does not open its format; other software does.").format(
                    name=Path(answer.out).name
                )
            )

    def _on_stopped(self) -> None:
        self.answer_view.hide()
        self.status_line.say(tr("Stopped; nothing was written."))

    def _on_failed(self, error: CitySegError) -> None:
        self.answer_view.hide()
        self._show_problem(error)

    def _show_problem(self, error: CitySegError) -> None:
        self.note.show_error(error)
        self.status_line.say(tr("Not classified yet; the card above says why."))
        if isinstance(error, BackendUnavailable):
            self.banner.show_reason(error.user_message)

    def _say_invitation(self) -> None:
        if self._source is None:
            self.status_line.say(tr("Choose a point cloud: a layer of the project, or a file."))
        else:
            self.status_line.say(tr("Name classes, or leave the line empty for all, and press Classify."))

    def _refresh(self) -> None:
        """Whether there is something to classify."""
        reason = ""
        if self._source is None:
            reason = tr("Choose a point cloud first.")
        elif self._description is None:
            reason = tr("The point cloud has not been read yet.")
        elif not self.output_step.path_line.text().strip():
            reason = tr("Say where the classified point cloud goes.")
        self.output_step.set_blocked(reason)
