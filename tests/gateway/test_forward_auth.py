"""GET /auth/verify: the gate's word on a request that another server has before it."""

import os
import uuid

import pytest

from apikeys.models import Grant
from tests import make
from tests.gateway.conftest import Database, Start
from tests.gateway.fronted import CLIENT, ask, ask_as_envoy, asking, narrow
from tests.gateway.limited import limited, room
from tests.gateway.processes import Gateway, request
from tests.gateway.test_log_rows import row_of
from tests.gateway.wire import Answer, Server, within
from tests.gateway.wiretap import Wiretap

OTHERS = ["traefik", "caddy", "envoy"]


@pytest.fixture(scope="module")
def front(start_once: Start, seeded: str) -> Gateway:
    return start_once(TRUSTED_PROXIES="127.0.0.1").wait_until_ready()


def code(answer: Answer) -> str:
    assert answer.field("x-request-id").encode() in answer.body
    return answer.body.partition(b'"code": "')[2].partition(b'"')[0].decode()


@pytest.mark.parametrize("dialect", ["nginx", *OTHERS])
def test_a_good_key_passes_and_its_owner_is_told(
    front: Gateway, database: Database, dialect: str
) -> None:
    secret = database.key_for(name := f"f{uuid.uuid4().hex[:8]}", "echo", monthly=9)

    answer = ask(front, secret, dialect=dialect)

    ((owner,),) = database.fetch("SELECT id::text FROM accounts_user WHERE username = %s", name)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.field("x-momentry-user-id") == owner
    assert answer.field("x-momentry-key-id").replace("-", "") == secret.split("_")[1]
    assert "proxy:use" in answer.field("x-momentry-scopes").split()
    assert answer.field("x-momentry-tier") == f"tier-{name}"
    assert answer.field("ratelimit").startswith('"monthly";r=8')
    assert answer.field("cache-control") == "no-store"


@pytest.mark.parametrize("header", ["Authorization: Bearer", "X-API-Key:", "api-key:"])
def test_the_credential_comes_as_everywhere(front: Gateway, key: str, header: str) -> None:
    assert ask(front, "", f"{header} {key}").status == 200


def test_without_a_key_and_with_a_wrong_one_it_is_401(front: Gateway) -> None:
    for dialect in ("nginx", *OTHERS):
        without, wrong = (ask(front, key, dialect=dialect) for key in ("", "muser_nonsense"))

        assert [without.status, wrong.status] == [401, 401]
        assert without.field("www-authenticate") == 'Bearer realm="momentry"'
        assert [code(without), code(wrong)] == ["missing_key", "invalid_key"]


def test_only_trusted_proxies_are_believed(gateway: Gateway, key: str) -> None:
    """This gateway trusts nobody."""
    answers = [ask(gateway, key), ask_as_envoy(gateway, key, "/a")]

    assert [(answer.status, code(answer)) for answer in answers] == [(403, "path_unknown")] * 2


def test_a_question_that_cannot_be_read_is_never_a_yes(front: Gateway, key: str) -> None:
    target = "/auth/verify?dialect=caddy&upstream=echo"
    bare = front.get(target, key)
    doubled = ask(front, key, "X-Forwarded-Uri: /b")
    unknown = front.get("/auth/verify?dialect=apache&upstream=echo", key)
    tricked = ask(front, key, uri="/allowed/%2e%2e/secret")

    assert (bare.status, code(bare)) == (403, "path_unknown")
    assert (doubled.status, code(doubled)) == (403, "path_unknown")
    assert (unknown.status, code(unknown)) == (400, "bad_request")
    assert (tricked.status, code(tricked)) == (400, "path_refused")


def test_what_is_wrong_with_a_question_is_said_only_to_who_has_a_key(front: Gateway) -> None:
    targets = ("/auth/verify", "/auth/verify/x", "/auth/verify?dialect=caddy&upstream=gone")

    assert [front.get(target).status for target in targets] == [401] * 3


def test_an_upstream_is_looked_at_as_on_proxy(front: Gateway, key: str) -> None:
    slugs = ("other", "gone", "NoSlug")
    answers = [ask(front, key, upstream=slug) for slug in slugs]

    assert [(answer.status, code(answer)) for answer in answers] == [
        (403, "upstream_forbidden"), (404, "upstream_unknown"), (404, "upstream_unknown"),
    ]  # fmt: skip


def test_grants_hold_for_the_original_method_and_path(front: Gateway, database: Database) -> None:
    secret = narrow(database, "/allowed/", "GET")
    calls = [("GET", "/allowed/a?x=1"), ("POST", "/allowed/a"), ("GET", "/secret/a")]
    calls.append(("GET", "/allowe%64/a"))

    statuses = [ask(front, secret, method=m, uri=u).status for m, u in calls]
    by_path = [ask_as_envoy(front, secret, u, m).status for m, u in calls]

    assert statuses == by_path == [200, 403, 403, 403]


def test_envoys_client_chooses_nothing_by_its_query(front: Gateway, database: Database) -> None:
    secret = narrow(database, "/allowed/", "GET")

    answer = ask_as_envoy(front, secret, "/secret?dialect=traefik&upstream=echo&uri=/allowed/a")

    assert (answer.status, code(answer)) == (403, "upstream_forbidden")
    assert ask_as_envoy(front, secret, "/allowed/x").status == 200
    assert ask_as_envoy(front, secret, "/allowed/../secret").status == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
def test_envoy_asks_with_any_method(front: Gateway, key: str, method: str) -> None:
    assert ask_as_envoy(front, key, "/v1/chat?stream=true", method).status == 200


def test_a_body_that_comes_with_the_question_does_not_matter(front: Gateway, key: str) -> None:
    wire = front.connect()
    text = request(
        "POST", "/auth/verify/envoy/echo/a", key, f"X-Forwarded-For: {CLIENT}", body=b"x" * 70_000
    )

    assert wire.send(text).answer().status == 200


def test_traefik_asks_as_it_does(front: Gateway, key: str) -> None:
    """Its own fields beside all of its client's, and no body; 3.5's, byte by byte."""
    text = (
        "GET /auth/verify?dialect=traefik&upstream=echo HTTP/1.1\r\nHost: 127.0.0.1:3002\r\n"
        f"User-Agent: curl/8.5\r\nAccept: */*\r\nAuthorization: Bearer {key}\r\n"
        "Content-Type: application/json\r\nX-Forwarded-For: 198.51.100.20\r\n"
        "X-Forwarded-Host: api.example.org\r\nX-Forwarded-Method: POST\r\n"
        "X-Forwarded-Port: 443\r\nX-Forwarded-Proto: https\r\n"
        "X-Forwarded-Server: 6f1c\r\nX-Forwarded-Uri: /llm/v1/chat?a=b\r\n"
        "X-Momentry-User-Id: forged\r\nX-Real-Ip: 198.51.100.20\r\n"
        "Accept-Encoding: gzip\r\n\r\n"
    )

    answer = front.ask(text.encode())

    assert (answer.status, answer.body) == (200, b"")
    assert "forged" not in answer.field("x-momentry-user-id")


def test_envoy_asks_as_it_does(front: Gateway, key: str) -> None:
    """allowed_headers, what HTTP/1.1 needs, and fields that it always adds; 1.33's."""
    text = (
        "POST /auth/verify/envoy/echo/llm/v1/chat?a=b HTTP/1.1\r\nhost: api.example.org\r\n"
        f"content-length: 0\r\nauthorization: Bearer {key}\r\nuser-agent: curl/8.5\r\n"
        "x-envoy-internal: true\r\nx-forwarded-for: 198.51.100.20,10.0.0.7\r\n"
        "x-envoy-expected-rq-timeout-ms: 10000\r\n\r\n"
    )

    answer = front.ask(text.encode())

    assert (answer.status, answer.body) == (200, b"")


def test_a_key_without_an_owner_has_an_empty_user_id(front: Gateway, database: Database) -> None:
    with database.rows():
        issued = make.service_key("admin")
        Grant.objects.create(key=issued.key, upstream="echo")

    answer = ask(front, issued.secret, "X-Momentry-User-Id: forged")

    names = [name for name, _ in answer.fields]
    assert (answer.status, answer.field("x-momentry-user-id")) == (200, "")
    assert "x-momentry-user-id" in names
    assert answer.field("x-momentry-key-id") == str(issued.key.id)


def test_while_the_database_is_away_the_answer_is_503(start: Start, tap: Wiretap, key: str) -> None:
    gateway = start(TRUSTED_PROXIES="127.0.0.1", DATABASE_URL=tap.url).wait_until_ready()
    assert ask(gateway, key, dialect="nginx").status == 200

    tap.stop()

    assert within(10, lambda: ask(gateway, key).status == 503)
    answer = ask(gateway, key, dialect="nginx")
    assert (answer.status, code(answer)) == (503, "database_unavailable")
    assert answer.field("x-momentry-reason") == "database_unavailable"


def test_admin_token_opens_nothing_here(front: Gateway) -> None:
    for uri in ("/api/v1/admin/users", "/a"):
        assert ask(front, os.environ["ADMIN_TOKEN"], uri=uri).status == 401
        assert ask_as_envoy(front, os.environ["ADMIN_TOKEN"], uri).status == 401


def test_each_question_costs_what_a_call_of_the_upstream_costs(
    front: Gateway, database: Database
) -> None:
    weigh = "UPDATE proxy_upstream SET request_weight = %s WHERE slug = 'quick'"
    secret = limited(database, requests_per_month=7)
    database.change(weigh, 3)
    try:
        answers = [ask(front, secret, upstream="quick") for _ in range(3)]
        refused = ask(front, secret, upstream="gone")
        left = ask(front, secret)
    finally:
        database.change(weigh, 1)
    assert [answer.status for answer in (*answers, refused, left)] == [200, 200, 429, 403, 200]
    assert left.field("ratelimit").startswith('"monthly";r=0')


def test_a_slot_is_free_again_with_the_answer(front: Gateway, database: Database) -> None:
    secret = limited(database, concurrent_requests=1)

    assert [ask(front, secret).status for _ in range(5)] == [200] * 5


def test_nginx_is_told_in_the_two_refusals_it_knows(front: Gateway, database: Database) -> None:
    room(3)
    secret = limited(database, requests_per_minute=1)
    assert ask(front, secret).status == 200

    others = [ask(front, secret, dialect=dialect) for dialect in OTHERS]
    answer = ask(front, secret, dialect="nginx")

    assert [other.status for other in others] == [429] * 3
    assert (answer.status, code(answer)) == (403, "rate_limited")
    assert answer.field("x-momentry-reason") == "rate_limited"
    assert answer.field("x-momentry-status") == "429"
    assert 1 <= int(answer.field("retry-after")) <= 60
    assert not others[0].field("x-momentry-reason")


@pytest.mark.parametrize(
    ("uri", "slug", "status", "reason"),
    [
        ("/a/../b", "echo", 400, "path_refused"),
        ("/a", "gone", 404, "upstream_unknown"),
        ("/a", "other", 403, "upstream_forbidden"),
        ("*", "echo", 403, "path_unknown"),
    ],
)
def test_whatever_else_is_refused_nginx_sees_as_403(
    front: Gateway, key: str, uri: str, slug: str, status: int, reason: str
) -> None:
    answer = ask(front, key, dialect="nginx", uri=uri, upstream=slug)

    told = answer.field("x-momentry-reason"), answer.field("x-momentry-status")
    assert (answer.status, told) == (403, (reason, str(status)))


def test_one_row_tells_what_was_asked_for(front: Gateway, database: Database, key: str) -> None:
    good = ask(front, key, "User-Agent: test/1", method="PUT", uri="/v1/a?secret=1")
    bad = ask(front, key, dialect="nginx", uri="/a/../b")

    row, refused = (row_of(database, answer.field("x-request-id")) for answer in (good, bad))
    assert (row["operation"], row["upstream"], row["target"]) == ("auth_verify", "echo", "")
    assert (row["method"], row["path"], row["status"]) == ("PUT", "/v1/a", 200)
    assert (str(row["client_address"]), row["user_agent"]) == (CLIENT, "test/1")
    assert row["key_id"].hex == key.split("_")[1]
    assert (refused["operation"], refused["status"]) == ("auth_verify", 400)
    assert (refused["path"], refused["code"]) == ("/auth/verify", "path_refused")


def test_a_revoked_key_is_refused_from_the_next_question_on(
    front: Gateway, database: Database
) -> None:
    secret = database.key_for(f"f{uuid.uuid4().hex[:8]}", "echo")
    wire = front.connect()
    before = wire.send(asking(secret)).answer()
    key_id = uuid.UUID(secret.split("_")[1])
    database.change("UPDATE apikeys_apikey SET revoked_at = now() WHERE id = %s", key_id)
    after = wire.send(asking(secret)).answer()

    assert (before.status, after.status, code(after)) == (200, 401, "key_revoked")


def test_a_keys_own_networks_are_those_of_the_fronts_client(
    front: Gateway, database: Database
) -> None:
    secret = database.key_for(f"f{uuid.uuid4().hex[:8]}", "echo")
    key_id = uuid.UUID(secret.split("_")[1])
    change = "UPDATE apikeys_apikey SET allowed_networks = ARRAY[%s] WHERE id = %s"

    database.change(change, f"{CLIENT}/32", key_id)
    inside = ask(front, secret)
    database.change(change, "192.0.2.0/24", key_id)
    outside = ask(front, secret)

    assert (inside.status, outside.status, code(outside)) == (200, 403, "ip_not_allowed")


def test_django_never_sees_a_question(front: Gateway, key: str, django: Server) -> None:
    ask(front, key)
    ask_as_envoy(front, key, "/a")
    front.get("/auth/verify/", key)

    assert not [head for head in django.heads if b"/auth/verify" in head]
