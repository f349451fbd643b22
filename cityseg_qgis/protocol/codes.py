"""Protocol version, method names and error codes: what both sides must agree on to the letter."""

from __future__ import annotations

# Raise it when an old plugin could misread a new backend, or the other way round. The two ship
# together; a backend on another machine (ssh) is where they can differ.
PROTOCOL_VERSION = 1

HELLO = "hello"
MODELS = "models"
OPEN = "open"
PREDICT = "predict"
SEGMENT = "segment"
VECTORIZE = "vectorize"
CLASSIFY = "classify"
STATUS = "status"
CANCEL = "cancel"
SHUTDOWN = "shutdown"

PROGRESS = "progress"
PARTIAL = "partial"
LOG = "log"

# JSON-RPC 2.0
PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
# Ours. The number for "cancelled" is the one that the Language Server Protocol uses.
CANCELLED = -32800
INVALID_INPUT = -32001
RESOURCE = -32002
MODEL = -32003
ENVIRONMENT = -32004
ERROR = -32000

CODE_OF_KIND = {
    "error": ERROR,
    "invalid_input": INVALID_INPUT,
    "resource": RESOURCE,
    "model": MODEL,
    "environment": ENVIRONMENT,
    "cancelled": CANCELLED,
}
