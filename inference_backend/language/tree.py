"""Tagged phrases to a program: the grammar, and how its parts make sets of things."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from lark import Lark, Token, Tree
from lark.exceptions import LarkError
from lark.lexer import Lexer

from inference_backend.language import nodes
from inference_backend.language.conditions import (
    Mark,
    NotUnderstood,
    Rank,
    Roof,
    conditions_of,
    noun_phrase,
    ordered,
    rank_of,
    union,
)
from inference_backend.language.explain import head
from inference_backend.language.lexicon import Tagged

__all__ = ["NotUnderstood", "program_root"]

_GRAMMAR = Path(__file__).with_name("grammar.lark")
# Terminals whose value the program has no use for; lark drops those with a leading underscore.
_SILENT = frozenset(
    [
        "COND_AND",
        "COND_OR",
        "REF_AND",
        "REF_OR",
        "FAR_AND",
        "EXCEPT",
        "WITHIN",
        "OF",
        "FROM",
        "TO",
        "THAT_ONE",
    ]
)


class _Tags(Lexer):
    """Gives lark the tagged phrases as its tokens."""

    def __init__(self, _: Any) -> None:
        pass

    def lex(self, data: list[Tagged]) -> Iterator[Token]:
        for one in data:
            kind = f"_{one.kind}" if one.kind in _SILENT else one.kind
            yield Token(kind, one.value)


def program_root(tagged: list[Tagged]) -> nodes.Node:
    """The root of the program that coordinated phrases make. Raises NotUnderstood, or InvalidInput for what cannot be."""
    kinds = [one.kind for one in tagged]
    if not kinds or "UNKNOWN" in kinds:
        raise NotUnderstood
    try:
        tree = _parser().parse(tagged)
    except LarkError as error:
        raise NotUnderstood from error
    parts = list(tree.children)
    count = parts.pop(0) if isinstance(parts[0], Token) else None
    things = _things(parts[0].children)
    return things if count is None else nodes.Count(things, count.value)


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR.read_text(encoding="utf-8"), parser="lalr", lexer=_Tags)


def _things(parts: list) -> nodes.Set:
    """A list of things. In "cars and trucks on the road" both are on the road; sizes and colours are not shared."""
    sets = [_thing(part) for part in parts if isinstance(part, Tree)]
    joints = [part.type for part in parts if isinstance(part, Token)]
    *before, last = sets
    tests: list[nodes.Test] = []
    while isinstance(last, nodes.Filter) and _is_place(last.test):
        tests.insert(0, last.test)
        last = last.of
    bare = all(isinstance(one, nodes.Select) for one in (*before, last))
    if not before or not tests or not bare or joints[-1] != "SET_AND":
        return union(sets)
    shared = union([*before, last])
    for test in tests:
        shared = nodes.Filter(shared, test)
    return shared


def _is_place(test: nodes.Test) -> bool:
    return isinstance(
        test.test if isinstance(test, nodes.Not) else test, (nodes.Relate, nodes.Region)
    )


def _thing(tree: Tree) -> nodes.Set:
    if tree.data == "everything_but":
        return nodes.Except(None, _rest(tree.children[1], None))
    named = _named(tree.children[0].children, None)
    if len(tree.children) == 1:
        return named
    return nodes.Except(named, _rest(tree.children[1], named))


def _rest(tree: Tree, base: nodes.Set | None) -> nodes.Set:
    """What "except" leaves out; `base` is what "those" and "the largest" are of."""
    found = []
    for part in tree.children:
        if part.data == "left_out":
            found.append(_named(part.children, base))
            continue
        if base is None:
            raise NotUnderstood
        rank = rank_of(part.children[0]) if part.data == "first_ones" else None
        conditions = part.children[-1] if part.children[-1].data == "conditions" else None
        found.append(_ranked(base, rank, conditions))
    return union(found)


def _named(parts: list[Tree], base: nodes.Set | None) -> nodes.Set:
    """noun_phrase conditions?"""
    rank, inner = noun_phrase(parts[0], base)
    return _ranked(inner, rank, parts[1] if len(parts) > 1 else None)


def _ranked(inner: nodes.Set, rank: Rank | None, conditions: Tree | None) -> nodes.Set:
    """The set with its conditions, then its order: "the largest building near water" is the largest of those."""
    marks = []
    for test in conditions_of(conditions) if conditions is not None else ():
        if isinstance(test, Mark):
            marks.append(test)
        elif isinstance(test, Roof):
            inner = _roofed(inner, test)
        else:
            inner = nodes.Filter(inner, test)
    if not marks and rank is None:
        return inner
    if len(marks) > 1:
        raise NotUnderstood
    return ordered(inner, rank, marks[0] if marks else None)


def _roofed(inner: nodes.Set, roof: Roof) -> nodes.Set:
    """ "pools next to houses with red roofs": the roof belongs to what has one."""
    if all(select.concept == "building" for select in head(inner)):
        for test in roof.tests:
            inner = nodes.Filter(inner, test)
        return inner
    near = inner.test if isinstance(inner, nodes.Filter) else None
    if not isinstance(near, nodes.Relate) or {s.concept for s in head(near.to)} != {"building"}:
        raise NotUnderstood
    return nodes.Filter(inner.of, replace(near, to=_roofed(near.to, roof)))
