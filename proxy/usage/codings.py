"""Content codings undone piece by piece, never for more than a bounded multiple of the bytes."""

import zlib
from collections.abc import Callable
from itertools import pairwise
from typing import Final

import brotli
import zstandard

Sink = Callable[[bytes], None]

CHUNK: Final = 64 * 1024  # about what is decoded at a time
SLICE: Final = 64  # bytes of zstd at a time: 16 of its blocks at most, of 128 KiB each
WINDOW: Final = 8 * 1024 * 1024  # of zstd (RFC 9659 §3)
MOST_CODINGS: Final = 3
# Text that compresses better is hardly an answer: events of one word each reach 30.
RATIO: Final = 128
FREE: Final = 1024 * 1024  # bytes, whatever the ratio
STEP: Final = 16 * 1024  # bytes read for which the ratio is granted at once

GZIP: Final = 31  # zlib's window bits
ZLIB: Final = 15
RAW: Final = -15

FAULTS: Final = (zlib.error, brotli.error, zstandard.ZstdError)


class Broken(Exception):
    """Not what the coding says, or more of it than we follow: nothing is known from here on."""


class Meter:
    """How much every coding of an answer may have made of the bytes read so far.

    It grows in steps at fixed offsets, so the verdict is the same for any split of the bytes.
    """

    __slots__ = ("most", "read")

    def __init__(self) -> None:
        self.read = 0
        self.most = FREE

    def allow(self, piece: bytes) -> list[bytes]:
        """The piece, cut where steps begin; to be taken one by one, each before ``step``."""
        first = -self.read % STEP
        cuts = [0, *range(first or STEP, len(piece), STEP), len(piece)]
        return [piece[begin:end] for begin, end in pairwise(cuts)]

    def step(self, size: int) -> None:
        self.read += size
        self.most = FREE + RATIO * -(-self.read // STEP) * STEP


class Bounded:
    """What one coding makes, counted on its way to the sink."""

    __slots__ = ("made", "meter", "sink")

    def __init__(self, sink: Sink, meter: Meter) -> None:
        self.sink = sink
        self.meter = meter
        self.made = 0

    def write(self, made: bytes) -> None:
        self.made += len(made)
        if self.made > self.meter.most:
            raise Broken
        self.sink(made)


class Inflate:
    """Any number of gzip members (RFC 1952 §2.2), or one of zlib's."""

    __slots__ = ("bits", "inflater", "sink")

    def __init__(self, sink: Sink, bits: int = GZIP) -> None:
        self.sink = sink
        self.bits = bits
        self.inflater = zlib.decompressobj(bits)

    def write(self, data: bytes) -> None:
        while data:
            if self.inflater.eof:
                self.begin_again()
            data = self.inflate(data)

    def begin_again(self) -> None:
        if self.bits != GZIP:
            raise Broken
        self.inflater = zlib.decompressobj(GZIP)

    def inflate(self, data: bytes) -> bytes:
        """To the end of the data or of the member; what is left."""
        while True:
            made = self.inflater.decompress(data, CHUNK)
            self.sink(made)
            data = self.inflater.unconsumed_tail
            if self.inflater.eof:
                return self.inflater.unused_data
            if not data and len(made) < CHUNK:
                return b""


class Deflate:
    """In zlib's wrapping (RFC 9110 §8.4.1.2), or without, as some servers send it."""

    __slots__ = ("inflate", "sink", "start")

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.start = b""
        self.inflate: Inflate | None = None

    def write(self, data: bytes) -> None:
        if self.inflate is None:
            self.start = data = self.start + data
            if len(data) < 2:
                return
            is_wrapped = data[0] & 15 == zlib.DEFLATED and not (data[0] * 256 + data[1]) % 31
            self.inflate = Inflate(self.sink, ZLIB if is_wrapped else RAW)
        self.inflate.write(data)


class Brotli:
    __slots__ = ("decoder", "sink")

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.decoder = brotli.Decompressor()

    def write(self, data: bytes) -> None:
        if not data:
            return
        made = self.decoder.process(data, output_buffer_limit=CHUNK)
        while made:
            self.sink(made)
            if self.decoder.is_finished():
                return
            made = self.decoder.process(b"", output_buffer_limit=CHUNK)


class Zstd:
    """Any number of frames. It cannot be told to stop at a size, so it gets little at a time."""

    __slots__ = ("decoder", "sink")

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        context = zstandard.ZstdDecompressor(max_window_size=WINDOW)
        self.decoder = context.decompressobj(write_size=CHUNK, read_across_frames=True)

    def write(self, data: bytes) -> None:
        for at in range(0, len(data), SLICE):
            self.sink(self.decoder.decompress(data[at : at + SLICE]))


CODINGS: Final[dict[bytes, Callable[[Sink], Inflate | Deflate | Brotli | Zstd]]] = {
    b"gzip": Inflate, b"x-gzip": Inflate, b"deflate": Deflate, b"br": Brotli, b"zstd": Zstd,
}  # fmt: skip


class Decoding:
    """All codings of an answer. Whatever ``feed`` raises is Broken."""

    __slots__ = ("first", "meter")

    def __init__(self, names: list[bytes], sink: Sink) -> None:
        """As in Content-Encoding, in the order applied; raises Broken for one that is unknown."""
        self.meter = Meter()
        if len(names) > MOST_CODINGS or any(name not in CODINGS for name in names):
            raise Broken
        for name in names:
            sink = CODINGS[name](Bounded(sink, self.meter).write).write
        self.first = sink

    def feed(self, piece: bytes) -> None:
        try:
            for part in self.meter.allow(piece):
                self.meter.step(len(part))
                self.first(part)
        except FAULTS as fault:
            raise Broken from fault


def names(content_encoding: bytes) -> list[bytes]:
    """In the order applied; identity is none."""
    told = [name.strip(b" \t").lower() for name in content_encoding.split(b",")]
    return [name for name in told if name not in (b"", b"identity")]
