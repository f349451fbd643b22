"""Where weights lie on this machine, which ones the user registered by path, and whether a file is whole."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from inference_backend.cancel import CancelToken
from inference_backend.errors import InvalidInput, ResourceProblem
from inference_backend.weights.catalogue import CatalogueEntry, entries, entry

SHIPPED_FOLDER = Path(__file__).parent
CHECKPOINT_SUFFIXES = (".pth", ".pt", ".safetensors")
_HASH_CHUNK_BYTES = 4 << 20
_NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Verification:
    """What checking one file found. `ok` is None where the catalogue has no digest to compare with."""

    name: str
    path: Path
    bytes: int
    sha256: str
    ok: bool | None
    message: str


def data_home() -> Path:
    """The per-user folder for what CitySeg keeps; `CITYSEG_HOME` overrides it. Not created here."""
    chosen = os.environ.get("CITYSEG_HOME")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        # LOCALAPPDATA, not APPDATA: gigabytes must not roam with a Windows profile.
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "CitySeg"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "CitySeg"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "cityseg"


def weights_folder() -> Path:
    """Where downloads land."""
    return data_home() / "weights"


def expected_path(record: CatalogueEntry) -> Path:
    """Where the file of a catalogue entry belongs, whether or not it is there."""
    return (SHIPPED_FOLDER if record.ships else weights_folder()) / record.file


def registered() -> dict[str, Path]:
    """The checkpoints that the user pointed at, by name. A damaged list is an error: it is the user's own."""
    path = _registry_file()
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): Path(record) for name, record in records.items()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ResourceProblem(
            f"Could not read {path}: {error.strerror}; set CITYSEG_HOME to a folder of yours.",
            str(error),
        ) from error
    except (ValueError, AttributeError, TypeError) as error:
        raise InvalidInput(
            f"The list of registered models {path} is damaged; correct or delete it.", str(error)
        ) from error


def register(name: str, path: Path) -> Path:
    """Remember `path`, a file or a folder with a `config.json`, under `name` (a catalogue name or a new one); returns the
    absolute path.
    """
    path = Path(path).expanduser()
    if not _NAME_PATTERN.fullmatch(name):
        raise InvalidInput(
            f"'{name}' cannot be a model's name; use lower-case letters, digits, '-', '_' and '.'."
        )
    if name in entries() and entry(name).ships:
        raise InvalidInput(
            f"'{name}' ships with CitySeg and cannot be replaced; register under another name."
        )
    is_folder = (path / "config.json").is_file()
    if not path.is_file() and not is_folder:
        raise InvalidInput(f"There is no file {path}; give the path of a checkpoint.")
    if path.suffix.lower() not in CHECKPOINT_SUFFIXES and not is_folder:
        raise InvalidInput(
            f"{path.name} is not a checkpoint; use a {', '.join(CHECKPOINT_SUFFIXES)} file."
        )
    _write_registry({**registered(), name: path.resolve()})
    return path.resolve()


def unregister(name: str) -> bool:
    """Forget a registered path (the file stays); returns whether there was one."""
    known = registered()
    if known.pop(name, None) is None:
        return False
    _write_registry(known)
    return True


def locate(name: str) -> Path | None:
    """The file behind a model name: registered first, then downloaded or shipped; None where there is none."""
    path = registered().get(name)
    if path is None and name in entries():
        path = expected_path(entry(name))
    return path if path is not None and path.exists() else None


def remove(name: str) -> list[str]:
    """Forget a registration and delete a download (also half of one); returns a line for each thing done."""
    record = entries().get(name)
    if record is not None and record.ships:
        raise InvalidInput(f"'{name}' ships with CitySeg and is not removed.")
    if record is None and name not in registered():
        raise InvalidInput(f"There is no model '{name}' to remove; see 'cityseg models list'.")
    done = []
    registered_path = registered().get(name)
    if unregister(name):
        done.append(f"Forgot {registered_path}; the file was left where it is.")
    if record is not None:
        target = expected_path(record)
        for path in (target, partial_path(target)):
            try:
                path.unlink()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise ResourceProblem(
                    f"Could not delete {path}: {error.strerror}.", str(error)
                ) from error
            done.append(f"Deleted {path}.")
    return done


def partial_path(target: Path) -> Path:
    """The file that a download grows in until it is whole."""
    return target.with_name(target.name + ".part")


def verify(
    name: str, progress: Callable[[int, int], None] | None = None, cancel: CancelToken | None = None
) -> Verification:
    """Read the whole file behind `name` and compare size and digest with the catalogue."""
    path = locate(name)
    if path is None:
        if name not in entries() and name not in registered():
            entry(name)
        raise InvalidInput(
            f"The weights of '{name}' are not on this machine; run 'cityseg models download {name}'."
        )
    size = path.stat().st_size
    digest = file_sha256(path, progress, cancel)
    record = entries().get(name)
    if record is None or record.sha256 is None:
        return Verification(
            name, path, size, digest, None, "readable; the catalogue has no digest for it"
        )
    if digest == record.sha256:
        return Verification(name, path, size, digest, True, "whole and unchanged")
    if record.bytes is not None and size < record.bytes:
        return Verification(name, path, size, digest, False, f"only {size} of {record.bytes} bytes")
    return Verification(name, path, size, digest, False, "differs from the published file")


def file_sha256(
    path: Path,
    progress: Callable[[int, int], None] | None = None,
    cancel: CancelToken | None = None,
) -> str:
    """SHA-256 of a file, lower-case hex; `progress(bytes_done, bytes_total)`."""
    total, done, digest = path.stat().st_size, 0, hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_HASH_CHUNK_BYTES):
                if cancel is not None:
                    cancel.check()
                digest.update(chunk)
                done += len(chunk)
                if progress is not None:
                    progress(done, total)
    except OSError as error:
        raise ResourceProblem(f"Could not read {path}: {error.strerror}.", str(error)) from error
    return digest.hexdigest()


def _registry_file() -> Path:
    return data_home() / "registered-models.json"


def _write_registry(records: dict[str, Path]) -> None:
    path = _registry_file()
    text = json.dumps({name: str(where) for name, where in sorted(records.items())}, indent=2)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise ResourceProblem(f"Could not write {path}: {error.strerror}.", str(error)) from error
