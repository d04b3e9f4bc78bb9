"""A TLS session is resumed while it is young; a chain of resumptions makes none younger."""

import ssl
import time
from pathlib import Path

import pytest

from proxy.gateway.tls import SESSION_LIFE, Context
from tests.gateway.certificates import sign

HOST = "upstream.test"
AUTHORITY = sign("authority.test")


@pytest.fixture
def server(tmp_path: Path) -> ssl.SSLContext:
    signed = sign(HOST, AUTHORITY)
    file = tmp_path / "served.pem"
    file.write_bytes(signed.secret_pem() + signed.pem())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


@pytest.fixture
def client() -> Context:
    context = Context(ssl.PROTOCOL_TLS_CLIENT)
    context.kept = {}
    context.load_verify_locations(cadata=AUTHORITY.pem().decode())
    return context


def is_resumed(client: Context, server: ssl.SSLContext, host: str = HOST) -> bool:
    """Of one more connection; what it gives to resume it with is kept."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(down, up, server_hostname=host)
    theirs = server.wrap_bio(up, down, server_side=True)
    waiting = [ours, theirs]
    for _ in range(10):
        for end in tuple(waiting):
            try:
                end.do_handshake()
                waiting.remove(end)
            except ssl.SSLWantReadError:
                continue
    assert waiting == []
    theirs.write(b"x")
    assert ours.read(1) == b"x"
    client.keep(host, ours)
    return bool(ours.session_reused)


def test_the_second_connection_is_resumed(client: Context, server: ssl.SSLContext) -> None:
    assert [is_resumed(client, server) for _ in range(4)] == [False, True, True, True]


def test_resuming_makes_a_session_no_younger(client: Context, server: ssl.SSLContext) -> None:
    is_resumed(client, server)
    until = client.kept[HOST].until
    is_resumed(client, server)

    assert client.kept[HOST].until == until
    assert until <= time.monotonic() + SESSION_LIFE


def test_after_its_time_the_certificate_is_looked_at_anew(
    client: Context, server: ssl.SSLContext
) -> None:
    is_resumed(client, server)
    client.kept[HOST] = client.kept[HOST]._replace(until=time.monotonic())

    assert not is_resumed(client, server)
    assert is_resumed(client, server)


def test_a_session_is_of_one_host(client: Context, server: ssl.SSLContext) -> None:
    is_resumed(client, server)

    with pytest.raises(ssl.SSLCertVerificationError):
        is_resumed(client, server, "elsewhere.test")
