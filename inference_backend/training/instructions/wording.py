"""Choosing words: nouns of a concept, in one number or the other, and phrases around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from inference_backend.language.ontology import Concept

Choice = TypeVar("Choice")
_PLAIN_NAME, _HELD_OUT_NOUN = 0.4, 0.75


class Wording:
    """A speaker. With `held_out`, words and phrases are those that training never says."""

    def __init__(self, rng: np.random.Generator, held_out: bool = False) -> None:
        self.rng = rng
        self.held_out = held_out

    def pick(self, choices: Sequence[Choice]) -> Choice:
        return choices[int(self.rng.integers(len(choices)))]

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def phrase(self, trained: Sequence[Choice], held_out: Sequence[Choice]) -> Choice:
        """One of the phrases of training, or of those kept back."""
        return self.pick(held_out if self.held_out else trained)

    def pair(self, of: Concept) -> tuple[str, str]:
        """(one, many) of a concept that has a noun with two numbers."""
        if self.held_out and of.held_out_pairs and self.chance(_HELD_OUT_NOUN):
            return self.pick(of.held_out_pairs)
        return of.pairs[0] if self.chance(_PLAIN_NAME) else self.pick(of.pairs)

    def all_of(self, of: Concept) -> tuple[str, str | None]:
        """(words for all of it, the same in the singular or None where there is none)."""
        held = [(many, one) for one, many in of.held_out_pairs]
        held += [(word, None) for word in _for_all(of.held_out_mass)]
        if self.held_out and held and self.chance(_HELD_OUT_NOUN):
            return self.pick(held)
        if self.chance(_PLAIN_NAME):
            return of.plural, of.name if of.name != of.plural else None
        trained = [(many, one) for one, many in of.pairs] + [
            (word, None) for word in _for_all(of.mass)
        ]
        return self.pick(trained)

    def reference(self, of: Concept) -> str:
        """The concept as a landmark: "a road", "the trees", "water"."""
        many, one = self.all_of(of)
        if one is None:
            return many if self.chance(0.6) else f"the {many}"
        return self.pick((with_article(one), f"the {many}", many))


def _for_all(words: Sequence[str]) -> list[str]:
    """Words that can stand for a whole class: no singular whose plural is among them."""
    return [
        word
        for word in words
        if not {f"{word}s", f"{word}es", f"{word[:-1]}ies", f"{word[:-1]}ves"} & set(words)
    ]


def with_article(noun: str) -> str:
    """ "a house", "an airplane"; by sound where spelling misleads."""
    said_with_y = noun.startswith(("uni", "use", "eu", "one"))
    return f"an {noun}" if noun[0] in "aeiou" and not said_with_y else f"a {noun}"


def sentence(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def one_of_many(names: Sequence[str], joiner: str = "and") -> str:
    """ "a", "a and b", "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {joiner} {names[-1]}"
