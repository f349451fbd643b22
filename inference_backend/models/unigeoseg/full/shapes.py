"""The sizes of the parts of the full UniGeoSeg, as in the paper unless a folder of weights says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from inference_backend.errors import InvalidInput

if TYPE_CHECKING:
    from transformers import Mask2FormerConfig, PhiConfig, SwinConfig

# Names in a Phi configuration -> ours.
_PHI_NAMES = {
    "hidden_size": "llm_hidden",
    "num_hidden_layers": "llm_layers",
    "num_attention_heads": "llm_heads",
    "intermediate_size": "llm_ffn",
    "vocab_size": "vocabulary",
}


@dataclass(frozen=True)
class FullShapes:
    """Swin-B at stride 4 to 32, 64 visual tokens, Phi-1.5, Mask2Former's two decoders with one query.

    `tate_on` says which words the text enhancement changes: those of the instruction, as the paper describes it, or the
    fixed ones before it, which is where the published weights were trained to have it (found by reading, not by running).
    """

    image_px: int = 512
    swin_embed: int = 128
    swin_depths: tuple[int, ...] = (2, 2, 18, 2)
    swin_heads: tuple[int, ...] = (4, 8, 16, 32)
    swin_window: int = 12
    swin_image_px: int = 384
    llm_hidden: int = 2048
    llm_layers: int = 24
    llm_heads: int = 32
    llm_ffn: int = 8192
    vocabulary: int = 51200
    reasoning_queries: int = 4
    slots: int = 4
    slot_share: float = 0.2
    perceiver_width: int = 512
    perceiver_heads: int = 8
    query_width: int = 256
    decoder_heads: int = 8
    pixel_layers: int = 6
    pixel_ffn: int = 1024
    mask_layers: int = 9
    mask_ffn: int = 2048
    tate_on: Literal["instruction", "template"] = "instruction"

    @property
    def channels(self) -> tuple[int, int, int, int]:
        """Channels of the four maps of the image encoder, finest first."""
        first, *others = (self.swin_embed * 2**stage for stage in range(4))
        return (first, *others)

    @property
    def cells(self) -> int:
        """Side of the coarsest map."""
        return self.image_px // 32

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> FullShapes:
        """From a `config.json`: Phi's own names, and an object `unigeoseg` with ours. Raises `InvalidInput`."""
        given = {ours: config[name] for name, ours in _PHI_NAMES.items() if name in config}
        given |= config.get("unigeoseg", {})
        unknown = set(given) - {field.name for field in fields(cls)}
        if unknown:
            raise InvalidInput(
                f"config.json has sizes of unknown parts: {', '.join(sorted(unknown))}; use the folder as published."
            )
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in given.items()})

    def swin(self) -> SwinConfig:
        """For the image encoder of `transformers`."""
        from transformers import SwinConfig

        return SwinConfig(
            image_size=self.swin_image_px,
            patch_size=4,
            embed_dim=self.swin_embed,
            depths=list(self.swin_depths),
            num_heads=list(self.swin_heads),
            window_size=self.swin_window,
            mlp_ratio=4.0,
            qkv_bias=True,
            drop_path_rate=0.3,
            out_features=["stage1", "stage2", "stage3", "stage4"],
        )

    def phi(self) -> PhiConfig:
        """For the language model of `transformers`."""
        from transformers import PhiConfig

        return PhiConfig(
            vocab_size=self.vocabulary,
            hidden_size=self.llm_hidden,
            intermediate_size=self.llm_ffn,
            num_hidden_layers=self.llm_layers,
            num_attention_heads=self.llm_heads,
            tie_word_embeddings=False,
            use_cache=False,
        )

    def mask2former(self) -> Mask2FormerConfig:
        """For the two decoders of `transformers`, which count the prediction before the first layer as a layer."""
        from transformers import Mask2FormerConfig

        return Mask2FormerConfig(
            backbone_config=self.swin(),
            feature_size=self.query_width,
            mask_feature_size=self.query_width,
            hidden_dim=self.query_width,
            encoder_feedforward_dim=self.pixel_ffn,
            encoder_layers=self.pixel_layers,
            decoder_layers=self.mask_layers + 1,
            num_attention_heads=self.decoder_heads,
            dim_feedforward=self.mask_ffn,
            dropout=0.0,
            pre_norm=False,
            num_queries=1,
        )
