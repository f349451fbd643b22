"""Words that the lexicon does not know: slips of the keyboard, kinds of a concept, near relatives, and the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from inference_backend.errors import InvalidInput
from inference_backend.language.lexicon import Noun, Tagged, kinds, phrases, word_list
from inference_backend.language.nearest import LEAD, REFUSED, SURE, Match, nearest_wordings
from inference_backend.language.ontology import concept, concepts

_NAMED_AT_MOST = 6
# Shorter words have too many neighbours ("goats", "boats"); one letter for another makes words of words ("trails").
_SHORTEST_SLIP, _SHORTEST_EXCHANGE = 6, 8
# Behind a noun, an unknown word says something about it; before one, it is a part of its name.
_NAMES = ("NOUN", "ONE")


@dataclass(frozen=True)
class UnknownWord:
    """A word that is no concept; `nearest` is the concept that is nearest to it, "" where nobody can tell."""

    word: str
    nearest: str
    similarity: float


@dataclass(frozen=True)
class Reading:
    """Tagged phrases with the unknown ones read where they can be, and sentences that say how."""

    tagged: list[Tagged]
    unknown: tuple[UnknownWord, ...]
    notes: tuple[str, ...]


def read_unknown(tagged: Sequence[Tagged], open_vocabulary: bool = False) -> Reading:
    """Read unknown nouns as the nearest concept where that is sure.

    Raises InvalidInput where a noun is so far from everything that no image from above can show it.
    """
    # A sentence that no program reads is the network's, whatever else stands in it.
    exact = all(one.kind != "OTHER" for one in tagged)
    found: list[Tagged] = []
    unknown: list[UnknownWord] = []
    notes: list[str] = []
    at = 0
    while at < len(tagged):
        one = tagged[at]
        end = _end_of_run(tagged, at)
        if one.kind == "NOUN" and tuple(one.words.split()) in kinds():
            notes.append(
                f"I cannot tell {one.words} from other {concept(one.value.concept).plural}."
            )
        if end == at or not _names_something(tagged, at, end):
            found += tagged[at : max(end, at + 1)]
            at = max(end, at + 1)
            continue
        words = " ".join(part.words for part in tagged[at:end])
        noun = _read(words, open_vocabulary, exact, unknown, notes)
        found += [Tagged("NOUN", noun, words)] if noun else tagged[at:end]
        at = end
    return Reading(found, tuple(unknown), tuple(dict.fromkeys(notes)))


def known_things() -> str:
    """The first of what can be found: buildings, solar arrays, roads and more."""
    return ", ".join(known.plural for known in concepts()[:_NAMED_AT_MOST]) + " and more"


def corrected(words: list[str]) -> tuple[list[str], list[str]]:
    """The words with slips of the keyboard mended, and a note for each."""
    notes = []
    mended = []
    for word in words:
        meant = None if word in _known_words() else _slip_of(word)
        if meant:
            notes.append(f"Read '{word}' as '{meant}'.")
        mended.append(meant or word)
    return mended, notes


def _read(
    words: str, open_vocabulary: bool, exact: bool, unknown: list[UnknownWord], notes: list[str]
) -> Noun | None:
    matches = nearest_wordings(words)
    best = matches[0] if matches else Match("", 0.0, 0.0, 0.0, "")
    if best.score >= SURE and best.lead >= LEAD:
        known = concept(best.concept)
        notes.append(f"Read '{words}' as {known.plural}.")
        return Noun(best.concept, known.plural, True)
    unknown.append(UnknownWord(words, best.concept, round(best.score, 3)))
    if open_vocabulary:
        notes.append(f"'{words}' is left to the model as it stands.")
        return Noun("", words, words.endswith("s"))
    said = f"I do not know '{words}'. I know {known_things()}"
    if exact and matches and best.score < REFUSED:
        raise InvalidInput(f"{said}; ask for one of these.")
    nearest = f"; nearest to it are {concept(best.concept).plural}" if best.concept else ""
    notes.append(f"{said}{nearest}.")
    return None


def _end_of_run(tagged: Sequence[Tagged], at: int) -> int:
    """Where a run of unknown words ends, "of" between them included; `at` itself where none begins."""
    end = at
    while end < len(tagged):
        if tagged[end].kind == "UNKNOWN":
            end += 1
        elif (
            tagged[end].kind == "OF"
            and end > at
            and end + 1 < len(tagged)
            and tagged[end + 1].kind == "UNKNOWN"
        ):
            end += 2
        else:
            break
    return end


def _names_something(tagged: Sequence[Tagged], at: int, end: int) -> bool:
    """Whether a run of unknown words stands where a noun stands."""
    before = tagged[at - 1].kind if at else ""
    after = tagged[end].kind if end < len(tagged) else ""
    return before not in _NAMES and after not in (*_NAMES, "OF")


@cache
def _known_words() -> frozenset[str]:
    known = {word for key in phrases() for word in key}
    for table in ("opening", "wondering"):
        known |= {word for key in word_list(table) for word in key}
    return frozenset(known)


@cache
def _slip_of(word: str) -> str | None:
    """The one lexicon word that differs by a swap, a letter too many or too few, or (in long words) another letter."""
    if len(word) < _SHORTEST_SLIP or not word.isalpha():
        return None
    meant = [
        known
        for known in _known_words()
        if abs(len(known) - len(word)) <= 1 and known[0] == word[0] and _one_slip(word, known)
    ]
    return meant[0] if len(meant) == 1 else None


def _one_slip(word: str, known: str) -> bool:
    at = next(
        (i for i, (a, b) in enumerate(zip(word, known, strict=False)) if a != b),
        min(len(word), len(known)),
    )
    if len(word) > len(known):
        # A final s is a plural, not a slip.
        return word[at + 1 :] == known[at:] and not (at == len(known) and word[-1] == "s")
    if len(word) < len(known):
        return known[at + 1 :] == word[at:] and not (at == len(word) and known[-1] == "s")
    swapped = word[at : at + 2] == known[at : at + 2][::-1] and word[at + 2 :] == known[at + 2 :]
    return swapped or (len(word) >= _SHORTEST_EXCHANGE and word[at + 1 :] == known[at + 1 :])
