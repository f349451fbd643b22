"""What the user reads when a request to the backend fails. No Qt."""

from __future__ import annotations

from cityseg_qgis.errors import (
    BackendCrashed,
    BackendFailed,
    BackendUnavailable,
    CitySegError,
    RequestCancelled,
)
from cityseg_qgis.protocol import codes
from cityseg_qgis.protocol.messages import ErrorResponse

CANCELLED = "cancelled"
SUPERSEDED = "superseded"
_REINSTALL = (
    "install it again, or choose another Python in the CitySeg options; the details say more."
)


def of_response(response: ErrorResponse) -> CitySegError:
    """The error that the backend answered with."""
    kind = RequestCancelled if response.code == codes.CANCELLED else BackendFailed
    return kind(response.message, response.detail, response.code, response.kind)


def cancelled(kind: str = CANCELLED) -> CitySegError:
    """The request ended because the user, or a newer request, wanted it."""
    return RequestCancelled("Cancelled.", "", codes.CANCELLED, kind)


def not_ready(how: str, detail: str) -> CitySegError:
    """The process ended before it answered `hello`."""
    return BackendUnavailable(f"CitySeg's backend {how} before it was ready: {_REINSTALL}", detail)


def late(seconds: float, detail: str) -> CitySegError:
    """The process runs and does not answer `hello`."""
    return BackendUnavailable(
        f"CitySeg's backend did not answer within {seconds:g} seconds: {_REINSTALL}", detail
    )


def mismatch(detail: str) -> CitySegError:
    """Plugin and backend speak different versions of the protocol."""
    return BackendUnavailable(
        "The CitySeg plugin and its backend are of different versions and do not understand each other: "
        "install the same version of both, then restart QGIS.",
        detail,
    )


def crashed(how: str, detail: str) -> CitySegError:
    """The process ended in the middle of a request, and again when that was repeated."""
    return BackendCrashed(
        f"CitySeg's backend {how}, and again when the request was repeated: "
        "try a smaller area or another model; the details hold its last words.",
        detail,
    )


def too_large_to_send(detail: str) -> CitySegError:
    """The request fits into no frame."""
    return BackendFailed(
        "The request is too large for the backend: choose a smaller extent.",
        detail,
        codes.INVALID_PARAMS,
        "invalid_input",
    )


def too_large_to_receive(detail: str) -> CitySegError:
    """The answer is larger than a frame may be."""
    return BackendFailed(
        "The backend's answer is too large: choose a smaller extent.",
        detail,
        codes.RESOURCE,
        "resource",
    )
