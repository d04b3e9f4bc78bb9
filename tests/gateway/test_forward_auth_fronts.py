"""A real nginx and a real Caddy ask momentry, as integrations/ configures them."""

import json
import threading
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from apikeys.models import Grant
from tests import make
from tests.gateway.conftest import Database, Start
from tests.gateway.fronted import narrow
from tests.gateway.fronts import Front, free_port, started
from tests.gateway.limited import limited, room
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Answer, Server, Wire, tcp_server, unchunk

pytestmark = pytest.mark.slow
FRONTS = ["nginx", "caddy"]
NAMES = ("x-momentry-user-id", "x-momentry-key-id", "x-momentry-scopes", "x-momentry-tier")
EMPTY = b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n"
SAID = (EMPTY % b"503 Service Unavailable", EMPTY % b"500 Internal Server Error", b"", b"nonsense")


@pytest.fixture(scope="module")
def asked(start_once: Start, seeded: str) -> Gateway:
    return start_once(TRUSTED_PROXIES="127.0.0.1").wait_until_ready()


@pytest.fixture(scope="module", params=FRONTS)
def front(
    request: pytest.FixtureRequest, asked: Gateway, upstream: Server, tmp_path_factory
) -> Iterator[Front]:
    directory = tmp_path_factory.mktemp(request.param)
    with started(request.param, directory, asked.port, upstream.port) as made:
        yield made


def get(front: Front, path: str, key: str = "", *fields: str) -> Answer:
    return front.ask(request("GET", path, key, *fields))


def seen(answer: Answer) -> dict[str, str]:
    """The fields that the backend got: it answers with what it was asked."""
    lines = answer.body.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


def change_key(database: Database, secret: str, change: str) -> None:
    key_id = uuid.UUID(secret.split("_")[1])
    database.change(f"UPDATE apikeys_apikey SET {change} WHERE id = %s", key_id)


def test_a_good_key_passes_and_the_backend_learns_whose_it_is(
    front: Front, database: Database
) -> None:
    secret = database.key_for(name := f"f{uuid.uuid4().hex[:8]}", "echo")
    ask = request("POST", "/llm/v1/chat?stream=1", secret, body=b"hello")

    answer = front.ask(ask)

    ((owner,),) = database.fetch("SELECT id::text FROM accounts_user WHERE username = %s", name)
    fields = seen(answer)
    assert answer.status == 200
    assert answer.body.startswith(b"POST /llm/v1/chat?stream=1 HTTP/1.1\r\n")
    assert answer.body.endswith(b"\r\n\r\nhello")
    assert fields["x-momentry-user-id"] == owner
    assert fields["x-momentry-key-id"].replace("-", "") == secret.split("_")[1]
    assert fields["x-momentry-tier"] == f"tier-{name}"
    assert "proxy:use" in fields["x-momentry-scopes"]
    assert secret.encode() not in answer.body


@pytest.mark.parametrize("header", ["X-API-Key:", "api-key:", "Authorization: Bearer"])
def test_no_credential_goes_on(front: Front, key: str, header: str) -> None:
    answer = get(front, "/llm/a", "", f"{header} {key}")

    assert answer.status == 200
    assert key.encode() not in answer.body


def test_an_identity_that_the_client_claims_is_not_passed_on(front: Front, key: str) -> None:
    claims = [f"{name}: forged" for name in NAMES]
    claims += ["X-Momentry-Decision: forged", "X-Momentry-Reason: forged"]

    answer = get(front, "/llm/a", key, *claims)

    assert answer.status == 200
    assert b"forged" not in answer.body
    assert all(seen(answer)[name] for name in NAMES)


def test_a_key_without_an_owner_gives_the_backend_no_user(front: Front, database: Database) -> None:
    with database.rows():
        issued = make.service_key("admin")
        Grant.objects.create(key=issued.key, upstream="echo")

    answer = get(front, "/llm/a", issued.secret, "X-Momentry-User-Id: forged")

    assert answer.status == 200
    assert seen(answer).get("x-momentry-user-id", "") == ""
    assert seen(answer)["x-momentry-key-id"] == str(issued.key.id)


def test_a_client_cannot_take_the_identity_off(front: Front, key: str) -> None:
    named = ", ".join(NAMES)

    answer = get(front, "/llm/a", key, f"Connection: keep-alive, {named}")

    assert answer.status == 200
    assert all(seen(answer)[name] for name in NAMES)


@pytest.mark.parametrize("name", ["X_Momentry_User_Id", "X-Momentry_User_Id", "X_API_Key"])
def test_an_underscore_passes_nothing_by(front: Front, key: str, name: str) -> None:
    answer = get(front, "/llm/a", key, f"{name}: forged")

    assert answer.status in {200, 400}
    assert b"forged" not in answer.body


def test_without_a_key_and_with_a_wrong_one_it_is_401(front: Front, upstream: Server) -> None:
    mark = f"X-Mark: {uuid.uuid4()}"
    without, wrong = (get(front, "/llm/a", key, mark) for key in ("", "muser_nonsense"))

    assert [without.status, wrong.status] == [401, 401]
    assert without.field("www-authenticate") == 'Bearer realm="momentry"'
    assert 'error="invalid_token"' in wrong.field("www-authenticate")
    for answer, code in ((without, "missing_key"), (wrong, "invalid_key")):
        told = json.loads(answer.body)
        assert (told["status"], told["code"]) == (401, code)
        assert told["request_id"] == answer.field("x-request-id")
        assert answer.field("content-type") == "application/problem+json"
    assert not upstream.heads_with(mark)


def test_without_a_grant_it_is_403(front: Front, database: Database) -> None:
    secret = narrow(database, "/elsewhere/")

    answer = get(front, "/llm/a", secret)

    assert (answer.status, json.loads(answer.body)["code"]) == (403, "upstream_forbidden")


def test_too_many_requests_are_429_at_the_client(front: Front, database: Database) -> None:
    room(3)
    secret = limited(database, requests_per_minute=1)

    first, second = get(front, "/llm/a", secret), get(front, "/llm/a", secret)

    assert (first.status, second.status) == (200, 429)
    assert json.loads(second.body)["code"] == "rate_limited"
    assert 1 <= int(second.field("retry-after")) <= 60
    assert "minute" in second.field("ratelimit-policy")


def test_a_revoked_key_is_refused_from_the_next_request_on(
    front: Front, database: Database
) -> None:
    secret = database.key_for(f"f{uuid.uuid4().hex[:8]}", "echo")
    wire = front.connect()
    before = wire.send(request("GET", "/llm/a", secret)).answer().status

    change_key(database, secret, "revoked_at = now()")
    after = wire.send(request("GET", "/llm/a", secret)).answer()

    assert (before, after.status) == (200, 401)
    assert json.loads(after.body)["code"] == "key_revoked"


def test_the_client_does_not_choose_its_address(front: Front, database: Database) -> None:
    secret = database.key_for(f"f{uuid.uuid4().hex[:8]}", "echo")
    change_key(database, secret, "allowed_networks = '{198.51.100.9/32}'")

    answer = get(front, "/llm/a", secret, "X-Forwarded-For: 198.51.100.9")

    assert answer.status == 403


@pytest.mark.parametrize(
    "path",
    [
        "/llm/secret", "/llm/allowed/../secret", "/llm/allowed/%2e%2e/secret",
        "/llm/allowed/..%2Fsecret", "/llm/allowed/%252e%252e/secret", "/llm/allowed/..;/secret",
        "/llm/allowed//../secret", "/llm/allowed/./../secret", "/x/../llm/secret",
        "/llm/allowed/%5c..%5csecret", "/llm/allowed\\..\\secret", "/llm/%73ecret", "//llm/secret",
        "/llm/allowed/%c0%ae%c0%ae/secret", "http://gateway.test/llm/secret",
    ],
)  # fmt: skip
def test_no_path_leads_around_a_grant(
    front: Front, database: Database, upstream: Server, path: str
) -> None:
    secret = narrow(database, "/llm/allowed/")
    mark = f"X-Mark: {uuid.uuid4()}"
    claims = ["X-Forwarded-Uri: /llm/allowed/a", "X-Forwarded-Method: GET"]
    claims += ["X-Original-URI: /llm/allowed/a", "Connection: X-Forwarded-Uri"]

    answers = [get(front, path, secret, mark), get(front, path, secret, mark, *claims)]

    assert all(answer.status >= 400 or not answer.body for answer in answers)
    assert not upstream.heads_with(mark)


def test_what_was_judged_is_what_is_served(front: Front, key: str) -> None:
    answer = get(front, "/llm/a%2Fb%20c;d?e=%2F", key)

    assert answer.status == 200
    assert answer.body.startswith(b"GET /llm/a%2Fb%20c;d?e=%2F HTTP/1.1\r\n")


def test_uploads_and_answers_are_not_gathered(front: Front, key: str, upstream: Server) -> None:
    """The front passes on what is there before it has all of it."""
    began, go_on = threading.Event(), threading.Event()

    def script(wire: Wire, head: bytes) -> None:
        wire.exactly(5)
        began.set()
        wire.exactly(5)
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
        wire.send(b"Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        go_on.wait(10)
        wire.send(b"4\r\nlast\r\n0\r\n\r\n")

    upstream.on("/llm/slowly", script)
    wire = front.connect()
    wire.send(request("POST", "/llm/slowly", key, "Content-Length: 10") + b"01234")
    assert began.wait(10)
    wire.send(b"56789")

    assert wire.head().status == 200
    wire.until(b"first")
    go_on.set()
    wire.until(b"last")


def test_a_large_body_passes_whole(front: Front, key: str) -> None:
    body = b"0123456789abcdef" * 131_072
    wire = front.connect()
    wire.send(request("POST", "/llm/large", key, "Expect: 100-continue", body=body))
    while (head := wire.head()).status == 100:
        pass

    assert head.status == 200
    if length := head.field("content-length"):
        assert wire.exactly(int(length)).endswith(b"\r\n\r\n" + body)
    else:
        assert unchunk(wire.raw_chunks()).endswith(b"\r\n\r\n" + body)


def test_a_handshake_is_asked_about_like_any_request(front: Front, key: str) -> None:
    upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
    upgrade.append("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")

    without, good = (get(front, "/llm/socket", secret, *upgrade) for secret in ("", key))

    assert (without.status, good.status) == (401, 200)
    assert seen(good)["x-momentry-key-id"].replace("-", "") == key.split("_")[1]


@pytest.mark.parametrize("name", FRONTS)
def test_without_a_yes_nothing_passes(
    name: str, key: str, upstream: Server, tmp_path: Path
) -> None:
    """A gateway that is away, or that says anything but 200."""
    mark = f"X-Mark: {uuid.uuid4()}"
    stand_in = tcp_server()
    try:
        with started(name, tmp_path, stand_in.port, upstream.port) as made:
            for said in SAID:
                stand_in.on("/auth/verify", partial(say, said))
                assert get(made, "/llm/a", key, mark).status >= 500
            stand_in.stop()
            assert get(made, "/llm/a", key, mark).status >= 500
    finally:
        stand_in.stop()
    with started(name, tmp_path, free_port(), upstream.port) as alone:
        assert get(alone, "/llm/a", key, mark).status >= 500
    assert not upstream.heads_with(mark)


def say(said: bytes, wire: Wire, head: bytes) -> None:
    wire.send(said)
    wire.end()
