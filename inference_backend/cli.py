"""The `cityseg` command: one module a subcommand, found in `commands`."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys

from inference_backend import commands
from inference_backend.errors import CitySegError


def build_parser() -> argparse.ArgumentParser:
    """Every module of `commands` adds its own parser; none may import anything heavy to do so."""
    parser = argparse.ArgumentParser(
        prog="cityseg", description="Prompt rasters and point clouds; answers become features in your GIS."
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in sorted(pkgutil.iter_modules(commands.__path__), key=lambda m: m.name):
        importlib.import_module(f"{commands.__name__}.{module.name}").add_parser(subparsers)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand. Exit code 0 on success, 2 on bad input with one line on stderr."""
    args = build_parser().parse_args(argv)
    try:
        return int(args.run(args) or 0)
    except CitySegError as error:
        sys.stderr.write(f"cityseg: {error.user_message}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("cityseg: Cancelled.\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
