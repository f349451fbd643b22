"""The messages of JSON-RPC 2.0 as frozen dataclasses, and their way into and out of frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Optional, Union

from cityseg_qgis.protocol import codes
from cityseg_qgis.protocol.framing import Frame, encode

_VERSION = "2.0"


class InvalidMessage(ValueError):
    """A frame whose header is no JSON-RPC 2.0 message; `request_id` where one could be read."""

    def __init__(self, reason: str, request_id: Optional[int] = None) -> None:
        super().__init__(reason)
        self.request_id = request_id


@dataclass(frozen=True)
class Request:
    """The plugin asks. `id` is never used twice in the life of a process."""

    id: int
    method: str
    params: dict[str, Any] = field(default_factory=dict)
    attachments: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Notification:
    """Either side tells, and expects no answer."""

    method: str
    params: dict[str, Any] = field(default_factory=dict)
    attachments: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Response:
    """The answer to the request `id`."""

    id: int
    result: dict[str, Any]
    attachments: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class ErrorResponse:
    """The request `id` failed; None where the request could not even be read.

    `message` is a sentence for the user, `detail` is for the log, `kind` a word for a program.
    """

    id: Optional[int]
    code: int
    message: str
    detail: str = ""
    kind: str = "error"


Message = Union[Request, Notification, Response, ErrorResponse]


@dataclass(frozen=True)
class HelloAnswer:
    """Who the backend is: the result of `hello`."""

    protocol: int
    version: str
    pid: int
    python: str
    device_hint: str

    @classmethod
    def of(cls, result: dict[str, Any]) -> HelloAnswer:
        """From the wire; what a foreign version leaves out or mistypes becomes empty."""
        return cls(
            protocol=_int_or(result.get("protocol"), 0),
            version=str(result.get("version", "")),
            pid=_int_or(result.get("pid"), 0),
            python=str(result.get("python", "")),
            device_hint=str(result.get("device_hint", "")),
        )


def to_bytes(message: Message) -> bytes:
    """The frame of `message`. Raises as `framing.encode` does."""
    if isinstance(message, ErrorResponse):
        return encode(_error_header(message))
    header: dict[str, Any] = {"jsonrpc": _VERSION}
    if isinstance(message, Response):
        header.update(id=message.id, result=message.result)
    else:
        if isinstance(message, Request):
            header["id"] = message.id
        header.update(method=message.method, params=message.params)
    return encode(header, message.attachments)


def from_frame(frame: Frame) -> Message:
    """The message in `frame`; raises `InvalidMessage`."""
    header = frame.header
    request_id = header.get("id")
    if not _is_id(request_id):
        raise InvalidMessage("the member 'id' is not a whole number")
    if header.get("jsonrpc") != _VERSION:
        raise InvalidMessage("not JSON-RPC 2.0", request_id)
    if "method" in header:
        return _call(header, request_id, frame.attachments)
    if "error" in header:
        return _error(header["error"], request_id)
    result = header.get("result")
    if request_id is None or not isinstance(result, dict):
        raise InvalidMessage("neither a request nor an answer", request_id)
    return Response(request_id, result, frame.attachments)


def progress(request_id: int, fraction: float, message: str) -> Notification:
    """How far a request is: `fraction` from 0 to 1."""
    return Notification(
        codes.PROGRESS, {"id": request_id, "fraction": fraction, "message": message}
    )


def partial(request_id: int, features: Sequence[dict[str, Any]]) -> Notification:
    """What was found so far of a request that goes on: the next handful of GeoJSON features."""
    return Notification(codes.PARTIAL, {"id": request_id, "features": list(features)})


def _call(
    header: dict[str, Any], request_id: Optional[int], attachments: Sequence[bytes]
) -> Message:
    method, params = header["method"], header.get("params", {})
    if not isinstance(method, str):
        raise InvalidMessage("the member 'method' is not a text", request_id)
    if not isinstance(params, dict):
        raise InvalidMessage("the member 'params' is not an object", request_id)
    if request_id is None:
        return Notification(method, params, tuple(attachments))
    return Request(request_id, method, params, tuple(attachments))


def _error_header(message: ErrorResponse) -> dict[str, Any]:
    data = {"detail": message.detail, "kind": message.kind}
    error = {"code": message.code, "message": message.message, "data": data}
    return {"jsonrpc": _VERSION, "id": message.id, "error": error}


def _error(error: object, request_id: Optional[int]) -> ErrorResponse:
    if not isinstance(error, dict):
        raise InvalidMessage("the member 'error' is not an object", request_id)
    data = error.get("data")
    data = data if isinstance(data, dict) else {}
    return ErrorResponse(
        id=request_id,
        code=_int_or(error.get("code"), codes.ERROR),
        message=str(error.get("message", "")),
        detail=str(data.get("detail", "")),
        kind=str(data.get("kind", "error")),
    )


def _is_id(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool))


def _int_or(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise
