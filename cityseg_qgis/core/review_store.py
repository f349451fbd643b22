"""The review layer as a store: what is in it, in which state, and every way to write into it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Optional

from qgis.core import (
    NULL,
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsFeatureRequest,
    QgsGeometry,
    QgsPointXY,
    QgsProject,
    QgsRectangle,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QObject, pyqtSignal

from cityseg_qgis.core import attributes, review_layer
from cityseg_qgis.core.review_layer import ACCEPTED, DROPPED, KEPT, STATE


@dataclass(frozen=True)
class Entry:
    """What a count or a filter needs of one object, without reading the layer."""

    state: str
    score: float
    class_name: str


@dataclass(frozen=True)
class Counts:
    """How many objects are in which state; `unsure` ones are hidden by the least score."""

    kept: int = 0
    dropped: int = 0
    unsure: int = 0
    accepted: int = 0

    @property
    def open(self) -> int:
        """Objects that wait for the user's word."""
        return self.kept + self.dropped + self.unsure


class ReviewStore(QObject):
    """Follows one layer of the project: it may be edited by hand, or removed. `selected` brings feature ids."""

    changed = pyqtSignal()
    lost = pyqtSignal()
    selected = pyqtSignal(object)

    def __init__(self, project: QgsProject, parent: Optional[QObject] = None) -> None:
        super().__init__(parent)
        self._project = project
        self._layer_id = ""
        self._entries: dict[int, Entry] = {}
        self._classes: list[str] = []
        project.layersWillBeRemoved.connect(self._on_layers_removed)
        left = review_layer.find_review_layer(project)
        if left is not None:
            self._adopt(left)

    @property
    def layer(self) -> Optional[QgsVectorLayer]:
        """The review layer; None before anything was found."""
        return self._project.mapLayer(self._layer_id) if self._layer_id else None

    @property
    def entries(self) -> Mapping[int, Entry]:
        """By feature id."""
        return self._entries

    @property
    def least_score(self) -> float:
        """Objects that are less sure are hidden."""
        layer = self.layer
        return 0.0 if layer is None else review_layer.least_score(layer)

    @property
    def counts(self) -> Counts:
        """Of the objects in the layer."""
        least, sums = self.least_score, {KEPT: 0, DROPPED: 0, ACCEPTED: 0, "": 0}
        for entry in self._entries.values():
            hidden = entry.state != ACCEPTED and entry.score < least
            sums["" if hidden else entry.state] += 1
        return Counts(sums[KEPT], sums[DROPPED], sums[""], sums[ACCEPTED])

    # Reading.

    def features(self, fids: Iterable[int]) -> list[QgsFeature]:
        """These features, in that order."""
        layer, wanted = self.layer, list(fids)
        if layer is None or not wanted:
            return []
        request = QgsFeatureRequest().setFilterFids(wanted)
        found = {feature.id(): QgsFeature(feature) for feature in layer.getFeatures(request)}
        return [found[fid] for fid in wanted if fid in found]

    def id_at(self, point: QgsPointXY, slack: float, wanted: Iterable[int]) -> Optional[int]:
        """The smallest of `wanted` at `point` (layer frame), or within `slack` of it."""
        around = QgsRectangle(point.x() - slack, point.y() - slack, point.x() + slack, point.y() + slack)
        spot, met = QgsGeometry.fromPointXY(point), []
        for feature in self._in(around, wanted):
            distance = feature.geometry().distance(spot)
            if distance <= slack:
                met.append((distance > 0, feature.geometry().area(), feature.id()))
        return min(met)[2] if met else None

    def ids_in(self, shape: QgsGeometry, wanted: Iterable[int]) -> list[int]:
        """Those of `wanted` that meet `shape` (layer frame)."""
        met = self._in(shape.boundingBox(), wanted)
        return [feature.id() for feature in met if feature.geometry().intersects(shape)]

    def _in(self, bounds: QgsRectangle, wanted: Iterable[int]) -> list[QgsFeature]:
        layer, ids = self.layer, set(wanted)
        if layer is None:
            return []
        # A rectangle without width is no filter at all.
        bounds.grow(1e-9 * max(1.0, abs(bounds.xMaximum()), abs(bounds.yMaximum())))
        request = QgsFeatureRequest().setFilterRect(bounds)
        return [QgsFeature(f) for f in layer.getFeatures(request) if f.id() in ids]

    # Writing. All goes to the provider: the review has steps back of its own, and the layer no pencil.

    def set_least_score(self, least: float) -> None:
        """Filter at once; nothing is asked again."""
        layer = self.layer
        if layer is not None:
            review_layer.set_least_score(layer, least)
            layer.triggerRepaint()
            self.changed.emit()

    def write_states(self, states: Mapping[int, str]) -> None:
        """Set states; what is gone meanwhile is left out."""
        layer = self.layer
        known = {fid: state for fid, state in states.items() if fid in self._entries}
        if layer is None or not known:
            return
        _settle_edits(layer)
        index = layer.fields().indexOf(STATE)
        layer.dataProvider().changeAttributeValues({fid: {index: s} for fid, s in known.items()})
        for fid, state in known.items():
            entry = self._entries[fid]
            self._entries[fid] = Entry(state, entry.score, entry.class_name)
        self._tell(layer)

    def write_shape(self, fid: int, geometry: QgsGeometry, score: Any) -> None:
        """Another outline (layer frame) for one object."""
        layer = self.layer
        if layer is None or fid not in self._entries:
            return
        _settle_edits(layer)
        shape = geometry.coerceToType(layer.wkbType())[0]
        values = {**attributes.measures(shape, layer.crs()), "score": score}
        provider = layer.dataProvider()
        provider.changeGeometryValues({fid: shape})
        provider.changeAttributeValues({fid: attributes.by_index(layer, values)})
        self._read_anew()

    def exchange(self, gone: Iterable[int], come: Iterable[QgsFeature]) -> list[QgsFeature]:
        """Take features away and put others in; those as written, with their ids."""
        layer = self.layer
        _settle_edits(layer)
        gone = [fid for fid in gone if fid in self._entries]
        if gone:
            layer.dataProvider().deleteFeatures(gone)
        _, written = layer.dataProvider().addFeatures(list(come))
        for fid in gone:
            del self._entries[fid]
        self._learn(written)
        self._tell(layer)
        return written

    def take_all(self) -> list[QgsFeature]:
        """Empty the layer; what was in it."""
        layer = self.layer
        _settle_edits(layer)
        before = [QgsFeature(feature) for feature in layer.getFeatures()]
        layer.dataProvider().truncate()
        self._read_anew()
        return before

    def put_back(self, features: Iterable[QgsFeature]) -> None:
        """Undo `take_all`, in place of what came since."""
        layer = self.layer
        if layer is not None:
            layer.dataProvider().truncate()
            layer.dataProvider().addFeatures(list(features))
            self._read_anew()

    def renew(self, crs: QgsCoordinateReferenceSystem, old_name: str) -> None:
        """An empty layer in `crs`; an older one with open objects stays in the project as `old_name`."""
        layer = self.layer
        if layer is not None and self.counts.open:
            self._let_loose(layer)
            review_layer.let_go(layer, old_name)
        elif layer is not None:
            self._project.removeMapLayer(layer.id())
        self._adopt(review_layer.new_review_layer(crs, self._project))

    def close(self) -> None:
        """Let go of everything outside; the layer stays in the project."""
        self._project.layersWillBeRemoved.disconnect(self._on_layers_removed)
        if self.layer is not None:
            self._let_loose(self.layer)

    # Following the layer.

    def _adopt(self, layer: QgsVectorLayer) -> None:
        self._layer_id, self._classes = layer.id(), []
        # The user may reshape or delete objects with QGIS's own tools.
        layer.editingStopped.connect(self._read_anew)
        layer.selectionChanged.connect(self._on_selection)
        self._read_anew()

    def _let_loose(self, layer: QgsVectorLayer) -> None:
        layer.editingStopped.disconnect(self._read_anew)
        layer.selectionChanged.disconnect(self._on_selection)
        self._layer_id, self._entries = "", {}

    def _on_selection(self, *_: object) -> None:
        layer = self.layer
        if layer is not None and layer.selectedFeatureCount():
            self.selected.emit(layer.selectedFeatureIds())

    def _on_layers_removed(self, layer_ids: Iterable[str]) -> None:
        if self._layer_id and self._layer_id in layer_ids:
            self._let_loose(self._project.mapLayer(self._layer_id))
            self.lost.emit()
            self.changed.emit()

    def _read_anew(self) -> None:
        layer = self.layer
        self._entries = {}
        if layer is not None:
            self._learn(layer.getFeatures())
            self._tell(layer)

    def _learn(self, features: Iterable[QgsFeature]) -> None:
        for feature in features:
            state, score, name = feature[STATE], feature["score"], feature["class"]
            self._entries[feature.id()] = Entry(
                state if state in (KEPT, DROPPED, ACCEPTED) else KEPT,
                1.0 if score is None or score == NULL else float(score),
                "" if name is None or name == NULL else str(name),
            )

    def _tell(self, layer: QgsVectorLayer) -> None:
        """The provider was written to beside the edit buffer: tell tables, the legend and the canvas."""
        layer.updateExtents()
        classes = sorted({entry.class_name for entry in self._entries.values()})
        if classes != self._classes:
            self._classes = classes
            review_layer.apply_look(layer, classes)
        layer.dataProvider().reloadData()
        layer.triggerRepaint()
        self.changed.emit()


def _settle_edits(layer: QgsVectorLayer) -> None:
    """Edits by hand that wait in the buffer go in first: the buffer would hide what the provider is told."""
    if layer.isEditable() and layer.isModified():
        layer.commitChanges(False)
