"""`cityseg train clouds`: generated cities as labelled LAZ files, written to look at and to measure on."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from inference_backend.commands.segment import Signals
from inference_backend.commands.train_data import show_line


def add_clouds_parser(kinds: argparse._SubParsersAction) -> None:
    """Declare `train clouds`."""
    parser = kinds.add_parser(
        "clouds",
        help="write point clouds of generated cities with the truth of every point, and a picture of each",
        description="A cloud is made anew from its seed by training; these files are to look at and to evaluate on "
        "(`cityseg evaluate points DIR`).",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    parser.add_argument(
        "--count", type=int, default=20, metavar="N", help="cities to write (default 20)"
    )
    parser.add_argument(
        "--held-out", action="store_true", help="cities that no training sees (another seed range)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="first city (default 0)")
    parser.add_argument(
        "--side",
        type=float,
        default=128.0,
        metavar="M",
        help="side of a city, metres (default 128)",
    )
    parser.add_argument(
        "--platform", choices=("als", "uav", "photo"), help="how all are surveyed; else it is drawn"
    )
    parser.add_argument("--json", action="store_true", help="print what was written as JSON")
    parser.set_defaults(run=_run_clouds)


def _run_clouds(args: argparse.Namespace) -> int:
    from inference_backend.cancel import CancelToken
    from inference_backend.training.clouds.dataset import CloudsPlan, write_clouds

    cancel = CancelToken()
    with Signals(cancel):
        plan = CloudsPlan(args.count, args.seed, args.held_out, args.side, args.platform)
        about = write_clouds(args.out, plan, show_line, cancel)
    if args.json:
        sys.stdout.write(json.dumps(about) + "\n")
        return 0
    points = sum(about["points"].values())
    sys.stdout.write(
        f"{len(about['files'])} clouds with {points} points in {args.out}; look at {args.out / 'pictures'}\n"
    )
    return 0
