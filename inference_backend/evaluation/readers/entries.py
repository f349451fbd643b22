"""What the readers share: JSON files, entries that may be wrong, and files that may be missing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inference_backend.errors import InvalidInput

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")


def load_json(path: Path) -> Any:
    """The content of a JSON file. Raises InvalidInput with a sentence that names the file."""
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise InvalidInput(f"'{path}' cannot be read ({error.strerror}).", str(error)) from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"'{path}' is not valid JSON ({error}); is it damaged?") from error


def load_entries(path: Path) -> list[Any]:
    """A JSON file that is a list. Raises InvalidInput."""
    content = load_json(path)
    if not isinstance(content, list):
        raise InvalidInput(
            f"'{path}' is not a list of entries but a {type(content).__name__}; see docs/evaluation.md."
        )
    return content


def sentences(value: Any) -> list[str]:
    """One text or a list of texts, without the empty ones. Raises InvalidInput with the end of a sentence."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise InvalidInput("its text is not words")
    texts = [text.strip() for text in texts if text.strip()]
    if not texts:
        raise InvalidInput("it has no text")
    return texts


def existing(name: Any, folders: Sequence[Path]) -> Path:
    """The file of that name in the first folder that has it. Raises InvalidInput with the end of a sentence."""
    if not isinstance(name, str) or not name.strip():
        raise InvalidInput("it names no file")
    # Lists written on Windows.
    relative = name.replace("\\", "/")
    for folder in folders:
        path = folder / relative
        try:
            if path.is_file():
                return path
        except (OSError, ValueError):
            continue
    raise InvalidInput(f"the file '{name}' is not there")


def by_stem(folder: Path, suffixes: Sequence[str]) -> dict[str, Path]:
    """The files of a folder by their name without suffix; empty where there is no such folder."""
    if not folder.is_dir():
        return {}
    return {
        path.stem: path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in suffixes and not path.name.startswith(".")
    }


def fault(name: str, error: InvalidInput) -> str:
    """The sentence about an entry that was left out."""
    return f"{name}: {error.user_message.rstrip('.')}."
