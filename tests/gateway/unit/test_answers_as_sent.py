"""Response heads as clients get them (PRX-01, -02, -03, -05)."""

import pytest

from proxy.gateway.hygiene import (
    Framing,
    client_framing,
    interim_to_client,
    to_client,
    trailers_to_client,
)
from tests.gateway.unit.heads import answer

LIMITS = b'RateLimit-Policy: "day";q=10\r\nRateLimit: "day";r=9\r\n'


def lines(
    *fields: str,
    line: str = "HTTP/1.1 200 OK",
    method: bytes = b"GET",
    version: int = 11,
    close: bool = False,
    limits: bytes = b"",
) -> list[bytes]:
    head = answer(*fields, line=line, method=method)
    data = to_client(head, version=version, request_id=b"rid", limits=limits, close=close)
    assert data.endswith(b"\r\n\r\n")
    return data[:-4].split(b"\r\n")


def test_fields_keep_their_order_and_their_doubles():
    assert lines(
        "Set-Cookie: a=1", "X-A: caf\u00e9", "Set-Cookie: b=2", "Content-Length: 5", "Location: //x"
    ) == [
        b"HTTP/1.1 200 OK",
        b"set-cookie: a=1",
        b"x-a: caf\xe9",
        b"set-cookie: b=2",
        b"location: //x",
        b"X-Request-ID: rid",
        b"Content-Length: 5",
    ]


@pytest.mark.parametrize(
    "field",
    [
        "Connection: keep-alive",
        "Keep-Alive: timeout=5",
        "Proxy-Authenticate: Basic",
        "Proxy-Connection: close",
        "Trailer: X-Sum",
        "Upgrade: h2",
        "X-Momentry-Charge: 0",
        "X-Momentry-User-Id: x",
    ],
)
def test_what_is_between_two_hops_or_internal_stays_here(field):
    assert lines(field, "Content-Length: 5") == lines("Content-Length: 5")


def test_nominated_fields_go_but_none_of_ours():
    sent = lines(
        "Connection: x-mine, x-request-id, content-length", "X-Mine: 1", "Content-Length: 5"
    )

    assert sent == lines("Content-Length: 5")
    nominated = lines("Connection: x-request-id", "X-Request-ID: theirs", "Content-Length: 5")
    assert nominated == lines("Content-Length: 5")


def test_the_upstreams_request_id_is_kept_under_another_name():
    assert lines("X-Request-ID: theirs", "Content-Length: 5")[1:3] == [
        b"X-Upstream-Request-ID: theirs",
        b"X-Request-ID: rid",
    ]


def test_our_own_request_id_is_not_repeated():
    assert lines("X-Request-ID: rid", "Content-Length: 5") == lines("Content-Length: 5")


def test_limits_are_ours_only_where_the_upstream_sent_none():
    ours = lines("X-RateLimit-Limit: 5", limits=LIMITS)
    theirs = lines("RateLimit: a", "X-RateLimit-Limit: 5", limits=LIMITS)

    assert [each for each in ours if b"atelimit" in each.lower()] == [
        b"x-ratelimit-limit: 5",
        b'RateLimit-Policy: "day";q=10',
        b'RateLimit: "day";r=9',
    ]
    assert [each for each in theirs if b"atelimit" in each.lower()] == [
        b"ratelimit: a",
        b"x-ratelimit-limit: 5",
    ]


SIZED, CHUNKED = "Content-Length: 5", "Transfer-Encoding: chunked"
NOT_MODIFIED = "304 Not Modified"


@pytest.mark.parametrize(
    ("fields", "line", "method", "version", "framing", "written"),
    [
        ([SIZED], "200 OK", b"GET", 11, Framing.LENGTH, [SIZED]),
        ([CHUNKED], "200 OK", b"GET", 11, Framing.CHUNKED, [CHUNKED]),
        ([], "200 OK", b"GET", 11, Framing.CHUNKED, [CHUNKED]),
        ([CHUNKED], "200 OK", b"GET", 10, Framing.CLOSE, ["Connection: close"]),
        ([], "200 OK", b"GET", 10, Framing.CLOSE, ["Connection: close"]),
        ([SIZED], "200 OK", b"GET", 10, Framing.LENGTH, [SIZED, "Connection: keep-alive"]),
        ([SIZED], "200 OK", b"HEAD", 11, Framing.NONE, [SIZED]),
        ([SIZED], NOT_MODIFIED, b"GET", 11, Framing.NONE, [SIZED]),
        (["Content-Length: 0"], "204 No Content", b"GET", 11, Framing.NONE, []),
        ([CHUNKED], "200 OK", b"HEAD", 11, Framing.NONE, []),
    ],
)
def test_the_body_is_framed_for_this_client(fields, line, method, version, framing, written):
    head = answer(*fields, line=f"HTTP/1.1 {line}", method=method)

    assert client_framing(head, version) is framing
    sent = lines(*fields, line=f"HTTP/1.1 {line}", method=method, version=version)
    assert sent[sent.index(b"X-Request-ID: rid") + 1 :] == [each.encode() for each in written]


def test_a_closing_connection_says_so():
    assert lines("Content-Length: 5", close=True)[-1] == b"Connection: close"
    assert lines("Content-Length: 5", close=True, version=10)[-1] == b"Connection: close"


def test_an_empty_reason_keeps_its_space():
    assert lines("Content-Length: 0", line="HTTP/1.1 299")[0] == b"HTTP/1.1 299 "


def test_early_hints_are_cleaned_too():
    head = answer(
        "Link: </a>", "X-Momentry-A: b", "Connection: x", "X: y", line="HTTP/1.1 103 Hints"
    )

    assert interim_to_client(head) == b"HTTP/1.1 103 Hints\r\nlink: </a>\r\n\r\n"


def test_trailers_lose_what_is_internal_or_frames():
    trailers = [
        (b"grpc-status", b"0"),
        (b"x-momentry-charge", b"0"),
        (b"content-length", b"5"),
        (b"transfer-encoding", b"chunked"),
        (b"set-cookie", b"a=b"),
    ]

    assert trailers_to_client(trailers) == [(b"grpc-status", b"0")]


def test_an_upstream_cannot_set_a_cookie_of_ours_and_django_can():
    head = answer("Set-Cookie: momentry_session=planted", "Set-Cookie: a=1", "Content-Length: 0")

    planted = [
        b"momentry_session" in to_client(head, version=11, request_id=b"rid", foreign=foreign)
        for foreign in (True, False)
    ]

    assert planted == [False, True]


@pytest.mark.parametrize("start", ["=", "= ", "\xa0", "\x85", "=\t"])
def test_nor_one_that_a_browser_or_django_makes_ours(start):
    head = answer(f"Set-Cookie: {start}momentry_session=planted", "Content-Length: 0")

    assert b"planted" not in to_client(head, version=11, request_id=b"rid", foreign=True)


def test_early_hints_set_no_cookie():
    head = answer("Set-Cookie: momentry_session=x", "Link: </a>", line="HTTP/1.1 103 Hints")

    assert interim_to_client(head) == b"HTTP/1.1 103 Hints\r\nlink: </a>\r\n\r\n"
