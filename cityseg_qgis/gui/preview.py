"""What the canvas shows of the open object: its prompts and the outline that may be accepted."""

from __future__ import annotations

from typing import Optional

from qgis.core import QgsWkbTypes
from qgis.gui import QgsMapCanvas, QgsRubberBand
from qgis.PyQt.QtCore import QObject

from cityseg_qgis.core.frames import transformed_prompt
from cityseg_qgis.core.interaction import Interaction
from cityseg_qgis.core.prompts import LASSO, SCRIBBLE, Prompt
from cityseg_qgis.errors import GeometryProblem
from cityseg_qgis.gui.look import HALO, preview_colours
from cityseg_qgis.gui.maptools.gesture import Sketch
from cityseg_qgis.gui.prompt_item import PromptItem

_LEAST_DRAWN = {SCRIBBLE: 2, LASSO: 3}
_WIDTH_PX = 2


class PreviewOverlay(QObject):
    """Owns the canvas items; follows the interaction and the canvas's CRS until `close`."""

    def __init__(
        self, canvas: QgsMapCanvas, interaction: Interaction, parent: Optional[QObject] = None
    ) -> None:
        super().__init__(parent)
        self._canvas = canvas
        self._interaction = interaction
        self.band = QgsRubberBand(canvas, QgsWkbTypes.GeometryType.PolygonGeometry)
        self.band.setWidth(_WIDTH_PX)
        self.band.setSecondaryStrokeColor(HALO)
        self.item = PromptItem(canvas)
        interaction.session.changed.connect(self.refresh_prompts)
        interaction.preview_changed.connect(self.refresh_outline)
        canvas.destinationCrsChanged.connect(self.refresh)
        self.refresh()

    def set_visible(self, visible: bool) -> None:
        """Hide all, for instance while the panel is closed."""
        self.band.setVisible(visible)
        self.item.setVisible(visible)

    def refresh(self) -> None:
        """Draw everything anew."""
        self.refresh_prompts()
        self.refresh_outline()

    def refresh_prompts(self) -> None:
        """The prompts of the open object, in the canvas's CRS of this moment."""
        session = self._interaction.session
        canvas_crs = self._canvas.mapSettings().destinationCrs()
        try:
            shown = [transformed_prompt(p, session.crs, canvas_crs) for p in session.prompts]
        except GeometryProblem:
            # The project went to a CRS without coordinates for this place; they are shown again when it comes back.
            shown = []
        self.item.set_prompts(shown)

    def refresh_outline(self) -> None:
        """The outline of the newest answer."""
        preview = self._interaction.preview
        stroke, fill = preview_colours(self._interaction.operation)
        self.band.setStrokeColor(stroke)
        self.band.setFillColor(fill)
        if preview is None or preview.is_empty:
            self.band.reset(QgsWkbTypes.GeometryType.PolygonGeometry)
        else:
            self.band.setToGeometry(preview.geometry, preview.crs)

    def show_sketch(self, sketch: Optional[Sketch]) -> None:
        """What the mouse is drawing, in the canvas's CRS."""
        if sketch is None or len(sketch.xy) < _LEAST_DRAWN.get(sketch.kind, 1):
            self.item.set_sketch(())
        else:
            self.item.set_sketch((Prompt(sketch.kind, sketch.xy, sketch.label),))

    def close(self) -> None:
        """Take the items off the canvas."""
        self._interaction.session.changed.disconnect(self.refresh_prompts)
        self._interaction.preview_changed.disconnect(self.refresh_outline)
        self._canvas.destinationCrsChanged.disconnect(self.refresh)
        for item in (self.band, self.item):
            self._canvas.scene().removeItem(item)
