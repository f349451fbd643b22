"""Questions about particular objects: answered from what they are like and what is around them."""

from __future__ import annotations

from inference_backend.language.ontology import concept
from inference_backend.training.instructions.crop import LEAST_PX, Instruction
from inference_backend.training.instructions.rules import RULES
from inference_backend.training.instructions.single import set_instruction
from inference_backend.training.instructions.wording import Wording
from inference_backend.training.instructions.world import World


def reasoning(world: World, say: Wording) -> list[Instruction]:
    """A question about some objects of a concept that only their looks and neighbours answer."""
    here = {known.name for known in world.present}
    able = [rule for rule in RULES if {rule.concept, *rule.about} <= here]
    for index in say.rng.permutation(len(able))[:3]:
        rule = able[int(index)]
        objects = world.objects(concept(rule.concept))
        told = None if objects is None else rule.judge(world, objects)
        if objects is None or told is None or (told == 1).sum() == 0:
            continue
        if int(objects.area_px[told == 1].sum()) < LEAST_PX:
            continue
        text = say.phrase(rule.asked, rule.held_out)
        for one in set_instruction(objects, told, text, "reasoning"):
            names = (rule.concept, *rule.about)
            return [Instruction(text, "reasoning", one.mask, names, True, "reasoning")]
    return []
