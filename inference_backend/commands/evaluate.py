"""`cityseg evaluate`: measure a model on labelled images and point clouds, beside what users have without one."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from inference_backend.errors import InvalidInput


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `evaluate` with its protocols."""
    parser = subparsers.add_parser(
        "evaluate", help="measure a model on labelled images or point clouds"
    )
    protocols = parser.add_subparsers(dest="protocol_name", metavar="PROTOCOL", required=True)
    click = protocols.add_parser(
        "interactive",
        help="clicks and boxes on instance masks: IoU after 1, 3, 5 clicks and a box, NoC@85, NoC@90",
        description="DATASET is a folder with images/ and masks/ (same names; ids in 8 or 16 bits, or a colour an object).",
    )
    click.add_argument("dataset", type=Path, metavar="DATASET")
    click.add_argument(
        "--model", help="model to measure (default: default-2d, or none if --baseline is given)"
    )
    click.add_argument(
        "--baseline",
        action="append",
        default=[],
        metavar="NAME",
        help="floodfill, grabcut or box; may be repeated",
    )
    click.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    click.add_argument(
        "--max-objects", type=int, metavar="N", help="measure N objects, drawn with a fixed seed"
    )
    click.add_argument(
        "--min-pixels",
        type=int,
        default=64,
        metavar="N",
        help="leave out smaller objects (default 64)",
    )
    click.add_argument(
        "--components", action="store_true", help="split every mask value into its connected parts"
    )
    click.add_argument(
        "--out", type=Path, metavar="DIR", help="also write report.json, objects_*.csv, sheet_*.png"
    )
    click.add_argument("--json", action="store_true", help="print JSON instead of the table")
    click.set_defaults(run=run_interactive)
    for name, about in _TEXT_PROTOCOLS.items():
        _add_text_parser(protocols, name, about)
    _add_points_parser(protocols)


_TEXT_PROTOCOLS = {
    "referring": "descriptions to masks: gIoU, cIoU, Pr@X, N-acc, T-acc",
    "reasoning": "questions to masks: gIoU, cIoU, Pr@X, N-acc, T-acc",
    "text": "all texts of a data set, with a row a task",
}


def _add_text_parser(protocols: argparse._SubParsersAction, name: str, about: str) -> None:
    parser = protocols.add_parser(
        name,
        help=about,
        description="DIR is GeoSeg-Bench, RRSIS-D, RefSegRS or EarthReason as published, a folder with annotations.json "
        "(a list of {image, mask or polygons, text, task}), or what 'cityseg train data' wrote. See docs/evaluation.md.",
    )
    parser.add_argument("dataset", type=Path, metavar="DIR")
    parser.add_argument(
        "--format", default="auto", metavar="NAME", help="default: what DIR looks like"
    )
    parser.add_argument("--split", metavar="NAME", help="default: test")
    parser.add_argument(
        "--protocol",
        default="lisa",
        metavar="NAME",
        help="lisa (default), unigeoseg, rmsin or gres",
    )
    parser.add_argument(
        "--canvas", choices=("image", "square512", "squash480"), help="default: the protocol's own"
    )
    parser.add_argument(
        "--sentences", choices=("all", "first"), help="of an object; default: the protocol's own"
    )
    parser.add_argument("--model", help="model to measure (default: default-2d)")
    parser.add_argument(
        "--path",
        default="auto",
        choices=("auto", "network", "program"),
        help="auto: as the product answers; network: without the spatial executor; program: with it alone",
    )
    parser.add_argument(
        "--baseline", metavar="NAME", help="nothing or everything, instead of a model"
    )
    parser.add_argument("--threshold", type=float, default=0.5, help="of a pixel (default 0.5)")
    parser.add_argument(
        "--presence", type=float, default=0.5, help="below it 'not here'; 0: never (default 0.5)"
    )
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    parser.add_argument(
        "--gsd",
        type=float,
        metavar="M",
        help="ground resolution of images that do not say theirs, in metres",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="N texts, drawn with a fixed seed")
    parser.add_argument("--sheet", type=Path, metavar="PNG", help="best, median and worst answers")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.set_defaults(run=run_text)


def _add_points_parser(protocols: argparse._SubParsersAction) -> None:
    parser = protocols.add_parser(
        "points",
        help="labelled point clouds: IoU of each class, mIoU, OA, along the label graph, ground filter errors",
        description="DIR is a folder of labelled clouds (LAS, LAZ, PLY, PCD, text) as a benchmark publishes it, or what "
        "'cityseg train clouds' wrote. Labels are erased before the run. See docs/evaluation-points.md.",
    )
    parser.add_argument("dataset", type=Path, metavar="DIR")
    parser.add_argument(
        "--profile",
        metavar="NAME",
        help="what the labels mean: a data set's name, or a JSON file (default: generated where the clouds hold cityseg_truth, "
        "else asprs)",
    )
    parser.add_argument("--model", help="model to measure (default: default-3d)")
    parser.add_argument(
        "--zero-shot",
        action="store_true",
        help="ask for the data set's classes by their names; of generated clouds, for the leaves that training never saw",
    )
    parser.add_argument(
        "--split", metavar="NAME", help="only clouds with this word in their name or folder (test)"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="measure the first N clouds")
    parser.add_argument(
        "--threshold",
        type=float,
        default=0.0,
        metavar="P",
        help="below it a point falls back to the class above (default 0: never, as benchmarks want it)",
    )
    parser.add_argument("--threads", type=int, metavar="N", help="default: all cores")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    parser.add_argument(
        "--sheet", type=Path, metavar="PNG", help="truth, answer and errors from above"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.set_defaults(run=run_points)


def run_interactive(args: argparse.Namespace) -> int:
    """Run the click protocol and print its table or JSON."""
    from inference_backend.evaluation.instance_folder import find_pairs, list_objects
    from inference_backend.evaluation.interactive import best_segmenter, evaluate_objects, summarise
    from inference_backend.evaluation.report import check_report_folder, table, write_report
    from inference_backend.evaluation.segmenters import ModelSegmenter, baseline

    if args.max_objects is not None and args.max_objects < 1:
        raise InvalidInput("--max-objects is a number of objects, 1 or more.")
    if args.out:
        check_report_folder(args.out)
    candidates = [baseline(name) for name in args.baseline]
    records = list_objects(
        find_pairs(args.dataset), args.min_pixels, args.max_objects, args.components
    )
    if args.model or not args.baseline:
        from inference_backend.models import registry

        candidates.insert(
            0, [ModelSegmenter(registry.get(args.model or registry.DEFAULT_2D, args.device))]
        )
    results, scores = [], []
    for choices in candidates:
        segmenter = best_segmenter(records, choices, args.components)
        objects = evaluate_objects(
            records, segmenter, components=args.components, progress=_progress
        )
        results.append({"name": segmenter.name, **summarise(objects)})
        scores.append(objects)
    # First what was measured, then what may fail.
    sys.stdout.write((json.dumps(results) if args.json else table(results)) + "\n")
    for path in write_report(args.out, results, scores) if args.out else ():
        sys.stderr.write(f"wrote {path}\n")
    return 0


def run_text(args: argparse.Namespace) -> int:
    """Run a text protocol and print its table or JSON."""
    from inference_backend.evaluation.text_command import TextOptions, evaluate_folder, write_sheet
    from inference_backend.evaluation.text_report import table

    options = TextOptions(
        task=None if args.protocol_name == "text" else args.protocol_name,
        format=args.format,
        split=args.split,
        protocol=args.protocol,
        canvas=args.canvas,
        sentences=args.sentences,
        model=args.model,
        path=args.path,
        baseline=args.baseline,
        threshold=args.threshold,
        presence=args.presence,
        device=args.device,
        limit=args.limit,
        gsd_m=args.gsd,
        sheet=args.sheet,
    )
    report, run = evaluate_folder(args.dataset, options, _progress)
    # First what was measured, then what may fail.
    sys.stdout.write((json.dumps(report) if args.json else table(report)) + "\n")
    if args.sheet:
        write_sheet(args.sheet, report, run)
        sys.stderr.write(f"wrote {args.sheet}\n")
    return 0


def run_points(args: argparse.Namespace) -> int:
    """Measure labelled clouds and print the table or JSON."""
    from inference_backend.evaluation.points_command import (
        PointsOptions,
        evaluate_points,
        write_points_sheet,
    )
    from inference_backend.evaluation.points_report import table

    options = PointsOptions(
        profile=args.profile,
        model=args.model,
        zero_shot=args.zero_shot,
        split=args.split,
        limit=args.limit,
        threshold=args.threshold,
        threads=args.threads,
        device=args.device,
        sheet=args.sheet,
    )
    measured = evaluate_points(args.dataset, options, _progress)
    # First what was measured, then what may fail.
    sys.stdout.write((json.dumps(measured.report) if args.json else table(measured.report)) + "\n")
    if args.sheet:
        write_points_sheet(args.sheet, measured)
        sys.stderr.write(f"wrote {args.sheet}\n")
    return 0


def _progress(fraction: float, message: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{fraction:4.0%} {message}\033[K" + ("\n" if fraction >= 1 else ""))
        sys.stderr.flush()
