"""`make demo`: prompts and words on a raster, through the plugin in real QGIS, to saved layers and a picture.

    .venv/bin/python scripts/demo.py [--raster FILE --prompts FILE [--text WORDS]] [--out FOLDER]

Leaves buildings.gpkg, buildings.shp, result.png and demo.qgz in demo/, and what the words found as found.gpkg and found.shp.
Without arguments it makes a scene with exact truth first (scene.tif, prompts.geojson, truth.gpkg), and the table gains the
IoU against it; and it classifies a generated point cloud (city.laz, classified.laz, city.gpkg, cloud.png).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import stage

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from cityseg_qgis.worker.environment import scrubbed_environment  # noqa: E402
from inference_backend.errors import CitySegError, InvalidInput, ResourceProblem  # noqa: E402

QGIS_PYTHON = os.environ.get("QGIS_PYTHON", "/usr/bin/python3")
RESULTS = ("buildings.gpkg", "buildings.shp", "result.png", "demo.qgz")
FOUND = ("found.gpkg", "found.shp")
_SIDE_FILES = tuple(
    f"{name}.{suffix}" for name in ("buildings", "found") for suffix in ("dbf", "shx", "prj", "cpg")
)
_MADE = (*RESULTS, *FOUND, *_SIDE_FILES, "prompts.gpkg")
_CLOUD = ("city.laz", "classified.laz", "city.gpkg", "cloud.png")
_SCENE = ("scene.tif", "scene.tif.aux.xml", "prompts.geojson", "truth.gpkg")
MARK = "@cityseg "
_HEAD = ("object", "class", "prompts", "area m²", "score", "ms", "IoU")
_WIDTHS = (6, 12, 26, 9, 6, 7, 6)


def main() -> int:
    """Exit code 0 with all files there, 2 on bad input, 1 where QGIS or the backend failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--raster", type=Path, help="a raster of your own")
    parser.add_argument(
        "--prompts", type=Path, help="prompts for it: GeoJSON, GeoPackage or Shapefile"
    )
    parser.add_argument("--text", help="what to find in it, in words")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "demo", help="folder for the results (default: demo)"
    )
    args = parser.parse_args()
    try:
        return run(args.raster, args.prompts, args.text, args.out.resolve())
    except CitySegError as error:
        sys.stderr.write(f"demo: {error.user_message}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("demo: Cancelled.\n")
        return 130


def run(raster: Path | None, prompts: Path | None, text: str | None, out: Path) -> int:
    """The whole demo; raises CitySegError. Without `text`, a raster of one's own is asked nothing in words."""
    if (raster is None) != (prompts is None):
        missing = "PROMPTS" if prompts is None else "RASTER"
        raise InvalidInput(
            f"{missing} is missing: make demo RASTER=file.tif PROMPTS=file.geojson needs both."
        )
    _check_qgis()
    _make_folder(out)
    truth = None
    if raster is None or prompts is None:
        _say("making a scene with exact truth")
        from demo_scene import WORDS, write_scene

        files, text = write_scene(out), text or WORDS
        raster, prompts, truth = files.raster, files.prompts, files.truth
    from demo_prompts import read_objects

    _say(f"reading {prompts.name}")
    objects = read_objects(raster, prompts, out / "prompts.gpkg")
    _say("laying out the plugin as it installs")
    plugins = ROOT / "build" / "demo"
    stage.copy_plugin(plugins)
    job = {
        "raster": str(raster.resolve()),
        "prompts": str(out / "prompts.gpkg"),
        "out": str(out),
        "objects": objects,
        "words": text or "",
    }
    job_file = plugins / "job.json"
    job_file.write_text(json.dumps(job), encoding="utf-8")
    promised = (*RESULTS, *FOUND) if text else RESULTS
    code = _report(_in_qgis(plugins, job_file), _Truth(truth), out, promised)
    if truth is not None:
        _classify(out)
    return code


def _check_qgis() -> None:
    answer = subprocess.run(
        [QGIS_PYTHON, "-c", "import qgis.core"],
        capture_output=True,
        text=True,
        env=scrubbed_environment(),
        check=False,
    )
    if answer.returncode:
        raise ResourceProblem(
            f"QGIS for Python is missing from {QGIS_PYTHON}; run 'make system', or set QGIS_PYTHON.",
            answer.stderr,
        )


def _make_folder(out: Path) -> None:
    """An empty place for the results: what an earlier run left must not pass for this one's."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in (*_MADE, *_SCENE, *_CLOUD):
            (out / name).unlink(missing_ok=True)
    except OSError as error:
        raise ResourceProblem(
            f"The folder '{out}' cannot be written; choose another with --out.", str(error)
        ) from error


def _in_qgis(plugins: Path, job: Path) -> Iterator[dict[str, Any]]:
    """Run `demo_qgis.py` in QGIS's Python and hand on its events; raises when it ends without `done`."""
    environment = scrubbed_environment()
    profile = plugins / "profile"
    profile.mkdir(mode=0o700, parents=True, exist_ok=True)
    environment |= {
        "QT_QPA_PLATFORM": "offscreen",
        "QGIS_CUSTOM_CONFIG_PATH": str(profile),
        "XDG_RUNTIME_DIR": environment.get("XDG_RUNTIME_DIR", str(profile)),
        "CITYSEG_PYTHON": sys.executable,
    }
    log = plugins / "qgis.log"
    script = str(Path(__file__).with_name("demo_qgis.py"))
    done = False
    with (
        log.open("w", encoding="utf-8") as errors,
        subprocess.Popen(
            [QGIS_PYTHON, script, str(plugins), str(job)], env=environment, cwd=plugins, text=True, errors="replace",
            stdout=subprocess.PIPE, stderr=errors,
        ) as process,
    ):  # fmt: skip
        for line in process.stdout or ():
            if line.startswith(MARK):
                event = json.loads(line[len(MARK) :])
                done = done or event["event"] in ("done", "failed")
                yield event
    if not done:
        tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        raise ResourceProblem(
            f"QGIS ended with code {process.returncode} before it was done ({' '.join(tail)}); see {log}."
        )


class _Truth:
    """The exact outlines, where they are known."""

    def __init__(self, path: Path | None) -> None:
        self.known = path is not None
        self._by_number: dict[int, Any] = {}
        if path is not None:
            import geopandas as gpd

            table = gpd.read_file(path)
            self._by_number = {
                int(row.object): row.geometry for row in table[table.object.notna()].itertuples()
            }

    def iou(self, number: int, wkt: str) -> float | None:
        """Intersection over union of the answer with the truth of prompted object `number`."""
        from shapely import from_wkt

        if number not in self._by_number:
            return None
        answer, truth = from_wkt(wkt), self._by_number[number]
        union = answer.union(truth).area
        return answer.intersection(truth).area / union if union else None


def _report(
    events: Iterator[dict[str, Any]], truth: _Truth, out: Path, promised: tuple[str, ...]
) -> int:
    """Print the table as the answers come, then what the words found, then where the files are."""
    ious: list[float] = []
    failed = 0
    for event in events:
        kind = event["event"]
        if kind == "note":
            _say(event["text"])
        elif kind == "begin":
            sys.stdout.write(_row(_HEAD if truth.known else _HEAD[:-1]) + "\n")
        elif kind == "object":
            value = (
                truth.iou(event["number"], event["wkt"])
                if event["wkt"]
                else 0.0
                if truth.known
                else None
            )
            if value is not None:
                ious.append(value)
            cells = [
                str(event["written"] or "-"),
                event["class"],
                event["prompt"],
                _area(event),
                f"{event['score']:.2f}",
                f"{event['ms']:.0f}",
            ]
            sys.stdout.write(_row([*cells, f"{value:.2f}"] if value is not None else cells) + "\n")
        elif kind == "object_failed":
            failed += 1
            sys.stdout.write(f"{event['number']:>6}  {event['text']}\n")
        elif kind == "words":
            _tell_words(event)
        elif kind == "failed":
            raise ResourceProblem(event["text"], event.get("detail", ""))
        sys.stdout.flush()
    if ious:
        sys.stdout.write(
            f"mean IoU against the truth: {sum(ious) / len(ious):.3f} ({len(ious)} objects)\n"
        )
    absent = [name for name in promised if not (out / name).is_file()]
    if absent:
        raise ResourceProblem(
            f"The demo ended without {', '.join(absent)}; see {ROOT / 'build' / 'demo' / 'qgis.log'}."
        )
    sys.stdout.write("\n".join(f"wrote {_short(out / name)}" for name in promised) + "\n")
    return 1 if failed else 0


def _classify(out: Path) -> None:
    """The point cloud of the demo; only where the demo makes its own data."""
    from demo_cloud import CLOUD_FILES, classify_city

    _say("scanning a generated suburb and classifying its points")
    answer = classify_city(out)
    sys.stdout.write(
        f"point cloud: {answer['sentence']}\n"
        f"  {100 * answer['right']:.1f} % of the points got the right class (ground, vegetation, building, others by their code)\n"
    )
    for layer in answer["vector_layers"]:
        sys.stdout.write(f"  {layer['count']} features in the layer {layer['name']}\n")
    sys.stdout.write("\n".join(f"wrote {_short(out / name)}" for name in CLOUD_FILES) + "\n")


def _tell_words(event: dict[str, Any]) -> None:
    """What was asked in words, and what came of it."""
    count = event["count"]
    sys.stdout.write(
        f"in words: “{event['words']}”\n  {event['answer']}\n  {event['understood']}\n"
        f"  {count} feature{'' if count == 1 else 's'} in {event['seconds']:.1f} s\n"
    )


def _area(event: dict[str, Any]) -> str:
    if not event["wkt"]:
        return "nothing"
    return "-" if event["area_m2"] is None else f"{event['area_m2']:.1f}"


def _row(cells: Any) -> str:
    return "  ".join(
        cell.ljust(w) if k in (1, 2) else cell.rjust(w)
        for k, (cell, w) in enumerate(zip(cells, _WIDTHS))
    )


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


_BEGAN = time.monotonic()


def _say(text: str) -> None:
    sys.stdout.write(f"[{time.monotonic() - _BEGAN:5.1f} s] {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
