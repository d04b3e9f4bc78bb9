"""What an upstream's response head means, where its body ends, and what is upstream_failed."""

import pytest

from proxy.gateway.head import MAX_FIELDS, MAX_HEAD, BadMessage
from proxy.gateway.response import find_end
from tests.gateway.unit.heads import answer, request


def test_a_head_is_taken_apart():
    head = answer(
        "Set-Cookie: a", "set-cookie: b", "Content-Length: 3", line="HTTP/1.1 404 Not  Here"
    )

    assert (head.status, head.version, head.line) == (404, 11, b"HTTP/1.1 404 Not  Here\r\n")
    assert head.headers == [(b"set-cookie", b"a"), (b"set-cookie", b"b"), (b"content-length", b"3")]
    assert (head.content_length, head.chunked, head.until_close) == (3, False, False)
    assert (head.bodiless, head.keep_alive, head.interim) == (False, True, False)


@pytest.mark.parametrize("line", ["HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.0 200 "])
def test_the_reason_may_be_missing(line):
    assert answer(line=line).line == b"HTTP/1.1 200 \r\n"


@pytest.mark.parametrize(
    "line",
    [
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 000 OK",
        "HTTP/1.1 600 OK",
        "HTTP/2 200 OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1\t200 OK",
        "http/1.1 200 OK",
        "ICY 200 OK",
        "HTTP/1.1 200 O\x00K",
        "HTTP/1.1 200 O\nK",
        "HTTP/1.1 101 Switching Protocols",
        "",
    ],
)
def test_an_odd_status_line_fails(line):
    with pytest.raises(BadMessage) as caught:
        answer(line=line)

    assert caught.value.code == "upstream_failed"


@pytest.mark.parametrize(
    "fields",
    [
        ["Content-Length: 3", "Transfer-Encoding: chunked"],
        ["Content-Length: 3", "Content-Length: 3"],
        ["Content-Length: 3, 3"],
        ["Content-Length: x"],
        ["Content-Length: 9007199254740993"],
        ["Transfer-Encoding: gzip, chunked"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        ["A: b\r\n folded"],
        ["A : b"],
        ["A: b\x00"],
        [f"A{number}: b" for number in range(MAX_FIELDS + 1)],
    ],
)
def test_odd_fields_and_framing_fail(fields):
    with pytest.raises(BadMessage) as caught:
        answer(*fields)

    assert caught.value.code == "upstream_failed"


def test_transfer_encoding_on_http_1_0_fails():
    with pytest.raises(BadMessage):
        answer("Transfer-Encoding: chunked", line="HTTP/1.0 200 OK")


@pytest.mark.parametrize("field", ["Content-Length: 0", "Transfer-Encoding: chunked"])
def test_a_framed_interim_answer_fails(field):
    with pytest.raises(BadMessage):
        answer(field, line="HTTP/1.1 103 Early Hints")


def test_without_a_length_the_body_ends_with_the_connection():
    head = answer("Connection: keep-alive")

    assert (head.until_close, head.keep_alive, head.bodiless) == (True, False, False)


@pytest.mark.parametrize(
    ("line", "method", "length"),
    [
        ("HTTP/1.1 200 OK", b"HEAD", 12),
        ("HTTP/1.1 304 Not Modified", b"GET", 12),
        ("HTTP/1.1 204 No Content", b"DELETE", None),
    ],
)
def test_bodiless_answers_keep_the_connection_and_a_meaningful_length(line, method, length):
    head = answer("Content-Length: 12", line=line, method=method)

    assert (head.bodiless, head.content_length, head.keep_alive) == (True, length, True)


def test_a_chunked_answer_to_head_has_no_body():
    head = answer("Transfer-Encoding: chunked", method=b"HEAD")

    assert (head.bodiless, head.chunked, head.until_close) == (True, False, False)


def test_an_interim_answer_is_told_apart():
    head = answer("Link: </a>", line="HTTP/1.1 103 Early Hints")

    assert (head.interim, head.bodiless, head.content_length) == (True, True, None)


@pytest.mark.parametrize(
    ("line", "fields", "kept"),
    [
        ("HTTP/1.1 200 OK", ["Connection: close"], False),
        ("HTTP/1.0 200 OK", [], False),
        ("HTTP/1.0 200 OK", ["Connection: keep-alive"], True),
    ],
)
def test_who_keeps_the_connection(line, fields, kept):
    assert answer("Content-Length: 1", *fields, line=line).keep_alive is kept


@pytest.mark.parametrize("data", [b"HTTP/1.1 200 OK\n", b"x" * (MAX_HEAD + 1), b"\x15\x03"])
def test_what_can_never_become_a_head_fails_at_once(data):
    with pytest.raises(BadMessage) as caught:
        find_end(bytearray(data))

    assert caught.value.code == "upstream_failed"


def test_nothing_may_precede_the_status_line():
    buffer = bytearray(b"\r\n" + request(line="HTTP/1.1 200 OK", host=""))

    assert find_end(buffer) == len(buffer)
