"""POST /api/v1/webhooks/wordpress: INB-01, INB-02, INB-03, and what a snapshot does."""

import base64
import hmac
import json
import time
import uuid
from datetime import UTC, datetime

import pytest
from rest_framework.test import APIClient

from accounts import services as accounts
from accounts.models import Status, User
from apikeys.models import ApiKey
from events.models import Event, Mail
from provisioning.models import ClaimLink, InboxEvent
from tests import make
from tests.provisioning.wordpress import URL, event, send

pytestmark = pytest.mark.django_db


@pytest.fixture
def site():
    return make.site()


def test_a_registration_makes_a_member_a_key_to_claim_and_a_welcome(site):
    answer = send(event())

    assert (answer.status_code, answer.json()) == (200, {"status": "applied"})
    member = User.objects.get()
    assert (member.site, member.wordpress_id, member.username) == (site, 37, "alice")
    assert (member.display_name, member.tier, member.status) == ("Ann 王", "starter", "active")
    assert not member.has_usable_password()
    key = ApiKey.objects.get()
    assert (key.owner, key.is_claimed) == (member, False)
    assert ClaimLink.objects.get().key == key
    assert Mail.objects.get().recipient == "alice@example.org"
    assert sorted(Event.objects.values_list("kind", flat=True)) == [
        "apikey:created", "claim:created", "member:created",
    ]  # fmt: skip


def test_the_same_event_again_has_no_effect(site):
    body = event()
    send(body)

    answer = send(body)

    assert answer.json() == {"status": "duplicate"}
    assert (User.objects.count(), ApiKey.objects.count(), Mail.objects.count()) == (1, 1, 1)


@pytest.mark.parametrize(
    "changed",
    [
        {"HTTP_WEBHOOK_SIGNATURE": None},
        {"HTTP_WEBHOOK_SIGNATURE": ""},
        {"HTTP_WEBHOOK_SIGNATURE": "v1,AAAA"},
        {"HTTP_WEBHOOK_SIGNATURE": "v2,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="},
        {"HTTP_WEBHOOK_SIGNATURE": "v1,@@@"},
        {"HTTP_WEBHOOK_SIGNATURE": "v1,é"},
        {"HTTP_WEBHOOK_SIGNATURE": "v1"},
        {"HTTP_WEBHOOK_SIGNATURE": "v1,A,B"},
        {"HTTP_WEBHOOK_ID": "another"},
        {"HTTP_WEBHOOK_ID": None},
        {"HTTP_WEBHOOK_TIMESTAMP": "1"},
        {"HTTP_WEBHOOK_TIMESTAMP": "soon"},
        {"HTTP_WEBHOOK_TIMESTAMP": None},
        {"secret": make.webhook_secret(9)},
        {"seconds": -400},
        {"seconds": 400},
    ],
)
def test_what_is_not_signed_right_and_now_is_401_and_writes_nothing(site, changed):
    answer = send(event(), **changed)

    assert (answer.status_code, answer.json()["code"]) == (401, "signature_invalid")
    assert (User.objects.count(), InboxEvent.objects.count()) == (0, 0)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_AAAA"])
def test_an_empty_or_short_secret_of_a_site_signs_for_nobody(site, secret):
    site.webhook_secret = secret
    site.save()
    body = event()
    stamp = str(int(time.time()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{body['id']}.{stamp}.{json.dumps(body, ensure_ascii=False)}".encode()
    signature = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()

    answer = send(body, HTTP_WEBHOOK_TIMESTAMP=stamp, HTTP_WEBHOOK_SIGNATURE=f"v1,{signature}")

    assert answer.status_code == 401


def test_a_disabled_site_is_refused(site):
    site.disabled_at = datetime.now(UTC)
    site.save()

    assert send(event()).status_code == 401


def test_each_site_has_its_own_users_and_secret(site):
    make.site(2)
    send(event())

    answer = send(
        event(username="alice2", email="alice2@example.org"), secret=make.webhook_secret(2)
    )

    assert answer.json() == {"status": "applied"}
    assert set(User.objects.values_list("site__name", "wordpress_id")) == {
        ("site 1", 37), ("site 2", 37),
    }  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "latin-1"])
def test_a_body_that_is_not_utf_8_is_unsigned_whatever_it_says(site, encoding):
    raw = json.dumps(event(), ensure_ascii=False).replace("王", "é").encode(encoding)
    headers = {
        "HTTP_WEBHOOK_ID": "msg_1",
        "HTTP_WEBHOOK_TIMESTAMP": str(int(time.time())),
        "HTTP_WEBHOOK_SIGNATURE": "v1,AAAA",
    }

    answer = APIClient().post(URL, raw, content_type="application/json", **headers)

    assert (answer.status_code, User.objects.count()) == (401, 0)


def broken() -> list[object]:
    whole = event()
    user = whole["data"]["user"]
    return [
        b"", b"{", b"[]", b"null", b'"x"',
        whole | {"type": "user.exploded"}, whole | {"type": ["user.registered"]},
        whole | {"sequence": 0}, whole | {"sequence": "1"}, whole | {"sequence": True},
        whole | {"sequence": 2**63}, whole | {"data": {}}, whole | {"data": []},
        whole | {"data": {"user": user | {"id": None}}},
        whole | {"data": {"user": user | {"username": ""}}},
        whole | {"data": {"user": user | {"username": "x" * 61}}},
        whole | {"data": {"user": user | {"username": "nul\0"}}},
        whole | {"data": {"user": user | {"email": "x" * 101}}},
        whole | {"data": {"user": user | {"email": "no address"}}},
        whole | {"data": {"user": user | {"status": "bored"}}},
        whole | {"data": {"user": user | {"display_name": 5}}},
        json.dumps(whole | {"data": {"user": user | {"locale": "\ud800"}}}).encode(),
        json.dumps(whole | {"data": {"user": user | {"username": "a\ud800"}}}).encode(),
        b"[" * 100_000,
    ]  # fmt: skip


@pytest.mark.parametrize("body", broken())
def test_what_is_malformed_is_422_and_writes_nothing(site, body):
    answer = send(body)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert answer.json()["errors"]
    assert (User.objects.count(), InboxEvent.objects.count()) == (0, 0)


def test_an_older_snapshot_is_stale(site):
    send(event(5, username="newer"))

    answer = send(event(4, "user.updated", username="older"))

    assert answer.json() == {"status": "stale"}
    assert User.objects.get().username == "newer"


def test_an_update_of_an_unknown_user_makes_it(site):
    assert send(event(3, "user.updated")).json() == {"status": "applied"}
    assert User.objects.get().username == "alice"


def test_suspension_and_resumption_follow(site):
    send(event(1))
    send(event(2, "user.updated", status="suspended"))
    assert User.objects.get().status == Status.SUSPENDED

    send(event(3, "user.updated", status="active"))

    assert User.objects.get().status == Status.ACTIVE


def test_a_deletion_revokes_the_keys(site):
    send(event(1))

    send(event(2, "user.deleted", status="deleted"))

    assert User.objects.get().status == Status.DELETED
    assert ApiKey.objects.get().revoked_at is not None


def test_a_late_registration_of_a_deleted_user_stays_dead(site):
    send(event(2, "user.deleted", status="deleted"))

    answers = [send(event(1)).json(), send(event(3)).json()]

    assert answers == [{"status": "stale"}, {"status": "applied"}]
    assert User.objects.get().status == Status.DELETED
    assert ApiKey.objects.filter(revoked_at=None).count() == 0
    assert Mail.objects.count() == 0


@pytest.mark.parametrize(
    "same",
    [
        {"username": "ALICE", "email": "x@example.org"},
        {"username": "x", "email": "Alice@example.org"},
    ],
)
def test_a_name_or_address_in_use_makes_a_pending_member_and_no_mail(site, same):
    send(event(1))

    answer = send(event(1, id=38, **same))

    assert answer.json() == {"status": "conflict"}
    assert User.objects.get(wordpress_id=38).status == Status.PENDING
    assert Mail.objects.count() == 1


def test_a_key_on_the_webhook_is_not_judged(site, api):
    answer = api.post(URL, {}, HTTP_X_API_KEY="muser_wrong")

    assert answer.json()["code"] == "signature_invalid"


def test_staff_alone_undo_what_staff_suspended(site):
    send(event(1))
    accounts.suspend(User.objects.get(), reason="abuse", actor="staff:1")

    send(event(2, "user.updated", display_name="Innocent"))

    member = User.objects.get()
    assert (member.status, member.status_reason) == (Status.SUSPENDED, "abuse")
    assert member.display_name == "Innocent"


def test_an_overlong_event_id_is_422_and_not_cut(site):
    answer = send(event(), event_id="L" * 129)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


def test_behind_the_gateway_a_refusal_tells_its_code_for_the_log_row(site, api):
    told = api.post(URL, {}, HTTP_X_MOMENTRY_REQUEST_ID=str(uuid.uuid4()))
    untold = api.post(URL, {})

    assert told.headers["X-Momentry-Code"] == "signature_invalid"
    assert "X-Momentry-Code" not in untold.headers
