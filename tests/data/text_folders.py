"""Tiny data sets of texts in the layouts in which the benchmarks are published, over generated scenes."""

from __future__ import annotations

import json
import pickle
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from inference_backend.training.scenes import make_scene
from tests.data.word_model import COLOURS


@lru_cache
def town(seed: int = 3, size_px: int = 192):
    """A generated town with buildings."""
    return make_scene(seed, size_px, 0.3, "suburb")


def largest(scene, name="building"):
    """bool (H, W) of the largest object of a class."""
    numbers = [n for n, its in scene.classes.items() if its == name]
    number = max(numbers, key=lambda n: scene.attributes[n]["pixels"])
    return scene.instances == number


def write_image(path: Path, rgb: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = rgb[..., ::-1] if rgb.ndim == 3 else rgb
    done, content = cv2.imencode(path.suffix, image)
    if not done:
        raise OSError(path)
    path.write_bytes(content.tobytes())
    return path


def write_mask(path: Path, mask: np.ndarray, value: int = 255) -> Path:
    return write_image(path, mask.astype(np.uint8) * value)


def write_json(path: Path, content) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def geoseg_bench(folder: Path) -> Path:
    """Three tasks with one image each; names below the task's folder; two questions for the referring one."""
    scene = town()
    mask = largest(scene)
    rows, cols = np.nonzero(mask)
    x, y = cols.mean() / mask.shape[1], rows.mean() / mask.shape[0]
    asked = {
        "interactive": [
            f"Please segment the target corresponding to the point [{x:.3f}, {y:.3f}]."
        ],
        "ref": ["the largest building", "the biggest house"],
        "reason": ["Where could many people live?"],
    }
    for name, questions in asked.items():
        write_image(folder / name / "images" / "0001.png", scene.rgb)
        write_mask(folder / name / "masks" / "0001.png", mask)
        write_json(
            folder / name / "jsons" / "0001.json", {"question": questions, "reason": ["It is."]}
        )
        entry = {"img": "images/0001.png", "mask": "masks/0001.png", "json": "jsons/0001.json"}
        write_json(folder / name / "test.json", [entry])
    return folder


def run_text(mask: np.ndarray) -> str:
    """COCO's text of a mask's runs: columns first, background first."""
    flat = mask.T.ravel().astype(np.int8)
    changes = np.flatnonzero(np.diff(flat)) + 1
    edges = np.concatenate([[0], changes, [flat.size]])
    counts = np.diff(edges).tolist()
    counts = [0, *counts] if flat[0] else counts
    text = ""
    for at, count in enumerate(counts):
        value = count - (counts[at - 2] if at > 2 else 0)
        more = True
        while more:
            code = value & 31
            value >>= 5
            more = value != (-1 if code & 16 else 0)
            text += chr(code + (32 if more else 0) + 48)
    return text


def rrsis_d(folder: Path, protocol: int | None = 2) -> Path:
    """Two images, three expressions: two of the test split, one for training. `protocol` None writes JSON."""
    expressions, images, annotations = [], [], []
    for number, (split, words) in enumerate(
        [("test", "The building on the left"), ("train", "A road"), ("test", "The large building")]
    ):
        scene = town(3 + number)
        mask = largest(scene)
        name = f"{number:05d}.jpg"
        write_image(folder / "images" / "rrsisd" / "JPEGImages" / name, scene.rgb)
        sentence = {"tokens": words.split(), "raw": words, "sent_id": number, "sent": words.lower()}
        expressions.append(
            {
                "image_id": number,
                "split": split,
                "sentences": [sentence],
                "file_name": name,
                "category_id": 4,
                "ann_id": number,
                "sent_ids": [number],
                "ref_id": number,
            }
        )
        height, width = mask.shape
        images.append({"file_name": name, "height": height, "width": width, "id": number})
        annotations.append(
            {
                "bbox": [0, 0, 1, 1],
                "categories_id": 4,
                "id": number,
                "image_id": number,
                "segmentation": [{"size": [height, width], "counts": run_text(mask)}],
                "area": 1,
            }
        )
    (folder / "images" / "rrsisd" / "ann_split").mkdir()
    lists = folder / "rrsisd"
    write_json(
        lists / "instances.json",
        {
            "images": images,
            "annotations": annotations,
            "categories": [{"name": "building", "id": 4}],
        },
    )
    if protocol is None:
        write_json(lists / "refs(unc).json", expressions)
    else:
        (lists / "refs(unc).p").write_bytes(pickle.dumps(expressions, protocol))
    return folder


def refsegrs(folder: Path) -> Path:
    """Two numbered TIFFs, masks of 0 and 255, phrases of the test and the validation split."""
    for number in (7, 12):
        scene = town(number)
        write_image(folder / "images" / f"{number}.tif", scene.rgb)
        write_mask(folder / "masks" / f"{number}.tif", largest(scene))
    (folder / "output_phrase_test.txt").write_text("7 building\n12 the largest building\n\n")
    (folder / "output_phrase_val.txt").write_text("12 house\n")
    return folder


def earthreason(folder: Path) -> Path:
    """A present target with two questions, and an absent one."""
    scene = town(5)
    for name, mask, answers in (
        ("a1", largest(scene), ["The building in the middle."]),
        ("b2", np.zeros((192, 192), bool), []),
    ):
        place = folder / "test"
        write_image(place / "images" / f"{name}.jpg", scene.rgb)
        write_mask(place / "labels" / f"{name}.png", mask)
        questions = ["Where do people live?", "Where is a roof?"][: 1 + bool(answers)]
        write_json(place / "QAs" / f"{name}.json", {"questions": questions, "answer": answers})
    return folder


def annotations(folder: Path, entries: list[dict] | None = None) -> Path:
    """An image with its largest building as a mask, a rectangle as a polygon, and something absent."""
    scene = town()
    write_image(folder / "town.png", scene.rgb)
    write_mask(folder / "largest.png", largest(scene))
    square = [[10, 20], [40, 20], [40, 60], [10, 60]]
    usual = [
        {
            "image": "town.png",
            "mask": "largest.png",
            "text": "the largest building",
            "task": "referring",
            "kind": "superlative",
        },
        {"image": "town.png", "polygons": [square], "text": "the patch", "task": "referring"},
        {
            "image": "town.png",
            "polygons": [],
            "text": "Where do ships moor?",
            "task": "reasoning",
            "kind": "absent",
        },
    ]
    write_json(folder / "annotations.json", usual if entries is None else entries)
    return folder


def flat_image(folder: Path, name: str = "flat.png", rows: int = 80, cols: int = 120) -> dict:
    """A red square of 1600 pixels and a blue bar of 800 on grey, with a mask of each."""
    image = np.full((rows, cols, 3), COLOURS["grey"], np.uint8)
    red, blue = np.zeros((rows, cols), bool), np.zeros((rows, cols), bool)
    red[10:50, 10:50], blue[20:60, 80:100] = True, True
    image[red], image[blue] = COLOURS["red"], COLOURS["blue"]
    write_image(folder / name, image)
    for colour, mask in (("red", red), ("blue", blue)):
        write_mask(folder / f"{colour}.png", mask)
    return {"image": name, "task": "referring"}


def coloured(folder: Path) -> Path:
    """Right, half right (red for red and blue), wrong, absent and said so, absent and answered, a question."""
    at = flat_image(folder)
    both = [[[10, 10], [50, 10], [50, 50], [10, 50]], [[80, 20], [100, 20], [100, 60], [80, 60]]]
    entries = [
        {**at, "mask": "red.png", "text": "the red square", "kind": "one"},
        {**at, "polygons": both, "text": "what is red", "kind": "two"},
        {**at, "mask": "blue.png", "text": "the red bar", "kind": "one"},
        {**at, "polygons": [], "text": "the green thing", "kind": "absent"},
        {**at, "polygons": [], "text": "the blue roof", "kind": "absent"},
        {**at, "mask": "blue.png", "text": "Where is it blue?", "task": "reasoning"},
    ]
    write_json(folder / "annotations.json", entries)
    return folder
