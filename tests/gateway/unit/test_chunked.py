"""The chunked decoder at its edges; what it shares with llhttp is in test_llhttp_agrees.py."""

import pytest

from proxy.gateway.chunked import MAX_LINE, ChunkedDecoder, encode, encode_last
from proxy.gateway.head import MAX_HEAD, BadMessage

HELLO = b'5;a="b"\r\nhello\r\n1\r\n!\r\n0\r\nSum: x\r\nOther: y \r\n\r\n'


def feed_all(parts: list[bytes]) -> None:
    decoder = ChunkedDecoder()
    for part in parts:
        decoder.feed(part)


def test_pieces_trailers_and_the_rest_are_told_apart():
    decoder = ChunkedDecoder()

    assert decoder.feed(HELLO + b"GET / HTTP/1.1\r\n") == len(HELLO)
    assert decoder.pieces == [b"hello", b"!"]
    assert decoder.trailers == [(b"sum", b"x"), (b"other", b"y")]
    assert decoder.done


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_any_split_gives_the_same(size):
    decoder = ChunkedDecoder()

    for begin in range(0, len(HELLO), size):
        part = HELLO[begin : begin + size]
        assert decoder.feed(part) == len(part)

    assert b"".join(decoder.pieces) == b"hello!"
    assert (decoder.done, len(decoder.trailers)) == (True, 2)


def test_a_body_cut_short_is_never_done():
    for cut in range(len(HELLO)):
        decoder = ChunkedDecoder()
        decoder.feed(HELLO[:cut])
        assert not decoder.done


def test_a_large_chunk_passes_in_whole_pieces():
    decoder = ChunkedDecoder()
    block = bytes(65536)

    decoder.feed(b"100000\r\n")
    for _ in range(16):
        decoder.feed(block)

    assert all(piece is block for piece in decoder.pieces)
    assert (len(decoder.pieces), decoder.remaining, decoder.done) == (16, 0, False)


@pytest.mark.parametrize(
    "body",
    [
        b"g\r\n",
        b"-1\r\n",
        b"+1\r\n",
        b"0x1\r\n",
        b" 1\r\n",
        b"1 \r\n",
        b"1 ;a\r\n",
        b"1\n",
        b"1\r\r\n",
        b"\r\n",
        b";a\r\n",
        b"1;\r\n",
        b"1; a\r\n",
        b"1;a=\r\n",
        b'1;a="b\r\n',
        b"1;a\nb\r\n",
        b"1;a\x00\r\n",
        b"1;" + b"a" * 5000,
        b"1\r\nab\r\n",
        b"1\r\na\n",
        b"1\r\na0\r\n",
        b"1_0\r\n",
        b"00000000000000001\r\n",
        b"ffffffffffffffff\r\n",
        b"20000000000001\r\n",
        b"0\r\nA : b\r\n\r\n",
        b"0\r\nA: b\r\n folded\r\n\r\n",
        b"0\r\nA: b\n\r\n",
        b"0\r\n\n",
        b"0\r\nA: \x00\r\n\r\n",
        b"0\r\nnothing\r\n\r\n",
    ],
)
def test_a_bad_chunk_is_refused_at_once_at_any_split(body):
    for parts in ([body], [body[at : at + 1] for at in range(len(body))]):
        with pytest.raises(BadMessage) as caught:
            feed_all(parts)
        assert caught.value.code == "bad_request"


def test_an_upstreams_bad_chunk_is_the_upstreams_failure():
    with pytest.raises(BadMessage) as caught:
        ChunkedDecoder("upstream_failed").feed(b"zz\r\n")

    assert caught.value.code == "upstream_failed"


@pytest.mark.parametrize(("length", "accepted"), [(MAX_LINE, True), (MAX_LINE + 1, False)])
def test_a_size_line_has_a_limit_at_any_split(length, accepted):
    line = b"1;" + b"a" * (length - 4) + b"\r\n"
    cuts = [[line], [line[:9], line[9:]], [line[:-1], line[-1:]]]
    later = b"1\r\nz\r\n" + line
    cuts += [[later[:at], later[at:]] for at in (0, 4, 5, 6, 9, -1)]
    cuts += [[later[:4], later[4:-1], later[-1:]]]
    for parts in cuts:
        try:
            feed_all(parts)
        except BadMessage:
            assert not accepted
        else:
            assert accepted


@pytest.mark.parametrize("trailers", [b"A: " + b"x" * MAX_HEAD, b"A: b\r\n" * 101])
def test_trailers_have_the_limits_of_a_head(trailers):
    with pytest.raises(BadMessage):
        ChunkedDecoder().feed(b"0\r\n" + trailers + b"\r\n\r\n")


def test_encoding():
    assert encode(b"x" * 16) == b"10\r\n" + b"x" * 16 + b"\r\n"
    assert encode(b"") == b""
    assert encode_last([]) == b"0\r\n\r\n"
    assert encode_last([(b"a", b"b"), (b"c", b"d")]) == b"0\r\na: b\r\nc: d\r\n\r\n"
