"""Calls to services: judged as they are dialled, bounded in time and size, told in our words."""

import socket
import ssl
import threading
import time

import pytest

from momentry.common.egress import client
from momentry.common.egress.allowed import Allowed
from momentry.common.egress.client import Client, PeerError, Step
from momentry.common.egress.rules import Kind
from tests.gateway.certificates import sign

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\nX-A: 2\r\n\r\n{}"


class Peer:
    """Takes one connection after another and gives each to ``talk``."""

    def __init__(self, talk, context=None):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.talk, self.context, self.heard, self.taken = talk, context, b"", 0
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.taken += 1
            try:
                if self.context:
                    connection = self.context.wrap_socket(connection, server_side=True)
                self.heard += connection.recv(65536)
                self.talk(connection)
            except OSError:
                pass
            finally:
                connection.close()


@pytest.fixture
def peer():
    made = []

    def make(talk, context=None):
        made.append(Peer(talk, context))
        return made[-1]

    yield make
    for each in made:
        each.listener.close()


def says(*pieces, pause=0.0):
    def talk(connection):
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)

    return talk


def ask(peer, *, scheme="http", host="127.0.0.1", **options):
    return Client(f"{scheme}://{host}:{peer.port}/base/", **options).send("GET", "/x?y=1")


def step_of(*args, **options):
    with pytest.raises(PeerError) as raised:
        ask(*args, **options)
    return raised.value.step


def test_an_answer_is_read_whole(peer):
    one = peer(says(OK))

    answer = ask(one)

    assert (answer.status, answer.json(), answer.headers["x-a"]) == (200, {}, "1, 2")
    assert one.heard.startswith(b"GET /base/x?y=1 HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{one.port}\r\n".encode() in one.heard


def test_a_redirect_is_an_answer(peer):
    one = peer(says(b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"))

    assert ask(one).status == 302
    assert one.taken == 1


def test_what_is_printed_of_an_answer_holds_nothing_of_it(peer):
    assert repr(ask(peer(says(OK)))) == "Answer(status=200)"


@pytest.mark.parametrize(
    ("talk", "step"),
    [
        (says(b""), Step.PROTOCOL),
        (says(b"220 smtp ready\r\n\r\n"), Step.PROTOCOL),
        (says(OK.replace(b"th: 2", b"th: 9")), Step.PROTOCOL),
        (says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"), Step.PROTOCOL),
        (says(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n"), Step.PROTOCOL),
        (says(b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 1000 + b"\r\n"), Step.PROTOCOL),
        (says(b"HTTP/1.1 200 OK\r\n\r\n", b"a" * 3000), Step.PROTOCOL),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n", b"a" * 3000), Step.PROTOCOL),
    ],
)
def test_what_is_no_bounded_whole_answer_is_refused(peer, talk, step):
    assert step_of(peer(talk), max_bytes=2000) is step


@pytest.mark.parametrize(
    "talk",
    [
        says(*[b"H"] * 100, pause=0.05),  # a head, byte by byte: each within any time-out
        says(b"HTTP/1.1 200 OK\r\n\r\n", *[b"a"] * 100, pause=0.05),
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", *[b"a"] * 100, pause=0.05),
        says(b"", pause=5),
    ],
)
def test_the_time_out_is_for_the_whole_request(peer, talk):
    began = time.monotonic()

    assert step_of(peer(talk), timeout=0.5) is Step.TIMEOUT
    assert time.monotonic() - began < 2.5


def test_a_name_server_that_is_silent_is_not_waited_for(peer, monkeypatch):
    speaks = threading.Event()
    monkeypatch.setattr(client.socket, "getaddrinfo", lambda *_, **__: speaks.wait(30) and [])
    there = peer(says(OK))
    before = set(threading.enumerate())

    assert step_of(there, host="slow.example", timeout=0.3) is Step.TIMEOUT
    speaks.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(10)  # else what it says at last is heard by the next test


def test_nobody_there():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(PeerError) as raised:
        Client(f"http://127.0.0.1:{port}").send("GET", "/")

    assert raised.value.step is Step.CONNECT


def leads_to(monkeypatch, *addresses):
    """Names do; addresses are what they are."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0)) for each in addresses]
    real = socket.getaddrinfo

    def told(host, *args, **options):
        return found if host.endswith(".example") else real(host, *args, **options)

    monkeypatch.setattr(client.socket, "getaddrinfo", told)


def test_a_name_without_an_address(peer, monkeypatch):
    leads_to(monkeypatch)

    assert step_of(peer(says(OK)), host="nobody.example") is Step.DNS


@pytest.mark.parametrize("address", ["169.254.169.254", "169.254.1.1", "::ffff:169.254.169.254"])
def test_a_name_that_leads_to_a_forbidden_address_is_not_dialled(peer, monkeypatch, address):
    leads_to(monkeypatch, address)

    assert step_of(peer(says(OK)), host="api.example") is Step.EGRESS


def test_a_webhook_goes_to_public_addresses_only(peer, settings):
    settings.EGRESS_ALLOW = Allowed()
    one = peer(says(OK))

    assert step_of(one, kind=Kind.WEBHOOK) is Step.EGRESS
    assert one.taken == 0


def test_of_several_addresses_the_forbidden_are_left_out_and_the_next_is_tried(peer, monkeypatch):
    leads_to(monkeypatch, "169.254.169.254", "127.0.0.2", "127.0.0.1")

    assert ask(peer(says(OK)), host="api.example").status == 200


@pytest.fixture
def tls(peer, tmp_path, monkeypatch):
    authority = sign("authority.example")
    (tmp_path / "ca.pem").write_bytes(authority.pem())
    trusted = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    monkeypatch.setattr(client, "trusted", lambda: trusted)
    leads_to(monkeypatch, "127.0.0.1")

    def make(name, by=authority):
        signed = sign(name, by)
        (tmp_path / "both.pem").write_bytes(signed.secret_pem() + signed.pem())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(str(tmp_path / "both.pem"))
        return peer(says(OK), context)

    return make


def test_tls_is_with_the_name_though_an_address_is_dialled(tls):
    assert ask(tls("api.example"), scheme="https", host="api.example").status == 200


@pytest.mark.parametrize("made", [("other.example",), ("api.example", None)])
def test_a_certificate_of_another_or_of_nobody_is_refused(tls, made):
    one = tls(*made)

    assert step_of(one, scheme="https", host="api.example") is Step.TLS
    assert one.heard == b""


def test_clear_words_instead_of_a_handshake(peer):
    assert step_of(peer(says(OK)), scheme="https") is Step.TLS


@pytest.mark.parametrize("path", ["/a\r\nX: y", "/a b"])
def test_a_line_break_is_never_sent(peer, path):
    one = peer(says(OK))
    with pytest.raises(PeerError):
        Client(f"http://127.0.0.1:{one.port}").send("GET", path)

    assert one.heard == b""


def test_no_proxy_of_the_environment_is_asked(peer, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert ask(peer(says(OK))).status == 200
