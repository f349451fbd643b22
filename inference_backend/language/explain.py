"""A program in words: what was understood, and what its relations mean."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from inference_backend.language import nodes
from inference_backend.language.measures import size_limits_m2
from inference_backend.language.ontology import Concept, concepts
from inference_backend.language.relations import MEANINGS
from inference_backend.language.units import Quantity, number

RANKS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
ORDER_WORDS: dict[str, tuple[str, str]] = {
    "area": ("largest", "smallest"),
    "length": ("longest", "shortest"),
    "width": ("widest", "narrowest"),
    "height": ("tallest", "lowest"),
    "north": ("northernmost", "southernmost"),
    "east": ("easternmost", "westernmost"),
    "northeast": ("northeasternmost", "southwesternmost"),
    "southeast": ("southeasternmost", "northwesternmost"),
    "up": ("topmost", "bottommost"),
    "right": ("rightmost", "leftmost"),
    "distance": ("farthest", "closest"),
    "lightness": ("brightest", "darkest"),
    "isolation": ("most isolated", "least isolated"),
    "centrality": ("most central", "least central"),
    "score": ("surest", "least sure"),
}
"""Order -> (word for the most, word for the least)."""
_COMPARED = {
    "area": ("larger", "smaller", "large"),
    "length": ("longer", "shorter", "long"),
    "width": ("wider", "narrower", "wide"),
    "height": ("taller", "lower", "tall"),
}


def sentence(root: nodes.Node) -> str:
    """What the program finds, then what its words mean, as sentences."""
    said = describe(root)
    return " ".join([f"{said[0].upper()}{said[1:]}.", *dict.fromkeys(_meanings(root))])


def describe(node: nodes.Node) -> str:
    """What a node finds, in words that a sentence may go on with."""
    if isinstance(node, nodes.Select):
        return plural(node)
    if isinstance(node, nodes.Filter):
        return _filtered(node)
    if isinstance(node, (nodes.Superlative, nodes.Ordinal)):
        return _ordered(node)
    if isinstance(node, nodes.Union):
        return joined([describe(part) for part in node.sets])
    if isinstance(node, nodes.Except):
        if node.of is None:
            return f"everything but {describe(node.without)}"
        return f"{describe(node.of)} except {describe(node.without)}"
    what = {"number": "the number of", "area": "the area of", "any": "whether there are any"}
    return f"{what[node.what]} {describe(node.of)}"


def test(node: nodes.Test) -> str:
    """A test as words that follow "are"; "with" and "without" follow the noun itself."""
    if isinstance(node, nodes.Colour):
        return joined(list(node.names), "or")
    if isinstance(node, nodes.Measure):
        return _compared(node)
    if isinstance(node, nodes.Size):
        return node.size if node.size != "medium" else "of medium size"
    if isinstance(node, nodes.Shape):
        return node.shape
    if isinstance(node, nodes.Crowd):
        return "alone" if node.crowd == "alone" else "in a group"
    if isinstance(node, nodes.Region):
        return _region(node.region)
    if isinstance(node, nodes.Relate):
        return _related(node)
    if isinstance(node, nodes.Not):
        inner = test(node.test)
        if inner.startswith("with "):
            return f"without {inner[5:]}"
        return (
            f"not {inner}" if not isinstance(node.test, (nodes.And, nodes.Or)) else f"not ({inner})"
        )
    word = "and" if isinstance(node, nodes.And) else "or"
    return joined([test(part) for part in node.tests], word)


def plural(select: nodes.Select) -> str:
    """The plural of what is selected."""
    known = _concept(select.concept)
    return known.plural if known else select.words


def singular(select: nodes.Select) -> str:
    """The name of one of what is selected."""
    return select.concept or select.words


def rank(n: int) -> str:
    """first, second … ninth, 10th, 11th, 21st."""
    if n <= len(RANKS):
        return RANKS[n - 1]
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


def joined(parts: list[str], word: str = "and") -> str:
    """a, b and c."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def order_word(node: nodes.Superlative | nodes.Ordinal) -> str:
    """largest, northernmost, …"""
    return ORDER_WORDS[node.key][nodes.ENDS.index(node.end)]


def head(node: nodes.Node) -> list[nodes.Select]:
    """What kinds of things a node is about, references aside."""
    if isinstance(node, nodes.Select):
        return [node]
    if isinstance(node, nodes.Union):
        return [select for part in node.sets for select in head(part)]
    return [] if node.of is None else head(node.of)


def reference(node: nodes.Set) -> str:
    """A set as the far end of a relation: the river, roads, the largest tank."""
    if isinstance(node, nodes.Select):
        known = _concept(node.concept)
        said_one = known is not None and any(node.words == one for one, _ in known.pairs)
        return f"the {node.concept}" if said_one else plural(node)
    return describe(node)


def _filtered(node: nodes.Filter) -> str:
    tests, inner = [], node
    while isinstance(inner, nodes.Filter):
        tests.insert(0, inner.test)
        inner = inner.of
    said = [
        (f"either {test(t)}" if isinstance(t, nodes.Or) and len(tests) > 1 else test(t))
        for t in tests
    ]
    nouns = [words for words in said if words.startswith(("with ", "without "))]
    rest = [words for words in said if words not in nouns]
    one = isinstance(inner, (nodes.Superlative, nodes.Ordinal)) and inner.n == 1
    ending = f" that {'is' if one else 'are'} {joined(rest)}" if rest else ""
    return describe(inner) + (f" {joined(nouns)}" if nouns else "") + ending


def _ordered(node: nodes.Superlative | nodes.Ordinal) -> str:
    word = order_word(node)
    plain = isinstance(node.of, nodes.Select)
    if isinstance(node, nodes.Ordinal):
        word = word if node.n == 1 else f"{rank(node.n)} {word}"
    elif node.n > 1:
        word = f"{number(node.n)} {word}"
    if node.to is not None:
        to = reference(node.to)
        many = isinstance(node, nodes.Superlative) and node.n > 1
        what = (plural(node.of) if many else singular(node.of)) if plain else describe(node.of)
        away = "farthest from" if node.end == "most" else "closest to"
        lead = word.rsplit(" ", 1)[0] + " " if " " in word else ""
        return f"the {lead}{what} {away} {to}" if plain else f"of the {what}, the {lead}{away} {to}"
    if plain:
        many = isinstance(node, nodes.Superlative) and node.n > 1
        return f"the {word} {plural(node.of) if many else singular(node.of)}"
    return f"the {word} of the {describe(node.of)}"


def _compared(node: nodes.Measure) -> str:
    more, less, plain = _COMPARED[node.what]
    if node.op in ("at least", "at most"):
        return f"{node.op} {node.than} {plain}"
    return f"{more if node.op == 'more' else less} than {node.than}"


def _region(region: str) -> str:
    if region == "centre":
        return "in the centre of the view"
    if region in ("top", "bottom", nodes.EDGE):
        return f"at the {region} of the view"
    return f"in the {region}{'' if region.endswith('part') else ' part'} of the view"


def _related(node: nodes.Relate) -> str:
    to = reference(node.to) if node.relation != "with" else describe(node.to)
    if node.relation == "between":
        return f"between {to}" + (f" and {reference(node.and_to)}" if node.and_to else "")
    if node.relation in ("left", "right"):
        words = f"{node.relation} of {to}"
    elif node.distance is not None and node.relation == "near":
        return f"within {node.distance} of {to}"
    elif node.distance is not None and node.relation == "far from":
        return f"more than {node.distance} from {to}"
    else:
        words = f"{node.relation} {to}"
    return words if node.distance is None else f"{words} within {node.distance}"


def _meanings(node: Any) -> list[str]:
    """What each relation, size and grouping in a node means, where a number is ours and not the user's."""
    if isinstance(node, tuple):
        return [line for part in node for line in _meanings(part)]
    if not hasattr(node, "__dataclass_fields__") or isinstance(node, Quantity):
        return []
    found = []
    if isinstance(node, nodes.Filter) and isinstance(node.test, nodes.Size):
        found += _size_meaning(node)
    if isinstance(node, (nodes.Relate, nodes.Crowd)):
        name = node.relation if isinstance(node, nodes.Relate) else node.crowd
        if name in MEANINGS and not (node.distance is not None and name in nodes.NEARNESS):
            found.append(MEANINGS[name])
    return found + [line for field in fields(node) for line in _meanings(getattr(node, field.name))]


def _size_meaning(node: nodes.Filter) -> list[str]:
    lines = []
    for select in head(node):
        limits = size_limits_m2(select.concept)
        if limits is None:
            continue
        small, large = (f"{number(float(f'{limit:.2g}'))} m²" for limit in limits)
        words = {"small": f"under {small}", "large": f"over {large}"}
        meant = words.get(node.test.size, f"from {small} to {large}")
        lines.append(f"{test(node.test).capitalize()}, of {plural(select)}: {meant}.")
    return lines


def _concept(name: str) -> Concept | None:
    return next((known for known in concepts() if known.name == name), None)
