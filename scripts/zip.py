"""Builds cityseg_qgis.zip: what QGIS's plugin manager installs and plugins.qgis.org takes."""

from __future__ import annotations

import stat
import sys
import zipfile
from pathlib import Path

import stage

TARGET = stage.ROOT / f"{stage.PLUGIN}.zip"
# plugins.qgis.org refuses more.
LIMIT_BYTES = 25_000_000
# A fixed date makes two builds of the same sources the same file.
_DATE = (2026, 1, 1, 0, 0, 0)


def main() -> int:
    """Build the zip and say what it holds."""
    count = build(TARGET)
    size = TARGET.stat().st_size
    sys.stdout.write(f"{TARGET.name}: {count} files, {size / 1e6:.1f} MB\n")
    if size > LIMIT_BYTES:
        sys.stderr.write(
            f"{TARGET.name} is over the plugin repository's limit of {LIMIT_BYTES / 1e6:.0f} MB.\n"
        )
        return 1
    return 0


def build(target: Path, root: Path = stage.ROOT) -> int:
    """Write the zip beside `target`, then rename; returns the number of files."""
    partial = target.with_suffix(".zip.partial")
    count = 0
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for source, inside in stage.shipped_files(root):
            entry = zipfile.ZipInfo(f"{stage.PLUGIN}/{inside.as_posix()}", _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            # A plain file without the executable bit, whatever the checkout's mode: the repository flags executables.
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, source.read_bytes())
            count += 1
    partial.replace(target)
    return count


if __name__ == "__main__":
    sys.exit(main())
