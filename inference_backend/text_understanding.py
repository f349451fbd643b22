"""From a request to what the model must look for: which words, at which ground resolution, as objects or as areas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from inference_backend.errors import InvalidInput
from inference_backend.language.nodes import Select
from inference_backend.language.ontology import Concept, concept_of, concepts
from inference_backend.language.program import Program
from inference_backend.models.base import TextQuery
from inference_backend.text_request import TextRequest

if TYPE_CHECKING:
    from inference_backend.language.parse import Understanding

PROGRAM, NETWORK, CLASSES = "program", "network", "classes"
USUAL_GSD_M = 0.3
"""Where nobody knows what is looked for: buildings, trees and large vehicles are all seen at this."""


@dataclass(frozen=True)
class Wanted:
    """One thing to look for. `key` names it to the executor and to the user; a whole sentence has no concept."""

    key: str
    query: TextQuery
    concept: Concept | None = None
    is_sentence: bool = False

    @property
    def gsd_m(self) -> float:
        """Coarsest ground resolution at which it is seen well."""
        return self.concept.gsd_m if self.concept is not None else USUAL_GSD_M

    @property
    def countable(self) -> bool:
        """Whether there are single ones of it."""
        return self.concept is None or self.concept.countable

    @property
    def plural(self) -> str:
        """How to speak of them."""
        return self.concept.plural if self.concept is not None else f"“{self.key}”"


@dataclass(frozen=True)
class Reading:
    """What was understood of a request. `concepts` are (name, probability, because)."""

    path: str
    sentence: str
    task: str
    wanted: tuple[Wanted, ...]
    program: Program | None = None
    concepts: tuple[tuple[str, float, str], ...] = ()
    unknown: tuple[tuple[str, tuple[str, ...], float], ...] = ()

    def to_json(self, presence: float, found: Sequence[tuple[str, float, str]]) -> dict[str, Any]:
        """As it goes over the wire; `found` are the concepts that the model's own memory named."""
        known = {name: (name, probability, because) for name, probability, because in self.concepts}
        for name, probability, because in found:
            known.setdefault(name, (name, probability, because))
        return {
            "path": self.path,
            "sentence": self.sentence,
            "concepts": [
                {"name": name, "probability": round(float(probability), 4), "because": because}
                for name, probability, because in known.values()
            ],
            "program": None if self.program is None else self.program.to_json(),
            "chips": [] if self.program is None else self.program.chips(),
            "unknown": [
                {"word": word, "nearest": list(nearest), "similarity": round(float(similarity), 4)}
                for word, nearest, similarity in self.unknown
            ],
            "presence": round(float(presence), 4),
        }


def read_request(request: TextRequest, open_vocabulary: bool = False) -> Reading:
    """Understand a request; with `open_vocabulary` the model may know nouns that the ontology does not.

    Raises InvalidInput with one sentence for what cannot be understood.
    """
    if request.program is not None:
        return _of_program(request)
    if request.classes:
        return _of_classes(request, open_vocabulary)
    task = "reasoning" if request.task == "auto" and request.ask else request.task
    return _understood(request.words, task, open_vocabulary)


def _understood(words: str, task: str, open_vocabulary: bool) -> Reading:
    # The parser takes a second to load, and a class of the ontology needs none.
    from inference_backend.language.parse import understand

    return _of_understanding(understand(words, task, open_vocabulary), words)


def _of_program(request: TextRequest) -> Reading:
    program = Program.from_json(dict(request.program or {}))
    # What is taken away goes last, the innermost first: the other parts' names must still hold.
    changes = sorted(
        request.changes.items(), key=lambda change: (change[1] is None, -len(change[0]))
    )
    for chip, value in changes:
        program = program.with_chip(chip, value)
    task = request.task if request.task != "auto" else "reasoning" if request.ask else "referring"
    return _reading(program, program.sentence(), task)


def _of_classes(request: TextRequest, open_vocabulary: bool) -> Reading:
    """Each class by itself: a name of the ontology, or what the parser makes of the word."""
    readings = [_of_class(name, open_vocabulary) for name in request.classes]
    wanted = {one.key: one for reading in readings for one in reading.wanted}
    return Reading(
        CLASSES,
        ", ".join(one.plural for one in wanted.values()),
        "referring",
        tuple(wanted.values()),
        concepts=tuple(known for reading in readings for known in reading.concepts),
        unknown=tuple(word for reading in readings for word in reading.unknown),
    )


def _of_class(name: str, open_vocabulary: bool) -> Reading:
    known = concept_of(name)
    if known is not None:
        return Reading(
            CLASSES,
            known.plural,
            "referring",
            (_wanted(known.name, "referring"),),
            concepts=((known.name, 1.0, ""),),
        )
    found = _understood(name, "referring", open_vocabulary)
    if found.program is not None and not isinstance(found.program.root, Select):
        raise InvalidInput(
            f"'{name}' is more than the name of a class; ask for it alone, as a text."
        )
    return found


def _of_understanding(found: Understanding, words: str) -> Reading:
    unknown = tuple(
        (word.word, (word.nearest,) if word.nearest else (), word.similarity)
        for word in found.unknown
    )
    named = tuple((known.name, known.probability, known.because) for known in found.concepts)
    if found.program is not None:
        reading = _reading(found.program, found.sentence, found.task)
        return replace(reading, concepts=named or reading.concepts, unknown=unknown)
    leading = next((_by_name(name) for name, _, _ in named), None)
    wanted = Wanted(words.strip(), TextQuery(words.strip(), found.task), leading, is_sentence=True)
    return Reading(NETWORK, found.sentence, found.task, (wanted,), None, named, unknown)


def _reading(program: Program, sentence: str, task: str) -> Reading:
    # A class is a name, also where a question led to it.
    wanted = tuple(_wanted(key, "referring") for key in program.select_words())
    named = tuple((one.concept.name, 1.0, "") for one in wanted if one.concept is not None)
    return Reading(PROGRAM, sentence, task, wanted, program, named)


def _wanted(key: str, task: str) -> Wanted:
    known = _by_name(key) or concept_of(key)
    return Wanted(key, TextQuery(known.plural if known else key, task), known)


def _by_name(name: str) -> Concept | None:
    return next((known for known in concepts() if known.name == name), None)
