"""From the names of tensors in a published checkpoint to ours, by the table key_names.toml."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import tomllib
from torch import Tensor

_FILE = Path(__file__).with_name("key_names.toml")
_QKV = ("q_proj", "k_proj", "v_proj")
MARKS = ("verified", "inferred", "unknown")
# Made by the image encoder and not used: its maps have norms of their own.
NOT_NEEDED = ("backbone.swin.layernorm.weight", "backbone.swin.layernorm.bias")


@dataclass(frozen=True)
class Rule:
    """One row of the table."""

    pattern: re.Pattern[str]
    to: str
    how: str
    mark: str
    add: int = 0

    def target(self, match: re.Match[str]) -> str:
        """Our name, with "{qkv}" still in it where the tensor has to be split."""
        groups = list(match.groups())
        if self.add:
            groups[0] = str(int(groups[0]) + self.add)
        name = self.to
        for number, group in enumerate(groups, 1):
            name = name.replace(f"{{{number}}}", group)
        return name


@dataclass
class Translated:
    """Tensors by our names, and what was left over. `marks` counts tensors by how sure their names are."""

    tensors: dict[str, Tensor]
    unexpected: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    marks: dict[str, int] = field(default_factory=lambda: dict.fromkeys(MARKS, 0))


@cache
def rules() -> tuple[Rule, ...]:
    """The rows of the table, in its order: the first that fits counts."""
    rows = tomllib.loads(_FILE.read_text(encoding="utf-8"))["part"]
    return tuple(
        Rule(
            re.compile(rf"(?:^|.*\.){row['from']}$"),
            row["to"],
            row["how"],
            row["mark"],
            row.get("add", 0),
        )
        for row in rows
    )


@cache
def _unused() -> tuple[str, ...]:
    return tuple(tomllib.loads(_FILE.read_text(encoding="utf-8"))["unused"]["names"])


def translate(published: Mapping[str, Tensor], wanted: Iterable[str], llm_heads: int) -> Translated:
    """Tensors by our names; `wanted` are all of ours, and a name that is one already stays."""
    ours = set(wanted)
    found = Translated({})
    for name, tensor in published.items():
        if name in ours:
            found.tensors[name] = tensor
            found.marks["verified"] += 1
            continue
        if any(part in name for part in _unused()):
            found.unused.append(name)
            continue
        rule, match = next(
            ((rule, match) for rule in rules() if (match := rule.pattern.match(name))), (None, None)
        )
        parts = {} if rule is None else _parts(rule, rule.target(match), tensor, llm_heads)
        if not parts or not ours.issuperset(parts):
            found.unexpected.append(name)
            continue
        found.tensors |= parts
        found.marks[rule.mark] += len(parts)
    return found


def _parts(rule: Rule, target: str, tensor: Tensor, llm_heads: int) -> dict[str, Tensor]:
    if rule.how == "same":
        return {target: tensor}
    if rule.how == "split_by_head":
        # Queries, keys and values of the first head, then those of the second.
        split = tensor.unflatten(0, (llm_heads, 3, -1))
        thirds = [split[:, k].flatten(0, 1) for k in range(3)]
    else:
        thirds = list(tensor.chunk(3))
    return {
        target.replace("{qkv}", name): third.contiguous()
        for name, third in zip(_QKV, thirds, strict=True)
    }
