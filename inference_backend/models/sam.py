"""Segment Anything (Kirillov et al. 2023) behind the promptable interface, from a checkpoint that the user has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from inference_backend.errors import InvalidInput
from inference_backend.models.base import Embedding, MaskPrediction, ModelCard, PromptableModel
from inference_backend.models.device import autocast_dtype, or_on_cpu
from inference_backend.models.sam_checkpoint import SamVariant, load_sam
from inference_backend.models.sam_encoder import FastImageEncoder
from inference_backend.models.sam_prompts import MASK_CELL_PX, SamPrompts, encode_prompts
from inference_backend.prompts import Prompt
from inference_backend.weights.catalogue import entries

if TYPE_CHECKING:
    from segment_anything.modeling import Sam

# A mask of nearly the whole crop is SAM's "background" reading of a click; an object that large needs a larger crop.
_MOST_OF_THE_CROP = 0.8


class SamModel(PromptableModel):
    """One loaded SAM. `dtype` is that of the encoder's products; prompts are always decoded in float32."""

    def __init__(
        self,
        sam: Sam,
        variant: SamVariant,
        *,
        dtype: torch.dtype = torch.float32,
        card: ModelCard | None = None,
        weights_id: str = "",
    ) -> None:
        self.variant, self.dtype, self.device = variant, dtype, "cpu"
        self.weights_id = weights_id or variant.name
        self.catalogue_name = f"sam-{variant.name.replace('_', '-')}"
        self.card = card or _card_of(self.catalogue_name)
        self.input_px = sam.image_encoder.img_size
        self._sam = sam
        self._encoder = FastImageEncoder(sam.image_encoder, dtype)
        # The wrapper has taken over the encoder's layers; what is left of the library's class must not be run.
        del sam.image_encoder
        self._positions: Tensor | None = None

    @classmethod
    def load(cls, path: Path, device: str = "cpu", card: ModelCard | None = None) -> SamModel:
        """Read a checkpoint of any of the three sizes; raises `InvalidInput` for a file that is not one."""
        sam, variant = load_sam(Path(path))
        dtype = autocast_dtype(device) or torch.float32
        model = cls(sam, variant, dtype=dtype, card=card, weights_id=Path(path).name)
        or_on_cpu(lambda: model.move(device), lambda: model.move("cpu"), device)
        return model

    @torch.inference_mode()
    def embed(self, rgb: np.ndarray, valid: np.ndarray | None = None, key: str = "") -> Embedding:
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or 0 in rgb.shape:
            raise InvalidInput(
                f"SAM takes an image of 3 bands in 8 bits, not {rgb.shape} of {rgb.dtype}."
            )
        image = self._to_input(rgb, valid)
        features = or_on_cpu(
            lambda: self._encoder(image.to(self.device)), lambda: self.move("cpu"), self.device
        )
        # bfloat16 products carry no more than float16 keeps; half the memory is twice the crops that stay warm.
        kept = torch.float32 if self.dtype == torch.float32 else torch.float16
        return Embedding(key, rgb.shape[0], rgb.shape[1], {"features": features.to("cpu", kept)})

    @torch.inference_mode()
    def predict(
        self,
        embedding: Embedding,
        prompts: Sequence[Prompt],
        previous_logits: np.ndarray | None = None,
    ) -> list[MaskPrediction]:
        if not prompts:
            raise InvalidInput("There is no prompt; click on the object first.")
        size = (embedding.height_px, embedding.width_px)
        encoded = encode_prompts(prompts, self._scale(*size), self.input_px, previous_logits)
        low, quality = or_on_cpu(
            lambda: self._decode(embedding.tensors["features"], encoded),
            lambda: self.move("cpu"),
            self.device,
        )
        probability = self._to_image(low, *size).sigmoid_().cpu().numpy()
        shares, scores = (probability > 0.5).mean((1, 2)), quality.tolist()
        logits = low.cpu().numpy()
        return [
            MaskPrediction(probability[k], float(np.clip(scores[k], 0, 1)), logits[k])
            for k in best_first(shares.tolist(), scores)
        ]

    def _scale(self, height: int, width: int) -> float:
        return self.input_px / max(height, width)

    def _inner(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of SAM's square input that the image fills; the rest is padding."""
        scale = self._scale(height, width)
        return int(height * scale + 0.5), int(width * scale + 0.5)

    def _to_input(self, rgb: np.ndarray, valid: np.ndarray | None) -> Tensor:
        """Resized to SAM's input, normalised and padded with zeros: float32 (1, 3, input_px, input_px)."""
        from PIL import Image

        mean, std = self._sam.pixel_mean.cpu(), self._sam.pixel_std.cpu()
        if valid is not None and not valid.all():
            # The mean colour is zero after normalisation, which is how SAM saw the outside of images in training.
            rgb = np.where(valid[..., None], rgb, mean.view(3).round().byte().numpy())
        rows, columns = self._inner(*rgb.shape[:2])
        resized = Image.fromarray(rgb).resize((columns, rows), Image.Resampling.BILINEAR)
        image = (torch.from_numpy(np.array(resized)).permute(2, 0, 1) - mean) / std
        return functional.pad(image, (0, self.input_px - columns, 0, self.input_px - rows))[None]

    def _decode(self, features: Tensor, prompts: SamPrompts) -> tuple[Tensor, Tensor]:
        """Low-resolution logits (masks, 256, 256) and their estimated IoU (masks,)."""
        sparse, dense = self._sam.prompt_encoder(
            points=self._points(prompts),
            boxes=self._tensor(prompts.box),
            masks=None if prompts.mask_logits is None else self._mask_input(prompts.mask_logits),
        )
        if self._positions is None:
            self._positions = self._sam.prompt_encoder.get_dense_pe()
        low, quality = self._sam.mask_decoder(
            image_embeddings=features.to(self.device, torch.float32),
            image_pe=self._positions,
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=prompts.ambiguous,
        )
        return low[0], quality[0]

    def _points(self, prompts: SamPrompts) -> tuple[Tensor, Tensor] | None:
        if prompts.points is None:
            return None
        return self._tensor(prompts.points), self._tensor(prompts.labels)

    def _tensor(self, values: np.ndarray | None) -> Tensor | None:
        return None if values is None else torch.from_numpy(values).float()[None].to(self.device)

    def _mask_input(self, logits: np.ndarray) -> Tensor:
        side = self.input_px // MASK_CELL_PX
        if logits.shape != (side, side):
            raise InvalidInput(
                f"A mask to start from is {side} x {side} for SAM, not {logits.shape}."
            )
        return self._tensor(logits[None])

    def _to_image(self, low: Tensor, height: int, width: int) -> Tensor:
        """Low-resolution logits to the embedded image's pixels, as the library does it: (masks, height, width)."""
        rows, columns = self._inner(height, width)
        full = functional.interpolate(low[None], (self.input_px, self.input_px), mode="bilinear")
        return functional.interpolate(full[..., :rows, :columns], (height, width), mode="bilinear")[
            0
        ]

    def move(self, device: str) -> None:
        """Take the network to another device; embeddings are on the CPU anyway."""
        self.device = device
        self._sam.to(device)
        self._encoder.to(device)
        self._positions = None


def best_first(shares: Sequence[float], scores: Sequence[float]) -> list[int]:
    """Candidates by estimated IoU; those that cover nearly the whole crop (`shares`, 0 to 1) come last."""
    return sorted(range(len(scores)), key=lambda k: (shares[k] >= _MOST_OF_THE_CROP, -scores[k]))


def _card_of(name: str) -> ModelCard:
    record = entries()[name]
    return ModelCard(
        id=record.name,
        title=record.title,
        prompts=record.prompts,
        input_px=record.input_px,
        licence=record.licence,
        memory_mb=record.memory_mb,
        needs_download=True,
        source=record.url or "",
    )
