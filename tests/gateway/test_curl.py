"""curl as people call it: uploads, 100-continue, HEAD, ranges, codings, HTTP/1.0, reuse."""

import gzip
import hashlib
import random
import subprocess
from pathlib import Path

import pytest

from tests.gateway.misbehaving import CHUNKED, OK, says
from tests.gateway.processes import Gateway
from tests.gateway.tools import program
from tests.gateway.wire import LENGTH, Server, Wire, unchunk

pytestmark = pytest.mark.slow

BODY = random.Random(1).randbytes(3_000_000)


def curl(
    gateway: Gateway, key: str, path: str, *options: str
) -> subprocess.CompletedProcess[bytes]:
    place = f"http://127.0.0.1:{gateway.port}/proxy/echo{path}"
    given = ["-sS", "--max-time", "20", "-H", f"X-API-Key: {key}", *options]
    command = [program("curl", "curl"), *given, place]
    return subprocess.run(command, capture_output=True, timeout=30, check=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "body"
    made.write_bytes(BODY)
    return made


def digest(wire: Wire, head: bytes) -> None:
    """Tells what came."""
    found = LENGTH.search(head)
    body = wire.exactly(int(found[1])) if found else unchunk(wire.raw_chunks())
    told = hashlib.sha256(body).hexdigest().encode()
    wire.send(OK + b"Content-Length: %d\r\n\r\n" % len(told) + told)


@pytest.mark.parametrize(
    "options",
    [
        ["-T", "FILE"],
        ["-T", "FILE", "--http1.0"],
        ["--data-binary", "@FILE"],
        ["--data-binary", "@FILE", "-H", "Transfer-Encoding: chunked"],
        ["-T", "FILE", "-H", "Transfer-Encoding: chunked"],
        ["-T", "FILE", "-H", "Expect: 100-continue"],
        ["-T", "FILE", "-H", "Expect:"],
    ],
)
def test_an_upload_arrives(
    gateway: Gateway, key: str, upstream: Server, file: Path, options: list[str]
) -> None:
    upstream.on("/digested", digest)
    given = [option.replace("FILE", str(file)) for option in options]

    done = curl(gateway, key, "/digested", *given)

    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() == hashlib.sha256(BODY).hexdigest()


def test_an_upload_that_is_refused_sends_no_body(gateway: Gateway, file: Path) -> None:
    """curl waits for 100 as long as it is told to: so it is the refusal that it sees."""
    done = curl(
        gateway, "muser_nonsense", "/digested", "-T", str(file), "-H", "Expect: 100-continue",
        "--expect100-timeout", "10", "-o", "/dev/null", "-w", "%{http_code} %{size_upload}",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout == b"401 0"


def test_head_range_and_http_1_0(gateway: Gateway, key: str, upstream: Server) -> None:
    upstream.on("/h", says(OK + b"Content-Length: 1234\r\nETag: x\r\n\r\n"))
    ranged = b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 1-2/9\r\nContent-Length: 2\r\n\r\nbc"
    upstream.on("/r", says(ranged))
    upstream.on("/c", says(CHUNKED + b"5\r\nabcde\r\n0\r\n\r\n"))

    head = curl(gateway, key, "/h", "-I")
    part = curl(gateway, key, "/r", "-r", "1-2", "-w", " %{http_code}")
    old = curl(gateway, key, "/c", "-0", "-w", " %{http_version}")

    assert b"content-length: 1234" in head.stdout.lower()
    assert part.stdout == b"bc 206"
    assert b"\r\nrange: bytes=1-2\r\n" in upstream.heads_of("/r")[-1].lower()
    assert old.stdout.startswith(b"abcde ")
    assert (head.returncode, part.returncode, old.returncode) == (0, 0, 0)


def test_a_coded_answer_is_the_clients_to_decode(
    gateway: Gateway, key: str, upstream: Server
) -> None:
    coded = gzip.compress(b"hello " * 1000)
    fields = b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(coded)
    upstream.on("/gz", says(OK + fields + coded))

    plain, raw = curl(gateway, key, "/gz", "--compressed"), curl(gateway, key, "/gz")

    assert plain.stdout == b"hello " * 1000
    assert raw.stdout == coded
    assert b"\r\naccept-encoding: " in upstream.heads_of("/gz")[0].lower()


def test_one_connection_serves_many_calls(gateway: Gateway, key: str, upstream: Server) -> None:
    upstream.on("/n", says(OK + b"Content-Length: 0\r\n\r\n"))
    done = curl(gateway, key, "/n?[1-20]", "-w", "%{num_connects}")

    assert done.stdout == b"1" + b"0" * 19


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (OK + b"Content-Length: 10\r\n\r\nabc", 18),
        (CHUNKED + b"5\r\nabcde\r\n", 18),
    ],
)
def test_a_cut_answer_is_an_error(
    gateway: Gateway, key: str, upstream: Server, raw: bytes, code: int
) -> None:
    def cut(wire: Wire, _head: bytes) -> None:
        wire.send(raw).end()

    upstream.on("/cut-short", cut)

    assert curl(gateway, key, "/cut-short").returncode == code
