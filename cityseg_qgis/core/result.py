"""Writes an accepted object into its target layer, as one named edit command that QGIS can undo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsFeatureRequest,
    QgsGeometry,
    QgsVectorLayer,
    QgsVectorLayerUtils,
)

from cityseg_qgis.core import attributes
from cityseg_qgis.core.attributes import Provenance
from cityseg_qgis.core.frames import transformed_geometry, valid_polygon
from cityseg_qgis.core.target import file_is_gone, is_target
from cityseg_qgis.errors import GeometryProblem, TargetProblem
from cityseg_qgis.i18n import tr

ADD, CUT, UNITE, CLIP = "add", "cut", "unite", "clip"
# What a review writes: many objects at once.
ADD_FOUND = "add found"
OPERATIONS = (ADD, CUT, UNITE, CLIP)


@dataclass(frozen=True)
class Outcome:
    """How many features of the target an accept added, changed and removed."""

    operation: str
    added: int = 0
    changed: int = 0
    removed: int = 0

    @property
    def touched(self) -> int:
        """Features that are not as before."""
        return self.added + self.changed + self.removed


def command_name(operation: str) -> str:
    """What QGIS's undo list shows."""
    return {
        ADD: tr("CitySeg: add object"),
        CUT: tr("CitySeg: cut object out"),
        UNITE: tr("CitySeg: unite with object"),
        CLIP: tr("CitySeg: clip to object"),
        ADD_FOUND: tr("CitySeg: add found objects"),
    }[operation]


def accept(
    target: QgsVectorLayer,
    geometry: QgsGeometry,
    crs: QgsCoordinateReferenceSystem,
    operation: str,
    provenance: Provenance,
) -> Outcome:
    """Apply the object `geometry` (in `crs`) to `target`.

    add: a new feature. cut: the object is taken away from the features that it meets. unite: the object and the
    features that it meets become one, which keeps the attributes of the one with the greatest overlap. clip: of the
    features that it meets only what lies inside the object stays. Where features of the target are selected, the
    last three work on those alone. Raises `TargetProblem` and `GeometryProblem`; then nothing has changed.
    """
    _check_target(target)
    shape = valid_polygon(transformed_geometry(geometry, crs, target.crs()))
    if shape.isEmpty():
        raise GeometryProblem(tr("There is no outline to accept yet; add a prompt."))
    writer = _Writer(target, provenance)
    with _edit_command(target, command_name(operation)):
        if operation == ADD:
            outcome = writer.add(shape)
        elif operation == CUT:
            outcome = writer.cut(shape)
        elif operation == UNITE:
            outcome = writer.unite(shape)
        else:
            outcome = writer.clip(shape)
    target.triggerRepaint()
    return outcome


def accept_found(
    target: QgsVectorLayer,
    objects: Sequence[tuple[QgsGeometry, Provenance]],
    crs: QgsCoordinateReferenceSystem,
) -> Outcome:
    """Add all `objects` (in `crs`) to `target` as one step of its undo stack.

    Raises `TargetProblem` and `GeometryProblem`; then nothing has changed.
    """
    _check_target(target)
    shapes = [
        (valid_polygon(transformed_geometry(geometry, crs, target.crs())), provenance)
        for geometry, provenance in objects
    ]
    added = 0
    with _edit_command(target, command_name(ADD_FOUND)):
        object_id = attributes.next_object(target)
        for shape, provenance in shapes:
            if not shape.isEmpty():
                added += _Writer(target, provenance).add(shape, object_id).added
                object_id += 1
    target.triggerRepaint()
    return Outcome(ADD_FOUND, added=added)


def _check_target(target: QgsVectorLayer) -> None:
    if not is_target(target):
        raise TargetProblem(
            tr("The target layer cannot be edited; choose another, or make a new one.")
        )
    if file_is_gone(target):
        raise TargetProblem(
            tr(
                "The file of “{name}” is gone; choose another target, and save the layer as another file to keep "
                "what it holds."
            ).format(name=target.name())
        )


def save_edits(target: QgsVectorLayer) -> None:
    """Write the edit buffer to the layer's source and stay in editing. Raises `TargetProblem`; no edit is lost then."""
    if not target.isEditable():
        return
    if file_is_gone(target):
        raise TargetProblem(
            tr("The file of “{name}” is gone, and its edits are kept in QGIS; save the layer as another file.").format(
                name=target.name()
            )
        )
    if not target.commitChanges(False):
        # SQLite keeps the rows of a failed COMMIT in its open transaction: without a new connection the next
        # attempt would write them twice.
        detail = "\n".join(target.commitErrors())
        target.dataProvider().reloadData()
        raise TargetProblem(_why_not_saved(detail).format(name=target.name()), detail)


def _why_not_saved(detail: str) -> str:
    """A provider says in its own words that a field must not be empty or must be unique."""
    if "constraint" in detail.lower():
        return tr(
            "The edits of “{name}” could not be saved and are kept in QGIS: a field of the layer has a rule that the "
            "new objects break; fill it in the attribute table, then save again."
        )
    return tr(
        "The edits of “{name}” could not be saved and are kept in QGIS; check that its file is there and may be "
        "written and that the disk is not full, or save the layer as another file."
    )


@contextmanager
def _edit_command(layer: QgsVectorLayer, name: str) -> Iterator[None]:
    """One step of the layer's undo stack; taken back, with an edit session begun here, where the body raises."""
    began = not layer.isEditable()
    if began and not layer.startEditing():
        raise TargetProblem(
            tr("“{name}” cannot be edited; its file may be read-only. Choose another target.").format(
                name=layer.name()
            )
        )
    layer.beginEditCommand(name)
    try:
        yield
    except BaseException:
        layer.destroyEditCommand()
        if began:
            layer.rollBack()
        raise
    layer.endEditCommand()


class _Writer:
    """The four operations on one layer; `shape` is the valid object in the layer's CRS."""

    def __init__(self, layer: QgsVectorLayer, provenance: Provenance) -> None:
        self._layer = layer
        self._provenance = provenance

    def add(self, shape: QgsGeometry, object_id: int = 0) -> Outcome:
        """`object_id` 0 is the next free one."""
        object_id = object_id or attributes.next_object(self._layer)
        parts = self._fitting(shape)
        for part in parts:
            row = attributes.row(self._provenance, part, self._layer.crs(), object_id)
            self._insert(part, attributes.by_index(self._layer, row))
        return Outcome(ADD, added=len(parts))

    def cut(self, shape: QgsGeometry) -> Outcome:
        return self._reshape(CUT, shape, lambda geometry: geometry.difference(shape))

    def clip(self, shape: QgsGeometry) -> Outcome:
        return self._reshape(CLIP, shape, lambda geometry: geometry.intersection(shape))

    def unite(self, shape: QgsGeometry) -> Outcome:
        met = self._met(shape)
        if not met:
            return Outcome(UNITE, added=self.add(shape).added)
        met.sort(key=lambda feature: feature.geometry().intersection(shape).area(), reverse=True)
        kept, others = met[0], met[1:]
        union = QgsGeometry.unaryUnion([shape] + [_repaired(feature) for feature in met])
        parts = self._fitting(_usable(union))
        self._replace(kept, parts)
        for feature in others:
            _done(self._layer.deleteFeature(feature.id()), self._layer)
        return Outcome(UNITE, added=len(parts) - 1, changed=1, removed=len(others))

    def _reshape(self, operation: str, shape: QgsGeometry, change) -> Outcome:  # noqa: ANN001
        added = changed = removed = 0
        for feature in self._met(shape):
            remains = _usable(change(_repaired(feature)))
            if remains.isEmpty():
                _done(self._layer.deleteFeature(feature.id()), self._layer)
                removed += 1
                continue
            parts = self._fitting(remains)
            self._replace(feature, parts)
            changed, added = changed + 1, added + len(parts) - 1
        return Outcome(operation, added, changed, removed)

    def _met(self, shape: QgsGeometry) -> list[QgsFeature]:
        """Features that share area with `shape`; only selected ones where there is a selection."""
        request = QgsFeatureRequest().setFilterRect(shape.boundingBox())
        selected = set(self._layer.selectedFeatureIds())
        return [
            QgsFeature(feature)
            for feature in self._layer.getFeatures(request)
            if (not selected or feature.id() in selected)
            and feature.hasGeometry()
            and feature.geometry().intersects(shape)
            and not feature.geometry().touches(shape)
        ]

    def _fitting(self, geometry: QgsGeometry) -> list[QgsGeometry]:
        """`geometry` as the layer stores it: parts become features where it takes single polygons only."""
        parts = geometry.coerceToType(self._layer.wkbType())
        if not parts:
            raise GeometryProblem(
                tr("“{name}” cannot store this outline; choose another target.").format(
                    name=self._layer.name()
                )
            )
        # The greatest first: it keeps the feature's identity.
        return sorted(parts, key=lambda part: part.area(), reverse=True)

    def _replace(self, feature: QgsFeature, parts: Sequence[QgsGeometry]) -> None:
        """`feature` gets the first part, further parts become copies of it."""
        copied = dict(enumerate(feature.attributes()))
        for key in self._layer.primaryKeyAttributes():
            copied.pop(key, None)
        for number, part in enumerate(parts):
            measured = attributes.by_index(
                self._layer, attributes.measures(part, self._layer.crs())
            )
            if number:
                self._insert(part, {**copied, **measured})
                continue
            _done(self._layer.changeGeometry(feature.id(), part), self._layer)
            for index, value in measured.items():
                _done(
                    self._layer.changeAttributeValue(feature.id(), index, value), self._layer
                )

    def _insert(self, geometry: QgsGeometry, values: dict[int, object]) -> None:
        feature = QgsVectorLayerUtils.createFeature(self._layer, geometry, values)
        _done(self._layer.addFeature(feature), self._layer)


def _repaired(feature: QgsFeature) -> QgsGeometry:
    return valid_polygon(feature.geometry())


def _usable(geometry: QgsGeometry) -> QgsGeometry:
    """The polygons of a computed geometry; raises where GEOS gave up."""
    if geometry.isNull() and geometry.lastError():
        raise GeometryProblem(
            tr("The outlines could not be combined; repair the target layer's geometries first."),
            geometry.lastError(),
        )
    return geometry if geometry.isNull() else valid_polygon(geometry)


def _done(success: bool, layer: QgsVectorLayer) -> None:
    if not success:
        raise TargetProblem(
            tr("“{name}” refused the change; check its fields' constraints.").format(
                name=layer.name()
            )
        )
