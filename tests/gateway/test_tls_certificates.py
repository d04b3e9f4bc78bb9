"""Upstreams over TLS: only the right certificate is sent anything, and sessions are resumed."""

import ssl
from pathlib import Path

import pytest

from tests import make
from tests.gateway.certificates import DAY, NOW, Signed, sign
from tests.gateway.conftest import Database, Start
from tests.gateway.misbehaving import OK, ask, row_of
from tests.gateway.processes import Gateway
from tests.gateway.wire import Cut, Server, Wire, tcp_server, within

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def authority() -> Signed:
    return sign("authority.test")


@pytest.fixture(scope="module")
def trusted(directory: Path, authority: Signed) -> Path:
    file = directory / "authority.pem"
    file.write_bytes(authority.pem())
    return file


def serve(directory: Path, signed: Signed, newest: ssl.TLSVersion) -> Server:
    file = directory / "served.pem"
    file.write_bytes(signed.secret_pem() + signed.pem())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = newest
    context.load_cert_chain(file)
    return tcp_server(context)


def served(kind: str, authority: Signed) -> Signed:
    if kind == "expired":
        return sign("localhost", authority, ends=NOW - DAY)
    if kind == "of another name":
        return sign("elsewhere.test", authority)
    if kind == "of an unknown authority":
        return sign("localhost", sign("stranger.test"))
    return sign("localhost", authority if kind == "right" else None)


KINDS = {
    "right": 200,
    "expired": 502,
    "of another name": 502,
    "of an unknown authority": 502,
    "of nobody but itself": 502,
}


@pytest.fixture
def gateway(start: Start, seeded: str, trusted: Path) -> Gateway:
    return start(SSL_CERT_FILE=str(trusted)).wait_until_ready()


def test_nothing_is_sent_to_whom_the_certificate_does_not_name(
    gateway: Gateway, database: Database, directory: Path, authority: Signed
) -> None:
    servers, made = {}, []
    for number, kind in enumerate(KINDS):
        server = serve(directory, served(kind, authority), ssl.TLSVersion.TLSv1_3)
        servers[kind] = server
        with database.rows():
            made.append(make.upstream(f"tls-{number}", f"https://localhost:{server.port}"))
    secret = database.key_for("tls-kinds", " ".join(each.slug for each in made))

    found = {}
    for upstream, kind in zip(made, KINDS, strict=True):
        got = ask(gateway, secret, f"/proxy/{upstream.slug}/x", "POST", "Content-Length: 0")
        found[kind] = got.status
        code = "upstream_unreachable" if got.status == 502 else ""
        assert row_of(database, got.request_id)["code"] == got.code == code

    assert found == KINDS
    assert {kind: len(server.heads) for kind, server in servers.items()} == {
        kind: int(status == 200) for kind, status in KINDS.items()
    }
    assert within(1, lambda: all(server.open == 0 for server in list(servers.values())[1:]))
    for each in made:
        with database.rows():
            each.delete()
    for server in servers.values():
        server.stop()


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("verified", [True, False])
def test_a_session_is_resumed_and_the_name_is_told(
    gateway: Gateway,
    database: Database,
    directory: Path,
    authority: Signed,
    newest: ssl.TLSVersion,
    verified: bool,
) -> None:
    seen: list[tuple[bool, str | None]] = []
    names: list[str | None] = []

    def once(wire: Wire, _head: bytes) -> None:
        assert isinstance(wire.socket, ssl.SSLSocket)
        seen.append((bool(wire.socket.session_reused), wire.socket.version()))
        wire.send(OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nok")
        raise Cut("one each")

    server = serve(directory, served("right", authority), newest)
    assert server.context is not None
    server.context.sni_callback = lambda _socket, name, _context: names.append(name)
    server.on("/once", once)
    with database.rows():
        base = f"https://localhost:{server.port}"
        made = make.upstream("resumed", base, tls_verify=verified)
    secret = database.key_for(
        f"resumed-{newest.name.lower()}-{verified}".replace("_", "-"), "resumed"
    )

    statuses = [ask(gateway, secret, "/proxy/resumed/once").status for _ in range(5)]

    assert statuses == [200] * 5
    version = "TLSv1.2" if newest is ssl.TLSVersion.TLSv1_2 else "TLSv1.3"
    assert seen == [(False, version), *[(True, version)] * 4]
    assert set(names) == {"localhost"}
    with database.rows():
        made.delete()
    server.stop()
