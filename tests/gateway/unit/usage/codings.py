"""Bodies in content codings, as servers write them: streams flushed after each event."""

import gzip
import zlib
from collections.abc import Callable

import brotli
import zstandard


def encoded(body: bytes, codings: bytes) -> bytes:
    """In the order that Content-Encoding names them."""
    for coding in codings.split(b", ") if codings else []:
        body = WRITERS[coding](body)
    return body


def raw_deflate(body: bytes) -> bytes:
    made = zlib.compressobj(wbits=-15)
    return made.compress(body) + made.flush()


def flushed_gzip(body: bytes) -> bytes:
    made = zlib.compressobj(wbits=31)
    parts = [made.compress(part) + made.flush(zlib.Z_SYNC_FLUSH) for part in lines(body)]
    return b"".join(parts) + made.flush()


def flushed_brotli(body: bytes) -> bytes:
    made = brotli.Compressor(quality=5)
    parts = [made.process(part) + made.flush() for part in lines(body)]
    return b"".join(parts) + bytes(made.finish())


def flushed_zstd(body: bytes) -> bytes:
    made = zstandard.ZstdCompressor().compressobj()
    flush = zstandard.COMPRESSOBJ_FLUSH_BLOCK
    return b"".join(made.compress(part) + made.flush(flush) for part in lines(body)) + made.flush()


def lines(body: bytes) -> list[bytes]:
    return body.splitlines(keepends=True)


WRITERS: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": lambda body: gzip.compress(body, mtime=0),
    b"x-gzip": flushed_gzip,
    b"deflate": zlib.compress,
    b"br": lambda body: bytes(brotli.compress(body, quality=5)),
    b"zstd": zstandard.compress,
}
FLUSHED = {b"gzip": flushed_gzip, b"br": flushed_brotli, b"zstd": flushed_zstd}
