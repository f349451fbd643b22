"""Names of the backend's methods for the parts that ask the worker and never see the wire."""

from __future__ import annotations

from cityseg_qgis.protocol.codes import CLASSIFY, OPEN, SEGMENT, VECTORIZE

__all__ = ["CLASSIFY", "OPEN", "SEGMENT", "VECTORIZE"]
