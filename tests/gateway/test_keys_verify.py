"""POST /api/v1/keys/verify, answered by the gateway: what it says, what it costs, who may ask."""

import json
import os
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from apikeys.models import ApiKey
from tests import make
from tests.gateway.conftest import Database
from tests.gateway.processes import Gateway, request
from tests.gateway.wire import Server

PATH = "/api/v1/keys/verify"
JSON = "Content-Type: application/json"
Verify = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def validator(database: Database, seeded: str) -> str:
    with database.rows():
        return make.service_key("validator").secret


@pytest.fixture
def verify(gateway: Gateway, validator: str) -> Verify:
    def ask(**question: Any) -> dict[str, Any]:
        answer = post(gateway, validator, json.dumps(question).encode())
        assert answer.status == 200, answer.body
        document: dict[str, Any] = json.loads(answer.body)
        return document

    return ask


@pytest.fixture
def fresh(database: Database) -> str:
    """A key with ten requests a month, all left."""
    return database.key_for(f"v-{uuid.uuid4().hex[:8]}", "echo", monthly=10)


def post(gateway: Gateway, caller: str, body: bytes, *fields: str) -> Any:
    return gateway.ask(request("POST", PATH, caller, *(fields or (JSON,)), body=body))


def code(answer: Any) -> str:
    return str(json.loads(answer.body)["code"])


def test_a_good_key_is_told_with_owner_scopes_tier_and_limits(
    verify: Verify, fresh: str, database: Database
) -> None:
    key_id = uuid.UUID(fresh.split("_")[1])
    with database.rows():
        ApiKey.objects.filter(pk=key_id).update(metadata={"team": "blue"})

    found = verify(key=fresh, upstream="echo", method="POST", path="/v1/x")

    assert (found["valid"], found["code"], found["detail"]) == (True, None, None)
    assert found["key_id"] == str(key_id)
    assert set(found["owner"]) == {"id", "username"}
    assert (found["key_type"], found["role"], found["metadata"]) == ("user", None, {"team": "blue"})
    assert "proxy:use" in found["scopes"]
    assert found["tier"] == f"tier-{found['owner']['username']}"
    limits = {limit["name"]: limit for limit in found["limits"]}
    monthly, daily = limits["monthly"], limits["daily"]
    assert set(limits) == {"second", "minute", "concurrent", "daily", "monthly", "lifetime"}
    assert (monthly["name"], monthly["is_rate_limited"]) == ("monthly", True)
    assert (monthly["limit"], monthly["remaining"], monthly["unit"]) == (10, 9, "requests")
    assert daily == {
        "name": "daily", "unit": "requests", "is_rate_limited": False, "limit": None,
        "remaining": None, "reset_at": None,
    }  # fmt: skip
    assert "checks" not in found


def remaining(found: dict[str, Any]) -> int:
    left: int = {limit["name"]: limit for limit in found["limits"]}["monthly"]["remaining"]
    return left


def test_the_verified_key_pays_its_cost_and_the_caller_nothing(
    verify: Verify, fresh: str, gateway: Gateway
) -> None:
    assert remaining(verify(key=fresh, cost=4)) == 6
    assert remaining(verify(key=fresh, cost=0)) == 6
    assert remaining(verify(key=fresh, cost=3, dry_run=True)) == 6
    over = verify(key=fresh, cost=7)
    assert (over["valid"], over["code"], remaining(over)) == (False, "quota_exceeded", 6)
    assert verify(key=fresh, cost=7, dry_run=True)["code"] == "quota_exceeded"
    assert remaining(verify(key=fresh, cost=6)) == 0
    assert gateway.get("/proxy/echo/x", fresh).status == 429


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("revoked_at = now()", "key_revoked"),
        ("quarantined_at = now()", "key_quarantined"),
        ("disabled_at = now()", "key_disabled"),
        ("expires_at = now()", "key_expired"),
    ],
)
def test_a_key_that_ended_is_told_with_its_owner_and_pays_nothing(
    verify: Verify, fresh: str, database: Database, change: str, code: str
) -> None:
    database.change(
        f"UPDATE apikeys_apikey SET {change} WHERE id = %s", uuid.UUID(fresh.split("_")[1])
    )

    found = verify(key=fresh)

    assert (found["valid"], found["code"], found["limits"]) == (False, code, [])
    assert found["owner"]["username"].startswith("v-")


def test_nothing_is_told_of_a_key_that_was_not_proven(verify: Verify, fresh: str) -> None:
    answers = [verify(key=secret) for secret in (fresh[:-1] + "!", "x", "é☃\x00", fresh + " ")]

    assert {json.dumps(answer) for answer in answers} == {json.dumps(answers[0])}
    assert answers[0]["code"] == "invalid_key"
    known = {name for name, value in answers[0].items() if value not in (None, [], False)}
    assert known == {"code", "detail"}


def test_the_resource_and_the_address_are_judged(
    verify: Verify, fresh: str, database: Database
) -> None:
    assert verify(key=fresh, upstream="other")["code"] == "upstream_forbidden"
    database.change(
        "UPDATE apikeys_apikey SET allowed_networks = '{203.0.113.0/24}' WHERE id = %s",
        uuid.UUID(fresh.split("_")[1]),
    )
    assert verify(key=fresh, ip="203.0.113.7")["valid"]
    assert verify(key=fresh, ip="::ffff:203.0.113.7")["valid"]
    assert verify(key=fresh, ip="203.0.114.7")["code"] == "ip_not_allowed"
    assert verify(key=fresh)["code"] == "ip_not_allowed"


def test_explain_names_every_check_and_what_would_have_to_change(
    verify: Verify, fresh: str
) -> None:
    good = verify(key=fresh, explain=True, dry_run=True)
    bad = verify(key=fresh, upstream="other", explain=True)

    assert [check["outcome"] for check in good["checks"]] == ["passed"] * len(good["checks"])
    names = [check["check"] for check in good["checks"]]
    assert names == ["address", "secret", "life", "member", "network", "resource", "burst", "quota"]
    outcomes = [check["outcome"] for check in bad["checks"]]
    assert outcomes == ["passed"] * 5 + ["failed"] + ["not_reached"] * 2
    assert bad["checks"][5]["code"] == "upstream_forbidden"
    assert bad["checks"][5]["remedy"]


def test_django_is_not_asked(gateway: Gateway, verify: Verify, fresh: str, django: Server) -> None:
    before = len(django.heads_of(PATH))

    verify(key=fresh)

    assert len(django.heads_of(PATH)) == before


def test_only_service_and_admin_keys_with_the_scope_may_ask(
    gateway: Gateway, fresh: str, database: Database
) -> None:
    body = json.dumps({"key": fresh}).encode()
    with database.rows():
        metrics = make.service_key("metrics").secret
    database.change(
        "UPDATE apikeys_apikey SET scopes = '{*:*}' WHERE id = %s", uuid.UUID(fresh.split("_")[1])
    )

    for caller in (metrics, fresh):
        answer = post(gateway, caller, body)
        assert (answer.status, code(answer)) == (403, "insufficient_scope")
        assert 'scope="keys:verify"' in answer.field("www-authenticate")
    assert code(post(gateway, "", body)) == "missing_key"


def test_the_admin_token_does_not_count_here(gateway: Gateway, fresh: str) -> None:
    answer = post(gateway, os.environ["ADMIN_TOKEN"], json.dumps({"key": fresh}).encode())

    assert (answer.status, code(answer)) == (401, "invalid_key")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "bad_request"),
        (b"{", 400, "bad_request"),
        (b"\xff", 400, "bad_request"),
        (b"[" * 60_000, 400, "bad_request"),
        (b'{"key": "a", "key": "b"}', 400, "bad_request"),
        (b"[]", 422, "invalid_input"),
        (b"{}", 422, "invalid_input"),
        (b'{"key": 1}', 422, "invalid_input"),
        (b'{"key": "a", "cost": -1}', 422, "invalid_input"),
        (b'{"key": "a", "owner": 1}', 422, "invalid_input"),
        (b'{"key": "' + b"a" * 65_536 + b'"}', 413, "body_too_large"),
    ],
)
def test_a_question_that_cannot_be_read_is_refused(
    gateway: Gateway, validator: str, body: bytes, status: int, code: str
) -> None:
    answer = post(gateway, validator, body)

    assert (answer.status, json.loads(answer.body)["code"]) == (status, code)


def test_other_methods_and_types_are_refused(gateway: Gateway, validator: str) -> None:
    answer = gateway.get(PATH, validator)
    assert (answer.status, answer.field("allow")) == (405, "POST")
    assert code(post(gateway, validator, b"{}", "Content-Type: text/plain")) == (
        "unsupported_media_type"
    )
    assert code(post(gateway, validator, b"{}", "X-None: 1")) == "unsupported_media_type"


def test_a_chunked_body_in_pieces_and_the_next_request_on_the_connection(
    gateway: Gateway, validator: str, fresh: str
) -> None:
    body = json.dumps({"key": fresh, "dry_run": True}).encode()
    head = request("POST", PATH, validator, JSON, "Transfer-Encoding: chunked")
    wire = gateway.connect().send(head)
    for at in range(0, len(body), 7):
        piece = body[at : at + 7]
        wire.send(b"%x\r\n%b\r\n" % (len(piece), piece))
    wire.send(b"0\r\n\r\n" + request("GET", "/healthz"))

    assert json.loads(wire.answer().body)["valid"]
    assert wire.answer().body == b"ok\n"


def test_a_chunked_body_that_is_too_long_is_cut_short(gateway: Gateway, validator: str) -> None:
    head = request("POST", PATH, validator, JSON, "Transfer-Encoding: chunked")
    wire = gateway.connect().send(head + b"20000\r\n" + b" " * 0x20000 + b"\r\n0\r\n\r\n")

    assert code(wire.answer()) == "body_too_large"


def test_a_body_is_asked_for_only_from_who_may_send_it(
    gateway: Gateway, validator: str, fresh: str
) -> None:
    body = json.dumps({"key": fresh, "dry_run": True}).encode()
    fields = (JSON, "Expect: 100-continue", f"Content-Length: {len(body)}")
    refused = gateway.connect().send(request("POST", PATH, "muser_x", *fields))
    assert refused.answer().status == 401

    wire = gateway.connect().send(request("POST", PATH, validator, *fields))
    assert wire.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
    assert json.loads(wire.send(body).answer().body)["valid"]
