"""The parser of every command: what is wrong with the arguments is one line on stderr, and exit code 2."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """Subparsers are of this class too, since argparse makes them of their parent's."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As the base class, but what nobody knows is refused by the command it was given to, not by its parent."""
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return found, rest

    def error(self, message: str) -> NoReturn:
        """One line instead of the usage, which is many."""
        sentence = " ".join(message.split())
        self.exit(2, f"{self.prog}: {sentence}; see '{self.prog} --help'.\n")
