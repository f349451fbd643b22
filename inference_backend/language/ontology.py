"""What there is to talk about: leaves of a labelled image, and the concepts that words and questions mean.

The knowledge is in ontology.toml. A leaf is what one pixel of a labelled image may be; a concept covers leaves,
may be unsure of others, and knows its wordings, its questions and the usual size of one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import tomllib

from inference_backend.errors import InvalidInput

LEAVES: tuple[str, ...] = (
    *("other", "building", "solar array", "road", "tree", "water", "field", "grass", "bare ground"),
    *("car", "truck", "bus", "motorbike", "vehicle", "paved", "parking lot", "sport field"),
    *("tennis court", "basketball court", "baseball diamond", "running track", "boat", "ship"),
    *("pool", "lake", "river", "sea", "hedge", "shrub", "pier", "tank", "construction site"),
    *("park", "lawn", "runway", "taxiway", "aircraft", "greenhouse", "railway", "train", "beach"),
    *("quarry", "landslide", "golf course", "container", "helipad", "bridge", "playground"),
    *("orchard", "wind turbine", "vegetation", "land"),
)
"""What one pixel may be. "vegetation" and "land" are for sets that tell no more; new ones go to the end."""
UNKNOWN_LEAF = 255
_FILE = Path(__file__).with_name("ontology.toml")


@dataclass(frozen=True)
class Concept:
    """One thing that words can mean. `pairs` are the wordings as (one, many), the name first; a wording without
    number ("greenery") stands in `mass`. Held-out wordings and questions are never trained on.
    """

    name: str
    plural: str
    synonyms: tuple[str, ...]
    held_out: tuple[str, ...]
    definition: str
    functions: tuple[str, ...]
    questions: tuple[str, ...]
    held_out_questions: tuple[str, ...]
    covers: tuple[str, ...]
    unsure: tuple[str, ...]
    area_m2: tuple[float, float]
    gsd_m: float
    countable: bool
    pairs: tuple[tuple[str, str], ...]
    mass: tuple[str, ...]
    held_out_pairs: tuple[tuple[str, str], ...]
    held_out_mass: tuple[str, ...]

    @property
    def wordings(self) -> tuple[str, ...]:
        """Name, plural and synonyms, each once: all that is trained on."""
        return tuple(dict.fromkeys((self.name, self.plural, *self.synonyms)))


@cache
def concepts() -> tuple[Concept, ...]:
    """All concepts, in the order of the file, which is the order of the memory's slots."""
    with _FILE.open("rb") as stream:
        return tuple(_concept(row) for row in tomllib.load(stream)["concept"])


def concept(name: str) -> Concept:
    """The concept of that name. Raises InvalidInput where there is none."""
    found = _by_name().get(name)
    if found is None:
        raise InvalidInput(f"There is no concept '{name}'; use one of {', '.join(_by_name())}.")
    return found


def concept_of(words: str) -> Concept | None:
    """The concept whose name, plural or synonym `words` is, whatever its case and blanks; None for others."""
    return _by_words().get(" ".join(words.lower().split()))


def truth(of: Concept, leaf: str) -> int:
    """1 where a pixel of `leaf` is the concept, 0 where it is not, -1 where nobody can say."""
    if leaf in of.covers:
        return 1
    return -1 if leaf == LEAVES[0] or leaf in of.unsure else 0


@cache
def _by_name() -> dict[str, Concept]:
    return {known.name: known for known in concepts()}


@cache
def _by_words() -> dict[str, Concept]:
    return {wording.lower(): known for known in concepts() for wording in known.wordings}


def _concept(row: dict) -> Concept:
    """A row of the file as a Concept. Raises ValueError where it names an unknown leaf or key."""
    wrong = {*row["covers"], *row["unsure"]}.difference(LEAVES)
    if wrong:
        raise ValueError(f"{row['name']}: no such leaf: {', '.join(sorted(wrong))}")
    pairs, mass = _split(row["synonyms"])
    held_out_pairs, held_out_mass = _split(row["held_out"])
    own = (row["name"], row["plural"])
    if row["name"] == row["plural"] and not row["countable"]:
        mass = (row["name"], *mass)
    else:
        pairs = (own, *pairs)
    values = {
        **{key: tuple(value) if isinstance(value, list) else value for key, value in row.items()},
        "synonyms": _flat(pairs, mass, own),
        "held_out": _flat(held_out_pairs, held_out_mass),
        "pairs": pairs,
        "mass": mass,
        "held_out_pairs": held_out_pairs,
        "held_out_mass": held_out_mass,
    }
    unknown = set(values).difference(field.name for field in fields(Concept))
    if unknown:
        raise ValueError(f"{row['name']}: unknown keys: {', '.join(sorted(unknown))}")
    return Concept(**values)


def _split(wordings: list[str]) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Wordings with a singular and a plural, and those with one form."""
    pairs = tuple((one, many) for one, bar, many in (w.partition("|") for w in wordings) if bar)
    return pairs, tuple(wording for wording in wordings if "|" not in wording)


def _flat(
    pairs: tuple[tuple[str, str], ...], mass: tuple[str, ...], without: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Every form once, but those `without`."""
    forms = [form for pair in pairs for form in pair] + list(mass)
    return tuple(form for form in dict.fromkeys(forms) if form not in without)
