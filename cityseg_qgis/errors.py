"""The plugin's errors: each carries one sentence for the user and a detail for the log."""

from __future__ import annotations


class CitySegError(Exception):
    """Root of everything the plugin raises on purpose.

    `user_message` says what happened and what to do; `detail` is for the log and the Details button.
    """

    def __init__(self, user_message: str, detail: str = "") -> None:
        super().__init__(user_message)
        self.user_message = user_message
        self.detail = detail


class UnsupportedLayer(CitySegError):
    """The layer cannot be prompted."""


class TargetProblem(CitySegError):
    """The target layer cannot be made or edited."""


class SaveProblem(CitySegError):
    """A file cannot be written."""


class GeometryProblem(CitySegError):
    """A geometry cannot be transformed or repaired."""
