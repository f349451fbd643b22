"""A program's JSON as one short line, so that a table of sentences and programs can be read and checked by eye.

building[area > 200 m²][near water 50 m] are the buildings that pass both tests; {area most 3} takes the three largest,
{area most #2} the second largest; a + b is a union, a - b leaves b out, * is everything.
"""

from __future__ import annotations

_OPERATORS = {"more": ">", "at least": ">=", "less": "<", "at most": "<="}


def short(node: dict | None) -> str:
    """One line for a set, a count or a test, from its JSON."""
    if node is None:
        return "*"
    return _SHORT[node["do"]](node)


def _quantity(value: dict | None) -> str:
    return "" if value is None else f" {value['value']:g} {value['unit']}"


def _order(node: dict, mark: str = "") -> str:
    to = f" to {short(node['to'])}" if "to" in node else ""
    return f"{short(node['of'])}{{{node['key']} {node['end']} {mark}{node['n']}{to}}}"


def _relate(node: dict) -> str:
    to = f"{short(node['to'])}" + (f" & {short(node['and_to'])}" if "and_to" in node else "")
    return f"{node['relation']} {to}{_quantity(node.get('distance'))}"


_SHORT = {
    "select": lambda node: node["concept"] or f"'{node['words']}'",
    "filter": lambda node: f"{short(node['of'])}[{short(node['test'])}]",
    "superlative": _order,
    "ordinal": lambda node: _order(node, "#"),
    "union": lambda node: "(" + " + ".join(short(part) for part in node["sets"]) + ")",
    "except": lambda node: f"({short(node.get('of'))} - {short(node['without'])})",
    "count": lambda node: f"{node['what']} of {short(node['of'])}",
    "colour": lambda node: "/".join(node["names"]),
    "measure": lambda node: f"{node['what']} {_OPERATORS[node['op']]}{_quantity(node['than'])}",
    "size": lambda node: node["size"],
    "shape": lambda node: node["shape"],
    "crowd": lambda node: f"{node['crowd']}{_quantity(node.get('distance'))}",
    "region": lambda node: f"@{node['region']}",
    "relate": _relate,
    "not": lambda node: f"not {short(node['test'])}",
    "and": lambda node: "(" + " and ".join(short(part) for part in node["tests"]) + ")",
    "or": lambda node: "(" + " or ".join(short(part) for part in node["tests"]) + ")",
}
