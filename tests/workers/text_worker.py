"""A backend that answers words by colour, over the real wire: red and blue are things, and a few words of grammar.

For tests of the Refer and Ask panels without a model. It is one thread, reads a raster with GDAL, and answers in four
tiles from north to south. TEXT_GATE names a file with the number of tiles that may be done; TEXT_DIE one that does not
exist: the process then makes it and dies after its first tile.
"""

from __future__ import annotations

import json
import os
import re
import select
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))

import numpy as np
from osgeo import gdal, ogr, osr

from cityseg_qgis.protocol import codes
from cityseg_qgis.protocol.framing import Decoder, Frame
from cityseg_qgis.protocol.messages import (
    ErrorResponse,
    Notification,
    Request,
    Response,
    from_frame,
    progress,
    to_bytes,
)

gdal.UseExceptions()
COLOURS = {"red": (200, 40, 30), "blue": (30, 60, 210), "green": (40, 160, 60)}
BECAUSE = {"red": "where people live", "blue": "where one could swim"}
TILES = 4
SCORES = {"red": 0.9, "blue": 0.6}
_WORD = re.compile(r"[a-z]+")
_KNOWN = frozenset(
    ("the", "a", "all", "one", "of", "and", "or", "larger", "than", "largest")
    + ("things", "what", "is", "where", "are", "m", "something")
)
_LARGER = re.compile(r"larger than (\d+)")
_POLL_S = 0.005


class Cancelled(Exception):
    """The client wants no more."""


class BadInput(Exception):
    """One sentence for the user."""


class Worker:
    def __init__(self) -> None:
        self._decoder = Decoder()
        self._waiting: list[Request] = []
        self._cancelled: set[int] = set()

    def run(self) -> None:
        while True:
            self._read(block=not self._waiting)
            while self._waiting:
                self._answer(self._waiting.pop(0))

    def _read(self, block: bool) -> None:
        while select.select([0], [], [], None if block else 0)[0]:
            data = os.read(0, 65536)
            if not data:
                sys.exit(0)
            for event in self._decoder.feed(data):
                message = from_frame(event) if isinstance(event, Frame) else None
                if isinstance(message, Request):
                    self._take(message)
            if self._waiting:
                return

    def _take(self, request: Request) -> None:
        if request.method == codes.CANCEL:
            self._cancelled.add(request.params["id"])
            _write(Response(request.id, {"cancelled": True}))
        elif request.method == codes.STATUS:
            _write(Response(request.id, {}))
        else:
            self._waiting.append(request)

    def _answer(self, request: Request) -> None:
        try:
            result = getattr(self, f"do_{request.method}")(request)
        except Cancelled:
            _write(ErrorResponse(request.id, codes.CANCELLED, "Cancelled.", "", "cancelled"))
        except BadInput as error:
            _write(ErrorResponse(request.id, codes.INVALID_INPUT, str(error), "why", "invalid_input"))
        else:
            _write(Response(request.id, result))

    def do_hello(self, _request: Request) -> dict:
        return {"protocol": codes.PROTOCOL_VERSION, "version": "text", "pid": os.getpid()}

    def do_shutdown(self, request: Request) -> dict:
        _write(Response(request.id, {}))
        sys.exit(0)

    def do_models(self, _request: Request) -> dict:
        clicks = ["point", "box", "scribble", "lasso", "mask"]
        return {
            "models": [
                {"id": "default-2d", "title": "Colours", "prompts": [*clicks, "text"]},
                {"id": "deaf", "title": "Deaf model", "prompts": clicks},
            ]
        }

    def do_open(self, _request: Request) -> dict:
        return {}

    def do_predict(self, request: Request) -> dict:
        """The connected regions of like colour under the prompts; what was removed is taken away."""
        scene = Scene(request.params["source"]["path"], request.params["options"]["frame"] == "pixel")
        mask = np.zeros(scene.shape, bool)
        for prompt in sorted(request.params["prompts"], key=lambda given: -given["label"]):
            region = scene.region_at(np.mean(prompt["xy"], axis=0))
            mask = mask | region if prompt["label"] else mask & ~region
        features = [{"geometry": shape} for shape, _ in scene.polygons(mask)]
        return {"features": features, "score": 0.95, "model": "default-2d", "weights": "none"}

    def do_segment(self, request: Request) -> dict:
        params = request.params
        if os.environ.get("TEXT_LOG"):
            Path(os.environ["TEXT_LOG"]).write_text(json.dumps(params), encoding="utf-8")
        program, words = understood(params)
        scene = Scene(params["source"]["path"], params.get("pixel", False))
        objects = objects_of(scene, program, words, params)
        if params.get("find") == "one" or program.get("largest"):
            objects = sorted(objects, key=lambda one: -one["properties"]["area_m2"])[:1]
        for number, one in enumerate(objects, 1):
            one["properties"]["object"] = number
        for tile in range(TILES):
            self._wait_for_gate(request.id, tile)
            rows = scene.shape[0] / TILES
            here = [one for one in objects if int(one["row"] // rows) == tile]
            _write(Notification(codes.PARTIAL, {"id": request.id, "features": here}))
            _write(progress(request.id, (tile + 1) / TILES, f"Tile {tile + 1} of {TILES}"))
            die_once()
        return answer(program, objects, words)

    def _wait_for_gate(self, request_id: int, tile: int) -> None:
        gate = os.environ.get("TEXT_GATE", "")
        while True:
            self._read(block=False)
            if request_id in self._cancelled:
                raise Cancelled
            if not gate or not Path(gate).exists() or int(Path(gate).read_text() or 0) > tile:
                return
            time.sleep(_POLL_S)


class Scene:
    """An RGB raster, and shapes in its frame: that of its geotransform, or pixels."""

    def __init__(self, path: str, pixel: bool) -> None:
        dataset = gdal.Open(path)
        self.rgb = dataset.ReadAsArray()[:3].astype(int)
        self.shape = self.rgb.shape[1:]
        has_place = dataset.GetGeoTransform(can_return_null=True) is not None
        self.transform = dataset.GetGeoTransform() if has_place and not pixel else (0, 1, 0, 0, 0, 1)

    def where(self, colour: tuple[int, int, int]) -> np.ndarray:
        return (np.abs(self.rgb - np.array(colour)[:, None, None]).max(axis=0) <= 24)

    def region_at(self, place: np.ndarray) -> np.ndarray:
        x0, dx, _, y0, _, dy = self.transform
        col, row = int((place[0] - x0) / dx), int((place[1] - y0) / dy)
        alike = self.where(tuple(self.rgb[:, row, col]))
        found = np.zeros(self.shape, bool)
        for _, pixels in self.polygons(alike):
            if pixels[row, col]:
                found |= pixels
        return found

    def polygons(self, mask: np.ndarray) -> list[tuple[dict, np.ndarray]]:
        """A GeoJSON polygon and the pixels of each connected part, from north to south."""
        memory = gdal.GetDriverByName("MEM")
        raster = memory.Create("", *mask.shape[::-1], 1, gdal.GDT_Byte)
        raster.SetGeoTransform(self.transform)
        raster.GetRasterBand(1).WriteArray(mask.astype(np.uint8))
        store = ogr.GetDriverByName("Memory").CreateDataSource("")
        layer = store.CreateLayer("parts", srs=osr.SpatialReference())
        gdal.Polygonize(raster.GetRasterBand(1), raster.GetRasterBand(1), layer, -1)
        parts = []
        for feature in layer:
            one = memory.Create("", *mask.shape[::-1], 1, gdal.GDT_Byte)
            one.SetGeoTransform(self.transform)
            single = store.CreateLayer("one", srs=osr.SpatialReference())
            single.CreateFeature(feature.Clone())
            gdal.RasterizeLayer(one, [1], single, burn_values=[1])
            pixels = one.ReadAsArray().astype(bool)
            parts.append((json.loads(feature.geometry().ExportToJson()), pixels))
        return sorted(parts, key=lambda part: np.argwhere(part[1])[0].tolist())


def understood(params: dict) -> tuple[dict, str]:
    """The program of the request, and its words."""
    if "program" in params:
        program = dict(params["program"])
        for name, value in (params.get("changes") or {}).items():
            program["classes" if name == "class" else name] = [value] if name == "class" else value
        return {k: v for k, v in program.items() if v is not None}, ", ".join(program["classes"])
    if "classes" in params:
        words = ", ".join(params["classes"])
    else:
        words = params.get("text") or params.get("ask") or ""
    if not words.strip():
        raise BadInput("The text is empty; say what to find.")
    if "contradiction" in words:
        raise BadInput("Nothing can be both; take one of the two away.")
    named = [colour for colour in COLOURS if re.search(rf"\b{colour}\b", words)]
    if params.get("ask"):
        named = named or ["blue"]
    program = {"classes": named, "largest": "largest" in words}
    larger = _LARGER.search(words)
    if larger:
        program["m2"] = int(larger[1])
    return program, words


def objects_of(scene: Scene, program: dict, words: str, params: dict) -> list[dict]:
    area = params.get("area")
    found = []
    for name in program["classes"]:
        for shape, pixels in scene.polygons(scene.where(COLOURS[name])):
            geometry = ogr.CreateGeometryFromJson(json.dumps(shape))
            if geometry.GetArea() <= program.get("m2", 0) or not lies_in(geometry, area):
                continue
            rows = np.argwhere(pixels)[:, 0]
            properties = {
                "class": name,
                "score": SCORES.get(name, 0.5),
                "area_m2": geometry.GetArea(),
                "perim_m": geometry.Boundary().Length(),
                "prompt": words,
                "task": "reasoning" if params.get("ask") else "referring",
                "model": "default-2d",
                "weights": "none",
                "source": Path(params["source"]["path"]).name,
                "created": "2026-01-01T00:00:00Z",
                "why": f"is {name}",
            }
            found.append({"type": "Feature", "geometry": shape, "properties": properties, "row": int(rows.min())})
    return found


def lies_in(geometry: ogr.Geometry, area: dict | None) -> bool:
    if area is None:
        return True
    if "bounds" in area:
        x0, y0, x1, y1 = area["bounds"]
        ring = [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]
        return geometry.Within(ogr.CreateGeometryFromJson(json.dumps({"type": "Polygon", "coordinates": [ring]})))
    return any(geometry.Within(ogr.CreateGeometryFromJson(json.dumps(one))) for one in area["polygons"])


def answer(program: dict, objects: list[dict], words: str) -> dict:
    asked = any(one["properties"]["task"] == "reasoning" for one in objects)
    path = "network" if "something" in words else "program"
    unknown = [word for word in _WORD.findall(words.lower()) if word not in _KNOWN | set(COLOURS)]
    chips = [
        {"id": "class", "kind": "class", "text": f"{name}s", "value": name, "editable": True,
         "choices": list(COLOURS)}
        for name in program["classes"][:1]
    ] + [
        {"id": "m2", "kind": "number", "text": f"larger than {program.get('m2', 0)} m²", "value": program.get("m2", 0),
         "editable": True, "choices": None, "unit": "m²", "removable": True},
    ]  # fmt: skip
    names = ", ".join(program["classes"]) or "nothing"
    return {
        "features": objects,
        "understood": {
            "path": path,
            "sentence": f"{names} things" + (f" larger than {program['m2']} m²" if program.get("m2") else ""),
            "concepts": [
                {"name": name, "probability": 0.81, "because": BECAUSE.get(name, "")}
                for name in program["classes"]
                if asked
            ],
            "program": program if path == "program" else None,
            "chips": chips if path == "program" else [],
            "unknown": [{"word": word, "nearest": ["red", "blue"], "similarity": 0.4} for word in unknown],
            "presence": 1.0 if objects else 0.02,
        },
        "answer": f"Found {len(objects)}: {names}." if objects else "There is nothing of that here.",
        "tiles": {"done": TILES, "of": TILES},
        "cancelled": False,
        "timings_ms": {"total": 12.0},
    }


def die_once() -> None:
    marker = os.environ.get("TEXT_DIE", "")
    if marker and not Path(marker).exists():
        Path(marker).touch()
        os._exit(9)


def _write(message: Response | ErrorResponse | Notification) -> None:
    sys.stdout.buffer.write(to_bytes(message))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    Worker().run()
