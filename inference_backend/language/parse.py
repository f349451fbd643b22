"""From a text to what it asks for: a program where the grammar reads it, else the network with what is known of it.

Words that the lexicon does not know are read as the concept they are a misspelling of, a kind of, or nearest to
(`language.nearest`), and the sentence says so. Questions about what things do are matched with the ontology, with
the conditions at their end ("… north of the river") taken for a program's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from inference_backend.errors import InvalidInput
from inference_backend.language import explain, nodes
from inference_backend.language.coordination import coordinate
from inference_backend.language.foreign import foreign_language
from inference_backend.language.lexicon import Noun, Tagged, split_words
from inference_backend.language.nearest import (
    REFUSED_QUESTION,
    Match,
    answers_to,
    nearest_questions,
)
from inference_backend.language.ontology import concept, concepts
from inference_backend.language.program import Program
from inference_backend.language.tagging import opened, tag
from inference_backend.language.tree import NotUnderstood, program_root
from inference_backend.language.unknown import (
    Reading,
    UnknownWord,
    corrected,
    known_things,
    read_unknown,
)

MOST_CHARACTERS = 500
TASKS = ("auto", "referring", "reasoning", "interactive")
_PHRASE_WORDS = 3
_STEM = "what the question asks for"
# A question's conditions begin at one of these.
_CONDITION_STARTS = ("REL", "WITHIN", "COMPARE", "WITHOUT", "REGION", "BETWEEN", "MEASURED", "NOT")


@dataclass(frozen=True)
class FoundConcept:
    """A concept that the text names or means. `probability` is 1 where it is named; `because` explains a question."""

    name: str
    probability: float
    because: str = ""


@dataclass(frozen=True)
class Understanding:
    """What was understood of a text, which way it will be answered, and what was not understood."""

    path: Literal["program", "network"]
    program: Program | None
    task: Literal["referring", "reasoning"]
    unknown: tuple[UnknownWord, ...]
    sentence: str
    concepts: tuple[FoundConcept, ...]


def understand(text: str, task: str = "auto", open_vocabulary: bool = False) -> Understanding:
    """Understand one text. With `open_vocabulary`, nouns that nobody knows are left to the model as they are.

    Raises InvalidInput with one sentence for an empty or long text, another language, a contradiction, and things
    that no image from above shows.
    """
    if task not in TASKS:
        raise InvalidInput(f"'{str(task)[:40]}' is no task; use one of {', '.join(TASKS)}.")
    words = _checked(text)
    words, slips = corrected(words)
    body, wondering = opened(words)
    if not body:
        raise InvalidInput(f"Say what to find, for example '{_EXAMPLE}'.")
    tagged = tag(body)
    _refuse_nameless(tagged)
    if wondering or _reads_as_question(tagged, text):
        answer = _question(text, tagged)
        if answer is not None:
            return answer
    reading = read_unknown(tagged, open_vocabulary)
    reading = replace(reading, notes=(*slips, *reading.notes))
    try:
        root = program_root(coordinate(reading.tagged))
    except NotUnderstood:
        return _network(text, tagged, reading, task)
    return _program(Program(root), reading)


_EXAMPLE = "buildings larger than 200 m² near water"


def _checked(text: str) -> list[str]:
    """The words of a text that may be understood."""
    if not isinstance(text, str) or not text.strip():
        raise InvalidInput(f"The text is empty; say what to find, for example '{_EXAMPLE}'.")
    if len(text) > MOST_CHARACTERS:
        raise InvalidInput(
            f"The text has {len(text):,} characters; ask in {MOST_CHARACTERS} at most, one thing at a time."
        )
    language = foreign_language(text)
    if language is not None:
        raise InvalidInput(
            f"This is not English ({language}); only English is supported so far: try '{_EXAMPLE}'."
        )
    words = split_words(text)
    if not any(word[:1].isalpha() for word in words):
        raise InvalidInput(f"The text has no words; say what to find, for example '{_EXAMPLE}'.")
    return words


def _program(program: Program, reading: Reading) -> Understanding:
    keys = program.select_words()
    names = {known.name for known in concepts()}
    free = [word for word in reading.unknown if word.word in keys]
    return Understanding(
        "program",
        program,
        "referring",
        tuple(free),
        " ".join([*reading.notes, program.sentence()]),
        tuple(FoundConcept(key, 1.0) for key in keys if key in names),
    )


def _reads_as_question(tagged: list[Tagged], text: str) -> bool:
    """Whether a text with unknown words asks, rather than names."""
    unknown = sum(one.kind == "UNKNOWN" for one in tagged)
    if unknown >= _PHRASE_WORDS and not any(one.kind == "NOUN" for one in tagged):
        # "areas suitable for farming": nobody names a class in so many words.
        return True
    asks = split_words(text)[:1] in (["where"], ["what"], ["which"], ["who"], ["how"])
    return unknown > 0 and (asks or text.rstrip().endswith("?"))


def _refuse_nameless(tagged: list[Tagged]) -> None:
    """Raises InvalidInput for "red", "the second largest", "everything": words that are about no thing."""
    kinds = {one.kind for one in tagged}
    said = " ".join(one.words for one in tagged)
    if kinds == {"EVERYTHING"}:
        raise InvalidInput(f"'{said}' is too much to find; name things: {known_things()}.")
    if kinds and not kinds & {"NOUN", "UNKNOWN", "EVERYTHING"}:
        raise InvalidInput(f"'{said}' names no thing; add one, for example '{said} buildings'.")


def _question(text: str, tagged: list[Tagged]) -> Understanding | None:
    """The answer to a question; None where it should be read as a sentence after all."""
    matches = nearest_questions(text)
    if not matches:
        return None
    split = _split_question(text, tagged)
    if split is not None:
        return _reasoned(*split)
    if matches[0].score < REFUSED_QUESTION:
        raise InvalidInput(
            f"Nothing that I know answers '{text.strip()[:80]}'; ask about {known_things()}."
        )
    sure = answers_to(matches)
    if sure:
        return _reasoned(sure, _meant(sure))
    found = tuple(FoundConcept(m.concept, m.share, m.because) for m in matches[:3])
    maybe = explain.joined([concept(m.concept).plural for m in matches[:3]], "or")
    return Understanding(
        "network",
        None,
        "reasoning",
        (),
        f"The network answers this; it may be about {maybe}.",
        found,
    )


def _meant(matches: list[Match]) -> nodes.Set:
    """What a question asks for, as a set."""
    sets = tuple(nodes.Select(m.concept, concept(m.concept).plural) for m in matches)
    return sets[0] if len(sets) == 1 else nodes.Union(sets)


def _reasoned(matches: list[Match], root: nodes.Set) -> Understanding:
    program = Program(root)
    meant = explain.joined([f"{concept(m.concept).plural} ({m.because})" for m in matches], "or")
    sentence = f"Understood as: {meant}."
    if isinstance(root, nodes.Filter):
        sentence += f" {program.sentence()}"
    found = [FoundConcept(m.concept, m.share, m.because) for m in matches]
    asked = {m.concept for m in matches}
    found += [FoundConcept(key, 1.0) for key in program.select_words() if key not in asked]
    return Understanding("program", program, "reasoning", (), sentence, tuple(found))


def _split_question(text: str, tagged: list[Tagged]) -> tuple[list[Match], nodes.Set] | None:
    """A question and the conditions at its end: "where do people live" + "north of the river"."""
    words = " ".join(split_words(text))
    for at in range(1, len(tagged)):
        rest = tagged[at:]
        if rest[0].kind not in _CONDITION_STARTS or any(one.kind == "UNKNOWN" for one in rest):
            continue
        # The first place where these words may begin, after all that stands before them.
        stem = words[: words.find(rest[0].words, sum(len(one.words) + 1 for one in tagged[:at]))]
        if len(stem.split()) < _PHRASE_WORDS:
            continue
        sure = answers_to(nearest_questions(stem))
        noun = Tagged("NOUN", Noun("", _STEM, True), _STEM)
        try:
            root = program_root(coordinate([noun, *rest]))
        except NotUnderstood:
            continue
        if sure and isinstance(root, nodes.Filter):
            return sure, _in_place_of_stem(root, _meant(sure))
    return None


def _in_place_of_stem(node: nodes.Set, meant: nodes.Set) -> nodes.Set:
    if isinstance(node, nodes.Filter):
        return nodes.Filter(_in_place_of_stem(node.of, meant), node.test)
    return meant


def _network(text: str, tagged: list[Tagged], reading: Reading, task: str) -> Understanding:
    """What the grammar cannot read: by its function where it names nothing, else by the network."""
    named = list(dict.fromkeys(one.value.concept for one in reading.tagged if one.kind == "NOUN"))
    named = [name for name in named if name]
    if task == "reasoning" and not reading.unknown:
        answer = _question(text, tagged)
        if answer is not None and answer.path == "program":
            return answer
    notes = list(reading.notes)
    if named:
        told = explain.joined([concept(name).plural for name in named])
        notes.append(
            f"The network answers this: the words are about {told}, but make no exact program."
        )
    elif not reading.unknown:
        raise InvalidInput(
            f"'{text.strip()[:80]}' names no thing; say what to find, for example '{_EXAMPLE}'."
        )
    return Understanding(
        "network",
        None,
        "reasoning" if task == "reasoning" else "referring",
        reading.unknown,
        " ".join(notes),
        tuple(FoundConcept(name, 1.0) for name in named),
    )
