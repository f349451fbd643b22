"""`cityseg run`: a job file through the same code as `cityseg segment` and the process."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from inference_backend.commands.segment import ProgressLine, Signals, read_json, show
from inference_backend.errors import InvalidInput


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add `run`."""
    parser = subparsers.add_parser(
        "run",
        help="run a job file",
        description="Run a job: a JSON object with the parameters of the process's method 'segment', and 'out'; with "
        "\"kind\": \"classify\" those of the method 'classify'.",
    )
    parser.add_argument("job", metavar="JOB", help="a JSON file")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document instead of a table"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the job; what it did goes to stdout, progress to a terminal's stderr."""
    values = read_json(args.job, "job")
    if not isinstance(values, Mapping):
        raise InvalidInput(f"'{args.job}' is no job: it must hold a JSON object.")
    kind = values.get("kind", "segment")
    if kind == "classify":
        from inference_backend.commands.classify import run_job

        return run_job(dict(values), args.json)
    if kind != "segment":
        raise InvalidInput(f"'{kind}' is no kind of job; there are classify and segment.")
    values = {name: value for name, value in values.items() if name != "kind"}
    from inference_backend.cancel import CancelToken
    from inference_backend.segment import SegmentJob, run_segment
    from inference_backend.text_job import TextJob, asks_in_words, run_text_job

    cancel = CancelToken()
    with Signals(cancel), ProgressLine() as line:
        if asks_in_words(values):
            job = TextJob.from_json(values)
            if not job.out:
                raise InvalidInput(f"'{args.job}' names no 'out': the file to write.")
            summary = run_text_job(job, line.show, cancel, keep=True)
        else:
            summary = run_segment(SegmentJob.from_json(values), line.show, cancel)
    return show(summary, args.json)
