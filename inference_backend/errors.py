"""The backend's errors: each carries one sentence for the user and a detail for the log."""

from __future__ import annotations


class CitySegError(Exception):
    """Root of everything the backend raises on purpose.

    `user_message` is one sentence that says what happened and what to do about it; `detail` is for the log.
    """

    exit_code = 1
    kind = "error"

    def __init__(self, user_message: str, detail: str = "") -> None:
        super().__init__(user_message)
        self.user_message = user_message
        self.detail = detail


class InvalidInput(CitySegError, ValueError):
    """What the user gave cannot be used: a file, a prompt, an option."""

    exit_code = 2
    kind = "invalid_input"


class ResourceProblem(CitySegError, OSError):
    """The machine refused: disk full, no permission, out of memory."""

    exit_code = 1
    kind = "resource"


class ModelProblem(CitySegError):
    """A model or its weights cannot be loaded or run."""

    exit_code = 1
    kind = "model"


class Cancelled(CitySegError):
    """The user cancelled; an outcome, not a fault."""

    exit_code = 130
    kind = "cancelled"

    def __init__(self, user_message: str = "Cancelled.", detail: str = "") -> None:
        super().__init__(user_message, detail)
