"""POSTs from an event loop: TLS is with the name though an address is dialled, nothing that breaks
a line is sent, and no proxy is asked. What answers do: tests/events/test_webhook_attempts.py."""

import asyncio
import contextlib
import socket
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


async def all_closed():
    """A loop that goes on closes its connections; one that ends at once leaves them open."""
    sockets = asyncio.get_running_loop()._selector.get_map()
    async with asyncio.timeout(5):
        while len(sockets) > 1:  # its own  # noqa: ASYNC110  there is no event of it
            await asyncio.sleep(0.005)
    for _ in range(20):  # what was given back to the loop: each layer tells the next of its end
        await asyncio.sleep(0)


class Peer:
    """Answers OK to each who comes, by TLS with a context; who does not listen says it at once."""

    def __init__(self, context=None, *, listens=True):
        self.heard = b""
        self.listens = listens
        self.context = context
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while True:
            try:
                end, _ = self.listener.accept()
            except OSError:
                return
            with end, contextlib.suppress(OSError):
                self.serve(end)

    def serve(self, end):
        end.settimeout(5)
        with self.context.wrap_socket(end, server_side=True) if self.context else end as wire:
            while self.listens and not self.heard.endswith(b"\r\n\r\n{}"):
                if not (piece := wire.recv(65_536)):
                    return
                self.heard += piece
            wire.sendall(OK)
            wire.shutdown(socket.SHUT_WR)
            while wire.recv(65_536):  # until the other side has read it, and goes
                pass

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()


@pytest.fixture
def peer():
    made = []

    def make(context=None, **given):
        made.append(Peer(context, **given))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def send(url, headers=None, body=b"{}", **given):
    async def whole():
        try:
            return await posting.post(url, headers or {}, body, seconds=5, **given)
        finally:
            await all_closed()

    return asyncio.run(whole())


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
    assert step_of(f"https://api.example:{peer(listens=False).port}/") is Step.TLS


def test_a_service_may_be_private_and_a_webhook_may_not(peer, settings):
    settings.EGRESS_ALLOW = Allowed()
    url = f"http://api.example:{peer().port}/"

    assert step_of(url) is Step.EGRESS
    assert send(url, kind=Kind.SERVICE).status == 200


def test_a_name_without_an_address(monkeypatch):
    monkeypatch.setattr(client, "resolve", lambda _: [])

    assert step_of("http://nobody.example/") is Step.DNS
