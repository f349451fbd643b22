"""`cityseg segment`: words, or prompts on a raster, become features in a file."""

from __future__ import annotations

import argparse
import json
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from inference_backend.errors import InvalidInput

if TYPE_CHECKING:
    from inference_backend.cancel import CancelToken
    from inference_backend.predict import AnswerOptions

_WORDS = ("text", "ask", "classes", "program")
_MOST_LINES = 20


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `segment`."""
    parser = subparsers.add_parser(
        "segment",
        help="find things in a raster by words, questions or prompts",
        description="Find things in a raster by words or by prompts and save their outlines: words with --text, --ask, "
        "--classes or --program; clicks, boxes, scribbles and lassos with --prompts; both together with --prompts and --text. "
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
        "--text", metavar="TEXT", help="what to find, such as 'red-roofed buildings near water'"
    )
    asked.add_argument("--ask", metavar="QUESTION", help="such as 'where could a helicopter land?'")
    asked.add_argument("--classes", metavar="A,B,C", help="several things, each of its own class")
    asked.add_argument(
        "--program", metavar="FILE", help="a spatial program (JSON), as an answer carried it"
    )
    asked.add_argument(
        "--prompts", metavar="FILE", help="GeoJSON, GeoPackage or Shapefile, one feature a prompt"
    )
    asked.add_argument(
        "--pixel", action="store_true", help="prompts and areas are GeoJSON in (column, row)"
    )
    asked.add_argument(
        "--find",
        default=None,
        choices=("all", "one"),
        help="all that the words mean (default), or the surest one",
    )
    asked.add_argument(
        "--class",
        dest="class_name",
        default="",
        metavar="NAME",
        help="class of all prompted objects",
    )
    asked.add_argument(
        "--extent", metavar="XMIN,YMIN,XMAX,YMAX", help="look here only, in the raster's CRS"
    )
    asked.add_argument("--area", metavar="FILE", help="look inside these polygons only (for words)")
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
        "--threshold",
        type=float,
        metavar="P",
        help="probability from which a pixel belongs; default: 0.5",
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
    if args.regularize == "building":
        raise InvalidInput(
            "--regularize building comes with a later version; leave it out to keep the outlines as they were seen."
        )
    given = [name for name in _WORDS if getattr(args, name) is not None]
    if len(given) > 1:
        raise InvalidInput(
            f"Give one of --{' and --'.join(given)}: each says by itself what to find."
        )
    if args.prompts:
        if given and given != ["text"]:
            raise InvalidInput(f"--prompts goes together with --text only, not with --{given[0]}.")
        return _run_prompts(args)
    if not given:
        raise InvalidInput(
            "Nothing was asked for; give --text, --ask or --classes, or give --prompts FILE with clicks, boxes, "
            "scribbles or lassos."
        )
    return _run_words(args)


def _run_prompts(args: argparse.Namespace) -> int:
    for flag, value in (("--find", args.find), ("--area", args.area)):
        if value is not None:
            raise InvalidInput(f"{flag} is for words alone; leave it out, or leave --prompts out.")
    if args.task in ("referring", "reasoning"):
        raise InvalidInput(
            f"--task {args.task} is for words alone: give --text or --ask, and leave --prompts out."
        )
    from inference_backend.cancel import CancelToken
    from inference_backend.segment import SegmentJob, run_segment

    job = SegmentJob(
        prompts=args.prompts,
        extent=_extent(args),
        class_name=args.class_name,
        text=args.text or "",
        options=_outline_options(args),
        **_seen(args),
    )
    cancel = CancelToken()
    with Signals(cancel), ProgressLine() as line:
        summary = run_segment(job, line.show, cancel)
    return show(summary, args.json)


def _run_words(args: argparse.Namespace) -> int:
    if args.class_name:
        raise InvalidInput("--class names what prompts show; words name their classes themselves.")
    from inference_backend.cancel import CancelToken
    from inference_backend.text_job import TextJob, run_text_job
    from inference_backend.text_request import request_from_json

    extent = _extent(args)
    asked = {name: getattr(args, name) for name in ("text", "ask", "classes", "find", "task")}
    asked["program"] = None if args.program is None else read_json(args.program, "program")
    asked["area"] = None if extent is None else {"bounds": extent}
    if args.area and extent is not None:
        raise InvalidInput("Give --extent or --area, not both.")
    seen = _seen(args)
    # Of areas only a file's polygons may be in pixels: an extent is in the raster's CRS, with prompts as without.
    seen["pixel"] = args.pixel and extent is None
    job = TextJob(
        request=request_from_json(asked, _outline_options(args)), area_file=args.area, **seen
    )
    cancel = CancelToken()
    with Signals(cancel), ProgressLine() as line:
        summary = run_text_job(job, line.show, cancel, keep=True)
    return show(summary, args.json)


def show(summary: dict[str, Any], as_json: bool) -> int:
    """Print what a job did, for a reader or for a machine; the exit code."""
    if as_json:
        sys.stdout.write(json.dumps(summary, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(_words_table(summary) if "answer" in summary else _table(summary))
    return 0


def read_json(path: str, what: str) -> Any:
    """The JSON value in a file. Raises InvalidInput."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InvalidInput(
            f"'{path}' cannot be read ({error.strerror}); check the path."
        ) from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            f"'{path}' is no valid JSON; give the {what} as it was saved.", str(error)
        ) from error


def _seen(args: argparse.Namespace) -> dict[str, Any]:
    """What both kinds of job have: what is looked at, by whom, and what is written."""
    bands = _numbers(args.bands, "--bands", (1, 3))
    if bands and not all(band.is_integer() for band in bands):
        raise InvalidInput("--bands takes whole numbers, counted from 1.")
    return {
        "source": args.source,
        "out": args.out,
        "pixel": args.pixel,
        "bands": None if bands is None else tuple(int(band) for band in bands),
        "stretch": args.stretch,
        "model": args.model,
        "device": args.device,
        "mask": args.mask,
    }


def _outline_options(args: argparse.Namespace) -> AnswerOptions:
    from inference_backend.predict import AnswerOptions

    given = {} if args.threshold is None else {"threshold": args.threshold}
    return AnswerOptions(
        tolerance_m=args.tolerance, min_area_m2=args.min_area, regularize=args.regularize, **given
    )


def _extent(args: argparse.Namespace) -> tuple[float, float, float, float] | None:
    extent = _numbers(args.extent, "--extent", (4,))
    return None if extent is None else (extent[0], extent[1], extent[2], extent[3])


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


def _words_table(summary: dict[str, Any]) -> str:
    """One line a feature, the surest first, then the answer, what was understood, and where it all went."""
    head = ("object", "class", "score", "area m²")
    surest = sorted(summary["objects"], key=lambda entry: -entry["score"])
    lines = [head] + [
        (
            str(entry["object"]),
            entry["class"] or "-",
            f"{entry['score']:.2f}",
            "-" if entry["area_m2"] is None else f"{entry['area_m2']:.1f}",
        )
        for entry in surest[:_MOST_LINES]
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    rows = ["  ".join(_aligned(line, widths)).rstrip() for line in lines] if surest else []
    if len(surest) > _MOST_LINES:
        rows.append(f"… and {len(surest) - _MOST_LINES:,} more")
    count, tiles = summary["count"], summary["tiles"]["done"]
    rows.append(summary["answer"])
    sentence = summary["understood"]["sentence"]
    rows.append(sentence if sentence.startswith("Understood") else f"Understood: {sentence}")
    rows.append(
        f"{count} feature{'' if count == 1 else 's'} in {summary['out']}, by {summary['model']} on {summary['device']}, "
        f"{tiles} tile{'' if tiles == 1 else 's'} in {summary['milliseconds'] / 1000:.1f} s"
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


class Signals:
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


class ProgressLine:
    """One line on a terminal, written over; nothing where stderr is a file or a pipe."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._width = 0

    def __enter__(self) -> ProgressLine:
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
