"""`cityseg models`: what models there are, what they need, and fetching, checking, registering or removing their weights."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_REPORT_EVERY_S = 0.5


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """`cityseg models list|info|download|verify|remove|register`."""
    parser = subparsers.add_parser("models", help="list, fetch, check, register and remove models")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _action(
        actions, "list", _list, "every model, whether it can be used, what for, and how to get it"
    )
    _named(_action(actions, "info", _info, "all that is known of one model"))
    fetch = _named(
        _action(actions, "download", _download, "fetch a model's weights; resumes and verifies")
    )
    fetch.add_argument("--url", help="a mirror; the file must be the same, byte for byte")
    _named(
        _action(actions, "verify", _verify, "compare a model's weights with the published digest")
    )
    _named(
        _action(
            actions, "remove", _remove, "delete downloaded weights, or forget a registered file"
        )
    )
    register = _named(
        _action(actions, "register", _register, "use a checkpoint that is already on this machine")
    )
    register.add_argument(
        "path",
        metavar="PATH",
        type=Path,
        help="a SAM or CLIP checkpoint, a .safetensors (also one for point clouds), or the folder of a UniGeoSeg",
    )


def _action(
    actions: argparse._SubParsersAction,
    name: str,
    run: Callable[[argparse.Namespace], int],
    about: str,
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=about, description=about)
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.set_defaults(run=run)
    return parser


def _named(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("name", metavar="NAME", help="a name from 'cityseg models list'")
    return parser


def _list(args: argparse.Namespace) -> int:
    from inference_backend.models import registry

    cards = registry.cards()
    width = max(len(card.id) for card in cards)
    lines = [
        f"{card.id:<{width}}  {'ready' if card.available else '-':<5}  {card.extra['kind']:<12}  {card.title}"
        for card in cards
    ]
    lines += [f"\n{card.why_not}" for card in cards if card.why_not]
    return _answer(args, [dataclasses.asdict(card) for card in cards], lines)


def _info(args: argparse.Namespace) -> int:
    from inference_backend.models import registry
    from inference_backend.weights.catalogue import entries

    facts: dict[str, Any] = dataclasses.asdict(registry.card(args.name))
    facts |= facts.pop("extra")
    record = entries().get(args.name)
    if record is not None:
        facts |= {
            "file": record.file,
            "url": record.url,
            "sha256": record.sha256,
            "gated": record.gated,
        }
    return _answer(args, facts, [f"{key + ':':<16}{_shown(value)}" for key, value in facts.items()])


def _download(args: argparse.Namespace) -> int:
    from inference_backend.download import download
    from inference_backend.weights.catalogue import entry

    record = entry(args.name)
    path = download(record, url=args.url, progress=_progress(record.file))
    return _answer(args, {"name": args.name, "path": str(path)}, [f"{args.name} is ready: {path}"])


def _verify(args: argparse.Namespace) -> int:
    from inference_backend.errors import InvalidInput
    from inference_backend.weights import store

    found = store.verify(args.name, progress=_progress(f"reading {args.name}"))
    if args.json or found.ok is not False:
        lines = [f"{found.path}: {found.message}", f"{found.bytes} bytes, SHA-256 {found.sha256}"]
        _answer(args, dataclasses.asdict(found), lines)
    if found.ok is False:
        raise InvalidInput(
            f"{found.path} is not the published {args.name}: {found.message}; run 'cityseg models remove {args.name}' "
            "and download it again."
        )
    return 0


def _remove(args: argparse.Namespace) -> int:
    from inference_backend.weights import store

    done = store.remove(args.name)
    return _answer(
        args, {"name": args.name, "done": done}, done or [f"There was nothing of {args.name}."]
    )


def _register(args: argparse.Namespace) -> int:
    from inference_backend.models import registry
    from inference_backend.models.families import is_folder_of_weights
    from inference_backend.weights import store

    path = args.path.expanduser()
    if is_folder_of_weights(path) or (
        path.is_file() and path.suffix.lower() in store.CHECKPOINT_SUFFIXES
    ):
        # A wrong file is refused now and not at the first click.
        registry.check_file(args.name, path)
    path = store.register(args.name, path)
    return _answer(args, {"name": args.name, "path": str(path)}, [f"{args.name} now uses {path}"])


def _answer(args: argparse.Namespace, facts: Any, lines: list[str]) -> int:
    text = json.dumps(facts, indent=2, default=str) if args.json else "\n".join(lines)
    sys.stdout.write(text + "\n")
    return 0


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (
        ", ".join(map(str, value))
        if isinstance(value, (list, tuple))
        else "-"
        if value is None
        else str(value)
    )


def _progress(what: str) -> Callable[[int, int], None] | None:
    """A line on stderr that is written over, on a terminal; nothing where stderr is a file or a pipe."""
    if not sys.stderr.isatty():
        return None
    last = [0.0]

    def report(done: int, total: int) -> None:
        now = time.monotonic()
        if now - last[0] < _REPORT_EVERY_S and done < total:
            return
        last[0] = now
        end = "\n" if done >= total else ""
        sys.stderr.write(f"\r{what}: {done / 1e6:.0f} of {total / 1e6:.0f} MB{end}")
        sys.stderr.flush()

    return report
