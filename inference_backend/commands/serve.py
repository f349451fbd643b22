"""`cityseg serve`: answer requests in frames on standard input and output, for the plugin or through ssh."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from inference_backend import stdio
from inference_backend.arguments import Parser

if TYPE_CHECKING:
    from inference_backend.serve import Server


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the subcommand; see `cli`."""
    parser = subparsers.add_parser(
        "serve", help="answer requests of the QGIS plugin on stdin and stdout"
    )
    _add_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until the end of input, `shutdown` or the parent's end."""
    channel = stdio.reserve()
    from inference_backend.serve import serve

    def watch(server: Server) -> None:
        if args.parent_pid:
            from inference_backend.parent import watch_parent

            watch_parent(args.parent_pid, lambda: _leave(server))

    try:
        serve(channel, args.device, watch)
    except KeyboardInterrupt:
        sys.stderr.write("cityseg: interrupted\n")
    sys.stderr.flush()
    # Not `return`: a library that is still working in the worker's thread would hold up, or crash, the exit.
    os._exit(0)


def main(argv: list[str]) -> int:
    """The same without the other commands, for a quick start."""
    parser = Parser(prog="cityseg serve", description=__doc__)
    _add_arguments(parser)
    return run(parser.parse_args(argv))


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    parser.add_argument(
        "--parent-pid", type=int, default=0, help="end when the process of this number has ended"
    )


def _leave(server: Server) -> None:
    """The parent is gone although standard input is open: stop the work, then the process."""
    server.close()
    server.wait()
    os._exit(0)
