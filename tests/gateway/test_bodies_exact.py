"""SMG-04: bodies of every size and framing arrive byte-exact, up and down."""

import hashlib
import random
import threading
from collections.abc import Iterator

import pytest

from tests.gateway.processes import Gateway, request
from tests.gateway.wire import CHUNKED, LENGTH, Server, Wire

MIB = 1 << 20
SMALL = [0, 1, 2, 15, 16, 17, 255, 256, 65_535, 65_536, 65_537, 262_145, MIB]
AROUND = [size + more for size in (4096, 32_768, 131_072, 262_144, MIB) for more in (-1, 0, 1)]
FRAMINGS = ["sized", "chunked"]
SEGMENT = 65_536


def blocks(seed: int, size: int) -> Iterator[bytes]:
    """The same bytes for the same seed and size, a segment at a time."""
    source = random.Random(seed)
    for start in range(0, size, SEGMENT):
        yield source.randbytes(min(SEGMENT, size - start))


def digest(seed: int, size: int) -> bytes:
    seen = hashlib.sha256()
    for block in blocks(seed, size):
        seen.update(block)
    return seen.hexdigest().encode()


def send_body(wire: Wire, framing: str, seed: int, size: int) -> None:
    """Chunks of odd sizes, so that they end anywhere in what a reader reads at once."""
    cuts = random.Random(size)
    for block in blocks(seed, size):
        if framing == "sized":
            wire.send(block)
            continue
        at = 0
        while at < len(block):
            piece = block[at : at + cuts.choice((1, 7, 1000, 65_535, SEGMENT))]
            wire.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            at += len(piece)
    if framing == "chunked":
        wire.send(b"0\r\n\r\n")


def read_body(wire: Wire, head: bytes) -> bytes:
    """Its digest."""
    seen = hashlib.sha256()
    if found := LENGTH.search(head):
        left = int(found[1])
        while left:
            piece = wire.exactly(min(left, SEGMENT))
            seen.update(piece)
            left -= len(piece)
    elif CHUNKED.search(head):
        while size := int(wire.until(b"\r\n").partition(b";")[0], 16):
            seen.update(wire.exactly(size))
            assert wire.exactly(2) == b"\r\n"
        assert wire.until(b"\r\n") == b"\r\n"
    return seen.hexdigest().encode()


def framed(framing: str, size: int) -> str:
    return f"Content-Length: {size}" if framing == "sized" else "Transfer-Encoding: chunked"


@pytest.fixture
def there_and_back(upstream: Server) -> None:
    """Says the digest of what came, then sends a body of the size and framing that was asked."""

    def script(wire: Wire, head: bytes) -> None:
        told = read_body(wire, head)
        framing, seed, size = head.split(b" ")[1].decode().split("/")[-1].split("-")
        fields = f"X-Digest: {told.decode()}\r\n{framed(framing, int(size))}"
        wire.send(f"HTTP/1.1 200 OK\r\n{fields}\r\n\r\n".encode())
        send_body(wire, framing, int(seed), int(size))

    for framing in FRAMINGS:
        for size in [*SMALL, *AROUND, 64 * MIB]:
            upstream.on(f"/{framing}-2-{size}", script)


def exchange(wire: Wire, key: str, up: str, down: str, size: int) -> None:
    path = f"/proxy/echo/{down}-2-{size}"
    wire.send(request("POST", path, key, framed(up, size)))
    sender = threading.Thread(target=send_body, args=[wire, up, 1, size], daemon=True)
    sender.start()
    head = wire.until(b"\r\n\r\n")
    back = read_body(wire, head)
    sender.join(timeout=30)

    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"x-digest: " + digest(1, size) in head
    assert back == digest(2, size)


@pytest.mark.parametrize(("up", "down"), [("sized", "chunked"), ("chunked", "sized")])
def test_every_size_on_one_connection(
    gateway: Gateway, key: str, there_and_back: None, up: str, down: str
) -> None:
    wire = gateway.connect()

    for size in SMALL:
        exchange(wire, key, up, down, size)


@pytest.mark.slow
@pytest.mark.parametrize("framing", FRAMINGS)
def test_around_every_buffer_and_64_mib(
    gateway: Gateway, key: str, there_and_back: None, framing: str
) -> None:
    wire = gateway.connect()

    for size in [*AROUND, 64 * MIB]:
        exchange(wire, key, framing, framing, size)
