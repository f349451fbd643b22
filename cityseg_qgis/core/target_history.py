"""Undo and redo of accepts, by the target layer's own undo stack."""

from __future__ import annotations

from typing import Optional

from qgis.core import QgsVectorLayer

from cityseg_qgis.core import result


def can_step(target: Optional[QgsVectorLayer], undo: bool) -> bool:
    """Whether the next step of the target's undo (or redo) is an accept of ours: edits by hand are QGIS's business."""
    if target is None or not target.isEditable():
        return False
    stack = target.undoStack()
    text = stack.undoText() if undo else stack.redoText()
    return text in {result.command_name(operation) for operation in (*result.OPERATIONS, result.ADD_FOUND)}


def step(target: QgsVectorLayer, undo: bool) -> str:
    """Take the last accept back, or do it again; the name of that step."""
    stack = target.undoStack()
    name = stack.undoText() if undo else stack.redoText()
    if undo:
        stack.undo()
    else:
        stack.redo()
    target.triggerRepaint()
    return name
