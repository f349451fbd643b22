"""A folder of real wheels, made on the spot: an installation without network and without gigabytes."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import stat
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def uv_folder() -> str:
    """Where the uv that `make env` used lies."""
    private = ROOT / ".cache" / "uv" / "bin"
    uv = shutil.which("uv", path=os.pathsep.join([os.environ.get("PATH", ""), str(private)]))
    if uv is None:
        raise RuntimeError("uv is missing: run `make env` first")
    return str(Path(uv).parent)


def make_wheel(folder: Path, name: str, version: str, code: str, asks_for: str = "") -> str:
    """Write a pure Python wheel with one module, which may ask for another; returns its line for a requirements file."""
    files = {f"{name}.py": code.encode()}
    return _write_wheel(folder, name, version, files, "py3-none-any", asks_for)


def make_program_wheel(folder: Path, name: str, version: str, program: Path) -> str:
    """Write a wheel whose command `name` starts `program`, which is on this machine."""
    # The PATH of now: a version manager's stand-in for the program needs it.
    script = f"""#!/bin/sh\nPATH='{os.environ["PATH"]}' exec "{program}" "$@"\n"""
    return _write_wheel(
        folder,
        name,
        version,
        {f"{name}-{version}.data/scripts/{name}": script.encode()},
        "py3-none-any",
    )


def _write_wheel(
    folder: Path, name: str, version: str, files: dict[str, bytes], tag: str, asks_for: str = ""
) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    more = f"Requires-Dist: {asks_for}\n" if asks_for else ""
    info = f"{name}-{version}.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
    }
    record = "".join(f"{path},sha256={_digest(data)},{len(data)}\n" for path, data in files.items())
    files[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\n").encode()
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, data in files.items():
            entry = zipfile.ZipInfo(inside)
            mode = 0o755 if "/scripts/" in inside else 0o644
            entry.external_attr = (stat.S_IFREG | mode) << 16
            archive.writestr(entry, data)
    return (
        f"{name}=={version} \\\n    --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"
    )


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
