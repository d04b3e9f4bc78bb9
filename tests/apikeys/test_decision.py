"""The decision header: what the gateway signs, Django believes, and nobody else can make."""

import base64
import json
import time
import uuid
from datetime import UTC, datetime

import pytest

from apikeys.gate import decision as decisions
from apikeys.gate.decision import Decision, InvalidDecision, sign, verify
from apikeys.gate.scopes import CATALOGUE
from apikeys.gate.verdict import Charge, Limit, Verdict
from momentry.common.crypto.keyring import get_ring
from tests import make

KEY = b"k" * 32
NOW = 1_795_232_115.0
MOMENT = datetime(2026, 12, 1, tzinfo=UTC)
DECISION = Decision(
    request_id="01a1fcc1-8c47-776b-9945-605a415b4f5a",
    issued_at=NOW,
    method="GET",
    target="/api/v1/me?x=1",
    client="192.0.2.1",
    verdict=Verdict(
        ok=True,
        actor="key",
        key_id=uuid.UUID(int=5),
        member_id=uuid.UUID(int=6),
        key_type="user",
        scopes=frozenset({"proxy:use"}),
        charges=(Charge("member:6", "requests", "month", MOMENT, 1),),
        limits=(
            Limit("monthly", "requests", 10, 9, MOMENT, 86400),
            Limit("concurrent", "concurrent-requests", 5, 4, None, 0),
        ),
    ),
)


def check(text: str, *, method="GET", target="/api/v1/me?x=1", now=NOW) -> Decision:
    return verify(text, KEY, method=method, target=target, now=now)


def test_a_signed_decision_reads_back_whole():
    found = check(sign(DECISION, KEY).decode())

    assert found == DECISION._replace(target=decisions.fingerprint(DECISION.target))


def test_all_limits_there_can_be_and_every_scope_fit_into_the_header():
    names = ("second", "minute", "concurrent", "daily", "monthly", "lifetime")
    most = 2**53
    limits = tuple(
        Limit(prefix + name, "concurrent-requests", most, most, MOMENT, 2_678_400)
        for prefix in ("", "key-")
        for name in names
    )
    charges = tuple(
        Charge(f"{kind}:{uuid.uuid4().hex}", "requests", "lifetime", MOMENT, 1000)
        for kind in ("member", "key")
        for _ in range(3)
    )
    full = DECISION.verdict._replace(limits=limits, charges=charges, scopes=CATALOGUE)

    text = sign(DECISION._replace(verdict=full), KEY).decode()

    assert len(text) <= decisions.MAX_LENGTH
    assert check(text).verdict == full


@pytest.mark.parametrize("age", [-5, 0, 4.9])
def test_a_fresh_decision_holds(age):
    assert check(sign(DECISION, KEY).decode(), now=NOW + age)


@pytest.mark.parametrize(
    "changes",
    [{"method": "POST"}, {"target": "/api/v1/me"}, {"now": NOW + 5.1}, {"now": NOW - 5.1}],
)
def test_a_decision_for_another_request_or_time_is_refused(changes):
    with pytest.raises(InvalidDecision):
        check(sign(DECISION, KEY).decode(), **changes)


def forgeries():
    _, payload, signature = sign(DECISION, KEY).decode().split(".")
    other = base64.urlsafe_b64encode(json.dumps({"act": "admin-token"}).encode()).decode()
    yield from ["", "v1", "v1..", "v1.e30.", f"v2.{payload}.{signature}", f"v1.{other}.{signature}"]
    yield f"v1.{payload}.{signature[:-4]}AAA="
    yield f"v1.{payload}"
    yield f"v1.{payload}.{signature}é"
    yield f"v1.{payload}.{signature}" + "A" * 10_000
    yield sign(DECISION, b"x" * 32).decode()


@pytest.mark.parametrize("forged", list(forgeries()))
def test_a_forged_decision_is_refused(forged):
    with pytest.raises(InvalidDecision):
        check(forged)


def header(
    key, *, method="GET", target="/api/v1/me", actor="key", at=None, client="127.0.0.1"
) -> str:
    verdict = Verdict(
        ok=True, actor=actor, key_id=key and key.pk, member_id=key and key.owner_id,
        key_type="user",
    )  # fmt: skip
    made = Decision(str(uuid.uuid4()), at or time.time(), method, target, client, verdict)
    return sign(made, get_ring().derive(decisions.PURPOSE)).decode()


@pytest.mark.django_db
class TestMiddleware:
    def test_a_good_decision_stands_for_the_key(self, api):
        key = make.key().key

        answer = api.get("/api/v1/me", HTTP_X_MOMENTRY_DECISION=header(key))

        assert (answer.status_code, answer.json()["key"]["id"]) == (200, str(key.pk))
        assert answer.headers["X-Momentry-Operation"] == "api/v1/me"

    @pytest.mark.parametrize("value", ["", "x", "v1.e30.AAAA"])
    def test_a_forged_decision_is_400_even_beside_a_good_key(self, api, value):
        secret = make.key().secret

        answer = api.get(
            "/api/v1/me", HTTP_X_API_KEY=secret, HTTP_X_MOMENTRY_DECISION=value
        )  # fmt: skip

        assert (answer.status_code, answer.json()["code"]) == (400, "decision_invalid")

    def test_a_long_query_does_not_outgrow_the_header(self, api):
        key = make.key().key
        target = "/api/v1/me?" + "a" * 30_000

        decided = header(key, target=target)

        assert len(decided) < 2000
        answer = api.get(target, HTTP_X_MOMENTRY_DECISION=decided)
        assert answer.json()["code"] == "invalid_input"  # the decision held; /me knows no query

    def test_a_decision_for_another_path_is_refused(self, api):
        stolen = header(None, target="/api/v1/me", actor="admin-token")

        answer = api.get("/api/v1/admin/users", HTTP_X_MOMENTRY_DECISION=stolen)

        assert answer.json()["code"] == "decision_invalid"

    def test_what_was_narrowed_after_the_decision_is_refused(self, api, admin_api):
        key = make.key().key
        decided = header(key)
        admin_api.delete(f"/api/v1/admin/keys/{key.pk}")

        answer = api.get("/api/v1/me", HTTP_X_MOMENTRY_DECISION=decided)

        assert (answer.status_code, answer.json()["code"]) == (401, "key_revoked")

    def test_an_anonymous_decision_is_nobody(self, api):
        answer = api.get("/api/v1/me", HTTP_X_MOMENTRY_DECISION=header(None, actor="anonymous"))

        assert (answer.status_code, answer.json()["code"]) == (401, "missing_key")

    def test_an_admin_decision_reaches_the_admin_api(self, api):
        decided = header(None, target="/api/v1/admin/users", actor="admin-token")

        assert api.get("/api/v1/admin/users", HTTP_X_MOMENTRY_DECISION=decided).status_code == 200

    def test_a_403_gives_the_unit_back_through_the_gateway(self, api):
        key = make.key().key
        decided = header(key, target="/api/v1/admin/users")

        answer = api.get("/api/v1/admin/users", HTTP_X_MOMENTRY_DECISION=decided)

        assert (answer.status_code, answer.headers["X-Momentry-Charge"]) == (403, "0")
        assert answer.headers["X-Momentry-Code"] == "permission_denied"
