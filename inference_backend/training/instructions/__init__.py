"""Instructions with exact masks from labelled images, in the manner of GeoSeg-1M (arXiv 2511.23332)."""

from inference_backend.training.instructions.crop import (
    KINDS,
    Instruction,
    InstructionMix,
    LabelledCrop,
)
from inference_backend.training.instructions.make import make_instructions

__all__ = ["KINDS", "Instruction", "InstructionMix", "LabelledCrop", "make_instructions"]
