"""The `cityseg` command: one module a subcommand, found in `commands`."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import pkgutil
import sys

from inference_backend import commands
from inference_backend.arguments import Parser
from inference_backend.errors import CitySegError, InvalidInput


def build_parser() -> argparse.ArgumentParser:
    """Every module of `commands` adds its own parser; none may import anything heavy to do so."""
    parser = Parser(
        prog="cityseg",
        description="Prompt rasters and point clouds; answers become features in your GIS.",
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in sorted(pkgutil.iter_modules(commands.__path__), key=lambda m: m.name):
        command = importlib.import_module(f"{commands.__name__}.{module.name}")
        # A module without one declares part of another's command.
        if hasattr(command, "add_parser"):
            command.add_parser(subparsers)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand. Exit code 0 on success, 2 on bad input with one line on stderr."""
    args = build_parser().parse_args(argv)
    try:
        code = int(args.run(args) or 0)
        # Here, and not at the interpreter's end, where nobody could say what went wrong.
        sys.stdout.flush()
        return code
    except CitySegError as error:
        sys.stderr.write(f"cityseg: {error.user_message}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("cityseg: Cancelled.\n")
        return 130
    except BrokenPipeError:
        _drop_output()
        return 1
    except (MemoryError, ImportError, OSError, RuntimeError) as error:
        return _fault(error)


def _fault(error: Exception) -> int:
    """A full disk, no memory, a missing library: a sentence. Anything else is ours, and its traceback is wanted."""
    from inference_backend.dispatch import known_sentence

    sentence = known_sentence(error)
    if sentence is None:
        raise error
    _drop_output()
    sys.stderr.write(f"cityseg: {sentence}\n")
    # A full disk is for the user to mend, as a wrong file is.
    return InvalidInput.exit_code if isinstance(error, OSError) else CitySegError.exit_code


def _drop_output() -> None:
    """What is still to be written to a reader that left, or to a full disk, would fail again at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    with contextlib.suppress(OSError, ValueError):
        os.dup2(null, sys.stdout.fileno())
    os.close(null)


if __name__ == "__main__":
    sys.exit(main())
