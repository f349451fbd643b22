"""Words as they are compared: without case, number, hyphens, blanks and articles."""

from __future__ import annotations

import re
import unicodedata

_ARTICLES = frozenset({"the", "a", "an", "all", "any", "some"})
_SPELLINGS = {"centre": "center", "harbour": "harbor", "grey": "gray", "tyre": "tire"}
_SPELLINGS |= {"aeroplane": "airplane", "colour": "color", "storey": "story", "kerb": "curb"}


def shown(words: str) -> str:
    """As a user is shown them: one line, single blanks, at most 60 characters."""
    # A lone surrogate (half of a pasted character) cannot be printed.
    clean = " ".join(words.encode("utf-8", "replace").decode("utf-8").split())
    return clean if len(clean) <= 60 else f"{clean[:57]}..."


def key(words: str) -> str:
    """Two words with one key are one word: "Street-lamps" and "a streetlamp". "" for what has no letters."""
    text = unicodedata.normalize("NFKC", words.encode("utf-8", "replace").decode("utf-8")).lower()
    parts = re.findall(r"[^\W_]+", text.replace("'s ", " "))
    kept = [part for part in parts if part not in _ARTICLES] or parts
    return "".join(_SPELLINGS.get(one, one) for one in map(_singular, kept))


def alternatives(words: str) -> list[str]:
    """The parts of "trees and bushes", "car/truck", "cars or trucks"; a single one for words without such a joint."""
    parts = re.split(r"\s+(?:and|or)\s+|\s*[/&+]\s*", words.strip(), flags=re.IGNORECASE)
    return [part for part in parts if part]


def _singular(word: str) -> str:
    """Crude, but the same for both that are compared."""
    if len(word) < 4 or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    if word.endswith(("sses", "shes", "ches", "xes", "zes", "buses")):
        return word[:-2]
    return word.removesuffix("s")
