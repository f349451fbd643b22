"""Words and questions that the ontology does not have, by the text encoder: the nearest concept, and how near.

A wording's score for a concept is 0.6 of its best cosine with one of the concept's wordings, 0.2 with its definition,
0.2 with the mean of the best three of its questions and functions; a question's 0.5 of the best question or function,
0.2 of the mean of the best three, 0.15 definition, 0.15 best wording. Names alone are uneven: "what makes electricity
from sunlight" is nearest to a name by luck.

Measured with the shipped ontology on its 247 held-out wordings and 81 held-out questions, and on 107 words of things
that are not in it (schools, clouds, unicorns, the smell of coffee) and 25 questions about nothing on the ground:

* wordings: nearest concept right for 0.67. From 0.55 with a lead of 0.02 on (SURE) 52 of 100 are read as the nearest
  concept, 0.81 of them rightly; the others are near relatives ("petroleum reservoir" as a lake). Of the 107 others, seven
  pass: gardens, fences, traffic, swimming, skate parks, walls, fountains. Below 0.37 (REFUSED) lie 2 of 100 of the wordings
  that would be right, and 45 of the 107.
* questions: right for 0.62, among the first three for 0.85. From 0.40 with a lead of 0.05, or 0.50 with a lead of 0.01 on
  (`answers_to`), 52 of 100 are answered by the program, 0.86 of them rightly. From 0.50 with less lead the two nearest
  are taken together: three of the 81, right for all three ("Where could a helicopter land?": helipads, landing places).
  The others go to the network, whose memory was trained on such questions. Below 0.28 (REFUSED_QUESTION) lie none of
  the held-out questions that would be right and 11 of the 25.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from inference_backend.errors import ModelProblem
from inference_backend.language.encoder import text_encoder
from inference_backend.language.ontology import concepts

SURE, LEAD, REFUSED = 0.55, 0.02, 0.37
REFUSED_QUESTION = 0.28
# (least score, least lead) that will do.
_SURE_QUESTION = ((0.40, 0.05), (0.50, 0.01))
_TIED_QUESTION = 0.50
# Of the softmax that makes shares of scores; the scores of the right and the next concept differ by 0.05 to 0.2.
_TEMPERATURE = 0.04


@dataclass(frozen=True)
class Match:
    """The nearest concept of a wording or question: its score, the lead on the next, its share, and why."""

    concept: str
    score: float
    lead: float
    share: float
    because: str


def answers_to(matches: list[Match]) -> list[Match]:
    """The matches of a question that are sure to answer it: one, two that tie, or none."""
    if not matches:
        return []
    first = matches[0]
    if any(first.score >= score and first.lead >= lead for score, lead in _SURE_QUESTION):
        return [first]
    return matches[:2] if first.score >= _TIED_QUESTION else []


def nearest_wordings(words: str) -> list[Match]:
    """Concepts by nearness to a noun, the nearest first; empty where the text encoder is not installed."""
    return _ranked(words, _wording_scores)


def nearest_questions(text: str) -> list[Match]:
    """Concepts by nearness to a question, the nearest first; empty where the text encoder is not installed."""
    return _ranked(text, _question_scores)


def _ranked(text: str, scored: Callable[[np.ndarray], np.ndarray]) -> list[Match]:
    try:
        vector = text_encoder().sentences([text])[0]
        scores = scored(vector)
    except ModelProblem:
        # Words of the ontology are understood without the encoder; others are then unknown, and are said to be.
        return []
    order = np.argsort(-scores)
    shares = np.exp((scores - scores.max()) / _TEMPERATURE)
    shares /= shares.sum()
    ranked = []
    for place, index in enumerate(order):
        following = scores[order[place + 1]] if place + 1 < len(order) else 0.0
        ranked.append(
            Match(
                concepts()[index].name,
                float(scores[index]),
                float(scores[index] - following),
                float(shares[index]),
                _because(int(index), vector),
            )
        )
        if place == 4:
            break
    return ranked


@dataclass(frozen=True)
class _Keys:
    """Sentence vectors (N, 384) with the concept of each (N,)."""

    vectors: np.ndarray
    owner: np.ndarray

    def best(self, vector: np.ndarray, k: int) -> np.ndarray:
        """Mean of each concept's k best cosines: (concepts,)."""
        cosine = self.vectors @ vector
        found = np.zeros(len(concepts()))
        for index in range(len(found)):
            found[index] = np.sort(cosine[self.owner == index])[-k:].mean()
        return found


def _keys_of(texts: Sequence[Sequence[str]]) -> _Keys:
    owner = [index for index, own in enumerate(texts) for _ in own]
    vectors = text_encoder().sentences([text for own in texts for text in own])
    return _Keys(np.asarray(vectors, np.float32), np.array(owner))


@cache
def _keys() -> tuple[_Keys, _Keys, _Keys]:
    """Wordings; questions and functions; definitions."""
    known = concepts()
    return (
        _keys_of([one.wordings for one in known]),
        _keys_of([(*one.questions, *one.functions) for one in known]),
        _keys_of([(one.definition,) for one in known]),
    )


def _wording_scores(vector: np.ndarray) -> np.ndarray:
    wordings, asked, definitions = _keys()
    return (
        0.6 * wordings.best(vector, 1)
        + 0.2 * definitions.best(vector, 1)
        + 0.2 * asked.best(vector, 3)
    )


def _question_scores(vector: np.ndarray) -> np.ndarray:
    wordings, asked, definitions = _keys()
    return (
        0.5 * asked.best(vector, 1)
        + 0.2 * asked.best(vector, 3)
        + 0.15 * definitions.best(vector, 1)
        + 0.15 * wordings.best(vector, 1)
    )


def _because(index: int, vector: np.ndarray) -> str:
    """The function of the concept that is nearest to what was said."""
    functions = concepts()[index].functions
    if not functions:
        return concepts()[index].definition
    return functions[int((text_encoder().sentences(functions) @ vector).argmax())]
