"""Refining one reviewed object with clicks: its outline becomes the first prompt, the answer goes back to the review."""

from __future__ import annotations

from typing import Any, Optional

from qgis.core import NULL, QgsCoordinateReferenceSystem, QgsGeometry
from qgis.PyQt.QtCore import QObject, pyqtSignal

from cityseg_qgis.core.frames import transformed_geometry
from cityseg_qgis.core.interaction import Interaction
from cityseg_qgis.core.preview import Preview
from cityseg_qgis.core.prompts import LASSO, MASK, Prompt
from cityseg_qgis.core.review import Review
from cityseg_qgis.errors import CitySegError, GeometryProblem
from cityseg_qgis.i18n import tr

# Every ring is a prompt, and is replayed; specks of a torn outline say nothing more.
_MOST_RINGS = 8


class Refinement(QObject):
    """One object at a time. `ended` says whether it has a new outline."""

    ended = pyqtSignal(bool)

    def __init__(self, review: Review, interaction: Interaction, parent: Optional[QObject] = None) -> None:
        super().__init__(parent)
        self._review = review
        self._interaction = interaction
        self._fid: Optional[int] = None
        self._crs = QgsCoordinateReferenceSystem()
        interaction.session.changed.connect(self._on_prompts_changed)

    @property
    def active(self) -> bool:
        """Whether an object is being refined."""
        return self._fid is not None

    def begin(self, fid: int) -> None:
        """Open the object under the prompt tool. Raises `GeometryProblem` while another is open."""
        features = self._review.store.features((fid,))
        if not features or self._review.layer is None:
            raise GeometryProblem(tr("Choose the object to refine first: click it on the map."))
        crs = self._review.layer.crs()
        words = features[0]["class"]
        text = "" if words is None or words == NULL else str(words)
        kind = MASK if MASK in self._interaction.model.prompts else LASSO
        prompts = [Prompt(kind, ring, text=text) for ring in _rings(features[0].geometry())]
        self._interaction.begin_with(prompts, crs, self._on_outline)
        self._fid, self._crs = fid, crs

    def cancel(self) -> None:
        """Leave the object as it was."""
        if self.active:
            self._interaction.clear()

    def _on_outline(self, preview: Preview) -> None:
        fid = self._fid
        try:
            geometry = transformed_geometry(preview.geometry, preview.crs, self._crs)
        except CitySegError:
            self._interaction.hand_over = self._on_outline
            raise
        self._fid = None
        self._review.reshape(fid, geometry, preview.score)
        self._review.set_current((fid,))
        self.ended.emit(True)

    def _on_prompts_changed(self) -> None:
        """Everything was cleared: the user changed their mind, and there is nothing to bring back."""
        if self.active and self._interaction.session.is_empty:
            self._fid = None
            self._interaction.hand_over = None
            self._interaction.session.next_object()
            self.ended.emit(False)


def _rings(geometry: QgsGeometry) -> list[tuple[Any, ...]]:
    """The outer rings, the largest first, not closed."""
    parts = sorted(geometry.asGeometryCollection(), key=lambda part: part.area(), reverse=True)
    rings = [part.asPolygon()[0] for part in parts[:_MOST_RINGS]]
    return [tuple((point.x(), point.y()) for point in ring[:-1]) for ring in rings if len(ring) > 3]
