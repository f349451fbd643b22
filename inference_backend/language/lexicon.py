"""The words that sentences about places are made of: phrases and what each is to the grammar.

A phrase is a tuple of lower-case words without hyphens. Nouns come from the ontology; the wordings held out of
training are not among them, and are met through the encoder (`language.nearest`) like any other word.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import tomllib

from inference_backend.language.colours import SPELLINGS as COLOURS
from inference_backend.language.nodes import COMPASS
from inference_backend.language.ontology import concepts

_FILE = Path(__file__).with_name("lexicon.toml")
# Number, word (with ² and apostrophe), or sign. A number may have thousands' commas and a decimal point or comma.
_WORD = re.compile(
    r"[0-9]+(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:[.,][0-9]+)?|[^\W\d_]+(?:'[^\W\d_]+)*|[<>]=?|[≤≥&,;+/]"
)
_SQUARED = re.compile(r"(?<![^\W\d_])(k?m|ft|yd)\s?\^?2(?!\d)")
_SPAN = re.compile(r"(?<=\d)\s*[-–—]\s*(?=\d)")
_NUMBERED = re.compile(r"\b([0-9]+)\s?(st|nd|rd|th)\b")
_SIMPLE_KINDS = {
    "relation": "REL",
    "size": "SIZE",
    "shape": "SHAPE",
    "crowd": "CROWD",
    "nearest": "NEAREST",
    "count": "COUNT",
    "measure": "MEASURED",
}
_BARE_KINDS = {"without": "WITHOUT", "everything": "EVERYTHING", "except": "EXCEPT", "not": "NOT"}
_SIDE_WORDS = {
    ("left",): "left",
    ("right",): "right",
    ("top",): "top",
    ("upper",): "top",
    ("bottom",): "bottom",
    ("lower",): "bottom",
    ("left", "hand"): "left",
    ("right", "hand"): "right",
    **{
        (vertical, side): f"{'upper' if vertical in ('upper', 'top') else 'lower'} {side}"
        for vertical in ("upper", "top", "lower", "bottom")
        for side in ("left", "right")
    },
    **{(word,): "centre" for word in ("centre", "center", "middle", "central")},
    **{(word,): "edge" for word in ("edge", "edges", "border", "margin", "rim", "boundary")},
}


@dataclass(frozen=True)
class Noun:
    """A noun of a sentence: its concept ("" for a free noun), as said, and whether that is a plural."""

    concept: str
    words: str
    many: bool


@dataclass(frozen=True)
class Tagged:
    """One phrase of a sentence: its kind for the grammar, what it means, and the words."""

    kind: str
    value: Any
    words: str


def split_words(text: str) -> list[str]:
    """Lower-case words, numbers and signs of a text; hyphens part words, "m2" and "m^2" are m²."""
    plain = unicodedata.normalize("NFC", text).lower().replace("\u2019", "'").replace("\u00a0", " ")
    plain = plain.replace("and/or", "or").replace("\u00b2", "²")
    plain = _SQUARED.sub(lambda match: match.group(1) + "²", plain)
    plain = _NUMBERED.sub(lambda match: match.group(1) + match.group(2), plain)
    plain = _SPAN.sub(" to ", plain).replace("-", " ")
    return [word for part in _ordinal_parts(plain) for word in part]


def phrase(words: str) -> tuple[str, ...]:
    """A phrase of the lexicon, split as a text is."""
    return tuple(split_words(words))


@cache
def phrases() -> dict[tuple[str, ...], list[tuple[str, Any]]]:
    """Phrase -> its kinds with their values, the likeliest first."""
    found: dict[tuple[str, ...], list[tuple[str, Any]]] = {}

    def add(words: str | tuple[str, ...], kind: str, value: Any) -> None:
        key = words if isinstance(words, tuple) else phrase(words)
        if key:
            found.setdefault(key, []).append((kind, value))

    for table, entries in _table().items():
        for value, wordings in entries.items() if table != "kinds" else ():
            for wording in wordings:
                add(wording, *_kind(table, value))
    for words, name in COLOURS.items():
        add(words, "COLOUR", name)
    _add_directions(add)
    for key, noun in nouns().items():
        add(key, "NOUN", noun)
    return found


@cache
def nouns() -> dict[tuple[str, ...], Noun]:
    """Every wording of the ontology that is trained on, and the kinds that are read as a concept."""
    found: dict[tuple[str, ...], Noun] = {}
    for known in concepts():
        for one, many in known.pairs:
            found.setdefault(phrase(one), Noun(known.name, one, one == many))
            found.setdefault(phrase(many), Noun(known.name, many, True))
        for wording in known.wordings:
            found.setdefault(phrase(wording), Noun(known.name, wording, False))
    for key, concept in kinds().items():
        found.setdefault(key, Noun(concept, " ".join(key), key[-1].endswith("s")))
    return {key: noun for key, noun in found.items() if key}


@cache
def kinds() -> dict[tuple[str, ...], str]:
    """Kinds of a concept that no image tells from others of it: school -> building."""
    return {phrase(word): concept for concept, words in _table()["kinds"].items() for word in words}


@cache
def word_list(table: str) -> frozenset[tuple[str, ...]]:
    """The phrases of "opening" or "wondering"."""
    return frozenset(phrase(wording) for entries in _table()[table].values() for wording in entries)


@cache
def sides() -> dict[tuple[str, ...], str]:
    """Words for a part of the view -> its region."""
    found = dict(_SIDE_WORDS)
    for name in COMPASS:
        for spelling in _compass_words(name):
            for ending in ("", "ern", "erly"):
                found[(*spelling[:-1], spelling[-1] + ending)] = f"{name}ern part"
    return found


@cache
def _table() -> dict[str, dict[str, list[str]]]:
    with _FILE.open("rb") as stream:
        return tomllib.load(stream)


def _kind(table: str, value: str) -> tuple[str, Any]:
    if table in _SIMPLE_KINDS:
        return _SIMPLE_KINDS[table], value
    if table in _BARE_KINDS:
        return _BARE_KINDS[table], value
    if table == "compare":
        what, _, op = value.partition(" ")
        return "COMPARE", (what, op) if what in _MEASURED else ("", value)
    if table == "order":
        return "ORDER", tuple(value.split())
    if table == "words":
        return value.upper(), value
    return table.upper(), value


_MEASURED = ("length", "width", "height", "distance")


def _add_directions(add: Any) -> None:
    lead = ("", "to the ", "on the ", "in the ", "at the ")
    for name in COMPASS:
        for spelling in _compass_words(name):
            said = " ".join(spelling)
            for ending in (f"{said} of", f"{said} side of", f"{said}ern side of", f"{said}ward of"):
                for before in lead:
                    add(before + ending, "REL", f"{name} of")
            add(f"{said} from", "REL", f"{name} of")
            value = _compass_order(name)
            for word in (f"{said}ernmost", f"{said}most", f"most {said}ern", f"most {said}erly"):
                add(word, "ORDER", value)
            add(f"from the {said}", "FROM_SIDE", value)
    for side in ("left", "right"):
        for before in lead:
            for ending in (f"{side} of", f"{side} side of", f"{side} hand side of"):
                add(before + ending, "REL", side)
        add(f"{side} from", "REL", side)
        add(f"from the {side}", "FROM_SIDE", ("right", "least" if side == "left" else "most"))
        add(f"from {side}", "FROM_SIDE", ("right", "least" if side == "left" else "most"))
    for word, side in (("above", "above"), ("below", "below"), ("beneath", "below")):
        add(word, "REL", side)
    for word, end in (("top", "most"), ("bottom", "least")):
        add(f"from the {word}", "FROM_SIDE", ("up", end))


def _compass_words(name: str) -> tuple[tuple[str, ...], ...]:
    """northeast -> (northeast,), (north, east)."""
    split = next(
        (part for part in ("north", "south") if name.startswith(part) and name != part), ""
    )
    return ((name,), (split, name.removeprefix(split))) if split else ((name,),)


def _compass_order(name: str) -> tuple[str, str]:
    opposite = {
        "south": "north",
        "west": "east",
        "southwest": "northeast",
        "northwest": "southeast",
    }
    return (opposite[name], "least") if name in opposite else (name, "most")


def _ordinal_parts(text: str) -> list[list[str]]:
    """Words, with "2nd" kept whole."""
    parts, last = [], 0
    for match in re.finditer(r"\b[0-9]+(?:st|nd|rd|th)\b", text):
        parts += [_WORD.findall(text[last : match.start()]), [match.group()]]
        last = match.end()
    return [*parts, _WORD.findall(text[last:])]
