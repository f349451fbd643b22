"""What the vocabulary table holds: the phrases of the ontology, and the common words round them."""

from __future__ import annotations

from collections.abc import Iterator

from inference_backend.language import colours
from inference_backend.language.ontology import concepts

# Questions of a concept that are kept word for word; the others keep only their sentence vectors, for comparing.
_QUESTIONS_IN_FULL = 1
_SHAPES = (
    *("large", "small", "big", "tiny", "huge", "long", "short", "narrow", "wide", "tall", "low", "high"),
    *("largest", "smallest", "biggest", "longest", "shortest", "widest", "narrowest", "tallest"),
    *("round", "square", "rectangular", "circular", "elongated", "straight", "curved", "irregular"),
    *("old", "new", "empty", "parked", "moving", "single", "isolated", "dense", "flat", "gabled"),
)  # fmt: skip
_RELATIONS = (
    *("left of", "right of", "above", "below", "next to", "beside", "near", "close to", "far from"),
    *("between", "inside", "outside", "within", "in", "on", "at", "around", "along", "across", "under"),
    *("north of", "south of", "east of", "west of", "in front of", "behind", "surrounded by", "touching"),
    *("to the left of", "to the right of", "in the upper left", "in the upper right"),
    *("in the lower left", "in the lower right", "at the top", "at the bottom", "in the middle"),
    *("in the centre", "in the center", "on the left", "on the right", "in the corner", "at the edge"),
    *("northernmost", "southernmost", "easternmost", "westernmost", "leftmost", "rightmost"),
    *("nearest", "closest", "farthest", "north", "south", "east", "west", "with", "without"),
    *("larger than", "smaller than", "bigger than", "less than", "more than", "at least", "at most"),
)  # fmt: skip
_COMMON = (
    *("all", "every", "each", "any", "the", "a", "an", "this", "that", "these", "those", "no", "not"),
    *("and", "or", "of", "which", "where", "what", "how many", "show me", "find", "segment", "object"),
    *("objects", "thing", "things", "area", "areas", "region", "surface", "ground", "land", "other"),
    *("this object", "this one", "these objects", "everything", "background", "land cover"),
)  # fmt: skip
_NUMBERS = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "first", "second"),
    *("third", "fourth", "fifth", "last", "metres", "meters", "square metres", "hectares", "m²"),
    *(str(number) for number in (1, 2, 3, 4, 5, 10, 20, 50, 100, 200, 500, 1000)),
)  # fmt: skip


def phrases_in_full() -> Iterator[str]:
    """What users type as it stands: names, synonyms, usual questions, colours, sizes, relations, common words."""
    for known in concepts():
        yield from known.wordings
        yield from known.questions[:_QUESTIONS_IN_FULL]
        yield from known.held_out_questions[:1]
    yield from colours.SPELLINGS
    for words in (_SHAPES, _RELATIONS, _COMMON, _NUMBERS):
        yield from words


def texts_to_compare() -> Iterator[str]:
    """What a text is compared with: everything that the ontology says, one sentence vector each."""
    for known in concepts():
        yield from known.wordings
        yield known.definition
        yield from known.functions
        yield from known.questions
