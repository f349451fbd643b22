"""Refer, Ask and the review beside the Interact panel: makes them, wires them, and takes them away again."""

from __future__ import annotations

from typing import Optional

from qgis.core import QgsProject, QgsVectorLayer
from qgis.gui import QgisInterface
from qgis.PyQt.QtCore import QObject, pyqtSignal
from qgis.PyQt.QtWidgets import QWidget

from cityseg_qgis.core.frames import transformed_geometry
from cityseg_qgis.core.interaction import Interaction
from cityseg_qgis.core.refinement import Refinement
from cityseg_qgis.core.review import Review
from cityseg_qgis.core.review_accept import accept_kept
from cityseg_qgis.core.text_request import ASK, REFER
from cityseg_qgis.core.text_run import TextRun
from cityseg_qgis.errors import CitySegError
from cityseg_qgis.gui.area_choice import AreaChoice
from cityseg_qgis.gui.ask_panel import AskPanel
from cityseg_qgis.gui.maptools import review_tool
from cityseg_qgis.gui.maptools.review_tool import ReviewTool, zoomed
from cityseg_qgis.gui.refer_panel import ReferPanel
from cityseg_qgis.gui.review_overlay import ReviewOverlay
from cityseg_qgis.gui.review_panel import ReviewPanel
from cityseg_qgis.gui.text_panel import TextPanel
from cityseg_qgis.i18n import tr


class TextSide(QObject):
    """Owns the run, the review, their cards and their map tools; `close_side` takes all off the canvas.

    `said` is for the status line, `problem` for what has no card of its own, `refining` opens and closes the
    Interact tab for one object (True, then False).
    """

    said = pyqtSignal(str)
    problem = pyqtSignal(object)
    refining = pyqtSignal(bool)

    def __init__(
        self, iface: QgisInterface, interaction: Interaction, project: QgsProject, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._canvas = iface.mapCanvas()
        self._interaction = interaction
        self._project = project
        self._tool_before = None
        self.review = Review(project, self)
        self.run = TextRun(interaction, self.review, self)
        self.refinement = Refinement(self.review, interaction, self)
        self.area = AreaChoice(iface, parent)
        self.area.hide()
        self.refer_panel = ReferPanel(self.run, self.area, parent)
        self.ask_panel = AskPanel(self.run, self.area, parent)
        self.review_panel = ReviewPanel(self.review, project, parent)
        self.tool = ReviewTool(self._canvas, self.review)
        self.overlay = ReviewOverlay(self._canvas, self.review)
        self.panels: dict[str, TextPanel] = {REFER: self.refer_panel, ASK: self.ask_panel}
        for panel in self.panels.values():
            panel.said.connect(self.said)
            panel.adds_chosen.connect(self._on_adds_chosen)
        self.review_panel.command_wanted.connect(self.do)
        self.review_panel.review_toggled.connect(self.set_reviewing)
        self.tool.wanted.connect(self.do)
        self.tool.activated.connect(lambda: self.review_panel.set_reviewing(True))
        self.tool.deactivated.connect(lambda: self.review_panel.set_reviewing(False))
        self.refinement.ended.connect(self._on_refined)
        self.run.answered.connect(self._on_answered)
        self.review.changed.connect(self._on_review_changed)
        combo = self.review_panel.target_combo
        combo.layer_chosen.connect(interaction.set_target)
        interaction.target_changed.connect(self._on_target_changed)
        self._on_target_changed()

    @property
    def reviewing(self) -> bool:
        """Whether the review tool has the canvas."""
        return self._canvas.mapTool() is self.tool

    def show_tab(self, mode: Optional[str]) -> None:
        """Show the cards of REFER or ASK, or none of them."""
        for name, panel in self.panels.items():
            panel.setVisible(name == mode)
        self.review_panel.setVisible(mode is not None)
        if mode is not None:
            self.panels[mode].adopt_area()
            self.panels[mode].entry.line.setFocus()
        elif self.reviewing and not self.refinement.active:
            self.set_reviewing(False)
        self.area.set_shown(mode is not None)

    def set_blocked(self, reason: str) -> None:
        """Why nothing can be asked in words now; empty where it can."""
        for panel in self.panels.values():
            panel.set_blocked(reason)

    def set_reviewing(self, wanted: bool) -> None:
        """Give the canvas to the review tool, or back to the tool that had it before."""
        if wanted and not self.reviewing:
            self._tool_before = self._canvas.mapTool()
            self._canvas.setMapTool(self.tool)
        elif not wanted and self.reviewing:
            before, self._tool_before = self._tool_before, None
            if before is not None:
                self._canvas.setMapTool(before)
            else:
                self._canvas.unsetMapTool(self.tool)
        self.review_panel.set_reviewing(self.reviewing)

    def set_visible(self, visible: bool) -> None:
        """The dock was opened or closed."""
        self.overlay.set_visible(visible)
        self.area.overlay.set_visible(visible)
        if not visible:
            self.set_reviewing(False)
            self.area.put_tool_down()

    def do(self, command: str) -> None:
        """One command of the review panel or of a key."""
        try:
            if command == review_tool.ACCEPT:
                self._accept()
            elif command == review_tool.UNDO:
                self._undo()
            elif command == review_tool.REFINE:
                self._refine()
            elif command in (review_tool.NEXT, review_tool.BACK):
                self.review.step_current(forward=command == review_tool.NEXT)
                self._show_current()
            elif command == review_tool.LEAVE:
                self.set_reviewing(False)
        except CitySegError as error:
            self.problem.emit(error)

    def close_side(self) -> None:
        """The plugin unloads. The review layer stays in the project: nothing that was found is lost."""
        self.run.close()
        self.set_reviewing(False)
        self._canvas.unsetMapTool(self.tool)
        self.tool.close()
        self.overlay.close()
        self.area.close_choice()
        self.review_panel.target_combo.disconnect_project()
        self.review.close()

    def _accept(self) -> None:
        layer = self.review.layer
        if layer is None:
            return
        target = self._interaction.target_or_new(layer.crs())
        outcome = accept_kept(self.review, target, self._project)
        self.said.emit(
            tr("{count} added to “{name}” · Ctrl+Z takes it back").format(
                count=outcome.added, name=target.name()
            )
        )

    def _undo(self) -> None:
        name = self.review.undo()
        if name:
            self.said.emit(tr("Undone: {step}").format(step=name))

    def _refine(self) -> None:
        if len(self.review.current) != 1:
            return
        self.refinement.begin(self.review.current[0])
        self.refining.emit(True)
        self.said.emit(tr("Click what is missing, right-click what is too much; Enter takes the outline, Esc leaves it."))

    def _on_refined(self, changed: bool) -> None:
        self.refining.emit(False)
        self.set_reviewing(True)
        self.said.emit(tr("The outline is refined.") if changed else tr("The outline is as it was."))

    def _show_current(self) -> None:
        """Bring the current object into view, and let keys reach it."""
        found = self.review.store.features(self.review.current)
        if not found:
            return
        crs = self._canvas.mapSettings().destinationCrs()
        moved = transformed_geometry(found[0].geometry(), self.review.layer.crs(), crs)
        zoomed(self._canvas, moved.boundingBox())
        if not self.reviewing:
            self.set_reviewing(True)

    def _on_answered(self, *_: object) -> None:
        if self.review.counts.open and not self.reviewing:
            self.set_reviewing(True)

    def _on_adds_chosen(self, adds: bool) -> None:
        for panel in self.panels.values():
            panel.adds_button.setChecked(adds)

    def _on_review_changed(self) -> None:
        """What was found is no place to search in."""
        self.area.leave_out(self.review.layer)

    def _on_target_changed(self) -> None:
        target: Optional[QgsVectorLayer] = self._interaction.target
        self.review_panel.target_combo.choose(target)
