"""`cityseg train interactive`: from nothing to the weights that ship."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare `train interactive` and its budget."""
    parser = subparsers.add_parser("train", help="train the models that ship with the project")
    kinds = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    interactive = kinds.add_parser(
        "interactive", help="the interactive part of the compact UniGeoSeg (default-2d)"
    )
    interactive.add_argument(
        "--out", type=Path, default=Path("runs/interactive"), help="folder of state and log"
    )
    interactive.add_argument(
        "--data", type=Path, help="folder of the real sets; without it, generated images only"
    )
    interactive.add_argument("--minutes", type=float, default=90.0, help="whole training budget")
    interactive.add_argument("--crop-px", type=int, default=160)
    interactive.add_argument("--images", type=int, default=16, help="images a step")
    interactive.add_argument("--prompts", type=int, default=2, help="prompts an image")
    interactive.add_argument("--lr", type=float, default=1.6e-3)
    interactive.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    interactive.add_argument(
        "--export", type=Path, help="write the averaged weights here (safetensors) when done"
    )
    interactive.set_defaults(run=_run_interactive)


def _run_interactive(args: argparse.Namespace) -> int:
    from inference_backend.models.unigeoseg.weights_file import save_weights
    from inference_backend.training.interactive_data import DataPlan
    from inference_backend.training.train_interactive import Recipe, Trainer

    plan = DataPlan(args.data, args.crop_px, args.images, args.prompts)
    trainer = Trainer(args.out, plan, Recipe(minutes=args.minutes, lr=args.lr), args.device)
    trainer.run(lambda line: sys.stdout.write(line + "\n"))
    if args.export:
        save_weights(args.export, trainer.net.config, trainer.average, trainer.step)
    return 0
