"""Rotation (AUTH-10): old and new within the grace, the old one dead when its own end passes."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from apikeys.keyformat import parse
from apikeys.models import ApiKey, RetiredSecret
from apikeys.services import rotate
from events.models import Event
from tests import make
from tests.apikeys.calls import KEYS, code, end_grace

pytestmark = pytest.mark.django_db


def rotated(admin_api, key, **body):
    answer = admin_api.post(f"{KEYS}/{key.pk}/rotate", body)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_old_and_new_work_until_the_grace_ends(admin_api):
    issued = make.key()

    new = rotated(admin_api, issued.key)["api_key"]

    assert (code(issued.secret), code(new)) == ("", "")
    end_grace(issued.key)
    assert (code(issued.secret), code(new)) == ("invalid_key", "")


def test_two_rotations_inside_one_grace_both_hold(admin_api):
    issued = make.key()

    second = rotated(admin_api, issued.key, grace_seconds=3600)["api_key"]
    third = rotated(admin_api, issued.key, grace_seconds=60)["api_key"]

    assert [code(secret) for secret in (issued.secret, second, third)] == ["", "", ""]
    shorter = issued.key.retired_secrets.order_by("ends_at").first()
    RetiredSecret.objects.filter(pk=shorter.pk).update(ends_at=timezone.now())
    assert [code(secret) for secret in (issued.secret, second, third)] == ["", "invalid_key", ""]


def test_without_a_word_the_grace_is_the_settings(admin_api, settings):
    settings.KEY_ROTATION_GRACE = timedelta(hours=2)
    key = make.key().key

    body = rotated(admin_api, key)

    end = key.retired_secrets.get().ends_at
    assert abs(end - timezone.now() - timedelta(hours=2)) < timedelta(minutes=1)
    assert body["grace_ends_at"] == end.isoformat().replace("+00:00", "Z")
    assert Event.objects.get(kind="apikey:rotated").details == '{"grace_seconds": 7200}'


def test_grace_0_ends_the_old_secret_at_once_and_no_other(admin_api):
    issued = make.key()

    second = rotated(admin_api, issued.key, grace_seconds=3600)["api_key"]
    third = rotated(admin_api, issued.key, grace_seconds=0)["api_key"]

    secrets = (issued.secret, second, third)
    assert [code(secret) for secret in secrets] == ["", "invalid_key", ""]


def test_the_end_shown_is_the_last_one(admin_api):
    key = make.key().key

    long = rotated(admin_api, key, grace_seconds=3600)["grace_ends_at"]

    assert rotated(admin_api, key, grace_seconds=60)["grace_ends_at"] == long
    end_grace(key)
    assert admin_api.get(f"{KEYS}/{key.pk}").json()["grace_ends_at"] is None


@pytest.mark.parametrize("seconds", [-1, 2_592_001, "soon", None, 1.5, [], {}])
def test_grace_is_0_to_30_days(admin_api, seconds):
    answer = admin_api.post(f"{KEYS}/{make.key().key.pk}/rotate", {"grace_seconds": seconds})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/grace_seconds")


def test_the_id_stays_and_everything_secret_changes(admin_api):
    issued = make.key()
    ApiKey.objects.filter(pk=issued.key.pk).update(rotate_every_days=9)
    before = admin_api.get(f"{KEYS}/{issued.key.pk}").json()

    body = rotated(admin_api, issued.key)

    assert parse(body["api_key"]).key_id == issued.key.pk
    assert body["api_key"] != issued.secret
    assert (body["version"], body["key_prefix"]) == (before["version"] + 1, before["key_prefix"])
    assert body["rotation_due_at"] > before["created_at"]


def test_the_prefix_follows_the_keys_tier_at_the_next_rotation(admin_api):
    key = make.key().key
    admin_api.patch(f"{KEYS}/{key.pk}", {"tier": "trial"})

    body = rotated(admin_api, key)

    assert body["api_key"].startswith("mtrial_")
    assert body["key_prefix"].startswith("mtrial_")
    assert code(body["api_key"]) == ""


@pytest.mark.parametrize("end", ["revoked_at", "quarantined_at", "expires_at"])
def test_a_key_that_ended_gets_no_new_secret(admin_api, end):
    issued = make.key()
    ApiKey.objects.filter(pk=issued.key.pk).update(**{end: timezone.now()})

    answer = admin_api.post(f"{KEYS}/{issued.key.pk}/rotate")

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert not RetiredSecret.objects.exists()


def test_an_unclaimed_key_has_nothing_to_rotate(admin_api):
    key = make.member().api_keys.get()

    answer = admin_api.post(f"{KEYS}/{key.pk}/rotate")

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "claimed" in answer.json()["detail"]


def test_a_disabled_key_stays_disabled_with_its_new_secret(admin_api):
    issued = make.key()
    ApiKey.objects.filter(pk=issued.key.pk).update(disabled_at=timezone.now())

    assert code(rotated(admin_api, issued.key)["api_key"]) == "key_disabled"


def test_revoking_ends_the_old_secrets_too(admin_api):
    issued = make.key()
    new = rotated(admin_api, issued.key)["api_key"]

    admin_api.delete(f"{KEYS}/{issued.key.pk}")

    assert (code(issued.secret), code(new)) == ("key_revoked", "key_revoked")


def test_so_many_old_secrets_and_no_more(admin_api, monkeypatch):
    monkeypatch.setattr(rotate, "MAX_RETIRED", 2)
    key = make.key().key
    for _ in range(2):
        rotated(admin_api, key, grace_seconds=3600)

    refused = admin_api.post(f"{KEYS}/{key.pk}/rotate")

    assert refused.status_code == 409
    rotated(admin_api, key, grace_seconds=0)
    end_grace(key)
    rotated(admin_api, key, grace_seconds=3600)
    assert key.retired_secrets.count() == 1


def test_a_replay_rotates_once_and_has_no_secret(admin_api):
    issued = make.key()
    path = f"{KEYS}/{issued.key.pk}/rotate"

    first, second = (admin_api.post(path, HTTP_IDEMPOTENCY_KEY="k").json() for _ in range(2))

    assert (second["api_key"], second["secret_status"]) == (None, "delivered")
    assert (second["rotate_url"], second["version"]) == (path, first["version"])
    assert Event.objects.filter(kind="apikey:rotated").count() == 1


def test_neither_secrets_nor_digests_are_kept_or_shown(admin_api):
    issued = make.key()
    answer = admin_api.post(f"{KEYS}/{issued.key.pk}/rotate", HTTP_IDEMPOTENCY_KEY="k")
    secrets = [issued.secret, answer.json()["api_key"]]
    digests = [ApiKey.objects.get(pk=issued.key.pk).digest, issued.key.retired_secrets.get().digest]

    shown = admin_api.get(f"{KEYS}/{issued.key.pk}").content + admin_api.get(KEYS).content
    assert not [text for text in secrets + digests if text in shown.decode()]
    assert not [digest for digest in digests if digest in answer.content.decode()]
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(t::text, '') FROM common_idempotencyrecord t")
        (kept,) = cursor.fetchone()
    assert not [text for text in secrets + digests if text in kept]
