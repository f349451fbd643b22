"""The panel: the image, then Interact, Refer or Ask, and a line that says what is going on. All work is the core's."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from qgis.core import QgsProject, QgsVectorLayer
from qgis.gui import QgisInterface
from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from cityseg_qgis import settings
from cityseg_qgis.core import result
from cityseg_qgis.core.interaction import Interaction
from cityseg_qgis.core.save import file_filter, save_layer
from cityseg_qgis.core.source import describe
from cityseg_qgis.core.target import new_geopackage_table, table_name
from cityseg_qgis.core.text_run import deaf_reason
from cityseg_qgis.errors import BackendUnavailable, CitySegError
from cityseg_qgis.gui.accept_step import AcceptStep
from cityseg_qgis.gui.layer_step import LayerStep
from cityseg_qgis.gui.maptools.prompt_tool import PromptTool
from cityseg_qgis.gui.preview import PreviewOverlay
from cityseg_qgis.gui.prompt_step import INTERACT, PromptStep, PromptTabs
from cityseg_qgis.gui.status_line import InstallBanner, StatusLine
from cityseg_qgis.gui.text_side import TextSide
from cityseg_qgis.i18n import tr
from cityseg_qgis.log import notify, notify_error


class InteractPanel(QWidget):
    """Owns the map tool and the overlay; `close_panel` takes both off the canvas.

    `status_line` is for the holder to place where it is always in sight.
    """

    install_wanted = pyqtSignal()

    def __init__(
        self,
        iface: QgisInterface,
        interaction: Interaction,
        project: QgsProject,
        parent: Optional[QWidget] = None,
    ) -> None:
        super().__init__(parent)
        self._iface = iface
        self._project = project
        self._tool_before = None
        self._tab_before = INTERACT
        self.interaction = interaction
        self.banner = InstallBanner(self)
        self.layer_step = LayerStep(self)
        self.tabs = PromptTabs(self)
        self.prompt_step = PromptStep(self)
        self.accept_step = AcceptStep(project, self)
        self.text_side = TextSide(iface, interaction, project, self)
        self.status_line = StatusLine(self)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.setSpacing(6)
        for widget in (self.banner, self.layer_step, self.tabs, self.prompt_step, self.accept_step):
            column.addWidget(widget)
        for widget in (*self.text_side.panels.values(), self.text_side.review_panel):
            column.addWidget(widget)
        column.addStretch(1)
        canvas = iface.mapCanvas()
        self.tool = PromptTool(canvas, interaction, self)
        self.overlay = PreviewOverlay(canvas, interaction, self)
        self._connect_widgets()
        self._connect_interaction()
        self._connect_text_side()
        self.show_tab(INTERACT)
        self.layer_step.set_models(interaction.models, interaction.model.id)
        self._on_layer_changed()
        self._on_target_changed()

    @property
    def prompting(self) -> bool:
        """Whether the prompt tool has the canvas."""
        return self._iface.mapCanvas().mapTool() is self.tool

    def set_prompting(self, wanted: bool) -> None:
        """Give the canvas to the prompt tool, or back to the tool that had it before."""
        canvas = self._iface.mapCanvas()
        if wanted:
            self.show_tab(INTERACT)
        if wanted and not self.prompting:
            self._tool_before = canvas.mapTool()
            canvas.setMapTool(self.tool)
            self.interaction.prepare()
        elif not wanted and self.prompting:
            before, self._tool_before = self._tool_before, None
            if before is not None:
                canvas.setMapTool(before)
            else:
                canvas.unsetMapTool(self.tool)
        self.prompt_step.set_active(self.prompting)

    def show_tab(self, mode: str) -> None:
        """Show the cards of Interact, Refer or Ask."""
        self.tabs.choose(mode)
        interacts = mode == INTERACT
        for card in (self.prompt_step, self.accept_step):
            card.setVisible(interacts)
        self.text_side.show_tab(None if interacts else mode)
        if not interacts:
            self.set_prompting(False)
        self.status_line.set_invitation(mode)

    def set_shown(self, shown: bool) -> None:
        """The dock was opened, or closed: what belongs to it on the map comes and goes with it."""
        self.overlay.set_visible(shown)
        self.text_side.set_visible(shown)
        if not shown:
            self.set_prompting(False)

    def close_panel(self) -> None:
        """The plugin unloads: leave nothing on the canvas and no connection to the project."""
        self.text_side.close_side()
        self.set_prompting(False)
        self._iface.mapCanvas().unsetMapTool(self.tool)
        self.overlay.close()
        self.accept_step.target_combo.disconnect_project()
        self.interaction.close()

    # File dialogs, each a method of its own so that tests can answer them.

    def ask_geopackage(self) -> str:
        """The file of a new GeoPackage table; empty where the user changed their mind."""
        path, _ = QFileDialog.getSaveFileName(
            self,
            tr("GeoPackage for the objects (an existing one gets one more table)"),
            settings.LAST_FOLDER.value(),
            "GeoPackage (*.gpkg)",
            options=QFileDialog.Option.DontConfirmOverwrite,
        )
        return path

    def ask_save_path(self, layer: QgsVectorLayer) -> str:
        """The file to save `layer` as; empty where the user changed their mind."""
        suggestion = str(Path(settings.LAST_FOLDER.value()) / table_name(layer.name()))
        path, chosen = QFileDialog.getSaveFileName(
            self, tr("Save “{name}” as").format(name=layer.name()), suggestion, file_filter()
        )
        if path and not Path(path).suffix:
            path += "." + chosen.rsplit("*.", 1)[-1].rstrip(")")
        return path

    # Wiring.

    def _connect_widgets(self) -> None:
        interaction = self.interaction
        self.banner.install_clicked.connect(self.install_wanted)
        self.layer_step.layer_combo.layerChanged.connect(self._on_layer_changed)
        self.layer_step.model_chosen.connect(self._on_model_chosen)
        self.prompt_step.toggled.connect(self.set_prompting)
        self.prompt_step.mode_chosen.connect(self.tool.set_mode)
        self.prompt_step.undo_button.clicked.connect(interaction.undo)
        self.prompt_step.redo_button.clicked.connect(interaction.redo)
        self.prompt_step.clear_button.clicked.connect(interaction.clear)
        self.tool.activated.connect(lambda: self.prompt_step.set_active(True))
        self.tool.deactivated.connect(lambda: self.prompt_step.set_active(False))
        self.tool.sketch_changed.connect(self.overlay.show_sketch)
        accept = self.accept_step
        accept.accept_clicked.connect(interaction.accept)
        accept.operation_chosen.connect(self._on_operation_chosen)
        accept.class_edited.connect(self._on_class_edited)
        accept.class_entered.connect(self._iface.mapCanvas().setFocus)
        accept.target_combo.layer_chosen.connect(interaction.set_target)
        accept.target_combo.geopackage_wanted.connect(self._on_geopackage_wanted)
        accept.save_edits_clicked.connect(self._on_save_edits)
        accept.save_as_clicked.connect(self._on_save_as)
        self.status_line.retry_clicked.connect(interaction.retry)

    def _connect_text_side(self) -> None:
        side = self.text_side
        self.tabs.chosen.connect(self._on_tab_chosen)
        side.said.connect(self.status_line.say)
        side.problem.connect(self._on_problem)
        side.refining.connect(self._on_refining)
        side.run.busy_changed.connect(self.status_line.set_busy)
        # Accepting under review is a step that Ctrl+Z takes back here too.
        side.review.changed.connect(self._refresh_history)
        side.review_panel.target_combo.geopackage_wanted.connect(self._on_geopackage_wanted)
        for panel in side.panels.values():
            panel.problem.connect(self._on_text_problem)

    def _connect_interaction(self) -> None:
        interaction = self.interaction
        interaction.session.changed.connect(self._refresh_history)
        interaction.preview_changed.connect(self._refresh_preview)
        interaction.busy_changed.connect(self._on_busy_changed)
        interaction.status_changed.connect(self.status_line.say)
        interaction.problem.connect(self._on_problem)
        interaction.accepted.connect(self._on_accepted)
        interaction.target_changed.connect(self._on_target_changed)
        interaction.models_changed.connect(self._on_models_changed)

    # Slots.

    def _on_layer_changed(self, *_: object) -> None:
        layer = self.layer_step.layer_combo.currentLayer()
        note = ""
        if layer is None:
            note = tr("Add an image first, for instance by dragging a GeoTIFF onto the map.")
        else:
            try:
                describe(layer)
            except CitySegError as error:
                note = error.user_message
        self.layer_step.set_note(note)
        self.prompt_step.start_button.setEnabled(not note or self.prompting)
        self.text_side.set_blocked(note)
        self.interaction.set_source_layer(layer)

    def _on_model_chosen(self, model_id: str) -> None:
        self.interaction.set_model(model_id)
        self._show_abilities()

    def _on_models_changed(self) -> None:
        self.layer_step.set_models(self.interaction.models, self.interaction.model.id)
        self._show_abilities()

    def _show_abilities(self) -> None:
        """Grey out what the chosen model cannot do."""
        model = self.interaction.model
        self.prompt_step.set_allowed(model.prompts)
        self.tabs.set_deaf("" if model.hears_words else deaf_reason(model))
        if not model.hears_words and self.tabs.current != INTERACT and not self.text_side.run.busy:
            self.show_tab(INTERACT)

    def _on_tab_chosen(self, mode: str) -> None:
        self.show_tab(mode)
        if mode != INTERACT:
            # Before the first question, so that it does not wait for the libraries.
            self.interaction.prepare()

    def _on_refining(self, begins: bool) -> None:
        """One object of the review is corrected under Interact; afterwards the review goes on."""
        self.accept_step.set_refining(begins)
        if begins:
            self._tab_before = self.tabs.current
            self.set_prompting(True)
        else:
            self.set_prompting(False)
            self.show_tab(self._tab_before)

    def _on_text_problem(self, error: CitySegError) -> None:
        """The card says it; a missing backend has a banner of its own."""
        if isinstance(error, BackendUnavailable):
            self.banner.show_reason(error.user_message)

    def _on_operation_chosen(self, operation: str) -> None:
        self.interaction.operation = operation
        self.overlay.refresh_outline()

    def _on_class_edited(self, name: str) -> None:
        self.interaction.class_name = name

    def _on_busy_changed(self, busy: bool) -> None:
        self.status_line.set_busy(busy)
        self._refresh_preview()

    def _on_problem(self, error: CitySegError) -> None:
        if isinstance(error, BackendUnavailable):
            self.banner.show_reason(error.user_message)
        self.status_line.set_retry(not self.interaction.session.is_empty and self.interaction.preview is None)
        notify_error(self._iface.messageBar(), error)

    def _on_accepted(self, outcome: result.Outcome, target: QgsVectorLayer) -> None:
        self.accept_step.remember_class()
        self.status_line.say(_accepted_text(outcome, target))
        self._on_target_changed()
        self._refresh_history()

    def _on_target_changed(self) -> None:
        target = self.interaction.target
        self.accept_step.target_combo.choose(target)
        can_save = target is not None and target.providerType() != "memory"
        self.accept_step.set_saving(can_save, target is not None)
        self._refresh_history()

    def _on_geopackage_wanted(self) -> None:
        path = self.ask_geopackage()
        if not path:
            return
        settings.LAST_FOLDER.set_value(str(Path(path).parent))
        name = self.interaction.class_name or Path(path).stem
        try:
            layer = new_geopackage_table(
                Path(path), name, self.interaction.source_crs(), self._project
            )
        except CitySegError as error:
            notify_error(self._iface.messageBar(), error)
            return
        self.interaction.set_target(layer)

    def _on_save_edits(self) -> None:
        target = self.interaction.target
        if target is None:
            return
        try:
            result.save_edits(target)
        except CitySegError as error:
            notify_error(self._iface.messageBar(), error)
            return
        self._on_target_changed()
        self.status_line.say(tr("Saved the edits of “{name}”.").format(name=target.name()))

    def _on_save_as(self) -> None:
        target = self.interaction.target
        path = self.ask_save_path(target) if target is not None else ""
        if not path:
            return
        settings.LAST_FOLDER.set_value(str(Path(path).parent))
        try:
            written = save_layer(target, Path(path))
        except CitySegError as error:
            notify_error(self._iface.messageBar(), error)
            return
        notify(self._iface.messageBar(), tr("Saved “{file}”.").format(file=written.name))

    def _refresh_preview(self) -> None:
        interaction = self.interaction
        self.accept_step.show_preview(interaction.preview, interaction.busy)
        if interaction.preview is not None:
            self.status_line.set_retry(False)

    def _refresh_history(self) -> None:
        interaction = self.interaction
        has_prompts = not interaction.session.is_empty
        self.prompt_step.set_history(interaction.can_undo, interaction.can_redo, has_prompts)
        if not has_prompts:
            self.status_line.set_retry(False)


def _accepted_text(outcome: result.Outcome, target: Optional[QgsVectorLayer]) -> str:
    counts = [
        text.format(count=count)
        for text, count in (
            (tr("{count} added"), outcome.added),
            (tr("{count} changed"), outcome.changed),
            (tr("{count} removed"), outcome.removed),
        )
        if count
    ]
    name = target.name() if target is not None else ""
    return tr("{counts} in “{name}” · Ctrl+Z takes it back").format(
        counts=", ".join(counts), name=name
    )
