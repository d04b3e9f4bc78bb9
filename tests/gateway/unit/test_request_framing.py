"""Where a request ends: framing, keep-alive and Expect (SMG-01, SMG-03)."""

import pytest

from tests.gateway.unit.heads import parsed, refusal, request


@pytest.mark.parametrize(
    "fields",
    [
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Content-Length: 5", "Content-Length: 5"],
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: 5, 5"],
        ["Content-Length: +5"],
        ["Content-Length: -5"],
        ["Content-Length: 0x5"],
        ["Content-Length: 5 5"],
        ["Content-Length: 5_0"],
        ["Content-Length: \u00b2"],
        ["Content-Length:"],
        ["Content-Length: 9007199254740993"],
        ["Content-Length: 99999999999999999999999"],
        ["Transfer-Encoding: gzip, chunked"],
        ["Transfer-Encoding: chunked, chunked"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: identity"],
        ["Transfer-Encoding: xchunked"],
        ["Transfer-Encoding: chunked;a=b"],
        ['Transfer-Encoding: "chunked"'],
        ["Transfer-Encoding:"],
        ["Content_Length: 5"],
        ["Transfer_Encoding: chunked"],
    ],
)
def test_framing_that_two_readers_could_read_differently_is_refused(fields):
    assert refusal(request(*fields, line="POST / HTTP/1.1")) == "bad_request"


def test_transfer_encoding_on_http_1_0_is_refused():
    block = request("Transfer-Encoding: chunked", line="POST / HTTP/1.0")

    assert refusal(block) == "bad_request"


def test_chunked_is_read_in_any_case():
    head = parsed("Transfer-Encoding: Chunked ", line="POST / HTTP/1.1")

    assert (head.chunked, head.content_length, head.has_body) == (True, None, True)


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [
        ("1.1", [], True),
        ("1.1", ["Connection: close"], False),
        ("1.1", ["Connection: Keep-Alive, CLOSE"], False),
        ("1.1", ["Connection: x", "Connection: close"], False),
        ("1.1", ["Connection: closed"], True),
        ("1.0", [], False),
        ("1.0", ["Connection: Keep-Alive"], True),
        ("1.0", ["Connection: keep-alive, close"], False),
    ],
)
def test_who_keeps_the_connection(version, connection, kept):
    assert parsed(*connection, line=f"GET / HTTP/{version}").keep_alive is kept


def test_connection_nominates_names_over_all_its_fields():
    head = parsed("Connection: Foo, ,bar", "Connection: \tBaz")

    assert head.nominated == {b"foo", b"bar", b"baz"}


@pytest.mark.parametrize("value", ["gzip", "100-continue, x", "100-continued", "", "101-continue"])
def test_only_100_continue_can_be_expected(value):
    assert refusal(request(f"Expect: {value}", "Content-Length: 1")) == "expectation_failed"


def test_a_continue_is_owed_only_when_a_body_waits_for_it():
    assert parsed("Expect: 100-Continue", "Content-Length: 1").expect_continue
    assert parsed("Expect: 100-continue", "Transfer-Encoding: chunked").expect_continue
    assert not parsed("Expect: 100-continue").expect_continue
    assert not parsed("Expect: 100-continue", "Content-Length: 0").expect_continue
    old = parsed("Expect: 100-continue", "Content-Length: 1", line="POST / HTTP/1.0")
    assert not old.expect_continue
