"""Train the interactive part of the compact UniGeoSeg: resumable, by a budget of minutes, on CPU or CUDA."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from inference_backend.models.unigeoseg.network import NetworkConfig, UniGeoSegNet, expand
from inference_backend.models.unigeoseg.normalise import normalise
from inference_backend.training.interactive_data import DataPlan, batches
from inference_backend.training.mask_loss import interactive_loss
from inference_backend.training.prompt_simulation import PromptMix, PromptSet, correct, to_tensors

STATE_NAME = "state.pt"


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome. `minutes` is the whole budget; a resumed run goes on where it stopped."""

    minutes: float = 90.0
    lr: float = 1.6e-3
    warm_up: float = 0.02
    weight_decay: float = 0.03
    ema: float = 0.998
    clip: float = 1.0
    corrected: float = 0.6
    joined: float = 0.12
    most_corrections: int = 3
    save_every_s: float = 120.0
    threads: int = 2


class Trainer:
    """Holds network, average, optimiser and clock; `run` steps until the budget is spent."""

    def __init__(self, folder: Path, plan: DataPlan, recipe: Recipe, device: str = "cpu") -> None:
        torch.set_num_threads(recipe.threads)
        self.folder, self.plan, self.recipe, self.device = folder, plan, recipe, device
        folder.mkdir(parents=True, exist_ok=True)
        self.net = self._make_net().to(device, memory_format=torch.channels_last)
        self.average = {k: v.detach().clone().float() for k, v in self.net.state_dict().items()}
        decay = [p for p in self.net.parameters() if p.ndim > 1]
        rest = [p for p in self.net.parameters() if p.ndim <= 1]
        groups = [
            {"params": decay, "weight_decay": recipe.weight_decay},
            {"params": rest, "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=recipe.lr, betas=(0.9, 0.98))
        self.step, self.spent_s, self.stop = 0, 0.0, False
        self.rng = np.random.default_rng(int(time.time()))
        self._resume()

    def _make_net(self) -> UniGeoSegNet:
        return UniGeoSegNet(NetworkConfig())

    def _stream(self) -> Iterator[tuple]:
        return batches(self.plan)

    def run(self, say: Callable[[str], None]) -> None:
        """Step until the budget is spent; a line of JSON now and then goes to `say` and to the log. `stop` ends it, saved, after a step."""
        stream = self._stream()
        recent: list[dict[str, float]] = []
        saved = time.monotonic()
        while not self._over():
            began = time.monotonic()
            recent.append(self._train_step(*next(stream)))
            self.step += 1
            self.spent_s += time.monotonic() - began
            if self.step % 20 == 0:
                self._log(recent, say)
                recent = []
            if time.monotonic() - saved > self.recipe.save_every_s:
                self.save()
                saved = time.monotonic()
        self.save()

    def _over(self) -> bool:
        return self.stop or self.spent_s >= self.recipe.minutes * 60

    def _train_step(self, images: Tensor, masks: Tensor) -> dict[str, float]:
        for group in self.optimiser.param_groups:
            group["lr"] = self._lr()
        self.net.train()
        x = normalise(images.to(self.device))
        rounds = self._rounds()
        sets = [PromptSet(mask, self.rng, PromptMix()) for mask in masks.numpy()]
        if rounds:
            masks = self._joined(masks)
        with torch.autocast(self.device, torch.bfloat16):
            features = expand(self.net.encoder(x), self.plan.prompts_an_image)
            for _ in range(rounds):
                self._ask_and_correct(features, sets, masks)
            output = self.net.decoder(features, self._prompts(sets))
        several = torch.tensor(
            [float(len(s.clicks) == 1 and s.box is None) for s in sets], device=self.device
        )
        loss, figures = interactive_loss(output, masks.to(self.device), several)
        self._descend(loss)
        figures |= self._first_answers(output, sets, masks)
        return figures | {"loss": float(loss.detach())}

    def _descend(self, loss: Tensor) -> None:
        loss.backward()
        self._agree()
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.recipe.clip)
        if torch.isfinite(norm):
            self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self._update_average()

    def _agree(self) -> None:
        """Between the gradients and the step; here for trainers that run side by side."""

    @staticmethod
    def _first_answers(
        output: dict[str, Tensor], sets: list[PromptSet], masks: Tensor
    ) -> dict[str, float]:
        """Mean IoU of the first head after one click alone, and after one box alone."""
        figures = {}
        first = [i for i, s in enumerate(sets) if s.previous is None and s.box is None]
        boxed = [i for i, s in enumerate(sets) if s.previous is None and s.box is not None]
        ious = (output["logits"][:, 0] > 0).cpu().numpy()
        for name, chosen in (("iou_click", first), ("iou_box", boxed)):
            if chosen:
                truth = masks[chosen, ::2, ::2].numpy() > 0
                found = ious[chosen]
                union = (truth | found).sum((1, 2))
                figures[name] = float(((truth & found).sum((1, 2)) / np.maximum(union, 1)).mean())
        return figures

    def _rounds(self) -> int:
        """How many corrected clicks this step simulates; none while the network knows nothing yet."""
        if self.step <= 200 or self.rng.random() >= self.recipe.corrected:
            return 0
        return int(self.rng.integers(1, self.recipe.most_corrections + 1))

    def _joined(self, masks: Tensor) -> Tensor:
        """Some targets grow by a neighbour of theirs: a later click may add what lies apart."""
        joined = masks.clone()
        for i in range(len(masks)):
            mate = i + 1 if i % self.plan.prompts_an_image == 0 else i - 1
            if mate < len(masks) and self.rng.random() < self.recipe.joined:
                joined[i] = torch.maximum(masks[i], masks[mate])
        return joined

    @torch.no_grad()
    def _ask_and_correct(
        self, features: dict[str, Tensor], sets: list[PromptSet], masks: Tensor
    ) -> None:
        self.net.decoder.eval()
        frozen = {name: value.detach() for name, value in features.items()}
        logits = self.net.decoder(frozen, self._prompts(sets))["logits"][:, 0]
        correct(sets, masks.numpy(), torch.sigmoid(logits).cpu().numpy(), self.rng)
        self.net.decoder.train()

    def _prompts(self, sets: list[PromptSet]):
        prompts = to_tensors(sets)
        for name, value in vars(prompts).items():
            setattr(prompts, name, value.to(self.device))
        return prompts

    def _lr(self) -> float:
        """Linear warm-up, then a cosine to nearly nothing at the end of the budget."""
        done = min(self.spent_s / (self.recipe.minutes * 60), 1.0)
        warm = min(done / self.recipe.warm_up, 1.0)
        return self.recipe.lr * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))

    @torch.no_grad()
    def _update_average(self) -> None:
        keep = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        for name, value in self.net.state_dict().items():
            self.average[name].lerp_(value.float(), 1 - keep)

    def _log(self, recent: list[dict[str, float]], say: Callable[[str], None]) -> None:
        names = sorted({name for row in recent for name in row})
        mean = {n: round(float(np.mean([r[n] for r in recent if n in r])), 4) for n in names}
        line = {
            "step": self.step,
            "minutes": round(self.spent_s / 60, 2),
            "lr": round(self._lr(), 6),
        } | mean
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        say(json.dumps(line))

    def save(self) -> None:
        """State to a temporary name, then renamed: a killed run resumes from the last whole file."""
        state = {
            "net": self.net.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "spent_s": self.spent_s,
        }
        temporary = self.folder / (STATE_NAME + ".part")
        torch.save(state, temporary)
        temporary.replace(self.folder / STATE_NAME)

    def _resume(self) -> None:
        path = self.folder / STATE_NAME
        if not path.exists():
            return
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.net.load_state_dict(state["net"])
        self.average = {k: v.to(self.device) for k, v in state["average"].items()}
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.spent_s = int(state["step"]), float(state["spent_s"])
