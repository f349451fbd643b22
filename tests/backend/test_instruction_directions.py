"""Direction words under flips and quarter turns: checked against the turned masks of a known town."""

import re
from dataclasses import replace

import numpy as np
import pytest

from inference_backend.errors import InvalidInput
from inference_backend.language.ontology import concept, concepts
from inference_backend.training.instructions.directions import (
    TRANSFORMS,
    remap_directions,
    transformed,
)
from inference_backend.training.instructions.rules import RULES
from tests.data.known_town import ids_of, made, town, turned

ANSWER = {
    "left": lambda x, y: -x,
    "right": lambda x, y: x,
    "top": lambda x, y: -y,
    "bottom": lambda x, y: y,
}
SAID = {
    "left": r"leftmost|westernmost|to the left|most western",
    "right": r"rightmost|easternmost|to the right|most eastern",
    "top": r"topmost|northernmost|to the north|uppermost|^up$",
    "bottom": r"bottommost|southernmost|to the south|lowest",
}


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_remapped_directions_are_true_of_the_turned_mask(transform):
    crop, checked = town(), 0
    there = turned(crop, transform)
    for one in made(crop, "superlative", 80):
        text, mask = remap_directions(one.text, transform), transformed(one.mask, transform)
        sides = [side for side, pattern in SAID.items() if re.search(pattern, text, re.IGNORECASE)]
        if not sides:
            continue
        wanted = concept(one.concepts[0]).covers
        middles = {}
        for ident, leaf in there.instance_leaf.items():
            if leaf in wanted:
                rows, cols = np.nonzero(there.instances == ident)
                middles[ident] = (cols.mean(), rows.mean())
        best = max(middles, key=lambda ident: ANSWER[sides[0]](*middles[ident]))
        assert ids_of(there, replace(one, mask=mask)) == {best}, (one.text, text)
        checked += 1
    assert checked > 20


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_remapped_regions_are_true_of_the_turned_mask(transform):
    crop, checked = town(), 0
    halves = {
        r"(upper|top) (half|part)$|northern half|in the north$": (slice(None, 100), slice(None)),
        r"(lower|bottom) (half|part)$|southern half|in the south$": (slice(100, None), slice(None)),
        r"left (half|side)$|on the left$|western half|in the west$": (
            slice(None),
            slice(None, 100),
        ),
        r"(upper|top) left|north-west": (slice(None, 100), slice(None, 100)),
        r"(lower|bottom) right|south-east": (slice(100, None), slice(100, None)),
    }
    for one in made(crop, "region", 120):
        text, mask = remap_directions(one.text, transform), transformed(one.mask, transform)
        for pattern, window in halves.items():
            if re.search(pattern, text):
                inside = np.zeros(mask.shape, bool)
                inside[window] = True
                assert (mask[~inside] == 1).sum() <= 0.3 * (mask == 1).sum(), (one.text, text)
                checked += 1
    assert checked > 10


def test_remapping_twice_gives_the_text_back_and_plain_texts_stay():
    crop = town()
    for kind in ("superlative", "region", "relation", "ordinal", "pair"):
        for held_out in (False, True):
            for one in made(crop, kind, 40, held_out):
                for transform in ("mirror", "flip"):
                    there = remap_directions(one.text, transform)
                    back = remap_directions(there, transform)
                    if "lowest" not in one.text.lower() and "uppermost" not in one.text.lower():
                        assert back == one.text, there
    plain = [q for known in concepts() for q in (*known.questions, *known.held_out_questions)]
    plain += [clause for known in concepts() for clause in (known.definition, *known.functions)]
    plain += [text for rule in RULES for text in (*rule.asked, *rule.held_out)]
    plain += ["buildings below 80 m²", "trees on top of the hill", "houses above 120 square metres"]
    for text in plain:
        for transform in TRANSFORMS:
            assert remap_directions(text, transform) == text


def test_an_unknown_transform_is_refused():
    with pytest.raises(InvalidInput, match="use one of mirror, flip"):
        remap_directions("left of the road", "sideways")
