"""Numbers in digits and in words, with their units: "2,000", "half a kilometre", "two hundred and fifty metres"."""

from __future__ import annotations

import re

from inference_backend.language.units import SPELLINGS, Quantity

_UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_SMALL = {word: value for value, word in enumerate(_UNITS.split())}
_TENS = {
    word: 10 * value
    for value, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2
    )
}
_SMALL_OTHERS = {"dozen": 12, "couple": 2, "pair": 2}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
_PARTS = {"half": 0.5, "quarter": 0.25, "third": 1 / 3}
_RANKS = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
]
_RANKED = re.compile(r"[0-9]{1,9}(?:st|nd|rd|th)")
_LONGEST_UNIT = max(map(len, SPELLINGS))


def rank_at(words: list[str], at: int) -> int | None:
    """The rank that one word says: first, 2nd, 21st."""
    word = words[at]
    if word in _RANKS:
        return _RANKS.index(word) + 1
    return int(word[:-2]) if _RANKED.fullmatch(word) else None


def unit_at(words: list[str], at: int) -> tuple[str, int] | None:
    """(unit, words read) of the longest unit that begins here."""
    for length in range(min(_LONGEST_UNIT, len(words) - at), 0, -1):
        unit = SPELLINGS.get(tuple(words[at : at + length]))
        if unit:
            return unit, length
    return None


def number_at(words: list[str], at: int) -> tuple[float, int] | None:
    """(number, words read) of the number that begins here, in digits or in words."""
    word = words[at] if at < len(words) else ""
    if word[:1].isdecimal() and not word[-1:].isalpha():
        value, read = _digits(word), 1
        while at + read < len(words) and words[at + read] in _SCALES:
            value *= _SCALES[words[at + read]]
            read += 1
        return value, read
    if word in ("a", "an") and at + 1 < len(words) and words[at + 1] in (*_SCALES, *_SMALL_OTHERS):
        value, read = _words(words, at + 1)
        return value, read + 1
    return _words(words, at) if word in _SMALL or word in _TENS or word in _SMALL_OTHERS else None


def quantity_at(words: list[str], at: int) -> tuple[Quantity, int] | None:
    """(quantity, words read): a number and a unit; "a hectare", "half a kilometre" and "a quarter of an acre" too."""
    number = _part(words, at) or number_at(words, at)
    if number is None and words[at] in ("a", "an", "one"):
        number = 1.0, 1
    if number is None:
        return None
    value, read = number
    if words[at + read : at + read + 3] == ["and", "a", "half"]:
        value, read = value + 0.5, read + 3
    unit = unit_at(words, at + read)
    return (Quantity(value, unit[0]), read + unit[1]) if unit else None


def _part(words: list[str], at: int) -> tuple[float, int] | None:
    """(share, words read) of "half a", "a quarter of an"."""
    start = at + (words[at] in ("a", "one"))
    if start >= len(words) or words[start] not in _PARTS:
        return None
    end = start + 1
    while end < len(words) and words[end] in ("of", "a", "an"):
        end += 1
    return _PARTS[words[start]], end - at


def _digits(word: str) -> float:
    """2,000 is two thousand; 0,5 and 0.5 are a half."""
    whole, comma, rest = word.partition(",")
    if comma and len(rest) == 3 and whole != "0" or word.count(",") > 1 or "." in rest:
        return float(word.replace(",", ""))
    return float(word.replace(",", "."))


def _words(words: list[str], at: int) -> tuple[float, int]:
    """(value, words read); at least one word is of a number."""
    total, group, read = 0, 0, 0
    while at + read < len(words):
        word = words[at + read]
        following = words[at + read + 1] if at + read + 1 < len(words) else ""
        if word in _SMALL or word in _SMALL_OTHERS:
            group += _SMALL.get(word, _SMALL_OTHERS.get(word, 0))
        elif word in _TENS:
            group += _TENS[word]
        elif word == "hundred":
            group = max(group, 1) * 100
        elif word in _SCALES:
            total, group = total + max(group, 1) * _SCALES[word], 0
        elif not (
            word == "and"
            and group
            and (following in _SMALL or following in _TENS)
            and words[at + read - 1] in _SCALES
        ):
            break
        read += 1
    return float(total + group), read
