"""Writes the kept objects of the review into their target, and follows the target's own undo afterwards."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional

from qgis.core import NULL, QgsFeature, QgsProject, QgsVectorLayer
from qgis.PyQt.QtCore import QObject

from cityseg_qgis.core import result
from cityseg_qgis.core.attributes import Provenance
from cityseg_qgis.core.review import Review, Step
from cityseg_qgis.core.review_layer import ACCEPTED, KEPT
from cityseg_qgis.errors import GeometryProblem, TargetProblem
from cityseg_qgis.i18n import tr


def accept_kept(review: Review, target: QgsVectorLayer, project: QgsProject) -> result.Outcome:
    """Write every kept object that is shown into `target`, as one edit command.

    The objects leave the review for as long as the command stands. Raises `GeometryProblem` and `TargetProblem`;
    then nothing has changed.
    """
    kept = review.kept()
    if not kept:
        raise GeometryProblem(tr("There is no kept object to accept; keep one, or lower the least score."))
    if review.layer is not None and target.id() == review.layer.id():
        raise TargetProblem(tr("The review cannot be its own target; choose another layer under “Into”."))
    objects = [(feature.geometry(), _provenance(feature)) for feature in kept]
    outcome = result.accept_found(target, objects, review.layer.crs())
    _Accepted(review, target, [feature.id() for feature in kept], project)
    return outcome


class _Accepted(QObject):
    """One accept: whoever takes the edit command back brings the objects back into the review.

    Lives as a child of the review until the target's edits are saved.
    """

    def __init__(
        self, review: Review, target: QgsVectorLayer, fids: list[int], project: QgsProject
    ) -> None:
        super().__init__(review)
        self._review = review
        self._target: Optional[QgsVectorLayer] = target
        self._project = project
        self._fids = fids
        self._stack = target.undoStack()
        self._index = self._stack.index()
        self._stands = True
        self._step = Step(tr("accept"), self._undo)
        review.store.write_states(dict.fromkeys(fids, ACCEPTED))
        review.add_step(self._step)
        self._stack.indexChanged.connect(self._on_index_changed)
        target.afterCommitChanges.connect(self._on_saved)
        target.afterRollBack.connect(self._on_rolled_back)
        project.layersWillBeRemoved.connect(self._on_layers_removed)
        review.store.lost.connect(self._let_go)
        review.closed.connect(self._let_go)

    def _undo(self) -> None:
        """The review's own way back: only where the accept is the target's last edit."""
        target = self._target
        if target is None:
            raise TargetProblem(
                tr("The accepted objects are saved in their layer; delete them there if they are not wanted.")
            )
        if not self._stands or self._stack.index() != self._index:
            raise TargetProblem(
                tr("“{name}” was edited since; undo those edits first (Edit, Undo), or delete the objects there.").format(
                    name=target.name()
                )
            )
        self._stack.undo()
        target.triggerRepaint()

    def _on_index_changed(self, index: int) -> None:
        # Saving and rolling back clear the stack; they have signals of their own.
        if not self._stack.count():
            return
        if self._stands and index < self._index:
            self._stands = False
            self._review.store.write_states(dict.fromkeys(self._fids, KEPT))
            self._review.forget_step(self._step)
        elif not self._stands and index >= self._index:
            self._done_again()

    def _done_again(self) -> None:
        """Redone, or another command took the place of ours."""
        if self._stack.text(self._index - 1) != result.command_name(result.ADD_FOUND):
            self._let_go()
            return
        if any(not self._review.is_open(fid) for fid in self._fids):
            # They were accepted or filtered anew meanwhile.
            self._let_go()
            return
        self._stands = True
        self._review.store.write_states(dict.fromkeys(self._fids, ACCEPTED))
        self._review.add_step(self._step)

    def _on_saved(self) -> None:
        """What is saved needs no way back into the review."""
        if self._stands:
            self._review.store.exchange(self._fids, ())
        self._let_go()

    def _on_rolled_back(self) -> None:
        """The edits were discarded, and with them the accepted objects: they are under review again."""
        self._bring_back()
        self._let_go()

    def _on_layers_removed(self, layer_ids: Iterable[str]) -> None:
        if self._target is not None and self._target.id() in layer_ids:
            if self._target.isEditable():
                self._bring_back()
            self._let_go()

    def _bring_back(self) -> None:
        if self._stands:
            self._review.store.write_states(dict.fromkeys(self._fids, KEPT))
            self._review.forget_step(self._step)

    def _let_go(self) -> None:
        target, self._target = self._target, None
        if target is None:
            return
        self._stack.indexChanged.disconnect(self._on_index_changed)
        target.afterCommitChanges.disconnect(self._on_saved)
        target.afterRollBack.disconnect(self._on_rolled_back)
        self._project.layersWillBeRemoved.disconnect(self._on_layers_removed)
        self._review.store.lost.disconnect(self._let_go)
        self._review.closed.disconnect(self._let_go)
        self._review.forget_step(self._step)
        self.deleteLater()


def _provenance(feature: QgsFeature) -> Provenance:
    def text(name: str) -> str:
        value: Any = feature[name]
        return "" if value is None or value == NULL else str(value)

    score = feature["score"]
    return Provenance(
        class_name=text("class"),
        score=0.0 if score is None or score == NULL else float(score),
        prompt=text("prompt"),
        model=text("model"),
        weights=text("weights"),
        source=text("source"),
        task=text("task"),
        why=text("why"),
    )
