"""Server-sent events as the WHATWG specification reads them, and a last one without an end."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.usage.events import Events
from proxy.usage.held import Held
from proxy.usage.reported import Usage
from tests.gateway.unit.usage.recorded import EVENTS, read

TOLD = '{"usage":{"prompt_tokens":5}}'
READ = Usage("", 5)


class Told:
    def __init__(self) -> None:
        self.data: list[bytes] = []
        self.events = Events(self.note)

    def note(self, held: Held) -> None:
        self.data.append(bytes(held.data))


def data_of(*pieces: bytes) -> list[bytes]:
    told = Told()
    for piece in pieces:
        told.events.feed(piece)
    return told.data


@pytest.mark.parametrize(("stream", "expected"), [
    (b"data: a\n\n", [b"a"]),
    (b"data:a\n\n", [b"a"]),
    (b"data:  a \n\n", [b" a "]),
    (b"data:\ta\n\n", [b"\ta"]),
    (b"data: a\r\n\r\n", [b"a"]),
    (b"data: a\r\r", [b"a"]),
    (b"data: a\r\ndata: b\r\n\r\n", [b"a\nb"]),
    (b"data: a\r\n\ndata: b\n\rdata: c\r\r\n", [b"a", b"b", b"c"]),
    (b"data: YHOO\ndata: +2\ndata: 10\n\n", [b"YHOO\n+2\n10"]),
    (b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\n",
     [b"first event", b"second event"]),
    (b"data\n\ndata\ndata\n\ndata:", [b"", b"\n"]),
    (b"event: data\nevent\nretry: 5\nx-data: no\n data: no\nDATA: no\ndatax\ndata : no\n\n", []),
    (b"data: a\nevent: x\n: note\ndata: b\n\n", [b"a\nb"]),
    (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
    (b"\xef\xbb\xbf\n\xef\xbb\xbfdata: no\n\ndata: a\n\n", [b"a"]),
    (b"\xef\xbb\xbf\xef\xbb\xbfdata: no\n\n", []),
    (b"\xef\xbb\xbfdata\ndata: a\n\n", [b"\na"]),
    (b"\n\xef\xbb\xbfdata: no\n\n", []),
    (b"\n\n\r\r\n\ndata: a\n\n\n\n", [b"a"]),
    (b"data: \xff\x00\n\n", [b"\xff\x00"]),
    (b"data: a\n", []),
    (b"data: a", []),
    (b"", []),
])  # fmt: skip
def test_events_by_the_specification_at_any_split(stream, expected):
    assert data_of(stream) == expected
    assert data_of(*(bytes([byte]) for byte in stream)) == expected
    for cut in range(len(stream)):
        assert data_of(stream[:cut], b"", stream[cut:]) == expected


BOM = b"\xef\xbb\xbf"
PIECE = st.sampled_from(
    [b"data:", b"data", b" ", b"a", b":", b"\n", b"\r", b"\r\n", b"\n\n", BOM, b"long" * 9]
)


def reference(stream: bytes) -> list[bytes]:
    """The specification's algorithm, line by line over the whole."""
    text = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    made: list[bytes] = []
    lines: list[bytes] = []
    for line in text.split(b"\n")[:-1]:
        field, _, value = line.partition(b":")
        if not line and lines:
            made.append(b"\n".join(lines))
            lines = []
        elif field == b"data":
            lines.append(value.removeprefix(b" "))
    return made


@given(st.lists(PIECE, max_size=30), st.integers(1, 12))
@settings(max_examples=300, deadline=None)
def test_any_stream_gives_what_the_specification_gives(parts, size):
    stream = b"".join(parts)

    assert data_of(*parts) == reference(stream)
    cuts = range(0, len(stream), size)
    assert data_of(*(stream[at : at + size] for at in cuts)) == reference(stream)


@pytest.mark.parametrize("end", ["", "\n", "\r", "\r\n", "\n\n", "\r\n\r\n", "\n: end"])
def test_a_last_event_counts_without_its_blank_line(end):
    assert read("openai", EVENTS, [f"data: {TOLD}{end}".encode()]) == READ


def test_one_document_over_several_data_lines():
    lines = ["{", '"usage"', ":", "{", '"prompt_tokens": 5', "}", "}"]
    stream = "".join(f"data: {line}\n" for line in lines)

    for end in (stream + "\n", stream, stream[:-1], stream[:-1] + "\n: end"):
        assert read("openai", EVENTS, [end.encode()]) == READ


@pytest.mark.parametrize(
    "event", ["data: {", 'data: {"usage":{"prompt_tokens":7', "data: \xff", 'data: "usage"']
)
def test_an_event_that_is_no_document_does_not_hide_the_others(event):
    stream = f"{event}\n\ndata: {TOLD}\n\n{event}\n\n{event}"

    assert read("openai", EVENTS, [stream.encode("latin-1")]) == READ
