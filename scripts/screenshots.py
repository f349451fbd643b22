"""Opens desktop QGIS under Xvfb with the plugin and a scene, prompts and asks with real mouse and key events, and saves
the pictures of the documentation: docs/img/dock.png, preview.png, accepted.png, refer.png, review.png, ask.png, processing.png, pointcloud.png.

.venv/bin/python scripts/screenshots.py [--out FOLDER] [--raster FILE] [--cloud FILE] [--only prompts|words|processing|clouds]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import qgis_profile  # noqa: E402
import stage  # noqa: E402

FOLDER = stage.ROOT / "build" / "screenshots"
PICTURES = {
    "prompts": ("dock.png", "preview.png", "accepted.png"),
    "words": ("refer.png", "review.png", "ask.png"),
    "processing": ("processing.png",),
    "clouds": ("pointcloud.png", "pointcloud-dock.png"),
}
# A generated city that no training saw.
CLOUD_SEED = "3"
TIMEOUT_S = 900
# Large enough for the dock beside a map, small enough for a page.
SCREEN = "1600x1000x24"


def main() -> int:
    """Make the pictures; 0 where all are there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=stage.ROOT / "docs" / "img")
    parser.add_argument("--raster", type=Path, help="another image than the generated scene")
    parser.add_argument("--cloud", type=Path, help="another point cloud than the generated city")
    parser.add_argument("--only", choices=tuple(PICTURES), help="these pictures alone")
    parser.add_argument("--python", type=Path, default=stage.ROOT / ".venv" / "bin" / "python")
    args = parser.parse_args()
    qgis_profile.remove_profile(FOLDER)
    plugins = qgis_profile.make_profile(
        FOLDER, enabled=True, settings="[locale]\noverrideFlag=true\nuserLocale=en_US\n"
    )
    stage.link_plugin(plugins)
    raster, prompts = _scene(args.raster)
    cloud = _cloud(args.cloud, args.python) if args.only in (None, "clouds") else None
    args.out.mkdir(parents=True, exist_ok=True)
    parts = [args.only] if args.only else list(PICTURES)
    pictures = [name for part in parts for name in PICTURES[part]]
    for name in pictures:
        (args.out / name).unlink(missing_ok=True)
    # A QGIS each: what one part leaves open is not in the way of the next.
    answers = [_run_qgis(raster, prompts, cloud, args.out, args.python, part) for part in parts]
    missing = [name for name in pictures if not (args.out / name).is_file()]
    if missing:
        sys.stderr.write(f"QGIS ended with {answers} and left no {', '.join(missing)}.\n")
        return 1
    sys.stdout.write(f"wrote {', '.join(str(args.out / name) for name in pictures)}\n")
    return 0


def _scene(raster: Path | None) -> tuple[Path, Path | None]:
    if raster is not None:
        return raster.resolve(), None
    from demo_scene import write_scene

    files = write_scene(FOLDER)
    return files.raster, files.prompts


def _cloud(given: Path | None, python: Path) -> Path:
    """A point cloud in a folder of its own: results lie beside it."""
    folder = FOLDER / "cloud"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if given is None:
        arguments = ["train", "clouds", "--count", "1", "--held-out", "--platform", "als", "--seed", CLOUD_SEED]
        made = folder.with_name("cloud-made")
        shutil.rmtree(made, ignore_errors=True)
        subprocess.run([python.with_name("cityseg"), *arguments, "--out", made], check=True)
        given = next(iter(sorted(made.rglob("*.laz"))))
    return Path(shutil.copy(given.resolve(), folder / f"town{given.suffix}"))


def _run_qgis(
    raster: Path, prompts: Path | None, cloud: Path | None, out: Path, python: Path, part: str
) -> int:
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("QGIS_", "CITYSEG_"))},
        "QT_QPA_PLATFORM": "xcb",
        # Not the user's: its own font and theme would be in the pictures.
        "XDG_CONFIG_HOME": str(FOLDER / "config"),
        "CITYSEG_PYTHON": str(python),
        "CITYSEG_SHOT_RASTER": str(raster),
        "CITYSEG_SHOT_PROMPTS": str(prompts or ""),
        "CITYSEG_SHOT_CLOUD": str(cloud or ""),
        "CITYSEG_SHOT_OUT": str(out.resolve()),
        "CITYSEG_SHOT_PART": part,
    }
    qgis = [
        "qgis", "--nologo", "--noversioncheck", "--profiles-path", str(FOLDER), "--profile", qgis_profile.PROFILE,
        "--code", str(Path(__file__).with_name("screenshots_in_qgis.py")),
    ]  # fmt: skip
    if shutil.which("xvfb-run"):
        qgis = ["xvfb-run", "-a", "-s", f"-screen 0 {SCREEN}", *qgis]
    try:
        return subprocess.run(qgis, env=environment, timeout=TIMEOUT_S, check=False).returncode
    except subprocess.TimeoutExpired:
        return -1


if __name__ == "__main__":
    sys.exit(main())
