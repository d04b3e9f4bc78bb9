"""POST /api/v1/webhooks/wordpress/member: a member's page, asked for by their WordPress."""

import json
import time
import uuid
from datetime import UTC, datetime

import pytest
from rest_framework.test import APIClient
from standardwebhooks.webhooks import Webhook

from accounts import services as accounts
from accounts.models import User
from apikeys.models import ApiKey
from apikeys.services.keys import issue_secret, revoke_key
from events.kinds import Kind
from events.models import Event
from provisioning.models import ClaimLink
from provisioning.services.claims import claim_url
from tests import make
from tests.provisioning.wordpress import event, send

pytestmark = pytest.mark.django_db
URL = "/api/v1/webhooks/wordpress/member"


@pytest.fixture
def site():
    return make.site()


@pytest.fixture
def alice(site):
    send(event())
    return User.objects.get()


def ask(body, *, secret="", event_id="", seconds=0):
    raw = body if isinstance(body, str) else json.dumps(body)
    event_id = event_id or str(uuid.uuid4())
    moment = datetime.fromtimestamp(time.time() + seconds, UTC)
    headers = {
        "HTTP_WEBHOOK_ID": event_id,
        "HTTP_WEBHOOK_TIMESTAMP": str(int(moment.timestamp())),
        "HTTP_WEBHOOK_SIGNATURE": Webhook(secret or make.webhook_secret()).sign(
            event_id, moment, raw
        ),
    }
    client = APIClient(raise_request_exception=False)
    return client.post(URL, raw.encode(), content_type="application/json", **headers)


def show(user_id=37, **changed):
    return ask({"user_id": user_id, "action": "show"}, **changed)


def press(action, key, user_id=37, **changed):
    return ask({"user_id": user_id, "action": action, "key_id": str(key.pk)}, **changed)


def code(answer):
    return answer.status_code, answer.json()["code"]


def test_a_member_sees_quota_usage_limits_and_masked_keys(alice):
    answer = show()

    key = ApiKey.objects.get()
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    page = answer.json()
    assert page["member"] == {"username": "alice", "status": "active", "tier": "starter"}
    assert page["storage"] == {"quota": 10 * 1024**3, "used": 0, "reserved": 0}
    assert page["usage"] == {"total_requests": 0}
    assert {"name": "monthly", "unit": "requests", "limit": 10_000, "remaining": 10_000} in page[
        "limits"
    ]
    (shown,) = page["keys"]
    assert (shown["id"], shown["state"], page["api_key"]) == (str(key.pk), "unclaimed", None)
    assert shown["key_prefix"].endswith("****")


def test_what_was_used_is_taken_off_the_limit(alice, api):
    secret = issue_secret(ApiKey.objects.get())
    for _ in range(3):
        assert api.get("/api/v1/videos-nowhere", HTTP_X_API_KEY=secret).status_code == 404

    monthly = [limit for limit in show().json()["limits"] if limit["name"] == "monthly"]

    assert [limit["remaining"] for limit in monthly] == [9_997]
    assert show().json()["usage"]["total_requests"] == 3


def test_claiming_gives_the_secret_once_and_ends_the_link_of_the_mail(alice, api, client):
    key = ApiKey.objects.get()

    answer = press("claim", key)

    secret = answer.json()["api_key"]
    assert api.get("/api/v1/me", HTTP_X_API_KEY=secret).status_code == 200
    assert answer.json()["keys"][0]["state"] == "active"
    link = claim_url(ClaimLink.objects.get()).partition("/claim/")[2]
    assert client.get(f"/claim/{link}").status_code == 404
    assert ClaimLink.objects.get().voided_at is not None
    assert code(press("claim", key)) == (409, "conflict")
    assert (
        Event.objects.filter(kind=Kind.APIKEY_CLAIMED, actor=f"member:{alice.pk.hex}").count() == 1
    )


def test_rotating_gives_a_new_secret_and_the_old_one_its_grace(alice, api):
    key = ApiKey.objects.get()
    old = press("claim", key).json()["api_key"]

    new = press("rotate", key).json()["api_key"]

    assert new != old
    for secret in (old, new):
        assert api.get("/api/v1/me", HTTP_X_API_KEY=secret).status_code == 200


def test_the_same_button_sent_again_does_nothing(alice):
    key = ApiKey.objects.get()
    press("claim", key)
    first = press("rotate", key, event_id="once")
    version = ApiKey.objects.get().version

    again = press("rotate", key, event_id="once")

    assert first.status_code == 200
    assert code(again) == (409, "conflict")
    assert "muser_" not in again.content.decode().replace(key.key_prefix, "")
    assert ApiKey.objects.get().version == version


def test_another_members_key_is_not_there(alice):
    send(event(1, id=38, username="bob", email="bob@example.org"))
    bobs = ApiKey.objects.get(owner__username="bob")

    for action in ("rotate", "claim"):
        assert code(press(action, bobs)) == (404, "not_found")
    assert code(ask({"user_id": 37, "action": "claim", "key_id": str(uuid.uuid4())}))[0] == 404
    assert not ApiKey.objects.get(pk=bobs.pk).is_claimed


def test_a_site_asks_for_its_own_users_only(alice):
    make.site(2)

    other = make.webhook_secret(2)

    assert code(show(secret=other)) == (404, "not_found")
    assert code(press("claim", ApiKey.objects.get(), secret=other)) == (404, "not_found")


def test_who_is_unknown_or_deleted_is_not_found(alice):
    assert code(show(99)) == (404, "not_found")
    send(event(2, "user.deleted", status="deleted"))
    assert code(show()) == (404, "not_found")


def test_a_suspended_member_sees_the_page_and_gets_no_key(alice):
    accounts.suspend(alice, reason="abuse", actor="staff:1")

    assert show().json()["member"]["status"] == "suspended"
    assert code(press("claim", ApiKey.objects.get())) == (403, "member_suspended")
    assert not ApiKey.objects.get().is_claimed


def test_a_revoked_key_stays_so(alice):
    key = ApiKey.objects.get()
    press("claim", key)
    revoke_key(key, actor="test")

    assert code(press("rotate", key)) == (409, "conflict")
    assert show().json()["keys"][0]["state"] == "revoked"


@pytest.mark.parametrize("changed", [{"secret": make.webhook_secret(9)}, {"seconds": -400}])
def test_what_is_not_signed_right_and_now_is_401(alice, changed):
    assert code(show(**changed)) == (401, "signature_invalid")


@pytest.mark.parametrize(
    "body",
    [
        "", "{", "[]", "null", '{"user_id": 37}', {"user_id": 37, "action": "delete"},
        {"user_id": "x", "action": "show"}, {"user_id": 0, "action": "show"},
        {"user_id": 2**63, "action": "show"}, {"user_id": 37, "action": "rotate"},
        {"user_id": 37, "action": "rotate", "key_id": "x"}, {"user_id": 37, "action": ["show"]},
        {"user_id": 37, "action": "show", "key_id": str(uuid.uuid4())},
        {"user_id": 37, "action": "show", "is_staff": True}, "[" * 100_000,
        event(),
    ],
)  # fmt: skip
def test_what_is_malformed_is_422(alice, body):
    assert code(ask(body)) == (422, "invalid_input")


def test_a_webhook_of_the_site_is_no_question_and_the_other_way_round(alice):
    answer = send({"id": "msg_1", "user_id": 37, "action": "show"})

    assert code(answer) == (422, "invalid_input")
