"""PRX-14 over TLS: without the closing alert an end of the connection is no end of an answer.

RFC 9112 §9.8: an answer that only ends with its connection is complete only if that alert came.
"""

import contextlib
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import make
from tests.gateway.certificates import sign
from tests.gateway.conftest import Database
from tests.gateway.misbehaving import CHUNKED, OK, SIZED, all_sockets_to, ask, outcome, row_of, says
from tests.gateway.misbehaving import close as fin
from tests.gateway.misbehaving import reset as rst
from tests.gateway.processes import Gateway
from tests.gateway.wire import Cut, Server, Wire, tcp_server, within

pytestmark = pytest.mark.slow


def alert(wire: Wire) -> None:
    """The closing alert, and then the end."""
    assert isinstance(wire.socket, ssl.SSLSocket)
    with contextlib.suppress(OSError):
        wire.socket.unwrap()
    raise Cut("as told")


ENDS = {"FIN": fin, "RST": rst, "alert": alert}
CUTS = {
    "in a sized body": SIZED + b"123456789",
    "after a chunk": CHUNKED + b"5\r\nabcde\r\n",
    "in the last size": CHUNKED + b"5\r\nabcde\r\n0",
    "in trailers": CHUNKED + b"5\r\nabcde\r\n0\r\nX-Sum: ",
}
ENDLESS = OK + b"\r\nall of it"


@pytest.fixture(scope="module")
def secured(directory: Path) -> Iterator[Server]:
    signed = sign("localhost")
    file = directory / "ends.pem"
    file.write_bytes(signed.secret_pem() + signed.pem())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server = tcp_server(context)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def secret(database: Database, secured: Server) -> Iterator[str]:
    with database.rows():
        base = f"https://localhost:{secured.port}"
        made = make.upstream("tls-ends", base, tls_verify=False)
    yield database.key_for("tls-ends", "tls-ends")
    with database.rows():
        made.delete()


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 2", OK + b"Content-Length: 3\r\n"])
def test_an_end_before_the_answers_head_is_502(
    gateway: Gateway, database: Database, secret: str, secured: Server, raw: bytes, end: str
) -> None:
    secured.on("/ends", says(raw, ENDS[end]))
    before = len(secured.heads_of("/ends"))

    got = ask(gateway, secret, "/proxy/tls-ends/ends", "POST", "Content-Length: 0")

    assert (got.status, got.code, got.is_whole) == (502, "upstream_failed", True)
    assert row_of(database, got.request_id)["code"] == "upstream_failed"
    assert len(secured.heads_of("/ends")) == before + 1
    assert within(1, lambda: all_sockets_to(gateway, secured) == 0)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("stage", CUTS)
def test_an_end_within_the_answer_is_a_cut_that_shows(
    gateway: Gateway, database: Database, secret: str, secured: Server, stage: str, end: str
) -> None:
    secured.on("/cuts", says(CUTS[stage], ENDS[end]))

    got = ask(gateway, secret, "/proxy/tls-ends/cuts")

    assert (got.status, got.is_whole) == (200, False)
    row = row_of(database, got.request_id)
    assert (row["status"], row["code"]) == (200, "upstream_failed")


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("end", ENDS)
def test_without_a_length_only_the_alert_is_the_end(
    gateway: Gateway, database: Database, secret: str, secured: Server, end: str, version: str
) -> None:
    secured.on("/endless", says(ENDLESS, ENDS[end]))
    head = f"GET /proxy/tls-ends/endless HTTP/{version}\r\nHost: a\r\nX-API-Key: {secret}\r\n\r\n"

    got = outcome(gateway.connect().send(head.encode()))

    is_whole = end == "alert"
    assert (got.status, got.is_whole) == (200, is_whole)
    assert got.body == b"all of it" or not is_whole
    assert row_of(database, got.request_id)["code"] == ("" if is_whole else "upstream_failed")
