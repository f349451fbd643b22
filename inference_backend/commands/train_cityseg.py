"""`cityseg train cityseg`: from generated cities and real tiles to the weights of default-3d."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inference_backend.training.side_by_side import Crew
    from inference_backend.training.train_cityseg import CitySegTrainer

FIRST_CLOUDS = 24
VALIDATION_SEED = 1_000_000
_CALIBRATION_CLOUDS = 24


def add_cityseg_parser(kinds: argparse._SubParsersAction) -> None:
    """Declare `train cityseg`."""
    parser = kinds.add_parser("cityseg", help="the point-cloud network (default-3d)")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/cityseg"), help="folder of state and log"
    )
    parser.add_argument(
        "--data", type=Path, help="folder of the real sets; without it, generated cities only"
    )
    parser.add_argument(
        "--clouds", type=Path, help="folder of the packed clouds (default: OUT/clouds)"
    )
    parser.add_argument("--cities", type=int, default=700, help="generated cities to train on")
    parser.add_argument("--minutes", type=float, default=95.0, help="whole training budget")
    parser.add_argument("--blocks", type=int, default=3, help="blocks a step")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--processes",
        type=int,
        default=1,
        help="processes that train together, each with --threads threads and --blocks blocks (default: 1)",
    )
    parser.add_argument(
        "--skip", default="amsterdam", help="surveys kept out, by commas (default: amsterdam)"
    )
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument(
        "--export", type=Path, help="calibrate, and write the averaged weights here when done"
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from inference_backend.training.cloud_store import store_real
    from inference_backend.training.side_by_side import run_crew

    clouds = args.clouds or args.out / "clouds"
    if args.data is not None:
        store_real(args.data, clouds)
    maker = multiprocessing.get_context("spawn").Process(
        target=_simulate, args=(clouds, args.cities), daemon=True
    )
    maker.start()
    wanted = min(FIRST_CLOUDS, args.cities)
    while maker.is_alive() and len(list(clouds.glob("city-*.npz"))) < wanted:
        time.sleep(0.5)
    del args.run
    run_crew(max(args.processes, 1), train, (args, clouds))
    maker.terminate()
    return 0


def train(crew: Crew, given: tuple[argparse.Namespace, Path]) -> None:
    """One process of the training; the first exports."""
    from inference_backend.commands.train import stoppable
    from inference_backend.training.cloud_data import CloudPlan
    from inference_backend.training.train_cityseg import CitySegTrainer
    from inference_backend.training.train_interactive import Recipe

    args, clouds = given
    plan = CloudPlan(clouds, skip=tuple(args.skip.split(",")), blocks=args.blocks)
    recipe = Recipe(
        minutes=args.minutes, lr=args.lr, weight_decay=0.02, warm_up=0.015, threads=args.threads
    )
    trainer = CitySegTrainer(args.out, plan, recipe, args.device, crew=crew)
    stoppable(trainer)
    trainer.run(_say)
    if args.export and crew.leads:
        _export(trainer, args.export)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _simulate(folder: Path, cities: int) -> None:
    from inference_backend.training.cloud_store import store_generated

    store_generated(folder, range(cities), lambda: False)


def _export(trainer: CitySegTrainer, path: Path) -> None:
    """Calibrated on cities of validation seeds."""
    from inference_backend.models.cityseg.weights_file import save_cloud_weights
    from inference_backend.training.calibrate_cityseg import calibrated_average

    calibration = calibrated_average(
        trainer, range(VALIDATION_SEED, VALIDATION_SEED + _CALIBRATION_CLOUDS)
    )
    save_cloud_weights(path, trainer.config, trainer.average, calibration, trainer.step)
