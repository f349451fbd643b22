"""What CLIP is asked for words: the wordings of a thing, and what else an image from above may show in its place."""

from __future__ import annotations

from collections.abc import Iterable

from inference_backend.language.ontology import Concept, concept, concept_of

# CLIP's captions are of pictures; several ways to say "a picture of it from above" average out the wording.
TEMPLATES = (
    "a satellite image of {}.",
    "an aerial photo of {}.",
    "a drone picture of {}.",
    "{} seen from above.",
    "a top-down view of {}.",
    "remote sensing imagery with {}.",
)
MOST_WORDINGS = 6
"""Of a thing's synonyms; the first ones are the usual ones, and each costs as many texts as there are templates."""
# Together they cover most of the ground, each at another look.
_GROUND = (
    *("building", "road", "tree", "grass", "water", "bare ground", "field", "car", "parking lot"),
    "sport field",
)
_LONGEST_NAME_WORDS = 5


def wordings(words: str) -> tuple[str, ...]:
    """The names of one thing: name, plural and synonyms of a concept; other words as they are."""
    known = concept_of(words)
    return known.wordings[:MOST_WORDINGS] if known is not None else (" ".join(words.split()),)


def captions(wording: str) -> tuple[str, ...]:
    """A wording in every template; a sentence is its own caption."""
    if len(wording.split()) > _LONGEST_NAME_WORDS:
        return (wording,)
    return tuple(template.format(wording) for template in TEMPLATES)


def rivals(words: str) -> tuple[str, ...]:
    """What the ground may be instead: names of concepts that share nothing with what is asked for."""
    known = concept_of(words)
    return tuple(
        other.plural for other in _known(_GROUND) if known is None or not _overlap(known, other)
    )


def _known(names: Iterable[str]) -> list[Concept]:
    return [concept(name) for name in names]


def _overlap(one: Concept, other: Concept) -> bool:
    """Whether a place is both: a car is a vehicle. What lies on the other, a ship on water, is its rival."""
    return bool(set(one.covers) & set(other.covers))
