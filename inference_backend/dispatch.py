"""From a request to its answer: looks up the handler, and turns whatever goes wrong into an error with a code."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cityseg_qgis.protocol import codes
from cityseg_qgis.protocol.framing import FrameTooLarge
from cityseg_qgis.protocol.messages import ErrorResponse, Request, Response, to_bytes
from inference_backend.cancel import CancelToken
from inference_backend.errors import CitySegError


@dataclass(frozen=True)
class Call:
    """What a handler gets besides the params: attachments, a flag to look at, a way to say how far it is."""

    request: Request
    cancel: CancelToken = field(default_factory=CancelToken)
    # (fraction from 0 to 1, message); may be called for every tile.
    progress: Callable[[float, str], None] = lambda fraction, message: None
    # What a short request is doing now, where that takes longer than usual.
    announce: Callable[[str], None] = lambda message: None
    # GeoJSON features that are found while the rest is still looked for.
    partial: Callable[[list[dict[str, Any]]], None] = lambda features: None

    @property
    def params(self) -> dict[str, Any]:
        return self.request.params

    @property
    def attachments(self) -> tuple[bytes, ...]:
        return self.request.attachments


Handler = Callable[[Call], dict[str, Any]]


def answer(handlers: Mapping[str, Handler], call: Call) -> bytes:
    """The frame that answers `call`; never raises on account of the request."""
    request = call.request
    handler = handlers.get(request.method)
    if handler is None:
        sentence = (
            f"The backend does not know '{request.method}': update the plugin and the backend."
        )
        return to_bytes(ErrorResponse(request.id, codes.METHOD_NOT_FOUND, sentence))
    try:
        call.cancel.check()
        return to_bytes(Response(request.id, handler(call)))
    except FrameTooLarge as error:
        sentence = "The answer is too large to send: choose a smaller extent or write it to a file."
        return to_bytes(ErrorResponse(request.id, codes.RESOURCE, sentence, str(error), "resource"))
    # The boundary of the process: every fault becomes an answer. Some libraries call sys.exit.
    except (Exception, SystemExit) as error:
        return to_bytes(error_response(request.id, error))


def error_response(request_id: int | None, error: BaseException) -> ErrorResponse:
    """`error` as it travels. What was not raised on purpose carries its traceback for a bug report."""
    if isinstance(error, CitySegError):
        code = codes.CODE_OF_KIND.get(error.kind, codes.ERROR)
        return ErrorResponse(request_id, code, error.user_message, error.detail, error.kind)
    detail = "".join(traceback.format_exception(error))
    for matches, code, kind, sentence in _KNOWN_FAULTS:
        if matches(error):
            return ErrorResponse(request_id, code, sentence, detail, kind)
    return ErrorResponse(
        request_id,
        codes.INTERNAL_ERROR,
        "The backend met an error that it did not expect: please report it with its details.",
        detail,
        "internal",
    )


def known_sentence(error: BaseException) -> str | None:
    """What to tell the user of a fault that is the machine's and not ours; None for any other."""
    return next((known[3] for known in _KNOWN_FAULTS if known[0](error)), None)


def _out_of_memory(error: BaseException) -> bool:
    # By name, so that torch is not imported to describe a fault.
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def _disk_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno == errno.ENOSPC


def _library_missing(error: BaseException) -> bool:
    return isinstance(error, ImportError)


_KNOWN_FAULTS: tuple[tuple[Callable[[BaseException], bool], int, str, str], ...] = (
    (
        _out_of_memory,
        codes.RESOURCE,
        "resource",
        "There is not enough memory: close other programs, or choose a smaller model or extent.",
    ),
    (
        _disk_full,
        codes.RESOURCE,
        "resource",
        "The disk is full: free some space and try again.",
    ),
    (
        _library_missing,
        codes.ENVIRONMENT,
        "environment",
        "The backend's environment is incomplete (a library is missing or does not load): install it again.",
    ),
)
