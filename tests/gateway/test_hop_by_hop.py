"""PRX-01, -02, -04, -05, -11: what belongs to one hop, or to us, ends here in every spelling."""

import pytest

from tests import make
from tests.gateway.conftest import Database, Start
from tests.gateway.misbehaving import OK, Rude, ask, close, hang, says
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Server, Wire

pytestmark = pytest.mark.slow

HOP = [
    "Keep-Alive: timeout=5, max=9",
    "Proxy-Connection: keep-alive",
    "Proxy-Authenticate: Basic",
    "Proxy-Authorization: Basic eDp5",
    "Proxy-Authentication-Info: x",
    "TE: trailers, deflate",
    "Trailer: X-Sum",
    "Upgrade: h2c, websocket",
    "HTTP2-Settings: AAMAAABk",
]
NOMINATED = [
    ["Connection: X-Gone"],
    ["connection: x-gone"],
    ["Connection: close, X-GONE"],
    ["Connection:\tkeep-alive ,\tX-Gone\t,"],
    ["Connection: keep-alive", "Connection: x-gone"],
    ["Connection: ,,X-Gone,,X-Gone"],
]
OURS = [
    "X-Momentry-User-Id",
    "X-Momentry-Key-Id",
    "X-Momentry-Request-Id",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "Host",
    "Authorization",
    "Content-Length",
]


def up(gateway: Gateway, key: str, *fields: str, body: bytes = b"") -> bytes:
    """The request as the upstream got it."""
    return gateway.ask(request("POST", "/proxy/echo/", key, *fields, body=body)).body


@pytest.mark.parametrize("field", HOP)
def test_a_field_of_the_hop_ends_here_in_both_directions(
    gateway: Gateway, key: str, upstream: Server, field: str
) -> None:
    name = field.partition(":")[0].lower()
    upstream.on("/hop", says(OK + f"{field}\r\nX-Kept: 1\r\nContent-Length: 0\r\n\r\n".encode()))

    sent = up(gateway, key, field, "X-Kept: 1").lower()
    got = gateway.get("/proxy/echo/hop", key)

    assert b"\r\nx-kept: 1\r\n" in sent
    assert f"\r\n{name}:".encode() not in sent
    assert got.field("x-kept") == "1"
    assert name not in [each for each, _ in got.fields]


@pytest.mark.parametrize("nominated", NOMINATED)
def test_a_nominated_field_ends_here_in_both_directions(
    gateway: Gateway, key: str, upstream: Server, nominated: list[str]
) -> None:
    fields = [*nominated, "X-Gone: 1", "x-gone: 2", "X-Kept: 1"]
    raw = OK + "\r\n".join(fields).encode() + b"\r\nContent-Length: 0\r\n\r\n"
    upstream.on("/nominated", says(raw, close))

    sent = up(gateway, key, *fields).lower()
    got = gateway.get("/proxy/echo/nominated", key)

    assert b"\r\nx-kept: 1\r\n" in sent
    assert b"x-gone" not in sent
    assert got.field("x-kept") == "1"
    assert got.field("x-gone") == ""


@pytest.mark.parametrize("name", OURS)
def test_what_we_add_cannot_be_nominated_away(gateway: Gateway, key: str, name: str) -> None:
    sent = up(gateway, key, f"Connection: {name}", body=b"abc")

    assert sent.lower().count(f"\r\n{name}: ".lower().encode()) == 1
    assert sent.endswith(b"\r\n\r\nabc")


@pytest.mark.parametrize(
    "name", [*OURS[:6], "X-Real-IP", "Forwarded", "X-Original-URL", "X-Momentry-X"]
)
@pytest.mark.parametrize("spell", [str, str.lower, str.upper])
def test_a_client_asserts_none_of_it(
    gateway: Gateway, key: str, name: str, spell: type[str]
) -> None:
    sent = up(gateway, key, f"{spell(name)}: forged-by-client", f"{name}: forged-by-client")

    assert b"forged-by-client" not in sent


@pytest.mark.parametrize(
    "field", ["X-API-Key: {}", "x-api-KEY:{}", "Api-Key: {}", "AUTHORIZATION: bearer {}"]
)
def test_the_clients_credential_ends_here_in_every_spelling(
    gateway: Gateway, key: str, field: str
) -> None:
    sent = up(gateway, "", field.format(key))

    assert sent.count(b"upstream-secret-1") == 1
    assert key.encode() not in sent


def test_an_answer_cannot_speak_for_us(gateway: Gateway, key: str, upstream: Server) -> None:
    theirs = b"X-Momentry-Charge: 0\r\nx-momentry-code: x\r\nX-MOMENTRY-Y: z\r\n"
    own = b"Set-Cookie: momentry_session=planted; Path=/\r\nX-Request-ID: theirs\r\n"
    upstream.on("/speaks", says(OK + theirs + own + b"Content-Length: 0\r\n\r\n"))

    got = gateway.get("/proxy/echo/speaks", key)

    names = [name for name, _ in got.fields]
    assert not [name for name in names if name.startswith("x-momentry")]
    assert "set-cookie" not in names
    assert names.count("x-request-id") == 1
    assert got.field("x-upstream-request-id") == "theirs"


def test_an_upstreams_credential_is_in_no_error_no_row_and_no_line(
    start: Start, key: str, database: Database, upstream: Server
) -> None:
    """Where it stands in the query it is nearest to what is told of a request."""
    secret = "theirs-0123456789"
    rude, given = Rude(close), {"credential": secret, "injection": "query", "injection_name": "k"}
    bases = {
        "leak-dead": "http://127.0.0.1:9",
        "leak-name": "http://nothing.invalid",
        "leak-rude": f"http://127.0.0.1:{rude.port}",
        "leak-late": f"http://127.0.0.1:{upstream.port}",
    }
    upstream.on("/leak", says(b"", hang))
    with database.rows():
        made = [
            make.upstream(slug, base, first_byte_timeout_ms=300, **given)
            for slug, base in bases.items()
        ]
    caller = database.key_for("leaks", " ".join(bases))
    gateway = start().wait_until_ready()

    found = [ask(gateway, caller, f"/proxy/{slug}/leak?a=1") for slug in bases]
    assert gateway.stop() == 0

    assert [got.status for got in found] == [502, 502, 502, 504]
    rows = database.fetch("SELECT r::text FROM apikeys_requestlog r WHERE upstream LIKE 'leak-%%'")
    told = str([got.body for got in found]) + str(rows) + "".join(gateway.lines)
    assert len(rows) == len(bases)
    assert "theirs-" not in told
    rude.stop()
    for each in made:
        with database.rows():
            each.delete()


@pytest.mark.parametrize(
    ("trusted", "address", "scheme", "host"),
    [
        ("", b"127.0.0.1", b"http", b"gateway.test"),
        ("192.0.2.0/24", b"127.0.0.1", b"http", b"gateway.test"),
        ("127.0.0.1", b"203.0.113.5", b"https", b"public.example.org"),
        ("127.0.0.1, 203.0.113.0/24", b"198.51.100.7", b"https", b"public.example.org"),
    ],
)
def test_forwarding_fields_say_what_a_trusted_front_saw(
    start: Start, key: str, trusted: str, address: bytes, scheme: bytes, host: bytes
) -> None:
    """PRX-06: from the right, up to the first address that is no front of ours."""
    gateway = start(TRUSTED_PROXIES=trusted).wait_until_ready()
    fields = [
        "X-Forwarded-For: 10.9.9.9, 198.51.100.7",
        "X-Forwarded-For: 203.0.113.5",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: public.example.org",
        "Forwarded: for=10.9.9.9;proto=https",
        "X-Real-IP: 10.9.9.9",
    ]

    sent = gateway.get("/proxy/echo/", key, *fields).body

    told = b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Host: %b\r\n"
    assert told % (address, scheme, host) in sent
    assert b"10.9.9.9" not in sent
    assert sent.lower().count(b"x-forwarded-for") == 1


REFUSED = {
    "no key": ("/proxy/echo/", "", 401),
    "a wrong key": ("/proxy/echo/", "muser_nonsense", 401),
    "no grant": ("/proxy/other/", None, 403),
    "no upstream": ("/proxy/gone/", None, 404),
    "a refused path": ("/proxy/echo/..", None, 400),
    "too large": ("/proxy/small/", None, 413),
    "switched off": ("/proxy/off/", None, 503),
    "unreachable": ("/proxy/dead/", None, 502),
}


@pytest.mark.parametrize(
    ("case", "framing"),
    [
        *[(case, "Content-Length: 1000") for case in REFUSED],
        # A chunked body's length is not known: it is 413 once it has come.
        *[(case, "Transfer-Encoding: chunked") for case in REFUSED if case != "too large"],
    ],
)
def test_who_waits_for_100_is_refused_first(
    gateway: Gateway, key: str, case: str, framing: str
) -> None:
    """PRX-16: the first bytes are the refusal's, and nobody reads a body as a request."""
    path, given, status = REFUSED[case]
    secret = key if given is None else given
    wire = gateway.connect()

    wire.send(request("POST", path, secret, framing, "Expect: 100-continue"))
    answer = wire.answer()

    assert answer.status == status
    assert answer.field("connection") == "close"
    assert wire.is_closed_within(3)


def test_another_expectation_is_417(gateway: Gateway, key: str) -> None:
    wire: Wire = gateway.connect()
    wire.send(request("POST", "/proxy/echo/", key, "Content-Length: 1", "Expect: 200-ok"))

    assert wire.answer().status == 417
