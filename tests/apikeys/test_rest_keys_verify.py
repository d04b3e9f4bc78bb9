"""POST /api/v1/keys/verify through Django alone: the same question, the same document."""

import json

import pytest

from apikeys.models import ApiKey, Counter, IpRule
from apikeys.services.gate import peppers
from apikeys.services.guard import get_guard
from tests import make

pytestmark = pytest.mark.django_db
PATH = "/api/v1/keys/verify"


@pytest.fixture
def verify(api):
    caller = make.service_key("validator").secret

    def ask(**question):
        return api.post(PATH, question, format="json", HTTP_X_API_KEY=caller)

    return ask


def test_the_document_has_the_documented_members(verify):
    make.tier("ten", requests_per_month=10)
    alice = make.member(tier="ten")
    issued = make.key(alice)

    answer = verify(key=issued.secret, cost=3, explain=True)

    body = answer.json()
    assert answer.status_code == 200
    assert body["owner"] == {"id": str(alice.pk), "username": "alice"}
    assert (body["valid"], body["code"], body["key_id"]) == (True, None, str(issued.key.pk))
    assert body["limits"][0]["remaining"] == 7
    assert len(body["checks"]) == 8
    assert set(body) == {
        "valid", "code", "detail", "key_id", "owner", "key_type", "role", "scopes", "metadata",
        "tier", "limits", "checks",
    }  # fmt: skip


def test_a_dry_run_consumes_nothing(verify):
    issued = make.key()

    verify(key=issued.secret, dry_run=True, cost=5)

    assert sum(Counter.objects.values_list("used", flat=True)) == 0


def test_a_service_key_without_owner_is_told_with_its_role(verify):
    body = verify(key=make.service_key("issuer").secret).json()

    assert (body["owner"], body["role"], body["valid"]) == (None, "issuer", True)
    assert [limit["is_rate_limited"] for limit in body["limits"]] == [False] * 6


def test_the_digest_is_nowhere(verify):
    issued = make.key()
    issued.key.refresh_from_db()

    text = verify(key=issued.secret, explain=True).content.decode()

    assert issued.key.digest not in text
    assert issued.secret not in text


def test_ip_and_ip_rules_are_judged(verify):
    issued = make.key()
    IpRule.objects.create(network="198.51.100.0/24")

    assert verify(key=issued.secret, ip="198.51.100.1").json()["code"] == "ip_blocked"
    assert verify(key=issued.secret, ip="198.51.101.1").json()["valid"]


def test_faults_have_pointers(verify):
    answer = verify(key="k", cost=-1, what=1)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/what", "#/cost"]


def test_who_may_ask(api, admin_api):
    issued = make.key()
    ApiKey.objects.filter(pk=issued.key.pk).update(scopes=["*:*"])
    callers = [issued.secret, make.service_key("metrics").secret]

    for secret in callers:
        answer = api.post(PATH, {"key": issued.secret}, HTTP_X_API_KEY=secret)
        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    assert admin_api.post(PATH, {"key": issued.secret}).json()["code"] == "invalid_key"
    assert api.post(PATH, {"key": issued.secret}).json()["code"] == "missing_key"


def test_a_large_body_is_refused(verify):
    answer = verify(key="x" * 70_000)

    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_other_types_are_refused(api):
    caller = make.service_key("validator").secret

    answer = api.post(
        PATH, json.dumps({"key": "k"}), content_type="text/plain", HTTP_X_API_KEY=caller
    )

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.fixture
def strict(settings):
    """Five attempts, in counters of this test's own."""
    settings.RATE_LIMIT_MAX_ATTEMPTS = 5
    made = get_guard(peppers())
    forget(made)
    yield made
    forget(made)


def forget(made):
    made.memory.__init__(made.rules)
    redis = made.valkey.redis
    for name in redis.keys("momentry:fail:*"):
        redis.delete(name)


def wrong_keys(api, times, address):
    key = make.key(make.member(f"m{address.replace('.', '')}"))
    secret = key.secret
    ApiKey.objects.filter(pk=key.key.pk).update(digest=None)
    return [
        api.get("/api/v1/me", HTTP_X_API_KEY=secret, REMOTE_ADDR=address).json()["code"]
        for _ in range(times)
    ]


def test_django_alone_locks_out_too(api, strict):
    assert wrong_keys(api, 6, "203.0.113.77") == ["invalid_key"] * 5 + ["locked_out"]

    answer = api.get(
        "/api/v1/me", HTTP_X_API_KEY=make.key(make.member("bob")).secret, REMOTE_ADDR="203.0.113.78"
    )
    assert answer.status_code == 200


def test_asking_about_wrong_keys_locks_nobody(verify, strict):
    issued = make.key()
    secret = issued.secret
    ApiKey.objects.filter(pk=issued.key.pk).update(digest=None)

    codes = {verify(key=secret, ip="203.0.113.79").json()["code"] for _ in range(7)}

    assert codes == {"invalid_key"}
    assert strict.valkey.redis.keys("momentry:fail:*") == []
