"""Messages keep their meaning across the wire, and nonsense is refused with the id where there is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityseg_qgis.protocol import codes
from cityseg_qgis.protocol.framing import Decoder, Frame
from cityseg_qgis.protocol.messages import (
    ErrorResponse,
    HelloAnswer,
    InvalidMessage,
    Notification,
    Request,
    Response,
    from_frame,
    progress,
    to_bytes,
)

ids = st.integers(0, 2**31 - 1)
payloads = st.dictionaries(st.text(max_size=6), st.integers() | st.text(max_size=9), max_size=3)
parts = st.lists(st.binary(max_size=9), max_size=2).map(tuple)
messages = st.one_of(
    st.builds(Request, ids, st.text(max_size=9), payloads, parts),
    st.builds(Notification, st.text(max_size=9), payloads, parts),
    st.builds(Response, ids, payloads, parts),
    st.builds(ErrorResponse, ids | st.none(), st.integers(-33000, 0), st.text(), st.text()),
)


@given(messages)
def test_a_message_comes_back_as_it_went(message):
    [frame] = Decoder().feed(to_bytes(message))
    assert from_frame(frame) == message


@pytest.mark.parametrize(
    ("header", "request_id"),
    [
        ({}, None),
        ({"jsonrpc": "1.0", "id": 4, "method": "x"}, 4),
        ({"jsonrpc": "2.0", "id": "4", "method": "x"}, None),
        ({"jsonrpc": "2.0", "id": True, "method": "x"}, None),
        ({"jsonrpc": "2.0", "id": 4, "method": 5}, 4),
        ({"jsonrpc": "2.0", "id": 4, "method": "x", "params": [1]}, 4),
        ({"jsonrpc": "2.0", "id": 4}, 4),
        ({"jsonrpc": "2.0", "id": 4, "result": 1}, 4),
        ({"jsonrpc": "2.0", "result": {}}, None),
        ({"jsonrpc": "2.0", "id": 4, "error": "no"}, 4),
    ],
)
def test_nonsense_is_refused(header, request_id):
    with pytest.raises(InvalidMessage) as caught:
        from_frame(Frame(header))
    assert caught.value.request_id == request_id


def test_an_error_of_another_implementation_is_understood():
    frame = Frame({"jsonrpc": "2.0", "id": 4, "error": {"code": "odd", "data": [1]}})
    assert from_frame(frame) == ErrorResponse(4, codes.ERROR, "", "", "error")


def test_hello_of_a_foreign_version_is_read_as_far_as_it_goes():
    answer = HelloAnswer.of({"protocol": 99, "version": "7", "pid": "x"})
    assert (answer.protocol, answer.version, answer.pid, answer.python) == (99, "7", 0, "")
    assert HelloAnswer.of({}).protocol == 0


def test_progress_names_its_request():
    assert progress(5, 0.25, "tile 1").params == {"id": 5, "fraction": 0.25, "message": "tile 1"}
