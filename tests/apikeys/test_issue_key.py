"""POST /api/v1/admin/keys: a key for a member or a service, its secret in this answer only."""

import uuid
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Status
from apikeys.gate.scopes import MEMBER_SCOPES
from apikeys.models import ApiKey
from events.models import Event
from tests import make
from tests.apikeys.calls import KEYS, client, code, pointers

pytestmark = pytest.mark.django_db
SERVICE = {"service_name": "n8n", "name": "n8n"}


def owned(**given):
    return {"owner": str(make.member().pk), "name": "Laptop", **given}


def test_a_members_key_has_what_is_usual(admin_api):
    answer = admin_api.post(KEYS, owned())

    body = answer.json()
    assert (answer.status_code, answer.headers["ETag"]) == (201, '"1"')
    assert answer.headers["Location"] == f"{KEYS}/{body['id']}"
    assert answer.headers["Cache-Control"] == "no-store"
    assert body["api_key"].startswith(f"muser_{uuid.UUID(body['id']).hex}_")
    assert (body["key_type"], body["role"], body["tier"]) == ("user", "", None)
    assert body["scopes"] == sorted(MEMBER_SCOPES)
    assert (body["expires_at"], body["grants"], body["version"]) == (None, [], 1)
    assert code(body["api_key"]) == ""


def test_the_json_of_a_key_is_the_contracts(admin_api):
    made = admin_api.post(KEYS, owned()).json()

    body = admin_api.get(f"{KEYS}/{made['id']}").json()

    assert list(body)[:19] == [
        "id", "name", "description", "key_type", "service_name", "role", "scopes", "tier",
        "limits", "grants", "key_prefix", "is_active", "version", "metadata", "owner",
        "last_used_at", "expires_at", "grace_ends_at", "created_at",
    ]  # fmt: skip
    assert [tuple(limit.values()) for limit in body["limits"]] == [
        ("second", "requests", 20), ("minute", "requests", 600),
        ("concurrent", "concurrent-requests", 20), ("monthly", "requests", 10_000),
    ]  # fmt: skip
    assert set(body["owner"]) == {"id", "username", "wordpress_id", "sftpgo_username"}


def test_everything_that_can_be_said_is_kept(admin_api):
    own = make.tier("own", requests_per_day=5)
    grant = {"upstream": "llm", "methods": ["POST"], "paths": ["/v1/"], "models": ["m"]}
    said = {
        "description": "d", "scopes": ["proxy:use"], "tier": own.slug, "metadata": {"a": [1, None]},
        "allowed_networks": ["192.0.2.0/24", "2001:db8::/32"], "rotate_every_days": 30,
        "grants": [grant],
    }  # fmt: skip

    body = admin_api.post(KEYS, owned(expires_in_days=7, **said)).json()

    assert {name: body[name] for name in said} == said
    assert {"name": "key-daily", "unit": "requests", "limit": 5} in body["limits"]
    due, end = (datetime.fromisoformat(body[name]) for name in ("rotation_due_at", "expires_at"))
    assert abs(due - timezone.now() - timedelta(days=30)) < timedelta(minutes=1)
    assert abs(end - timezone.now() - timedelta(days=7)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("body", "prefix", "key_type"),
    [
        (SERVICE, "msvc_", "service"),
        (SERVICE | {"role": "issuer"}, "msvc_", "service"),
        (SERVICE | {"role": "admin"}, "madm_", "admin"),
        (SERVICE | {"role": "admin", "key_type": "admin"}, "madm_", "admin"),
        (SERVICE | {"scopes": ["jobs:work", "hooks:sftpgo", "videos:*"]}, "msvc_", "service"),
        (SERVICE | {"scopes": ["*:read"]}, "msvc_", "service"),
    ],
)
def test_a_services_key_has_its_types_prefix(admin_api, body, prefix, key_type):
    made = admin_api.post(KEYS, body).json()

    assert (made["api_key"][:5], made["key_type"]) == (prefix, key_type)
    assert (made["owner"], made["scopes"]) == (None, sorted(body.get("scopes", [])))
    assert code(made["api_key"]) == ""


def test_a_services_key_may_have_an_owner(admin_api):
    made = admin_api.post(KEYS, owned(**SERVICE)).json()

    assert (made["key_type"], made["owner"]["username"]) == ("service", "alice")


def test_the_trial_prefix_is_for_keys_with_that_tier_of_their_own(admin_api):
    trial = make.member("bob", tier="trial")

    own = admin_api.post(KEYS, owned(tier="trial")).json()
    members = admin_api.post(KEYS, {"owner": str(trial.pk), "name": "x"}).json()

    assert own["api_key"].startswith("mtrial_")
    assert own["key_prefix"].startswith("mtrial_")
    assert members["api_key"].startswith("muser_")
    assert None not in (own["expires_at"], members["expires_at"])


def test_another_end_than_the_tiers_can_be_given(admin_api):
    assert admin_api.post(KEYS, owned(tier="trial", expires_at=None)).json()["expires_at"] is None


def test_a_members_wildcard_means_members_scopes_only(admin_api, api):
    body = admin_api.post(KEYS, owned(scopes=["*:read", "keys:*"])).json()

    assert body["scopes"] == ["jobs:read", "keys:read", "keys:write", "usage:read", "videos:read"]
    assert api.get("/metrics", HTTP_X_API_KEY=body["api_key"]).status_code == 403


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"name": ""}, "#/name"),
        ({"name": "n" * 129}, "#/name"),
        ({"name": "a\0b"}, "#/name"),
        ({"name": None}, "#/name"),
        ({"description": "d" * 501}, "#/description"),
        ({"scopes": ["keys:fly"]}, "#/scopes/0"),
        ({"scopes": ["keys:read", "metrics:read"]}, "#/scopes/1"),
        ({"scopes": ["jobs:work"]}, "#/scopes/0"),
        ({"scopes": "keys:read"}, "#/scopes"),
        ({"scopes": [["keys:read"]]}, "#/scopes/0"),
        ({"role": "issuer"}, "#/role"),
        ({"role": "emperor"}, "#/role"),
        ({"tier": "gold"}, "#/tier"),
        ({"tier": ["starter"]}, "#/tier"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "#/expires_at"),
        ({"expires_at": "soon"}, "#/expires_at"),
        ({"expires_in_days": 0}, "#/expires_in_days"),
        ({"expires_in_days": 10**30}, "#/expires_in_days"),
        ({"expires_in_days": 1, "expires_at": "2099-01-01T00:00:00Z"}, "#/expires_in_days"),
        ({"metadata": []}, "#/metadata"),
        ({"metadata": {"a": "x" * 65_536}}, "#/metadata"),
        ({"metadata": {"a": ["b\0"]}}, "#/metadata"),
        ({"metadata": {"a\0": 1}}, "#/metadata"),
        ({"allowed_networks": ["192.0.2.1"]}, "#/allowed_networks/0"),
        ({"allowed_networks": ["192.0.2.1/24"]}, "#/allowed_networks/0"),
        ({"allowed_networks": ["everywhere"]}, "#/allowed_networks/0"),
        ({"rotate_every_days": 0}, "#/rotate_every_days"),
        ({"grants": [{"upstream": "l l m"}]}, "#/grants/0/upstream"),
        ({"grants": [{"upstream": "llm", "methods": ["get"]}]}, "#/grants/0/methods/0"),
        ({"grants": [{"upstream": "llm", "paths": ["v1"]}]}, "#/grants/0/paths/0"),
        ({"grants": [{"upstream": "llm"}, {"upstream": "llm"}]}, "#/grants/1/upstream"),
        ({"grants": [{"upstream": "llm", "limit": 1}]}, "#/grants/0/limit"),
        ({"key_type": "root"}, "#/key_type"),
        ({"key_type": "service"}, "#/service_name"),
        ({"key_type": "user", "service_name": "x"}, "#/service_name"),
        ({"owner": "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f0"}, "#/owner"),
        ({"owner": 7}, "#/owner"),
        ({"version": 7}, "#/version"),
        ({"digest": "x"}, "#/digest"),
        ({"created_at": "2020-01-01T00:00:00Z"}, "#/created_at"),
        ({"revoked_at": None}, "#/revoked_at"),
    ],
    ids=str,
)
def test_bad_input_is_422_with_its_place_and_makes_nothing(admin_api, given, pointer):
    body = owned() | given
    before = ApiKey.objects.count()

    assert pointer in pointers(admin_api.post(KEYS, body))
    assert ApiKey.objects.count() == before


@pytest.mark.parametrize("text", ['{"a": 1e999}', '{"a": "\\ud800"}', "[" * 25 + "]" * 25])
def test_metadata_that_could_not_be_kept_is_refused(admin_api, text):
    metadata = text if text.startswith("{") else f'{{"a": {text}}}'
    body = f'{{"service_name": "x", "name": "x", "metadata": {metadata}}}'

    answer = admin_api.generic("POST", KEYS, body, content_type="application/json")

    assert pointers(answer) == ["#/metadata"]


@pytest.mark.parametrize("metadata", [{"a": "x" * 65_527}, {"ü": ["😀", 1.5, True, None]}, {}])
def test_metadata_up_to_64_kb_is_kept(admin_api, metadata):
    assert admin_api.post(KEYS, SERVICE | {"metadata": metadata}).json()["metadata"] == metadata


@pytest.mark.parametrize(
    "body",
    [{"name": "x"}, {"name": "x", "role": "issuer"}, SERVICE | {"key_type": "user"},
     SERVICE | {"key_type": "admin"}, SERVICE | {"role": "admin", "key_type": "service"}, [], 7],
    ids=str,
)  # fmt: skip
def test_a_key_needs_an_owner_or_a_service_and_the_role_of_its_type(admin_api, body):
    assert pointers(admin_api.post(KEYS, body))
    assert ApiKey.objects.count() == 0


@pytest.mark.parametrize("status", [Status.PENDING, Status.SUSPENDED, Status.DELETED])
def test_the_owner_must_be_active(admin_api, status):
    body = owned()
    make.User.objects.filter(pk=body["owner"]).update(status=status)

    assert pointers(admin_api.post(KEYS, body)) == ["#/owner"]


def test_it_is_recorded_without_the_secret(admin_api):
    body = admin_api.post(KEYS, owned()).json()

    event = Event.objects.get(kind="apikey:created", subject=f"key:{uuid.UUID(body['id']).hex}")
    assert event.actor == "admin-token"
    assert body["api_key"] not in str(event.details)


def test_the_secret_is_stored_nowhere(admin_api):
    secret = admin_api.post(KEYS, owned(), HTTP_IDEMPOTENCY_KEY="k").json()["api_key"]

    assert tables_with(secret[-40:]) == []


def tables_with(text: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema='public'"
        )
        found = []
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE %s', [f"%{text}%"])
            if cursor.fetchone() != (0,):
                found.append(table)
    return found


def test_an_idempotency_key_is_stored_nowhere_and_may_be_a_credential(admin_api):
    body, key = owned(), make.key().secret
    first = admin_api.post(KEYS, body, HTTP_IDEMPOTENCY_KEY=key)

    second = admin_api.post(KEYS, body, HTTP_IDEMPOTENCY_KEY=key)

    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.json()["id"] == first.json()["id"]
    assert tables_with(key[-40:]) == []


def test_a_replay_never_shows_the_secret_again(admin_api):
    body = owned()
    first = admin_api.post(KEYS, body, HTTP_IDEMPOTENCY_KEY="k").json()

    second = admin_api.post(KEYS, body, HTTP_IDEMPOTENCY_KEY="k")

    again = second.json()
    assert second.headers["Idempotency-Replayed"] == "true"
    assert (second.status_code, again["id"]) == (201, first["id"])
    assert (again["api_key"], again["secret_status"]) == (None, "delivered")
    assert "secret_status" not in first
    lost = admin_api.post(again["rotate_url"], {"grace_seconds": 0}).json()
    assert (code(first["api_key"]), code(lost["api_key"])) == ("invalid_key", "")


def test_an_idempotency_key_belongs_to_one_body(admin_api):
    body = owned()
    admin_api.post(KEYS, body, HTTP_IDEMPOTENCY_KEY="k")

    answer = admin_api.post(KEYS, body | {"name": "other"}, HTTP_IDEMPOTENCY_KEY="k")

    assert answer.json()["code"] == "idempotency_mismatch"


def test_issuing_needs_the_scope(admin_api):
    answer = client(make.service_key("validator").secret).post(KEYS, SERVICE)

    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")


@pytest.mark.parametrize(
    "text", ['{"key_type": "\\ud83d"}', '{"\\ud83d": 1}', '{"scopes": ["\\ud83d"]}', '{"a~/b": 1}']
)
def test_text_that_is_no_unicode_is_422(admin_api, text):
    answer = admin_api.generic("POST", KEYS, text, content_type="application/json")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
