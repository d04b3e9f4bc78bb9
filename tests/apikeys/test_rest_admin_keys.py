"""/api/v1/admin/keys: listed masked, revoked for good, by ADMIN_TOKEN, roles or staff only."""

import uuid

import pytest
from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from apikeys.models import ApiKey
from events.models import Event
from tests import make

pytestmark = pytest.mark.django_db
KEYS = "/api/v1/admin/keys"


def test_the_list_is_masked_and_newest_first(admin_api):
    first, second = make.key(make.member("alice")), make.key(make.member("bob"))

    body = admin_api.get(KEYS).json()

    ids = [row["id"] for row in body["results"]]
    assert ids.index(str(second.key.pk)) < ids.index(str(first.key.pk))
    assert body["total"] == 4
    assert first.secret not in str(body)
    assert body["results"][0]["key_prefix"].endswith("…****")


def test_the_list_costs_the_same_for_one_owner_or_five(admin_api, django_assert_num_queries):
    for name in ("alice", "bob", "carol", "dave", "erin"):
        make.key(make.member(name))

    # Count, page, grants, tiers; the gate's rules; the log row in its own savepoint.
    with django_assert_num_queries(10):
        body = admin_api.get(KEYS).json()
    assert len({row["owner"]["username"] for row in body["results"]}) == 5


def test_a_revoked_key_is_refused_from_the_next_request_on(api, admin_api):
    issued = make.key()
    assert api.get("/api/v1/me", HTTP_X_API_KEY=issued.secret).status_code == 200

    answer = admin_api.delete(f"{KEYS}/{issued.key.pk}")

    assert answer.status_code == 204
    assert api.get("/api/v1/me", HTTP_X_API_KEY=issued.secret).json()["code"] == "key_revoked"
    event = Event.objects.get(kind="apikey:revoked")
    assert (event.actor, event.subject) == ("admin-token", f"key:{issued.key.pk.hex}")


def test_revoking_twice_is_one_event(admin_api):
    key = make.key().key

    assert [admin_api.delete(f"{KEYS}/{key.pk}").status_code for _ in range(2)] == [204, 204]
    assert Event.objects.filter(kind="apikey:revoked").count() == 1


def test_an_unknown_key_is_404(admin_api):
    assert admin_api.delete(f"{KEYS}/{uuid.uuid4()}").json()["code"] == "not_found"
    assert admin_api.delete(f"{KEYS}/1").json()["code"] == "not_found"


@pytest.mark.parametrize(
    ("role", "get", "delete"),
    [("metrics", 403, 403), ("validator", 200, 403), ("issuer", 200, 204), ("admin", 200, 204)],
)
def test_a_service_keys_role_decides(api, role, get, delete):
    secret = make.service_key(role).secret
    key = make.key().key
    api.credentials(HTTP_X_API_KEY=secret)

    assert (api.get(KEYS).status_code, api.delete(f"{KEYS}/{key.pk}").status_code) == (get, delete)


def test_a_member_key_never_reaches_an_admin_route_whatever_its_scopes(api):
    issued = make.key()
    ApiKey.objects.filter(pk=issued.key.pk).update(scopes=["*:*"], role="admin")
    api.credentials(HTTP_X_API_KEY=issued.secret)

    for route in (KEYS, f"{KEYS}/{issued.key.pk}", "/api/v1/admin/users"):
        assert api.get(route).status_code == 403
    assert api.delete(f"{KEYS}/{issued.key.pk}").status_code == 403


def test_a_members_session_never_reaches_an_admin_route(api):
    alice = make.member()
    api.force_login(alice, backend="accounts.backends.StaffBackend")

    assert api.get(KEYS).json()["code"] == "missing_key"


def test_staff_need_the_permission(api):
    root = make.staff(superuser=False)
    api.force_login(root)
    assert api.get(KEYS).status_code == 403

    root.user_permissions.add(Permission.objects.get(codename="view_apikey"))

    assert api.get(KEYS).status_code == 200
    assert api.delete(f"{KEYS}/{make.key().key.pk}").status_code == 403


def test_a_staff_session_needs_the_csrf_token_to_write():
    strict = APIClient(enforce_csrf_checks=True, raise_request_exception=False)
    strict.force_login(make.staff())
    key = make.key().key

    answer = strict.delete(f"{KEYS}/{key.pk}")

    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")
    key.refresh_from_db()
    assert key.revoked_at is None


def test_a_credential_header_switches_the_session_off(api):
    api.force_login(make.staff())

    answer = api.get(KEYS, HTTP_X_API_KEY="muser_wrong")

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_key")


@pytest.mark.parametrize(
    "query", ["page=0", "page=-1", "page=x", "page=1e3", "page_size=101", "page_size=", "page=٣"]
)
def test_a_bad_page_is_a_clear_422(admin_api, query):
    answer = admin_api.get(f"{KEYS}?{query}")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert answer.json()["errors"][0]["pointer"] == "?" + query.split("=")[0]


def test_a_page_past_the_end_is_empty(admin_api):
    make.key()

    assert admin_api.get(f"{KEYS}?page=50").json()["results"] == []
