"""What "and", "or", "but" and commas join: things, conditions, colours, or the far ends of a relation.

The grammar reads one kind of each, so that it needs no guess. The rules, by what stands around a joint:

* before a condition ("and larger than …", "but not red"): it joins conditions of the same thing;
* between adjectives ("red and blue cars"): it joins them; colours so joined are alternatives;
* after the first end of "between": it begins the second;
* after the far end of a relation, before a bare noun ("near roads and trees"): it joins far ends;
* else it joins things to find. A comma before a noun always does.
"""

from __future__ import annotations

from dataclasses import replace

from inference_backend.language.lexicon import Tagged

_JOINTS = ("AND", "OR", "COMMA", "BUT")
_ADJECTIVES = ("COLOUR", "SIZE", "SHAPE", "CROWD", "REGION_WORD")
_CONDITIONS = (
    "REL",
    "WITHIN",
    "COMPARE",
    "WITHOUT",
    "REGION",
    "BETWEEN",
    "MEASURED",
    "RANGE",
    "NEAREST",
)
_OPENS_REFERENCE = ("REL", "WITHIN", "WITHOUT", "BETWEEN", "NEAREST", "TO", "FROM", "OF", "EXCEPT")


def coordinate(tagged: list[Tagged]) -> list[Tagged]:
    """The phrases with their joints told apart: SET_AND, SET_COMMA, COND_AND, COND_OR, ADJ_AND, ADJ_OR, REF_AND, REF_OR, FAR_AND."""
    tagged = _exceptions(_merged(_named_again(tagged)))
    found: list[Tagged] = []
    state = {"reference": False, "between": False}
    for at, one in enumerate(tagged):
        if one.kind in _JOINTS:
            kind = _joint(tagged, at, state, found)
            if kind:
                found.append(Tagged(kind, one.value, one.words))
            continue
        if one.kind in _OPENS_REFERENCE:
            state["reference"] = True
        if one.kind == "BETWEEN":
            state["between"] = True
        if one.kind == "THAT_ONE" and not _singles_out(found, state["reference"]):
            continue
        found.append(one)
    return found


def _joint(
    tagged: list[Tagged], at: int, state: dict[str, bool], found: list[Tagged]
) -> str | None:
    """The kind of a joint, with its effect on what follows; None for one to pass over."""
    after = tagged[at + 1 :]
    word = "OR" if tagged[at].kind == "OR" else "AND"
    if not after or not found:
        return None
    if _begins_condition(after):
        state.update(reference=False, between=False)
        return f"COND_{word}"
    if state["between"]:
        state["between"] = False
        return "FAR_AND"
    noun = _noun_at(after)
    if after[0].kind in _ADJECTIVES and (noun is None or found[-1].kind in _ADJECTIVES):
        joins = found[-1].kind in _ADJECTIVES
        return f"ADJ_{word}" if joins else f"COND_{word}"
    if state["reference"] and tagged[at].kind in ("AND", "OR") and noun is not None:
        following = after[noun + 1 :]
        if not following or following[0].kind in _JOINTS:
            return f"REF_{word}"
    state["reference"] = False
    return "SET_COMMA" if tagged[at].kind == "COMMA" else "SET_AND"


def _begins_condition(after: list[Tagged]) -> bool:
    if after[0].kind == "NOT":
        return _begins_condition(after[1:]) or _noun_at(after[1:]) is None
    if after[0].kind == "NEAREST":
        # "the closest building to …" names a thing, "closest to …" is a condition.
        return len(after) > 1 and after[1].kind in ("TO", "FROM")
    return after[0].kind in _CONDITIONS


def _noun_at(after: list[Tagged]) -> int | None:
    """Where the noun stands that a run of adjectives, ranks and numbers leads to."""
    for at, one in enumerate(after):
        if one.kind in ("NOUN", "ONE", "EVERYTHING"):
            return at
        if one.kind not in (*_ADJECTIVES, "ORDER", "RANK", "NUMBER", "NEAREST", "AND", "OR"):
            return None
    return None


def _named_again(tagged: list[Tagged]) -> list[Tagged]:
    """ "each other" as the noun that it stands for."""
    first = next((one for one in tagged if one.kind == "NOUN"), None)
    if first is None:
        return tagged
    return [replace(first, words=one.words) if one.kind == "SAME" else one for one in tagged]


def _merged(tagged: list[Tagged]) -> list[Tagged]:
    """Joints in a row (", and") as the last of them that says more than a comma."""
    found: list[Tagged] = []
    for one in tagged:
        if one.kind in _JOINTS and found and found[-1].kind in _JOINTS:
            comma = found[-1].kind == "COMMA"
            # "a, b and c" is one list: the comma's reading must hold for the word as well.
            found[-1] = one if comma else found[-1]
            continue
        found.append(one)
    while found and found[-1].kind in _JOINTS:
        found.pop()
    return found


def _exceptions(tagged: list[Tagged]) -> list[Tagged]:
    """ "but" and "not" before a thing leave it out: EXCEPT. A sentence that begins so is about everything."""
    found: list[Tagged] = []
    for at, one in enumerate(tagged):
        after = tagged[at + 1 :]
        if one.kind in ("AND", "BUT") and after and after[0].kind == "NOT" and _excluded(after[1:]):
            continue
        names = _excluded(after)
        if (one.kind == "BUT" and names) or (one.kind == "NOT" and names):
            one = Tagged("EXCEPT", None, one.words)
        found.append(one)
    if found and found[0].kind == "EXCEPT":
        found.insert(0, Tagged("EVERYTHING", None, "everything"))
    return found


def _excluded(after: list[Tagged]) -> bool:
    """Whether what follows names things, and no condition."""
    if not after or after[0].kind == "NOT" or _begins_condition(after):
        return False
    return _noun_at(after) is not None or after[0].kind in ("ORDER", "RANK")


def _singles_out(found: list[Tagged], reference: bool) -> bool:
    """Whether "that is" can only mean the far end: it is one, and what is asked for are many."""
    named = [one.value for one in found if one.kind == "NOUN"]
    return (
        reference
        and len(named) > 1
        and named[0].many
        and not named[-1].many
        and found[-1].kind == "NOUN"
    )
