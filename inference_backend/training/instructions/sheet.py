"""Samples of a written data set to look at: a page with thumbnails, and one picture of all kinds."""

from __future__ import annotations

import json
import textwrap
from collections import defaultdict
from html import escape
from pathlib import Path
from typing import Any
from zlib import crc32

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from inference_backend.training.instructions.records import decode_runs

PAGE, PICTURE, _THUMBS = "samples.html", "samples.png", "samples"
_PAGE_EACH, _PICTURE_EACH = 18, 3
_THUMB_PX, _COLUMNS, _TEXT_LINES, _LINE_PX, _GAP = 208, 3, 3, 17, 10
_TARGET, _DOUBT, _PROMPT = (255, 64, 160), (120, 120, 120), (255, 230, 0)
_LETTERS = 62
_STYLE = (
    "body{font:15px/1.4 sans-serif;margin:2em;max-width:1500px;color:#222}"
    "figure{display:inline-block;vertical-align:top;margin:0 1em 1.4em 0;width:420px}"
    "figure img{width:416px;display:block;background:#ddd}figcaption{margin-top:.3em}"
    "small{color:#666}h2{border-top:1px solid #ccc;padding-top:.6em}.absent{color:#a40}nav a{margin-right:1em}"
)


def write_sheets(folder: Path) -> None:
    """Write samples.html with its thumbnails, and samples.png, from instructions.jsonl in `folder`."""
    rows = _chosen(folder / "instructions.jsonl", _PAGE_EACH)
    (folder / _THUMBS).mkdir(exist_ok=True)
    for old in (folder / _THUMBS).glob("*.jpg"):
        old.unlink()
    page, cells = [], []
    for kind, found in sorted(rows.items()):
        figures = []
        for number, row in enumerate(found):
            picture = side_by_side(folder, row)
            name = f"{_THUMBS}/{row['id'].replace('/', '_')}.jpg"
            Image.fromarray(picture).save(folder / name, quality=85)
            figures.append(_figure(row, name))
            if number < _PICTURE_EACH:
                cells.append((picture, row))
        page.append(f'<h2 id="{escape(kind)}">{escape(kind)}</h2>\n' + "\n".join(figures))
    links = " ".join(f'<a href="#{escape(kind)}">{escape(kind)}</a>' for kind in sorted(rows))
    _write(folder / PAGE, _page(links, "\n".join(page)))
    part = folder / (PICTURE + ".part")
    _picture(cells).save(part, format="PNG")
    part.replace(folder / PICTURE)


def _chosen(path: Path, each: int) -> dict[str, list[dict[str, Any]]]:
    """Rows by kind, spread evenly over the file, no more than one of a kind an image as long as there are others."""
    by_kind: dict[str, list[tuple[str, int]]] = defaultdict(list)
    with path.open(encoding="utf-8") as lines:
        starts = 0
        for line in lines:
            row = json.loads(line)
            by_kind[row["kind"]].append((row["image"], starts))
            starts += len(line.encode("utf-8"))
    found: dict[str, list[dict[str, Any]]] = {}
    with path.open("rb") as data:
        for kind, places in by_kind.items():
            firsts = list(dict(reversed(places)).values())[::-1]
            rest = [start for _, start in places if start not in set(firsts)]
            # Kinds begin at different images, or the sheet would show the first ones only.
            spread = np.linspace(0, len(firsts), min(each, len(firsts)), endpoint=False)
            picked = (spread.astype(int) + crc32(kind.encode())) % len(firsts)
            starts_of = [firsts[index] for index in picked] + rest
            found[kind] = []
            for start in starts_of[:each]:
                data.seek(start)
                found[kind].append(json.loads(data.readline()))
    return found


def side_by_side(folder: Path, row: dict[str, Any]) -> np.ndarray:
    """uint8 RGB: the image, and beside it the target in colour, the undecided in grey stripes, the prompt on top."""
    with Image.open(folder / row["image"]) as opened:
        rgb = np.asarray(opened.convert("RGB"))
    scale = _THUMB_PX / max(rgb.shape[:2])
    size = (round(rgb.shape[1] * scale), round(rgb.shape[0] * scale))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    shown = small.copy()
    if row["ignore"] is not None:
        _stripe(shown, _small(decode_runs(row["ignore"]), size))
    if row["mask"] is None:
        _stripe(shown, np.ones(shown.shape[:2], bool))
    else:
        _tint(shown, _small(decode_runs(row["mask"]), size))
    if row["prompt"] is not None:
        _draw_prompt(shown, row["prompt"], scale)
    left, right = (_framed(picture) for picture in (small, shown))
    return np.hstack([left, right])


def _framed(picture: np.ndarray) -> np.ndarray:
    canvas = np.full((_THUMB_PX, _THUMB_PX, 3), 221, np.uint8)
    canvas[: picture.shape[0], : picture.shape[1]] = picture
    return canvas


def _small(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) >= 0.4


def _tint(picture: np.ndarray, mask: np.ndarray) -> None:
    picture[mask] = (picture[mask] * 0.45 + np.array(_TARGET) * 0.55).astype(np.uint8)
    edges, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, edges, -1, (255, 255, 255), 1)


def _stripe(picture: np.ndarray, mask: np.ndarray) -> None:
    rows, cols = np.indices(mask.shape)
    picture[mask & ((rows + cols) % 6 < 3)] = _DOUBT


def _draw_prompt(picture: np.ndarray, prompt: dict[str, Any], scale: float) -> None:
    points = np.round(np.array(prompt["xy"]) * scale).astype(np.int32)
    if prompt["kind"] == "box":
        cv2.rectangle(picture, points[0].tolist(), points[1].tolist(), _PROMPT, 1)
    elif prompt["kind"] == "scribble":
        cv2.polylines(picture, [points], False, _PROMPT, 2)
    else:
        cv2.circle(picture, points[0].tolist(), 4, _PROMPT, -1)
        cv2.circle(picture, points[0].tolist(), 5, (0, 0, 0), 1)


def _caption(row: dict[str, Any]) -> str:
    if not row["text"]:
        return f"({row['prompt']['kind']} without words)"
    return row["text"]


def _note(row: dict[str, Any]) -> str:
    """Where and what: kind, concepts, resolution, and what the picture cannot show."""
    words = [row["kind"], " + ".join(row["concepts"]), f"{row['gsd_m']:.2f} m", row["source"]]
    words += [] if row["present"] else ["NOT HERE"]
    words += ["somewhere here"] if row["mask"] is None else []
    return ", ".join(words)


def _figure(row: dict[str, Any], name: str) -> str:
    note = f"<small{'' if row['present'] else ' class=absent'}>{escape(_note(row))}</small>"
    return (
        f'<figure><img src="{escape(name)}" alt="" loading="lazy">'
        f"<figcaption>{escape(_caption(row))}<br>{note}</figcaption></figure>"
    )


def _page(links: str, body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Samples</title>'
        f"<style>{_STYLE}</style>\n<h1>Samples of the instructions</h1>\n"
        "<p>Left the image, right the target in pink; grey stripes: nobody can say.</p>\n"
        f"<nav>{links}</nav>\n{body}\n</html>\n"
    )


def _picture(cells: list[tuple[np.ndarray, dict[str, Any]]]) -> Image.Image:
    """All cells in a grid, each with its text below."""
    width, height = 2 * _THUMB_PX + _GAP, _THUMB_PX + (_TEXT_LINES + 1) * _LINE_PX + _GAP
    rows = max(-(-len(cells) // _COLUMNS), 1)
    sheet = Image.new("RGB", (_COLUMNS * width + _GAP, rows * height + _GAP), "white")
    draw = ImageDraw.Draw(sheet)
    font, small = ImageFont.load_default(14), ImageFont.load_default(11)
    for number, (picture, row) in enumerate(cells):
        x = _GAP + (number % _COLUMNS) * width
        y = _GAP + (number // _COLUMNS) * height
        sheet.paste(Image.fromarray(picture), (x, y))
        y += _THUMB_PX + 3
        for line in textwrap.wrap(_caption(row), _LETTERS)[:_TEXT_LINES]:
            draw.text((x, y), line, fill="black", font=font)
            y += _LINE_PX
        draw.text((x, y), _note(row), fill="#777777" if row["present"] else "#aa4400", font=small)
    return sheet


def _write(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
