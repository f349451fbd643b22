"""Train the compact UniGeoSeg, clicks and words together: one resumable run from nothing, or from an interactive run.

Progressive training strategy (UniGeoSeg, arXiv 2511.23332): the interactive weight decays from 1.0 to 0.7 over the run, referring
stays, and reasoning takes what is freed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from inference_backend.language.encoder import text_encoder
from inference_backend.language.ontology import Concept, concepts
from inference_backend.models.unigeoseg.network import NetworkConfig, UniGeoSegNet, expand, no_text
from inference_backend.models.unigeoseg.normalise import normalise
from inference_backend.models.unigeoseg.text import TextConfig, TextContext, TextTensors
from inference_backend.training.instructions import InstructionMix
from inference_backend.training.interactive_data import DataPlan, batches
from inference_backend.training.mask_loss import interactive_loss
from inference_backend.training.prompt_simulation import PromptMix, PromptSet, central_click
from inference_backend.training.text_data import TextBatch, TextSource, truth_table
from inference_backend.training.text_loss import (
    bank_loss,
    choice_loss,
    class_truth,
    concept_loss,
    text_loss,
)
from inference_backend.training.train_interactive import STATE_NAME, Recipe, Trainer

MOST_KEYS = 12
NAMES_UNTIL = 0.45  # the share of the run that is mostly names of things
CLICKED = 0.15  # share of the instructions about one thing that come with a click on it
MOST_POINTED_SHARE = (
    0.2  # a click says which of many only where the target is one thing, not a region
)


@dataclass(frozen=True)
class TextPlan:
    """The text half of a step: `images` crops of `crop_px`, `prompts_an_image` instructions each; and the switches of the ablations.

    The decoder costs as much for an instruction as the encoder for an image, and the bank of classes teaches from every image
    at nearly no cost: many images with one instruction each learn classes faster than few with several.
    """

    images: int = 14
    prompts_an_image: int = 1
    tate: bool = True
    memory: str = "ontology"
    presence: bool = True


class _TextStream(IterableDataset):
    def __init__(self, plan: DataPlan, text: TextPlan, progress: Tensor) -> None:
        self.plan, self.text, self.progress = plan, text, progress

    def __iter__(self) -> Iterator[TextBatch]:
        torch.set_num_threads(1)
        rng = np.random.default_rng(np.random.SeedSequence().entropy % 2**32)
        source = TextSource(
            self.plan.root,
            self.plan.crop_px,
            InstructionMix(),
            rng,
            self.text.prompts_an_image,
        )
        while True:
            source.mix = mix_at(float(self.progress[0]))
            yield source.batch(self.text.images)


def mix_at(done: float) -> InstructionMix:
    """What is asked for at this share of the run: names first, then attributes and relations, then more reasoning."""
    if done < NAMES_UNTIL:
        return InstructionMix(
            class_=0.64, several=0.04, attribute=0.02, relation=0.01, superlative=0.01, ordinal=0.0,
            region=0.03, negation=0.0, question=0.12, reasoning=0.01, absent=0.12, pair=0.0,
        )  # fmt: skip
    freed = 0.3 * (done - NAMES_UNTIL) / (1 - NAMES_UNTIL)
    return InstructionMix(
        class_=0.48 - 0.4 * freed, attribute=0.06, relation=0.04, superlative=0.04, ordinal=0.02,
        region=0.05, question=0.12 + 0.4 * freed, reasoning=0.02 + 0.3 * freed, pair=0.03,
    )  # fmt: skip


def key_texts(concept: Concept) -> list[str]:
    """What the memory knows a concept by: definition, functions, names and questions, at most MOST_KEYS texts."""
    return list(
        dict.fromkeys(
            [
                concept.name,
                concept.plural,
                concept.definition,
                *concept.functions[:2],
                *concept.synonyms[:4],
                *concept.questions[:4],
            ]
        )
    )[:MOST_KEYS]


def memory_keys() -> tuple[Tensor, Tensor]:
    """Sentence vectors (C, MOST_KEYS, 384) of the ontology's texts, and which exist (C, MOST_KEYS)."""
    keys = torch.zeros(len(concepts()), MOST_KEYS, 384)
    real = torch.zeros(len(concepts()), MOST_KEYS)
    for row, concept in enumerate(concepts()):
        texts = key_texts(concept)
        keys[row, : len(texts)] = torch.from_numpy(text_encoder().sentences(texts).copy())
        real[row, : len(texts)] = 1
    return keys, real


def text_config(plan: TextPlan) -> TextConfig:
    """The sizes that the ontology asks for."""
    return TextConfig(
        tuple(c.name for c in concepts()), MOST_KEYS, plan.tate, plan.memory, plan.presence
    )


def adopt(net: UniGeoSegNet, state: dict[str, Tensor]) -> list[str]:
    """Take over an interactive network: what is wider here gets zeros for its new inputs, so that clicks are answered as before.

    Returns the names that stay new.
    """
    own = net.state_dict()
    for name, value in state.items():
        if name not in own:
            continue
        if own[name].shape == value.shape:
            own[name].copy_(value)
        elif own[name].ndim == 4:
            own[name].zero_()[:, : value.shape[1]].copy_(value)
        else:
            own[name][: value.shape[0]].copy_(value)
    return sorted(set(own) - set(state))


class UniGeoSegTrainer(Trainer):
    """A step answers clicks on some images and words on others, through one decoder call: its normalisation sees both."""

    def __init__(
        self,
        folder: Path,
        plan: DataPlan,
        text: TextPlan,
        recipe: Recipe,
        device: str = "cpu",
        start: Path | None = None,
    ) -> None:
        self.text, self.start = text, start
        self.fresh = not (folder / STATE_NAME).exists()
        self.progress = torch.zeros(1).share_memory_()
        super().__init__(folder, plan, recipe, device)
        if self.net.decoder.text.memory is not None:
            # A resumed run takes up what the ontology says now.
            self.net.decoder.text.memory.set_keys(*memory_keys())
        self.table = torch.from_numpy(truth_table()).to(device)

    def _make_net(self) -> UniGeoSegNet:
        net = UniGeoSegNet(NetworkConfig(text=text_config(self.text)))
        if self.start is not None and self.fresh:
            state = torch.load(self.start, map_location="cpu", weights_only=True)
            adopt(net, state["average"])
        return net

    def _stream(self) -> Iterator[tuple]:
        words = DataLoader(
            _TextStream(self.plan, self.text, self.progress),
            batch_size=None,
            num_workers=1,
            prefetch_factor=3,
        )
        return zip(batches(self.plan), iter(words))

    def _train_step(self, clicked: tuple[Tensor, Tensor], said: TextBatch) -> dict[str, float]:
        done = min(self.spent_s / (self.recipe.minutes * 60), 1.0)
        self.progress[0] = done
        for group in self.optimiser.param_groups:
            group["lr"] = self._lr()
        self.net.train()
        images, masks = clicked
        x = normalise(torch.cat([images, said.images]).to(self.device))
        rounds = self._rounds()
        sets = [PromptSet(mask, self.rng, PromptMix()) for mask in masks.numpy()]
        if rounds:
            masks = self._joined(masks)
        with torch.autocast(self.device, torch.bfloat16):
            encoded = self.net.encoder(x)
            meaning = encoded["s4"][len(images) :]
            first = expand(
                {name: value[: len(images)] for name, value in encoded.items()},
                self.plan.prompts_an_image,
            )
            second = expand(
                {name: value[len(images) :] for name, value in encoded.items()},
                self.text.prompts_an_image,
            )
            features = {name: torch.cat([first[name], second[name]]) for name in first}
            for _ in range(rounds):
                self._ask_and_correct(first, sets, masks)
            text = self._maybe_clicked(said, sets)
            output = self.net.decoder(features, self._prompts(sets), text)
            bank, heard = self._bank(meaning, said)
        shown = {name: value[: len(masks)] for name, value in output.items()}
        told = {name: value[len(masks) :] for name, value in output.items()}
        several = torch.tensor(
            [float(len(s.clicks) == 1 and s.box is None) for s in sets[: len(masks)]]
        ).to(self.device)
        loss_click, figures = interactive_loss(shown, masks.to(self.device), several)
        placed = [
            value.to(self.device) for value in (said.masks, said.core, said.present, said.concepts)
        ]
        loss_text, more = text_loss(told, *placed)
        loss_bank, bank_iou, weak = self._bank_loss(bank, said)
        loss = (1 - 0.3 * done) * loss_click + loss_text + loss_bank + 0.3 * weak
        if heard.concept_logits is not None:
            meant = torch.nn.functional.one_hot(said.bank_concept, len(concepts())).float()
            told_right = concept_loss(heard.concept_logits, meant.to(self.device))
            loss = loss + 0.5 * told_right
            more["concept_loss"] = float(told_right.detach())
        self._descend(loss)
        figures |= more | {"bank_iou": bank_iou}
        figures |= self._first_answers(shown, sets[: len(masks)], masks)
        return figures | {"loss": float(loss.detach())}

    def _maybe_clicked(self, said: TextBatch, sets: list[PromptSet]) -> TextTensors:
        """Words alone for most instructions; some that mean one thing come with a click on it, as the interactive task."""
        size = self.plan.crop_px
        task = said.text.task.clone()
        for row, mask in enumerate(said.masks.numpy()):
            prompts = PromptSet.empty(size)
            target = (mask == 1).astype(np.uint8)
            small = 40 < target.sum() < MOST_POINTED_SHARE * size * size
            if small and self.rng.random() < CLICKED:
                prompts.clicks.append((*central_click(target, self.rng, 0.5), 1))
                task[row] = 1
            sets.append(prompts)
        silent = no_text(len(sets) - len(said.masks), "cpu")
        words = replace(said.text, task=task)
        length = words.tokens.shape[1]
        quiet = replace(
            silent,
            tokens=silent.tokens.expand(-1, length, -1),
            real=silent.real.expand(-1, length),
        )
        joined = {
            name: torch.cat([getattr(quiet, name), getattr(words, name)])
            for name in ("tokens", "real", "sentence", "task", "has")
        }
        return TextTensors(**joined).to(self.device)

    def _bank(self, meaning: Tensor, said: TextBatch) -> tuple[Tensor, TextContext]:
        """Likeness (N, B, h, w) of the text images' meaning (B, 64, h, w) to a bank of class wordings."""
        decoder = self.net.decoder
        bank = said.bank.to(self.device)
        place = torch.zeros(len(bank.task), self.net.config.neck[3], device=self.device)
        heard = decoder.text(bank, place)
        near = torch.einsum("nkc,bchw->nkbhw", heard.prototypes, meaning.float())
        likeness = decoder.word_scale * near.max(1).values + heard.bias[:, None, None, None]
        return likeness.float(), heard

    def _bank_loss(self, likeness: Tensor, said: TextBatch) -> tuple[Tensor, float, Tensor]:
        """Dense truth where there is some, and the image's own word for it where there is only that."""
        chosen = said.bank_concept.to(self.device)
        leaves = said.leaves.to(self.device)
        truth = class_truth(
            self.table[chosen],
            leaves,
            said.complete.to(self.device)[:, chosen],
            said.whole.to(self.device),
        )
        loss, iou = bank_loss(likeness, truth)
        loss = loss + choice_loss(likeness, truth, leaves)
        weak = said.weak.to(self.device)[:, chosen].t()
        flat = torch.sigmoid(likeness).flatten(2)
        most = flat.topk(max(flat.shape[-1] // 50, 4), -1).values.mean(-1).clamp(1e-4, 1 - 1e-4)
        cross = torch.nn.functional.binary_cross_entropy(
            most, weak.clamp_min(0).float(), reduction="none"
        )
        asked = (weak >= 0).float()
        return loss, iou, (cross * asked).sum() / asked.sum().clamp_min(1)
