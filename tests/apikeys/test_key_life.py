"""Disable, enable, quarantine, revoke: at once, recorded once, harmless to repeat."""

import json
import uuid

import pytest
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
    callers = [make.service_key("validator").secret, make.key(make.member("bob")).secret]
    before = ApiKey.objects.filter(pk=key.pk).values().get()

    for secret in callers:
        answer = client(secret).post(f"{KEYS}/{key.pk}/{verb}")
        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")

    assert ApiKey.objects.filter(pk=key.pk).values().get() == before


@pytest.mark.parametrize("reason", ["r" * 201, None, {"a": 1}, ["x"], "a\0b"])
def test_a_reason_is_a_short_text(admin_api, reason):
    assert do(admin_api, make.key().key, "quarantine", reason=reason).status_code == 422


def test_a_purged_key_is_not_there(admin_api):
    key = make.key().key
    ApiKey.objects.filter(pk=key.pk).update(purged_at=timezone.now())

    assert admin_api.get(f"{KEYS}/{key.pk}").status_code == 404
    assert str(key.pk) not in str(admin_api.get(KEYS).json())
