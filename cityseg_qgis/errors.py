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


class BackendUnavailable(CitySegError):
    """There is no backend to talk to: none installed, it does not start, or it speaks another protocol."""


class BackendCrashed(CitySegError):
    """The backend's process ended, or stopped answering, in the middle of a request, also when repeated."""


class BackendFailed(CitySegError):
    """The backend answered a request with an error.

    `code` is one of `protocol.codes`; `kind` is its word for a program to act on ("invalid_input", "cancelled", …).
    """

    def __init__(self, user_message: str, detail: str = "", code: int = 0, kind: str = "") -> None:
        super().__init__(user_message, detail)
        self.code = code
        self.kind = kind


class RequestCancelled(BackendFailed):
    """The user cancelled, or a newer request took this one's place (`kind` is then "superseded"): an outcome, no fault."""


class EnvironmentBroken(CitySegError):
    """The backend's environment cannot be made or used."""
