"""Random weights for the full UniGeoSeg, at the paper's size or smaller; `python -m scripts.random_unigeoseg_full` runs it once."""

from __future__ import annotations

import argparse
import resource
import time

import torch

from inference_backend.models.unigeoseg.full.network import (
    FullNet,
    Instruction,
    build,
    fill_buffers,
)
from inference_backend.models.unigeoseg.full.shapes import FullShapes

SMALL = FullShapes(
    image_px=128,
    swin_embed=16,
    swin_depths=(1, 1, 1, 1),
    swin_heads=(1, 2, 4, 8),
    swin_window=4,
    swin_image_px=128,
    llm_hidden=64,
    llm_layers=2,
    llm_heads=4,
    llm_ffn=128,
    vocabulary=300,
    perceiver_width=64,
    perceiver_heads=4,
    query_width=32,
    pixel_layers=1,
    pixel_ffn=64,
    mask_layers=3,
    mask_ffn=64,
)


def random_full(shapes: FullShapes, dtype: torch.dtype = torch.float32, seed: int = 0) -> FullNet:
    """A network whose weights let every part matter, ready to answer."""
    torch.manual_seed(seed)
    net = build(shapes).to(dtype).to_empty(device="cpu")
    net.pixel_decoder.float()
    net.mask_decoder.float()
    fill_buffers(net)
    for name, parameter in net.named_parameters():
        if parameter.ndim >= 2:
            parameter.normal_(std=parameter[0].numel() ** -0.5)
        else:
            parameter.fill_(1.0 if "norm" in name and name.endswith("weight") else 0.0)
            parameter.add_(0.02 * torch.randn_like(parameter))
    return net


def main() -> None:
    """One forward pass at the paper's size in bfloat16: seconds and memory."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--words", type=int, default=20)
    words = parser.parse_args().words
    torch.set_num_threads(1)
    started = time.perf_counter()
    net = random_full(FullShapes(), torch.bfloat16)
    count = sum(parameter.numel() for parameter in net.parameters())
    print(f"{count / 1e6:.1f} M parameters, made in {time.perf_counter() - started:.1f} s")
    ids = [torch.randint(0, 50000, (n,)) for n in (45, 14, words)]
    for task in ("referring", "reasoning", "interactive"):
        started = time.perf_counter()
        with torch.inference_mode():
            seen = net.see(torch.randn(1, 3, 512, 512, dtype=torch.bfloat16))
            looked = time.perf_counter()
            asked = Instruction(*ids, task, torch.tensor([[0.4, 0.5, 0.0, 0.0]]))
            logits = net.answer(seen, asked)
        print(
            f"{task}: image {looked - started:.1f} s, words {time.perf_counter() - looked:.1f} s, mask {tuple(logits.shape)}, "
            f"finite {bool(logits.isfinite().all())}, {seen['tokens'].shape[1]} visual tokens"
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"peak memory {peak / 1e6:.1f} GB")


if __name__ == "__main__":
    main()
