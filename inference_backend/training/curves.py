"""A training log as a picture, drawn with OpenCV: no plotting library is needed for four lines."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from inference_backend.errors import InvalidInput

LOG_NAME = "log.jsonl"
PANEL_PX = (560, 340)
MARGIN_PX = (56, 20, 36, 40)  # left, right, top, bottom
COLOURS = ((214, 96, 40), (40, 130, 60), (40, 60, 200), (150, 60, 150), (0, 150, 190))
PANELS = (
    ("loss", ("loss",)),
    ("overlap with the truth (IoU)", ("iou_click", "iou_box", "text_iou", "bank_iou")),
    ("presence answered rightly", ("presence_right",)),
    ("concept loss", ("concept_loss",)),
)
SMOOTH = 0.85


def draw_curves(folder: Path, out: Path) -> None:
    """Write a PNG of the run's losses and overlaps against minutes. Raises InvalidInput where there is no log."""
    path = folder / LOG_NAME
    if not path.is_file():
        raise InvalidInput(f"There is no '{LOG_NAME}' in '{folder}'; give the folder of a run.")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    panels = [_panel(title, names, rows) for title, names in PANELS]
    panels = [panel for panel in panels if panel is not None]
    if not panels:
        raise InvalidInput(f"The log in '{folder}' has no figures yet; let the run go on.")
    if len(panels) % 2:
        panels.append(np.full_like(panels[0], 255))
    sheet = np.vstack([np.hstack(panels[i : i + 2]) for i in range(0, len(panels), 2)])
    done, png = cv2.imencode(".png", sheet)
    if not done:
        raise InvalidInput("The curves could not be drawn.")
    temporary = out.with_name(out.name + ".part")
    temporary.write_bytes(png.tobytes())
    temporary.replace(out)


def _panel(title: str, names: tuple[str, ...], rows: list[dict]) -> np.ndarray | None:
    series = {n: [(r["minutes"], r[n]) for r in rows if n in r] for n in names}
    series = {n: np.array(points) for n, points in series.items() if len(points) > 1}
    if not series:
        return None
    width, height = PANEL_PX
    left, right, top, bottom = MARGIN_PX
    image = np.full((height, width, 3), 255, np.uint8)
    every = np.concatenate(list(series.values()))
    x1 = max(float(every[:, 0].max()), 1e-6)
    y0, y1 = min(float(np.percentile(every[:, 1], 1)), 0.0), float(np.percentile(every[:, 1], 98))
    y1 = max(y1 * 1.05, y0 + 1e-6)

    def place(points: np.ndarray) -> np.ndarray:
        x = left + points[:, 0] / x1 * (width - left - right)
        y = height - bottom - (points[:, 1].clip(y0, y1) - y0) / (y1 - y0) * (height - top - bottom)
        return np.round(np.stack([x, y], 1)).astype(np.int32)

    for k in range(5):
        value = y0 + (y1 - y0) * k / 4
        y = int(place(np.array([[0, value]]))[0, 1])
        cv2.line(image, (left, y), (width - right, y), (228, 228, 228), 1)
        _write(image, f"{value:.2f}", (8, y + 4))
    _write(image, f"0 to {x1:.0f} minutes", (left, height - 12))
    _write(image, title, (left, 22), 0.5)
    for number, (name, points) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        smooth = points.astype(float)
        for i in range(1, len(smooth)):
            smooth[i, 1] = SMOOTH * smooth[i - 1, 1] + (1 - SMOOTH) * points[i, 1]
        cv2.polylines(image, [place(smooth)], False, colour, 2, cv2.LINE_AA)
        _write(image, name, (left + 300 + 110 * (number % 2), 18 + 16 * (number // 2)), 0.4, colour)
    return image


def _write(
    image: np.ndarray,
    text: str,
    at: tuple[int, int],
    size: float = 0.4,
    colour: tuple[int, int, int] = (60, 60, 60),
) -> None:
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)
