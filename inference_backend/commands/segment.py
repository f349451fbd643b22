"""`cityseg segment`: prompts on a raster become features in a file."""

from __future__ import annotations

import argparse
import json
import re
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

from inference_backend.errors import InvalidInput

if TYPE_CHECKING:
    from inference_backend.cancel import CancelToken
    from inference_backend.segment import SegmentJob

_TEXT_COMES = (
    "{flag} needs the language model, which comes with version 0.2; this version takes clicks, boxes, scribbles and "
    "lassos: give --prompts FILE."
)
_TEXT_TASKS = ("referring", "reasoning")


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `segment`."""
    parser = subparsers.add_parser(
        "segment",
        help="segment objects of a raster from prompts",
        description="Segment objects of a raster from prompts and save their outlines. "
        "The output's CRS is the raster's (GeoJSON: longitude and latitude).",
    )
    # West of Greenwich an extent starts with a minus: argparse must not take it for a flag.
    parser._negative_number_matcher = re.compile(r"-\.?\d")
    parser.add_argument("source", metavar="SOURCE", help="a raster: anything that GDAL reads")
    parser.add_argument("--out", required=True, metavar="OUT", help=".gpkg, .shp, .geojson or .fgb")
    _add_asked(parser.add_argument_group("what to segment"))
    _add_seen(parser.add_argument_group("what the model sees"))
    _add_made(parser.add_argument_group("what is made of it"))
    parser.set_defaults(run=run)


def _add_asked(asked: argparse._ArgumentGroup) -> None:
    asked.add_argument(
        "--prompts", metavar="FILE", help="GeoJSON, GeoPackage or Shapefile, one feature a prompt"
    )
    asked.add_argument(
        "--pixel", action="store_true", help="prompts are GeoJSON in (column, row) of the image"
    )
    asked.add_argument(
        "--class", dest="class_name", default="", metavar="NAME", help="class of all objects"
    )
    asked.add_argument(
        "--extent", metavar="XMIN,YMIN,XMAX,YMAX", help="clip the result, in the raster's CRS"
    )
    asked.add_argument("--text", metavar="TEXT", help="from version 0.2")
    asked.add_argument("--ask", metavar="QUESTION", help="from version 0.2")
    asked.add_argument("--classes", metavar="A,B,C", help="from version 0.2")
    asked.add_argument(
        "--task", default="auto", choices=("auto", "referring", "interactive", "reasoning")
    )


def _add_seen(seen: argparse._ArgumentGroup) -> None:
    seen.add_argument("--bands", metavar="R,G,B", help="one or three bands, counted from 1")
    seen.add_argument(
        "--stretch",
        metavar="STRETCH",
        help="none, percentile, percentile:2,98, minmax:LOW,HIGH; default: none for 8 bits, else percentile",
    )
    seen.add_argument(
        "--model", default="default-2d", metavar="MODEL", help="see 'cityseg models list'"
    )
    seen.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))


def _add_made(made: argparse._ArgumentGroup) -> None:
    made.add_argument(
        "--mask", metavar="MASK.tif", help="also write a label raster on the source's grid"
    )
    made.add_argument(
        "--min-area", type=float, default=0.0, metavar="M2", help="drop specks and holes below"
    )
    made.add_argument(
        "--tolerance", type=float, metavar="M", help="of outlines; default: half a pixel"
    )
    made.add_argument(
        "--regularize",
        default="auto",
        choices=("auto", "none", "building"),
        help="auto is none in this version",
    )
    made.add_argument(
        "--json", action="store_true", help="print one JSON document instead of a table"
    )


def run(args: argparse.Namespace) -> int:
    """Run the job; the table or the JSON document goes to stdout, progress to a terminal's stderr."""
    job = _job(args)
    from inference_backend.cancel import CancelToken
    from inference_backend.segment import run_segment

    cancel = CancelToken()
    with _Signals(cancel), _ProgressLine() as line:
        summary = run_segment(job, line.show, cancel)
    sys.stdout.write(
        json.dumps(summary, ensure_ascii=False) + "\n" if args.json else _table(summary)
    )
    return 0


def _job(args: argparse.Namespace) -> SegmentJob:
    for flag in ("text", "ask", "classes"):
        if getattr(args, flag) is not None:
            raise InvalidInput(_TEXT_COMES.format(flag=f"--{flag}"))
    if args.task in _TEXT_TASKS:
        raise InvalidInput(_TEXT_COMES.format(flag=f"--task {args.task}"))
    if args.regularize == "building":
        raise InvalidInput(
            "--regularize building comes with a later version; leave it out to keep the outlines as they were seen."
        )
    if not args.prompts:
        raise InvalidInput(
            "Nothing was asked for; give --prompts FILE with clicks, boxes, scribbles or lassos."
        )
    from inference_backend.predict import AnswerOptions
    from inference_backend.segment import SegmentJob

    bands = _numbers(args.bands, "--bands", (1, 3))
    if bands and not all(band.is_integer() for band in bands):
        raise InvalidInput("--bands takes whole numbers, counted from 1.")
    extent = _numbers(args.extent, "--extent", (4,))
    return SegmentJob(
        source=args.source,
        prompts=args.prompts,
        out=args.out,
        pixel=args.pixel,
        bands=None if bands is None else tuple(int(band) for band in bands),
        stretch=args.stretch,
        model=args.model,
        device=args.device,
        extent=None if extent is None else (extent[0], extent[1], extent[2], extent[3]),
        mask=args.mask,
        class_name=args.class_name,
        options=AnswerOptions(
            tolerance_m=args.tolerance, min_area_m2=args.min_area, regularize=args.regularize
        ),
    )


def _numbers(text: str | None, flag: str, counts: Sequence[int]) -> list[float] | None:
    if text is None:
        return None
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise InvalidInput(f"{flag} takes numbers with commas between, not '{text}'.") from error
    if len(values) not in counts:
        raise InvalidInput(
            f"{flag} takes {' or '.join(map(str, counts))} numbers, not {len(values)}."
        )
    return values


def _table(summary: dict[str, Any]) -> str:
    """One line an object, then where it went."""
    head = ("object", "class", "score", "area m²", "ms", "vertices")
    lines = [head, *(_line(entry) for entry in summary["objects"])]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    rows = ["  ".join(_aligned(line, widths)).rstrip() for line in lines]
    count = summary["features"]
    rows.append(
        f"{count} feature{'' if count == 1 else 's'} in {summary['out']}, by {summary['model']} on {summary['device']}"
    )
    return "\n".join(rows) + "\n"


def _line(entry: dict[str, Any]) -> tuple[str, ...]:
    area = "-" if entry["area_m2"] is None else f"{entry['area_m2']:.1f}"
    if entry["empty"]:
        area = "empty"
    return (
        str(entry["object"]),
        entry["class"] or "-",
        f"{entry['score']:.2f}",
        area,
        f"{entry['milliseconds']:.0f}",
        str(entry["n_vertices"]),
    )


def _aligned(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Words to the left, numbers to the right."""
    return [
        cell.ljust(width) if at < 2 else cell.rjust(width)
        for at, (cell, width) in enumerate(zip(line, widths))
    ]


class _Signals:
    """An interrupt or a termination cancels the job, so that it cleans up after itself."""

    def __init__(self, cancel: CancelToken) -> None:
        self._cancel = cancel
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._on_signal)

    def __exit__(self, *exc_info: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._cancel.cancelled:
            raise KeyboardInterrupt  # asked twice: do not wait for the step under way
        self._cancel.cancel()


class _ProgressLine:
    """One line on a terminal, written over; nothing where stderr is a file or a pipe."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._width = 0

    def __enter__(self) -> _ProgressLine:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
            sys.stderr.flush()

    def show(self, fraction: float, message: str) -> None:
        if not self._shown:
            return
        line = f"{fraction:4.0%}  {message}"
        sys.stderr.write("\r" + line.ljust(self._width))
        sys.stderr.flush()
        self._width = max(self._width, len(line))
