"""From a text to tagged phrases: what the grammar reads. Word order and coordination are `coordination`'s business."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from inference_backend.language.lexicon import (
    Noun,
    Tagged,
    nouns,
    phrases,
    sides,
    split_words,
    word_list,
)
from inference_backend.language.numbers import number_at, quantity_at, rank_at

_MODIFIERS = ("SIZE", "SHAPE", "COLOUR", "CROWD")
_VIEW_WORDS = frozenset(
    [
        "image",
        "picture",
        "view",
        "photo",
        "map",
        "screen",
        "frame",
        "scene",
        "extent",
        "area",
        "raster",
        "orthophoto",
        "canvas",
        "aerial",
        "tile",
        "photograph",
    ]
)
_REGION_LEADS = frozenset(("in", "on", "at", "to", "towards", "toward", "along", "near", "within"))
_REGION_PARTS = frozenset(
    [
        "part",
        "corner",
        "side",
        "half",
        "quarter",
        "area",
        "section",
        "end",
        "portion",
        "region",
        "third",
        "hand",
        "margin",
        "edge",
        "zone",
    ]
)
# What a direction word may stand before, as an adjective: "the upper left building".
_SKIPPED = frozenset(("the", "a", "an", "far", "very", "most", "extreme"))


def opened(words: list[str]) -> tuple[list[str], bool]:
    """The words after politeness and verbs, and whether they ask for what something does ("where can …")."""
    start = 0
    while start < len(words):
        if _longest(words, start, word_list("wondering")):
            return words[start:], True
        if _begins_with(words, start, ("COUNT", "NOUN")):
            break
        length = _longest(words, start, word_list("opening")) or _longest(
            words, start, word_list("filler")
        )
        if not length or (words[start], *words[start + 1 : start + 2]) in sides():
            break
        start += length
    return words[start:], False


def tag(words: list[str]) -> list[Tagged]:
    """Tagged phrases of the words after the opening; what nobody knows is UNKNOWN, a word each."""
    tagged: list[Tagged] = []
    at = 0
    while at < len(words):
        found, length = _next(words, at, tagged)
        for one in found:
            if one.kind != "FILLER":
                tagged.append(one)
        at += length
    return _ranges(
        [
            one
            for one, following in zip(tagged, [*tagged[1:], None], strict=True)
            # "all buildings" are the buildings, "all but water" is everything but water.
            if one.kind != "EVERYTHING"
            or following is None
            or following.kind in ("EXCEPT", "BUT", "NOT")
        ]
    )


def tag_text(text: str) -> tuple[list[Tagged], bool]:
    """`tag` of a whole text, and whether it wonders."""
    words, wondering = opened(split_words(text))
    return tag(words), wondering


def _next(words: list[str], at: int, before: list[Tagged]) -> tuple[list[Tagged], int]:
    """The phrases that begin at a word, and how many words they are."""

    def one(kind: str, value: Any, length: int) -> tuple[list[Tagged], int]:
        return [Tagged(kind, value, " ".join(words[at : at + length]))], length

    quantity = quantity_at(words, at)
    if quantity:
        return one("QUANTITY", *quantity)
    region = _region(words, at)
    if region:
        return one(*region)
    longest = _known(words, at)
    number = number_at(words, at)
    if number and (not longest or longest[1] <= number[1]):
        last = at + number[1] == len(words)
        if words[at] == "one" and (last or (before and before[-1].kind in _MODIFIERS)):
            return one("ONE", None, 1)
        return one("NUMBER", *number)
    rank = rank_at(words, at)
    if rank and (not longest or longest[1] <= 1):
        return one("RANK", rank, 1)
    if longest is None:
        return one("UNKNOWN", words[at], 1)
    kinds, length = longest
    if before and before[-1].kind == "QUANTITY" and ("REL", "far from") in kinds:
        return one("FROM", None, length)
    kind, value = _fitting(kinds, words, at + length)
    if kind == "COUNT" and before:
        # "how many cars are there": the question was asked at the beginning.
        kind = "FILLER"
    if kind == "NOUN":
        return _noun(words, at, length, value)
    return one(kind, value, length)


def _known(words: list[str], at: int) -> tuple[list[tuple[str, Any]], int] | None:
    for length in range(min(9, len(words) - at), 0, -1):
        kinds = phrases().get(tuple(words[at : at + length]))
        if kinds:
            return kinds, length
    return None


def _fitting(kinds: list[tuple[str, Any]], words: list[str], after: int) -> tuple[str, Any]:
    """The kind that fits what follows: "over" and "within" compare only before a number."""
    numbered = after < len(words) and bool(number_at(words, after) or quantity_at(words, after))
    wanted = ("COMPARE", "WITHIN", "BETWEEN") if numbered else ()
    chosen = [kind for kind in kinds if kind[0] in wanted]
    if chosen:
        return chosen[0]
    others = [kind for kind in kinds if kind[0] not in ("COMPARE", "WITHIN")]
    named = [kind for kind in others if kind[0] == "NOUN"]
    return (named or others or kinds)[0]


def _noun(words: list[str], at: int, length: int, noun: Noun) -> tuple[list[Tagged], int]:
    """A noun; of "round tank" the adjective is told apart where the rest means the same."""
    first = phrases().get((words[at],), [])
    modifier = next((kind for kind in first if kind[0] in _MODIFIERS), None)
    rest = nouns().get(tuple(words[at + 1 : at + length]))
    said = " ".join(words[at : at + length])
    if modifier and rest and rest.concept == noun.concept:
        tail = " ".join(words[at + 1 : at + length])
        return [
            Tagged(*modifier, words[at]),
            Tagged("NOUN", replace(rest, words=tail), tail),
        ], length
    return [Tagged("NOUN", replace(noun, words=said), said)], length


def _region(words: list[str], at: int) -> tuple[str, str, int] | None:
    """(kind, region, words read): "in the upper left corner of the image", or "upper left" before a noun."""
    start = at
    led = words[start] in _REGION_LEADS
    start += led
    while start < len(words) and words[start] in _SKIPPED:
        start += 1
    length = next((n for n in (3, 2, 1) if tuple(words[start : start + n]) in sides()), 0)
    if not length:
        return None
    region = sides()[tuple(words[start : start + length])]
    end = start + length
    parts = end
    while parts < len(words) and words[parts] in _REGION_PARTS:
        parts += 1
    if words[parts : parts + 1] == ["of"]:
        view = parts + 1
        while view < len(words) and words[view] in ("the", "this", "my", "satellite", "aerial"):
            view += 1
        if view < len(words) and words[view] in _VIEW_WORDS:
            return "REGION", region, view + 1 - at
        return None
    if led or parts > end:
        return "REGION", region, parts - at
    return ("REGION_WORD", region, parts - at) if parts < len(words) and start == at else None


def _ranges(tagged: list[Tagged]) -> list[Tagged]:
    """ "between 100 and 200 m²" as one phrase."""
    found: list[Tagged] = []
    at = 0
    while at < len(tagged):
        kinds = [one.kind for one in tagged[at : at + 4]]
        start = at + (kinds[:1] in (["BETWEEN"], ["FROM"], ["OF"]))
        inner = [one.kind for one in tagged[start : start + 3]]
        if (
            inner[:1]
            and inner[0] in ("NUMBER", "QUANTITY")
            and inner[1:] in (["AND", "QUANTITY"], ["TO", "QUANTITY"])
        ):
            low, high = tagged[start].value, tagged[start + 2].value
            low = replace(high, value=low) if inner[0] == "NUMBER" else low
            words = " ".join(one.words for one in tagged[at : start + 3])
            found.append(Tagged("RANGE", (low, high), words))
            at = start + 3
        else:
            found.append(tagged[at])
            at += 1
    return found


def _longest(words: list[str], at: int, among: frozenset[tuple[str, ...]]) -> int:
    return next(
        (n for n in range(min(8, len(words) - at), 0, -1) if tuple(words[at : at + n]) in among), 0
    )


def _begins_with(words: list[str], at: int, wanted: tuple[str, ...]) -> bool:
    known = _known(words, at)
    return known is not None and any(kind in wanted for kind, _ in known[0])
