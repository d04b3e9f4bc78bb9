"""What goes to Django, with which decision, and what its private answers do."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from apikeys.gate import decision
from momentry.common.crypto.keyring import KeyRing
from tests.gateway.books import used
from tests.gateway.conftest import Database, Start
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Server, Wire

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"


def decision_of(told: bytes, method: str, target: str) -> decision.Decision:
    lines = told.split(b"\r\n")
    value = next(line[21:] for line in lines if line.startswith(b"X-Momentry-Decision: "))
    key = KeyRing.from_text(os.environ["ENCRYPTION_KEY"]).derive(decision.PURPOSE)
    return decision.verify(value.decode(), key, method=method, target=target, now=time.time())


def test_what_is_not_ours_goes_to_django_untouched(gateway: Gateway) -> None:
    fields = ("Cookie: a=1", "Authorization: Basic eDp5", "X-API-Key: whatever", "Host-Kept: 1")

    told = gateway.get("/admin/?next=/%2F", "", *fields).body

    assert told.startswith(b"GET /admin/?next=/%2F HTTP/1.1\r\nHost: gateway.test\r\n")
    for field in (b"cookie: a=1", b"authorization: Basic eDp5", b"x-api-key: whatever"):
        assert field in told
    assert b"Decision" not in told


def test_a_rest_call_with_a_key_carries_the_decision_and_not_the_key(
    gateway: Gateway, key: str
) -> None:
    target = "/api/v1/videos?page=1"
    answer = gateway.get(target, key, "Cookie: s=1")

    made = decision_of(answer.body, "GET", target)
    assert key.encode() not in answer.body
    assert b"cookie: s=1" in answer.body
    assert made.verdict.actor == "key"
    assert made.verdict.key_id is not None
    assert made.verdict.key_id.hex == key.split("_")[1]
    assert made.request_id == answer.field("x-request-id")


def test_a_bare_question_mark_is_not_in_the_decision(gateway: Gateway) -> None:
    """ASGI tells Django nothing of it: the two must sign and verify the same text."""
    told = gateway.get("/api/v1/me?").body

    assert told.startswith(b"GET /api/v1/me? ")
    assert decision_of(told, "GET", "/api/v1/me").verdict.actor == "anonymous"


def test_a_rest_call_without_a_key_is_anonymous(gateway: Gateway) -> None:
    made = decision_of(gateway.get("/api/v1/me").body, "GET", "/api/v1/me")

    assert made.verdict.actor == "anonymous"


def test_the_admin_token_is_an_actor_on_admin_routes_only(gateway: Gateway) -> None:
    token = os.environ["ADMIN_TOKEN"]

    made = decision_of(gateway.get("/api/v1/admin/keys", token).body, "GET", "/api/v1/admin/keys")

    assert made.verdict.actor == "admin-token"
    assert gateway.get("/api/v1/me", token).status == 401
    assert gateway.get("/proxy/echo/", token).status == 401


def test_a_decision_from_outside_is_stripped(gateway: Gateway) -> None:
    told = gateway.get("/admin/", "", "X-Momentry-Decision: v1.a.b", "X-Momentry-User-Id: 1").body

    assert b"decision" not in told.lower()
    assert b"user-id" not in told.lower()


def test_a_clients_own_decision_gives_way_to_the_gateways(gateway: Gateway) -> None:
    told = gateway.get("/api/v1/me", "", "X-Momentry-Decision: v1.a.b").body

    assert told.lower().count(b"x-momentry-decision") == 1
    assert decision_of(told, "GET", "/api/v1/me").verdict.actor == "anonymous"


def test_a_refused_rest_call_never_reaches_django(gateway: Gateway, django: Server) -> None:
    answer = gateway.get("/api/v1/refused", "muser_nonsense")

    assert answer.status == 401
    assert django.heads_of("/api/v1/refused") == []


def test_a_rest_call_is_charged_unless_django_says_it_was_free(
    gateway: Gateway, database: Database, django: Server
) -> None:
    secret = database.key_for("charged", "echo", monthly=100)
    free = b"HTTP/1.1 403 No\r\nX-Momentry-Charge: 0\r\nContent-Length: 0\r\n\r\n"
    django.on("/api/v1/free", lambda wire, _: wire.send(free))
    django.on("/api/v1/not-free", lambda wire, _: wire.send(free.replace(b"403", b"404")))

    assert gateway.get("/api/v1/videos", secret).status == 200
    assert used(database, secret) == 1
    answer = gateway.get("/api/v1/free", secret)
    assert "x-momentry-charge" not in [name for name, _ in answer.fields]
    time.sleep(0.1)
    assert used(database, secret) == 1
    gateway.get("/api/v1/not-free", secret)
    assert used(database, secret) == 2
    gateway.get("/api/v1/me", secret)
    assert used(database, secret) == 2


def test_what_reached_no_upstream_costs_nothing(gateway: Gateway, database: Database) -> None:
    secret = database.key_for("costless", "echo dead gone off small", monthly=100)

    statuses = [gateway.get(f"/proxy/{slug}/", secret).status for slug in ("dead", "gone", "off")]
    big = gateway.ask(request("POST", "/proxy/small/", secret, body=b"x" * 11)).status
    time.sleep(0.2)

    assert [*statuses, big] == [502, 404, 503, 413]
    assert used(database, secret) == 0


def test_without_a_key_nothing_is_learnt_of_upstreams(gateway: Gateway) -> None:
    answers = [gateway.get(path) for path in ("/proxy/echo/", "/proxy/nosuch/", "/proxy/", "/v1/x")]

    assert [answer.status for answer in answers] == [401] * 4


@pytest.mark.parametrize("path", ["/auth/verify", "/api/v1/keys/verify", "/v1/models"])
def test_these_paths_demand_a_key(gateway: Gateway, path: str) -> None:
    answer = gateway.get(path)

    assert answer.status == 401
    assert answer.field("www-authenticate") == 'Bearer realm="momentry"'


def test_ambiguous_credentials_are_refused(gateway: Gateway, key: str) -> None:
    for fields in ([f"X-API-Key: {key}"], [f"Authorization: Bearer {key}"], ["X_API_Key: a"]):
        assert gateway.get("/proxy/echo/", key, *fields).status == 400


def test_every_invalid_key_takes_as_long(gateway: Gateway, key: str) -> None:
    unknown = key[:10] + ("0" if key[10] != "0" else "1") + key[11:]
    for secret in ("x", unknown):
        began = time.monotonic()
        assert gateway.get("/proxy/echo/", secret).status == 401
        assert time.monotonic() - began >= 0.0095


def test_the_quota_is_exact_over_two_processes(gateway: Gateway, database: Database) -> None:
    secret = database.key_for("limited", "echo", monthly=7)

    answers = [gateway.get("/proxy/echo/", secret) for _ in range(12)]

    assert sorted(answer.status for answer in answers) == [200] * 7 + [429] * 5
    assert answers[0].field("ratelimit").startswith('"monthly";r=6;t=')
    assert answers[-1].field("retry-after")
    assert b'"quota_exceeded"' in answers[-1].body


def test_the_quota_is_exact_under_demand(gateway: Gateway, database: Database) -> None:
    secret = database.key_for("demanding", "echo", monthly=100)
    ask = request("GET", "/proxy/echo/", secret)

    def call(_: int) -> list[int]:
        wire = gateway.connect()
        return [wire.send(ask).answer().status for _ in range(10)]

    with ThreadPoolExecutor(24) as threads:
        statuses = [status for some in threads.map(call, range(24)) for status in some]

    assert (statuses.count(200), statuses.count(429)) == (100, 140)


def test_an_upstreams_own_ratelimit_fields_are_kept(
    gateway: Gateway, database: Database, upstream: Server
) -> None:
    secret = database.key_for("ratelimited", "echo", monthly=9)
    raw = OK + b'RateLimit: "theirs";r=1\r\n\r\n'
    upstream.on("/limits", lambda wire, _: wire.send(raw))

    answer = gateway.get("/proxy/echo/limits", secret)

    assert (answer.status, answer.field("ratelimit")) == (200, '"theirs";r=1')


def test_django_away_is_503_and_the_unit_comes_back(
    start: Start, database: Database, django: Server
) -> None:
    secret = database.key_for("patient", "echo", monthly=100)
    gateway = start(DJANGO_SOCKET="127.0.0.1:9").wait_until_listening()

    answer = gateway.get("/api/v1/videos", secret)

    assert answer.status == 503
    assert answer.field("retry-after")
    assert gateway.get("/readyz").status == 503
    time.sleep(0.2)
    assert used(database, secret) == 0


def test_django_is_reached_over_tcp_too(start: Start, upstream: Server) -> None:
    gateway = start(DJANGO_SOCKET=f"127.0.0.1:{upstream.port}").wait_until_ready()

    assert gateway.get("/claim/x").body.startswith(b"GET /claim/x")


def test_a_revoked_key_is_refused_by_both_processes_at_once(
    gateway: Gateway, database: Database
) -> None:
    secret = database.key_for("revoked", "echo")
    wires: list[Wire] = [gateway.connect() for _ in range(16)]
    ask = request("GET", "/proxy/echo/", secret)
    assert {wire.send(ask).answer().status for wire in wires} == {200}

    database.change("UPDATE apikeys_apikey SET revoked_at = now() WHERE id = %s", secret[6:38])

    assert {wire.send(ask).answer().status for wire in wires} == {401}
