"""What our parsers accept, llhttp must accept too and read the same: llhttp is the oracle."""

from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.gateway.chunked import ChunkedDecoder, encode, encode_last
from proxy.gateway.head import METHODS, BadMessage, parse_request
from proxy.gateway.response import parse_response
from tests.gateway.unit.heads import read_request, read_response, request

TOKEN = st.text("abcXYZ019!#$%&'*+-.^_`|~", min_size=1, max_size=12)
VALUE = st.text(
    st.characters(
        codec="latin-1", exclude_characters="".join(map(chr, [*range(9), *range(10, 32), 127]))
    ),
    max_size=30,
)
TARGET = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=30)
SPECIAL = st.sampled_from(
    [
        "Content-Length: 0",
        "Content-Length: 12",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: gzip",
        "Connection: close",
        "Connection: upgrade, foo",
        "Upgrade: websocket",
        "Expect: 100-continue",
        "Host: b",
    ]
)
FIELD = st.one_of(st.builds("{}: {}".format, TOKEN, VALUE), SPECIAL)
LINE = st.builds(
    "{} /{} HTTP/1.{}".format,
    st.sampled_from(sorted(method.decode() for method in METHODS)),
    TARGET,
    st.sampled_from("01"),
)
REQUEST = st.builds(
    lambda line, fields: request(*fields, line=line), LINE, st.lists(FIELD, max_size=8)
)
STATUS = st.builds("HTTP/1.{} {} {}".format, st.sampled_from("01"), st.integers(100, 599), VALUE)
RESPONSE = st.builds(
    lambda line, fields: request(*fields, line=line, host=""), STATUS, st.lists(FIELD, max_size=8)
)
CHUNKED_POST = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECES = st.lists(st.binary(min_size=1, max_size=40), max_size=6)


@st.composite
def mutated(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """A valid message with a few bytes replaced, put in, taken out or repeated."""
    data = bytearray(draw(whole))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 3))
        odd = draw(
            st.sampled_from([b"\r", b"\n", b"\0", b" ", b":", b"\t", b"\r\n", b";", b"0", b"\xff"])
        )
        data[at : at + length] = draw(st.sampled_from([odd, b"", bytes(data[at : at + 5])]))
    return bytes(data)


def check_request(block: bytes) -> None:
    try:
        head = parse_request(block)
    except BadMessage:
        return
    theirs = read_request(block)

    assert not theirs.refused
    assert (theirs.method, theirs.headers) == (head.method, head.headers)
    if block.split(b" ")[1].startswith(b"/"):
        assert theirs.url == head.target
    if not (head.nominated & {b"upgrade"}):
        assert theirs.keep_alive == head.keep_alive
        assert theirs.complete == (not head.has_body)


@given(REQUEST)
@settings(max_examples=300, deadline=None)
def test_an_accepted_request_reads_the_same(block: bytes):
    check_request(block)


@given(mutated(REQUEST))
@settings(max_examples=500, deadline=None)
def test_a_mutated_request_is_never_accepted_by_us_alone(block: bytes):
    check_request(block)


def check_response(block: bytes) -> None:
    try:
        head = parse_response(block, b"GET")
    except BadMessage:
        return
    theirs = read_response(block)

    assert not theirs.refused
    assert (theirs.status, theirs.headers) == (head.status, head.headers)
    if not (head.nominated & {b"upgrade"}):
        body_follows = head.until_close or head.chunked or bool(head.content_length)
        assert theirs.complete == (head.bodiless or not body_follows)


@given(RESPONSE)
@settings(max_examples=300, deadline=None)
def test_an_accepted_response_reads_the_same(block: bytes):
    check_response(block)


@given(mutated(RESPONSE))
@settings(max_examples=500, deadline=None)
def test_a_mutated_response_is_never_accepted_by_us_alone(block: bytes):
    check_response(block)


EXTENSION = st.sampled_from([b"", b";a", b";a=b", b';a="b c"', b';a="\\""', b";a;b=c"])
TRAILER = st.sampled_from([[], [(b"a", b"b")], [(b"a", b"b"), (b"x-sum", b"1 2")]])


@st.composite
def chunked_body(draw: st.DrawFn) -> bytes:
    body = b""
    for piece in draw(PIECES):
        digits = draw(st.sampled_from([b"%x", b"%X", b"0%x"])) % len(piece)
        body += digits + draw(EXTENSION) + b"\r\n" + piece + b"\r\n"
    return body + encode_last(draw(TRAILER))


def decode(data: bytes, cuts: list[int]) -> ChunkedDecoder | None:
    """Fed in parts; None when refused."""
    decoder = ChunkedDecoder()
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    try:
        for begin, end in pairwise(edges):
            if decoder.feed(data[begin:end]) < end - begin:
                break
    except BadMessage:
        return None
    return decoder


CUTS = st.lists(st.integers(0, 500), max_size=12)


@given(chunked_body(), CUTS)
@settings(max_examples=300, deadline=None)
def test_a_chunked_body_reads_the_same_at_any_split(body: bytes, cuts: list[int]):
    ours = decode(body, cuts)
    theirs = read_request(CHUNKED_POST + body)

    assert ours is not None
    assert ours.done
    assert theirs.complete
    assert b"".join(ours.pieces) == theirs.body
    assert ours.trailers == theirs.headers[2:]


@given(mutated(chunked_body()), CUTS)
@settings(max_examples=700, deadline=None)
@example(b"5 \r\nhello\r\n0\r\n\r\n", [])
@example(b"5\nhello\r\n0\r\n\r\n", [])
@example(b"5\r\nhello0\r\n\r\n", [])
@example(b"0\r\n\r\nGET", [])
def test_a_mutated_chunked_body_is_never_accepted_by_us_alone(body: bytes, cuts: list[int]):
    whole, split = decode(body, []), decode(body, cuts)

    assert (whole is None) == (split is None)
    if whole is None or split is None or not whole.done:
        return
    assert (b"".join(whole.pieces), whole.trailers) == (b"".join(split.pieces), split.trailers)
    theirs = read_request(CHUNKED_POST + body[: consumed(body)])
    assert theirs.complete
    assert not theirs.refused
    assert b"".join(whole.pieces) == theirs.body


def consumed(body: bytes) -> int:
    return ChunkedDecoder().feed(body)


@given(PIECES, TRAILER)
@settings(deadline=None)
def test_what_we_encode_llhttp_decodes(pieces: list[bytes], trailers: list[tuple[bytes, bytes]]):
    body = b"".join(map(encode, [*pieces, b""])) + encode_last(trailers)
    theirs = read_request(CHUNKED_POST + body)

    assert (theirs.complete, theirs.body) == (True, b"".join(pieces))
    assert theirs.headers[2:] == trailers
