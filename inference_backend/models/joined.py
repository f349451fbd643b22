"""Names and cards of two models that work as one: "A+B" hears words with A and draws outlines with B."""

from __future__ import annotations

from inference_backend.errors import InvalidInput
from inference_backend.models.base import ModelCard

JOINT = "+"


def parts_of(name: str) -> tuple[str, str] | None:
    """The two names in "A+B"; None for a name of one model."""
    words, joint, edges = name.partition(JOINT)
    return (words, edges) if joint and words and edges else None


def joint_card(words: ModelCard, edges: ModelCard) -> ModelCard:
    """The card of both; usable where both are. Raises `InvalidInput` where one cannot do its part."""
    if "text" not in words.prompts:
        raise InvalidInput(
            f"'{words.id}' takes no words; write the model that hears them before the '{JOINT}'."
        )
    if "box" not in edges.prompts:
        raise InvalidInput(
            f"'{edges.id}' draws no outline in a box; write a SAM model after the '{JOINT}'."
        )
    extra = {name: value for name, value in edges.extra.items() if name == "zooms"}
    if "text_tile_px" in words.extra:
        extra["text_tile_px"] = words.extra["text_tile_px"]
    return ModelCard(
        id=f"{words.id}{JOINT}{edges.id}",
        title=f"Words by {words.title}, outlines by {edges.title}",
        prompts=(*(kind for kind in edges.prompts if kind != "text"), "text"),
        input_px=edges.input_px,
        licence=" and ".join(dict.fromkeys((words.licence, edges.licence))),
        memory_mb=words.memory_mb + edges.memory_mb,
        needs_download=words.needs_download or edges.needs_download,
        available=words.available and edges.available,
        why_not=words.why_not or edges.why_not,
        extra=extra,
    )
