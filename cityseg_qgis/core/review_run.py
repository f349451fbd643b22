"""The objects of one run on their way into the review: numbers go on, later parts replace earlier ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsFeatureRequest,
    QgsGeometry,
    QgsVectorLayer,
)

from cityseg_qgis.core import attributes
from cityseg_qgis.core.review_layer import DROPPED, KEPT, to_feature
from cityseg_qgis.core.text_answer import Found

# A part that was dropped on the way is this much of the object that grew out of it.
_SAME_SHARE = 0.5

Exchange = tuple[list[int], list[QgsFeature]]


class ReviewRun:
    """From the first object of a question to its answer. `adds`: the objects before stay."""

    def __init__(self, crs: QgsCoordinateReferenceSystem, adds: bool) -> None:
        self.crs = crs
        self.adds = adds
        self.opened = False
        self._base = 0
        self._own: dict[int, int] = {}

    def open(self, layer: QgsVectorLayer) -> None:
        """The layer is ready; objects are numbered on from here."""
        self._base = attributes.next_object(layer) - 1
        self.opened = True

    def some(self, found: Sequence[Found], layer: QgsVectorLayer, states: Mapping[int, str]) -> Exchange:
        """Ids to take away and features to put in, for some objects more. `states` are those of now, by id."""
        gone, come = [], []
        for one in found:
            number = one.object_id or len(self._own) + len(come) + 1
            earlier = self._own.pop(number, None)
            state = KEPT if earlier is None else states.get(earlier, DROPPED)
            if earlier is not None:
                gone.append(earlier)
            come.append(to_feature(layer, one, self._base + number, state))
        return gone, come

    def whole(
        self, found: Sequence[Found], layer: QgsVectorLayer, states: Mapping[int, str]
    ) -> Exchange:
        """As `some`, for the whole answer; what the user dropped on the way stays dropped."""
        parts = [fid for fid in self._own.values() if states.get(fid) == DROPPED]
        request = QgsFeatureRequest().setFilterFids(parts)
        dropped = [feature.geometry() for feature in layer.getFeatures(request)] if parts else []
        come = [
            to_feature(
                layer,
                one,
                self._base + (one.object_id or number),
                DROPPED if _grew_out_of(one.geometry, dropped) else KEPT,
            )
            for number, one in enumerate(found, 1)
        ]
        gone, self._own = list(self._own.values()), {}
        return gone, come

    def remember(self, written: Sequence[QgsFeature]) -> None:
        """The features as written, with their ids."""
        self._own.update({feature["object"] - self._base: feature.id() for feature in written})


def _grew_out_of(geometry: QgsGeometry, parts: Sequence[QgsGeometry]) -> bool:
    box = geometry.boundingBox()
    shared = sum(
        geometry.intersection(part).area() for part in parts if box.intersects(part.boundingBox())
    )
    return bool(parts) and shared > _SAME_SHARE * geometry.area()
