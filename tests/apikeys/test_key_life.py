"""Disable, enable, quarantine, revoke: at once, recorded once, harmless to repeat."""

import json
import uuid

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from apikeys.models import ApiKey
from events.models import Event
from tests import make
from tests.apikeys.calls import KEYS, client, code

pytestmark = pytest.mark.django_db


def do(admin_api, key, verb, **body):
    return admin_api.post(f"{KEYS}/{key.pk}/{verb}", body)


def test_a_disabled_key_is_refused_until_it_is_enabled(admin_api):
    issued = make.key()

    disabled = do(admin_api, issued.key, "disable")
    assert (disabled.status_code, disabled.json()["is_active"]) == (200, False)
    assert code(issued.secret) == "key_disabled"

    assert do(admin_api, issued.key, "enable").json()["is_active"] is True
    assert code(issued.secret) == ""


def test_a_quarantined_key_is_refused_for_good_with_its_old_secrets(admin_api):
    issued = make.key()
    new = do(admin_api, issued.key, "rotate").json()["api_key"]

    answer = do(admin_api, issued.key, "quarantine", reason="on a forum")

    assert (answer.status_code, answer.json()["is_active"]) == (200, False)
    assert [code(secret) for secret in (issued.secret, new)] == ["key_quarantined"] * 2
    event = Event.objects.get(kind="apikey:quarantined")
    assert json.loads(event.details) == {"reason": "on a forum"}
    assert do(admin_api, issued.key, "enable").status_code == 409


def test_a_revoked_key_is_refused_for_good(admin_api):
    issued = make.key()

    assert do(admin_api, issued.key, "revoke").json()["is_active"] is False

    assert code(issued.secret) == "key_revoked"
    for verb in ("disable", "enable", "quarantine", "rotate"):
        answer = do(admin_api, issued.key, verb)
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


@pytest.mark.parametrize(
    ("verb", "kind"),
    [("disable", "disabled"), ("quarantine", "quarantined"), ("revoke", "revoked")],
)
def test_repeating_is_harmless_and_one_event(admin_api, verb, kind):
    key = make.key().key

    versions = [do(admin_api, key, verb).json()["version"] for _ in range(2)]

    assert versions[0] == versions[1]
    event = Event.objects.get(kind=f"apikey:{kind}")
    assert (event.actor, event.subject) == ("admin-token", f"key:{key.pk.hex}")


def test_enabling_what_is_not_disabled_changes_nothing(admin_api):
    key = make.key().key

    assert do(admin_api, key, "enable").status_code == 200
    assert not Event.objects.filter(kind="apikey:enabled").exists()


def test_a_quarantined_key_can_still_be_revoked(admin_api):
    issued = make.key()
    do(admin_api, issued.key, "quarantine")

    assert do(admin_api, issued.key, "revoke").status_code == 200
    assert code(issued.secret) == "key_revoked"


@pytest.mark.parametrize("verb", ["disable", "enable", "quarantine", "revoke", "rotate"])
def test_an_unknown_key_is_404(admin_api, verb):
    answer = admin_api.post(f"{KEYS}/{uuid.uuid4()}/{verb}")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert admin_api.get(f"{KEYS}/{make.key().key.pk}/{verb}").status_code == 405


@pytest.mark.parametrize("verb", ["disable", "enable", "quarantine", "revoke", "rotate"])
def test_reading_roles_and_members_keys_change_nothing(verb):
    key = make.key().key
    told = {
        make.service_key("validator").secret: "insufficient_scope",
        make.key(make.member("bob")).secret: "permission_denied",
    }
    before = ApiKey.objects.filter(pk=key.pk).values().get()

    for secret, found in told.items():
        answer = client(secret).post(f"{KEYS}/{key.pk}/{verb}")
        assert (answer.status_code, answer.json()["code"]) == (403, found)

    assert ApiKey.objects.filter(pk=key.pk).values().get() == before


@pytest.mark.parametrize("reason", ["r" * 201, None, {"a": 1}, ["x"], "a\0b"])
def test_a_reason_is_a_short_text(admin_api, reason):
    assert do(admin_api, make.key().key, "quarantine", reason=reason).status_code == 422


def test_a_purged_key_is_not_there(admin_api):
    key = make.key().key
    ApiKey.objects.filter(pk=key.pk).update(purged_at=timezone.now())

    assert admin_api.get(f"{KEYS}/{key.pk}").status_code == 404
    assert str(key.pk) not in str(admin_api.get(KEYS).json())


def test_a_members_key_is_told_that_no_scope_would_help():
    answer = client(make.key().secret).get(KEYS)

    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert "services' keys" in answer.json()["detail"]
    assert "WWW-Authenticate" not in answer.headers


def test_who_could_not_hand_a_key_out_does_not_enable_it(admin_api):
    issuer, issued = client(make.service_key("issuer").secret), make.service_key("admin")
    path = f"{KEYS}/{issued.key.pk}"

    assert issuer.post(f"{path}/disable").status_code == 200
    refused = issuer.post(f"{path}/enable")

    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    assert code(issued.secret) == "key_disabled"
    assert not Event.objects.filter(kind="apikey:enabled").exists()
    assert admin_api.post(f"{path}/enable").status_code == 200


def test_an_issuer_enables_what_it_could_hand_out():
    issuer, issued = client(make.service_key("issuer").secret), make.service_key("validator")
    path = f"{KEYS}/{issued.key.pk}"

    assert issuer.post(f"{path}/disable").status_code == 200
    assert issuer.post(f"{path}/enable").status_code == 200
    assert code(issued.secret) == ""


def test_staff_who_are_no_superusers_enable_members_keys_only(api):
    clerk, own, service = make.staff(superuser=False), make.key().key, make.service_key().key
    clerk.user_permissions.set(Permission.objects.filter(codename="change_apikey"))
    api.force_login(clerk)
    ApiKey.objects.update(disabled_at=timezone.now())

    assert do(api, own, "enable").status_code == 200
    assert do(api, service, "enable").json()["code"] == "permission_denied"
    assert ApiKey.objects.exclude(disabled_at=None).filter(pk=service.pk).exists()
