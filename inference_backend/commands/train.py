"""`cityseg train`: from nothing to the weights that ship."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from inference_backend.commands.train_cityseg import add_cityseg_parser
from inference_backend.commands.train_clouds import add_clouds_parser
from inference_backend.commands.train_data import add_data_parser


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare `train unigeoseg`, `train interactive`, `train data`, `train clouds` and `train curves`."""
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
    _add_unigeoseg(kinds)
    add_cityseg_parser(kinds)
    add_data_parser(kinds)
    add_clouds_parser(kinds)
    curves = kinds.add_parser("curves", help="draw the log of a run as a picture")
    curves.add_argument("folder", type=Path, help="folder of the run")
    curves.add_argument("--out", type=Path, required=True, help="PNG to write")
    curves.set_defaults(run=_run_curves)


def _add_unigeoseg(kinds: argparse._SubParsersAction) -> None:
    parser = kinds.add_parser("unigeoseg", help="clicks, words and questions together (default-2d)")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/unigeoseg"), help="folder of state and log"
    )
    parser.add_argument(
        "--data", type=Path, help="folder of the real sets; without it, generated images only"
    )
    parser.add_argument(
        "--start",
        type=Path,
        help="state.pt of an interactive run to go on from; without it, the first third of the budget is one",
    )
    parser.add_argument("--minutes", type=float, default=200.0, help="whole training budget")
    parser.add_argument("--crop-px", type=int, default=192)
    parser.add_argument("--images", type=int, default=4, help="images a step that are clicked")
    parser.add_argument("--text-images", type=int, default=14, help="images a step that are asked")
    parser.add_argument("--lr", type=float, default=1.6e-3)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--no-tate", action="store_true", help="ablation: words go in as they are")
    parser.add_argument(
        "--memory",
        default="ontology",
        choices=("ontology", "random", "off"),
        help="ablation: keys of the ontology, learned keys without supervision, or no memory",
    )
    parser.add_argument("--no-presence", action="store_true", help="ablation: never 'not here'")
    parser.add_argument(
        "--export", type=Path, help="write the averaged weights here (safetensors) when done"
    )
    parser.set_defaults(run=_run_unigeoseg)


def _run_interactive(args: argparse.Namespace) -> int:
    from inference_backend.models.unigeoseg.weights_file import save_weights
    from inference_backend.training.interactive_data import DataPlan
    from inference_backend.training.train_interactive import Recipe, Trainer

    plan = DataPlan(args.data, args.crop_px, args.images, args.prompts)
    trainer = Trainer(args.out, plan, Recipe(minutes=args.minutes, lr=args.lr), args.device)
    stoppable(trainer)
    trainer.run(lambda line: sys.stdout.write(line + "\n"))
    if args.export:
        save_weights(args.export, trainer.net.config, trainer.average, trainer.step)
    return 0


def stoppable(trainer: object) -> None:
    """A stopped run saves before it ends, and goes on from there."""

    def stop(number: int, frame: object) -> None:
        trainer.stop = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def _run_unigeoseg(args: argparse.Namespace) -> int:
    from inference_backend.models.unigeoseg.weights_file import save_weights
    from inference_backend.training.interactive_data import DataPlan
    from inference_backend.training.train_interactive import STATE_NAME, Recipe, Trainer
    from inference_backend.training.train_unigeoseg import TextPlan, UniGeoSegTrainer

    def say(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    start, minutes = args.start, args.minutes
    if start is None:
        first = args.out / "interactive"
        Trainer(first, DataPlan(args.data, 160, 16), Recipe(minutes=minutes / 3), args.device).run(
            say
        )
        start, minutes = first / STATE_NAME, minutes * 2 / 3
    text = TextPlan(
        args.text_images,
        tate=not args.no_tate,
        memory=args.memory,
        presence=not args.no_presence,
    )
    plan = DataPlan(args.data, args.crop_px, args.images)
    recipe = Recipe(minutes=minutes, lr=args.lr)
    trainer = UniGeoSegTrainer(args.out, plan, text, recipe, args.device, start)
    stoppable(trainer)
    trainer.run(say)
    if args.export:
        save_weights(args.export, trainer.net.config, trainer.average, trainer.step)
    return 0


def _run_curves(args: argparse.Namespace) -> int:
    from inference_backend.training.curves import draw_curves

    draw_curves(args.folder, args.out)
    return 0
