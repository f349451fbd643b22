"""The pinned requirements: what they hold, and how much room they need."""

from __future__ import annotations

import hashlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path

# An environment on Linux holds CUDA (6.0 GB measured with torch 2.15); elsewhere the wheels are CPU or Metal builds.
# Downloads are unpacked in uv's cache and linked from there, so a second copy appears only across file systems.
ROOM_LINUX_BYTES = 8_000_000_000
ROOM_OTHER_BYTES = 3_000_000_000
CPU_ROOM_BYTES = 3_000_000_000
# The CUDA libraries that only the registry's Linux build of torch asks for.
_CUDA_NAMES = re.compile(r"^(nvidia-.*|cuda-.*|triton)$")
_TORCH_NAMES = frozenset({"torch", "torchvision"})
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)")


@dataclass(frozen=True)
class Pin:
    """One pinned requirement with its marker and hashes, as its block of lines in the file."""

    name: str
    version: str
    lines: tuple[str, ...]

    @property
    def hashed(self) -> bool:
        """Whether at least one hash is given."""
        return any("--hash=sha256:" in line for line in self.lines)


def read_pins(path: Path) -> list[Pin]:
    """The pins of a requirements file, in order. Raises ValueError for a line that is no pin."""
    pins: list[Pin] = []
    block: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        block.append(line)
        if not line.rstrip().endswith("\\"):
            pins.append(_pin(block, path))
            block = []
    if block:
        raise ValueError(f"{path.name} ends in the middle of a requirement.")
    return pins


def _pin(block: list[str], path: Path) -> Pin:
    match = _PIN.match(block[0])
    if match is None:
        raise ValueError(f"{path.name} has a line that pins nothing: {block[0]!r}")
    return Pin(match.group(1).lower(), match.group(2), tuple(block))


def without_torch(pins: list[Pin]) -> tuple[list[Pin], list[str]]:
    """(the pins without torch and its CUDA libraries, torch's own as `name==version`) for another build of torch."""
    kept = [pin for pin in pins if pin.name not in _TORCH_NAMES and not _CUDA_NAMES.match(pin.name)]
    torch = [f"{pin.name}=={pin.version}" for pin in pins if pin.name in _TORCH_NAMES]
    return kept, torch


def as_text(pins: list[Pin]) -> str:
    """Pins as the text of a requirements file."""
    return "\n".join(line for pin in pins for line in pin.lines) + "\n"


def digest(path: Path) -> str:
    """Eight characters that change whenever the requirements do; names the environment."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:8]


def room_bytes(torch_build: str, platform: str = sys.platform) -> int:
    """Free space to ask for before an installation, in bytes."""
    if torch_build == "cpu":
        return CPU_ROOM_BYTES
    return ROOM_LINUX_BYTES if platform.startswith("linux") else ROOM_OTHER_BYTES
