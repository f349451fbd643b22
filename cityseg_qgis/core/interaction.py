"""From prompts to accepted features: what the Interact panel does, without its widgets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Optional

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsMapLayer,
    QgsProject,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QObject, pyqtSignal

from cityseg_qgis import settings
from cityseg_qgis.core import result, target_history
from cityseg_qgis.core.asking import Asking
from cityseg_qgis.core.attributes import Provenance
from cityseg_qgis.core.frames import transformed_prompt
from cityseg_qgis.core.model_choice import DEFAULT_MODEL, ModelChoice, read_models
from cityseg_qgis.core.preview import Preview
from cityseg_qgis.core.prompts import ADD, Position, Prompt, summary
from cityseg_qgis.core.session import PromptSession
from cityseg_qgis.core.source import SourceDescription, describe
from cityseg_qgis.core.target import is_target, new_memory_layer
from cityseg_qgis.errors import (
    CitySegError,
    GeometryProblem,
    RequestCancelled,
    UnsupportedLayer,
)
from cityseg_qgis.i18n import tr
from cityseg_qgis.protocol import codes
from cityseg_qgis.worker.client import READY, BackendClient


class Interaction(QObject):
    """One object after the other: prompts, preview, accept. Slots raise nothing; problems come as a signal.

    The source is described once an object, so that a renderer that follows the canvas does not change the image
    between two clicks.
    """

    preview_changed = pyqtSignal()
    busy_changed = pyqtSignal(bool)
    status_changed = pyqtSignal(str)
    problem = pyqtSignal(object)
    accepted = pyqtSignal(object, object)
    target_changed = pyqtSignal()
    models_changed = pyqtSignal()

    def __init__(
        self, client: BackendClient, project: QgsProject, parent: Optional[QObject] = None
    ) -> None:
        super().__init__(parent)
        self.client = client
        self.session = PromptSession(self)
        self.preview: Optional[Preview] = None
        self.models: list[ModelChoice] = [ModelChoice(DEFAULT_MODEL, tr("Default (CitySeg)"))]
        self.class_name = ""
        self.operation = result.ADD
        # Takes the next accepted outline in place of the target.
        self.hand_over: Optional[Callable[[Preview], None]] = None
        self._project = project
        self._model_id = settings.MODEL.value()
        self._layer_id = self._target_id = ""
        self._source: Optional[SourceDescription] = None
        self._accept_when_ready = False
        self._held: list[tuple[Prompt, QgsCoordinateReferenceSystem]] = []
        self._models_request = 0
        self._asking = Asking(client, self)
        self._asking.answered.connect(self._on_outline)
        self._asking.failed.connect(self._on_no_outline)
        self._asking.busy_changed.connect(self.busy_changed)
        self._asking.progressed.connect(self.status_changed)
        self.session.changed.connect(self._on_prompts_changed)
        client.answered.connect(self._on_answered)
        client.failed.connect(self._on_failed)
        client.state_changed.connect(self._on_client_state)
        project.layersWillBeRemoved.connect(self._on_layers_removed)

    # What is prompted, with what, and where results go.

    @property
    def busy(self) -> bool:
        """Whether an outline is being made."""
        return self._asking.busy

    @property
    def source_layer(self) -> Optional[QgsMapLayer]:
        """The layer whose pixels are prompted."""
        return self._project.mapLayer(self._layer_id)

    def set_source_layer(self, layer: Optional[QgsMapLayer]) -> None:
        """Prompt this layer from now on; prompts of the open object stay and are asked again."""
        layer_id = layer.id() if layer is not None else ""
        if layer_id != self._layer_id:
            self._layer_id, self._source = layer_id, None
            self._ask_anew()

    @property
    def model(self) -> ModelChoice:
        """The model that is asked."""
        known = {model.id: model for model in self.models}
        return known.get(self._model_id) or ModelChoice(self._model_id, self._model_id)

    def set_model(self, model_id: str) -> None:
        """Ask this model from now on."""
        if model_id and model_id != self._model_id:
            self._model_id = model_id
            settings.MODEL.set_value(model_id)
            self._ask_anew()

    @property
    def target(self) -> Optional[QgsVectorLayer]:
        """Where results go; None means a temporary layer that the first accept makes."""
        layer = self._project.mapLayer(self._target_id)
        return layer if is_target(layer) else None

    def set_target(self, layer: Optional[QgsVectorLayer]) -> None:
        """Choose the target; None for a new temporary layer."""
        target_id = layer.id() if layer is not None else ""
        if target_id != self._target_id:
            self._target_id = target_id
            self.target_changed.emit()

    def source_crs(self) -> QgsCoordinateReferenceSystem:
        """The CRS of the prompted layer, which new targets get."""
        layer = self.source_layer
        return QgsCoordinateReferenceSystem() if layer is None else layer.crs()

    def prepare(self) -> None:
        """Start the backend, ask for its models and let it open the layer, before the first click."""
        self.client.start()
        self._models_request = self.client.request(codes.MODELS, supersede="models")
        try:
            source = describe(self.source_layer)
        except CitySegError as error:
            self.status_changed.emit(error.user_message)
            return
        self.client.request(codes.OPEN, {"source": source.wire}, supersede="open")

    # Prompts.

    def add(
        self, kind: str, xy: Iterable[Position], label: int, crs: QgsCoordinateReferenceSystem
    ) -> bool:
        """One more prompt, positions in `crs`. False, and a problem, where it cannot be one."""
        prompt = Prompt(kind, tuple(xy), label)
        if self._accept_when_ready:
            # Enter was pressed already: this prompt begins the next object.
            self._held.append((prompt, crs))
            return True
        try:
            self._add(prompt, crs)
        except CitySegError as error:
            self.problem.emit(error)
            return False
        return True

    def begin_with(
        self, prompts: Sequence[Prompt], crs: QgsCoordinateReferenceSystem, hand_over: Callable[[Preview], None]
    ) -> None:
        """Begin an object with `prompts`; its accepted outline goes to `hand_over`, not into the target.

        Raises `GeometryProblem` while another object is open, and as `add` has problems; then nothing was begun.
        """
        if self.busy or not self.session.is_empty:
            raise GeometryProblem(tr("An object is open under “Interact”; accept it (Enter) or clear it (Esc) first."))
        try:
            for prompt in prompts:
                self._add(prompt, crs)
        except CitySegError:
            self.session.next_object()
            raise
        self.hand_over = hand_over

    def undo(self) -> None:
        """Take back the last prompt; with none left, the last accept, by the target's own undo."""
        if not self.session.undo() and target_history.can_step(self.target, undo=True):
            name = target_history.step(self.target, undo=True)
            self.status_changed.emit(tr("Undone: {step}").format(step=name))

    def redo(self) -> None:
        """Do again what `undo` took back."""
        if not self.session.redo() and target_history.can_step(self.target, undo=False):
            name = target_history.step(self.target, undo=False)
            self.status_changed.emit(tr("Done again: {step}").format(step=name))

    @property
    def can_undo(self) -> bool:
        """Whether `undo` would do something."""
        return self.session.can_undo or target_history.can_step(self.target, undo=True)

    @property
    def can_redo(self) -> bool:
        """Whether `redo` would do something."""
        return self.session.can_redo or target_history.can_step(self.target, undo=False)

    def clear(self) -> None:
        """Take back a waiting accept, else all prompts of the object."""
        self._held.clear()
        if self._accept_when_ready:
            self._accept_when_ready = False
            self.status_changed.emit(tr("Not accepted; the prompts are kept."))
        else:
            self.session.clear()

    def retry(self) -> None:
        """Ask again about the same prompts."""
        self._ask_anew()

    # Accept.

    def accept(self) -> None:
        """Write the outline into the target and begin the next object, at once or as soon as the outline is there."""
        if self.busy:
            self._accept_when_ready = True
            self.status_changed.emit(tr("Accepting as soon as the outline is ready…"))
            return
        try:
            self._accept()
        except CitySegError as error:
            self.problem.emit(error)

    def _accept(self) -> None:
        preview = self.preview
        if preview is None or preview.is_empty or preview.prompts != self.session.prompts:
            raise GeometryProblem(tr("There is no outline to accept yet; click on an object first."))
        if self.hand_over is not None:
            taker, self.hand_over = self.hand_over, None
            taker(preview)
            self._begin_next()
        else:
            outcome = self._write(preview)
            self._begin_next()
            self.accepted.emit(outcome, self.target)
        held, self._held = self._held, []
        for prompt, crs in held:
            self.add(prompt.kind, prompt.xy, prompt.label, crs)

    def _begin_next(self) -> None:
        self.session.next_object()
        self._forget_object()

    def _write(self, preview: Preview) -> result.Outcome:
        outcome = result.accept(
            self._target_or_new(), preview.geometry, preview.crs, self.operation, self._provenance(preview)
        )
        if not outcome.touched:
            raise GeometryProblem(
                tr("The outline meets no feature of the target, so nothing was changed; the prompts are kept.")
            )
        settings.remember_class_name(self.class_name)
        return outcome

    def _provenance(self, preview: Preview) -> Provenance:
        return Provenance(
            class_name=self.class_name.strip(),
            score=preview.score,
            prompt=summary(preview.prompts),
            model=preview.model,
            weights=preview.weights,
            source=preview.source.file_name,
        )

    def _target_or_new(self) -> QgsVectorLayer:
        if self.target is None and self.operation != result.ADD:
            raise GeometryProblem(
                tr("Choose the layer that is to be changed under “Into”; only “Add” makes a new one.")
            )
        return self.target_or_new(self.preview.crs if self.preview else self.source_crs())

    def target_or_new(self, crs: QgsCoordinateReferenceSystem) -> QgsVectorLayer:
        """The chosen target, or a new temporary layer in `crs`, which is the target from then on."""
        if self.target is None:
            self.set_target(new_memory_layer(tr("CitySeg objects"), crs, self._project))
        return self.target

    def close(self) -> None:
        """Let go of everything outside; the object is of no use afterwards."""
        self._asking.disconnect_client()
        self.client.answered.disconnect(self._on_answered)
        self.client.failed.disconnect(self._on_failed)
        self.client.state_changed.disconnect(self._on_client_state)
        self._project.layersWillBeRemoved.disconnect(self._on_layers_removed)

    # Steps.

    def _add(self, prompt: Prompt, crs: QgsCoordinateReferenceSystem) -> None:
        source = self._described()
        if prompt.kind not in self.model.prompts:
            raise UnsupportedLayer(
                tr("“{model}” takes no {kind}; use a click, or choose another model.").format(
                    model=self.model.title, kind=prompt.kind
                )
            )
        if not source.touches(prompt, crs):
            raise GeometryProblem(
                tr("That is outside “{layer}”; click on the image.").format(layer=source.name)
            )
        if prompt.label != ADD and self.session.is_empty:
            raise GeometryProblem(tr("Begin with the object: left-click on it, then remove what is too much."))
        own = self.session.fix_crs(crs)
        self.session.add(prompt if own == crs else transformed_prompt(prompt, crs, own))

    def _described(self) -> SourceDescription:
        if self._source is None:
            self._source = describe(self.source_layer)
        return self._source

    def _on_prompts_changed(self) -> None:
        prompts = self.session.prompts
        if not prompts:
            self._asking.drop()
            self._show(None)
            self.status_changed.emit("")
            return
        try:
            self._asking.ask(prompts, self.session.crs, self._described(), self._model_id)
        except CitySegError as error:
            self._on_no_outline(error)
            return
        if self.busy and not self._accept_when_ready:
            self.status_changed.emit(self._busy_text())

    def _busy_text(self) -> str:
        if self.client.state != READY:
            return tr("Starting the backend; the first outline takes a few seconds…")
        if self.preview is None:
            return tr("Encoding the image around your click…")
        return tr("Updating the outline…")

    def _on_client_state(self, _state: str) -> None:
        if self.busy and not self._accept_when_ready:
            self.status_changed.emit(self._busy_text())

    def _on_outline(self, preview: Preview) -> None:
        self._show(preview)
        if self._accept_when_ready:
            self._accept_when_ready = False
            self.accept()
        elif preview.is_empty:
            self.status_changed.emit(tr("Nothing found there; add a click on the object, or undo."))
        else:
            self.status_changed.emit(tr("Enter accepts · right-click removes what is too much"))

    def _on_no_outline(self, error: CitySegError) -> None:
        self._accept_when_ready = False
        self._show(None)
        self.status_changed.emit(tr("No outline yet; your prompts are kept."))
        self.problem.emit(error)

    def _on_answered(self, request_id: int, answer: object, _attachments: object) -> None:
        if request_id == self._models_request and isinstance(answer, dict):
            self.models = read_models(answer) or self.models
            if self._model_id not in [model.id for model in self.models]:
                # A checkpoint of an earlier day that was removed since.
                self.set_model(DEFAULT_MODEL)
            self.models_changed.emit()

    def _on_failed(self, request_id: int, error: CitySegError) -> None:
        if request_id == self._models_request and not isinstance(error, RequestCancelled):
            self.problem.emit(error)

    def _ask_anew(self) -> None:
        self._forget_object()
        if not self.session.is_empty:
            self._show(None)
            self._on_prompts_changed()

    def _forget_object(self) -> None:
        """Answers and description belong to one object; its prompts are the session's."""
        self._source = None
        self._asking.forget()

    def _show(self, preview: Optional[Preview]) -> None:
        self.preview = preview
        self.preview_changed.emit()

    def _on_layers_removed(self, layer_ids: Iterable[str]) -> None:
        if self._target_id in layer_ids:
            self._target_id = ""
            self.target_changed.emit()
        if self._layer_id in layer_ids:
            self._layer_id, self._accept_when_ready = "", False
            self._held.clear()
            self.session.next_object()
            self._forget_object()
