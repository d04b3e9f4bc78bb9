"""POSTs from an event loop: TLS is with the name though an address is dialled, nothing that breaks
a line is sent, and no proxy is asked. What answers do: tests/events/test_webhook_attempts.py."""

import asyncio
import ssl
import threading
from ipaddress import ip_network

import pytest

from momentry.common.egress import client, posting
from momentry.common.egress.allowed import Allowed
from momentry.common.egress.client import PeerError, Step
from momentry.common.egress.rules import Kind
from tests.gateway.certificates import sign

OK = b"HTTP/1.1 200 OK\r\nRetry-After: 1\r\nretry-after: 2\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture(autouse=True)
def _loopback(settings, monkeypatch):
    settings.EGRESS_ALLOW = Allowed((ip_network("127.0.0.0/8"),))
    monkeypatch.setattr(client, "resolve", lambda _: ["127.0.0.1"])


class Peer:
    """Answers OK to each who comes, by TLS with a context."""

    def __init__(self, context=None):
        self.heard = b""
        self.loop = asyncio.new_event_loop()
        self.server = self.loop.run_until_complete(
            asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=context)
        )
        self.port = self.server.sockets[0].getsockname()[1]
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()

    async def serve(self, reader, writer):
        self.heard += await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await writer.drain()
        writer.close()

    def stop(self):
        self.loop.call_soon_threadsafe(self.server.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@pytest.fixture
def peer():
    made = []

    def make(context=None):
        made.append(Peer(context))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def send(url, headers=None, body=b"{}", **given):
    return asyncio.run(posting.post(url, headers or {}, body, seconds=5, **given))


def step_of(*args, **given):
    with pytest.raises(PeerError) as raised:
        send(*args, **given)
    return raised.value.step


def test_the_path_goes_as_it_was_written(peer):
    one = peer()

    reply = send(f"http://127.0.0.1:{one.port}/a%20b?c=d")

    assert (reply.status, reply.headers["retry-after"]) == (200, "1")
    assert one.heard.startswith(b"POST /a%20b?c=d HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{one.port}\r\n".encode() in one.heard


def test_no_proxy_of_the_environment_is_asked(peer, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert send(f"http://127.0.0.1:{peer().port}/").status == 200


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "é", "\x00"])
def test_nothing_that_breaks_a_line_is_sent(peer, value):
    one = peer()

    assert step_of(f"http://127.0.0.1:{one.port}/", {"X": value}) is Step.PROTOCOL
    assert one.heard == b""


@pytest.fixture
def tls(peer, tmp_path, monkeypatch):
    authority = sign("authority.example")
    (tmp_path / "ca.pem").write_bytes(authority.pem())
    trusted = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    monkeypatch.setattr(client, "trusted", lambda: trusted)

    def make(name, by=authority):
        signed = sign(name, by)
        (tmp_path / "both.pem").write_bytes(signed.secret_pem() + signed.pem())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(str(tmp_path / "both.pem"))
        return peer(context)

    return make


@pytest.mark.parametrize("host", ["api.example", "api.example."])
def test_tls_is_with_the_name_though_an_address_is_dialled(tls, host):
    assert send(f"https://{host}:{tls('api.example').port}/").status == 200


@pytest.mark.parametrize("made", [("other.example",), ("api.example", None)])
def test_a_certificate_of_another_or_of_nobody_is_refused(tls, made):
    one = tls(*made)

    assert step_of(f"https://api.example:{one.port}/") is Step.TLS
    assert one.heard == b""


def test_clear_words_instead_of_a_handshake(peer):
    assert step_of(f"https://api.example:{peer().port}/") is Step.TLS


def test_a_service_may_be_private_and_a_webhook_may_not(peer, settings):
    settings.EGRESS_ALLOW = Allowed()
    url = f"http://api.example:{peer().port}/"

    assert step_of(url) is Step.EGRESS
    assert send(url, kind=Kind.SERVICE).status == 200


def test_a_name_without_an_address(monkeypatch):
    monkeypatch.setattr(client, "resolve", lambda _: [])

    assert step_of("http://nobody.example/") is Step.DNS
