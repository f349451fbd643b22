"""From the classes that a user names to classes of the label graph, and new ones beside them; before any point is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inference_backend.classify_request import AddedClass, ClassifyJob
from inference_backend.classify_scheme import Scheme, Wanted, all_known, asked_for
from inference_backend.errors import InvalidInput
from inference_backend.models.cityseg.label_graph import ROOT, LabelGraph

if TYPE_CHECKING:
    from inference_backend.models.cityseg.placing import Placement

Place = Callable[[str, "str | None"], "Placement"]
"""(words, parent or None) to where they belong."""


@dataclass(frozen=True)
class Reading:
    """What the user's words were taken for. `told` is for the answer: words, kind, node, parent, sentence of each."""

    scheme: Scheme
    told: tuple[dict[str, Any], ...] = ()


def read_words(job: ClassifyJob, graph: LabelGraph, place: Place | None = None) -> Reading:
    """The labels of a job. Raises InvalidInput with the sentence of what cannot be placed."""
    named = [AddedClass(name) for name in job.classes or ()]
    asked = [*named, *job.add]
    if not asked:
        return Reading(all_known(graph))
    placed = [_placed(one, place or placer(graph)) for one in asked]
    wanted = [wanted for wanted, _ in placed]
    _check_apart(asked)
    scheme = asked_for(graph, wanted) if named else all_known(graph, wanted)
    return Reading(scheme, tuple(told for _, told in placed))


def placer(graph: LabelGraph) -> Place:
    """`placing.place` with this graph and the text encoder."""
    from inference_backend.language.encoder import TextEncoder
    from inference_backend.models.cityseg.placing import place

    encoder = TextEncoder()
    return lambda words, parent: place(words, graph, encoder, parent=parent)


def _placed(one: AddedClass, place: Place) -> tuple[Wanted, dict[str, Any]]:
    found = place(one.name, one.parent)
    if found.kind == "unknown":
        raise InvalidInput(found.sentence)
    nodes = tuple(found.nodes) if found.kind == "node" else ()
    told = {
        "words": one.name,
        "kind": found.kind,
        "node": ", ".join(found.nodes) or None,
        "parent": found.parent,
        "sentence": found.sentence,
    }
    return Wanted(one.name, nodes, found.parent or ROOT), told


def _check_apart(asked: Sequence[AddedClass]) -> None:
    seen: set[str] = set()
    for one in asked:
        if one.name.casefold() in seen:
            raise InvalidInput(f"'{one.name}' is named twice; name each class once.")
        seen.add(one.name.casefold())
