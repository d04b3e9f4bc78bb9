"""Answers in content codings: read through any of ours, and nothing known of any other."""

import gzip
import itertools
import zlib

import brotli
import pytest
import zstandard

from proxy.usage.reported import UNKNOWN
from tests.gateway.unit.usage.codings import FLUSHED, encoded, raw_deflate
from tests.gateway.unit.usage.recorded import JSON, RECORDED, open_for, read

CHAT = RECORDED["chat"]
STREAM = RECORDED["chat_stream"]
ALL = [b"gzip", b"x-gzip", b"deflate", b"br", b"zstd"]


def told(body: bytes, coding: bytes) -> bool:
    """Whether the usage of CHAT comes out, whole and byte by byte; else nothing does."""
    usage = read(CHAT.form, CHAT.kind, [body], coding)
    assert usage == read(CHAT.form, CHAT.kind, [bytes([byte]) for byte in body], coding)
    assert usage in (CHAT.usage, UNKNOWN)
    return usage == CHAT.usage


@pytest.mark.parametrize("coding", ALL)
def test_each_coding(coding):
    assert told(encoded(CHAT.body, coding), coding)
    assert told(encoded(CHAT.body, coding), b" %b\t" % coding.upper())


@pytest.mark.parametrize("codings", [*itertools.product(ALL, ALL), (b"gzip", b"br", b"zstd")])
def test_several_codings_in_a_row(codings):
    body = encoded(CHAT.body, b", ".join(codings))

    assert told(body, b",".join(codings))
    assert told(body, b" , identity, ".join(codings))


def test_more_codings_in_a_row_than_anybody_has_are_not_followed():
    for number, known in ((3, True), (4, False)):
        codings = b", ".join([b"gzip"] * number)
        assert told(encoded(CHAT.body, codings), codings) is known


def test_no_coding_by_any_name():
    for coding in (b"", b"identity", b" Identity , ,"):
        assert told(CHAT.body, coding)


@pytest.mark.parametrize(
    "coding", [b"compress", b"gzip2", b"br, x", b"*", b"\xff", b"gzip;q=1", b"gzip," * 4]
)
def test_nothing_is_known_of_an_unknown_coding(coding):
    assert not told(CHAT.body, coding)


def test_deflate_without_its_wrapping():
    assert told(raw_deflate(CHAT.body), b"deflate")


def test_members_and_frames_in_a_row():
    half = len(CHAT.body) // 2
    parts = [CHAT.body[:half], b"", CHAT.body[half:]]

    assert told(b"".join(map(gzip.compress, parts)), b"gzip")
    assert told(b"".join(map(zstandard.compress, parts)), b"zstd")
    assert not told(b"".join(map(zlib.compress, parts)), b"deflate")
    assert not told(zlib.compress(parts[0]) + gzip.compress(parts[2]), b"deflate")


@pytest.mark.parametrize("coding", ALL)
def test_nothing_is_known_of_a_broken_coding(coding):
    body = encoded(CHAT.body, coding)

    assert not told(CHAT.body, coding)
    assert not told(body + b"rest", coding)
    assert not told(body[:2] + body[3:], coding)
    if coding not in (b"br", b"zstd"):  # these two end without a sum of their content
        assert not told(body[:-1] + bytes([body[-1] ^ 1]), coding)


@pytest.mark.parametrize("coding", FLUSHED)
def test_a_break_takes_back_what_was_told_but_a_cut_does_not(coding):
    body = FLUSHED[coding](STREAM.body)
    reader = open_for(STREAM, coding)
    reader.feed(body[:-20])
    assert reader.usage() == STREAM.usage

    reader.feed(b"\xff" * 200)
    reader.feed(body)

    assert reader.usage() == UNKNOWN


@pytest.mark.parametrize("coding", FLUSHED)
def test_events_count_as_soon_as_they_were_flushed(coding):
    whole = FLUSHED[coding](STREAM.body)
    until = FLUSHED[coding](STREAM.body[: STREAM.body.index(b"data: [DONE]")])

    # All but the end of the coding is the same.
    assert read(STREAM.form, STREAM.kind, [whole[: len(until) - 3]], coding).tokens_in == 19


def test_a_zstd_frame_with_a_large_window_is_not_followed():
    wide = zstandard.ZstdCompressionParameters(window_log=24, enable_ldm=True)
    made = zstandard.ZstdCompressor(compression_params=wide).compressobj()

    assert not told(made.compress(CHAT.body) + made.flush(), b"zstd")


def test_brotli_with_its_largest_window():
    assert told(brotli.compress(CHAT.body, lgwin=24), b"br")


def test_an_empty_body_in_any_coding():
    for coding in ALL:
        assert read("openai", JSON, [b"", b""], coding) == UNKNOWN
        assert read("openai", JSON, [encoded(b"", coding)], coding) == UNKNOWN
