"""GET /api/v1/me through Django alone: the middleware asks the gate itself."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Status
from apikeys.models import ApiKey, Counter, RequestLog
from tests import make
from tests.apikeys.calls import pointers

pytestmark = pytest.mark.django_db


def test_a_member_sees_itself_its_key_and_its_limits(api):
    alice = make.member()
    secret = make.key(alice).secret

    body = api.get("/api/v1/me", HTTP_X_API_KEY=secret).json()

    assert body["member"] == {
        "id": str(alice.pk), "username": "alice", "wordpress_id": None, "sftpgo_username": None,
    }  # fmt: skip
    assert [(limit["name"], limit["limit"], limit["remaining"]) for limit in body["limits"]] == [
        ("second", 20, 19), ("minute", 600, 599), ("concurrent", 20, 19),
        ("monthly", 10_000, 10_000),
    ]  # fmt: skip
    assert [limit["reset_at"] is None for limit in body["limits"]] == [False, False, True, False]
    assert [limit["unit"] for limit in body["limits"]].index("concurrent-requests") == 2
    assert body["storage"] == {"quota": 10 * 1024**3, "used": 0, "reserved": 0, "daily": None}
    assert body["key"]["is_active"] is True


def test_looking_at_oneself_costs_nothing(api):
    secret = make.key().secret

    answer = api.get("/api/v1/me", HTTP_X_API_KEY=secret)

    left = {limit["name"]: limit["remaining"] for limit in answer.json()["limits"]}
    assert left["monthly"] == 10_000
    assert sum(Counter.objects.values_list("used", flat=True)) == 0


def test_neither_secret_nor_digest_is_in_the_answer(api):
    issued = make.key()
    issued.key.refresh_from_db()

    text = api.get("/api/v1/me", HTTP_X_API_KEY=issued.secret).content.decode()

    assert issued.secret not in text
    assert issued.key.digest not in text
    assert "digest" not in text


@pytest.mark.parametrize(
    "header",
    [
        {"HTTP_AUTHORIZATION": "Bearer {}"},
        {"HTTP_X_API_KEY": "{}"},
        {"HTTP_API_KEY": "{}"},
    ],
)
def test_a_key_counts_in_three_headers(api, header):
    secret = make.key().secret
    placed = {name: value.format(secret) for name, value in header.items()}

    assert api.get("/api/v1/me", **placed).status_code == 200


def test_a_key_in_the_query_a_cookie_or_the_body_does_not_count(api):
    secret = make.key().secret
    api.cookies["X-API-Key"] = secret

    answer = api.get(f"/api/v1/me?api_key={secret}&X-API-Key={secret}")

    assert (answer.status_code, answer.json()["code"]) == (401, "missing_key")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="momentry"'


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"revoked_at": True}, 401, "key_revoked"),
        ({"disabled_at": True}, 401, "key_disabled"),
        ({"quarantined_at": True}, 401, "key_quarantined"),
        ({"expires_at": True}, 401, "key_expired"),
    ],
)
def test_a_key_that_ended_is_refused_with_its_reason(api, change, status, code):
    issued = make.key()
    at = timezone.now() - timedelta(seconds=1)
    ApiKey.objects.filter(pk=issued.key.pk).update(**dict.fromkeys(change, at))

    answer = api.get("/api/v1/me", HTTP_X_API_KEY=issued.secret)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("status", [Status.SUSPENDED, Status.PENDING, Status.DELETED])
def test_a_member_that_is_not_active_is_refused(api, status):
    issued = make.key()
    issued.key.owner.status = status
    issued.key.owner.save()

    answer = api.get("/api/v1/me", HTTP_X_API_KEY=issued.secret)

    assert (answer.status_code, answer.json()["code"]) == (403, "member_suspended")


def test_an_unclaimed_key_opens_nothing(api):
    alice = make.member()
    key = alice.api_keys.get()

    answer = api.get("/api/v1/me", HTTP_X_API_KEY=f"muser_{key.pk.hex}_1_{'0' * 43}_000000000000")

    assert answer.json()["code"] == "invalid_key"


def test_a_staff_session_is_no_key(api):
    api.force_login(make.staff())

    answer = api.get("/api/v1/me")

    assert (answer.status_code, answer.json()["code"]) == (401, "missing_key")


def test_without_a_gateway_the_request_is_logged_here(api):
    issued = make.key()

    asked = "/api/v1/me?secret=1"
    answer = api.get(asked, HTTP_X_API_KEY=issued.secret, HTTP_USER_AGENT="t/1")

    row = RequestLog.objects.get(id=uuid.UUID(answer.headers["X-Request-ID"]))
    assert (row.key_id, row.member_id) == (issued.key.pk, issued.key.owner_id)
    assert (row.method, row.path, row.status, row.user_agent) == ("GET", "/api/v1/me", 422, "t/1")


def test_the_internal_headers_do_not_leave(api):
    answer = api.get("/api/v1/me", HTTP_X_API_KEY=make.key().secret)

    assert not [name for name in answer.headers if name.lower().startswith("x-momentry")]


def test_a_request_id_is_made_here_and_stands_in_the_problem(api):
    answer = api.get("/api/v1/me", HTTP_X_REQUEST_ID="mine")

    assert answer.headers["X-Request-ID"] == answer.json()["request_id"] != "mine"
    assert uuid.UUID(answer.json()["request_id"]).version == 7


def test_an_unknown_route_is_a_problem_document(api):
    answer = api.get("/api/v1/nope")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("query", ["page=1", "secret=1", "page_size=5&page_size=5"])
def test_there_are_no_parameters(api, query):
    answer = api.get(f"/api/v1/me?{query}", HTTP_X_API_KEY=make.key().secret)

    assert pointers(answer) == ["?" + query.partition("=")[0]]
