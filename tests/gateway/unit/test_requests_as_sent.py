"""Request heads as upstreams and Django get them (PRX-01, -02, -04, -05, -06, SMG-08)."""

import pytest

from proxy.gateway import injection
from proxy.gateway.clients import Client
from proxy.gateway.hygiene import Caller, Destination, to_django, to_upstream, trailers_to_upstream
from proxy.gateway.injection import NONE, Injection
from tests.gateway.unit.heads import parsed

CALLER = Caller(b"rid", Client("198.51.100.1", b"https", b"a.test"), b"user-1", b"key-1")
BEARER = injection.header("Authorization: Bearer {credential}", "sk-up")
ADDED = [
    b"X-Momentry-User-Id: user-1",
    b"X-Momentry-Key-Id: key-1",
    b"X-Momentry-Request-Id: rid",
    b"X-Forwarded-For: 198.51.100.1",
    b"X-Forwarded-Proto: https",
    b"X-Forwarded-Host: a.test",
]
NEVER_SENT_ON = [
    "Connection: keep-alive",
    "Keep-Alive: timeout=5",
    "Proxy-Connection: keep-alive",
    "Proxy-Authenticate: Basic",
    "Proxy-Authorization: Basic eA==",
    "TE: trailers",
    "Trailer: X-Sum",
    "Upgrade: h2c",
    "HTTP2-Settings: AAMAAABk",
    "Expect: 100-continue",
    "Forwarded: for=1.1.1.1",
    "X-Forwarded-For: 1.1.1.1",
    "X-Forwarded-Prefix: /x",
    "X-Real-IP: 1.1.1.1",
    "X-Original-URL: /admin",
    "X-Rewrite-URL: /admin",
    "True-Client-IP: 1.1.1.1",
    "CF-Connecting-IP: 1.1.1.1",
    "X-Client-IP: 1.1.1.1",
    "X-Momentry-User-Id: root",
    "X-MOMENTRY-Anything: x",
    "X-Momentry-Decision: v1.x",
]
KEPT = [
    "Accept: */*",
    "Via: 1.1 front",
    "X-Request-ID: theirs",
    "Cookie: a=b",
    "X-Dup: 1",
    "X-Dup: 2",
    "Upgrade-Insecure-Requests: 1",
]


def upstream_lines(
    *fields: str, line: str = "POST /proxy/echo/a%2Fb?q=%20 HTTP/1.1", put: Injection = BEARER
) -> list[bytes]:
    destination = Destination(b"up.test:8000", b"/base", put)
    data = to_upstream(parsed(*fields, line=line), b"/a%2Fb", destination, CALLER)
    assert data.endswith(b"\r\n\r\n")
    return data[:-4].split(b"\r\n")


def django_lines(
    *fields: str,
    judged: bytes = b"",
    decision: bytes = b"",
    host: str = "Host: a.test",
    line: str = "POST /api/v1/me?q HTTP/1.1",
) -> list[bytes]:
    head = parsed(*fields, line=line, host=host)
    data = to_django(head, CALLER, judged=judged, decision=decision)
    assert data.endswith(b"\r\n\r\n")
    return data[:-4].split(b"\r\n")


def lowered(fields: list[str]) -> list[bytes]:
    return [
        b"%b: %b" % (n.lower().encode(), v.encode()) for n, v in (f.split(": ") for f in fields)
    ]


def test_an_upstream_gets_the_clients_fields_in_order_and_ours():
    lines = upstream_lines(*KEPT, "Content-Length: 7")

    assert lines == [
        b"POST /base/a%2Fb?q=%20 HTTP/1.1",
        b"Host: up.test:8000",
        *lowered(KEPT),
        b"Authorization: Bearer sk-up",
        *ADDED,
        b"Content-Length: 7",
    ]


@pytest.mark.parametrize("field", NEVER_SENT_ON)
def test_what_is_between_two_hops_or_claims_an_identity_stays_here(field):
    assert upstream_lines(field) == upstream_lines()
    assert django_lines(field) == django_lines()


@pytest.mark.parametrize(
    "field",
    [
        "Authorization: Bearer muser_x",
        "Authorization: Basic eA==",
        "X-API-Key: muser_x",
        "api-key: x",
    ],
)
@pytest.mark.parametrize("put", [BEARER, NONE])
def test_no_credential_of_the_client_reaches_an_upstream(field, put):
    assert upstream_lines(field, field, put=put) == upstream_lines(put=put)


@pytest.mark.parametrize(
    "nominated",
    [
        "host, content-length, transfer-encoding",
        "authorization, x-momentry-user-id, x-momentry-request-id",
        "X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto, x-momentry-key-id, x-goog-key",
    ],
)
@pytest.mark.parametrize("framing", ["Content-Length: 7", "Transfer-Encoding: chunked"])
def test_a_nomination_removes_nothing_that_we_add(nominated, framing):
    goog = injection.header("X-Goog-Key: {credential}", "sk-up")

    lines = upstream_lines(f"Connection: {nominated}", framing, put=goog)

    assert lines == upstream_lines(framing, put=goog)
    assert lines[-1] == framing.encode()


def test_a_nomination_removes_the_clients_own_field():
    assert upstream_lines("Connection: close, X-Mine", "X-Mine: 1") == upstream_lines()
    assert django_lines("Connection: x-mine", "X-Mine: 1") == django_lines()


@pytest.mark.parametrize("field", ["X-Goog-Key: evil", "x_goog_key: evil", "X-Goog_Key: evil"])
def test_the_field_that_carries_the_upstreams_credential_is_ours_alone(field):
    goog = injection.header("X-Goog-Key: {credential}", "sk-up")

    assert upstream_lines(field, put=goog) == upstream_lines(put=goog)


def test_a_query_parameter_is_put_on():
    lines = upstream_lines(
        put=injection.query_parameter("key", "s"), line="GET /p?a=1&key=x HTTP/1.1"
    )

    assert lines[0] == b"GET /base/a%2Fb?a=1&key=s HTTP/1.1"


@pytest.mark.parametrize(
    ("field", "framing"),
    [
        ("Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
        ("Content-Length: 0", b"Content-Length: 0"),
        ("Content-Length: 007", b"Content-Length: 7"),
    ],
)
def test_the_framing_is_written_anew(field, framing):
    for lines in (upstream_lines(field), django_lines(field)):
        assert [each for each in lines if each.lower().startswith((b"content-l", b"transfer"))] == [
            framing
        ]


def test_a_caller_without_ids_is_not_given_any():
    head = parsed(line="GET /x HTTP/1.0", host="")
    anonymous = Caller(b"rid", Client("::1", b"http", b""))

    data = to_upstream(head, b"/", Destination(b"up.test"), anonymous)

    assert data == (
        b"GET / HTTP/1.1\r\nHost: up.test\r\nX-Momentry-Request-Id: rid\r\n"
        b"X-Forwarded-For: ::1\r\nX-Forwarded-Proto: http\r\n\r\n"
    )


def test_django_gets_host_cookies_and_every_credential_that_was_not_judged():
    fields = [*KEPT, "Authorization: Basic eA==", "api-key: b"]

    lines = django_lines(*fields, "X-API-Key: a", judged=b"x-api-key", decision=b"v1.a.b")

    assert lines == [
        b"POST /api/v1/me?q HTTP/1.1",
        b"Host: a.test",
        *lowered(fields),
        b"X-Momentry-Decision: v1.a.b",
        *ADDED[2:],
    ]


def test_django_always_gets_one_host():
    assert django_lines(host="", line="GET / HTTP/1.0")[1] == b"Host: localhost"


def test_django_gets_the_path_of_an_absolute_target():
    lines = django_lines(line="GET http://evil.test/admin/?x HTTP/1.1")

    assert lines[:2] == [b"GET /admin/?x HTTP/1.1", b"Host: a.test"]


@pytest.mark.parametrize(
    "name",
    [
        b"authorization",
        b"x-api-key",
        b"x_api_key",
        b"x-momentry-user-id",
        b"x_momentry_user_id",
        b"content-length",
        b"content_length",
        b"transfer-encoding",
        b"host",
        b"connection",
        b"te",
        b"trailer",
        b"x-forwarded-for",
        b"x-real-ip",
        b"cookie",
        b"x-goog-key",
    ],
)
def test_a_trailer_never_brings_what_a_head_may_not(name):
    goog = injection.header("X-Goog-Key: {credential}", "sk-up")

    assert trailers_to_upstream([(b"x-sum", b"1"), (name, b"x")], goog) == [(b"x-sum", b"1")]
