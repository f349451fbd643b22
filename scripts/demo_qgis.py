"""Runs in QGIS's own Python for `make demo`: prompts and words through the plugin's own code and the real child process.

    python3 demo_qgis.py PLUGIN_FOLDER JOB_FILE

Prints events, one a line: note, begin, object, object_failed, words, failed, done.
"""

import json
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, sys.argv[1])

from demo_map import draw
from qgis.core import QgsApplication, QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import QEventLoop

from cityseg_qgis.core import result, save, target
from cityseg_qgis.core.attributes import Provenance, next_object
from cityseg_qgis.core.backend import make_client
from cityseg_qgis.core.preview import read_answer
from cityseg_qgis.core.prompts import Prompt, summary
from cityseg_qgis.core.session import PromptSession
from cityseg_qgis.core.source import describe
from cityseg_qgis.core.text_answer import read_text_answer
from cityseg_qgis.core.text_request import TextRequest
from cityseg_qgis.errors import CitySegError
from cityseg_qgis.protocol import codes

MARK = "@cityseg "


def tell(event, **members):
    """One event for `demo.py` to print."""
    sys.stdout.write(MARK + json.dumps({"event": event, **members}) + "\n")
    sys.stdout.flush()


class Backend:
    """The plugin's client, asked one thing after the other."""

    def __init__(self):
        self.client = make_client()
        self.client.answered.connect(self._on_answered)
        self.client.failed.connect(self._on_failed)
        self.client.log_line.connect(lambda level, text: sys.stderr.write(f"{level}: {text}\n"))
        self._loop = QEventLoop()
        self._outcomes = {}

    def ask(self, method, params):
        """The answer of a request; raises what the client says."""
        number = self.client.request(method, params)
        while number not in self._outcomes:
            self._loop.exec_() if hasattr(self._loop, "exec_") else self._loop.exec()
        outcome = self._outcomes.pop(number)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _on_answered(self, number, answer, attachments):
        self._outcomes[number] = answer
        self._loop.quit()

    def _on_failed(self, number, error):
        self._outcomes[number] = error
        self._loop.quit()


def segment(backend, source, session, asked, crs):
    """Give one object's prompts one by one, as a user does; returns the last preview and its milliseconds."""
    session.next_object()
    session.fix_crs(crs)
    preview = None
    for prompt in asked["prompts"]:
        session.add(
            Prompt(prompt["kind"], tuple(tuple(xy) for xy in prompt["xy"]), prompt["label"])
        )
        if all(given.label == 0 for given in session.prompts):
            continue
        began = time.monotonic()
        params = {
            "source": source.wire,
            "prompts": source.prompts_to_wire(session.prompts, session.crs),
            "options": {"frame": source.frame},
        }
        preview = read_answer(backend.ask(codes.PREDICT, params), source, session.prompts)
    if preview is None:
        raise CitySegError("all prompts remove; add a click on the object")
    return preview, 1000 * (time.monotonic() - began)


def report(backend, raster, layer, job):
    """Segment and accept every object."""
    session, source = PromptSession(), describe(raster)
    for number, asked in enumerate(job["objects"], 1):
        try:
            preview, milliseconds = segment(backend, source, session, asked, raster.crs())
            if not preview.is_empty:
                provenance = Provenance(
                    asked["class"],
                    preview.score,
                    summary(session.prompts),
                    preview.model,
                    preview.weights,
                    source.file_name,
                )
                written = next_object(layer)
                result.accept(layer, preview.geometry, preview.crs, result.ADD, provenance)
                result.save_edits(layer)
        except CitySegError as error:
            sys.stderr.write(f"object {number}: {error.user_message} {error.detail}\n")
            tell("object_failed", number=number, text=error.user_message)
            continue
        tell(
            "object", number=number, written=0 if preview.is_empty else written, prompt=summary(session.prompts),
            wkt="" if preview.is_empty else preview.geometry.asWkt(4), area_m2=preview.area_m2, score=preview.score,
            ms=milliseconds, **{"class": asked["class"]},
        )  # fmt: skip


def search(backend, raster, words, file, project):
    """Find in the whole raster what the words mean; returns the saved layer of it."""
    source, began = describe(raster), time.monotonic()
    answer = read_text_answer(
        backend.ask(codes.SEGMENT, TextRequest(words).to_wire(source, "default-2d")), source
    )
    seconds = time.monotonic() - began
    layer = target.new_geopackage_table(file, "found", raster.crs(), project)
    result.accept_found(
        layer, [(found.geometry, _provenance(found.values)) for found in answer.found], raster.crs()
    )
    layer.commitChanges()
    tell(
        "words", words=words, answer=answer.answer, understood=answer.sentence, seconds=seconds,
        count=layer.featureCount(),
    )  # fmt: skip
    return layer


def _provenance(values):
    """The backend's attributes of a found object, but for those that follow from its outline."""
    names = ("score", "prompt", "model", "weights", "source", "task", "why")
    return Provenance(values.get("class", ""), **{k: values[k] for k in names if k in values})


def run(job):
    """The demo in QGIS; what it raises is told by `main`."""
    project = QgsProject.instance()
    raster = QgsRasterLayer(job["raster"], Path(job["raster"]).stem)
    if not raster.isValid():
        raise CitySegError(f"QGIS cannot open {job['raster']}.", raster.error().message())
    project.addMapLayer(raster)
    project.setCrs(raster.crs())
    out = Path(job["out"])
    layer = target.new_geopackage_table(out / "buildings.gpkg", "buildings", raster.crs(), project)
    backend = Backend()
    tell("note", text="starting the backend from QGIS")
    try:
        backend.client.start()
        models = backend.ask(codes.MODELS, {})["models"]
        default = next(model for model in models if model["id"] == "default-2d")
        if not default["available"]:
            raise CitySegError(default["why_not"])
        tell("note", text=f"segmenting {len(job['objects'])} objects with {default['title']}")
        tell("begin")
        report(backend, raster, layer, job)
        found = None
        if job["words"]:
            tell("note", text="asking in words")
            found = search(backend, raster, job["words"], out / "found.gpkg", project)
    finally:
        backend.client.shutdown()
    layer.commitChanges()
    save.save_layer(layer, out / "buildings.shp")
    if found is not None:
        save.save_layer(found, out / "found.shp")
    tell("note", text="drawing the picture")
    draw(project, raster, layer, found, job["words"], Path(job["prompts"]), out)


def main():
    """Exit code 0 where everything was written."""
    application = QgsApplication([], True)
    application.initQgis()
    code = 0
    try:
        job = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
        run(job)
        tell("done")
    except CitySegError as error:
        tell("failed", text=error.user_message, detail=error.detail)
        code = 1
    except Exception as error:
        traceback.print_exc()
        tell(
            "failed", text=f"Something went wrong in QGIS ({error}).", detail=traceback.format_exc()
        )
        code = 1
    sys.stdout.flush()
    QgsProject.instance().clear()
    application.exitQgis()
    return code


if __name__ == "__main__":
    sys.exit(main())
