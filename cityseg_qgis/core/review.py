"""Found objects under review: kept, dropped, refined, step by step, each of which can be taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Optional

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsGeometry,
    QgsPointXY,
    QgsProject,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QObject, pyqtSignal

from cityseg_qgis.core.review_layer import ACCEPTED, DROPPED, KEPT, STATE
from cityseg_qgis.core.review_run import ReviewRun
from cityseg_qgis.core.review_store import Counts, ReviewStore
from cityseg_qgis.core.text_answer import Found
from cityseg_qgis.i18n import tr

# More steps than anyone takes back; the oldest are forgotten.
_MOST_STEPS = 200


@dataclass(eq=False)
class Step:
    """One step that `undo` takes back."""

    name: str
    undo: Callable[[], None]


class Review(QObject):
    """Objects are named by their feature ids. The state lives in the layer, which outlives the plugin.

    `changed` comes with every change of objects, states and steps, `current_changed` with the current objects.
    """

    changed = pyqtSignal()
    current_changed = pyqtSignal()
    closed = pyqtSignal()

    def __init__(self, project: QgsProject, parent: Optional[QObject] = None) -> None:
        super().__init__(parent)
        self.store = ReviewStore(project, self)
        self._steps: list[Step] = []
        self._run: Optional[ReviewRun] = None
        self._current: tuple[int, ...] = ()
        self.store.changed.connect(self._on_store_changed)
        self.store.lost.connect(self._on_store_lost)
        self.store.selected.connect(self.set_current)

    @property
    def layer(self) -> Optional[QgsVectorLayer]:
        """The review layer; None before anything was found."""
        return self.store.layer

    @property
    def counts(self) -> Counts:
        """How many objects are in which state."""
        return self.store.counts

    def is_open(self, fid: int) -> bool:
        """Whether that object is shown and waits for a word."""
        entry = self.store.entries.get(fid)
        return entry is not None and entry.state != ACCEPTED and entry.score >= self.store.least_score

    def state_of(self, fid: int) -> str:
        """KEPT, DROPPED or ACCEPTED."""
        return self.store.entries[fid].state

    def open_ids(self) -> list[int]:
        """What is shown, the least sure first: where a look is worth most."""
        entries, least = self.store.entries, self.store.least_score
        shown = [
            (entry.score, fid)
            for fid, entry in entries.items()
            if entry.state != ACCEPTED and entry.score >= least
        ]
        return [fid for _, fid in sorted(shown)]

    def kept(self) -> list[QgsFeature]:
        """What accepting would write."""
        return self.store.features(
            sorted(fid for fid in self.open_ids() if self.state_of(fid) == KEPT)
        )

    def id_at(self, point: QgsPointXY, slack: float = 0.0) -> Optional[int]:
        """The smallest shown object at `point` (layer frame), or within `slack` of it."""
        return self.store.id_at(point, slack, self.open_ids())

    def ids_in(self, shape: QgsGeometry) -> list[int]:
        """The shown objects that meet `shape` (layer frame)."""
        return self.store.ids_in(shape, self.open_ids())

    def set_least_score(self, least: float) -> None:
        """Hide what is less sure; nothing is asked again."""
        self.store.set_least_score(least)

    # The current objects: what keys and buttons work on.

    @property
    def current(self) -> tuple[int, ...]:
        """What was clicked, boxed, selected or stepped to last."""
        return self._current

    def set_current(self, fids: Iterable[int]) -> None:
        """Work on these from now on."""
        current = tuple(fid for fid in fids if self.is_open(fid))
        if current != self._current:
            self._current = current
            self.current_changed.emit()

    def step_current(self, forward: bool = True) -> None:
        """To the next (or previous) object, from the least sure on."""
        order = self.open_ids()
        if not order:
            return
        if self._current and self._current[-1] in order:
            at = (order.index(self._current[-1]) + (1 if forward else -1)) % len(order)
        else:
            at = 0 if forward else len(order) - 1
        self.set_current((order[at],))

    # The user's word.

    def toggle(self, fid: int) -> None:
        """Drop what is kept, keep what is dropped."""
        self.mark((fid,), DROPPED if self.state_of(fid) == KEPT else KEPT)

    def mark(self, fids: Iterable[int], state: str) -> None:
        """Keep or drop objects, as one step."""
        before = {
            fid: self.state_of(fid) for fid in fids if self.is_open(fid) and self.state_of(fid) != state
        }
        if before:
            self.store.write_states(dict.fromkeys(before, state))
            name = tr("keep") if state == KEPT else tr("drop")
            self.add_step(Step(name, lambda: self.store.write_states(before)))

    def reshape(self, fid: int, geometry: QgsGeometry, score: float) -> None:
        """Give an object another outline (layer frame), as one step."""
        found = self.store.features((fid,))
        if found:
            old, score_before = found[0].geometry(), found[0]["score"]
            self.store.write_shape(fid, geometry, score)
            self.add_step(Step(tr("refine"), lambda: self.store.write_shape(fid, old, score_before)))

    def clear(self) -> None:
        """Take every object away, as one step."""
        if self.store.entries:
            self._take_out(tr("clear"))

    @property
    def undo_name(self) -> str:
        """What `undo` would take back; empty for nothing."""
        return self._steps[-1].name if self._steps else ""

    def undo(self) -> str:
        """Take the last step back; its name. Raises what the step raises, and then it can be tried again."""
        if not self._steps:
            return ""
        step = self._steps[-1]
        step.undo()
        self.forget_step(step)
        return step.name

    def add_step(self, step: Step) -> None:
        """From now on the step that `undo` takes back."""
        self._steps = [*self._steps, step][-_MOST_STEPS:]
        self.changed.emit()

    def forget_step(self, step: Step) -> None:
        """That step was taken back by other means."""
        self._steps = [other for other in self._steps if other is not step]
        self.changed.emit()

    # Results of a run.

    def begin_run(self, crs: QgsCoordinateReferenceSystem, adds: bool) -> None:
        """Objects of a new question are to come, in `crs`. What is there is replaced with the first of them."""
        self._run = ReviewRun(QgsCoordinateReferenceSystem(crs), adds)

    def put(self, found: Sequence[Found]) -> None:
        """Some objects of the run; one with a known number takes the place of the earlier."""
        if self._run is not None and found:
            layer = self._opened(self._run)
            gone, come = self._run.some(found, layer, self._states())
            self._run.remember(self.store.exchange(gone, come))

    def finish(self, found: Sequence[Found]) -> None:
        """The whole answer, which takes the place of what came on the way."""
        run, self._run = self._run, None
        if run is not None and (found or run.opened or (self.layer is not None and not run.adds)):
            layer = self._opened(run)
            self.store.exchange(*run.whole(found, layer, self._states()))

    def end_run(self) -> None:
        """No more will come; what came stays."""
        self._run = None

    def _states(self) -> dict[int, str]:
        return {fid: entry.state for fid, entry in self.store.entries.items()}

    def _opened(self, run: ReviewRun) -> QgsVectorLayer:
        """The layer, ready for the run's objects."""
        layer = self.layer
        if run.opened and layer is not None:
            return layer
        if layer is None or layer.crs() != run.crs:
            self._steps = []
            self.store.renew(run.crs, tr("CitySeg review, earlier"))
        elif not run.adds and self.store.entries:
            self._take_out(tr("new results"))
        run.open(self.layer)
        return self.layer

    def _take_out(self, name: str) -> None:
        """Empty the layer, as one step. Earlier steps speak of what is gone."""
        least = self.store.least_score
        before = self.store.take_all()

        def bring_back() -> None:
            self.store.put_back(before)
            self.store.set_least_score(least)

        self._steps = []
        if any(feature[STATE] != ACCEPTED for feature in before):
            self.add_step(Step(name, bring_back))

    # Following the store.

    def _on_store_changed(self) -> None:
        self.set_current(self._current)
        self.changed.emit()

    def _on_store_lost(self) -> None:
        self._steps, self._run = [], None
        self.set_current(())

    def close(self) -> None:
        """Let go of everything outside; the layer stays in the project."""
        self.closed.emit()
        self.store.close()
