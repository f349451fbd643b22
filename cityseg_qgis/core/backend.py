"""The plugin's one client of the backend, started as the settings say."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

from qgis.PyQt.QtCore import QObject

from cityseg_qgis import settings
from cityseg_qgis.errors import BackendUnavailable
from cityseg_qgis.worker.client import BackendClient
from cityseg_qgis.worker.interpreter import BackendCommand, backend_command


def command_from_settings() -> BackendCommand:
    """What starts the backend. Raises `BackendUnavailable` with what the user can do."""
    command = backend_command(settings.BACKEND_PYTHON.value(), settings.BACKEND_COMMAND.value())
    if not command.python:
        # A command of the user's own says itself which device it wants.
        return command
    return replace(command, arguments=(*command.arguments, "--device", settings.DEVICE.value()))


def make_client(parent: Optional[QObject] = None) -> BackendClient:
    """A client that reads the settings at every start of the process."""
    return BackendClient(command_from_settings, parent)


def missing_backend() -> str:
    """Why no backend can be started, as a sentence; empty where one can be tried."""
    try:
        command_from_settings()
    except BackendUnavailable as error:
        return error.user_message
    return ""
