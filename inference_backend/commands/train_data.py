"""`cityseg train data`: labelled images with instructions, as training makes them, written to look at and to use elsewhere."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from inference_backend.commands.segment import Signals


def add_data_parser(kinds: argparse._SubParsersAction) -> None:
    """Declare `train data`."""
    parser = kinds.add_parser(
        "data",
        help="write images, labels and instructions with exact masks, and a page of samples",
        description="A stopped run goes on where it was when started again. The format is in docs/instruction-data.md.",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    parser.add_argument(
        "--scenes", type=int, default=100, metavar="N", help="generated scenes (default 100)"
    )
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="folder of the real sets, for windows of them too"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument(
        "--held-out",
        action="store_true",
        help='texts of the split "test" use words and questions that training never says',
    )
    parser.add_argument("--size-px", type=int, default=384, metavar="N", help="side of an image")
    parser.add_argument("--texts", type=int, default=12, metavar="N", help="texts an image")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    parser.set_defaults(run=_run_data)


def _run_data(args: argparse.Namespace) -> int:
    from inference_backend.cancel import CancelToken
    from inference_backend.training.instructions.dataset import DataPlan, write_dataset

    cancel = CancelToken()
    with Signals(cancel):
        data = None if args.data is None else str(args.data)
        plan = DataPlan(args.scenes, args.seed, args.held_out, args.size_px, args.texts, data)
        counts = write_dataset(args.out, plan, show_line, cancel)
    if args.json:
        sys.stdout.write(json.dumps(counts) + "\n")
    else:
        sys.stdout.write(
            f"{counts['instructions']} instructions over {counts['images']} images in {args.out}; "
            f"look at {args.out / 'samples.html'}\n"
        )
    return 0


def show_line(fraction: float, message: str) -> None:
    """A line that is written over on a terminal; nothing where stderr is a file or a pipe."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{fraction:4.0%}  {message:<60}" + ("\n" if fraction >= 1 else ""))
        sys.stderr.flush()
