"""Shows on the canvas which objects of the review are the current ones."""

from __future__ import annotations

from qgis.core import QgsGeometry, QgsWkbTypes
from qgis.gui import QgsMapCanvas, QgsRubberBand

from cityseg_qgis.core.review import Review
from cityseg_qgis.gui.look import CURRENT_FILL, CURRENT_LINE, HALO

_WIDTH_PX = 3
# Drawing thousands of outlines anew at each key would hold up the map.
_MOST_DRAWN = 500


class ReviewOverlay:
    """One rubber band round the current objects."""

    def __init__(self, canvas: QgsMapCanvas, review: Review) -> None:
        self._canvas = canvas
        self._review = review
        self.band = QgsRubberBand(canvas, QgsWkbTypes.GeometryType.PolygonGeometry)
        self.band.setWidth(_WIDTH_PX)
        self.band.setStrokeColor(CURRENT_LINE)
        self.band.setSecondaryStrokeColor(HALO)
        self.band.setFillColor(CURRENT_FILL)
        review.current_changed.connect(self.refresh)
        review.changed.connect(self.refresh)
        canvas.destinationCrsChanged.connect(self.refresh)

    def refresh(self) -> None:
        """Draw anew, in the canvas's CRS of this moment."""
        self.band.reset(QgsWkbTypes.GeometryType.PolygonGeometry)
        layer = self._review.layer
        if layer is None or not self._review.current:
            return
        shapes = [f.geometry() for f in self._review.store.features(self._review.current[:_MOST_DRAWN])]
        if shapes:
            self.band.setToGeometry(QgsGeometry.collectGeometry(shapes), layer.crs())

    def set_visible(self, visible: bool) -> None:
        """Hide it, for instance while the panel is closed."""
        self.band.setVisible(visible)

    def close(self) -> None:
        """Take it off the canvas."""
        self._review.current_changed.disconnect(self.refresh)
        self._review.changed.disconnect(self.refresh)
        self._canvas.destinationCrsChanged.disconnect(self.refresh)
        self._canvas.scene().removeItem(self.band)
