"""PRX-01 … PRX-05, PRX-07, PRX-08, PRX-11: what reaches an upstream, Django and the client."""

import pytest

from tests.gateway.processes import Gateway
from tests.gateway.wire import Server, Wire


def sent_up(gateway: Gateway, key: str, *fields: str, path: str = "/proxy/echo/") -> bytes:
    return gateway.get(path, key, *fields).body


def test_hop_by_hop_and_nominated_fields_end_here(gateway: Gateway, key: str) -> None:
    fields = (
        "Connection: keep-alive, X-Mine",
        "X-Mine: 1",
        "TE: trailers",
        "Keep-Alive: timeout=5",
        "Proxy-Authorization: Basic eDp5",
        "X-Kept: yes",
    )

    head = sent_up(gateway, key, *fields).lower()

    assert b"x-kept: yes" in head
    for name in (b"connection", b"x-mine", b"\r\nte:", b"keep-alive", b"proxy-authorization"):
        assert name not in head


def test_nominating_our_fields_does_not_remove_them(gateway: Gateway, key: str) -> None:
    head = sent_up(gateway, key, "Connection: X-Momentry-User-Id, Authorization, Host")

    assert b"\r\nX-Momentry-User-Id: " in head
    assert b"\r\nAuthorization: Bearer upstream-secret-1\r\n" in head


def test_the_clients_credential_ends_here_and_the_upstreams_is_put_in(
    gateway: Gateway, key: str
) -> None:
    for field in (f"X-API-Key: {key}", f"api-key: {key}", f"authorization: bearer {key}"):
        head = sent_up(gateway, "", field)

        assert b"\r\nAuthorization: Bearer upstream-secret-1\r\n" in head
        assert key.encode() not in head


def test_the_upstreams_credential_may_go_into_the_query(gateway: Gateway, key: str) -> None:
    head = sent_up(gateway, key, path="/proxy/query/x?a=1&k=mine")

    assert head.startswith(b"GET /x?a=1&k=s3%20cret%26 HTTP/1.1\r\n")


def test_clients_cannot_assert_an_identity(gateway: Gateway, key: str) -> None:
    fields = ("X-Momentry-User-Id: 1", "X-Momentry-Anything: 1", "X-Forwarded-For: 192.0.2.1")

    head = sent_up(gateway, key, *fields)

    assert head.lower().count(b"x-momentry-user-id") == 1
    assert b"X-Momentry-User-Id: 1\r\n" not in head
    assert b"anything" not in head.lower()
    assert b"X-Forwarded-For: 127.0.0.1\r\n" in head


def test_the_answers_hop_by_hop_and_internal_fields_end_here(
    gateway: Gateway, key: str, upstream: Server
) -> None:
    def answer(wire: Wire, _head: bytes) -> None:
        wire.send(
            b"HTTP/1.1 201 Fine\r\nConnection: X-Gone\r\nX-Gone: 1\r\nKeep-Alive: timeout=9\r\n"
            b"X-Momentry-Charge: 0\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Request-ID: up\r\n"
            b"Content-Length: 2\r\n\r\nok"
        )

    upstream.on("/answer", answer)
    got = gateway.get("/proxy/echo/answer", key)

    names = [name for name, _ in got.fields]
    assert (got.status, got.body) == (201, b"ok")
    assert got.field("set-cookie") == "a=1, b=2"
    assert got.field("x-upstream-request-id") == "up"
    for name in ("x-gone", "keep-alive", "x-momentry-charge", "connection"):
        assert name not in names


def test_redirects_are_relayed(gateway: Gateway, key: str, upstream: Server) -> None:
    location = b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n"
    upstream.on("/redirect", lambda wire, _: wire.send(location))

    answer = gateway.get("/proxy/echo/redirect", key)

    assert (answer.status, answer.field("location")) == (302, "http://elsewhere/")


def test_path_and_query_are_byte_exact_behind_the_base_path(gateway: Gateway, key: str) -> None:
    raw = "/a%2Fb/%C3%A9;v=1/x+y?q=%20&&=;[]%zz"

    head = sent_up(gateway, key, path="/proxy/based" + raw)

    assert head.startswith(f"GET /base/path{raw} HTTP/1.1\r\n".encode())


@pytest.mark.parametrize(
    "rest", ["/../x", "/%2e%2e/x", "/a/./b", "//x", "/a\\b", "/%252e%252e/", "/%", "/a/..;/b"]
)
def test_a_path_with_two_readings_is_refused(
    gateway: Gateway, key: str, upstream: Server, rest: str
) -> None:
    answer = gateway.get(f"/proxy/echo{rest}", key, "X-Mark: two-readings")

    assert answer.status == 400
    assert upstream.heads_with("X-Mark: two-readings") == []


def test_the_host_of_the_target_is_sent_up_whatever_the_client_says(
    gateway: Gateway, key: str, upstream: Server
) -> None:
    target = f"http://evil.test/proxy/echo/abs?x HTTP/1.1\r\nHost: other\r\nX-API-Key: {key}"

    head = gateway.ask(f"GET {target}\r\n\r\n".encode()).body

    assert head.startswith(b"GET /abs?x HTTP/1.1\r\n")
    assert b"\r\nHost: 127.0.0.1:%d\r\n" % upstream.port in head


def test_every_answer_has_a_request_id_of_ours(gateway: Gateway, key: str) -> None:
    answers = [
        gateway.get("/proxy/echo/", key, "X-Request-ID: mine"),
        gateway.get("/healthz"),
        gateway.get("/claim/x"),
        gateway.get("/proxy/echo/"),
        gateway.ask(b"nonsense\r\n\r\n"),
    ]

    ids = {answer.field("x-request-id") for answer in answers}
    assert len(ids) == 5
    assert all(len(found) == 36 for found in ids)


def test_a_clients_request_id_goes_up_unchanged_beside_ours(gateway: Gateway, key: str) -> None:
    answer = gateway.get("/proxy/echo/", key, "X-Request-ID: mine")

    assert b"\r\nx-request-id: mine\r\n" in answer.body
    assert f"X-Momentry-Request-Id: {answer.field('x-request-id')}".encode() in answer.body
