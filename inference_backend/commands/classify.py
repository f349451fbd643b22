"""`cityseg classify`: a point cloud becomes a classified one, and outlines and rasters where they are wanted."""

from __future__ import annotations

import argparse
import json
import re
import sys
from typing import Any

from inference_backend.commands.segment import ProgressLine, Signals

_HEAD = ("code", "class", "points", "share", "confidence")


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `classify`."""
    parser = subparsers.add_parser(
        "classify",
        help="classify a point cloud, by known classes or by your own words",
        description="Classify a LAS, LAZ, COPC, EPT or VPC point cloud. Every point, its order, coordinates and dimensions stay; "
        "'classification' is set, 'cityseg_conf' and 'cityseg_label' are added. The source is never changed.",
    )
    # West of Greenwich an extent starts with a minus: argparse must not take it for a flag.
    parser._negative_number_matcher = re.compile(r"-\.?\d")
    parser.add_argument("source", metavar="CLOUD", help=".las, .laz, .copc.laz, ept.json or .vpc")
    parser.add_argument(
        "--out", required=True, metavar="OUT", help=".las, .laz, .copc.laz, or a folder for EPT"
    )
    _add_asked(parser.add_argument_group("what to look for"))
    _add_made(parser.add_argument_group("what else is made of it"))
    _add_run(parser.add_argument_group("how it is run"))
    parser.set_defaults(run=run)


def _add_asked(asked: argparse._ArgumentGroup) -> None:
    asked.add_argument(
        "--classes",
        metavar="A,B,C",
        help="these and nothing else, such as 'building, tree, car, power line'; default: all known classes",
    )
    asked.add_argument(
        "--add",
        action="append",
        metavar="NAME[:PARENT]",
        help="a class of your own, such as 'greenhouse:building'; may be repeated",
    )
    asked.add_argument(
        "--threshold",
        type=float,
        metavar="P",
        help="probability from which a class is believed; below it the class above is taken; default: 0.35",
    )
    asked.add_argument(
        "--extent", metavar="XMIN,YMIN,XMAX,YMAX", help="these points only, in the cloud's CRS"
    )
    asked.add_argument(
        "--crs", metavar="CRS", help="such as EPSG:2154, where the file names none or a wrong one"
    )


def _add_made(made: argparse._ArgumentGroup) -> None:
    made.add_argument(
        "--vectors",
        metavar="FILE",
        help="buildings, trees, water, roads and wires: .gpkg, or .shp or a folder for Shapefiles",
    )
    made.add_argument(
        "--layers",
        metavar="A,B,C",
        help="which outlines: buildings, trees, crowns, water, roads, wires; default: all",
    )
    made.add_argument("--dtm", metavar="FILE.tif", help="heights of the ground as a raster")
    made.add_argument("--hag", metavar="FILE.tif", help="heights above ground as a raster")


def _add_run(how: argparse._ArgumentGroup) -> None:
    how.add_argument(
        "--model", default="default-3d", metavar="MODEL", help="see 'cityseg models list'"
    )
    how.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    how.add_argument("--threads", type=int, metavar="N", help="default: one a core")
    how.add_argument(
        "--json", action="store_true", help="print one JSON document instead of a table"
    )


def run(args: argparse.Namespace) -> int:
    """Run the job; the table or the JSON document goes to stdout, progress to a terminal's stderr."""
    names = (
        "source out classes add threshold extent crs vectors layers dtm hag model device threads"
    )
    return run_job({name: getattr(args, name) for name in names.split()}, args.json)


def run_job(values: dict[str, Any], as_json: bool) -> int:
    """Run a job given by the names of its fields, and print what it did."""
    from inference_backend.cancel import CancelToken
    from inference_backend.classify_job import run_classify_job
    from inference_backend.classify_request import ClassifyJob

    job = ClassifyJob.from_json(values)
    cancel = CancelToken()
    with Signals(cancel), ProgressLine() as line:
        summary = run_classify_job(job, cancel, line.show)
    sys.stdout.write(json.dumps(summary, ensure_ascii=False) + "\n" if as_json else _table(summary))
    return 0


def _table(summary: dict[str, Any]) -> str:
    """One line a class, then what is to be known, then where it all went."""
    lines = [_HEAD] + [
        (
            str(one["code"]),
            one["name"],
            f"{one['count']:,}",
            f"{100 * one['share']:.1f} %",
            f"{one['mean_conf']:.2f}",
        )
        for one in summary["classes"]
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    rows = [
        "  ".join(
            cell.ljust(width) if at == 1 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    rows += [one["sentence"] for one in summary["placements"] if one["sentence"]]
    rows += summary["warnings"]
    rows.append(summary["sentence"])
    others = [*summary["vectors"], *summary["rasters"]]
    rows += [f"Also wrote {', '.join(others)}"] if others else []
    rate = summary["count"] / max(summary["seconds"], 1e-9)
    rows.append(
        f"Wrote {summary['out']}, by {summary['model']} on {summary['device']} in {summary['seconds']:.1f} s "
        f"({rate:,.0f} points a second)"
    )
    return "\n".join(rows) + "\n"
