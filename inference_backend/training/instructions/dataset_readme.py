"""The README.md that lies in a written data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inference_backend.training.instructions.sources import LICENCES

_FORMAT = """# Instructions over labelled images

Written by `cityseg train data`. {images} images, {instructions} instructions. Open `samples.html` to look at some.

## Files

| file | what |
|---|---|
| `instructions.jsonl` | one instruction a line |
| `images.jsonl` | one image a line: its files, what each object is, licence source |
| `images/NAME.png` | 8-bit RGB |
| `instances/NAME.png` | 16-bit: id of the object at a pixel, 0 none |
| `leaves/NAME.png` | 8-bit: index into the leaves below, 255 unknown |
| `masks/ID.png` | the splits "val" and "test" only: 1 target, 0 not, 255 does not count |
| `annotations.json` | the same splits for `cityseg evaluate text DIR --split test` |
| `records/`, `plan.json` | what a stopped run goes on from; not needed to read the data |

## A line of instructions.jsonl

| field | what |
|---|---|
| `id`, `image` | a name of its own; the image, relative to this folder |
| `split` | `train`, `val` or `test`: by the number of the scene; held-out cities and tiles of real sets are `test` |
| `source`, `gsd_m` | where the image comes from (see Licences); ground metres a pixel |
| `task` | `referring`, `reasoning` or `interactive` |
| `kind` | `class several attribute relation superlative ordinal region negation question reasoning absent pair image interactive` |
| `text` | what is asked for; empty for a prompt without words |
| `held_out` | true where the wording is one that the splits for training never use |
| `concepts` | names of what is looked for, the target first |
| `present` | false: the right answer is "not here", and the mask is empty |
| `mask` | target pixels as COCO's uncompressed run lengths: `size` [rows, columns], `counts` down the columns, zeros first; null where only the presence is known (kind `image`) |
| `ignore` | pixels of which nobody can say, in the same form, or null: leave them out of losses and scores |
| `prompt` | `interactive` only: `kind` point, box (two corners) or scribble, `xy` [x, y] in pixels from the top-left corner |

Left, right, above and below are those of the image; north is up. Distances and areas are ground metres. Everything is
true of the image alone, not of what lies beyond its border. A reader that flips or turns images must exchange the words of
directions too: `inference_backend.training.instructions.directions.remap_directions` does.

`complete` of an image names the concepts whose absence is known wherever the leaf is known (null: all of them).
"""


def readme(summary: Mapping[str, Any], held_out: bool) -> str:
    """The text of README.md, with the counts of this data set."""
    from inference_backend.language.ontology import LEAVES

    parts = [_FORMAT.format(**summary), "## Counts\n"]
    parts += [
        f"* by {key}: " + ", ".join(f"{name} {count}" for name, count in summary[key].items())
        for key in ("split", "task", "kind")
    ]
    if held_out:
        parts.append('* texts of the split "test" use held-out wordings')
    parts.append("\n## Leaves\n")
    parts.append(", ".join(f"{number} {leaf}" for number, leaf in enumerate(LEAVES)))
    parts.append("\n## Licences\n")
    parts += [
        f"* `{source}` ({count} images): {LICENCES.get(source, 'see its source.')}"
        for source, count in sorted(summary["sources"].items())
    ]
    return "\n".join(parts) + "\n"
