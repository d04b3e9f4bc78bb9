"""Testing an upstream that misbehaves: the step that failed is told, in time, and nothing more."""

import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from momentry.common.egress.allowed import Allowed
from proxy import probe
from proxy.models import Upstream
from tests.gateway.certificates import DAY, NOW, sign
from tests.gateway.misbehaving import Full, Rude, close, drips, hang, reset, says
from tests.gateway.wire import Server, tcp_server
from tests.proxy.calls import SECRET
from tests.proxy.probes import made, one

pytestmark = pytest.mark.django_db
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
SECONDS = 1.0  # instead of ten


@pytest.fixture
def server() -> Iterator[Server]:
    made = tcp_server()
    yield made
    made.stop()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "SECONDS", SECONDS)


MISBEHAVIOUR = {
    "closes": (says(b"", close), "connect"),
    "resets": (says(b"", reset), "connect"),
    "resets in its head": (says(b"HTTP/1.1 200 OK\r\nX-A: b", reset), "connect"),
    "hangs": (says(b"", hang), "timeout"),
    "hangs in its head": (says(b"HTTP/1.1 200 OK\r\n", hang), "timeout"),
    "drips": (drips(HEAD, 0.2), "timeout"),
    "speaks something else": (says(b"220 smtp.test ESMTP\r\n\r\n", hang), "status"),
    "speaks something else and goes": (says(b"SSH-2.0-x\r\n", close), "status"),
    "has an endless head": (says(HEAD[:-2] + b"X-A: " + b"x" * 200_000, hang), "status"),
    "has interim answers without end": (says(b"HTTP/1.1 102 Wait\r\n\r\n" * 50, hang), "status"),
}


@pytest.mark.parametrize("how", MISBEHAVIOUR)
@pytest.mark.usefixtures("hurried")
def test_who_misbehaves_is_told_apart_in_time(admin_api, server, how):
    script, outcome = MISBEHAVIOUR[how]
    server.on("/odd", script)
    made(f"http://127.0.0.1:{server.port}/odd")
    began = time.monotonic()

    assert one(admin_api) == (outcome, None)
    assert time.monotonic() - began < SECONDS + 2


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" + HEAD + b"hello",
        HEAD.replace(b"5", b"99999999999") + b"x" * 1_000_000,
        HEAD.replace(b"Content-Length: 5", b"Transfer-Encoding: chunked") + b"zz",
        HEAD,
    ],
    ids=["interim", "huge", "broken body", "no body"],
)
def test_an_answer_is_good_with_its_head(admin_api, server, raw):
    server.on("/body", says(raw, hang))
    made(f"http://127.0.0.1:{server.port}/body")
    began = time.monotonic()

    assert one(admin_api) == ("ok", 200)
    assert time.monotonic() - began < 5  # of a body nothing is waited for


def test_nobody_there_is_connect(admin_api):
    made("http://127.0.0.1:9")

    assert one(admin_api) == ("connect", None)


def test_who_leaves_at_once_is_connect(admin_api):
    rude = Rude(reset)
    made(f"http://127.0.0.1:{rude.port}")

    assert one(admin_api) == ("connect", None)
    rude.stop()


def test_who_takes_no_connection_is_given_up_in_its_time(admin_api):
    full = Full()
    made(f"http://127.0.0.1:{full.port}", connect_timeout_ms=300)
    began = time.monotonic()

    assert one(admin_api) == ("timeout", None)
    assert time.monotonic() - began < 5
    full.close()


def answering(*addresses: str) -> Any:
    def getaddrinfo(host: str, *_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0)) for each in addresses]

    return getaddrinfo


def test_a_name_without_an_address_is_dns(admin_api, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", answering())
    made("http://nowhere.test")

    assert one(admin_api) == ("dns", None)


@pytest.mark.usefixtures("hurried")
def test_a_name_server_that_hangs_holds_nobody(admin_api, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(3) or [])
    made("http://nowhere.test")
    began = time.monotonic()

    assert one(admin_api) == ("timeout", None)
    assert time.monotonic() - began < 2.9


def test_a_name_that_leads_to_the_metadata_is_egress(admin_api, server, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", answering("169.254.169.254", "0.0.0.0"))
    made(f"http://rebound.test:{server.port}")

    assert one(admin_api) == ("egress", None)
    assert server.accepted == 0


def test_what_is_listed_may_be_dialled(admin_api, server, monkeypatch, settings):
    monkeypatch.setattr(socket, "getaddrinfo", answering("127.0.0.9", "127.0.0.1"))
    settings.EGRESS_ALLOW = Allowed(names=frozenset({"rebound.test"}))
    made(f"http://rebound.test:{server.port}")

    assert one(admin_api) == ("ok", 200)  # the first address refuses, the second answers


def test_a_wrong_certificate_is_tls_and_is_sent_nothing(admin_api, tmp_path: Path):
    signed = sign("elsewhere.test", ends=NOW + DAY)
    (tmp_path / "pem").write_bytes(signed.secret_pem() + signed.pem())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pem")
    server = tcp_server(context)
    row = made(f"https://127.0.0.1:{server.port}")

    assert one(admin_api) == ("tls", None)
    assert server.heads == []
    Upstream.objects.filter(pk=row.pk).update(tls_verify=False)
    assert one(admin_api) == ("ok", 200)
    assert f"Authorization: Bearer {SECRET}".encode() in server.heads[0]
    server.stop()


@pytest.mark.usefixtures("hurried")
def test_who_speaks_no_tls_is_tls_and_who_says_nothing_a_timeout(admin_api, server):
    row = made(f"https://127.0.0.1:{server.port}")
    assert one(admin_api) == ("timeout", None)  # it waits for a request's head
    rude = Rude(lambda wire: wire.send(b"HTTP/1.1 400 Bad\r\n\r\n").socket.shutdown(1))
    row.targets.update(base_url=f"https://127.0.0.1:{rude.port}")

    assert one(admin_api) == ("tls", None)
    rude.stop()
