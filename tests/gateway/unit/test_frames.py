"""Frames of a WebSocket are followed whatever pieces they come in."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.gateway.frames import Frames, close_frame
from tests.gateway.handshake import frame

LENGTHS = [0, 1, 125, 126, 127, 65_535, 65_536, 70_000]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("mask", [b"", b"\x01\x02\x03\x04"])
def test_a_frame_is_whole_at_its_last_byte_and_not_before(length, mask):
    data = frame(bytes(length), mask=mask)
    frames = Frames()
    assert frames.is_whole
    for byte in data[:-1]:
        frames.feed(bytes((byte,)))
        assert not frames.is_whole
    frames.feed(data[-1:])
    assert frames.is_whole


@given(
    st.lists(st.tuples(st.integers(0, 300), st.sampled_from([0, 1, 2, 9, 10]), st.booleans())),
    st.lists(st.integers(1, 400), min_size=1),
)
def test_any_pieces_of_any_frames(shapes, sizes):
    data, ends = b"", {0}
    for length, opcode, is_masked in shapes:
        data += frame(os.urandom(length), opcode, b"abcd" if is_masked else b"")
        ends.add(len(data))
    frames, at, number = Frames(), 0, 0
    while at < len(data):
        size = sizes[number % len(sizes)]
        frames.feed(data[at : at + size])
        at, number = min(at + size, len(data)), number + 1
        assert frames.is_whole == (at in ends)
    assert not frames.is_closed


@pytest.mark.parametrize("piece", [1, 2, 3, 100])
def test_a_close_frame_is_seen(piece):
    frames = Frames()
    frames.feed(frame(b"\x88\x00" * 200) + frame(b"", opcode=9))
    assert not frames.is_closed
    data = frame(b"\x03\xe8", opcode=8)
    for at in range(0, len(data), piece):
        frames.feed(data[at : at + piece])
    assert frames.is_closed


def test_our_own_close_frame_is_one_whole_frame_of_a_server():
    made = close_frame(1008, "key_revoked")
    assert made == frame(b"\x03\xf0key_revoked", opcode=8)
    assert len(close_frame(1008, "x" * 500)) == 2 + 125
