"""Frames survive any splitting of the stream and any foreign output around them."""

from __future__ import annotations

import json
import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityseg_qgis.protocol.framing import (
    MAGIC,
    NOISE_LINE_LIMIT,
    Decoder,
    Frame,
    FrameTooLarge,
    Limits,
    Noise,
    Rejected,
    encode,
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
headers = st.dictionaries(
    st.text(max_size=8).filter(lambda key: key != "attachments"), json_values, max_size=4
)
attachments = st.lists(st.binary(max_size=40), max_size=3).map(tuple)
frames = st.builds(Frame, headers, attachments)
# Foreign output of any bytes, but for a magic: what follows one may truly be a frame.
noise = st.binary(max_size=40).filter(lambda data: MAGIC not in data)


def joined(parts: list[bytes], decoder: Decoder) -> list:
    """Every event of a stream in pieces, with what its end leaves over."""
    events = [event for part in parts for event in decoder.feed(part)]
    return events + decoder.close()


def frames_of(events: list) -> list[Frame]:
    return [event for event in events if isinstance(event, Frame)]


def noise_of(events: list) -> str:
    return "\n".join(event.text for event in events if isinstance(event, Noise))


@given(st.lists(frames, max_size=4))
def test_what_is_encoded_is_decoded(sent):
    stream = b"".join(encode(frame.header, frame.attachments) for frame in sent)
    assert joined([stream], Decoder()) == sent


@given(frames, frames, noise)
def test_a_split_at_every_byte_changes_nothing(first, second, between):
    stream = (
        encode(first.header, first.attachments)
        + between
        + b"\n"
        + encode(second.header, second.attachments)
    )
    whole = joined([stream], Decoder())
    assert frames_of(whole) == [first, second]
    for at in range(len(stream) + 1):
        assert joined([stream[:at], stream[at:]], Decoder()) == whole
    assert joined([stream[i : i + 1] for i in range(len(stream))], Decoder()) == whole


@given(st.lists(st.tuples(noise, frames), min_size=1, max_size=4), noise)
def test_foreign_output_anywhere_loses_no_frame(pairs, tail):
    stream = (
        b"".join(before + b"\n" + encode(f.header, f.attachments) for before, f in pairs) + tail
    )
    assert frames_of(joined([stream], Decoder())) == [frame for _, frame in pairs]


@given(st.text(alphabet=st.characters(codec="ascii", categories=["L", "N", "P"]), max_size=60))
def test_foreign_output_is_handed_out(text):
    events = joined([text.encode() + b"\n", encode({"a": 1})], Decoder())
    assert noise_of(events) == text
    assert frames_of(events) == [Frame({"a": 1})]


@pytest.mark.parametrize(
    "junk",
    [
        MAGIC,
        MAGIC + b"\n",
        MAGIC * 5,
        b"CSE" + MAGIC,
        b"CSCSECSEG printed by a library\n",
        MAGIC + struct.pack(">I", 0),
        MAGIC + struct.pack(">I", 2**32 - 1) + b"{}",
        MAGIC + struct.pack(">I", 4) + b"{no}",
        MAGIC + struct.pack(">I", 4) + b"[12]",
        MAGIC + struct.pack(">I", 9) + b'{"a":NaN}',
        MAGIC + struct.pack(">I", 20) + b'{"attachments":[-1]}',
        MAGIC + struct.pack(">I", 22) + b'{"attachments":[true]}',
        MAGIC + struct.pack(">I", 12) + b'{"a":"\xff\xfe\xff\xfe"}',
        MAGIC + struct.pack(">I", 10_000) + b"x" * 30,
        MAGIC + struct.pack(">I", 60_000) + b'{"a":' + b"[" * 60_000,
    ],
)
def test_an_accidental_magic_is_noise(junk):
    sent = Frame({"method": "hello", "id": 3}, (b"\x00CSEG\xff",))
    stream = junk + encode(sent.header, sent.attachments)
    whole = joined([stream], Decoder())
    assert frames_of(whole) == [sent]
    assert noise_of(whole)
    assert joined([stream[i : i + 7] for i in range(0, len(stream), 7)], Decoder()) == whole


def test_a_frame_cut_off_before_its_header_ends_gives_way_to_the_next():
    cut = encode({"id": 1, "method": "predict"})[:-6]
    sent = Frame({"id": 2, "method": "hello", "params": {}})
    assert frames_of(joined([cut, encode(sent.header)], Decoder())) == [sent]


def test_a_frame_cut_off_at_the_end_is_not_handed_out_as_a_frame():
    decoder = Decoder()
    assert decoder.feed(encode({"id": 1}, [b"12345678"])[:-1]) == []
    assert decoder.inside_frame
    assert frames_of(decoder.close()) == []
    assert not decoder.inside_frame


def test_attachments_over_the_limit_are_skipped_and_reading_goes_on():
    decoder = Decoder(Limits(header=1000, attachments=10))
    large = encode({"id": 7}, [b"x" * 11])
    events = joined([large[:30], large[30:], encode({"id": 8}, [b"y" * 10])], decoder)
    assert [type(event) for event in events] == [Rejected, Frame]
    assert events[0].header == {"id": 7}
    assert events[1] == Frame({"id": 8}, (b"y" * 10,))


def test_a_header_over_the_limit_is_noise():
    decoder = Decoder(Limits(header=50))
    events = joined([encode({"text": "x" * 60}) + b"\n", encode({"id": 1})], decoder)
    assert frames_of(events) == [Frame({"id": 1})]


def test_nothing_too_large_is_encoded():
    limits = Limits(header=32, attachments=10)
    assert encode({"a": "x" * 5}, [b"1" * 10], limits)
    with pytest.raises(FrameTooLarge):
        encode({"a": "x" * 40}, (), limits)
    with pytest.raises(FrameTooLarge):
        encode({}, [b"1" * 11], limits)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"bytes"])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises((ValueError, TypeError)):
        encode({"value": value})


def test_a_path_that_is_no_utf8_survives():
    path = os.fsdecode(b"/data/\xff\xfe.tif")
    assert frames_of(Decoder().feed(encode({"path": path}))) == [Frame({"path": path})]


def test_a_long_line_of_noise_comes_in_pieces_and_memory_stays_small():
    decoder = Decoder()
    events = [event for _ in range(200) for event in decoder.feed(b"x" * 1000)]
    assert {len(event.text) for event in events} == {NOISE_LINE_LIMIT}
    assert len(events) == 200_000 // NOISE_LINE_LIMIT


def test_the_layout_is_the_documented_one():
    frame = encode({"jsonrpc": "2.0"}, [b"ab", b"", b"c"])
    length = int.from_bytes(frame[4:8], "big")
    assert frame[:4] == b"CSEG"
    assert json.loads(frame[8 : 8 + length]) == {"jsonrpc": "2.0", "attachments": [2, 0, 1]}
    assert frame[8 + length :] == b"abc"
