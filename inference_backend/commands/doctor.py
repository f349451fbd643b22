"""`cityseg doctor`: a report of versions, devices, paths, models and a self-test, to paste into a bug report."""

from __future__ import annotations

import argparse
import json
import sys


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the subcommand; see `cli`."""
    parser = subparsers.add_parser(
        "doctor", help="report versions, devices, paths, models and a self-test"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    parser.add_argument(
        "--no-self-test", action="store_true", help="do not load and run the default model"
    )
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the report; exit code 1 where something needs mending."""
    from inference_backend.doctor import examine

    report = examine(args.device, self_test=not args.no_self_test)
    text = (
        json.dumps(report.to_json(), indent=2, default=str) + "\n"
        if args.json
        else report.to_markdown()
    )
    sys.stdout.write(text)
    return 0 if report.healthy else 1
